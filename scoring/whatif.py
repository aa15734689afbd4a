"""What a lead would score if its facts were others; nothing is stored.

Facts are read or made up, changed as supposed, and scored and explained by the very path that
writes standings (scoring.assess). On the same facts stands what would lift the lead to a tier and
what would drop it (scoring.levers).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.clock import now
from core.conditions import FieldType
from core.errors import FieldProblem, Invalid, NotFound
from leads.activities import Kind
from leads.models import Lead
from scoring import facts as fact_store
from scoring.assess import assess
from scoring.definitions import GROUPS, next_by_key
from scoring.facts import Rows
from scoring.features import DAY, Facts
from scoring.levers import (
    AHEAD_DAYS,
    Fade,
    Lever,
    LeverSet,
    Turn,
    aged,
    fade,
    levers_of,
    put_on,
    smallest_sets,
    turns,
    with_event,
)
from scoring.live import LiveConfig, LiveModel, live_config, load_model
from scoring.models import ModelVersion
from scoring.previewing import with_model
from scoring.selectors import Asking, Explanation, asking_of, explain_rows, rating_word
from scoring.tiers import HOT, NAMES, NONE, WARM

MOST_EVENTS = 1_000  # supposed of one kind
MOST_TEXT = 200


@dataclass(frozen=True)
class Supposition:
    """What is supposed of a lead; what is not named stays as it is.

    `fields` by name (None: not known), `ratings` 0–100 by dimension (None: not known), `events` by
    activity kind: so many more that happen now, 0 for none ever. `days` without anything new pass
    before.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    ratings: Mapping[str, float | None] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    days: int = 0

    def __bool__(self) -> bool:
        return bool(self.fields or self.ratings or self.events or self.days)


@dataclass(frozen=True)
class Needed:
    """One fact of a set that lifts the tier, in words: `label`, and the `value` that suffices."""

    kind: str
    key: str
    label: str
    value: str
    number: float

    @property
    def text(self) -> str:
        """Say it in a phrase."""
        return f"{self.label}: {self.value}" if self.value else self.label


@dataclass(frozen=True)
class Lift:
    """The smallest set of facts that would lift the lead to `tier`, and the score with them."""

    tier: str
    facts: tuple[Needed, ...]
    score: int


@dataclass(frozen=True)
class Drop:
    """What would drop the lead to `tier`: a `cause` in words, at a moment for what time does."""

    cause: str
    tier: str
    score: int
    at: dt.datetime | None
    kind: str
    key: str


@dataclass(frozen=True)
class Outlook:
    """What would lift a lead and what would drop it. `reach` is the tier that `lifts` are about,
    "" for a hot lead; no lifts means that no four facts are enough.
    """

    reach: str
    lifts: tuple[Lift, ...]
    drops: tuple[Drop, ...]


@dataclass(frozen=True)
class WhatIf:
    """A lead as supposed. `before` is the lead as it is, None without a lead, `facts` its facts
    (one row), `supposed` what differs from them; `live` is the model that scores it.
    """

    after: Explanation
    before: Explanation | None
    disqualified: bool
    outlook: Outlook
    live: LiveModel
    facts: Facts
    supposed: Supposition

    @property
    def changes(self) -> list[tuple[str, str, float, float]]:
        """Lines whose points differ: (signal, label, before, after)."""
        if self.before is None:
            return []
        was = {line.signal: line for line in self.before.lines}
        is_now = {line.signal: line for line in self.after.lines}
        found = []
        for key in dict.fromkeys([*is_now, *was]):
            a = was[key].points if key in was else 0.0
            b = is_now[key].points if key in is_now else 0.0
            # A tenth may go to another line by rounding alone.
            told = key in was and key in is_now and was[key].detail != is_now[key].detail
            if abs(a - b) > 0.15 or (a != b and told):
                found.append((key, (is_now.get(key) or was[key]).label, a, b))
        return found


