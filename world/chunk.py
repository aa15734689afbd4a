"""A chunk of the made-up world: its rows as columns of numbers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from world.lists import B2B_SHARE, LEADS_PER_COMPANY

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CHUNK = 10_000  # leads


@dataclass(frozen=True)
class Setting:
    """What a world is made of; `now` is in seconds since the epoch, and nothing happens after it.

    `dimensions` of the frameworks that serve B2B and B2C leads; `expiry_days` of an answer about
    each; `gates` the least ratings that must be known for the stage SQL.
    """

    seed: int
    leads: int
    now: float
    reps: int
    dimensions: Mapping[str, tuple[str, ...]]
    expiry_days: Mapping[str, float]
    gates: Mapping[str, Mapping[str, int]]
    closes: float = 0.6  # share of the leads that are decided sooner or later

    @property
    def chunks(self) -> int:
        """How many chunks the world has."""
        return -(-self.leads // CHUNK)

    def size(self, number: int) -> int:
        """How many leads chunk `number` has."""
        return min(CHUNK, self.leads - number * CHUNK)

    @property
    def companies(self) -> int:
        """How many companies the world has."""
        return self.companies_before(self.chunks - 1) + company_count(self.size(self.chunks - 1))

    def companies_before(self, number: int) -> int:
        """How many companies the chunks before `number` have; only the last chunk is not full."""
        return number * company_count(CHUNK)

    @property
    def all_dimensions(self) -> tuple[str, ...]:
        """Every dimension once; answers carry its place here."""
        return tuple(sorted({d for ds in self.dimensions.values() for d in ds}))


def company_count(leads: int) -> int:
    """Return how many companies a chunk of so many leads has."""
    return max(1, round(leads * B2B_SHARE / LEADS_PER_COMPANY))


@dataclass
class Companies:
    """Companies of a chunk: codes into the tables above, NOTHING where blank; money in cents."""

    industry: Ints
    country: Ints
    employees: Ints
    revenue: Ints


@dataclass
class Leads:
    """Leads of a chunk: codes into tables, NOTHING where blank, times in seconds or NaN.

    `company` counts within the chunk, `rep` within the reps; `owned` says whether the rep owns the
    lead or it waits in the rep's team. `end` is when the lead closed, else now.
    """

    b2b: Bools
    company: Ints
    given: Ints
    family: Ints
    title: Ints
    seniority: Ints
    email: Ints
    phone: Ints
    age: Ints
    country: Ints
    zone: Ints
    value: Ints
    source: Ints
    campaign: Ints
    rep: Ints
    owned: Bools
    created: Floats
    contacted: Floats
    end: Floats
    closed: Bools
    stage: Ints
    round: Ints
    p_win: Floats

    @property
    def n(self) -> int:
        """The number of leads."""
        return len(self.b2b)


@dataclass
class Happenings:
    """Activities: `lead` counts within the chunk, `a` and `b` say more in the way of the kind.

    stage_moved: codes of the stages from and to; evidence_added: place of the dimension, rating;
    outcome_recorded: code of the result, of the reason; tier_changed: see world.history. For all
    others a random number that picks the words.
    """

    lead: Ints
    kind: Ints
    at: Floats
    a: Ints
    b: Ints
    by_rep: Bools

    @classmethod
    def joined(cls, parts: "list[Happenings]") -> "Happenings":
        """Return all parts as one, in the order of leads and times."""
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("lead", "kind", "at", "a", "b", "by_rep")
        }
        order = np.lexsort((columns["at"], columns["lead"]))
        return cls(**{name: column[order] for name, column in columns.items()})


@dataclass
class Answers:
    """Evidence; `dimension` is a place in Setting.all_dimensions, `pick` picks the words."""

    lead: Ints
    dimension: Ints
    rating: Ints
    observed: Floats
    expires: Floats
    current: Bools
    source: Ints
    pick: Ints


@dataclass
class Ends:
    """Outcomes; `result` and `reason` are codes, `value` in cents or NOTHING."""

    lead: Ints
    round: Ints
    result: Ints
    reason: Ints
    value: Ints
    at: Floats


@dataclass
class Chunk:
    """One chunk of the world."""

    number: int
    companies: Companies
    leads: Leads
    happenings: Happenings
    answers: Answers
    ends: Ends
