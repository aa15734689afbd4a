"""A preview of a draft says what a rescore after publishing does."""

import datetime as dt

import numpy as np
import pytest

from accounts.models import User
from core.clock import now
from core.versioning import version_with
from core.workers import work_on
from leads.activities import Kind
from scoring import previewing, reviewing
from scoring.models import Engagement, EngagementSignal, ModelVersion, Standing
from scoring.previewing import candidate_config, preview_open
from scoring.publishing import publish_model
from scoring.whatif import Supposition, what_if
from tests import factories

pytestmark = pytest.mark.django_db
KINDS = (Kind.PAGE_VIEWED, Kind.CALL_CONNECTED, Kind.EMAIL_OPENED, Kind.EMAIL_CLICKED)


def drafted(signals: list[dict[str, object]]) -> ModelVersion:
    """A draft of the b2b model with these lines."""
    live = ModelVersion.objects.select_related("icp", "framework").get(key="b2b", state="live")
    content = {**live.definition, "signals": signals}
    pins = {"icp": live.icp, "framework": live.framework}
    return version_with(ModelVersion, "b2b", content, by=None, pins=pins)[0]


@pytest.mark.django_db(transaction=True)
def test_two_connections_show_the_same_as_one(rep: User, monkeypatch: pytest.MonkeyPatch) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live").definition["signals"]
    config = candidate_config(drafted(live[: len(live) // 2]))
    for employees in range(10, 100, 7):
        factories.make_lead(owner=rep, company={"employees": employees, "country": "DE"})
    alone, total = preview_open(config)
    assert (alone.n, total) == (13, 13)
    assert alone.movers
    monkeypatch.setattr(previewing, "ALONE", 12)
    by_two, _ = preview_open(config)
    assert by_two == alone


def test_new_half_lives_count_in_a_preview_as_they_will_once_published(
    rep: User, model_owner: User
) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live").definition["signals"]
    opened = {"key": "opened", "label": "Opened", "points": 9, "activity": "email_opened", "cap": 3}
    publish_model(drafted([*live, {**opened, "half_life_days": 90}]), by=None)
    random = np.random.default_rng(4)
    company = {"employees": 200, "industry": "Software", "country": "DE"}
    leads = [factories.make_lead(owner=rep, company=company) for _ in range(14)]
    for lead in leads[2:]:
        for kind in random.choice(KINDS, 6):
            at = now() - dt.timedelta(days=float(random.exponential(20)))
            factories.make_activity(lead, str(kind), at=at)
    # After it nobody counts this one, so that nothing is known of what the lead does.
    factories.make_activity(leads[1], Kind.EMAIL_OPENED)
    shorter = [{**s, "half_life_days": 7} if s.get("half_life_days") == 30 else s for s in live]
    call = {"key": "calls", "label": "Calls", "points": 8, "activity": "call_connected", "cap": 4}
    draft = drafted([*shorter, {**call, "half_life_days": 180}])
    counters = list(Engagement.objects.order_by("pk").values())
    before = dict(Standing.objects.values_list("pk", "score"))

    flow, total = preview_open(candidate_config(draft))
    supposed = {pk: what_if(pk, Supposition(), version=draft).after for pk in before}
    assert list(Engagement.objects.order_by("pk").values()) == counters  # nothing was written
    assert not EngagementSignal.objects.filter(half_life_days=180).exists()
    retired = ModelVersion.objects.get(key="b2b", state="live")
    job = publish_model(draft, by=None)
    assert job is not None
    work_on(job, processes=1)
    after = {s.pk: s for s in Standing.objects.all()}
    assert total == len(after) == 14
    moved = {pk: s.score for pk, s in after.items() if s.score != before[pk]}
    assert len(moved) > 10
    assert leads[1].pk in moved
    assert {mover["lead"]: mover["to"] for mover in flow.movers} == moved
    for pk, standing in after.items():
        assert supposed[pk].score == standing.score
        assert (supposed[pk].low, supposed[pk].high) == (standing.low, standing.high)
    # On the way back the counters of before are built anew, and every score is what it was.
    _, way_back = reviewing.roll_back(retired, by=model_owner)
    assert way_back is not None
    work_on(way_back, processes=1)
    assert dict(Standing.objects.values_list("pk", "score")) == before
