"""The measurements: ratios against what the database can do at best."""

from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "bench"
