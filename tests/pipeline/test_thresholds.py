"""Marks: what fits people's days, what moves, and drafts that differ in the marks alone."""

import datetime as dt

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User
from accounts.selectors import Capacity
from core.clock import now
from core.errors import Invalid
from pipeline.thresholds import (
    SCORES,
    WORKING_DAYS,
    Standings,
    Thresholds,
    mark_at,
    moved,
    propose,
    read_thresholds,
)
from scoring import drafting, reviewing
from scoring.live import live_config
from scoring.marks import draft_with_marks
from scoring.models import ModelVersion, Standing
from scoring.publishing import publish_model
from tests import factories
from tests.desk.conftest import log_in


def _standings(rises: int) -> Standings:
    return Standings(np.ones(SCORES, dtype=int), {}, np.arange(SCORES, dtype=float)[::-1] * rises)


def test_the_lowest_mark_that_fits_and_tells_is_proposed() -> None:
    capacity = Capacity(reps=2, a_day=60)
    n = np.full(SCORES, 20)
    won = np.where(np.arange(SCORES) >= 70, 10, 2)
    # At a mark m (100 − m) · 40 leads a month: 60 a day from m = 70 on.
    marks = [mark_at(m, _standings(40), capacity, (won, n)) for m in range(45, SCORES, 5)]
    assert next(mark.mark for mark in marks if mark.fits) == 70
    proposed, why = propose(marks)
    assert proposed is not None
    assert (proposed.mark, proposed.a_day) == (70, 30 * 40 / WORKING_DAYS / 2)
    assert "surely win more often" in why
    # Where all win alike, more volume is no reason; where nobody closed, it is all there is.
    none = [mark_at(m, _standings(40), capacity, (won * 0, n * 0)) for m in range(45, SCORES, 5)]
    proposed, why = propose(none)
    assert (proposed and proposed.mark, "Too few" in why) == (70, True)
    # A rep's day is one: what turns hot by other models is no longer free.
    busy = [mark_at(m, _standings(40), capacity, (won, n), 20) for m in range(45, SCORES, 5)]
    proposed, _ = propose(busy)
    assert proposed is not None
    assert (proposed.mark, proposed.a_day, proposed.together) == (80, 20, 30)
    flooded = [mark_at(m, _standings(9_000), capacity, (won, n)) for m in range(45, 100, 5)]
    assert propose(flooded)[0] is None


@pytest.mark.django_db
def test_nothing_is_proposed_where_nobody_works_leads(config: None) -> None:
    live = next(m for m in live_config().everything if m.key == "b2b")
    found = read_thresholds(live, live_config().everything)
    assert found.proposed is None
    assert "no active rep" in found.why


@pytest.mark.django_db
def test_the_page_counts_open_leads_as_they_stand(rep: User, manager: User, team: Team) -> None:
    factories.make_user(team=team)
    factories.make_user(team=None)
    for times in range(4):
        lead = factories.make_lead(owner=rep)
        if times:
            factories.make_activity(lead, "hand_raised")
            factories.make_evidence(lead, "budget", 100)
    live = next(m for m in live_config().everything if m.key == "b2b")
    consumer = factories.make_lead(owner=rep, kind="b2c")
    factories.make_activity(consumer, "hand_raised")
    factories.make_evidence(consumer, "budget", 100)
    found = read_thresholds(live, live_config().everything)
    open_scores = list(Standing.objects.filter(lead__kind="b2b").values_list("score", flat=True))
    assert found.standings.counts.sum() == len(open_scores) == 4
    assert found.present.open == sum(score >= 60 for score in open_scores)
    assert (found.capacity.reps, found.capacity.a_day) == (3, 90)
    # Three rose over the mark, by a hand-raise or by the answer after it.
    assert found.standings.rises[60] == found.present.open == 3
    assert {m.key: a_day for m, a_day in found.others} == {"general": 1 / WORKING_DAYS / 3}
    assert found.present.together == pytest.approx(4 / WORKING_DAYS / 3)
    assert {t: (a, b) for t, a, b in moved(found.standings, live, 100, 40)}["hot"] == (3, 0)
    client = log_in(manager)
    with CaptureQueriesContext(connection) as queries:
        html = client.get("/scoring/thresholds/?hot=70").content.decode()
    assert len(queries) <= 7
    assert "Open leads by score; warm from 40, hot from 70" in html
    assert "Make a draft" not in html
    for query in ("hot=0", "hot=x", "mark=1", "model=x"):
        assert client.get(f"/scoring/thresholds/?{query}").status_code == 400


