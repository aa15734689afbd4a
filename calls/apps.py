"""Discovery calls: the script, the answers, how a call ended."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "calls"

    def ready(self) -> None:
        """Register the bundle section and invariants."""
        from calls import bundles, invariants  # noqa: F401  (registration by import)
        from intake.undoing import counts_as_work

        counts_as_work(
            """
            SELECT lead_id FROM calls_call WHERE lead_id = ANY(%(leads)s)
            """
        )

        from calls.selectors import calls_by_version
        from scoring.framework_selectors import count_uses

        count_uses(calls_by_version)
