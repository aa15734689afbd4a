"""Rescoring on the database: marks, locks, memory, history, and what it leaves alone."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core import clock
from core.invariants import breaks
from core.sweeps import run_all
from leads.activities import Kind
from leads.models import Activity, Lead, Outcome
from leads.services import move_lead, record_outcome
from leads.stages import StageKey
from scoring.models import Evidence, ScoreChange, Snapshot, Standing
from scoring.rescoring import rescore, rescore_range
from scoring.services import add_evidence, override_tier
from scoring.tasks import rescore_due, rescore_stale
from tests.factories import make_activity, make_evidence, make_lead, make_source

pytestmark = pytest.mark.django_db


def standing(lead: Lead) -> Standing:
    return Standing.objects.get(pk=lead.pk)


def no_breaks() -> None:
    assert list(breaks()) == []


def test_a_new_lead_has_a_marked_standing_that_the_sweep_scores(rep: User) -> None:
    lead = make_lead(owner=rep, email="", scored=False)
    before = standing(lead)
    assert before.stale_at is not None
    assert before.state == "unscored"
    assert rescore_stale() == 1
    after = standing(lead)
    assert (after.score, after.tier, after.stale_at) == (35, "cold", None)
    assert (after.owner_id, after.team_id, after.stage) == (rep.pk, rep.team_id, "new")
    no_breaks()


def test_every_way_of_changing_a_fact_marks_the_standing(lead: Lead) -> None:
    def marked() -> bool:
        found = standing(lead).stale_at is not None
        rescore([lead.pk])
        return found

    lead.country = "AT"
    lead.save(update_fields=["country"])
    assert marked()
    Lead.objects.filter(pk=lead.pk).update(title="CEO")
    assert marked()
    Activity.objects.create(lead=lead, kind=Kind.PAGE_VIEWED)
    assert marked()
    Activity.objects.bulk_create([Activity(lead=lead, kind=Kind.PAGE_VIEWED)])
    assert marked()
    evidence = Evidence.objects.create(lead=lead, dimension="need", rating=50, source="call")
    assert marked()
    evidence.delete()
    assert marked()


def test_what_is_no_fact_marks_nothing(lead: Lead) -> None:
    Activity.objects.create(lead=lead, kind=Kind.NOTE)
    Lead.objects.filter(pk=lead.pk).update(version=7, last_touch={"campaign": "x"})
    assert standing(lead).stale_at is None


def test_a_company_marks_its_leads_when_firmographics_change(rep: User) -> None:
    lead = make_lead(owner=rep, company={"employees": 5})
    assert lead.company is not None
    lead.company.name = "Renamed"
    lead.company.save()
    assert standing(lead).stale_at is None
    lead.company.employees = 200
    lead.company.save()
    assert standing(lead).stale_at is not None


def test_the_standing_repeats_owner_team_and_stage_at_once(lead: Lead, stranger: User) -> None:
    Lead.objects.filter(pk=lead.pk).update(owner=stranger, team=stranger.team, stage="accepted")
    after = standing(lead)
    assert (after.owner_id, after.team_id, after.stage) == (
        stranger.pk,
        stranger.team_id,
        "accepted",
    )
    assert after.unplanned_at is not None


def test_a_rescore_without_a_change_writes_nothing(lead: Lead) -> None:
    rescore([lead.pk])
    before = standing(lead).scored_at
    with clock.at(clock.now() + dt.timedelta(hours=1)):
        assert rescore([lead.pk]) == 0
    assert standing(lead).scored_at == before


def test_adding_evidence_moves_the_score_within_the_range_shown_before(
    lead: Lead, rep: User
) -> None:
    before = standing(lead)
    add_evidence(lead, "budget", 100, by=rep)
    after = standing(lead)
    assert before.score < after.score <= before.high
    assert before.low < after.low
    change = ScoreChange.objects.get(lead=lead)
    assert (change.from_score, change.to_score, change.cause) == (
        before.score,
        after.score,
        "facts",
    )
    no_breaks()


def test_an_answer_observed_earlier_does_not_displace_the_current_one(
    lead: Lead, rep: User
) -> None:
    add_evidence(lead, "budget", 100, by=rep)
    earlier = clock.now() - dt.timedelta(days=3)
    add_evidence(lead, "budget", 0, by=rep, observed_at=earlier)
    assert Evidence.objects.get(lead=lead, dimension="budget", current=True).rating == 100
    no_breaks()


def test_not_known_is_on_the_timeline_and_is_no_evidence(lead: Lead, rep: User) -> None:
    before = standing(lead)
    assert add_evidence(lead, "budget", None, by=rep, quote="ask again in May") is None
    assert not Evidence.objects.filter(lead=lead).exists()
    assert Activity.objects.filter(lead=lead, kind=Kind.ASKED_UNKNOWN).exists()
    assert standing(lead).score == before.score


def test_an_older_unexpired_answer_counts_again_when_the_newest_expires(lead: Lead) -> None:
    moment = clock.now()
    make_evidence(
        lead,
        "need",
        100,
        observed_at=moment - dt.timedelta(days=5),
        expires_at=moment + dt.timedelta(days=60),
    )
    make_evidence(lead, "need", 0, expires_at=moment + dt.timedelta(days=10))
    low = standing(lead)
    assert low.next_change_at == moment + dt.timedelta(days=10)
    with clock.at(moment + dt.timedelta(days=10)):
        assert rescore_due() == 1
        assert standing(lead).score > low.score
        assert Evidence.objects.get(lead=lead, current=True).rating == 100
        no_breaks()
    with clock.at(moment + dt.timedelta(days=60)):
        rescore_due()
        assert standing(lead).score < standing(lead).high
        no_breaks()


def test_decay_lowers_the_score_when_its_alarm_rings_and_not_before(rep: User) -> None:
    lead = make_lead(owner=rep, first_source=make_source())
    make_activity(lead, Kind.EMAIL_REPLIED)
    before = standing(lead)
    assert before.next_change_at is not None
    with clock.at(before.next_change_at - dt.timedelta(seconds=2)):
        assert rescore_due() == 0
    for _ in range(40):
        alarm = standing(lead).next_change_at
        assert alarm is not None
        with clock.at(alarm):
            assert rescore_due() == 1
            if standing(lead).score < before.score:
                break
    assert standing(lead).score == before.score - 1
    assert not ScoreChange.objects.filter(lead=lead, cause="time").exists()  # no tier was crossed


def test_a_hand_raise_makes_a_fitting_lead_hot_and_an_mql_before_any_call(rep: User) -> None:
    lead = make_lead(
        owner=rep,
        title="CEO",
        country="DE",
        company={"employees": 120, "industry": "Software", "country": "DE"},
        first_source=make_source(),
    )
    make_activity(lead, Kind.HAND_RAISED)
    after = standing(lead)
    assert after.tier == "hot"
    assert after.stage == StageKey.MQL
    assert Snapshot.objects.filter(lead=lead, reason="mql").count() == 1
    assert Activity.objects.filter(lead=lead, kind=Kind.TIER_CHANGED).count() == 1
    run_all()
    no_breaks()


def test_a_known_failed_gate_holds_a_hot_lead_at_warm_and_says_so(rep: User) -> None:
    lead = make_lead(
        owner=rep,
        title="CEO",
        country="DE",
        company={"employees": 120, "industry": "Software", "country": "DE"},
        first_source=make_source(),
    )
    make_activity(lead, Kind.HAND_RAISED)
    make_evidence(lead, "budget", 100)
    make_evidence(lead, "authority", 0)
    after = standing(lead)
    assert (after.step_tier, after.tier) == ("hot", "warm")
    assert after.tier_reason == "gate:authority"
    no_breaks()


def test_a_disqualifier_is_a_state_with_a_reason_and_can_be_undone(rep: User) -> None:
    lead = make_lead(owner=rep, title="Student", company={"employees": 100})
    after = standing(lead)
    assert (after.state, after.tier) == ("disqualified", "")
    assert after.tier_reason.startswith("disqualified:")
    Lead.objects.filter(pk=lead.pk).update(title="CEO", seniority="c_level")
    rescore([lead.pk])
    assert standing(lead).state == "scored"
    no_breaks()


def test_an_override_shows_its_tier_until_it_ends(lead: Lead, rep: User) -> None:
    until = clock.now() + dt.timedelta(days=2)
    override_tier(lead, "hot", by=rep, reason="met the board", until=until)
    after = standing(lead)
    assert (after.tier, after.step_tier, after.tier_reason) == ("hot", "cold", "override")
    assert after.next_change_at == until
    assert ScoreChange.objects.get(lead=lead).cause == "override"
    with clock.at(until):
        rescore_due()
        assert standing(lead).tier == "cold"
        no_breaks()


def test_a_closed_lead_keeps_its_standing_and_the_facts_of_its_outcome(
    lead: Lead, rep: User
) -> None:
    make_evidence(lead, "budget", 100)
    record_outcome(lead, Outcome.Result.WON, by=rep, value_minor=500_000)
    run_all()
    kept = standing(lead)
    snapshot = Snapshot.objects.get(lead=lead, reason="outcome")
    assert (snapshot.cause, snapshot.backfilled) == ("1", False)
    assert snapshot.facts["ratings"]["budget"][0] == 100
    assert kept.stale_at is None
    make_evidence(lead, "need", 100)
    assert standing(lead).score == kept.score
    no_breaks()


def test_a_reopened_lead_is_scored_again_in_a_new_round(lead: Lead, rep: User) -> None:
    record_outcome(lead, Outcome.Result.LOST, by=rep, reason="no budget")
    run_all()
    make_evidence(lead, "need", 100)
    low = standing(lead).score
    lead.refresh_from_db()
    move_lead(lead, StageKey.RECYCLED, by=rep, reason="budget next year")
    run_all()
    assert standing(lead).score > low
    assert Lead.objects.get(pk=lead.pk).round == 2
    no_breaks()


def test_a_first_score_keeps_its_facts_once(lead: Lead) -> None:
    rescore([lead.pk])
    assert Snapshot.objects.filter(lead=lead, reason="first_score").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_fact_written_while_a_rescore_holds_the_lead_is_not_lost(lead: Lead) -> None:
    """The writer's trigger waits for the rescore and marks again, though a mark stood already."""
    Lead.objects.filter(pk=lead.pk).update(country="FR")  # a mark stands
    wrote = threading.Event()

    def write() -> None:
        Evidence.objects.create(lead_id=lead.pk, dimension="need", rating=100, source="call")
        wrote.set()
        connection.close()

    with transaction.atomic():
        rescore([lead.pk])
        writer = threading.Thread(target=write)
        writer.start()
        assert not wrote.wait(0.5)  # it waits for the lead's lock
    writer.join(10)
    assert wrote.is_set()
    before = standing(lead)
    assert before.stale_at is not None
    assert rescore_stale() == 1
    assert standing(lead).score > before.score
    no_breaks()


