"""Whole reads of calls; a call is visible to whoever may see its lead."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length, Lower

from accounts.models import User
from accounts.roles import READS_ALL, Role
from calls.consequences import Consequence, consequences, play_names
from calls.filters import CallFilters
from calls.models import Call, CallAnswer, CallOutcome
from calls.plots import Step, StepPlot, step_plot
from calls.scripts import answers_of, script_of
from calls.working import in_hand_of
from core import money
from core.clock import DatabaseNow
from core.cursors import Order, Page, take
from core.decisions import Decision
from core.errors import NotFound
from core.nested import made_of, nested
from followups.places import Places
from leads.activities import Kind
from leads.consent import Channel
from leads.models import Activity, Lead
from leads.querysets import visibility
from leads.selectors import may_contact
from scoring.branching import is_asked
from scoring.definitions import Answer, Question
from scoring.live import live_config
from scoring.models import Evidence, Standing
from scoring.selectors import (
    Asking,
    LedgerLine,
    explain,
    known_of,
    next_questions,
    rating_word,
)
from scoring.services import CONCERN
from scoring.tiers import Tier

MOST_EVENTS = 3
MOST_CONCERNS = 3
# What happens without anybody speaking or acting is no event worth a line in the brief.
_QUIET = (Kind.TIER_CHANGED, Kind.ASSIGNED, Kind.CHANGED, Kind.EVIDENCE_ADDED, Kind.ASKED_UNKNOWN)
KINDS = CallAnswer.Kind


_ANSWER = (
    *(field.attname for field in CallAnswer._meta.concrete_fields),
    "author__name",
    "author__email",
)


def get_call(viewer: User, call_id: int) -> Call:
    """Return a call that the viewer may see, with lead, standing, rep and answers (`given`, in
    order, with their authors); else NotFound. One query, however many answers there are.

    What only a finished call has is not joined: an answer's read would pay for it each time.
    """
    answers = CallAnswer.objects.filter(call=OuterRef("pk")).order_by("id")
    found = (
        Call.objects.filter(visibility(viewer, "lead__"), pk=call_id)
        .select_related("lead__standing", "lead__company", "rep")
        .annotate(rows=nested(answers, *_ANSWER))
        .first()
    )
    if found is None:
        raise NotFound
    found.given = made_of(CallAnswer, found.rows)
    by_id = {answer.pk: answer for answer in found.given}
    for answer in found.given:
        answer.call = found
        if answer.replaces_id is not None:
            answer.replaces = by_id.get(answer.replaces_id)
    return found


def open_call_with(lead_id: int) -> Call | None:
    """Return the call that is going on with a lead, with its rep. Asks no policy."""
    return Call.objects.select_related("rep").filter(lead=lead_id, state=Call.State.OPEN).first()


MOST_UNFINISHED = 10


def unfinished_calls(rep: User) -> list[Call]:
    """Return the open calls that a person began, the oldest first; one query."""
    mine = Call.objects.filter(visibility(rep, "lead__"), rep=rep, state=Call.State.OPEN)
    return list(mine.select_related("lead").order_by("started_at", "id")[:MOST_UNFINISHED])


def get_lead_to_call(viewer: User, lead_id: int) -> Lead:
    """Return a lead that the viewer may see; raise NotFound otherwise."""
    lead: Lead | None = Lead.objects.visible_to(viewer).filter(pk=lead_id).first()
    if lead is None:
        raise NotFound
    return lead


@dataclass(frozen=True)
class Line:
    """One question of the outline. `state` is open, answered, unknown, later or not_asked.

    `given` is the newest answer of this call and `rival` the one that it replaced unseen; `known`
    is the rating on record. `reason` says why it is worth asking, "" if it is not.
    """

    number: int
    question: Question
    criterion: str
    text: str
    choices: tuple[Answer, ...]
    state: str
    given: CallAnswer | None
    rival: CallAnswer | None
    known: int | None
    reason: str

    @property
    def known_word(self) -> str:
        """The rating on record in a word, "" for none."""
        return "" if self.known is None else rating_word(self.known)


@dataclass(frozen=True)
class Progress:
    """What moves during a call: the score, the outline and what is best asked next.

    `next_key` is the question that is most worth asking; `settled` says that no answer can change
    the tier any more; `last` is the newest answer.
    """

    call: Call
    standing: Standing
    lines: list[Line]
    captured: list[CallAnswer]
    next_key: str
    settled: bool
    last: CallAnswer | None
    summary: str

    @property
    def delta(self) -> int:
        """Points since the start of the call."""
        return self.standing.score - self.call.start_score

    @property
    def asked(self) -> int:
        """How many questions have been asked."""
        return sum(line.state in ("answered", "unknown") for line in self.lines)

    @property
    def to_ask(self) -> int:
        """How many questions the script has, without those that branching leaves out."""
        return sum(line.state != "not_asked" for line in self.lines)

    @property
    def planned_seconds(self) -> int:
        """How long asking takes by the script, branching applied."""
        return sum(line.question.seconds for line in self.lines if line.state != "not_asked")

    @property
    def missing(self) -> list[Line]:
        """Required questions that nobody has asked, and whose answer is not on record either."""
        return [
            line
            for line in self.lines
            if line.question.mandatory and line.state in ("open", "later") and line.known is None
        ]

    @property
    def stamp(self) -> str:
        """Differs whenever what is shown of the call does."""
        return stamp_of(self.call)

    @property
    def next_line(self) -> Line | None:
        """The question that is most worth asking."""
        return next((line for line in self.lines if line.question.key == self.next_key), None)

    @property
    def announcement(self) -> str:
        """What a screen reader is told: the score, its range, and a change of the tier."""
        now_ = self.standing
        told = f"Score {now_.score}, possible {now_.low} to {now_.high}."
        if self.last is not None and self.last.tier != self.last.tier_before and self.last.tier:
            told += f" The lead is now {Tier(self.last.tier).label.lower()}."
        if self.last is not None and self.last.unseen:
            told += " Somebody else answered this question too."
        return told


def stamp_of(call: Call) -> str:
    """Return a text that differs whenever a call, its notes or its lead's score do; no query."""
    now_ = call.lead.standing
    newest = call.given[-1].pk if call.given else 0
    said = (newest, call.notes_version, call.recording, call.state)
    parts = (*said, now_.score, now_.low, now_.high, now_.tier)
    return ".".join(map(str, parts))


