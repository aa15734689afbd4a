"""The timeline of a lead in words: what happened, who did it, and what it did to the score. Pure.

Texts that people wrote (notes, quotes, page names) are passed on as they are; templates escape
them.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads.activities import Kind
from scoring.selectors import rating_word

_K = Kind


@dataclass(frozen=True)
class Filter:
    """A choice above the timeline."""

    key: str
    label: str
    kinds: tuple[str, ...]


FILTERS = (
    Filter("all", "All", ()),
    Filter(
        "contact",
        "Contact",
        (
            _K.CALL_ATTEMPTED,
            _K.CALL_CONNECTED,
            _K.MEETING_BOOKED,
            _K.MEETING_HELD,
            _K.EMAIL_SENT,
            _K.EMAIL_REPLIED,
        ),
    ),
    Filter(
        "interest",
        "Interest",
        (
            _K.HAND_RAISED,
            _K.FORM_SUBMITTED,
            _K.WEBINAR_ATTENDED,
            _K.PRICING_VIEWED,
            _K.PAGE_VIEWED,
            _K.EMAIL_OPENED,
            _K.EMAIL_CLICKED,
            _K.UNSUBSCRIBED,
        ),
    ),
    Filter("answers", "Answers", (_K.EVIDENCE_ADDED, _K.ASKED_UNKNOWN)),
    Filter("notes", "Notes", (_K.NOTE,)),
    Filter(
        "changes",
        "Changes",
        (
            _K.CREATED,
            _K.IMPORTED,
            _K.CHANGED,
            _K.ASSIGNED,
            _K.STAGE_MOVED,
            _K.OUTCOME_RECORDED,
            _K.TIER_CHANGED,
            _K.TIER_OVERRIDDEN,
            _K.CONTROL_JOINED,
            _K.FOLLOWUP_DONE,
            _K.FOLLOWUP_SKIPPED,
            _K.CONSENT_GRANTED,
            _K.CONSENT_WITHDRAWN,
        ),
    ),
)

_ICONS: dict[str, str] = {
    _K.CREATED: "plus",
    _K.IMPORTED: "upload",
    _K.CHANGED: "pencil",
    _K.NOTE: "sticky-note",
    _K.ASSIGNED: "user-round",
    _K.STAGE_MOVED: "arrow-right",
    _K.EVIDENCE_ADDED: "message-square-quote",
    _K.ASKED_UNKNOWN: "circle-question-mark",
    _K.OUTCOME_RECORDED: "flag",
    _K.TIER_CHANGED: "arrow-up-down",
    _K.TIER_OVERRIDDEN: "hand",
    _K.CONTROL_JOINED: "flask-conical",
    _K.FOLLOWUP_DONE: "check",
    _K.FOLLOWUP_SKIPPED: "skip-forward",
    _K.CONSENT_GRANTED: "shield-check",
    _K.CONSENT_WITHDRAWN: "ban",
    _K.CALL_ATTEMPTED: "phone-missed",
    _K.CALL_CONNECTED: "phone",
    _K.MEETING_BOOKED: "calendar-plus",
    _K.MEETING_HELD: "users-round",
    _K.EMAIL_SENT: "send",
    _K.EMAIL_REPLIED: "reply",
    _K.HAND_RAISED: "hand",
    _K.FORM_SUBMITTED: "clipboard-list",
    _K.WEBINAR_ATTENDED: "presentation",
    _K.PRICING_VIEWED: "badge-percent",
    _K.PAGE_VIEWED: "mouse-pointer-click",
    _K.EMAIL_OPENED: "mail-open",
    _K.EMAIL_CLICKED: "mouse-pointer-click",
    _K.UNSUBSCRIBED: "bell-off",
}


@dataclass(frozen=True)
class Names:
    """What ids and keys in activities are called: people by id, stages and dimensions by key."""

    people: Mapping[int, str]
    stages: Mapping[str, str]
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class Happening:
    """An activity as it was read; `actor` is a name, "" for the system or the lead."""

    id: int
    kind: str
    at: dt.datetime
    recorded_at: dt.datetime
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Move:
    """A change of the score as it was read."""

    at: dt.datetime
    from_score: int
    to_score: int
    from_tier: str
    to_tier: str
    cause: str

    @property
    def delta(self) -> int:
        """Points up or down."""
        return self.to_score - self.from_score


@dataclass(frozen=True)
class Entry:
    """One entry: a sentence, then what was said or changed; `move` is what it did to the score,
    `call` the id of the call that it tells of.
    """

    id: int | None
    at: dt.datetime
    icon: str
    title: str
    actor: str = ""
    quote: str = ""
    details: tuple[str, ...] = ()
    move: Move | None = None
    call: int | None = None


def entries(happenings: Sequence[Happening], moves: Sequence[Move], names: Names) -> list[Entry]:
    """Return the timeline of `happenings` (newest first) with the score moves they caused.

    A move belongs to the happening that was recorded in its transaction; a move without one stands
    by itself, unless it is the tier's own entry.
    """
    by_moment: dict[dt.datetime, Move] = {move.at: move for move in moves}
    found: list[Entry] = []
    for happening in happenings:
        move = None
        if happening.kind not in (_K.TIER_CHANGED, _K.ASSIGNED):
            move = by_moment.pop(happening.recorded_at, None)
        found.append(_entry(happening, move, names))
    told = {h.recorded_at for h in happenings if h.kind == _K.TIER_CHANGED}
    found += [
        Entry(None, move.at, "gauge", _moved_by_itself(move), move=move)
        for moment, move in by_moment.items()
        if moment not in told
    ]
    return sorted(found, key=lambda entry: (entry.at, entry.id or 0), reverse=True)


def _moved_by_itself(move: Move) -> str:
    because = {
        "time": "as time passed",
        "model": "under a new score model",
        "override": "by hand",
    }.get(move.cause, "with new facts")
    return f"Score moved {because}"


def _entry(happening: Happening, move: Move | None, names: Names) -> Entry:
    tell = _WORDS.get(happening.kind, _plainly)
    title, quote, details = tell(happening, names)
    return Entry(
        id=happening.id,
        at=happening.at,
        icon=_ICONS.get(happening.kind, "circle"),
        title=title,
        actor=happening.actor,
        quote=quote,
        details=tuple(details),
        move=move,
        call=_call_id(happening.data),
    )


def _call_id(data: Mapping[str, Any]) -> int | None:
    """Return the id of the call that an activity tells of; others write other things there."""
    call = data.get("call")
    number = call.get("id") if isinstance(call, Mapping) else None
    return number if isinstance(number, int) else None


Told = tuple[str, str, list[str]]


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)


def _label(kind: str) -> str:
    return str(Kind(kind).label) if kind in Kind.values else kind.replace("_", " ").capitalize()


def _plainly(happening: Happening, names: Names) -> Told:
    """Say the kind, with the texts that came along."""
    data = happening.data
    quote = _text(data, "text") or _text(data, "note")
    rest = [
        f"{key.replace('_', ' ')}: {value}"
        for key, value in data.items()
        if key not in ("text", "note") and isinstance(value, str | int | float) and value != ""
    ]
    return _label(happening.kind), quote, rest[:6]


def _created(happening: Happening, names: Names) -> Told:
    source = _text(happening.data, "source")
    return (f"Lead created from {source}" if source else "Lead created"), "", []


def _changed(happening: Happening, names: Names) -> Told:
    changes = happening.data.get("changes")
    told = []
    for name, pair in (changes if isinstance(changes, Mapping) else {}).items():
        if name == "custom" or not isinstance(pair, list) or len(pair) != 2:
            told += _custom_changes(pair)
        else:
            told.append(f"{field_label(name)}: {_shown(pair[0])} → {_shown(pair[1])}")
    return "Facts changed", "", told


def _custom_changes(pair: Any) -> list[str]:
    if not (
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, Mapping) for p in pair)
    ):
        return ["custom fields"]
    before, after = pair
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [
        f"{field_label(key)}: {_shown(before.get(key))} → {_shown(after.get(key))}" for key in keys
    ]


def field_label(name: str) -> str:
    """Return a field's name in words: "company.revenue_minor" is "Company revenue"."""
    words = name.removesuffix("_minor").removesuffix("_id").replace(".", " ").replace("_", " ")
    return words[:1].upper() + words[1:]


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)


