"""ICPs, frameworks, evidence, score models and standings."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        """Register sweeps, jobs, invariants and bundle sections."""
        from scoring import bundles, invariants, tasks  # noqa: F401  (registration by import)