def read_progress(call: Call, asking: Asking | None = None) -> Progress:
    """Return the state of a call that `get_call` has read; three queries.

    None at all when `asking` is known, as it is after an answer.
    """
    answers = call.given
    asking = asking or next_questions(call.lead, answers_of(answers))
    lines = _lines(call, answers, asking)
    by_worth = [question.key for question in asking.questions]
    to_ask = {line.question.key for line in lines if line.state in ("open", "later")}
    return Progress(
        call=call,
        standing=call.lead.standing,
        lines=lines,
        captured=[a for a in answers if a.kind in (KINDS.CONCERN, KINDS.COMPETITOR)],
        next_key=next((key for key in by_worth if key in to_ask), ""),
        settled=asking.settled,
        last=answers[-1] if answers else None,
        summary=call.summary or summary_of(call),
    )


def _lines(call: Call, answers: Sequence[CallAnswer], asking: Asking) -> list[Line]:
    script = script_of(call.framework_version_id)
    newest = {answer.question: answer for answer in answers if answer.question}
    # What was said in this call about a dimension that is not scored any more still branches.
    said = {a.dimension: a.rating for a in newest.values() if a.rating is not None}
    ratings = {**said, **asking.ratings}
    known = known_of(script, call.lead, ratings, answers_of(answers))
    reasons = {question.key: question.reason for question in asking.questions}
    labels = {criterion.dimension: criterion.label for criterion in script.criteria}
    states = {KINDS.ANSWER: "answered", KINDS.UNKNOWN: "unknown", KINDS.LATER: "later"}
    lines = []
    to_show = [q for q in script.questions if not q.archived or q.key in newest]
    for number, question in enumerate(to_show, 1):
        given = newest.get(question.key)
        state = "open"
        if given is not None:
            state = states[KINDS(given.kind)]
        elif not is_asked(question, known):
            state = "not_asked"
        lines.append(
            Line(
                number=number,
                question=question,
                criterion=labels[question.dimension],
                text=question.text[call.lead.kind],
                choices=question.choices,
                state=state,
                given=given,
                rival=given.replaces if given is not None and given.unseen else None,
                known=ratings.get(question.dimension),
                reason=reasons.get(question.key, ""),
            )
        )
    return lines


@dataclass(frozen=True)
class Card:
    """A question as the console asks it: each choice with what of an amount or date makes it so;
    `measured` says that naming one is enough.
    """

    line: Line
    options: list[tuple[Answer, str]]
    measured: bool


ANY_TIME = 3_650  # days: so far ahead a bound bounds nothing


