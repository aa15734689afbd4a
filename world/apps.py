"""A made-up world of leads whose hidden truth is known, to try things on."""

from django.apps import AppConfig


class WorldConfig(AppConfig):
    name = "world"
