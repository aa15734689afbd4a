"""From log-odds to points: the definitions of an ICP and a score model that say the same.

points = s × log-odds with s = 25 / (Q80 − Q50), so that the median lead has 50 points and the best
fifth at least 75; caps at what a group can attain, so they never bind (docs/domain/learning.md).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from core.conditions import FieldType
from scoring.definitions import Framework, Icp, Model, parse_icp, parse_model
from scoring.features import Facts, Floats, signal_matrix
from scoring.learning.merging import Grouped
from scoring.learning.shrinkage import shift_to
from scoring.learning.signals import Learned
from scoring.learning.table import Table
from scoring.learning.weights import SLOPE_SPREAD
from scoring.scorecard import Scorecard, Scores

SPREAD = 25.0  # points between the median and the best fifth
SCALES = (1.0, 200.0)
MOST_POINTS = 900.0  # of all lines together; a definition holds at most 1,000
ANCHORS = (40.0, 60.0)
SIGN_POINTS = 10.0  # what a line counts before anything was learned
NO_FRAMEWORK = Framework("None", (), ())


@dataclass(frozen=True)
class Definitions:
    """The content of an ICP version and of a score model version, as JSON values.

    `scale` is the points of one unit of log-odds; `counts` the leads behind each line by key.
    """

    icp: dict[str, Any]
    model: dict[str, Any]
    types: Mapping[str, FieldType]
    scale: float
    counts: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of them, without the leads behind each line."""
        return {
            "icp": self.icp,
            "model": self.model,
            "types": dict(self.types),
            "scale": self.scale,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Definitions":
        """Return definitions as they were kept."""
        return cls(**kept, counts={})

    @cached_property
    def parsed_icp(self) -> Icp:
        """The ICP, checked as any other."""
        return parse_icp(self.icp, self.types)

    @cached_property
    def parsed_model(self) -> Model:
        """The score model, checked as any other."""
        return parse_model(self.model, self.parsed_icp, NO_FRAMEWORK, self.types)

    def points(self, table: Table) -> Floats:
        """Return the points of past leads before caps and clamps, by the product's scorecard."""
        return self._scored(table)[1].free

    def probability(self, table: Table) -> Floats:
        """Return p(win) of past leads."""
        card, scores = self._scored(table)
        return card.probability(scores)

    def _scored(self, table: Table) -> tuple[Scorecard, Scores]:
        facts = facts_of(table)
        x = signal_matrix(self.parsed_model, self.parsed_icp, facts, self.types)
        card = Scorecard(self.parsed_model, self.parsed_icp)
        return card, card.score(x, facts.tracked)

    def without(
        self, keys: Collection[str], table: Table, y: Floats, weights: Floats
    ) -> "Definitions | None":
        """Return the definitions without some lines, None when none is left.

        The rest keep their points; the base keeps the median lead of `table` at 50, and p the share
        won of its outcomes y (n,) by `weights` (n,).
        """
        signals = [s for s in self.model["signals"] if s["key"] not in keys]
        if not signals:
            return None
        used = {s["attribute"] for s in signals}
        attributes = [a for a in self.icp["attributes"] if a["key"] in used]
        by_field = [[s["points"] for s in signals if s["attribute"] == key] for key in used]
        cap = round(sum(max(0.0, *points, 0.0) for points in by_field), 1)
        floor = round(sum(min(0.0, *points, 0.0) for points in by_field), 1)
        groups = {**self.model["groups"], "fit": {"cap": cap, "floor": floor}}
        model = {**self.model, "signals": signals, "groups": groups, "base": 0.0}
        kept = Definitions(
            {**self.icp, "attributes": attributes}, model, self.types, self.scale, self.counts
        )
        points = kept.points(table)
        base = round(50.0 - float(np.median(points)), 1)
        shift = shift_to(points / self.scale, y, weights)
        odds = [shift + (anchor - base) / self.scale for anchor in ANCHORS]
        anchors = [[a, float(expit(o))] for a, o in zip(ANCHORS, odds, strict=True)]
        few = covariance(base + points, expit(shift + points / self.scale))
        # Of some of the leads that were learned from, it is as much too wide as these are fewer.
        learned = self.model["p"]["learned"]
        few = [value * len(y) / max(len(y), learned["n"]) for value in few]
        p = {**model["p"], "anchors": anchors, "learned": {**learned, "covariance": few}}
        model = {**model, "base": base, "p": p}
        return Definitions(kept.icp, model, self.types, self.scale, self.counts)

    def signed(self, table: Table) -> Floats:
        """Return the points that each line would give at ±10 by its sign."""
        signs = [{**s, "points": SIGN_POINTS * np.sign(s["points"])} for s in self.model["signals"]]
        for signal, plain in zip(signs, self.model["signals"], strict=True):
            if "mu" in signal:
                signal["mu"] = plain["mu"] / plain["points"] * signal["points"]
        free = {"fit": {"cap": 1000, "floor": -1000}, "engagement": {"cap": 0}}
        groups = {**free, "qualification": {"cap": 0}}
        model = {**self.model, "signals": signs, "groups": groups, "base": 0}
        return Definitions(self.icp, model, self.types, 1.0, {}).points(table)


def define(learned: Learned, table: Table, name: str = "Suggested") -> Definitions | None:
    """Return the definitions of a learned model, None when it has no line.

    `table` holds the leads it was learned from: their log-odds set the scale.
    """
    effects = _shifted(learned)
    log_odds = sum(
        (
            np.append(_by_level(group, own), 0.0)[group.levels.on(table, table.types).codes]
            for group, own in zip(learned.fields, effects, strict=True)
        ),
        start=np.zeros(table.n),
    )
    for rule in learned.rules:
        log_odds = log_odds + rule.effect * rule.pair.holds(table, table.types)
    median, upper = np.quantile(log_odds, [0.5, 0.8])
    # How far the lines could move a lead bounds the scale when all leads are nearly alike.
    reach = sum(float(np.abs(own).max()) for own in effects)
    reach += sum(abs(rule.effect) for rule in learned.rules)
    scale = float(np.clip(SPREAD / max(upper - median, 1e-9), *SCALES))
    scale = min(scale, MOST_POINTS / max(reach, 1e-9))
    lines = _Lines(scale)
    for group, own in zip(learned.fields, effects, strict=True):
        lines.add_field(group, own)
    for rule in learned.rules:
        lines.add_rule(rule.pair.key, rule.pair.label, rule.pair.rule, rule.effect, rule.count)
    if not lines.signals:
        return None
    # The intercept belongs to the effects before each field's comparison became zero.
    moved = sum(
        float((group.effects - own)[0]) for group, own in zip(learned.fields, effects, strict=True)
    )
    base = round(50.0 - scale * float(median), 1)
    # One lead's log-odds from its points, exactly as the base was rounded.
    at_base = learned.intercept + moved
    odds = [at_base + (anchor - base) / scale for anchor in ANCHORS]
    spread = covariance(base + scale * log_odds, expit(at_base + log_odds))
    model = {
        "name": name,
        "base": base,
        "groups": {
            "fit": {"cap": round(lines.highest, 1), "floor": round(lines.lowest, 1)},
            "engagement": {"cap": 0},
            "qualification": {"cap": 0},
        },
        "signals": lines.signals,
        "p": {
            "of": "points",
            "anchors": [[a, float(expit(o))] for a, o in zip(ANCHORS, odds, strict=True)],
            "label": f"Learned from {learned.n:,} outcomes, {learned.won:,} won",
            "learned": {"n": learned.n, "won": learned.won, "covariance": spread},
        },
    }
    icp = {
        "name": name,
        "position": 0,
        "typical_value_minor": 1,
        "attributes": lines.attributes,
    }
    return Definitions(icp, model, table.types, scale, lines.counts)


def covariance(free: Floats, p: Floats) -> list[float]:
    """Return the covariance of the two parameters of a logistic of points `free` (n,) whose
    probabilities are `p` (n,): variance at zero points, covariance, variance of the slope, which
    before any outcome is the doubt about the default map.
    """
    weight = p * (1 - p)
    centre = float(np.average(free, weights=weight + 1e-12))
    away = free - centre
    # About the centre both are independent; moved to zero points they are not.
    level = 1.0 / max(float(weight.sum()), 1e-9)
    slope = 1.0 / (float(weight @ away**2) + SLOPE_SPREAD**-2)
    return [level + centre**2 * slope, -centre * slope, slope]


def facts_of(table: Table) -> Facts:
    """Return past leads as the facts that the engine scores; nobody tracked their behaviour."""
    n = table.n
    return Facts(
        lead_ids=np.arange(n),
        as_of=0.0,
        number_columns={
            name: c.numbers for name, c in table.columns.items() if c.numbers is not None
        },
        text_columns={
            name: (c.codes, list(c.values))
            for name, c in table.columns.items()
            if c.codes is not None
        },
        ratings={},
        observed_at={},
        expires_at={},
        counts={},
        last_at={},
        tracked=np.zeros(n, dtype=bool),
    )


def _shifted(learned: Learned) -> list[Floats]:
    """Return the effects of each field's groups against the group that gets no line.

    That is the one nearest the average, so a value never seen counts about as the average, or the
    one of a muted value, which must have no line.
    """
    found = []
    for group in learned.fields:
        muted = {int(i) for i in learned.muted.get(group.levels.field, ())}
        silent = [i for i, members in enumerate(group.members) if muted & set(members)]
        reference = silent[0] if silent else int(np.abs(group.effects).argmin())
        found.append(group.effects - group.effects[reference])
    return found


def _by_level(group: Grouped, effects: Floats) -> Floats:
    by_level = np.zeros(len(group.levels.levels))
    for members, effect in zip(group.members, effects, strict=True):
        by_level[list(members)] = effect
    return by_level


class _Lines:
    """Collects attributes and signals, and what they can attain together."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.attributes: list[dict[str, Any]] = []
        self.signals: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}
        self.highest = self.lowest = 0.0

    def add_field(self, group: Grouped, effects: Floats) -> None:
        """Add a field: a band for each group, and a line for each that differs in points."""
        points = np.round(effects * self.scale, 1)
        if not points.any():
            return
        key = self._key(group.levels.field)
        spread = float(np.ptp(points))
        bands = []
        for index, members in enumerate(group.members):
            bands.append(
                {
                    "key": f"b{index + 1}",
                    "label": group.levels.label(members),
                    "rule": group.levels.rule(members),
                    "x": round(float((points[index] - points.min()) / spread), 2),
                }
            )
        # With a band for "not filled in" the attribute is never unknown.
        may_lack = not any(level.kind == "missing" for level in group.levels.levels)
        shares = group.counts / group.counts.sum()
        self.attributes.append({"key": key, "label": group.levels.field, "bands": bands})
        for index, band in enumerate(bands):
            if not points[index]:
                continue
            name = f"{key}-{band['key']}"
            signal = {
                "key": name,
                "label": f"{group.levels.field}: {band['label']}",
                "attribute": key,
                "points": float(points[index]),
                "values": {b["key"]: float(b is band) for b in bands},
            }
            if may_lack:
                signal["mu"] = round(float(points[index] * shares[index]), 3)
            self.signals.append(signal)
            self.counts[name] = int(group.counts[index])
        self.highest += max(0.0, float(points.max()))
        self.lowest += min(0.0, float(points.min()))

    def add_rule(
        self, name: str, label: str, rule: Mapping[str, Any], effect: float, count: int
    ) -> None:
        """Add a two-condition rule: an attribute with one band."""
        points = round(effect * self.scale, 1)
        if not points:
            return
        key = self._key(name)
        band = {"key": "both", "label": label, "rule": rule, "x": 1 if points > 0 else 0}
        self.attributes.append({"key": key, "label": label, "bands": [band]})
        signal = {"key": key, "label": label, "attribute": key, "points": points}
        self.signals.append({**signal, "values": {"both": 1.0}})
        self.counts[key] = count
        self.highest += max(0.0, points)
        self.lowest += min(0.0, points)

    def _key(self, name: str) -> str:
        """Return a slug of a name that no attribute has yet."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:50] or "field"
        taken = {attribute["key"] for attribute in self.attributes}
        key, count = slug, 1
        while key in taken:
            count += 1
            key = f"{slug}-{count}"
        return key