def card_of(line: Line, lead: Lead, today: dt.date) -> Card:
    """Return the card of a question for a lead on a day."""
    question, value = line.question, lead.value_minor

    def bound(answer: Answer) -> str:
        if answer.at_least and value:
            return f"from {money.words(round(answer.at_least * value), lead.currency)}"
        if answer.within_days is not None and answer.within_days < ANY_TIME:
            return f"until {today + dt.timedelta(days=answer.within_days):%-d %b %Y}"
        return ""

    return Card(
        line=line,
        options=[(answer, bound(answer)) for answer in line.choices],
        measured=question.is_measured and (question.type != "number" or bool(value)),
    )


def summary_of(call: Call) -> str:
    """Return what was learned in a call, in a few lines: by criterion, then concerns, then gaps."""
    script = script_of(call.framework_version_id)
    labels = {criterion.dimension: criterion.label for criterion in script.criteria}
    answers = call.given
    newest = {answer.question: answer for answer in answers if answer.question}
    told = []
    for dimension, label in labels.items():
        for answer in newest.values():
            if answer.dimension == dimension and answer.kind == KINDS.ANSWER:
                words = " ".join(
                    filter(None, (answer.amount, f"“{answer.quote}”" if answer.quote else ""))
                )
                told.append(f"{label}: {answer.label}{f' ({words})' if words else ''}")
    for kind, label in ((KINDS.CONCERN, "Concerns"), (KINDS.COMPETITOR, "Competitors")):
        texts = [answer.quote for answer in answers if answer.kind == kind]
        if texts:
            told.append(f"{label}: {'; '.join(texts)}")
    gaps = sorted({labels[a.dimension] for a in newest.values() if a.kind == KINDS.UNKNOWN})
    if gaps:
        told.append(f"Asked, not known: {', '.join(gaps)}")
    put_off = [a.dimension for a in newest.values() if a.kind == KINDS.LATER]
    if put_off:
        told.append(f"To ask later: {', '.join(sorted({labels[key] for key in put_off}))}")
    return "\n".join(told)[:10_000]


def judged_lines(lead_id: int, answers: Iterable[CallAnswer]) -> list[LedgerLine]:
    """Return the ledger's lines of what a call asked about: what to give feedback on."""
    asked = {answer.dimension for answer in answers}
    why = explain([lead_id]).get(lead_id)
    if why is None or not asked:
        return []
    live = next((m for m in live_config().everything if m.key == why.model_key), None)
    signals = {s.key for s in live.model.signals if s.dimension in asked} if live else set()
    return [line for line in why.lines if line.signal in signals]


@dataclass(frozen=True)
class Brief:
    """What to know before dialling; `may_call` says why it is not to be dialled, `last` is the
    finished call before this one, `in_hand` that the viewer works a queue and has it in hand.
    """

    events: list[Activity]
    concerns: list[Evidence]
    may_call: Decision
    last: Call | None
    in_hand: bool
    consequences: list[Consequence]
    plays: list[tuple[str, str, str]]
    frequent: dict[str, list[str]]
    currencies: list[str]
    local_time: dt.datetime
    as_of: dt.datetime

    @property
    def outcomes(self) -> list[CallOutcome]:
        """How the call may end."""
        return [ahead.outcome for ahead in self.consequences]


_EVENT = ("id", "kind", "at", "data", "actor_id", "actor__name", "actor__email")
_CONCERN = ("id", "quote", "observed_at")
_LAST = (
    *("id", "started_at", "reason", "summary"),
    *("outcome_id", "outcome__label", "rep_id", "rep__name", "rep__email"),
)


def read_brief(call: Call, viewer: User) -> Brief:
    """Return the brief of a call; six queries, however much there is to read."""
    lead, places = call.lead, Places()
    recent = Activity.objects.filter(lead=OuterRef("pk")).exclude(kind__in=_QUIET)
    concerns = Evidence.objects.filter(lead=OuterRef("pk"), dimension=CONCERN)
    before = Call.objects.filter(lead=OuterRef("pk"), state=Call.State.FINISHED)
    known = Lead.objects.values(
        moment=DatabaseNow(),
        # One more, since the last call has a line of its own in the brief.
        events=nested(recent.order_by("-at", "-id")[: MOST_EVENTS + 1], *_EVENT),
        concerns=nested(
            concerns.filter(observed_at__lt=call.started_at).order_by("-observed_at", "-id")[
                :MOST_CONCERNS
            ],
            *_CONCERN,
        ),
        last=nested(before.order_by("-started_at", "-id")[:1], *_LAST),
        in_hand=Exists(in_hand_of(viewer).filter(lead=OuterRef("pk"))),
    ).get(pk=lead.pk)
    moment = known["moment"]
    last = next(iter(made_of(Call, known["last"])), None)
    zone = ZoneInfo(places.window(lead.team_id, lead.time_zone, lead.country).zone)
    return Brief(
        events=[
            event
            for event in made_of(Activity, known["events"])
            if last is None or event.data.get("call", {}).get("id") != last.pk
        ][:MOST_EVENTS],
        concerns=made_of(Evidence, known["concerns"]),
        may_call=may_contact(lead.pk, Channel.CALL),
        last=last,
        in_hand=known["in_hand"],
        consequences=consequences(lead, list(CallOutcome.objects.all()), moment, places),
        plays=play_names(),
        frequent=frequent_captures(lead.team_id),
        currencies=list(
            dict.fromkeys(
                filter(None, (lead.currency, places.workspace.currency, *places.workspace.rates))
            )
        ),
        local_time=moment.astimezone(zone),
        as_of=moment,
    )