def what_if(
    lead_id: int | None, supposed: Supposition, *, version: ModelVersion | None = None
) -> WhatIf:
    """Score a lead, or one that does not exist, as supposed; reads only, four to seven queries.

    `version` scores it by that model alone, live or not. A tier that was set by hand does not
    count here. Raises NotFound for a missing lead and Invalid naming what cannot be supposed. The
    caller has checked who asks.
    """
    moment = now()
    present = live_config()
    config = present if version is None else config_of(version, present)
    check(supposed, config)
    if lead_id is None:
        rows = _nobody(config, moment.timestamp())
    else:
        kept = None if version is None else with_model(present, config.fallback).counters
        rows = fact_store.read([lead_id], config, moment.timestamp(), kept=kept)
        if not rows.facts.n:
            raise NotFound()
        rows = _as_scored(rows)
    facts = rows.facts
    supposed = _without_repeats(supposed, facts)
    changed = replace(rows, facts=suppose(facts, supposed, config.types))
    result = assess(changed, config)
    live = config.everything[int(result.model[0])]
    after = explain_rows(changed, config, moment + dt.timedelta(days=supposed.days))
    before = None
    if lead_id is not None:
        if version is not None:  # by the live models, whatever version it is tried on
            rows = _as_scored(fact_store.read([lead_id], present, moment.timestamp()))
        before = explain_rows(rows, present, moment)[lead_id]
    step = int(result.step_tier[0])
    return WhatIf(
        after=after[int(changed.facts.lead_ids[0])],
        before=before,
        disqualified=bool(result.disqualified[0]),
        outlook=outlook_of(
            live, changed.facts, step, config.types, moment, struck=bool(result.disqualified[0])
        ),
        live=live,
        facts=facts,
        supposed=supposed,
    )


def _without_repeats(supposed: Supposition, facts: Facts) -> Supposition:
    """Return what differs from the facts: a form sends every field along."""
    fields = {name: v for name, v in supposed.fields.items() if field_value(facts, name) != v}
    ratings = {d: v for d, v in supposed.ratings.items() if rating_value(facts, d) != v}
    return replace(supposed, fields=fields, ratings=ratings)


def field_value(facts: Facts, name: str) -> float | str | None:
    """Return a field of one lead (facts of one row), None where missing or not read."""
    if name in facts.number_columns:
        number = float(facts.number_columns[name][0])
        return None if number != number else number
    codes, values = facts.text_columns.get(name, (np.full(1, -1), []))
    return values[int(codes[0])] if codes[0] >= 0 else None


def rating_value(facts: Facts, dimension: str) -> float | None:
    """Return a rating of one lead (facts of one row), None where unknown."""
    ratings = facts.ratings.get(dimension)
    return None if ratings is None or ratings[0] != ratings[0] else float(ratings[0])


def config_of(version: ModelVersion, present: LiveConfig) -> LiveConfig:
    """Return a configuration in which one version scores everybody; `present` is the live one."""
    chosen = present.by_id(version.pk) or load_model(version, present.types)
    return LiveConfig((), chosen, present.fields)


def _as_scored(rows: Rows) -> Rows:
    """Return the rows without a tier set by hand."""
    standing = {**rows.standing, "override_until": np.full(rows.facts.n, np.nan)}
    return replace(rows, standing=standing)


def _nobody(config: LiveConfig, as_of: float) -> Rows:
    """Return a lead of the business kind about whom nothing is known and that was never scored."""
    none = np.full(1, np.nan)
    facts = Facts(
        lead_ids=np.zeros(1, dtype=np.int64),
        as_of=as_of,
        number_columns={f.name: none for f in config.used_fields if f.type != "text"},
        text_columns={f.name: (np.full(1, -1), []) for f in config.used_fields if f.type == "text"},
        ratings=dict.fromkeys(config.dimensions, none),
        observed_at=dict.fromkeys(config.dimensions, none),
        expires_at=dict.fromkeys(config.dimensions, none),
        counts={pair: np.zeros(1) for pair in config.counters},
        last_at={kind: none for kind, _ in config.counters},
        tracked=np.zeros(1, dtype=bool),
        evidence_ids={d: np.zeros(1, dtype=np.int64) for d in config.dimensions},
    )
    standing = {
        "model": np.zeros(1, dtype=np.int64),
        "step_tier": np.full(1, NONE),
        "override_tier": np.full(1, NONE),
        "override_until": none,
        "deal_value": none,
        "round": np.ones(1, dtype=np.int64),
        "created": np.full(1, as_of),
    }
    rows = Rows(facts, standing, np.zeros(0, dtype=np.int64))
    business = Supposition(fields={"kind": "b2b"})
    return replace(rows, facts=suppose(facts, business, config.types))


