"""Answers as plain dicts. Pure: models in, JSON values out."""

from typing import Any

from accounts.models import User
from calls.models import Call, CallAnswer, CallOutcome
from calls.selectors import Line
from scoring.definitions import Answer, Question
from scoring.selectors import NextQuestion

Json = dict[str, Any]


def person(user: User | None) -> Json | None:
    """Return a person as `{id, name}`."""
    return None if user is None else {"id": user.pk, "name": str(user)}


def call(item: Call) -> Json:
    """Return a call; its rep must be loaded."""
    ended = item.end_score is not None
    return {
        "id": item.pk,
        "lead_id": item.lead_id,
        "rep": person(item.rep),
        "direction": item.direction,
        "state": item.state,
        "framework_version": item.framework_version_id,
        "started_at": item.started_at,
        "ended_at": item.ended_at,
        "notes": item.notes,
        "notes_version": item.notes_version,
        "recorded": item.recorded,
        "recording": item.recording or None,
        "recording_at": item.recording_at,
        "outcome": item.outcome_id,
        "reason": item.reason,
        "callback_at": item.callback_at,
        "summary": item.summary,
        "followup_id": item.followup_id,
        "external_key": item.external_key,
        "start": _score(item.start_score, item.start_low, item.start_high, item.start_tier),
        "end": _score(item.end_score, item.end_low, item.end_high, item.end_tier)
        if ended
        else None,
    }


def required(line: Line) -> Json:
    """Return a question that has to be asked and was not."""
    question = line.question
    return {
        "key": question.key,
        "dimension": question.dimension,
        "criterion": line.criterion,
        "text": line.text,
        "later": line.state == "later",
    }


def answer(item: CallAnswer) -> Json:
    """Return an answer of a call; its author must be loaded."""
    return {
        "id": item.pk,
        "kind": item.kind,
        "question": item.question or None,
        "dimension": item.dimension,
        "answer": item.answer or None,
        "label": item.label,
        "rating": item.rating,
        "amount": item.amount,
        "quote": item.quote,
        "author": person(item.author),
        "at": item.at,
        "evidence_id": item.evidence_id,
        "replaces_id": item.replaces_id,
        "delta": item.delta,
        "standing": _score(item.score, item.low, item.high, item.tier),
    }


def _score(score: int | None, low: int | None, high: int | None, tier: str) -> Json:
    return {"score": score, "low": low, "high": high, "tier": tier or None}


def _choice(item: Answer) -> Json:
    return {
        "key": item.key,
        "label": item.label,
        "rating": item.rating,
        "at_least": item.at_least,
        "within_days": item.within_days,
    }


def next_question(item: NextQuestion) -> Json:
    """Return a question worth asking."""
    return {
        "key": item.key,
        "dimension": item.dimension,
        "text": item.text,
        "guide": item.guide,
        "reason": item.reason,
        "required": item.gate,
        "value": round(item.value, 6),
        "tier_chance": round(item.tier_chance, 6),
        "worst": item.worst,
        "best": item.best,
        "answers": [_choice(choice) for choice in item.answers],
    }


def question(item: Question) -> Json:
    """Return a question of a script."""
    return {
        "key": item.key,
        "dimension": item.dimension,
        "text": dict(item.text),
        "type": item.type,
        "guide": item.guide,
        "probes": list(item.probes),
        "mandatory": item.mandatory,
        "seconds": item.seconds,
        "ask_if": dict(item.ask_if) if item.ask_if else None,
        "answers": [_choice(choice) for choice in item.answers],
    }


def outcome(item: CallOutcome) -> Json:
    """Return what an outcome needs and starts."""
    return {
        "key": item.pk,
        "label": item.label,
        "connected": item.connected,
        "ends_clock": item.ends_clock,
        "needs_note": item.needs_note,
        "needs_callback": item.needs_callback,
        "needs_reason": item.needs_reason,
        "reasons": item.reasons,
        "moves_to": item.moves_to or None,
        "followup": item.followup_title or None,
    }