RECENT_ROWS = 20_000  # the newest answers of all calls are enough to know what comes up
MOST_FREQUENT = 5
SHORT = 40  # characters of what fits on a button; longer ones are nobody's but the lead's


def frequent_captures(team_id: int | None) -> dict[str, list[str]]:
    """Return what a team's leads brought up at least twice lately, by kind, the most first."""
    newest = Subquery(CallAnswer.objects.order_by("-pk").values("pk")[:1])
    rows = (
        CallAnswer.objects.filter(Q(call__lead__team_id=team_id), pk__gt=newest - RECENT_ROWS)
        .filter(kind__in=(KINDS.CONCERN, KINDS.COMPETITOR))
        .annotate(words=Lower("quote"), size=Length("quote"))
        .filter(size__lte=SHORT)
        .values("kind", "words")
        .annotate(times=Count("call__lead_id", distinct=True), said=Max("quote"))
        .filter(times__gte=2)
        .order_by("-times", "words")
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        said = found.setdefault(row["kind"], [])
        if len(said) < MOST_FREQUENT:
            said.append(row["said"])
    return found


def calls_of(viewer: User, lead_id: int) -> list[Call]:
    """Return the calls with a lead, the newest first, as far as the viewer may see it."""
    return list(
        Call.objects.filter(visibility(viewer, "lead__"), lead_id=lead_id)
        .select_related("rep", "outcome")
        .order_by("-started_at", "-id")[:50]
    )


NEWEST = {"-started_at": Order(("started_at", "id"), descending=True)}
MOST_REPS = 200


def list_calls(filters: CallFilters, page: Page) -> tuple[list[Call], str | None]:
    """Return a page of the calls that `filters` keeps, and the cursor of the next; one query."""
    return take(filters.qs.select_related("rep", "outcome", "lead__company"), page)


def calls_seen_by(viewer: User) -> QuerySet[Call]:
    """Return the calls with leads that the viewer may see."""
    return Call.objects.filter(visibility(viewer, "lead__"))


def reps_seen_by(viewer: User) -> list[User]:
    """Return the people whose calls the viewer may read: the own team's, or everybody's."""
    people = User.objects.filter(is_active=True).exclude(role=Role.MODEL_OWNER)
    if viewer.role not in READS_ALL:
        people = people.filter(Q(pk=viewer.pk) | Q(team_id=viewer.team_id, team_id__isnull=False))
    return list(people.order_by("name", "id")[:MOST_REPS])


def timeline_ids(call: Call) -> dict[int, int]:
    """Return by evidence id the entry of the timeline that tells of it; one query."""
    wanted = [answer.evidence_id for answer in call.given if answer.evidence_id]
    if not wanted:
        return {}
    noted = Activity.objects.filter(
        lead_id=call.lead_id, kind=Kind.EVIDENCE_ADDED, data__evidence__in=wanted
    )
    return dict(noted.values_list("data__evidence", "pk"))


def plot_of(call: Call) -> StepPlot:
    """Return how the range narrowed: the start, each answer that can move it, and the end."""
    steps = [Step("start", call.start_low, call.start_score, call.start_high, call.start_tier)]
    steps += [
        Step(str(number), answer.low, answer.score, answer.high, answer.tier)
        for number, answer in enumerate(call.given, 1)
    ]
    if call.end_score is not None and call.end_low is not None and call.end_high is not None:
        steps.append(Step("end", call.end_low, call.end_score, call.end_high, call.end_tier))
    return step_plot(steps)


def calls_by_version(framework_version_ids: Sequence[int]) -> dict[int, int]:
    """Return how many calls were held by each framework version, by its id; one query."""
    return dict(
        Call.objects.filter(framework_version__in=framework_version_ids)
        .order_by()
        .values_list("framework_version")
        .annotate(Count("pk"))
    )