def check(supposed: Supposition, config: LiveConfig) -> None:
    """Raise Invalid naming everything that cannot be supposed."""
    problems = [
        *_field_problems(supposed.fields, config),
        *_rating_problems(supposed.ratings, config),
    ]
    kinds = sorted({kind for kind, _ in config.counters})
    for kind, times in supposed.events.items():
        path = f"engagement.{kind}"
        if kind not in kinds:
            message = f"is not counted; one of {', '.join(kinds)}"
            problems.append(FieldProblem(path, "unknown_activity", message))
        elif isinstance(times, bool) or not isinstance(times, int) or not 0 <= times <= MOST_EVENTS:
            message = f"must be a whole number from 0 to {MOST_EVENTS:,}"
            problems.append(FieldProblem(path, "out_of_range", message))
    if not 0 <= supposed.days <= AHEAD_DAYS:
        message = f"must be from 0 to {AHEAD_DAYS}"
        problems.append(FieldProblem("days", "out_of_range", message))
    if problems:
        raise Invalid(problems)


def _field_problems(fields: Mapping[str, Any], config: LiveConfig) -> list[FieldProblem]:
    found = []
    for name, value in fields.items():
        path = f"fields.{name}"
        if name not in config.fields:
            known = ", ".join(sorted(f.name for f in config.used_fields))
            found.append(FieldProblem(path, "unknown_field", f"is no field; rules read {known}"))
            continue
        kind = config.fields[name].type
        if value is None:
            continue
        if kind == "number":
            right = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and abs(value) < 1e15  # NaN fails the comparison too
            )
        elif kind == "bool":
            right = isinstance(value, bool)
        else:
            right = isinstance(value, str) and len(value) <= MOST_TEXT
        if not right:
            word = {"number": "a number", "bool": "true or false"}.get(
                kind, f"a text of at most {MOST_TEXT} characters"
            )
            found.append(FieldProblem(path, "wrong_type", f"must be {word} or null"))
    return found


def _rating_problems(ratings: Mapping[str, float | None], config: LiveConfig) -> list[FieldProblem]:
    found = []
    for dimension, rating in ratings.items():
        path = f"ratings.{dimension}"
        if dimension not in config.dimensions:
            message = f"must be one of {', '.join(config.dimensions)}"
            found.append(FieldProblem(path, "unknown_dimension", message))
        elif rating is not None and (
            isinstance(rating, bool)
            or not isinstance(rating, int | float)
            or not 0 <= rating <= 100
        ):
            found.append(FieldProblem(path, "out_of_range", "must be from 0 to 100, or null"))
    return found


def suppose(facts: Facts, supposed: Supposition, types: Mapping[str, FieldType]) -> Facts:
    """Return one lead's facts (one row) as supposed. Fields that no rule reads change nothing."""
    if supposed.days:
        facts = aged(facts, np.array([float(supposed.days)]))
    numbers, texts = dict(facts.number_columns), dict(facts.text_columns)
    for name, value in supposed.fields.items():
        if name in numbers:
            numbers[name] = np.array([np.nan if value is None else float(value)])
        elif name in texts:
            texts[name] = (np.full(1, -1), []) if not value else (np.zeros(1, np.int64), [value])
    facts = replace(facts, number_columns=numbers, text_columns=texts)
    for dimension, rating in supposed.ratings.items():
        column = np.array([np.nan if rating is None else float(rating)])
        facts = facts.with_rating(dimension, column)
        facts = replace(
            facts,
            observed_at={**facts.observed_at, dimension: np.full(1, facts.as_of)},
            expires_at={**facts.expires_at, dimension: np.full(1, np.nan)},
            evidence_ids={**facts.evidence_ids, dimension: np.zeros(1, dtype=np.int64)},
        )
    for kind, times in supposed.events.items():
        facts = with_event(facts, kind, times) if times else _without_events(facts, kind)
    return facts


