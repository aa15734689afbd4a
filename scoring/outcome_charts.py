"""Charts of how well scores predict outcomes: wins that the same calls reach, what p is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.charts import COLOURS, Chart
from scoring.features import Floats
from scoring.learning.evaluate import CalibrationBin

TABLE_STEPS = 10  # rows of the gain curve's table


def gain_chart(curves: Mapping[str, Floats | Sequence[float]]) -> Chart:
    """Return the gain curves of models by name, the first one ours.

    Each holds the share of all won among the best i / (len − 1) of the leads.
    """
    names = list(curves)
    rows = [
        {"called": 100 * i / (len(curve) - 1), "caught": 100 * float(value), "model": name}
        for name, curve in curves.items()
        for i, value in enumerate(curve)
    ]
    told = _told_apart(names)
    x = {"field": "called", "type": "quantitative", "title": "Leads called, best first (%)"}
    spec = {
        "layer": [
            {
                "data": {"values": [{"a": 0, "b": 0}, {"a": 100, "b": 100}]},
                "mark": {"type": "line", "color": COLOURS["text-muted"], "strokeDash": [4, 4]},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative"},
                    "y": {"field": "b", "type": "quantitative"},
                },
            },
            {
                "data": {"values": rows},
                "mark": {"type": "line"},
                "encoding": {
                    "x": x,
                    "y": {"field": "caught", "type": "quantitative", "title": "Wins reached (%)"},
                    "color": told["color"],
                    "strokeDash": told["strokeDash"],
                },
            },
        ]
    }
    first, size = curves[names[0]], len(curves[names[0]]) - 1
    others = "".join(
        f", {_percent(float(curves[name][round(size / 5)]))} by {name}" for name in names[1:]
    )
    steps = [round(size * step / TABLE_STEPS) for step in range(1, TABLE_STEPS + 1)]
    return Chart(
        title="Wins reached by calling the best leads first",
        description=(
            f"The best fifth of the leads holds {_percent(float(first[round(size / 5)]))} of the "
            f"wins by {names[0]}{others}; the dashed diagonal is calling in any order."
        ),
        spec=spec,
        columns=["Leads called", *names],
        rows=[
            [_percent(step / size), *(_percent(float(curve[step])) for curve in curves.values())]
            for step in steps
        ],
    )


def calibration_chart(curves: Mapping[str, Sequence[CalibrationBin]]) -> Chart:
    """Return predicted against observed shares won of models by name, the first one ours, with 90 %
    intervals of what was observed. Several are told apart by lines and shapes as well as colours.
    """
    rows = [
        {"p": 100 * b.p, "rate": 100 * b.rate, "low": 100 * b.low, "high": 100 * b.high, "model": m}
        for m, bins in curves.items()
        for b in bins
    ]
    most = max(5.0, *(100 * max(b.high, b.p) for bins in curves.values() for b in bins))
    scale = {"domain": [0, min(100.0, 5 * -(-most // 5))]}
    x = {"field": "p", "type": "quantitative", "title": "Predicted (%)", "scale": scale}
    y = {"type": "quantitative", "title": "Won (%)", "scale": scale}
    whiskers: dict[str, Any] = {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}}
    points: dict[str, Any] = {"x": x, "y": {"field": "rate", **y}}
    layers = [
        {"mark": {"type": "rule"}, "encoding": whiskers},
        {"mark": {"type": "point", "size": 60, "opacity": 1}, "encoding": points},
    ]
    if len(curves) > 1:
        told = _told_apart(list(curves))
        lines = {**points, "color": told["color"], "strokeDash": told["strokeDash"]}
        whiskers["color"] = told["color"]
        points |= {"color": told["color"], "shape": told["shape"]}
        layers.insert(1, {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": lines})
    spec = {
        "data": {"values": rows},
        "layer": [
            {
                "data": {"values": [{"a": 0}, {"a": scale["domain"][1]}]},
                "mark": {"type": "line", "color": COLOURS["text-muted"], "strokeDash": [4, 4]},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative"},
                    "y": {"field": "a", "type": "quantitative"},
                },
            },
            *layers,
        ],
    }
    columns = ["Predicted", "Won", "90 % interval", "Leads"]
    return Chart(
        title="Predicted and observed share won",
        description=_calibrated(curves),
        spec=spec,
        columns=columns if len(curves) == 1 else ["Model", *columns],
        rows=[
            [
                *([name] if len(curves) > 1 else []),
                _percent(b.p, 1),
                _percent(b.rate, 1),
                f"{_percent(b.low)} to {_percent(b.high)}",
                f"{b.n:,}",
            ]
            for name, bins in curves.items()
            for b in bins
        ],
    )


def _calibrated(curves: Mapping[str, Sequence[CalibrationBin]]) -> str:
    """Return of how many groups of leads each model's prediction fits what was won."""
    held = [(name, sum(b.low <= b.p <= b.high for b in bins)) for name, bins in curves.items()]
    (name, inside), *others = held
    by = f" by {name}" if others else ""
    words = (
        f"In {inside} of {len(curves[name])} groups of leads the predicted share{by} lies within "
        "the 90 % interval of what was won"
    )
    words += "".join(f", by {other} in {n} of {len(curves[other])}" for other, n in others)
    return f"{words}; on the dashed diagonal a prediction is exactly right."


def _told_apart(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the encodings by which models are told apart: colour, dashes of a line, shape."""
    styles: dict[str, list[Any]] = {
        "color": [COLOURS["accent"], COLOURS["less"], COLOURS["none-mark"]],
        "strokeDash": [[1, 0], [6, 3], [2, 2]],
        "shape": ["circle", "diamond", "square"],
    }
    return {
        channel: {
            "field": "model",
            "type": "nominal",
            "scale": {"domain": list(names), "range": values[: len(names)]},
        }
        for channel, values in styles.items()
    }


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
