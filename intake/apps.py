"""How leads arrive: CSV import, and later forms, tracking and enrichment."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "intake"