def _without_events(facts: Facts, kind: str) -> Facts:
    counts = {k: np.zeros(1) if k[0] == kind else column for k, column in facts.counts.items()}
    return replace(facts, counts=counts, last_at={**facts.last_at, kind: np.full(1, np.nan)})


def outlook_of(
    live: LiveModel,
    facts: Facts,
    step: int,
    types: Mapping[str, FieldType],
    moment: dt.datetime,
    *,
    struck: bool = False,
) -> Outlook:
    """Return what would lift one lead (facts of one row) and what would drop it; no query.

    `step` is its hysteresis memory; nothing lifts a lead that is disqualified (`struck`).
    """
    if struck:
        return Outlook("", (), ())
    lead = put_on(live.card, facts, step, types)
    lifts: list[Lift] = []
    reach = NAMES[HOT] if lead.tier < HOT else ""
    if reach:
        levers = levers_of(lead, live.framework)
        sets = smallest_sets(lead, levers, HOT)
        if not sets and lead.tier < WARM:
            reach, sets = NAMES[WARM], smallest_sets(lead, levers, WARM)
        lifts = [_lift(found, reach, live) for found in sets]
    drops = [_turned(turn, live) for turn in turns(lead, live.framework)]
    faded = fade(lead)
    if faded is not None:
        drops.insert(0, _faded(faded, live, moment))
    return Outlook(reach, tuple(lifts), tuple(drops))


@dataclass(frozen=True)
class Examined:
    """Why a lead scores what it does, what would lift and drop it, and what to ask it next."""

    explanation: Explanation
    outlook: Outlook
    asking: Asking


def examine(lead: Lead, config: LiveConfig, as_of: dt.datetime) -> Examined | None:
    """Examine a lead's score as of a moment; None where it has no standing. Two to four queries."""
    rows = fact_store.read([lead.pk], config, as_of.timestamp())
    if not rows.facts.n:
        return None
    result = assess(_as_scored(rows), config)
    live = config.everything[int(result.model[0])]
    step, struck = int(result.step_tier[0]), bool(result.disqualified[0])
    return Examined(
        explanation=explain_rows(rows, config, as_of)[lead.pk],
        outlook=outlook_of(live, rows.facts, step, config.types, as_of, struck=struck),
        asking=asking_of(rows, result, config, lead, {}),
    )


def _lift(found: LeverSet, tier: str, live: LiveModel) -> Lift:
    facts = tuple(_needed(pull.lever, pull.value, live) for pull in found.pulls)
    return Lift(tier, facts, found.score)


def _needed(lever: Lever, value: float, live: LiveModel) -> Needed:
    label, word = lever.key, ""
    if lever.kind == "answer":
        criterion = live.framework.criterion(lever.key)
        label = criterion.label if criterion else lever.key
        more = " or better" if value < max(lever.values) and lever.values[-1] > value else ""
        word = f"{rating_word(value)}{more}"
    elif lever.kind == "attribute":
        attribute = next_by_key(live.icp.attributes, lever.key)
        label, word = attribute.label, attribute.bands[int(value)].label
    else:
        label = _event_label(lever.key, live)
    return Needed(lever.kind, lever.key, label, word, value)


def _event_label(kind: str, live: LiveModel) -> str:
    return next((s.label for s in live.model.signals if s.activity == kind), str(Kind(kind).label))


def _turned(turn: Turn, live: LiveModel) -> Drop:
    criterion = live.framework.criterion(turn.dimension)
    label = criterion.label if criterion else turn.dimension
    cause = f"{label} turning out {rating_word(turn.rating)}"
    return Drop(cause, NAMES[turn.tier], turn.score, None, "answer", turn.dimension)


def _faded(found: Fade, live: LiveModel, moment: dt.datetime) -> Drop:
    labels = {signal.key: signal for signal in live.model.signals}
    parts = []
    for key, points in found.lost[:2]:
        signal = labels[key]
        verb = "expires" if signal.group == GROUPS[2] else "fades"
        parts.append(f"{signal.label} {verb} (−{points:g})")
    cause = " and ".join(parts) or "time passing"
    at = moment + dt.timedelta(seconds=found.days * DAY)
    return Drop(cause, NAMES[found.tier], found.score, at, "time", "")
