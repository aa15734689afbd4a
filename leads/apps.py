"""Leads, companies, sources, stages, activities, outcomes and identity."""

from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self) -> None:
        """Register the bundle section."""
        from leads import bundles  # noqa: F401  (registration by import)
