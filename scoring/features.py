"""From a column-wise table of facts to a model's signals. Pure; one lead is a table of one row.

`Facts` is what scoring one lead, a million, what-if, preview and learning all start from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from core import conditions
from core.conditions import FieldType
from scoring.definitions import Attribute, Icp, Model, Signal

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class Facts:
    """Facts of n leads as of one moment. All times are seconds since the epoch, NaN for none.

    `number_columns[name]` (n,) NaN missing; `text_columns[name]` codes (n,), −1 missing, and the
    values they index; `ratings[dimension]` (n,) 0–100, NaN unknown, unexpired only, with
    `observed_at` and `expires_at` beside it; `counts[kind, half_life]` (n,) decayed to `as_of`,
    0 for none, and `last_at[kind]`; `tracked` (n,) whether silence means no interest.
    """

    lead_ids: Ints
    as_of: float
    number_columns: Mapping[str, Floats]
    text_columns: Mapping[str, tuple[Ints, list[str]]]
    ratings: Mapping[str, Floats]
    observed_at: Mapping[str, Floats]
    expires_at: Mapping[str, Floats]
    counts: Mapping[tuple[str, int], Floats]
    last_at: Mapping[str, Floats]
    tracked: Bools
    evidence_ids: Mapping[str, Ints] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """The number of leads."""
        return len(self.lead_ids)

    def numbers(self, field: str) -> Floats:
        """Return a number or bool column (core.conditions.Columns)."""
        return self.number_columns[field]

    def texts(self, field: str) -> tuple[Ints, list[str]]:
        """Return a text column (core.conditions.Columns)."""
        return self.text_columns[field]

    def take(self, rows: Ints | Bools) -> "Facts":
        """Return the facts of the chosen rows; a row may be chosen more than once."""
        return Facts(
            lead_ids=self.lead_ids[rows],
            as_of=self.as_of,
            number_columns={k: v[rows] for k, v in self.number_columns.items()},
            text_columns={k: (c[rows], values) for k, (c, values) in self.text_columns.items()},
            ratings={k: v[rows] for k, v in self.ratings.items()},
            observed_at={k: v[rows] for k, v in self.observed_at.items()},
            expires_at={k: v[rows] for k, v in self.expires_at.items()},
            counts={k: v[rows] for k, v in self.counts.items()},
            last_at={k: v[rows] for k, v in self.last_at.items()},
            tracked=self.tracked[rows],
            evidence_ids={k: v[rows] for k, v in self.evidence_ids.items()},
        )

    def with_rating(self, dimension: str, ratings: Floats) -> "Facts":
        """Return the same facts with the ratings of one dimension replaced, for what-if."""
        return replace(self, ratings={**self.ratings, dimension: ratings})


def no_numbers(n: int) -> Floats:
    """Return a column of n missing numbers."""
    return np.full(n, np.nan)


def places_of(wanted: Ints, among: Ints) -> Ints:
    """Return where each of `wanted` stands in `among`, whose values all differ and hold them."""
    order = np.argsort(among)
    return order[np.searchsorted(among, wanted, sorter=order)]


def bands(attribute: Attribute, facts: Facts, fields: Mapping[str, FieldType]) -> Ints:
    """Return the index of each lead's band, shape (n,): the first whose rule is true.

    len(bands) stands for a known value in no band, −1 for unknown (no rule true, one unknown).
    """
    found = np.full(facts.n, len(attribute.bands), dtype=np.int64)
    unknown = np.zeros(facts.n, dtype=bool)
    for index in reversed(range(len(attribute.bands))):
        truth = conditions.evaluate(attribute.bands[index].rule, facts, fields)
        unknown |= truth == conditions.UNKNOWN
        found[truth == conditions.TRUE] = index
    found[(found == len(attribute.bands)) & unknown] = -1
    return found


def band_values(signal: Signal, attribute: Attribute) -> Floats:
    """Return x for each band, then 0 for "no band" and NaN for unknown, shape (bands + 2,)."""
    values = [signal.values.get(band.key, band.x) for band in attribute.bands]
    return np.array([*values, 0.0, np.nan])


def signal_matrix(model: Model, icp: Icp, facts: Facts, fields: Mapping[str, FieldType]) -> Floats:
    """Return x of every signal of `model`, shape (n, signals), NaN where unknown."""
    x = np.empty((facts.n, len(model.signals)))
    found: dict[str, Ints] = {}
    for column, signal in enumerate(model.signals):
        if signal.attribute is not None:
            attribute = icp.attribute(signal.attribute)
            if signal.attribute not in found:
                found[signal.attribute] = bands(attribute, facts, fields)
            # −1 indexes the last cell, which is NaN.
            x[:, column] = band_values(signal, attribute)[found[signal.attribute]]
        elif signal.dimension is not None:
            ratings = facts.ratings.get(signal.dimension)
            x[:, column] = np.nan if ratings is None else ratings / 100.0
        else:
            x[:, column] = np.where(facts.tracked, _engagement_x(signal, facts), np.nan)
    return x


def fit_matrix(model: Model, icp: Icp, facts: Facts, fields: Mapping[str, FieldType]) -> Floats:
    """Return x of the fit signals only, shape (n, fit signals): what choosing an ICP needs."""
    return signal_matrix(replace(model, signals=tuple(model.of_group("fit"))), icp, facts, fields)


def _engagement_x(signal: Signal, facts: Facts) -> Floats | float:
    last = facts.last_at.get(signal.activity or "")
    if last is None:
        return 0.0
    if signal.window_days is not None:
        return np.where(facts.as_of < last + signal.window_days * DAY, 1.0, 0.0)
    counts = facts.counts.get((signal.activity or "", signal.half_life_days))
    return 0.0 if counts is None else np.minimum(1.0, counts / signal.cap)


def decayed(value: Floats, as_of: Floats, half_life_days: Floats, now: float) -> Floats:
    """Return counters brought from their `as_of` to `now`; half-life 0 does not decay."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.exp2(-(now - as_of) / DAY / half_life_days)
    return value * np.where(half_life_days == 0, 1.0, factor)
