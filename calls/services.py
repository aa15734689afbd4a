"""Writes of calls: lock the lead's standing, read the call; policy; change; activity; rescore.

Every answer is a transaction of its own and is rescored at once, so a call that breaks off loses
nothing. Repeating a request changes nothing.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User, Workspace
from calls import claims, policies
from calls.amounts import days_to, share_of
from calls.claims import told
from calls.consequences import step_at
from calls.models import Call, CallAnswer, CallOutcome, CallPresence
from calls.scripts import answer_of, answers_of, question_of, script_of
from calls.selectors import get_call, summary_of
from core.clock import now
from core.errors import Conflict, FieldProblem, Invalid, StaleVersion
from followups.models import Followup
from followups.places import Places
from followups.planning import nudge, plan
from followups.policies import can_reschedule_call
from followups.selectors import overlapping
from followups.services import (
    DEFAULT_MINUTES,
    Booking,
    CallResult,
    NextStep,
    add_followup,
    book_call,
    complete_followup,
)
from leads.activities import Kind
from leads.consent import Channel, ConsentSource, ConsentState
from leads.identity import clean_text
from leads.models import Activity, Lead
from leads.policies import is_closed
from leads.selectors import may_contact
from leads.services import ConsentInput, move_lead, record_outcome, write_consent
from leads.stages import MOVES, StageKey
from scoring import facts
from scoring.definitions import Answer, Question
from scoring.live import live_config
from scoring.models import FrameworkVersion, ModelVersion, Snapshot, Standing
from scoring.rescoring import (
    Locked,
    Rescored,
    insert_snapshots,
    lock,
    lock_named,
    rescore,
    rescore_locked,
)
from scoring.selectors import Asking, asking_of, explain, rating_word
from scoring.services import COMPETITION, CONCERN, write_evidence
from scoring.tiers import NAMES, State

MOST_NOTES = 20_000
MOST_QUOTE = 5_000
MOST_LABEL = 200
MOST_AMOUNT = 100
MOST_KEY = 255
MOST_ROWS = 1_000  # answers in one call: far more than anybody gives, few enough to show
CONCERN_OPEN = 0  # rating of a concern: nothing has answered it yet
COMPETITOR_NAMED = 50  # rating of a competitor: named, without a judgement who is ahead
STEP_AHEAD = dt.timedelta(days=1)  # a call step that is due within it is what this call was
BOOKED_AHEAD = dt.timedelta(hours=1)  # likewise for one at a time that was agreed
NO_SHOW = "no_show"  # the outcome of a booked call to which the lead did not come
_NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
AHEAD = dt.timedelta(days=366)
PRESENT_SECONDS = 25  # twice what a console waits between two signs of life, and a little
FORGET_SECONDS = 600
_WAY = (StageKey.NEW, StageKey.MQL, StageKey.ACCEPTED, StageKey.SQL, StageKey.OPPORTUNITY)


@dataclass(frozen=True)
class AnswerInput:
    """One answer as a caller gives it: `answer` (a key), or `rating` (0–100), or `unknown`, or
    `later` ("ask later", which is no answer); or an `amount` alone, where its bounds tell which
    answer it is.

    `client_key` names the request: repeated with the same key it is one answer. `seen` is the id of
    the answer to this question that the author saw, 0 for none, None where nobody looked.
    """

    question: str
    client_key: str
    answer: str = ""
    rating: int | None = None
    unknown: bool = False
    later: bool = False
    amount: str = ""
    quote: str = ""
    seen: int | None = None


@dataclass(frozen=True)
class FinishInput:
    """How a call ended; `summary` "" takes the one made from the answers. `callback_at` is aware.

    `note` is added to the notes. `next_title` and `next_at` replace what the outcome plans.
    `anyway` books a callback beside another one at that time. `recording` is what the lead said to
    being recorded, "" for what was noted before.
    """

    outcome: str
    reason: str = ""
    callback_at: dt.datetime | None = None
    note: str = ""
    summary: str = ""
    next_title: str = ""
    next_at: dt.datetime | None = None
    anyway: bool = False
    recording: str = ""


@transaction.atomic
def start_call(
    lead: Lead,
    *,
    by: User,
    direction: str = Call.Direction.OUTBOUND,
    external_key: str = "",
    framework_version: int | None = None,
    take_over: bool = False,
) -> tuple[Call, bool]:
    """Begin a call with a lead, or return the open one; the second value says that it is new.

    `external_key` is another system's name of the call: with a known one that call is returned,
    finished or not. `framework_version` must be the live one of the lead's score model.
    `take_over` ends the claim of whoever is on the lead, where policy allows it. Raises Conflict
    for a closed lead, one not to be called or that somebody else is on (unless it calls), or
    another call's way.
    """
    locked = lock([lead.pk])
    lead = Lead.objects.select_related("standing").get(pk=lead.pk)
    decision = policies.can_start_call(by, lead)
    if not decision and is_closed(lead.stage):
        raise Conflict(decision.reason)
    decision.require()
    key = _checked_key(external_key, "external_key", 120) if external_key else None
    if direction not in Call.Direction.values:
        raise Invalid.field("direction", "not_a_choice", "must be outbound or inbound")
    if key is not None:
        known = Call.objects.select_related("lead").filter(external_key=key).first()
        if known is not None:
            if known.lead_id != lead.pk:
                raise Conflict(
                    "This key belongs to a call with another lead.",
                    [FieldProblem("external_key", "duplicate", "names another call")],
                )
            return known, False
    present = Call.objects.select_related("lead").filter(lead=lead, state=Call.State.OPEN).first()
    if present is not None:
        if key is not None:
            raise Conflict(
                f"Call {present.pk} with this lead is open. Finish it first.",
                existing_id=present.pk,
            )
        return present, False
    if direction == Call.Direction.OUTBOUND and not (may := may_contact(lead.pk, Channel.CALL)):
        raise Conflict(f"This lead is not to be called. {may.reason}")
    if direction == Call.Direction.OUTBOUND:
        _claim(lead, by, take_over=take_over)
    if lead.standing.scored_at is None or lead.standing.stale_at is not None:
        rescore([lead.pk])
    standing = Standing.objects.get(pk=lead.pk)
    config = live_config(locked.model_ids)
    model = config.by_id(standing.model_version_id) or config.fallback
    script = ModelVersion.objects.values_list("framework_id", flat=True).get(pk=model.id)
    if framework_version is not None and framework_version != script:
        _refuse_version(framework_version, script)
    call = Call.objects.create(
        lead=lead,
        rep=by,
        framework_version_id=script,
        direction=direction,
        external_key=key,
        start_score=standing.score,
        start_low=standing.low,
        start_high=standing.high,
        start_tier=standing.tier,
        recorded=Workspace.current().calls_recorded,
    )
    call.refresh_from_db(fields=["started_at"])
    return call, True


def _claim(lead: Lead, by: User, *, take_over: bool) -> None:
    """Be on the lead alone; raise Conflict when somebody else is, Forbidden to take it over."""
    if take_over:
        policies.can_take_over(by, lead).require()
        claims.take_over(lead.pk, by=by)
    elif not claims.claim(lead.pk, by=by):
        held = claims.claims_on([lead.pk]).get(lead.pk)
        raise Conflict(told(held) if held else "Somebody else was on this lead. Try again.")


def _refuse_version(given: int, script: int) -> None:
    known = FrameworkVersion.objects.filter(pk=given).first()
    message = f"is not the framework of this lead, which is version {script}"
    if known is not None and known.state == FrameworkVersion.State.RETIRED:
        message = f"is retired; the live version for this lead is {script}"
    raise Invalid.field("framework_version", "not_live", message)


@dataclass(frozen=True)
class Kept:
    """An answer as it was kept; `answer.call` has it among its answers (`given`).

    `rescored` is what the rescore has read and found, None where nothing was to rescore.
    """

    answer: CallAnswer
    rescored: Rescored | None

    @property
    def asking(self) -> Asking | None:
        """What to ask next, computed from the facts that were read already."""
        found = self.rescored
        if found is None:
            return None
        call = self.answer.call
        said = answers_of(call.given)
        return asking_of(found.rows, found.result, found.config, call.lead, said)


@transaction.atomic
def save_answer(call_id: int, data: AnswerInput, *, by: User) -> Kept:
    """Keep one answer of a call as evidence, rescore the lead, and return it with its effect.

    Every answer stays; the newest of a question counts. When it takes the place of one that its
    author had not seen, `unseen` is true and `replaces` names that one, so that both can be shown.
    Raises NotFound, Invalid naming the field, or Conflict for a call that is finished. Eight
    statements, however many answers there are.
    """
    locked, call = _lock(call_id, by)
    key = _checked_key(data.client_key, "client_key", MOST_KEY)
    question = question_of(script_of(call.framework_version_id), data.question)
    known = _known(call, key, data.question)
    if known is not None:
        return known
    _require_open(call, by)
    _require_room(call.given)
    quote = _checked_text(data.quote, "quote", MOST_QUOTE)
    amount = _checked_text(data.amount, "amount", MOST_AMOUNT)
    if amount and question.type == "number" and not any(mark.isdigit() for mark in amount):
        raise Invalid.field("amount", "not_a_number", "names a number, such as 40,000 EUR")
    kind, answer, label, rating = CallAnswer.Kind.ANSWER, "", "", data.rating
    if data.later:
        kind, label, rating = CallAnswer.Kind.LATER, "Ask later", None
    elif data.unknown:
        kind, label, rating = CallAnswer.Kind.UNKNOWN, "Asked, not known", None
    elif data.answer:
        if rating is not None:
            raise Invalid.field("rating", "contradiction", "give an answer or a rating, not both")
        chosen = answer_of(question, data.answer)
        answer, label, rating = chosen.key, chosen.label, chosen.rating
        if rating is None:
            kind = CallAnswer.Kind.UNKNOWN
    elif rating is None:
        chosen = _measured(question, amount, call.lead)
        answer, label, rating = chosen.key, chosen.label, chosen.rating
    else:
        if isinstance(rating, bool) or not isinstance(rating, int) or not 0 <= rating <= 100:
            raise Invalid.field("rating", "out_of_range", "must be a whole number from 0 to 100")
        label = rating_word(rating).capitalize()
    newest = next((kept for kept in reversed(call.given) if kept.question == question.key), None)
    evidence = None
    # A dimension that no live framework has any more keeps its answer without a score.
    scored = question.dimension in live_config(locked.model_ids).dimensions
    if kind != CallAnswer.Kind.LATER and scored:
        evidence = write_evidence(
            call.lead,
            question.dimension,
            rating,
            by=by,
            locked=locked,
            quote=f"{amount}. {quote}".strip(". ") if amount else quote,
            question=question.key,
            answer=answer,
        )
    return _keep(
        call,
        locked,
        client_key=key,
        kind=kind,
        question=question.key,
        dimension=question.dimension,
        answer=answer,
        label=label[:MOST_LABEL],
        rating=rating,
        amount=amount,
        quote=quote,
        author=by,
        evidence=evidence,
        replaces=newest,
        unseen=_was_unseen(newest, data.seen, label, quote),
    )


def _measured(question: Question, amount: str, lead: Lead) -> Answer:
    """Return the answer that a named amount or period is; raise Invalid where it tells none."""
    found = None
    if amount and question.is_measured and question.type == "number":
        workspace = Workspace.current()
        rates = {**workspace.rates, workspace.currency: 1.0}
        share = share_of(amount, lead.value_minor, lead.currency, rates)
        found = question.answer_to(share=share)
    elif amount and question.is_measured:
        found = question.answer_to(days=days_to(amount, timezone.localdate(now())))
    if found is None:
        raise Invalid.field("answer", "required", "give an answer, a rating, or say not known")
    return found


def _was_unseen(newest: CallAnswer | None, seen: int | None, label: str, quote: str) -> bool:
    if newest is None or seen is None or newest.pk <= seen:
        return False
    return (newest.label, newest.quote) != (label, quote)


@transaction.atomic
def capture(call_id: int, kind: str, text: str, *, by: User, client_key: str) -> Kept:
    """Keep a concern or a competitor that was named, as evidence in the lead's words.

    `kind` is "concern" or "competitor". Raises as `save_answer`.
    """
    locked, call = _lock(call_id, by)
    key = _checked_key(client_key, "client_key", MOST_KEY)
    known = _known(call, key, "")
    if known is not None:
        return known
    _require_open(call, by)
    _require_room(call.given)
    ratings = {
        CallAnswer.Kind.CONCERN: (CONCERN, CONCERN_OPEN),
        CallAnswer.Kind.COMPETITOR: (COMPETITION, COMPETITOR_NAMED),
    }
    if kind not in ratings:
        raise Invalid.field("kind", "not_a_choice", "must be concern or competitor")
    text = _checked_text(text, "text", MOST_QUOTE)
    if not text:
        raise Invalid.field("text", "required", "say it in a word or two")
    dimension, rating = ratings[CallAnswer.Kind(kind)]
    evidence = write_evidence(call.lead, dimension, rating, by=by, locked=locked, quote=text)
    return _keep(
        call,
        locked,
        client_key=key,
        kind=kind,
        dimension=dimension,
        label=text[:MOST_LABEL],
        quote=text,
        rating=rating,
        author=by,
        evidence=evidence,
    )


def _keep(call: Call, locked: Locked, **fields: Any) -> Kept:
    """Rescore if there is evidence; write the answer with the standing before and after it."""
    standing: Standing = call.lead.standing
    before = {"score_before": standing.score, "tier_before": standing.tier}
    found = rescore_locked(locked) if fields["evidence"] is not None else None
    if found is not None:
        _bring_up(standing, found)
    after = {name: getattr(standing, name) for name in ("score", "low", "high", "tier")}
    answer = CallAnswer.objects.create(call=call, **before, **after, **fields)
    call.given.append(answer)
    return Kept(answer, found)


def _bring_up(standing: Standing, found: Rescored) -> None:
    """Put what a rescore of its one lead has written on the standing that was read before it."""
    result = found.result
    standing.score, standing.low = int(result.score[0]), int(result.low[0])
    standing.high, standing.tier = int(result.high[0]), NAMES[int(result.tier[0])]
    standing.state = State.DISQUALIFIED if result.disqualified[0] else State.SCORED


@transaction.atomic
def save_notes(call_id: int, text: str, *, version: int, by: User) -> Call:
    """Save the notes of a call as they are now; `version` is the one that the author began from.

    Raises StaleVersion when somebody else saved other words meanwhile; the same words are no
    conflict, so that a repeated save is harmless.
    """
    _, call = _lock(call_id, by)
    text = _checked_text(text, "notes", MOST_NOTES)
    _require_open(call, by)
    if text == call.notes:
        return call
    if version != call.notes_version:
        raise StaleVersion(
            f"The notes were changed meanwhile (version {call.notes_version}).",
            [FieldProblem("version", "stale", f"is not {call.notes_version}")],
        )
    call.notes = text
    call.notes_version += 1
    call.save(update_fields=["notes", "notes_version"])
    return call


@transaction.atomic
def note_recording(call_id: int, said: str, *, by: User) -> Call:
    """Note that the lead was told of the recording, and what it said; the newest word counts."""
    _, call = _lock(call_id, by)
    _require_open(call, by)
    if _hear(call, said):
        call.save(update_fields=["recording", "recording_at"])
    return call


def _hear(call: Call, said: str) -> bool:
    """Put a word about being recorded on the call; False when it was the last one already."""
    if said not in Call.Recording.values:
        choices = ", ".join(Call.Recording.values)
        raise Invalid.field("recording", "not_a_choice", f"must be one of {choices}")
    if said == call.recording:
        return False
    call.recording, call.recording_at = said, now()
    return True


@transaction.atomic
def finish_call(call_id: int, data: FinishInput, *, by: User) -> Call:
    """End a call: activity, stage, standing, snapshot and follow-up by its outcome, at once.

    A call step of the lead that is due within a day is done by this call. Raises Invalid naming
    every field that the outcome needs, or Conflict when the call is finished already.
    """
    _, call = _lock(call_id, by)
    if call.state == Call.State.FINISHED:
        who = call.ended_by or "somebody"
        raise Conflict(f"This call was finished already, by {who} as “{call.outcome}”.")
    _require_open(call, by)
    moment = now()
    outcome = CallOutcome.objects.filter(pk=data.outcome).first()
    if outcome is None:
        keys = ", ".join(CallOutcome.objects.values_list("key", flat=True))
        raise Invalid.field("outcome", "not_a_choice", f"must be one of {keys}")
    note = _checked_text(data.note, "note", MOST_NOTES)
    reason = _checked_text(data.reason, "reason", MOST_LABEL)
    _check_needs(call.lead, outcome, data, reason, note or call.notes, moment)
    if note:
        call.notes = _checked_text(f"{call.notes}\n\n{note}", "note", MOST_NOTES)
        call.notes_version += 1
    summary = _checked_text(data.summary, "summary", MOST_NOTES)
    if data.recording:
        _hear(call, data.recording)
    call.outcome, call.reason = outcome, reason
    call.callback_at = data.callback_at
    call.state = Call.State.FINISHED
    call.ended_at, call.ended_by = moment, by
    call.summary = summary or summary_of(call)
    waiting = _record(call, outcome, by, moment)
    if outcome.bars_calls:
        said = ": ".join(filter(None, (outcome.label, reason)))
        word = ConsentInput(Channel.CALL, ConsentState.WITHDRAWN, ConsentSource.CALL, said)
        write_consent(call.lead, word, by=by)
    call.lead = _move(call.lead, outcome, reason, by)
    rescore([call.lead_id])
    standing = _snapshot(call)
    call.end_score, call.end_low, call.end_high = standing.score, standing.low, standing.high
    call.end_tier = standing.tier
    call.followup = _follow_up(call, outcome, data, by, moment, waiting=waiting)
    call.save()
    CallPresence.objects.filter(call=call).delete()
    claims.release(call.lead_id, by=by)
    plan([call.lead_id])
    nudge()
    return call


@transaction.atomic
def mark_no_show(followup: Followup, *, by: User) -> Call:
    """Note that a lead did not come to its booked call: a call that ended as NO_SHOW, with all that
    this outcome brings about. Raises Conflict while the time is still ahead.
    """
    can_reschedule_call(by, followup).require()
    if followup.due_at > now():
        raise Conflict("The call is still ahead.")
    call, _ = start_call(followup.lead, by=by)
    return finish_call(call.pk, FinishInput(NO_SHOW), by=by)


def be_present(call: Call, tab: str, *, by: User) -> list[str]:
    """Note that a tab of a person's browser is in a call; return who else is, in words. One query.

    Asks no policy and locks nothing: it says only who looks at what they may see.
    """
    key = _checked_key(tab, "tab", 40)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH here AS (
                INSERT INTO calls_callpresence (call_id, person_id, tab)
                VALUES (%(call)s, %(person)s, %(tab)s)
                ON CONFLICT (call_id, tab)
                DO UPDATE SET seen_at = leadqual_now(), person_id = excluded.person_id
            ), gone AS (
                DELETE FROM calls_callpresence
                WHERE call_id = %(call)s AND tab <> %(tab)s
                  AND seen_at < leadqual_now() - make_interval(secs => %(forget)s)
            )
            SELECT DISTINCT u.id = %(person)s, coalesce(nullif(u.name, ''), u.email)
            FROM calls_callpresence p JOIN accounts_user u ON u.id = p.person_id
            WHERE p.call_id = %(call)s AND p.tab <> %(tab)s
              AND p.seen_at > leadqual_now() - make_interval(secs => %(present)s)
            ORDER BY 1, 2
            """,
            {
                "call": call.pk,
                "person": by.pk,
                "tab": key,
                "forget": FORGET_SECONDS,
                "present": PRESENT_SECONDS,
            },
        )
        return [
            "You have this call open in another tab too" if own else f"{name} is in this call too"
            for own, name in cursor.fetchall()
        ]


