"""Past leads made from a known truth, as tables and as files."""

import numpy as np
from scipy.special import expit

from scoring.features import Floats
from scoring.learning.reading import Sheet
from scoring.learning.table import Table, column_of_texts

INDUSTRIES = ("retail", "software", "health", "finance", "public")
CHANNELS = ("referral", "web", "event", "ads")


def made(kind: str, n: int, seed: int = 0) -> tuple[dict[str, list[str]], Floats]:
    """Return (columns of texts, outcomes) of n leads of a world.

    `strong` and `weak` add up; `noise` says nothing; `drift` moves its base rate by time (column
    `day`); `together` needs two conditions; `blanks` wins less where employees are not filled in.
    """
    random = np.random.default_rng(seed)
    employees = 1 + np.round(np.exp(random.normal(4, 1.3, n)))
    industry = random.integers(len(INDUSTRIES), size=n)
    channel = random.integers(len(CHANNELS), size=n)
    budget = random.integers(2, size=n)
    pages = random.poisson(4, n)
    size = np.clip((np.log(employees) - 4) / 1.3, -2, 2)
    score = 1.1 * size + 0.9 * (channel == 0) - 0.8 * (industry == 4) + 1.2 * budget + 0.2 * pages
    score -= score.mean()
    day = np.arange(n)
    blank = random.random(n) < 0.3
    odds = {
        "strong": -0.8 + 1.2 * score,
        "weak": -2.2 + 0.35 * score,
        "noise": np.full(n, -1.0),
        "drift": -1.5 + 0.8 * score + 2.0 * np.sin(2 * np.pi * day / n),
        "together": -1.6 + 3.0 * ((budget == 1) & (pages > 4)) + 0.4 * (channel == 0),
        "blanks": -0.5 + 0.4 * score - 1.8 * blank,
    }[kind]
    y = (random.random(n) < expit(odds)).astype(float)
    columns = {
        "Employees": [f"{value:.0f}" for value in employees],
        "Industry": [INDUSTRIES[i] for i in industry],
        "Channel": [CHANNELS[i] for i in channel],
        "Budget": ["yes" if b else "no" for b in budget],
        "Pages": [str(p) for p in pages],
        "Colour": [("red", "green", "blue")[i] for i in random.integers(3, size=n)],
    }
    if kind == "blanks":
        columns["Employees"] = [
            "" if lacks else text for lacks, text in zip(blank, columns["Employees"], strict=True)
        ]
    if kind == "drift":
        columns["Day"] = [str(d) for d in day]
    return columns, y


def table_of(columns: dict[str, list[str]]) -> Table:
    """Return columns of texts as a typed table."""
    n = len(next(iter(columns.values())))
    return Table(n, {name: column_of_texts(name, texts) for name, texts in columns.items()})


def sheet_of(columns: dict[str, list[str]], y: Floats) -> Sheet:
    """Return a file with the outcome in the column `Outcome`, won or lost."""
    outcome = ["won" if won else "lost" for won in y]
    return Sheet([*columns, "Outcome"], [*columns.values(), outcome], [])


def as_csv(columns: dict[str, list[str]], y: Floats, delimiter: str = ",") -> bytes:
    """Return the bytes of such a file."""
    sheet = sheet_of(columns, y)
    lines = [delimiter.join(sheet.header)]
    lines += [delimiter.join(row) for row in zip(*sheet.columns, strict=True)]
    return ("\n".join(lines) + "\n").encode()
