"""Past leads made from known truths, for measuring and testing the learner. Pure."""

import numpy as np
from scipy.special import expit

from scoring.features import Floats
from scoring.learning.table import Sheet
from world.truth import TRUTHS, win_probability

INDUSTRIES = ("retail", "software", "health", "finance", "public")
CHANNELS = ("referral", "web", "event", "ads")
KINDS = ("strong", "weak", "noise", "drift", "together", "blanks")


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


def sheet_of(columns: dict[str, list[str]], y: Floats) -> Sheet:
    """Return a file with the outcome in the column `Outcome`, won or lost."""
    outcome = ["won" if won else "lost" for won in y]
    return Sheet([*columns, "Outcome"], [*columns.values(), outcome], [])


def of_world(kind: str, n: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Return signals x (n, p) of leads of the generated world, outcomes (n,), true weights (p,).

    A band of each attribute, the most frequent, has no signal: the others compare with it.
    """
    random = np.random.default_rng(seed)
    truth = TRUTHS[kind]
    bands, columns, weights = {}, [], []
    for attribute, worth in truth.bands.items():
        names = list(worth)
        share = random.dirichlet(np.full(len(names), 8.0))
        drawn = random.choice(len(names), size=n, p=share)
        bands[attribute] = np.array(names)[drawn]
        usual = int(np.bincount(drawn, minlength=len(names)).argmax())
        for index, name in enumerate(names):
            if index != usual:
                columns.append(drawn == index)
                weights.append(worth[name] - worth[names[usual]])
    ratings = {d: random.choice([0, 33, 67, 100], size=n) for d in truth.ratings}
    engagement = {k: random.beta(0.6, 1.2, n) for k in truth.engagement}
    columns += [ratings[d] / 100 for d in truth.ratings] + [*engagement.values()]
    weights += [*truth.ratings.values(), *truth.engagement.values()]
    p = win_probability(kind, bands, ratings, engagement, random.normal(size=n))
    y = (random.random(n) < p).astype(float)
    return np.column_stack(columns).astype(float), y, np.array(weights)
