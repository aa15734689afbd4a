"""Whole reads of follow-ups: a person's day, and what is planned for one lead.

`today` reads the first rows of every group; `read_steps` and `read_leads_without` go on behind
them, page by page (core.cursors). The number of queries never depends on the number of rows.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import F, Func, IntegerField, Max, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from accounts.models import User
from core.cursors import Order, Page, page_of, read_page
from core.errors import NotFound
from followups.live import play_version
from followups.models import ControlMember, Followup, Run
from followups.places import Places
from followups.querysets import FollowupQuerySet
from followups.runs import EndReason, StartedBy
from leads.models import Lead
from leads.querysets import visibility
from scoring.models import Standing
from scoring.tiers import State

COUNT_CAP = 1_000  # counts stop here; a page then says "1,000+"
ROWS = 50
LONGEST_CALL = 480  # minutes
MOST_BOOKED = 300  # booked calls on one page of the calendar
MOST_PAST = 50  # finished follow-ups shown on a lead's page

StepGroup = Literal["overdue", "due", "later", "waiting", "done"]
LeadGroup = Literal["unowned", "no_next_step"]
BY_DUE = Order(("due_at", "id"), descending=False)
BY_END = Order(("ended_at", "id"), descending=True)
BY_RANK = Order(("rank", "lead_id"), descending=True)
ORDERS = {
    "overdue": BY_DUE,
    "due": BY_DUE,
    "later": BY_DUE,
    "waiting": BY_DUE,
    "done": BY_END,
    "unowned": BY_RANK,
    "no_next_step": BY_RANK,
}


class StepRow(NamedTuple):
    """One follow-up in a list, with what a person needs to know of its lead.

    `number` counts the steps of its play from 1 and `steps` says how many there are; both are
    None for one that was added by hand.
    """

    id: int
    lead_id: int
    first_name: str
    last_name: str
    email: str
    phone: str
    company: str | None
    tier: str
    score: int
    low: int
    high: int
    sla_due_at: dt.datetime | None
    kind: str
    title: str
    body: str
    due_at: dt.datetime
    state: str
    held: str
    snoozed: int
    note: str
    ended_at: dt.datetime | None
    agreed: bool
    minutes: int | None
    play: str | None
    number: int | None
    steps: int | None

    @property
    def name(self) -> str:
        """The lead's name to show, never empty (leads.models.Lead.name)."""
        return _name(self.first_name, self.last_name, self.email, self.phone, self.lead_id)

    @property
    def why(self) -> str:
        """Where the step comes from, in words."""
        if self.agreed:
            return f"Agreed with the lead, {self.minutes} minutes"
        if self.play is None:
            return "Added by hand"
        return f"{self.play}, step {self.number} of {self.steps}"

    def is_late(self, now: dt.datetime) -> bool:
        """True for a scheduled step whose moment has passed."""
        return self.state == Followup.State.SCHEDULED and self.due_at < now


class LeadRow(NamedTuple):
    """A lead in a list; `reason` says why it has no next step, or what the next one is."""

    lead_id: int
    first_name: str
    last_name: str
    email: str
    phone: str
    company: str | None
    tier: str
    score: int
    stage: str
    reason: str
    next_due_at: dt.datetime | None
    sla_due_at: dt.datetime | None
    rank: float

    @property
    def name(self) -> str:
        """The lead's name to show, never empty."""
        return _name(self.first_name, self.last_name, self.email, self.phone, self.lead_id)


def _name(first: str, last: str, email: str, phone: str, lead_id: int) -> str:
    return f"{first} {last}".strip() or email or phone or f"Lead {lead_id}"


@dataclass(frozen=True)
class StepGroupPage:
    """Rows of a group of follow-ups; `count` is exact below COUNT_CAP, which it never passes."""

    rows: Sequence[StepRow]
    count: int
    next_cursor: str | None


@dataclass(frozen=True)
class LeadGroupPage:
    """Rows of a group of leads; `count` as in StepGroupPage."""

    rows: Sequence[LeadRow]
    count: int
    next_cursor: str | None


@dataclass(frozen=True)
class Today:
    """A person's day, as of `now`: what was due before today, today, and later; what is done.

    `waiting` are e-mails that nothing delivers yet, `unowned` leads of the team that nobody has
    taken, `no_next_step` own open leads with the reason why nothing is planned for them.
    """

    now: dt.datetime
    time_zone: str
    overdue: StepGroupPage
    due: StepGroupPage
    later: StepGroupPage
    waiting: StepGroupPage
    done: StepGroupPage
    unowned: LeadGroupPage
    no_next_step: LeadGroupPage


