"""Training rows: what was known when it was decided, and which leads say how they ended."""

import datetime as dt
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.db.backends.signals import connection_created

from accounts.models import User
from core.clock import now
from leads.activities import Kind
from leads.models import Activity, CustomField, Identity, Lead, Outcome
from leads.services import LeadInput, change_lead
from scoring import past_facts
from scoring.fields import all_fields
from scoring.judging import split
from scoring.live import live_config
from scoring.models import ModelVersion, Snapshot
from scoring.training import Training, read_training
from tests import factories

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def ended(lead: Lead, result: str, days_ago: float) -> None:
    Outcome.objects.create(lead=lead, round=1, result=result, at=now() - days_ago * DAY)
    Lead.objects.filter(pk=lead.pk).update(stage=result)


def keep(lead: Lead, days_ago: float, reason: str = "call", **fields: object) -> None:
    """Keep facts as a snapshot of a moment."""
    first = Snapshot.objects.filter(lead=lead).earliest("pk")
    Snapshot.objects.create(
        lead=lead,
        reason=reason,
        cause=str(days_ago),
        at=now() - days_ago * DAY,
        score=first.score,
        model_version=first.model_version,
        facts={
            "fields": fields,
            "ratings": {},
            "engagement": {"page_viewed/30": [2.5, 1.25]},
            "tracked": True,
        },
    )


def lead_of(rep: User, days_ago: float, **fields: Any) -> Lead:
    lead = factories.make_lead(owner=rep, **fields)
    Lead.objects.filter(pk=lead.pk).update(created_at=now() - days_ago * DAY)
    Snapshot.objects.filter(lead=lead).update(at=now() - days_ago * DAY)
    return lead


def answered(lead: Lead, dimension: str, rating: int, days_ago: float, **fields: Any) -> None:
    """Let an answer be given and recorded at a moment."""
    at = now() - days_ago * DAY
    times = {"observed_at": at, "recorded_at": at, **fields}
    factories.make_evidence(lead, dimension, rating, current=False, **times)


def row_of(training: Training, lead: Lead) -> int:
    return training.rows.facts.lead_ids.tolist().index(lead.pk)


def test_a_row_is_the_latest_snapshot_before_the_outcome(rep: User) -> None:
    won = lead_of(rep, 30, company={"employees": 100})
    keep(won, 20, employees=200.0, industry="software")
    keep(won, 5, employees=999.0, industry="too late")
    keep(won, 12, reason="outcome", employees=998.0)
    answered(won, "budget", 67, 24)
    ended(won, "won", 10)
    lost = lead_of(rep, 40, company={"employees": 7, "industry": "retail"})
    ended(lost, "lost", 12)
    untouched = lead_of(rep, 30)
    ended(untouched, "disqualified", 3)
    spoken = lead_of(rep, 30)
    factories.make_activity(spoken, Kind.CALL_CONNECTED, at=now() - 8 * DAY)
    ended(spoken, "disqualified", 2)
    factories.make_lead(owner=rep)  # too young to say

    training = read_training([live_config()])
    facts = training.rows.facts
    assert facts.lead_ids.tolist() == [lost.pk, won.pk, spoken.pk]  # as their outcomes came
    assert training.y.tolist() == [0, 1, 0]
    assert (training.immature, training.left_out, training.in_order) == (1, 1, True)
    assert training.immature_share == pytest.approx(1 / 4)
    # Counted over all models, so what they are a share of is too.
    assert training.take(np.arange(1)).immature_share == training.immature_share
    row = row_of(training, won)
    assert facts.number_columns["employees"][row] == 200
    codes, values = facts.text_columns["industry"]
    assert values[codes[row]] == "software"
    assert facts.ratings["budget"][row] == 67
    assert facts.observed_at["budget"][row] == pytest.approx(-(24 - 11) * 86_400)
    assert facts.counts["page_viewed", 30][row] == 2.5
    assert facts.last_at["page_viewed"][row] == -1.25 * 86_400
    assert facts.tracked[row]
    other = row_of(training, lost)
    assert values[codes[other]] == "retail"
    assert np.isnan(facts.ratings["budget"][other])
    assert facts.counts["page_viewed", 30][other] == 0
    assert not facts.tracked[other]


