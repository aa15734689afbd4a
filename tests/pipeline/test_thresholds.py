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
    Standings,
    Thresholds,
    mark_at,
    moved,
    propose,
    read_thresholds,
)
from scoring import drafting
from scoring.arriving import SCORES, WORKING_DAYS, hot_a_day
from scoring.live import live_config
from scoring.marks import draft_with_marks
from scoring.models import ModelVersion, ScoreChange, Snapshot, Standing
from scoring.previewing import candidate_config
from scoring.publishing import publish_model
from tests import factories
from tests.desk.conftest import log_in


def _standings(rises: int) -> Standings:
    coming = np.arange(SCORES, dtype=float)[::-1] * rises / WORKING_DAYS
    return Standings(np.ones(SCORES, dtype=int), {}, coming)


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
    found = read_thresholds(live, live_config())
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
    found = read_thresholds(live, live_config())
    open_scores = list(Standing.objects.filter(lead__kind="b2b").values_list("score", flat=True))
    assert found.standings.counts.sum() == len(open_scores) == 4
    assert found.present.open == sum(score >= 60 for score in open_scores)
    assert (found.capacity.reps, found.capacity.a_day) == (3, 90)
    # Three rose over the mark, by a hand-raise or by the answer after it.
    assert found.present.open == 3
    assert found.standings.coming[60] * WORKING_DAYS == pytest.approx(3)
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
def test_other_points_are_held_against_capacity_on_the_day_they_go_live(
    rep: User, model_owner: User, team: Team
) -> None:
    def look() -> Thresholds:
        cache.clear()
        config = live_config()
        return read_thresholds(next(m for m in config.everything if m.key == "b2b"), config)

    for _ in range(3):
        factories.make_activity(factories.make_lead(owner=rep), "hand_raised")
    closed = factories.make_lead(owner=rep, stage="lost")
    factories.make_activity(closed, "hand_raised")
    before = look().standings.coming
    scores = list(Standing.objects.filter(is_open=True).values_list("score", flat=True))
    coming = [sum(s >= m for s in scores) / WORKING_DAYS for m in range(SCORES)]
    assert before.tolist() == pytest.approx(coming)
    draft = drafting.make_draft(ModelVersion.objects.get(key="b2b", state="live"), by=model_owner)
    content = {**draft.definition, "base": 15}
    draft = drafting.save_draft(draft, content, by=model_owner, read=drafting.content_tag(draft))
    # The review says so before, the page after: of the same leads, by the points of either.
    come = hot_a_day(candidate_config(draft))
    hot = draft.definition["marks"]["hot"]
    assert before[hot] < before[hot - 15] == pytest.approx(3 / WORKING_DAYS)
    assert come == {str(team.pk): pytest.approx([before[hot], before[hot - 15]])}
    publish_model(draft, by=model_owner)
    assert (look().standings.coming[15:] == before[:-15]).all()
    # Who neither came nor rose of late is nobody's work now.
    Snapshot.objects.update(at=now() - dt.timedelta(days=40))
    ScoreChange.objects.update(at=now() - dt.timedelta(days=40))
    assert not look().standings.coming.any()


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
    config = live_config()
    found = read_thresholds(next(m for m in config.everything if m.key == "b2b"), config)
    assert 67 in [mark.mark for mark in found.marks]  # the live one is among those compared
    factories.make_user(team=None)
    found = read_thresholds(next(m for m in config.everything if m.key == "b2b"), config)
    # What is kept of closed leads is scored by the version before.
    assert (found.proposed, f"v{odd.number} is being worked out" in found.why) == (None, True)
    for hot, warm in ((67, 45), (40, 40), (30, 50)):
        with pytest.raises(Invalid):
            draft_with_marks("b2b", hot, warm, by=model_owner)
    client = log_in(model_owner)
    body = {"model": "b2b", "hot": "40", "warm": "40"}
    assert client.post("/scoring/thresholds/draft/", body).status_code == 422
    assert client.post("/scoring/thresholds/draft/", {**body, "hot": "70"}).status_code == 302