def _note(happening: Happening, names: Names) -> Told:
    return "Note", _text(happening.data, "text"), []


def _assigned(happening: Happening, names: Names) -> Told:
    before, after = happening.data.get("from"), happening.data.get("to")
    nobody = "nobody"
    was = names.people.get(before, "somebody") if isinstance(before, int) else nobody
    becomes = names.people.get(after, "somebody") if isinstance(after, int) else nobody
    return f"Owner: {was} → {becomes}", "", []


def _stage_moved(happening: Happening, names: Names) -> Told:
    data = happening.data
    before, after = _text(data, "from"), _text(data, "to")
    title = f"Stage: {names.stages.get(before, before)} → {names.stages.get(after, after)}"
    return title, _text(data, "reason"), []


def _evidence(happening: Happening, names: Names) -> Told:
    data = happening.data
    dimension = _text(data, "dimension")
    rating = data.get("rating")
    word = rating_word(rating) if isinstance(rating, int | float) else ""
    name = names.dimensions.get(dimension, dimension.capitalize())
    return f"{name}: {word}", _text(data, "text"), []


def _asked(happening: Happening, names: Names) -> Told:
    dimension = _text(happening.data, "dimension")
    title = f"{names.dimensions.get(dimension, dimension)}: asked, not known"
    return title, _text(happening.data, "text"), []