@pytest.mark.django_db(transaction=True)
def test_rescoring_a_range_locks_what_it_writes_and_reads_again_what_others_wrote_meanwhile(
    lead: Lead, rep: User
) -> None:
    steady, raced = make_lead(owner=rep), make_lead(owner=rep)
    before, locker = standing(raced), _last_locker(steady)
    Lead.objects.filter(pk__in=[lead.pk, raced.pk]).update(country="FR")
    written: list[Evidence] = []

    def write() -> None:
        values = {"dimension": "need", "rating": 100, "source": "call"}
        written.append(Evidence.objects.create(lead_id=raced.pk, **values))
        connection.close()

    def write_before_the_lock(execute: Any, sql: str, *rest: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql and not written:
            writer = threading.Thread(target=write)
            writer.start()
            writer.join(10)
        return execute(sql, *rest)

    with connection.execute_wrapper(write_before_the_lock):
        assert rescore_range(lead.pk, raced.pk + 1) == (3, 2)
    assert written
    after = standing(raced)
    assert (after.stale_at, standing(lead).stale_at) == (None, None)
    assert after.score > before.score
    no_breaks()
    assert _last_locker(steady) == locker


def _last_locker(lead: Lead) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmax FROM scoring_standing WHERE lead_id = %s", [lead.pk])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_sweep_leaves_leads_that_others_hold(lead: Lead, rep: User) -> None:
    other = make_lead(owner=rep)
    Lead.objects.filter(pk__in=[lead.pk, other.pk]).update(country="FR")
    done: list[int] = []

    def sweep() -> None:
        done.append(rescore_stale())
        connection.close()

    with transaction.atomic():
        Standing.objects.select_for_update(no_key=True).get(pk=lead.pk)
        worker = threading.Thread(target=sweep)
        worker.start()
        worker.join(10)
    assert done == [1]
    assert standing(other).stale_at is None
    assert standing(lead).stale_at is not None


def test_evidence_and_rescore_stay_within_ten_queries(lead: Lead, rep: User) -> None:
    add_evidence(lead, "budget", 0, by=rep)  # fills the caches of a fresh process
    with CaptureQueriesContext(connection) as captured:
        add_evidence(lead, "budget", 100, by=rep)
    statements = [q["sql"] for q in captured.captured_queries if "SAVEPOINT" not in q["sql"]]
    assert sum("COPY" in sql for sql in statements) == 2  # facts are read in two statements
    assert len(statements) <= 10, [sql[:90] for sql in statements]
