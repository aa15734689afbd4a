"""The control group of a demo: switched on most of a year ago, so that enough of its leads have
closed to tell what working cold ones as warm was worth.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.models import Min, OuterRef, Q, Subquery

from accounts.models import User
from accounts.roles import Role
from core import clock
from followups import control
from followups.definitions import Phase
from followups.live import live_plays
from followups.models import ControlMember, Run
from followups.runs import EndReason, StartedBy
from leads.activities import Kind
from leads.models import Activity
from scoring.models import ModelVersion, ScoreChange, Snapshot
from scoring.tiers import State, Tier

AGO = dt.timedelta(days=300)
SHARE, SEED = 0.15, 1
_LEFT = ControlMember.Left


class _Closed(NamedTuple):
    """A lead that was cold when it was first scored, and when it stopped being worked so."""

    lead_id: int
    since: dt.datetime
    until: dt.datetime
    warmed: bool


def keep_control(reps: list[User]) -> None:
    """Let a model owner switch the group on, and have it hold for the leads that came since and
    have closed: those it chose on the warm play, the other cold ones on the cold play. Nothing
    where the configuration has no such plays.
    """
    owner = User.objects.filter(is_demo=True, role=Role.MODEL_OWNER).order_by("pk").first()
    plays = {
        tier: live_plays().get((tier, Phase.BEFORE_CONTACT)) for tier in (Tier.COLD, Tier.WARM)
    }
    cold, warm = plays[Tier.COLD], plays[Tier.WARM]
    if owner is None or cold is None or warm is None:
        return
    began = clock.now() - AGO
    with clock.at(began):
        setting = control.set_control(SHARE, SEED, by=owner)
    leads = list(_closed_since(began))
    inside = [lead for lead in leads if control.chosen(lead.lead_id, SEED, SHARE)]
    chosen = {lead.lead_id for lead in inside}
    Run.objects.bulk_create(
        Run(
            lead_id=lead.lead_id,
            play_version_id=(warm if lead.lead_id in chosen else cold).id,
            started_at=lead.since,
            started_by=StartedBy.TIER,
            ended_at=lead.until,
            end_reason=EndReason.TIER if lead.warmed else EndReason.OUTCOME,
        )
        for lead in leads
    )
    ControlMember.objects.bulk_create(
        ControlMember(
            lead_id=lead.lead_id,
            setting=setting,
            joined_at=lead.since,
            left_at=lead.until,
            left_reason=_LEFT.TIER if lead.warmed else _LEFT.CLOSED,
        )
        for lead in inside
    )
    Activity.objects.bulk_create(
        Activity(lead_id=lead.lead_id, kind=Kind.CONTROL_JOINED, at=lead.since, data={})
        for lead in inside
    )


def _closed_since(began: dt.datetime) -> Iterator[_Closed]:
    """Return the closed leads of the demo that came since and were cold at first."""
    warm = {
        pk: definition["marks"]["warm"]
        for pk, definition in ModelVersion.objects.values_list("pk", "definition")
    }
    changes = ScoreChange.objects.filter(lead=OuterRef("lead"), at__gt=OuterRef("at"))
    warmed = changes.filter(~Q(to_tier=Tier.COLD)).order_by("at").values("at")[:1]
    first: Any = (
        Snapshot.objects.filter(
            reason=Snapshot.Reason.FIRST_SCORE, at__gte=began, lead__is_demo=True
        )
        .exclude(lead__standing__state=State.DISQUALIFIED)
        .annotate(closed_at=Min("lead__outcomes__at"), warmed_at=Subquery(warmed))
        .order_by("lead")
    )
    rows = first.values_list("lead_id", "at", "score", "model_version_id", "closed_at", "warmed_at")
    for lead_id, at, score, model_id, closed_at, warmed_at in rows:
        if closed_at is not None and at < closed_at and score < warm[model_id]:
            early = warmed_at is not None and warmed_at < closed_at
            yield _Closed(lead_id, at, warmed_at if early else closed_at, early)