def _check_needs(
    lead: Lead,
    outcome: CallOutcome,
    data: FinishInput,
    reason: str,
    notes: str,
    moment: dt.datetime,
) -> None:
    """Raise Invalid with all that the outcome still needs, or that contradicts it."""
    wrong: list[FieldProblem] = []
    if outcome.needs_reason and not reason:
        wrong.append(FieldProblem("reason", "required", f"“{outcome}” needs a reason"))
    elif reason and outcome.reasons and reason not in outcome.reasons:
        choices = ", ".join(outcome.reasons)
        wrong.append(FieldProblem("reason", "not_a_choice", f"must be one of {choices}"))
    if outcome.needs_note and not notes.strip():
        wrong.append(FieldProblem("note", "required", f"“{outcome}” needs a note"))
    if outcome.needs_callback and data.callback_at is None:
        wrong.append(FieldProblem("callback_at", "required", f"“{outcome}” needs a time"))
    for name in ("callback_at", "next_at"):
        at = getattr(data, name)
        if at is None:
            continue
        if at.tzinfo is None:
            wrong.append(FieldProblem(name, "no_time_zone", "needs a time zone"))
        elif at <= moment:
            wrong.append(FieldProblem(name, "in_past", "has passed already"))
        elif at > moment + AHEAD:
            wrong.append(FieldProblem(name, "too_far", "is more than a year ahead"))
    callback = data.callback_at
    if callback is not None and not data.anyway and not wrong:
        for other in overlapping(lead.owner_id, callback, DEFAULT_MINUTES):
            at = f"{timezone.localtime(other.due_at):%H:%M}"
            words = f"overlaps with “{other.title}”, {other.lead}, at {at}"
            wrong.append(FieldProblem("callback_at", "overlaps", words))
    if len(data.next_title.strip()) > 120:
        wrong.append(FieldProblem("next_title", "too_long", "has at most 120 characters"))
    if wrong:
        raise Invalid(wrong)


