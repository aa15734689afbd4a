"""How the range of a score narrowed in a call, as steps on an SVG. Pure: numbers in, shapes out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 30, 10, 18, 22
MOST_LABELS = 20


@dataclass(frozen=True)
class Step:
    """The standing from one answer to the next; `label` stands below it, "" for none."""

    label: str
    low: int
    score: int
    high: int
    tier: str


@dataclass(frozen=True)
class Mark:
    """A number below a step, or a change of tier above one, at `x` and `y`."""

    x: float
    y: float
    text: str
    tier: str


@dataclass(frozen=True)
class StepPlot:
    """Shapes in a box of `width` × `height`: the band from low to high and the line of the score as
    path data, the scale's lines as (y, label), and the marks.
    """

    width: int
    height: int
    left: int
    right: int
    band: str
    line: str
    scale: list[tuple[float, int]]
    below: list[Mark]
    crossings: list[Mark]
    points: list[Mark]


def step_plot(steps: Sequence[Step]) -> StepPlot:
    """Return the plot of at least one step; each has the same width and holds until the next."""
    room = (WIDTH - LEFT - RIGHT) / len(steps)
    edges = [LEFT + room * index for index in range(len(steps) + 1)]
    every = -(-len(steps) // MOST_LABELS)
    below = [
        Mark(edges[i] + room / 2, HEIGHT - 6, step.label, step.tier)
        for i, step in enumerate(steps)
        if step.label and i % every == 0
    ]
    crossings = [
        Mark(edges[i], max(_y(now.high) - 5, 10), f"{before.tier or 'none'} → {now.tier}", now.tier)
        for i, (before, now) in enumerate(itertools.pairwise(steps), 1)
        if now.tier and now.tier != before.tier
    ]
    return StepPlot(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        band=_steps(edges, [s.high for s in steps], "M")
        + _steps(edges[::-1], [s.low for s in steps][::-1], "L")
        + "Z",
        line=_steps(edges, [s.score for s in steps], "M"),
        scale=[(_y(value), value) for value in (0, 50, 100)],
        below=below,
        crossings=crossings,
        points=[
            Mark(edges[i] + room / 2, _y(step.score), str(step.score), step.tier)
            for i, step in enumerate(steps)
        ],
    )


def _y(value: float) -> float:
    return round(TOP + (100 - value) / 100 * (HEIGHT - TOP - BOTTOM), 1)


def _steps(edges: Sequence[float], values: Sequence[int], begin: str) -> str:
    """Return path data of a stair: `values` between `edges`, either from left or from right."""
    path = f"{begin}{edges[0]:.1f} {_y(values[0])}"
    for at, value in enumerate(values):
        path += f"V{_y(value)}H{edges[at + 1]:.1f}"
    return path