def test_engagement_that_nobody_counted_then_is_counted_from_what_was_known(rep: User) -> None:
    old, new = lead_of(rep, 60), lead_of(rep, 60)
    for days_ago, recorded in ((50, 50), (34, 34), (31, 2), (20, 20)):
        activity = factories.make_activity(old, Kind.EMAIL_OPENED, at=now() - days_ago * DAY)
        Activity.objects.filter(pk=activity.pk).update(recorded_at=now() - recorded * DAY)
    keep(old, 30)
    keep(new, 25)
    newest = Snapshot.objects.filter(lead=new).latest("at")
    newest.facts["engagement"]["email_opened/30"] = [1.5, 2.0]
    newest.save()
    for lead in (old, new):
        ended(lead, "won", 10)
    live = live_config()
    opened = replace(
        next(s for s in live.fallback.model.signals if s.activity), activity="email_opened"
    )

    def counted(half_life_days: int) -> Training:
        signal = replace(opened, half_life_days=half_life_days)
        model = replace(live.fallback.model, signals=(*live.fallback.model.signals, signal))
        return read_training([replace(live, fallback=replace(live.fallback, model=model))])

    # Nobody ever counted this pair: both rows have what was recorded before their snapshots.
    facts = counted(14).rows.facts
    rows = {lead: facts.lead_ids.tolist().index(lead.pk) for lead in (old, new)}
    count = facts.counts["email_opened", 14]
    assert count[rows[old]] == pytest.approx(2 ** (-20 / 14) + 2 ** (-4 / 14), rel=1e-4)
    assert facts.last_at["email_opened"][rows[old]] == pytest.approx(-4 * 86_400, rel=1e-4)
    assert count[rows[new]] == 0
    # This one was counted from the later snapshot on.
    facts = counted(30).rows.facts
    count = facts.counts["email_opened", 30]
    assert count[rows[old]] == pytest.approx(2 ** (-20 / 30) + 2 ** (-4 / 30), rel=1e-4)
    assert count[rows[new]] == 1.5
    assert facts.counts["page_viewed", 30].tolist() == [2.5, 2.5]


def test_answers_count_that_were_recorded_a_day_before_the_outcome_or_with_the_snapshot(
    rep: User,
) -> None:
    lead = lead_of(rep, 40)
    keep(lead, 10.5)
    answered(lead, "budget", 33, 30)
    answered(lead, "budget", 67, 20)
    answered(lead, "budget", 0, 10.7)  # within the last day, but before the snapshot
    answered(lead, "need", 100, 10.2)  # after it
    answered(lead, "timing", 100, 15, recorded_at=now() - 2 * DAY)  # told later, of an earlier day
    answered(lead, "authority", 67, 30)
    answered(lead, "authority", 100, 25, expires_at=now() - 12 * DAY)  # no longer true by then
    ended(lead, "won", 10)
    ratings = read_training([live_config()]).rows.facts.ratings
    told = {d: ratings[d][0] for d in ("budget", "need", "timing", "authority")}
    assert told["budget"] == 0
    assert told["authority"] == 67
    assert np.isnan([told["need"], told["timing"]]).all()


def test_only_the_newest_outcomes_are_read_where_so_many_are_enough(rep: User) -> None:
    leads = [lead_of(rep, 60) for _ in range(5)]
    for days_ago, lead in zip((50, 40, 30, 20, 10), leads, strict=True):
        ended(lead, "lost", days_ago)
    config = live_config()
    newest = read_training([config], most=2)
    assert newest.rows.facts.lead_ids.tolist() == [lead.pk for lead in leads[3:]]
    late = read_training([config], since=(now() - 35 * DAY).timestamp())
    assert (late.n, late.left_out) == (3, 0)


