"""Training rows: what was known about past leads when it was decided, and how they ended.

A row is the latest snapshot before the outcome, never today's values, with the answers that were
recorded by then or a day before the outcome (docs/domain/learning.md).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from leads.models import CustomField
from scoring.assess import assess, place
from scoring.facts import Rows
from scoring.features import DAY, Facts, Floats, Ints, no_numbers
from scoring.fields import CUSTOM, Field, all_fields
from scoring.learning.notices import Notice
from scoring.live import LiveConfig, LiveModel
from scoring.past_facts import NO_ORDER, Past, known_when, read_past
from scoring.tiers import NONE

_AT_ONCE = 100_000  # leads that are placed or scored together, which bounds memory


@dataclass(frozen=True)
class Training:
    """n past leads in order of their outcomes, with the facts of their decisions; those of one
    hour by lot, for an import has the order of its file, which may be by outcome.

    `rows.facts` has every wanted field, rating and counter; `y` (n,) is 1 for won, `at` (n,) when
    the outcome was known (seconds since the epoch); `repeat_of` (n,) is one number for leads from
    rows of an import that name nobody and say the same; `in_order` is False when the times say
    nothing of these leads (one import). Whatever part of them is taken: `immature` counts open
    leads that are too young to say how they end, `closed` all past leads that were read, `left_out`
    those that were disqualified before any contact or have no snapshot.
    """

    rows: Rows
    y: Floats
    at: Floats
    repeat_of: Ints
    in_order: bool
    immature: int
    closed: int
    left_out: int
    demo: bool
    notices: list[Notice] = field(default_factory=list)

    @property
    def n(self) -> int:
        """The number of past leads."""
        return len(self.y)

    @property
    def immature_share(self) -> float:
        """The share of leads that are too young to learn from, of all models together."""
        return self.immature / max(1, self.immature + self.closed)

    def with_texts_alone(self, names: Collection[str]) -> "Training":
        """Return the same past leads with no facts but some texts: all else takes memory."""
        facts = self.rows.facts
        texts = {name: v for name, v in facts.text_columns.items() if name in names}
        few = replace(
            facts,
            number_columns={},
            text_columns=texts,
            ratings={},
            observed_at={},
            expires_at={},
            counts={},
            last_at={},
        )
        return replace(self, rows=Rows(few, {}, self.rows.expired))

    def take(self, rows: Ints | npt.NDArray[np.bool_]) -> "Training":
        """Return some of the past leads, in the same order."""
        return replace(
            self,
            rows=self.rows.take(rows),
            y=self.y[rows],
            at=self.at[rows],
            repeat_of=self.repeat_of[rows],
            in_order=self.in_order and _tells_order(self.at[rows]),
        )


def read_training(
    configs: Sequence[LiveConfig],
    extra: Collection[Field] = (),
    *,
    since: float = 0.0,
    most: int | None = None,
) -> Training:
    """Read the training rows with all facts that any of `configs` reads, and the fields `extra`:
    of leads whose outcome came at `since` (seconds since the epoch) or later, the `most` newest.

    Engagement that nobody counted then is counted from the activities of before. A field that
    nothing captured when a snapshot was taken is filled from what the lead was then, when it is one
    that is known on arrival; a field that is known with the outcome only is never read.
    """
    known = all_fields()
    names = {f.name for config in configs for f in config.used_fields} | {f.name for f in extra}
    fields = [known[name] for name in sorted(names) if name in known]
    dimensions = sorted({d for config in configs for d in config.dimensions})
    counters = sorted({c for config in configs for c in config.counters})
    when = known_when()
    notices = [
        Notice("leaky_field", f.label, f"{f.label} is known with the outcome only; it is left out.")
        for f in fields
        if when.get(f.name) == CustomField.KnownWhen.OUTCOME
    ]
    past = read_past(fields, dimensions, counters, since=since, most=most)
    facts = _facts(past, fields, dimensions, counters)
    notices += _of_filled_later(past.filled_later, fields, facts)
    at: Floats = past.columns["moment"]
    return Training(
        rows=Rows(facts, _no_standing(facts.n), np.empty(0, dtype=np.int64)),
        y=past.columns["y"].astype(np.float64),
        at=at,
        repeat_of=past.columns["repeat"],
        in_order=_tells_order(at),
        immature=past.immature,
        closed=facts.n,
        left_out=past.left_out,
        demo=past.demo,
        notices=notices,
    )


def of_model(found: Training, live: LiveModel, config: LiveConfig) -> Training:
    """Return the past leads that a live model would have scored by the facts of then."""
    return found.take(scored_by(found, live, config))


def scored_by(found: Training, model: LiveModel, config: LiveConfig) -> npt.NDArray[np.bool_]:
    """Return which past leads a model of a configuration would have scored, shape (n,)."""
    mine = np.zeros(found.n, dtype=bool)
    for part in _parts(found.n):
        mine[part] = place(found.rows.take(part), config).model == config.everything.index(model)
    return mine


def scored(found: Training, config: LiveConfig) -> tuple[Floats, Ints]:
    """Return what past leads would have had by a configuration: the log-odds of p (n,), which order
    leads of several models, and the tier (n,).
    """
    p, tier = np.empty(found.n), np.empty(found.n, dtype=np.int64)
    for part in _parts(found.n):
        result = assess(found.rows.take(part), config)
        p[part], tier[part] = result.p, result.tier
    return logit(np.clip(p, 1e-9, 1 - 1e-9)), tier


def _parts(n: int) -> Iterator[Ints]:
    for start in range(0, n, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, n))


def _tells_order(at: Floats) -> bool:
    """Return whether the times say which outcome came first: not when most are of one moment."""
    if len(at) < 2:
        return False
    low, high = np.quantile(at, [0.05, 0.95])
    return bool(high - low > NO_ORDER)


def _of_filled_later(
    later: Mapping[str, int], fields: Sequence[Field], facts: Facts
) -> Iterator[Notice]:
    """Yield a notice for each field that is mostly filled in when all is over."""
    for f in fields:
        after = later.get(f.name.removeprefix(CUSTOM), 0) if f.name.startswith(CUSTOM) else 0
        if f.type == "text":
            before = int((facts.text_columns[f.name][0] >= 0).sum())
        else:
            before = int((~np.isnan(facts.number_columns[f.name])).sum())
        if after > before:
            text = (
                f"{f.label} is mostly filled in after the outcome (on {after:,} leads, before it "
                f"on {before:,}): only what was known before it counts."
            )
            yield Notice("filled_later", f.label, text)


def _facts(
    past: Past,
    fields: Sequence[Field],
    dimensions: Sequence[str],
    counters: Sequence[tuple[str, int]],
) -> Facts:
    """Return the facts, each row's as of its own snapshot, which is moment 0 for all."""
    read = past.columns
    last_at: dict[str, Floats] = {}
    counts: dict[tuple[str, int], Floats] = {}
    tracked = read["tracked"] == 1
    for kind, days in counters:
        counts[kind, days] = np.nan_to_num(read[f"e.count.{kind}/{days}"], nan=0.0)
        since = -read[f"e.since.{kind}/{days}"] * DAY
        last_at[kind] = np.fmax(last_at[kind], since) if kind in last_at else since
    n = len(tracked)
    return Facts(
        lead_ids=read["lead"],
        as_of=0.0,
        number_columns={f.name: read[f"f.{f.name}"] for f in fields if f.type != "text"},
        text_columns={
            f.name: (read[f"f.{f.name}"], past.texts[f"f.{f.name}"])
            for f in fields
            if f.type == "text"
        },
        ratings={d: read[f"a.rating.{d}"] for d in dimensions},
        observed_at={d: -read[f"a.age.{d}"] for d in dimensions},
        expires_at={d: no_numbers(n) for d in dimensions},
        counts=counts,
        last_at=last_at,
        tracked=tracked,
    )


def _no_standing(n: int) -> dict[str, npt.NDArray[Any]]:
    """Return what assessing needs beside the facts: n leads with no past, in their first round."""
    none = np.full(n, NONE, dtype=np.int64)
    return {
        "model": np.zeros(n, dtype=np.int64),
        "step_tier": none,
        "override_tier": none,
        "override_until": no_numbers(n),
        "round": np.ones(n, dtype=np.int64),
        "created": np.zeros(n),
        "deal_value": no_numbers(n),
    }
