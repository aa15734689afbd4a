"""What would lift one lead to a tier, and what would drop it. Pure, on the scorecard itself.

A lever is one fact that could come to be: an answer, an unknown property of the lead, an event.
The smallest set that suffices is found exactly, by trying all sets of one lever, then of two, …,
each size in one call of the scorecard; so no smaller set, and no part of a set found, suffices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from core.conditions import FieldType
from scoring.definitions import Framework, Icp, Model
from scoring.features import (
    DAY,
    Facts,
    Floats,
    Ints,
    band_values,
    no_numbers,
    signal_matrix,
)
from scoring.scorecard import Scorecard
from scoring.tiers import HOT, WARM

LeverKind = Literal["answer", "attribute", "event"]
SCALE = (0.0, 33.0, 67.0, 100.0)  # ratings of a dimension that no question asks about
MOST_LEVERS = 4  # in a set: a plan of five things is no advice
MOST_SETS = 3
AHEAD_DAYS = 180
# What is easier to come by first: ask, look up, be reached out to, change a mind.
_EFFORT = {("answer", False): 0, ("attribute", False): 1, ("event", True): 2, ("answer", True): 4}


@dataclass(frozen=True)
class Lever:
    """One fact that could come to be. `values` ascend in points: ratings, band indexes, or 1 for
    one more event just now; `x` (values, columns) are the signals of `columns` under each.
    """

    kind: LeverKind
    key: str
    known: bool
    values: tuple[float, ...]
    columns: tuple[int, ...]
    x: Floats


@dataclass(frozen=True)
class Pull:
    """A lever at one of its values. The value is the least that suffices beside the others."""

    lever: Lever
    value: float


@dataclass(frozen=True)
class LeverSet:
    """Facts that together lift the tier, and the shown score that they lead to."""

    pulls: tuple[Pull, ...]
    score: int


@dataclass(frozen=True)
class Turn:
    """A known answer that, turned to `rating`, alone drops the tier to `tier` (code)."""

    dimension: str
    rating: float
    score: int
    tier: int


@dataclass(frozen=True)
class Fade:
    """The day on which time alone drops the tier: `days` from now, `score` and `tier` then.

    `lost` are (signal key, points) that will have gone since now, the most first.
    """

    days: int
    score: int
    tier: int
    lost: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LeadOnCard:
    """One lead as a scorecard sees it: its facts (one row), x (signals,), tier step (code)."""

    card: Scorecard
    facts: Facts
    x: Floats
    step: int
    fields: Mapping[str, FieldType]

    @property
    def tracked(self) -> bool:
        """Whether silence means no interest."""
        return bool(self.facts.tracked[0])

    @cached_property
    def tier(self) -> int:
        """The tier now, by the score and the gates."""
        return int(self.outcomes(self.x[None], self.facts)[1][0])

    def outcomes(self, x: Floats, facts: Facts) -> tuple[Ints, Ints]:
        """Return (shown scores, tiers) of the same lead under other signals x (n, signals)."""
        scores = self.card.score(x, facts.tracked)
        tiers = self.card.tiers(scores.score, np.full(len(x), self.step))
        held = (self.card.gate_failed(facts) >= 0) & (tiers == HOT)
        return scores.score, np.where(held, WARM, tiers)


def put_on(card: Scorecard, facts: Facts, step: int, fields: Mapping[str, FieldType]) -> LeadOnCard:
    """Return one lead (facts of one row) on a scorecard."""
    x = signal_matrix(card.model, card.icp, facts, fields)[0]
    return LeadOnCard(card, facts, x, step, fields)


def levers_of(lead: LeadOnCard, framework: Framework) -> list[Lever]:
    """Return what could still come to be known or to happen, and might add points."""
    model, icp = lead.card.model, lead.card.icp
    return [
        *_answers(lead, model, framework),
        *_attributes(lead, model, icp),
        *_events(lead, model),
    ]


def ratings_of(framework: Framework, dimension: str) -> tuple[float, ...]:
    """Return the ratings that answers about a dimension can give, ascending."""
    found = {
        float(answer.rating)
        for question in framework.asked
        if question.dimension == dimension
        for answer in question.answers
        if answer.rating is not None
    }
    return tuple(sorted(found)) or SCALE


def _answers(lead: LeadOnCard, model: Model, framework: Framework) -> Iterable[Lever]:
    gates = [gate.dimension for gate in model.gates]
    asked = dict.fromkeys([c.dimension for c in framework.criteria])
    for dimension in asked:
        columns = [i for i, s in enumerate(model.signals) if s.dimension == dimension]
        if not columns and dimension not in gates:
            continue
        now = lead.facts.ratings.get(dimension)
        present = np.nan if now is None else float(now[0])
        values = [v for v in ratings_of(framework, dimension) if v != present]
        rising = lead.card.weights[columns].sum() >= 0
        values.sort(reverse=not rising)
        if values:
            x = np.repeat(np.array(values)[:, None] / 100.0, len(columns), axis=1)
            known = present == present
            yield Lever("answer", dimension, known, tuple(values), tuple(columns), x)


def _attributes(lead: LeadOnCard, model: Model, icp: Icp) -> Iterable[Lever]:
    for attribute in icp.attributes:
        columns = [i for i, s in enumerate(model.signals) if s.attribute == attribute.key]
        if not columns or not np.isnan(lead.x[columns]).all():
            continue
        x = np.stack(
            [band_values(model.signals[i], attribute)[: len(attribute.bands)] for i in columns],
            axis=1,
        )
        order = np.argsort(x @ lead.card.weights[columns], kind="stable")
        values = tuple(float(v) for v in order)
        yield Lever("attribute", attribute.key, False, values, tuple(columns), x[order])


def _events(lead: LeadOnCard, model: Model) -> Iterable[Lever]:
    kinds = list(dict.fromkeys(s.activity for s in model.signals if s.activity))
    # One row for each kind, in which one more of it happens.
    many = lead.facts.take(np.zeros(len(kinds), dtype=np.int64))
    once = {kind: np.arange(len(kinds)) == row for row, kind in enumerate(kinds)}
    counts = {
        (kind, half_life): column + once.get(kind, 0.0)
        for (kind, half_life), column in many.counts.items()
    }
    last = {
        kind: np.where(once[kind], many.as_of, many.last_at.get(kind, no_numbers(len(kinds))))
        for kind in kinds
    }
    tracked = np.ones(len(kinds), dtype=bool)
    happened = replace(many, counts=counts, last_at={**many.last_at, **last}, tracked=tracked)
    every = signal_matrix(model, lead.card.icp, happened, lead.fields)
    for row, kind in enumerate(kinds):
        columns = [i for i, s in enumerate(model.signals) if s.activity == kind]
        x = every[row : row + 1, columns]
        gain = (x[0] - np.nan_to_num(lead.x[columns])) @ lead.card.weights[columns]
        if gain > 1e-9:
            yield Lever("event", kind, True, (1.0,), tuple(columns), x)


def with_event(facts: Facts, kind: str, times: int = 1) -> Facts:
    """Return the facts with `times` more events of a kind that happen now. It also means that
    the lead's interest is tracked.
    """
    counts = {
        key: column + times if key[0] == kind else column for key, column in facts.counts.items()
    }
    last = {**facts.last_at, kind: np.full(facts.n, facts.as_of)}
    return replace(facts, counts=counts, last_at=last, tracked=np.ones(facts.n, dtype=bool))


def smallest_sets(
    lead: LeadOnCard, levers: Sequence[Lever], target: int, most: int = MOST_LEVERS
) -> list[LeverSet]:
    """Return up to MOST_SETS of the smallest sets of levers that lift the lead to `target` (tier
    code) or above, what is easier to come by first; [] when none of at most `most` suffices.
    """
    options = [(i, v) for i, lever in enumerate(levers) for v in _candidates(lead.card, lever)]
    for size in range(1, min(most, len(levers)) + 1):
        chosen = [
            combination
            for combination in combinations(range(len(options)), size)
            if len({options[o][0] for o in combination}) == size
        ]
        if not chosen:
            continue
        pulls = [[options[o] for o in combination] for combination in chosen]
        scores, tiers = _try(lead, levers, pulls)
        enough = np.flatnonzero(tiers >= target)
        if len(enough):
            return _best(lead, levers, [pulls[i] for i in enough], scores[enough], target)
    return []


def _candidates(card: Scorecard, lever: Lever) -> list[int]:
    """Return the indexes of a lever's values worth trying: the most points, and the most points
    that also meet the gate. Every other value gives less and opens nothing.
    """
    best = len(lever.values) - 1
    for gate in card.model.gates:
        if lever.kind == "answer" and gate.dimension == lever.key:
            meeting = [i for i, v in enumerate(lever.values) if v >= gate.minimum]
            return sorted({best, *meeting[-1:]})
    return [best]


_Pulls = Sequence[tuple[int, int]]  # (lever, index of its value)


def _try(lead: LeadOnCard, levers: Sequence[Lever], sets: Sequence[_Pulls]) -> tuple[Ints, Ints]:
    """Return (shown scores, tiers) under each set of pulls, in one call of the scorecard."""
    n = len(sets)
    x = np.repeat(lead.x[None], n, axis=0)
    facts = lead.facts.take(np.zeros(n, dtype=np.int64))
    tracked = facts.tracked.copy()
    rows: dict[tuple[int, int], list[int]] = {}
    for row, pulls in enumerate(sets):
        for pull in pulls:
            rows.setdefault(pull, []).append(row)
    for (lever_index, _), at in rows.items():
        if levers[lever_index].kind == "event":
            tracked[at] = True  # what did not happen is then known not to have
    for (index, value), at in rows.items():
        lever = levers[index]
        if lever.columns:
            x[np.ix_(at, lever.columns)] = lever.x[value]
        if lever.kind == "answer":
            ratings = facts.ratings.get(lever.key, no_numbers(n)).copy()
            ratings[at] = lever.values[value]
            facts = facts.with_rating(lever.key, ratings)
    return lead.outcomes(x, replace(facts, tracked=tracked))


def _best(
    lead: LeadOnCard,
    levers: Sequence[Lever],
    sets: Sequence[_Pulls],
    scores: Ints,
    target: int,
) -> list[LeverSet]:
    def effort(i: int) -> tuple[int, int]:
        return sum(_EFFORT[levers[lever].kind, levers[lever].known] for lever, _ in sets[i]), -int(
            scores[i]
        )

    seen: set[tuple[int, ...]] = set()
    found = []
    for i in sorted(range(len(sets)), key=effort):
        names = tuple(lever for lever, _ in sets[i])
        if names in seen:
            continue
        seen.add(names)
        found.append(_relaxed(lead, levers, sets[i], target))
        if len(found) == MOST_SETS:
            break
    return found


def _relaxed(lead: LeadOnCard, levers: Sequence[Lever], pulls: _Pulls, target: int) -> LeverSet:
    """Return the set with each value lowered, one lever after the other, as far as it holds."""
    held = list(pulls)
    for place, (index, value) in enumerate(held):
        lower = [[*held[:place], (index, v), *held[place + 1 :]] for v in range(value + 1)]
        _, tiers = _try(lead, levers, lower)
        held[place] = index, int(np.flatnonzero(tiers >= target)[0])
    scores, _ = _try(lead, levers, [held])
    pulled = tuple(Pull(levers[index], levers[index].values[value]) for index, value in held)
    return LeverSet(pulled, int(scores[0]))


def turns(lead: LeadOnCard, framework: Framework) -> list[Turn]:
    """Return for each known answer the mildest turn that alone drops the tier, the mildest drop
    of the score first.
    """
    known = [
        (dimension, float(ratings[0]))
        for dimension, ratings in lead.facts.ratings.items()
        if ratings[0] == ratings[0] and framework.criterion(dimension) is not None
    ]
    tried = [(d, v) for d, now in known for v in ratings_of(framework, d) if v != now]
    if not tried or lead.tier <= 0:
        return []
    many = lead.facts.take(np.zeros(len(tried), dtype=np.int64))
    for dimension, now in known:
        column = np.array([v if d == dimension else now for d, v in tried])
        many = many.with_rating(dimension, column)
    x = signal_matrix(lead.card.model, lead.card.icp, many, lead.fields)
    scores, tiers = lead.outcomes(x, many)
    found: dict[str, Turn] = {}
    for row in sorted(range(len(tried)), key=lambda row: -int(scores[row])):
        dimension, rating = tried[row]
        if tiers[row] < lead.tier and dimension not in found:
            found[dimension] = Turn(dimension, rating, int(scores[row]), int(tiers[row]))
    return list(found.values())


def aged(facts: Facts, days: Floats) -> Facts:
    """Return one lead's facts after each number of days without anything new, one row each.

    The facts age instead of the clock moving, so that all days are scored in one call.
    """
    many = facts.take(np.zeros(len(days), dtype=np.int64))
    seconds = days * DAY
    counts = {
        (kind, half_life): column * (np.exp2(-days / half_life) if half_life else 1.0)
        for (kind, half_life), column in many.counts.items()
    }
    ratings = {
        dimension: np.where(
            many.expires_at.get(dimension, no_numbers(many.n)) <= facts.as_of + seconds,
            np.nan,
            column,
        )
        for dimension, column in many.ratings.items()
    }
    last = {kind: column - seconds for kind, column in many.last_at.items()}
    return replace(many, counts=counts, ratings=ratings, last_at=last)


def fade(lead: LeadOnCard) -> Fade | None:
    """Return when the tier falls by itself within AHEAD_DAYS, None when it does not.

    An answer that expires counts as unknown; an older one that would take its place is not known
    here.
    """
    if lead.tier <= 0:
        return None
    days = np.arange(AHEAD_DAYS + 1, dtype=float)
    many = aged(lead.facts, days)
    x = signal_matrix(lead.card.model, lead.card.icp, many, lead.fields)
    scores = lead.card.score(x, many.tracked)
    gate = lead.card.gate_failed(many) >= 0
    # Hysteresis remembers the day before.
    step = lead.step
    for day in range(len(days)):
        step = int(lead.card.tiers(scores.score[day : day + 1], np.array([step]))[0])
        tier = WARM if gate[day] and step == HOT else step
        if tier < lead.tier:
            lost = scores.points[0] - scores.points[day]
            order = [i for i in np.argsort(-lost) if lost[i] > 0.05]
            keys = [lead.card.model.signals[i].key for i in order]
            return Fade(
                day,
                int(scores.score[day]),
                tier,
                tuple((key, round(float(lost[i]), 1)) for key, i in zip(keys, order, strict=True)),
            )
    return None