def _record(call: Call, outcome: CallOutcome, by: User, moment: dt.datetime) -> bool:
    """Write the call on the timeline, once: as the due call step it was, or by itself.

    Returns whether a due call step is still waiting, since nothing has reached the lead.
    """
    data = {
        "call": {
            "id": call.pk,
            "outcome": outcome.pk,
            **({"recording": call.recording} if call.recording else {}),
        },
        "outcome": outcome.label,
        "text": call.summary,
    }
    step = _step_of(call, moment)
    if not outcome.ends_clock:
        Activity.objects.create(lead=call.lead, kind=Kind.NOTE, actor=by, data=data)
        return step is not None
    if step is not None:
        result = CallResult.CONNECTED if outcome.connected else CallResult.NO_ANSWER
        complete_followup(step, by=by, result=result, note=outcome.label, also=data)
    else:
        kind = Kind.CALL_CONNECTED if outcome.connected else Kind.CALL_ATTEMPTED
        Activity.objects.create(lead=call.lead, kind=kind, actor=by, data=data)
    if outcome.activity:
        Activity.objects.create(lead=call.lead, kind=outcome.activity, actor=by, data=data)
    return False


def _step_of(call: Call, moment: dt.datetime) -> Followup | None:
    """Return the call step that this call was: a booked one whose time has come, else one that is
    due within a day. A call that comes early leaves what was agreed for later.
    """
    due = Q(agreed=False, due_at__lte=moment + STEP_AHEAD)
    due |= Q(agreed=True, due_at__lte=moment + BOOKED_AHEAD)
    step: Followup | None = (
        Followup.objects.filter(
            due, lead_id=call.lead_id, state=Followup.State.SCHEDULED, kind=Followup.Kind.CALL
        )
        .order_by("-agreed", "due_at", "id")
        .first()
    )
    return step


