"""A score model in words, and what differs between two of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.condition_words import words
from leads.activities import Kind
from scoring.definitions import GROUPS, Icp, Model, Signal

if TYPE_CHECKING:
    from scoring.live import LiveModel

GROUP_LABELS = {"fit": "Fit", "engagement": "Engagement", "qualification": "Qualification"}


@dataclass(frozen=True)
class LineWords:
    """One line of a model: `subject` what it reads, `how` how its points come about."""

    key: str
    label: str
    points: float
    subject: str
    how: str
    unknown: str


@dataclass(frozen=True)
class GroupWords:
    """A group of lines with its bounds."""

    key: str
    label: str
    cap: float
    floor: float
    lines: tuple[LineWords, ...]


@dataclass(frozen=True)
class ModelWords:
    """All numbers of a score model, ready to read."""

    groups: tuple[GroupWords, ...]
    settings: tuple[tuple[str, str], ...]
    gates: tuple[str, ...]
    disqualifiers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Difference:
    """One thing that differs: what, and its words before and after; "" where it is not there."""

    what: str
    before: str
    after: str


def describe(live: LiveModel, fields: Mapping[str, str]) -> ModelWords:
    """Return a model in words; `fields` are the names of fields for people."""
    model = live.model
    return ModelWords(
        groups=tuple(
            GroupWords(
                name,
                GROUP_LABELS[name],
                model.groups[name].cap,
                model.groups[name].floor,
                tuple(_line(signal, live) for signal in model.of_group(name)),
            )
            for name in GROUPS
        ),
        settings=tuple(_settings(model).values()),
        gates=tuple(_gates(live).values()),
        disqualifiers=tuple(
            (rule.reason, words(rule.rule, fields)) for rule in model.disqualifiers
        ),
    )


def differences(old: LiveModel, new: LiveModel, fields: Mapping[str, str]) -> list[Difference]:
    """Return what differs between two versions of a model, lines first, in the order shown."""
    before = {s.key: _signal_words(s, old) for s in old.model.signals}
    after = {s.key: _signal_words(s, new) for s in new.model.signals}
    labels = {s.key: s.label for s in (*old.model.signals, *new.model.signals)}
    found = [
        Difference(labels[key], before.get(key, ""), after.get(key, ""))
        for key in dict.fromkeys((*after, *before))
    ]
    return _that_differ(found) + differences_beside_points(old, new, fields, lines=False)


def differences_beside_points(
    old: LiveModel, new: LiveModel, fields: Mapping[str, str], *, lines: bool = True
) -> list[Difference]:
    """Return what differs but for the points of lines: with `lines` how those of both count, and
    all that is not of a line.
    """
    found = []
    if lines:
        before = {s.key: _how(s, old) for s in old.model.signals}
        found += [
            Difference(s.label, before[s.key], _how(s, new))
            for s in new.model.signals
            if s.key in before
        ]
    for name in GROUPS:
        found.append(
            Difference(f"{GROUP_LABELS[name]}, bounds", _bounds(old, name), _bounds(new, name))
        )
    old_settings, new_settings = _settings(old.model), _settings(new.model)
    for key, (label, value) in new_settings.items():
        found.append(Difference(label, old_settings[key][1], value))
    old_gates, new_gates = _gates(old), _gates(new)
    for dimension in dict.fromkeys((*new_gates, *old_gates)):
        found.append(Difference("Gate", old_gates.get(dimension, ""), new_gates.get(dimension, "")))
    old_rules, new_rules = (
        {r.key: f"{r.reason}: {words(r.rule, fields)}" for r in live.model.disqualifiers}
        for live in (old, new)
    )
    for key in dict.fromkeys((*new_rules, *old_rules)):
        found.append(Difference("Disqualifier", old_rules.get(key, ""), new_rules.get(key, "")))
    found += _pins(old, new)
    return _that_differ(found)


def _that_differ(found: list[Difference]) -> list[Difference]:
    return [difference for difference in found if difference.before != difference.after]


def _pins(old: LiveModel, new: LiveModel) -> list[Difference]:
    return [
        Difference("Name", old.model.name, new.model.name),
        Difference("Profile (ICP)", _icp_words(old.icp), _icp_words(new.icp)),
        Difference(
            "Framework",
            ", ".join(c.label for c in old.framework.criteria),
            ", ".join(c.label for c in new.framework.criteria),
        ),
    ]


def _icp_words(icp: Icp) -> str:
    return f"{icp.name}: " + ", ".join(attribute.label for attribute in icp.attributes)


def _signed(points: float, *, plus: bool = True) -> str:
    return f"{points:{'+' if plus else ''}g}".replace("-", "−")


def _bounds(live: LiveModel, name: str) -> str:
    group = live.model.groups[name]
    return f"{_signed(group.floor, plus=False)} to {_signed(group.cap, plus=False)} points"


def _line(signal: Signal, live: LiveModel) -> LineWords:
    unknown = ""
    if signal.mu is not None:
        unknown = f"{signal.mu:+.1f} while unknown"
    return LineWords(
        signal.key, signal.label, signal.points, _subject(signal, live), _how(signal, live), unknown
    )


def _signal_words(signal: Signal, live: LiveModel) -> str:
    line = _line(signal, live)
    return ", ".join(
        part for part in (f"{_signed(line.points)} points", line.how, line.unknown) if part
    )


def _subject(signal: Signal, live: LiveModel) -> str:
    if signal.attribute is not None:
        return live.icp.attribute(signal.attribute).label
    if signal.dimension is not None:
        criterion = live.framework.criterion(signal.dimension)
        return criterion.label if criterion else signal.dimension
    return str(Kind(signal.activity).label) if signal.activity else ""


def _how(signal: Signal, live: LiveModel) -> str:
    if signal.attribute is not None:
        attribute = live.icp.attribute(signal.attribute)
        shares = [(band.label, signal.values.get(band.key, band.x)) for band in attribute.bands]
        return "; ".join(f"{label} {100 * x:g} %" for label, x in shares if x)
    if signal.dimension is not None:
        return "by its rating"
    if signal.window_days is not None:
        return f"for {signal.window_days} days after the last one"
    halved = f", halved every {signal.half_life_days} days" if signal.half_life_days else ""
    return f"full at {signal.cap:g}{halved}"


def _settings(model: Model) -> dict[str, tuple[str, str]]:
    (s0, p0), (s1, p1) = model.p_anchors
    return {
        "base": ("Base", f"{_signed(model.base, plus=False)} points"),
        "hot": ("Hot from", f"{model.hot}"),
        "warm": ("Warm from", f"{model.warm}"),
        "hysteresis": ("Steps down only below the mark by more than", f"{model.hysteresis} points"),
        "mql": (
            "MQL from",
            f"{model.mql_fit} % of fit and {model.mql_engagement} % of engagement",
        ),
        "p": ("p(win)", f"{100 * p0:.1f} % at {s0:g} points, {100 * p1:.1f} % at {s1:g}"),
        "p_label": ("Where p(win) comes from", model.p_label),
        "repeat": ("Value of a returning customer", f"× {model.repeat_customer_factor:g}"),
    }


def _gates(live: LiveModel) -> dict[str, str]:
    found = {}
    for gate in live.model.gates:
        criterion = live.framework.criterion(gate.dimension)
        label = criterion.label if criterion else gate.dimension
        found[gate.dimension] = f"{label} at least {gate.minimum}"
    return found
