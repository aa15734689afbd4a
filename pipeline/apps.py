"""The manager's pages: the pipeline by stage and tier."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    name = "pipeline"

    def ready(self) -> None:
        """Register the sweeps."""
        from pipeline import tasks  # noqa: F401  (registration by import)