def test_what_no_snapshot_kept_is_filled_only_when_it_was_known_on_arrival(rep: User) -> None:
    for key, when in (("plan", "arrival"), ("mood", "contact"), ("margin", "outcome")):
        CustomField.objects.create(key=key, label=key.title(), type="text", known_when=when)
    lead = lead_of(rep, 30, custom={"plan": "Gold", "mood": "keen", "margin": "high"})
    ended(lead, "won", 10)
    extra = [all_fields()[f"custom.{key}"] for key in ("plan", "mood", "margin")]
    training = read_training([live_config()], extra)
    told = {}
    for key in ("plan", "mood", "margin"):
        codes, values = training.rows.facts.text_columns[f"custom.{key}"]
        told[key] = values[codes[0]] if codes[0] >= 0 else None
    assert told == {"plan": "Gold", "mood": None, "margin": None}
    assert [notice.field for notice in training.notices] == ["Margin"]
    # A field that live rules read is kept in snapshots: what one lacks was not known then.
    Lead.objects.filter(pk=lead.pk).update(age=50)
    ModelVersion.objects.filter(state="live").update(published_at=now() - 90 * DAY)
    assert np.isnan(read_training([live_config()]).rows.facts.number_columns["age"][0])


def test_what_was_changed_after_the_decision_counts_as_it_was_before(rep: User) -> None:
    for key in ("plan", "contract"):
        CustomField.objects.create(key=key, label=key.title(), type="text")
    other = factories.make_lead(owner=rep, company={"employees": 7})
    leads = []
    for number in range(3):
        lead = lead_of(rep, 30, title="Clerk", custom={"plan": "Gold"})
        leads.append(lead)
        for days_ago, data in (
            (15, {"title": "Buyer"}),
            (8, {"custom": {"plan": "Silver", "contract": f"C{number}"}, "title": "Chief"}),
            (5, {"title": "Owner"}),
        ):
            change_lead(lead, LeadInput(**data), by=rep)
            newest = Activity.objects.filter(lead=lead, kind="changed").latest("pk")
            Activity.objects.filter(pk=newest.pk).update(at=now() - days_ago * DAY)
        ended(lead, "won" if number else "lost", 10)
    Lead.objects.filter(pk=leads[0].pk).update(company=other.company)
    company_change = {"changes": {"company": [None, other.company_id]}}
    factories.make_activity(leads[0], Kind.CHANGED, data=company_change)
    names = ("title", "employees", "custom.plan", "custom.contract")
    training = read_training([], [all_fields()[name] for name in names])
    facts = training.rows.facts
    assert np.isnan(facts.number_columns["employees"]).all()
    for name, expected in (("title", "Buyer"), ("custom.plan", "Gold")):
        codes, values = facts.text_columns[name]
        assert [values[code] for code in codes] == [expected] * 3
    assert (facts.text_columns["custom.contract"][0] == -1).all()
    assert [(n.code, n.field) for n in training.notices] == [("filled_later", "Contract")]


@pytest.mark.django_db(transaction=True)
def test_two_connections_read_the_same_as_one(rep: User, monkeypatch: pytest.MonkeyPatch) -> None:
    industries = ["software", "retail", "", "banking", "retail", "farming", "software", "mining"]
    for number, industry in enumerate(industries):
        lead = lead_of(rep, 60 - number, company={"employees": 10 * number, "industry": industry})
        if number % 2:
            change_lead(lead, LeadInput(country="DE"), by=rep)
        else:
            keep(lead, 50 - number, country="FR")
        answered(lead, "budget", 33 * (number % 4), 45 - number)
        ended(lead, "lost" if number % 3 else "won", 20 - number % 5)
    still_open = lead_of(rep, 30)
    config = live_config()
    alone = read_training([config], all_fields().values())

    monkeypatch.setattr(past_facts, "ALONE", len(industries) - 1)
    others = []

    def connected(**_: Any) -> None:
        others.append(threading.current_thread())

    connection_created.connect(connected)
    try:
        by_two = read_training([config], all_fields().values())
    finally:
        connection_created.disconnect(connected)

    assert len(others) == 1
    assert others[0] is not threading.current_thread()
    assert by_two.n == len(industries)
    assert still_open.pk not in by_two.rows.facts.lead_ids
    for name in ("y", "at", "repeat_of", "in_order", "immature", "left_out", "demo", "notices"):
        np.testing.assert_equal(getattr(by_two, name), getattr(alone, name), name)
    found, expected = by_two.rows.facts, alone.rows.facts
    codes, values = found.text_columns["industry"]
    of_lead = dict(zip(found.lead_ids.tolist(), codes.tolist(), strict=True))
    assert [values[of_lead[pk]] if of_lead[pk] >= 0 else "" for pk in sorted(of_lead)] == industries
    for name, value in vars(expected).items():
        np.testing.assert_equal(getattr(found, name), value, name)


