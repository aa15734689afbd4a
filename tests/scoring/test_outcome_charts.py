"""Charts of predictions: drawn, and the same numbers as a table."""

import re

from core.charts import COLOURS
from scoring.learning.evaluate import CalibrationBin
from scoring.outcome_charts import calibration_chart, gain_chart


def test_the_gain_chart_draws_both_models_and_tells_their_numbers() -> None:
    curve = [min(1.0, 2 * i / 50) for i in range(51)]
    chart = gain_chart({"learned": curve, "start": [i / 50 for i in range(51)]})
    assert chart.rows[1] == ["20 %", "40 %", "20 %"]
    assert "40 % of the wins by learned, 20 % by start;" in chart.description
    assert set(re.findall(r'stroke="(#\w+)"', chart.svg)) <= set(COLOURS.values())
    assert COLOURS["accent"] in chart.svg
    assert COLOURS["less"] in chart.svg


def test_the_calibration_chart_counts_the_groups_that_are_right() -> None:
    bins = [CalibrationBin(0.1, 0.12, 0.08, 0.17, 100), CalibrationBin(0.6, 0.2, 0.15, 0.3, 100)]
    chart = calibration_chart({"Learned": bins})
    assert "In 1 of 2 groups" in chart.description
    assert chart.rows[0] == ["10.0 %", "12.0 %", "8 % to 17 %", "100"]
    assert set(re.findall(r'fill="(#\w+)"', chart.svg)) <= set(COLOURS.values())
    # Beside another model's: lines, shapes and words tell them apart, not colours alone.
    both = calibration_chart({"Proposed": bins, "Live": [CalibrationBin(0.3, 0.31, 0.2, 0.4, 200)]})
    assert "by Proposed lies within" in both.description
    assert ", by Live in 1 of 1;" in both.description
    assert both.columns[0] == "Model"
    assert [row[:2] for row in both.rows] == [
        ["Proposed", "10.0 %"],
        ["Proposed", "60.0 %"],
        ["Live", "30.0 %"],
    ]
    assert "Live</text>" in both.svg
    assert "stroke-dasharray" in both.svg.replace('stroke-dasharray="4,4"', "")
    used = re.findall(r'(?:fill|stroke)="(#\w+)"', both.svg)
    assert {COLOURS["accent"], COLOURS["less"]} <= set(used) <= set(COLOURS.values())
