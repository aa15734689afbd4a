"""Leads, companies, sources, stages, activities, outcomes and identity."""

from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self) -> None:
        """Register the bundle section and invariants."""
        from leads import bundles, invariants  # noqa: F401  (registration by import)