def _is_spent(call: Call, outcome: CallOutcome) -> bool:
    """True when the calls in a row that ended like this one are more than the outcome retries."""
    if not outcome.followup_tries:
        return False
    reached = Call.objects.filter(lead_id=call.lead_id, outcome__connected=True)
    last = reached.order_by("-ended_at").values("ended_at")[:1]
    earlier = Call.objects.filter(lead_id=call.lead_id, outcome=outcome).exclude(pk=call.pk)
    since = earlier.filter(ended_at__gt=Coalesce(Subquery(last), _NEVER))
    return since.count() >= outcome.followup_tries


def _move(lead: Lead, outcome: CallOutcome, reason: str, by: User) -> Lead:
    """Move the lead towards the outcome's stage, and return it as it is then."""
    target = outcome.moves_to
    why = f"{outcome.label}: {reason}" if reason else outcome.label
    if not target or is_closed(lead.stage):
        return lead
    if target in (StageKey.LOST, StageKey.DISQUALIFIED):
        record_outcome(lead, target, by=by, reason=why)
        return Lead.objects.get(pk=lead.pk)
    if target == StageKey.RECYCLED:
        if (lead.stage, target) in MOVES:
            lead = move_lead(lead, target, by=by, reason=why)
        return lead
    gates_met: bool | None = None
    while (step := _next_stage(lead.stage, target)) is not None:
        if MOVES[lead.stage, step].gates:
            if gates_met is None:
                gates_met = explain([lead.pk])[lead.pk].gates_met
            if not gates_met:
                break
        lead = move_lead(lead, step, by=by)
    return lead