def test_demo_leads_are_learned_from_only_while_there_are_no_others(rep: User) -> None:
    demo = lead_of(rep, 30, is_demo=True)
    ended(demo, "won", 10)
    alone = read_training([live_config()])
    assert (alone.n, alone.demo) == (1, True)
    real = lead_of(rep, 20)
    ended(real, "lost", 5)
    both = read_training([live_config()])
    assert (both.rows.facts.lead_ids.tolist(), both.demo) == ([real.pk], False)


def test_an_open_lead_counts_as_not_won_once_nearly_all_wins_were_faster(rep: User) -> None:
    for number in range(10):
        ended(lead_of(rep, 30 + number), "won", 20)
    old, young = lead_of(rep, 25), lead_of(rep, 15)
    training = read_training([live_config()])
    assert training.y[row_of(training, old)] == 0
    assert young.pk not in training.rows.facts.lead_ids
    assert training.immature == 1
    assert replace(training, immature=0).immature_share == 0


def test_outcomes_of_one_import_are_in_no_order(rep: User) -> None:
    moment = now() - DAY
    for result in ("won", "lost", "lost"):
        lead = lead_of(rep, 30)
        Outcome.objects.create(lead=lead, round=1, result=result, at=moment, imported=True)
    assert not read_training([live_config()]).in_order


def test_leads_of_one_moment_have_the_order_of_no_file(rep: User) -> None:
    """Two imports come one after the other; within one the file may be by outcome."""
    for days_ago in (9, 1):
        moment = (now() - days_ago * DAY).replace(minute=0)
        for i in range(24):  # a long import ends minutes after it began
            lead = lead_of(rep, 30)
            at, result = moment + i * dt.timedelta(seconds=20), "won" if i < 12 else "lost"
            Outcome.objects.create(lead=lead, round=1, result=result, at=at, imported=True)
            Lead.objects.filter(pk=lead.pk).update(stage=result)
    training = read_training([live_config()])
    assert training.in_order
    assert training.at[:24].max() < training.at[24:].min()
    assert 2 < training.y[:12].sum() < 10
    assert not training.take(np.arange(24)).in_order
    assert training.take(np.arange(12, 36)).in_order


def test_rows_of_an_import_that_repeat_each_other_are_held_out_together(rep: User) -> None:
    moment = now() - DAY
    for place in range(60):
        lead = lead_of(rep, 30, age=20 + place // 2)
        result = "won" if place % 5 < 2 else "lost"
        Outcome.objects.create(lead=lead, round=1, result=result, at=moment)
        if place < 40:  # pairs that differ in how they ended at most; the others are named people
            Identity.objects.create(lead=lead, kind="row:Fair", normal=f"{place:064x}:1")
    training = read_training([live_config()])
    assert len(np.unique(training.repeat_of)) == 20 + 20
    for seed in range(5):
        train, test = split(training, seed)
        assert len(train) + len(test) == 60
        assert not set(training.repeat_of[train]) & set(training.repeat_of[test])
        assert training.y[test].mean() == pytest.approx(0.4, abs=0.06)
