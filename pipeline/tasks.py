"""The sweep that keeps the criteria page's report, and raises alerts of what it finds."""

import datetime as dt
from contextlib import suppress
from dataclasses import asdict

from django.db import transaction
from django.db.models import Max

from core.clock import DatabaseNow, now
from core.sweeps import sweep
from leads.models import Outcome
from pipeline.effectiveness import Effectiveness, judge, missed
from pipeline.measures import MONTHS, control_outcomes, seconds_by_dimension
from pipeline.models import CriteriaReport
from scoring.alerts import raise_alerts
from scoring.live import LiveConfig, LiveModel, NotConfigured, live_config
from scoring.models import DriftAlert
from scoring.training import of_model, read_training

SWEEP = "pipeline.report_criteria"
MOST_LEADS = 20_000  # the newest; a criterion that needs more to be judged is worth little
FRESH = dt.timedelta(hours=1)  # between two reports of a model while outcomes come in
STALE = dt.timedelta(hours=24)  # when a report is renewed whatever came


@sweep(SWEEP, queue="bulk")
def report_criteria() -> int:
    """Renew the report of one model that is due; return whether there was one."""
    with suppress(NotConfigured):
        config = live_config()
        for live in config.everything:
            newest = Outcome.objects.aggregate(newest=Max("pk"))["newest"] or 0
            if _is_due(live, newest):
                make_report(live, config, newest)
                return 1
    return 0


def _is_due(live: LiveModel, newest: int) -> bool:
    found = CriteriaReport.objects.filter(key=live.key)
    row = found.values_list("model_version_id", "outcome_id", "made_at").first()
    if row is None:
        return True
    version_id, outcome_id, made_at = row
    age = now() - made_at
    return version_id != live.id or age > STALE or (outcome_id != newest and age > FRESH)


@transaction.atomic
def make_report(live: LiveModel, config: LiveConfig, newest: int) -> CriteriaReport:
    """Judge the lines of a live model, keep the report, and raise what has drifted."""
    since = now() - dt.timedelta(days=MONTHS * 30.4)
    past = read_training([config], since=since.timestamp(), most=MOST_LEADS)
    found = judge(live, of_model(past, live, config), config.types, seconds_by_dimension())
    report, _ = CriteriaReport.objects.update_or_create(
        key=live.key,
        defaults={
            "model_version_id": live.id,
            "outcome_id": newest,
            "made_at": DatabaseNow(),
            "data": found.as_json() | {"control": asdict(missed(*control_outcomes(live.key)))},
        },
    )
    raise_alerts(list(alerts_of(live, found)))
    return report


def alerts_of(live: LiveModel, found: Effectiveness) -> list[DriftAlert]:
    """Return an alert for each month that drifted, naming criterion and month."""
    alerts = []
    for line in found.lines:
        for month in line.months:
            if month.alert and month.psi is not None:
                text = (
                    f"{live.model.name}, {line.label}: leads closed in {_named(month.month)} are "
                    f"not like those before (PSI {month.psi:.2f}, n {month.n:,})."
                )
                alerts.append(
                    DriftAlert(
                        key=live.key,
                        subject=line.key,
                        label=line.label,
                        month=month.month,
                        value=month.psi,
                        text=text,
                    )
                )
    for base in found.base:
        if base.alert and base.before is not None and base.share.rate is not None:
            text = (
                f"{live.model.name}: the share won was {100 * base.share.rate:.0f} % in "
                f"{_named(base.month)}, {100 * base.before:.0f} % before (n {base.share.n:,})."
            )
            alerts.append(
                DriftAlert(
                    key=live.key,
                    subject=DriftAlert.BASE,
                    label="Share won",
                    month=base.month,
                    value=base.share.rate,
                    text=text,
                )
            )
    return alerts


def _named(month: str) -> str:
    return f"{dt.date.fromisoformat(f'{month}-01'):%B %Y}"
