"""How leads arrive: CSV import, and later forms, tracking and enrichment."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "intake"

    def ready(self) -> None:
        """Register jobs and sweeps."""
        from intake import backtests, tasks  # noqa: F401  (registration by import)