@pytest.mark.django_db
def test_what_turned_hot_by_other_points_is_not_told_as_the_live_versions(
    rep: User, model_owner: User, team: Team
) -> None:
    def look() -> Thresholds:
        cache.clear()
        models = live_config().everything
        return read_thresholds(next(m for m in models if m.key == "b2b"), models)

    for _ in range(3):
        factories.make_activity(factories.make_lead(owner=rep), "hand_raised")
    before = look()
    assert not before.young
    rises = before.standings.rises.copy()
    # Other marks, the same points: what was counted holds.
    marked, _ = draft_with_marks("b2b", 65, 45, by=model_owner)
    publish_model(marked, by=model_owner)
    assert (look().standings.rises == rises).all()
    # Other points: what was counted is by those of before, and no mark is proposed from it.
    draft = drafting.make_draft(ModelVersion.objects.get(key="b2b", state="live"), by=model_owner)
    content = {**draft.definition, "base": 15}
    draft = drafting.save_draft(draft, content, by=model_owner, read=drafting.content_tag(draft))
    publish_model(draft, by=model_owner)
    found = look()
    assert ([m.key for m in found.young], found.proposed) == (["b2b"], None)
    assert (found.standings.rises == rises).all()
    assert "has counted in other points" in (
        log_in(model_owner).get("/scoring/thresholds/?model=b2b").content.decode()
    )
    # Rolled back, it counts in the points of before again.
    live = ModelVersion.objects.get(key="b2b", state="live")
    reviewing.roll_back(marked, by=model_owner)
    assert (look().young, look().standings.rises[0]) == ((), rises[0])
    reviewing.roll_back(live, by=model_owner)
    draft = ModelVersion.objects.get(key="b2b", state="live")
    # Live for ten days, it is told by its own, as of 28 days.
    ModelVersion.objects.filter(pk=draft.pk).update(published_at=now() - dt.timedelta(days=10))
    assert not look().young
    assert not look().standings.rises.any()
    factories.make_activity(factories.make_lead(owner=rep), "hand_raised")
    found = look()
    assert found.young == ()
    assert found.standings.rises[15] == pytest.approx(28 / 10, rel=1e-3)


@pytest.mark.django_db
def test_a_draft_differs_in_its_marks_alone(model_owner: User) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft, made = draft_with_marks("b2b", 65, 45, by=model_owner)
    assert made
    assert draft.state == ModelVersion.State.DRAFT
    assert draft.definition == {**live.definition, "marks": {"hot": 65, "warm": 45}}
    assert draft_with_marks("b2b", 65, 45, by=model_owner) == (draft, False)
    odd, _ = draft_with_marks("b2b", 67, 45, by=model_owner)
    publish_model(odd, by=model_owner)
    models = live_config().everything
    found = read_thresholds(next(m for m in models if m.key == "b2b"), models)
    assert 67 in [mark.mark for mark in found.marks]  # the live one is among those compared
    factories.make_user(team=None)
    found = read_thresholds(next(m for m in models if m.key == "b2b"), models)
    # What is kept of closed leads is scored by the version before.
    assert (found.proposed, f"v{odd.number} is being worked out" in found.why) == (None, True)
    for hot, warm in ((67, 45), (40, 40), (30, 50)):
        with pytest.raises(Invalid):
            draft_with_marks("b2b", hot, warm, by=model_owner)
    client = log_in(model_owner)
    body = {"model": "b2b", "hot": "40", "warm": "40"}
    assert client.post("/scoring/thresholds/draft/", body).status_code == 422
    assert client.post("/scoring/thresholds/draft/", {**body, "hot": "70"}).status_code == 302