def today(viewer: User, *, now: dt.datetime, limit: int = ROWS) -> Today:
    """Return the day of `viewer` with up to `limit` rows a group; at most eighteen queries."""
    zone = zone_of(viewer)
    first = {"limit": str(limit)}

    def steps(group: StepGroup) -> StepGroupPage:
        return read_steps(viewer, group, page_for(viewer, group, first), now=now, zone=zone)

    def leads(group: LeadGroup) -> LeadGroupPage:
        return read_leads_without(viewer, group, page_for(viewer, group, first))

    return Today(
        now=now,
        time_zone=zone,
        overdue=steps("overdue"),
        due=steps("due"),
        later=steps("later"),
        waiting=steps("waiting"),
        done=steps("done"),
        unowned=leads("unowned"),
        no_next_step=leads("no_next_step"),
    )


def page_for(viewer: User, group: StepGroup | LeadGroup, data: Mapping[str, str]) -> Page:
    """Read `limit` and `cursor` of a group from a query string; raise BadParameter."""
    return read_page(data, {group: ORDERS[group]}, bound_to=("today", group, str(viewer.pk)))


def zone_of(person: User) -> str:
    """Return the time zone in which a person's day begins and ends."""
    return Places().team_calendar(person.team_id).zone


def read_steps(
    viewer: User, group: StepGroup, page: Page, *, now: dt.datetime, zone: str
) -> StepGroupPage:
    """Return a page of one group of the follow-ups of `viewer`; one query, two on long lists.

    A day is the viewer's (`zone`). What has come due today counts as due, not as overdue.
    """
    start = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = start + dt.timedelta(days=1)  # the same wall time, whatever the clocks do
    mine = Followup.objects.to_do_by(viewer)
    queryset: FollowupQuerySet = {
        "overdue": lambda: mine.filter(due_at__lt=start),
        "due": lambda: mine.filter(due_at__gte=start, due_at__lt=end),
        "later": lambda: mine.filter(due_at__gte=end),
        "waiting": lambda: Followup.objects.waiting_for(viewer),
        "done": lambda: Followup.objects.finished_by(viewer, since=start),
    }[group]()
    rows, following = _take(_step_rows(queryset), page, StepRow)
    return StepGroupPage(rows, _count(queryset, rows, page, following), following)


def read_leads_without(viewer: User, group: LeadGroup, page: Page) -> LeadGroupPage:
    """Return a page of the team's unowned leads, or of own leads without a next step."""
    standings = Standing.objects.filter(is_open=True)
    if group == "no_next_step":
        standings = standings.filter(owner=viewer, next_due_at=None, state=State.SCORED)
    elif viewer.team_id is None:
        standings = standings.none()
    else:
        standings = standings.filter(visibility(viewer), owner=None, team_id=viewer.team_id)
    columns = (
        "lead_id",
        *(f"lead__{name}" for name in ("first_name", "last_name", "email", "phone")),
        "lead__company__name",
        "tier",
        "score",
        "stage",
        "next_step",
        "next_due_at",
        "sla_due_at",
        "rank",
    )
    rows, following = _take(standings.values_list(*columns), page, LeadRow)
    return LeadGroupPage(rows, _count(standings, rows, page, following), following)


def overlapping(
    assignee_id: int | None, at: dt.datetime, minutes: int, *, but: int | None = None
) -> list[Followup]:
    """Return the booked calls of a person that overlap with a span, the earliest first."""
    if assignee_id is None:
        return []
    end = at + dt.timedelta(minutes=minutes)
    around = Followup.objects.filter(
        assignee_id=assignee_id,
        agreed=True,
        state=Followup.State.SCHEDULED,
        due_at__lt=end,
        due_at__gt=at - dt.timedelta(minutes=LONGEST_CALL),
    )
    others = around.select_related("lead").order_by("due_at", "id")
    return [other for other in others if other.pk != but and _end_of(other) > at]


@dataclass(frozen=True)
class BookedCall:
    """A booked call in the calendar. `there` is the time where the lead is, `clashes` names
    another booked call of the same person at that time, "" for none.
    """

    followup: Followup
    ends_at: dt.datetime
    there: dt.datetime
    clashes: str


@dataclass(frozen=True)
class CalendarDay:
    """The booked calls of one day of the viewer's, in order."""

    date: dt.date
    calls: list[BookedCall]


def booked_calls(
    viewer: User, *, team: bool, since: dt.datetime, until: dt.datetime, zone: str
) -> list[CalendarDay]:
    """Return the booked calls from `since` to `until` by days in `zone`, of the viewer or of all
    whose leads they may see; at most MOST_BOOKED. Three queries.
    """
    booked = Followup.objects.visible_to(viewer).filter(
        agreed=True, state=Followup.State.SCHEDULED, due_at__gte=since, due_at__lt=until
    )
    if not team:
        booked = booked.filter(assignee=viewer)
    found = list(
        booked.select_related("lead__company", "assignee").order_by("due_at", "id")[:MOST_BOOKED]
    )
    places = Places()
    days: dict[dt.date, CalendarDay] = {}
    for followup in found:
        lead = followup.lead
        there = places.window(lead.team_id, lead.time_zone, lead.country).zone
        call = BookedCall(
            followup,
            ends_at=_end_of(followup),
            there=followup.due_at.astimezone(ZoneInfo(there)),
            clashes=_clash(followup, found),
        )
        date = followup.due_at.astimezone(ZoneInfo(zone)).date()
        days.setdefault(date, CalendarDay(date, [])).calls.append(call)
    return list(days.values())


