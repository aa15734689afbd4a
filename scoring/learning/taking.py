"""From a learned model to versions of an ICP and a score model that a workspace can run. Pure.

What the history holds counts as it was learned. What it does not hold (behaviour, answers) goes on
counting as in the present model, at the same log-odds, from its assumed average: a lead of which no
more is known than the history knew has the learned points and probability.
"""

from collections.abc import Callable, Mapping
from typing import Any

from scoring.definitions import Icp, Model
from scoring.learning.points import Definitions
from scoring.ranking import curve
from scoring.scorecard import Scorecard

KEPT = ("engagement", "qualification")


def for_fields(
    definitions: Definitions,
    name_of: Mapping[str, str],
    said: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Definitions:
    """Return the definitions with the fields of the file replaced by fields of leads.

    `said` returns a condition on a field of the file in the words that leads have there.
    """

    def renamed(rule: Any) -> Any:
        if isinstance(rule, list):
            return [renamed(part) for part in rule]
        if not isinstance(rule, Mapping):
            return rule
        if "field" in rule:
            rule = rule if said is None else said(rule)
            return {**rule, "field": name_of.get(rule["field"], rule["field"])}
        return {key: renamed(part) for key, part in rule.items()}

    attributes = [
        {**a, "bands": [{**b, "rule": renamed(b["rule"])} for b in a["bands"]]}
        for a in definitions.icp["attributes"]
    ]
    types = {name_of.get(name, name): kind for name, kind in definitions.types.items()}
    icp = {**definitions.icp, "attributes": attributes}
    return Definitions(icp, definitions.model, types, definitions.scale, definitions.counts)


def icp_like(definitions: Definitions, icp: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ICP's content with the learned attributes in the place of its own."""
    return {**icp, "attributes": definitions.icp["attributes"]}


def model_like(
    definitions: Definitions, live: Mapping[str, Any], parsed: Model, icp: Icp
) -> dict[str, Any]:
    """Return a score model's content with the learned fit lines and its own of the other groups.

    `live` is its content as JSON, `parsed` and `icp` the same parsed. What one of its points is
    worth in log-odds its map to p says, so its other lines are brought to the learned scale.
    """
    learned = definitions.model
    factor = curve(parsed)[1] * definitions.scale
    card = Scorecard(parsed, icp)
    taken = {signal["key"] for signal in learned["signals"]}
    kept, assumed = [], factor * card.untracked_points
    groups = {signal.key: signal.group for signal in parsed.signals}
    for index, signal in enumerate(parsed.signals):
        if signal.group == "qualification":
            assumed += factor * float(card.assumed[index])
    for signal in live["signals"]:
        if groups[signal["key"]] not in KEPT:
            continue
        key = signal["key"] if signal["key"] not in taken else f"live-{signal['key']}"
        scaled = {**signal, "key": key, "points": round(signal["points"] * factor, 1)}
        if signal.get("mu") is not None:
            scaled["mu"] = round(signal["mu"] * factor, 3)
        kept.append(scaled)
    bounds = {
        name: {side: round(value * factor, 1) for side, value in live["groups"][name].items()}
        for name in KEPT
    }
    # What wins is no rule of whom it is for: all leads of the segment belong to the profile.
    lines = {signal["key"]: {"points": 0, "mu": 0} for signal in learned["signals"]}
    return {
        **live,
        "name": f"{icp.name}, learned",
        "base": round(learned["base"] - assumed, 1),
        "groups": {"fit": learned["groups"]["fit"], **bounds},
        "signals": [*learned["signals"], *kept],
        "p": learned["p"],
        "placement": {"cap": 1, "floor": -1, "lines": lines},
    }
