"""Charts of how well scores predict outcomes: wins that the same calls reach, what p is worth."""

from collections.abc import Mapping, Sequence

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
    colours = [COLOURS["accent"], COLOURS["less"], COLOURS["none-mark"]][: len(names)]
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
                    "color": {
                        "field": "model",
                        "type": "nominal",
                        "scale": {"domain": names, "range": colours},
                    },
                    "strokeDash": {
                        "field": "model",
                        "type": "nominal",
                        "scale": {"domain": names, "range": [[1, 0], [6, 3], [2, 2]][: len(names)]},
                    },
                },
            },
        ]
    }
    first, size = curves[names[0]], len(curves[names[0]]) - 1
    steps = [round(size * step / TABLE_STEPS) for step in range(1, TABLE_STEPS + 1)]
    return Chart(
        title="Wins reached by calling the best leads first",
        description=(
            f"The best fifth of the leads holds {_percent(float(first[round(size / 5)]))} of the "
            f"wins by {names[0]}; the dashed diagonal is calling in any order."
        ),
        spec=spec,
        columns=["Leads called", *names],
        rows=[
            [_percent(step / size), *(_percent(float(curve[step])) for curve in curves.values())]
            for step in steps
        ],
    )


def calibration_chart(bins: Sequence[CalibrationBin]) -> Chart:
    """Return predicted against observed shares won, with 90 % intervals of what was observed."""
    rows = [
        {"p": 100 * b.p, "rate": 100 * b.rate, "low": 100 * b.low, "high": 100 * b.high}
        for b in bins
    ]
    most = max(5.0, *(row["high"] for row in rows), *(row["p"] for row in rows))
    scale = {"domain": [0, min(100.0, 5 * -(-most // 5))]}
    x = {"field": "p", "type": "quantitative", "title": "Predicted (%)", "scale": scale}
    spec = {
        "layer": [
            {
                "data": {"values": [{"a": 0}, {"a": scale["domain"][1]}]},
                "mark": {"type": "line", "color": COLOURS["text-muted"], "strokeDash": [4, 4]},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative"},
                    "y": {"field": "a", "type": "quantitative"},
                },
            },
            {
                "data": {"values": rows},
                "mark": {"type": "rule"},
                "encoding": {
                    "x": x,
                    "y": {"field": "low", "type": "quantitative", "title": "Won (%)"},
                    "y2": {"field": "high"},
                },
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "size": 60, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": {"field": "rate", "type": "quantitative", "scale": scale},
                },
            },
        ]
    }
    inside = sum(b.low <= b.p <= b.high for b in bins)
    return Chart(
        title="Predicted and observed share won",
        description=(
            f"In {inside} of {len(bins)} groups of leads the predicted share lies within the 90 % "
            "interval of what was won; on the dashed diagonal a prediction is exactly right."
        ),
        spec=spec,
        columns=["Predicted", "Won", "90 % interval", "Leads"],
        rows=[
            [
                _percent(b.p, 1),
                _percent(b.rate, 1),
                f"{_percent(b.low)} to {_percent(b.high)}",
                f"{b.n:,}",
            ]
            for b in bins
        ],
    )


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
