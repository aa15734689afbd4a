"""The technical floor: no business noun lives here."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