def _next_stage(stage: str, target: str) -> str | None:
    """Return the farthest stage on the way to `target` that one move reaches, if any."""
    here = _WAY.index(StageKey(stage)) if stage in _WAY else -1
    reachable = _WAY[here + 1 : _WAY.index(StageKey(target)) + 1]
    return next((key for key in reversed(reachable) if (stage, key) in MOVES), None)


def _snapshot(call: Call) -> Standing:
    """Keep the facts at the end of the call for learning; return the standing."""
    config = live_config()
    standing = Standing.objects.get(pk=call.lead_id)
    rows = facts.read([call.lead_id], config, now().timestamp())
    insert_snapshots(
        rows,
        np.array([0]),
        reason=Snapshot.Reason.CALL,
        causes=[str(call.pk)],
        backfilled=[False],
        model_ids=rows.standing["model"],
        scores=rows.standing["score"],
    )
    return standing


def _follow_up(
    call: Call,
    outcome: CallOutcome,
    data: FinishInput,
    by: User,
    moment: dt.datetime,
    *,
    waiting: bool,
) -> Followup | None:
    """Plan what the outcome starts; a closed lead has nothing to follow."""
    lead = call.lead
    if is_closed(lead.stage):
        return None
    title = clean_text(data.next_title) or outcome.followup_title
    if not title or (waiting and outcome.followup_kind == Followup.Kind.CALL and not data.next_at):
        return None
    if not (data.next_title or data.next_at) and _is_spent(call, outcome):
        return None
    kind = outcome.followup_kind or Followup.Kind.TASK
    if kind == Followup.Kind.CALL and data.callback_at is not None and data.next_at is None:
        booking = Booking(title, data.callback_at, DEFAULT_MINUTES, call.summary)
        hours = outcome.reminder_hours
        return book_call(lead, booking, by=by, remind_hours=hours, anyway=True)
    at = data.next_at or data.callback_at or step_at(lead, outcome, moment, Places())
    step = NextStep(kind, title, max(at, moment), call.summary)
    return add_followup(
        lead, by=by, kind=step.kind, title=step.title, due_at=step.due_at, body=step.body
    )