def _outcome(happening: Happening, names: Names) -> Told:
    return (
        f"Outcome: {_text(happening.data, 'result')}",
        _text(happening.data, "reason"),
        [],
    )


def _tier_changed(happening: Happening, names: Names) -> Told:
    data = happening.data
    before, after = _text(data, "from") or "no tier", _text(data, "to") or "no tier"
    scores = [data.get("from_score"), data.get("to_score")]
    shown = f" (score {scores[0]} → {scores[1]})" if None not in scores else ""
    why = {"time": "Time passed", "model": "New score model", "override": "Set by hand"}
    cause = why.get(_text(data, "cause"), "")
    return f"Tier: {before} → {after}{shown}", "", [cause] if cause else []


def _overridden(happening: Happening, names: Names) -> Told:
    tier = _text(happening.data, "tier")
    if not tier:
        return "Tier no longer set by hand", "", []
    until = _text(happening.data, "until")[:10]
    return f"Tier set to {tier} until {until}", _text(happening.data, "reason"), []


def _followup(happening: Happening, names: Names) -> Told:
    data = happening.data
    done = "done" if happening.kind == _K.FOLLOWUP_DONE else "skipped"
    what = _text(data, "title") or "Follow-up"
    return f"{what}: {done}", _text(data, "text"), []


def _call(happening: Happening, names: Names) -> Told:
    """A call that was a step of a play carries the step's title and how it went."""
    data = happening.data
    result = _text(data, "result").replace("_", " ")
    details = [_text(data, "title")] if _text(data, "title") else []
    if result and result != "connected":
        details.append(result)
    return _label(happening.kind), _text(data, "text"), details


def _consent(happening: Happening, names: Names) -> Told:
    """By which channel the lead may be contacted from then on, or not any more."""
    data = happening.data
    channel = {"call": "calls", "email": "e-mail"}.get(_text(data, "channel"), "contact")
    agreed = happening.kind == _K.CONSENT_GRANTED
    return f"{'Agreed to' if agreed else 'Refused'} {channel}", _text(data, "text"), []


def _page(happening: Happening, names: Names) -> Told:
    data = happening.data
    page = _text(data, "page") or _text(data, "url") or _text(data, "path")
    label = _label(happening.kind)
    return (f"{label}: {page}" if page else label), _text(data, "text"), []


_WORDS: dict[str, Callable[[Happening, Names], Told]] = {
    _K.CREATED: _created,
    _K.CHANGED: _changed,
    _K.NOTE: _note,
    _K.ASSIGNED: _assigned,
    _K.STAGE_MOVED: _stage_moved,
    _K.EVIDENCE_ADDED: _evidence,
    _K.ASKED_UNKNOWN: _asked,
    _K.OUTCOME_RECORDED: _outcome,
    _K.TIER_CHANGED: _tier_changed,
    _K.TIER_OVERRIDDEN: _overridden,
    _K.FOLLOWUP_DONE: _followup,
    _K.FOLLOWUP_SKIPPED: _followup,
    _K.CALL_ATTEMPTED: _call,
    _K.CALL_CONNECTED: _call,
    _K.CONSENT_GRANTED: _consent,
    _K.CONSENT_WITHDRAWN: _consent,
    _K.PAGE_VIEWED: _page,
    _K.PRICING_VIEWED: _page,
}