def _end_of(followup: Followup) -> dt.datetime:
    return followup.due_at + dt.timedelta(minutes=followup.minutes or 0)


def _clash(followup: Followup, others: Sequence[Followup]) -> str:
    for other in others:
        if (
            other.pk != followup.pk
            and other.assignee_id == followup.assignee_id
            and other.due_at < _end_of(followup)
            and _end_of(other) > followup.due_at
        ):
            return f"{other.title}, {other.lead}"
    return ""


def get_followup(viewer: User, followup_id: int) -> Followup:
    """Return a follow-up with its lead; raise NotFound when it is not the viewer's to see."""
    found: Followup | None = (
        Followup.objects.visible_to(viewer)
        .select_related("lead", "run")
        .filter(pk=followup_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def get_booked_call(viewer: User, followup_id: int) -> Followup:
    """Return a booked call, also one that is over, with its lead and who calls; else NotFound."""
    found: Followup | None = (
        Followup.objects.visible_to(viewer)
        .select_related("lead", "assignee")
        .filter(pk=followup_id, agreed=True)
        .first()
    )
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class RunNow:
    """The play that a lead is on, or was on last; `step` counts from 1."""

    play: str
    step: int
    steps: int
    started_at: dt.datetime
    started_by: str
    ended_at: dt.datetime | None
    end_reason: str


@dataclass(frozen=True)
class LeadPlan:
    """What is planned for a lead and what was done: `open` by due time, `past` newest first.

    `in_control` says that it is in the control group: cold, and worked as warm.
    """

    open: Sequence[StepRow]
    past: Sequence[StepRow]
    run: RunNow | None
    in_control: bool


def plan_of(viewer: User, lead: Lead) -> LeadPlan:
    """Return the follow-ups of a lead and its last run; five queries."""
    followups = Followup.objects.visible_to(viewer).filter(lead_id=lead.pk)
    scheduled = followups.filter(state=Followup.State.SCHEDULED).order_by("due_at", "id")
    past = followups.exclude(state=Followup.State.SCHEDULED).order_by("-ended_at", "-id")
    return LeadPlan(
        open=[StepRow._make(row) for row in _step_rows(scheduled)],
        past=[StepRow._make(row) for row in _step_rows(past)[:MOST_PAST]],
        run=_run_of(lead),
        in_control=ControlMember.objects.filter(lead_id=lead.pk, left_at=None).exists(),
    )


def _run_of(lead: Lead) -> RunNow | None:
    run = (
        Run.objects.filter(lead_id=lead.pk)
        .annotate(last_step=Max("followups__step"))
        .order_by(F("ended_at").asc(nulls_first=True), "-started_at", "-id")
        .first()
    )
    if run is None:
        return None
    play = play_version(run.play_version_id).play
    return RunNow(
        play=play.name,
        step=(run.last_step or 0) + 1,
        steps=len(play.steps),
        started_at=run.started_at,
        started_by=StartedBy(run.started_by).label,
        ended_at=run.ended_at,
        end_reason=EndReason(run.end_reason).label if run.end_reason else "",
    )


def _step_rows(followups: FollowupQuerySet) -> QuerySet[Followup, tuple[Any, ...]]:
    """Select the columns of StepRow."""
    definition = "run__play_version__definition"
    return followups.values_list(
        "id",
        "lead_id",
        *(f"lead__{name}" for name in ("first_name", "last_name", "email", "phone")),
        "lead__company__name",
        *(f"lead__standing__{name}" for name in ("tier", "score", "low", "high", "sla_due_at")),
        "kind",
        "title",
        "body",
        "due_at",
        "state",
        "held",
        "snoozed",
        "note",
        "ended_at",
        "agreed",
        "minutes",
        KeyTextTransform("name", definition),
        F("step") + 1,
        Func(
            KeyTransform("steps", definition),
            function="jsonb_array_length",
            output_field=IntegerField(),
        ),
    )


Row = TypeVar("Row", StepRow, LeadRow)


def _take(
    queryset: QuerySet[Any, tuple[Any, ...]], page: Page, kind: type[Row]
) -> tuple[list[Row], str | None]:
    """Return the rows of a page and the cursor of the next, None on the last."""
    rows = [kind._make(row) for row in page_of(queryset, page)]
    if len(rows) <= page.limit:
        return rows, None
    rows = rows[: page.limit]
    values = (getattr(rows[-1], name) for name in page.order.columns)
    position = [v.isoformat() if isinstance(v, dt.datetime) else v for v in values]
    return rows, page.next_cursor(position)


def _count(
    queryset: QuerySet[Any, Any], rows: Sequence[Any], page: Page, following: str | None
) -> int:
    """Return how many rows a group has, counting no further than COUNT_CAP."""
    if page.position is None and following is None:
        return len(rows)
    return queryset.order_by()[:COUNT_CAP].count()
