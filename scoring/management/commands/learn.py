"""Learns weights from outcomes and says what it would propose; nothing goes live."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.workers import require_success, work_on
from scoring.live import NotConfigured, live_config
from scoring.models import Proposal
from scoring.proposing import SEED, start_learning


class Command(BaseCommand):
    """Learn weights from outcomes for each live score model and write what comes of it.

    A proposal waits for a person under Scoring, Proposals. Killed in the middle, it loses nothing:
    workers go on.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=SEED, help="of samples and folds (0)")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            live_config()
        except NotConfigured as error:
            raise CommandError(str(error)) from None
        if options["seed"] < 0:
            raise CommandError("seed: must not be negative")
        began = time.perf_counter()
        job = start_learning(None, seed=options["seed"])
        work_on(job, processes=1)
        require_success(job)
        found = Proposal.objects.filter(job=job).select_related("version", "live")
        latest = {
            p.key: p for p in Proposal.objects.order_by("pk").select_related("version", "live")
        }
        shown = {**latest, **{p.key: p for p in found}}
        models = [
            self._report(shown[live.key]) for live in live_config().everything if live.key in shown
        ]
        if options["json"]:
            report = {
                "job": job.pk,
                "state": job.state,
                "models": models,
                "seconds": round(time.perf_counter() - began, 3),
            }
            self.stdout.write(json.dumps(report, ensure_ascii=False, allow_nan=False))
            return
        for model in models:
            self.stdout.write(f"{model['model']}: {model['verdict']}. {model['sentence']}")

    def _report(self, proposal: Proposal) -> dict[str, Any]:
        evidence = proposal.evidence
        return {
            "model": proposal.key,
            "verdict": proposal.verdict,
            "sentence": proposal.sentence,
            "n": evidence.get("n"),
            "won": evidence.get("won"),
            "immature_share": evidence.get("immature_share"),
            "proposal": proposal.pk,
            "version": proposal.version.number if proposal.version else None,
            "live": proposal.live.number,
            "warnings": evidence.get("warnings", []),
        }
