"""The steps of a score: what is drawn is what was, in order and inside the box."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from calls.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Step, step_plot

SCORES = st.integers(0, 100)


@given(
    st.lists(st.tuples(SCORES, SCORES, SCORES, st.sampled_from(["hot", "cold", ""])), min_size=1)
)
def test_every_score_has_its_place(rows: list[tuple[int, int, int, str]]) -> None:
    steps = []
    for number, (one, two, three, tier) in enumerate(rows):
        low, score, high = sorted((one, two, three))
        steps.append(Step(str(number), low, score, high, tier))
    plot = step_plot(steps)
    drawn = [float(y) for y in re.findall(r"V([\d.]+)", plot.line)]
    values = [100 - 100 * (y - TOP) / (HEIGHT - TOP - BOTTOM) for y in drawn]
    assert [round(value) for value in values] == [step.score for step in steps]
    assert plot.band.endswith("Z")
    numbers = [float(x) for x in re.findall(r"H([\d.]+)", plot.band)]
    assert all(LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1 for x in numbers)
    assert len(plot.below) <= 20
    moved = sum(b.tier != a.tier and bool(b.tier) for a, b in itertools.pairwise(steps))
    assert len(plot.crossings) == moved
