"""Two workers at once, or one after another's death, come to the same end as one."""

import threading
from collections import Counter

import pytest
from django.db import connection, transaction

from core.invariants import breaks
from followups import planning
from followups.models import Followup, Run
from leads.activities import Kind
from leads.models import Activity, Lead
from scoring.models import Standing
from tests.followups.conftest import place, runs_of, standing
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def assert_sound():
    assert [text for name, text in breaks() if name.startswith("followups.")] == []


def many(rep, number: int) -> None:
    Lead.objects.bulk_create(
        Lead(first_name=f"L{i}", owner=rep, team=rep.team) for i in range(number)
    )
    Activity.objects.bulk_create(
        Activity(lead=lead, kind=Kind.IMPORTED) for lead in Lead.objects.all()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE scoring_standing SET stale_at = NULL, state = 'scored', "
            "tier = (ARRAY['hot', 'warm', 'cold'])[1 + lead_id % 3], unplanned_at = now()"
        )


def test_two_workers_plan_every_lead_once_and_fill_no_day_twice(rep, plays, monkeypatch):
    many(rep, 600)
    monkeypatch.setattr(planning, "BATCH", 50)

    def work():
        while planning.plan_pending():
            pass

    in_threads(work, work)
    while planning.plan_pending():  # what both left to each other at the very end
        pass
    assert Run.objects.count() == 600
    assert Standing.objects.filter(unplanned_at=None).count() == 600
    per_day = Counter(due.date() for due in Followup.objects.values_list("due_at", flat=True))
    assert max(per_day.values()) == rep.team.capacity
    assert_sound()


def test_leads_that_another_transaction_holds_are_left_with_their_mark(rep, plays):
    many(rep, 3)
    Standing.objects.update(tier="warm")
    held = Lead.objects.earliest("pk")
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            list(Standing.objects.select_for_update().filter(pk=held.pk))
            locked.set()
            done.wait(timeout=30)

    def work():
        locked.wait(timeout=30)
        try:
            assert planning.plan_pending() == 2
        finally:
            done.set()

    in_threads(hold, work)
    assert standing(held).unplanned_at is not None
    assert planning.plan_pending() == 1
    assert_sound()


def test_colder_leads_wait_also_when_the_newest_run_is_ones_own(rep, plays, monkeypatch):
    many(rep, 3)
    hot, warm, cold = Lead.objects.order_by("pk")
    for lead, tier in ((hot, "hot"), (warm, "warm"), (cold, "cold")):
        place(lead, tier)
    monkeypatch.setattr(planning, "BATCH", 1)
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            planning._lock_marked([warm.pk])
            locked.set()
            done.wait(timeout=30)

    def work():
        locked.wait(timeout=30)
        try:
            assert planning.plan_pending() == 1
        finally:
            done.set()

    in_threads(hold, work)
    assert standing(hot).unplanned_at is None
    assert standing(cold).unplanned_at is not None
    assert planning.plan_pending() == 2
    assert_sound()


def test_colder_leads_wait_for_hotter_ones_that_another_worker_may_have_in_hand(rep, plays):
    many(rep, 2)
    hot, cold = Lead.objects.order_by("pk")
    place(hot, "hot")
    place(cold, "cold")
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            list(Standing.objects.select_for_update().filter(pk=hot.pk))
            locked.set()
            done.wait(timeout=30)

    def work():
        locked.wait(timeout=30)
        try:
            assert planning.plan_pending() == 0
        finally:
            done.set()

    in_threads(hold, work)
    assert planning.plan_pending() == 2
    assert_sound()


def test_a_contact_is_noted_later_while_somebody_holds_the_lead(rep, plays):
    many(rep, 1)
    lead = Lead.objects.get()
    Activity.objects.create(lead=lead, kind=Kind.CALL_CONNECTED)
    place(lead, "hot")
    locked, done = threading.Event(), threading.Event()

    def change_the_lead():  # as every service does: the lead first, then by trigger its standing
        with transaction.atomic():
            Lead.objects.select_for_update(no_key=True).get(pk=lead.pk)
            locked.set()
            done.wait(timeout=30)
            Lead.objects.filter(pk=lead.pk).update(first_name="Changed")

    def work():
        locked.wait(timeout=30)
        try:
            planning.plan_pending()
        finally:
            done.set()

    in_threads(change_the_lead, work)
    assert Lead.objects.get(pk=lead.pk).contacted_at is None
    assert standing(lead).unplanned_at is not None
    assert runs_of(lead)[0].play_version.definition["phase"] == "in_conversation"
    planning.plan_pending()
    assert Lead.objects.get(pk=lead.pk).contacted_at is not None
    assert standing(lead).unplanned_at is None
    assert_sound()


def test_an_exit_during_planning_ends_the_run_that_is_being_started(rep, plays):
    many(rep, 1)
    lead = Lead.objects.get()
    begun, planned = threading.Event(), threading.Event()

    def reply():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT now()")  # its moment lies before the run's
            begun.set()
            planned.wait(timeout=30)
            Activity.objects.create(lead=lead, kind=Kind.EMAIL_REPLIED)

    def work():
        begun.wait(timeout=30)
        try:
            assert planning.plan_pending() == 1
        finally:
            planned.set()

    in_threads(reply, work)
    assert runs_of(lead)[0].end_reason == "reply"
    planning.plan_pending()
    assert_sound()
