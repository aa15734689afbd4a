"""The world of a first start: a small one, with things to do today."""

import datetime as dt
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.roles import Role
from core import clock
from core.models import Job
from followups.cadence import Calendar, open_days, step_due
from followups.definitions import Wait
from followups.models import Followup
from followups.places import Places
from followups.planning import plan
from followups.selectors import overlapping
from followups.services import DEFAULT_MINUTES, Booking, add_followup, book_call
from leads.activities import Kind
from leads.models import Lead
from leads.services import record_activity
from scoring.models import Standing
from scoring.rescoring import rescore
from scoring.tiers import State, Tier
from world.demo_calls import make_calls
from world.demo_control import keep_control
from world.demo_draft import propose_draft
from world.rated_calls import hold_rated_calls
from world.services import Report, Tell, finish_building, plan_all, score_all
from world.tasks import JOB, start_building

SEED = 20
LATE = 5  # leads of a rep whose first step was due on the last working day
RAISED_AGO = dt.timedelta(minutes=1)  # when the leads of the running clocks asked for contact
BOOKED_AFTER = dt.timedelta(minutes=90)  # the opening of the day of a booked call
# Planned by hand, so that something is due today on every day of the week.
BY_HAND = (("Send the price list", dt.time(11)), ("Ask how the trial goes", dt.time(16)))
SOON = dt.timedelta(minutes=5)


def ensure_demo(leads: int, *, tell: Tell) -> Report | None:
    """Make the demo on a first start, or go on where a killed one stood; None when it is there,
    was removed, or people work here already.
    """
    job = Job.objects.filter(kind=JOB, args__is_demo=True).order_by("pk").last()
    if job is None:
        if User.objects.exists():
            return None
        job = start_building(leads, seed=SEED, is_demo=True)
    elif job.args.get("dressed") or job.state == Job.State.CANCELLED:
        return None
    report = Report()
    finish_building(job, report, processes=1, tell=tell)
    score_all(report, processes=1, tell=tell)
    with report.timed("today"):
        _once(job, "control", keep_control)
        _once(job, "late", _plan_late)
    plan_all(report, tell=tell)
    with report.timed("today"):
        _once(job, "rated", hold_rated_calls)
        _once(job, "called", make_calls)
        _once(job, "drafted", propose_draft)
        _once(job, "dressed", dress)
    return report


def _once(job: Job, name: str, step: Callable[[list[User]], None]) -> None:
    """Do a step of the demo and note it on the job, in one transaction; not again when noted."""
    with transaction.atomic():
        job.refresh_from_db()
        if not job.args.get(name):
            step(list(User.objects.filter(is_demo=True, role=Role.REP).order_by("pk")))
            job.args[name] = True
            job.save(update_fields=["args"])


def _plan_late(reps: list[User]) -> None:
    """Plan a few good leads of each rep as of the last working day: nobody has called them."""
    places = Places()
    for rep in reps:
        moment = _last_working_day(places.team_calendar(rep.team_id))
        late = _waiting(rep).filter(lead__created_at__lt=moment).order_by("-rank")[:LATE]
        with clock.at(moment):
            plan(sorted(standing.lead_id for standing in late))


def _waiting(rep: User) -> QuerySet[Standing]:
    """Return a rep's leads that wait for a plan and have a tier that people work on."""
    return Standing.objects.filter(
        owner=rep,
        is_open=True,
        state=State.SCORED,
        tier__in=[Tier.HOT, Tier.WARM],
        unplanned_at__isnull=False,
    )


def _last_working_day(calendar: Calendar) -> dt.datetime:
    """Return the beginning of the last working day before today."""
    moment = clock.now()
    while True:
        moment -= dt.timedelta(days=1)
        date, opening = next(open_days(moment.replace(hour=0, minute=0), calendar))
        if opening < clock.now() - dt.timedelta(hours=12) and date <= moment.date():
            return opening


def _book(rep: User, leads: Sequence[Lead], places: Places, now: dt.datetime) -> None:
    """Book a call with each lead for the middle of its next working morning, or as soon after it
    as the rep has no other call.
    """
    team = places.team_calendar(rep.team_id)
    for lead in leads:
        window = places.window(lead.team_id, lead.time_zone, lead.country)
        at = step_due(now, Wait(days=1), Followup.Kind.CALL, team, window).at + BOOKED_AFTER
        while others := overlapping(rep.pk, at, DEFAULT_MINUTES):
            at = others[-1].due_at + dt.timedelta(minutes=others[-1].minutes or DEFAULT_MINUTES)
        book_call(
            lead, Booking("Talk through the offer", at, DEFAULT_MINUTES), by=rep, remind_hours=24
        )


def dress(reps: list[User]) -> None:
    """Give each rep something for today, and a lead that has just asked for contact."""
    places = Places()
    now = clock.now()
    for rep in reps:
        zone = ZoneInfo(places.team_calendar(rep.team_id).zone)
        mine = Lead.objects.filter(owner=rep, standing__is_open=True)
        known = mine.filter(contacted_at__isnull=False).order_by("-standing__rank", "pk")
        for lead, (title, hour) in zip(known, BY_HAND, strict=False):
            today = dt.datetime.combine(now.astimezone(zone).date(), hour, zone)
            add_followup(
                lead,
                by=rep,
                kind=Followup.Kind.TASK,
                title=title,
                due_at=max(today, now + SOON),
            )
        _book(rep, list(known[len(BY_HAND) : len(BY_HAND) + 1]), places, now)
        asking = (
            mine.filter(contacted_at=None, standing__tier=Tier.WARM, first_source__tracked=True)
            .order_by("-standing__fit", "-standing__rank", "pk")
            .first()
        )
        if asking is not None:
            record_activity(
                asking,
                Kind.HAND_RAISED,
                by=None,
                at=now - RAISED_AGO,
                data={"form": "Book a demo"},
            )
            rescore([asking.pk])
            plan([asking.pk])