def _lock(call_id: int, by: User) -> tuple[Locked, Call]:
    """Lock the standing of a call's lead, then read the call as it is now, with its answers.

    The standing is the lock of the lead's calls too. Raises NotFound for a call that is not there,
    or not for `by` to see.
    """
    locked = lock_named("SELECT lead_id FROM calls_call WHERE id = %s", call_id)
    call = get_call(by, call_id)
    if call.lead_id not in locked.lead_ids:
        raise Conflict("This lead became one with another meanwhile. Try again.")
    return locked, call


def _require_open(call: Call, by: User) -> None:
    """Raise Conflict for a finished call, Forbidden when it is not the person's lead."""
    decision = policies.can_work_on_call(by, call)
    if not decision and call.state == Call.State.FINISHED:
        raise Conflict(decision.reason)
    decision.require()


def _require_room(answers: Sequence[CallAnswer]) -> None:
    if len(answers) >= MOST_ROWS:
        raise Conflict(f"A call has at most {MOST_ROWS:,} answers.")


def _known(call: Call, key: str, question: str) -> Kept | None:
    """Return what was kept under a key; raise Conflict when it stands for something else."""
    known = next((kept for kept in call.given if kept.client_key == key), None)
    if known is None:
        return None
    if known.question != question:
        raise Conflict(
            "This key was used for another answer of the call.",
            [FieldProblem("client_key", "duplicate", "names another answer")],
        )
    return Kept(known, None)


def _checked_key(text: str, field: str, most: int) -> str:
    key = text.strip()
    if not 1 <= len(key) <= most or not key.isprintable():
        raise Invalid.field(field, "malformed", f"has 1 to {most} printable characters")
    return key


def _checked_text(text: str, field: str, most: int) -> str:
    text = clean_text(text)
    if len(text) > most:
        raise Invalid.field(field, "too_long", f"has at most {most:,} characters")
    return text
