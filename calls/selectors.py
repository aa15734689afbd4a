"""Whole reads of calls; a call is visible to whoever may see its lead."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from accounts.models import User
from calls.models import Call, CallAnswer, CallOutcome
from calls.scripts import choices_of, is_asked, script_of
from core.clock import now
from core.errors import NotFound
from leads.activities import Kind
from leads.models import Activity, Lead
from leads.querysets import visibility
from scoring.definitions import Answer, Question
from scoring.live import live_config
from scoring.models import Evidence, Standing
from scoring.selectors import Asking, LedgerLine, explain, next_questions, rating_word
from scoring.services import CONCERN
from scoring.tiers import Tier

MOST_EVENTS = 3
MOST_CONCERNS = 3
# What happens without anybody speaking or acting is no event worth a line in the brief.
_QUIET = (Kind.TIER_CHANGED, Kind.ASSIGNED, Kind.CHANGED, Kind.EVIDENCE_ADDED, Kind.ASKED_UNKNOWN)
KINDS = CallAnswer.Kind


def get_call(viewer: User, call_id: int) -> Call:
    """Return a call that the viewer may see, with lead, standing and people; else NotFound."""
    found = (
        Call.objects.filter(visibility(viewer, "lead__"), pk=call_id)
        .select_related("lead__standing", "lead__company", "rep", "outcome", "ended_by", "followup")
        .first()
    )
    if found is None:
        raise NotFound
    return found


def get_lead_to_call(viewer: User, lead_id: int) -> Lead:
    """Return a lead that the viewer may see; raise NotFound otherwise."""
    lead: Lead | None = Lead.objects.visible_to(viewer).filter(pk=lead_id).first()
    if lead is None:
        raise NotFound
    return lead


def barred_since(lead_id: int) -> dt.datetime | None:
    """Return when the lead asked not to be called, None when it may be.

    It may be again once it asks for contact by itself.
    """
    raised = Activity.objects.filter(
        lead_id=OuterRef("lead_id"), kind=Kind.HAND_RAISED, at__gt=OuterRef("ended_at")
    )
    return (
        Call.objects.filter(lead_id=lead_id, outcome__bars_calls=True)
        .exclude(Exists(raised))
        .order_by("-ended_at")
        .values_list("ended_at", flat=True)
        .first()
    )


@dataclass(frozen=True)
class Line:
    """One question of the outline. `state` is open, answered, unknown, later or not_asked.

    `given` is the newest answer of this call and `rival` the one that it replaced unseen; `known`
    is what was on record before the call. `reason` says why it is worth asking, "" if it is not.
    """

    number: int
    question: Question
    criterion: str
    text: str
    choices: tuple[Answer, ...]
    state: str
    given: CallAnswer | None
    rival: CallAnswer | None
    known: Evidence | None
    reason: str

    @property
    def known_word(self) -> str:
        """The rating on record in a word, "" for none."""
        return rating_word(self.known.rating) if self.known else ""


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


def read_progress(call: Call) -> Progress:
    """Return the state of a call; about ten queries, however many answers there are."""
    answers = list(call.answers.select_related("author", "replaces__author"))
    standing = Standing.objects.get(pk=call.lead_id)
    asking = next_questions(call.lead_id)
    known = {
        evidence.dimension: evidence
        for evidence in Evidence.objects.filter(lead_id=call.lead_id, current=True)
    }
    lines = _lines(call, answers, known, asking)
    by_worth = [question.key for question in asking.questions]
    to_ask = {line.question.key for line in lines if line.state in ("open", "later")}
    return Progress(
        call=call,
        standing=standing,
        lines=lines,
        captured=[a for a in answers if a.kind in (KINDS.CONCERN, KINDS.COMPETITOR)],
        next_key=next((key for key in by_worth if key in to_ask), ""),
        settled=asking.settled,
        last=answers[-1] if answers else None,
        summary=call.summary or summary_of(call, answers),
    )


def _lines(
    call: Call,
    answers: Sequence[CallAnswer],
    known: Mapping[str, Evidence],
    asking: Asking,
) -> list[Line]:
    script = script_of(call.framework_version_id)
    newest = {answer.question: answer for answer in answers if answer.question}
    ratings = {dimension: evidence.rating for dimension, evidence in known.items()}
    reasons = {question.key: question.reason for question in asking.questions}
    labels = {criterion.dimension: criterion.label for criterion in script.criteria}
    states = {KINDS.ANSWER: "answered", KINDS.UNKNOWN: "unknown", KINDS.LATER: "later"}
    lines = []
    for number, question in enumerate(script.questions, 1):
        given = newest.get(question.key)
        state = "open"
        if given is not None:
            state = states[KINDS(given.kind)]
        elif not is_asked(question, script, ratings):
            state = "not_asked"
        before = known.get(question.dimension)
        lines.append(
            Line(
                number=number,
                question=question,
                criterion=labels[question.dimension],
                text=question.text[call.lead.kind],
                choices=choices_of(question),
                state=state,
                given=given,
                rival=given.replaces if given is not None and given.unseen else None,
                known=before,
                reason=reasons.get(question.key, ""),
            )
        )
    return lines


def summary_of(call: Call, answers: Sequence[CallAnswer]) -> str:
    """Return what was learned in a call, in a few lines: by criterion, then concerns, then gaps."""
    script = script_of(call.framework_version_id)
    labels = {criterion.dimension: criterion.label for criterion in script.criteria}
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
    """What to know before dialling. `barred_since` is when the lead asked not to be called."""

    events: list[Activity]
    concerns: list[Evidence]
    barred_since: dt.datetime | None
    outcomes: list[CallOutcome]
    as_of: dt.datetime


def read_brief(call: Call) -> Brief:
    """Return the brief of a call; five queries."""
    recent = Activity.objects.filter(lead_id=call.lead_id).exclude(kind__in=_QUIET)
    return Brief(
        events=list(recent.select_related("actor").order_by("-at", "-id")[:MOST_EVENTS]),
        concerns=list(
            Evidence.objects.filter(
                lead_id=call.lead_id, dimension=CONCERN, observed_at__lt=call.started_at
            ).order_by("-observed_at", "-id")[:MOST_CONCERNS]
        ),
        barred_since=barred_since(call.lead_id),
        outcomes=list(CallOutcome.objects.all()),
        as_of=now(),
    )


def calls_of(viewer: User, lead_id: int) -> list[Call]:
    """Return the calls with a lead, the newest first, as far as the viewer may see it."""
    return list(
        Call.objects.filter(visibility(viewer, "lead__"), lead_id=lead_id)
        .select_related("rep", "outcome")
        .order_by("-started_at", "-id")[:50]
    )
