"""Plays, runs and follow-ups: what happens next, and when."""

from django.apps import AppConfig


class FollowupsConfig(AppConfig):
    name = "followups"

    def ready(self) -> None:
        """Register sweeps, invariants and the bundle section."""
        from followups import (  # noqa: F401  (registration by import)
            bundles,
            invariants,
            subscribers,
            tasks,
        )
        from intake.undoing import counts_as_work

        counts_as_work(
            """
            SELECT lead_id FROM followups_followup
            WHERE lead_id = ANY(%(leads)s) AND (run_id IS NULL OR state IN ('done', 'skipped'))
            """
        )
