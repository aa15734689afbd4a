"""What the leads of a chunk scored along the way. Pure.

The scores of a real workspace are written as things happen. Here they are worked out afterwards by
the same functional core (`scoring.assess`), once for the n-th moment of every lead together: its
creation, each event or answer, a while of silence, its end. Times are given to the core relative to
each lead's own moment, so that leads at different moments make one table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from leads.activities import Kind
from leads.stages import StageKey
from scoring.assess import Assessment, assess
from scoring.facts import Rows
from scoring.features import DAY, Facts, no_numbers
from scoring.live import LiveConfig
from scoring.models import Evidence, ScoreChange, Snapshot
from scoring.rescoring import facts_as_json
from scoring.tiers import NONE
from world.chunk import Answers, Bools, Chunk, Floats, Happenings, Ints, Setting
from world.lists import (
    COUNTRIES,
    EMAIL_KINDS,
    EVIDENCE_SOURCES,
    INDUSTRIES,
    KINDS,
    NOTHING,
    SENIORITIES,
    SOURCES,
    STAGES,
)
from world.names import ALL_TITLES

SILENCES = (20.0, 45.0, 92.0, 135.0, 181.0)  # days after a lead's last event: time alone may act
MOST_MOMENTS = 18  # of one lead, beside its end; a few very busy leads have more
LONGEST_CALL = 3_600.0  # seconds within which answers belong to one call
CAUSES = tuple(ScoreChange.Cause)
REASONS = tuple(Snapshot.Reason)


@dataclass
class Changes:
    """Score changes: `lead` counts within the chunk, `cause` into CAUSES, tiers are codes."""

    lead: Ints
    at: Floats
    from_score: Ints
    to_score: Ints
    from_tier: Ints
    to_tier: Ints
    cause: Ints
    model: Ints


@dataclass
class Snapshots:
    """Facts at moments of decision; `reason` into REASONS, `facts` as JSON."""

    lead: Ints
    reason: Ints
    at: Floats
    score: Ints
    model: Ints
    facts: list[str]


@dataclass
class History:
    """What became of the scores of a chunk."""

    changes: Changes
    snapshots: Snapshots


@dataclass
class _Moments:
    """All moments of all leads, by the number that each has within its lead."""

    lead: Ints
    at: Floats
    happened: Bools
    number: Ints
    ends_call: Bools
    is_end: Bools


@dataclass
class _Memory:
    """What a lead scored at its last moment."""

    score: Ints
    tier: Ints
    step_tier: Ints
    model: Ints
    mql_at: Floats


def write_history(chunk: Chunk, setting: Setting, config: LiveConfig) -> History:
    """Work out the chunk's history of scores; adds its MQL moves and tier changes to the chunk."""
    moments = _moments(chunk, config)
    tables = _Tables(chunk, setting, config)
    n = chunk.leads.n
    memory = _Memory(
        score=np.zeros(n, dtype=np.int64),
        tier=np.full(n, NONE),
        step_tier=np.full(n, NONE),
        model=np.zeros(n, dtype=np.int64),
        mql_at=np.full(n, np.nan),
    )
    left_new_at, ended = _left_new(chunk), _ended(chunk)
    ids = np.array([live.id for live in config.everything])
    changes: list[Changes] = []
    snapshots: list[Snapshots] = []
    for number in range(int(moments.number.max()) + 1):
        now = moments.number == number
        who, at, ends = moments.lead[now], moments.at[now], moments.is_end[now]
        # The world's rescore knows no earlier tier, so neither does the last line of its history.
        forgets = ends & ~chunk.leads.closed[who]
        rows = tables.rows(who, at, memory, forgets)
        result = assess(rows, config)
        model = ids[result.model]
        if number:
            changes.append(_changes(who, at, moments.happened[now], result, model, memory))
        became = result.is_mql & np.isnan(memory.mql_at[who]) & ~(left_new_at[who] <= at)
        closes = ends & ended[who]
        for reason, chosen in (
            (Snapshot.Reason.FIRST_SCORE, np.full(len(who), number == 0)),
            (Snapshot.Reason.MQL, became),
            (Snapshot.Reason.CALL, moments.ends_call[now]),
            (Snapshot.Reason.OUTCOME, closes),
        ):
            kept = np.flatnonzero(chosen)
            snapshots.append(_snapshots(reason, kept, who, at, rows, result, model))
        memory.score[who], memory.tier[who] = result.score, result.tier
        memory.step_tier[who], memory.model[who] = result.step_tier, model
        memory.mql_at[who[became]] = at[became]
    history = History(_joined(changes), _joined_snapshots(snapshots))
    _tell(chunk, history.changes, memory.mql_at)
    return history


def _moments(chunk: Chunk, config: LiveConfig) -> _Moments:
    """Collect the moments of all leads, in the order of leads and times."""
    leads, h = chunk.leads, chunk.happenings
    counted = np.isin(h.kind, [KINDS.index(Kind(kind)) for kind, _ in config.counters])
    event_lead = np.concatenate([h.lead[counted], chunk.answers.lead])
    event_at = np.concatenate([h.at[counted], chunk.answers.observed])
    last = leads.created.copy()
    np.maximum.at(last, event_lead, event_at)
    everyone = np.arange(leads.n)
    quiet = [last + days * DAY for days in SILENCES]
    silent = [np.flatnonzero(at < leads.end - DAY) for at in quiet]
    lead = np.concatenate([everyone, event_lead, *silent, everyone])
    at = np.concatenate(
        [leads.created, event_at, *(a[s] for a, s in zip(quiet, silent, strict=True)), leads.end]
    )
    happened = np.zeros(len(lead), dtype=bool)
    happened[leads.n : leads.n + len(event_lead)] = True
    ends_call = np.zeros(len(lead), dtype=bool)
    ends_call[leads.n + counted.sum() :][: len(chunk.answers.lead)] = _last_of_calls(chunk.answers)
    is_end = np.zeros(len(lead), dtype=bool)
    is_end[-leads.n :] = True
    order = np.lexsort((is_end, at, lead))
    number = np.arange(len(lead)) - np.searchsorted(lead[order], everyone)[lead[order]]
    order, number = (v[(number < MOST_MOMENTS) | is_end[order]] for v in (order, number))
    return _Moments(
        lead[order],
        at[order],
        happened[order],
        np.minimum(number, MOST_MOMENTS),
        ends_call[order],
        is_end[order],
    )


def _last_of_calls(answers: Answers) -> Bools:
    """Return which answers are the last of a call, at whose end the product keeps the facts."""
    by_call = np.flatnonzero(answers.source == EVIDENCE_SOURCES.index(Evidence.Source.CALL))
    order = by_call[np.lexsort((answers.observed[by_call], answers.lead[by_call]))]
    lead, at = answers.lead[order], answers.observed[order]
    ends = np.ones(len(order), dtype=bool)
    ends[:-1] = (lead[1:] != lead[:-1]) | (at[1:] - at[:-1] > LONGEST_CALL)
    found = np.zeros(len(answers.lead), dtype=bool)
    found[order[ends]] = True
    return found


def _left_new(chunk: Chunk) -> Floats:
    """Return when each lead left the stage new by hand or closed, infinity for never."""
    h = chunk.happenings
    left = np.isin(h.kind, [KINDS.index(Kind.STAGE_MOVED), KINDS.index(Kind.OUTCOME_RECORDED)])
    at = np.full(chunk.leads.n, np.inf)
    np.minimum.at(at, h.lead[left], h.at[left])
    return at


def _ended(chunk: Chunk) -> Bools:
    ended = np.zeros(chunk.leads.n, dtype=bool)
    ended[chunk.ends.lead] = True
    return ended


class _Tables:
    """The chunk's facts as the core wants them, for any leads at any moments of their own."""

    def __init__(self, chunk: Chunk, setting: Setting, config: LiveConfig) -> None:
        self._leads, self._setting, self._config = chunk.leads, setting, config
        self._numbers, self._texts = _fields(chunk)
        h = chunk.happenings
        self._events = {}
        for kind, _ in config.counters:
            mine = h.kind == KINDS.index(Kind(kind))
            self._events[kind] = (h.lead[mine], h.at[mine])
        self._answers = {}
        for place, dimension in enumerate(setting.all_dimensions):
            mine = chunk.answers.dimension == place
            a = chunk.answers
            self._answers[dimension] = (
                a.lead[mine],
                a.observed[mine],
                a.expires[mine],
                a.rating[mine],
            )
        self._tracked = np.array([s.tracked for s in SOURCES])[chunk.leads.source]

    def rows(self, who: Ints, at: Floats, memory: _Memory, forgets: Bools) -> Rows:
        """Return the facts of the leads `who`, each as of its own `at`, which becomes time zero."""
        n = self._leads.n
        moment = np.full(n, -np.inf)
        moment[who] = at
        counts, last_at, tracked = self._engagement(moment, who)
        ratings, observed, expires = self._evidence(moment, who)
        config = self._config
        facts = Facts(
            lead_ids=who,
            as_of=0.0,
            number_columns={
                f.name: self._numbers.get(f.name, no_numbers(n))[who]
                for f in config.used_fields
                if f.type != "text"
            },
            text_columns={
                f.name: (codes[who], values)
                for f in config.used_fields
                if f.type == "text"
                for codes, values in [self._texts.get(f.name, (np.full(n, NOTHING), [""]))]
            },
            ratings=ratings,
            observed_at=observed,
            expires_at=expires,
            counts=counts,
            last_at=last_at,
            tracked=self._tracked[who] | tracked,
        )
        value = self._leads.value[who]
        standing: dict[str, npt.NDArray[np.generic]] = {
            "model": np.where(forgets, 0, memory.model[who]),
            "step_tier": np.where(forgets, NONE, memory.step_tier[who]),
            "override_tier": np.full(len(who), NONE),
            "override_until": no_numbers(len(who)),
            "deal_value": np.where(value == NOTHING, np.nan, value),
            "round": np.ones(len(who), dtype=np.int64),
            "created": self._leads.created[who] - at,
        }
        return Rows(facts, standing, expired=np.empty(0, dtype=np.int64))

    def _engagement(
        self, moment: Floats, who: Ints
    ) -> tuple[dict[tuple[str, int], Floats], dict[str, Floats], Bools]:
        counts: dict[tuple[str, int], Floats] = {}
        last_at: dict[str, Floats] = {}
        tracked = np.zeros(len(moment), dtype=bool)
        for kind, half_life in self._config.counters:
            lead, at = self._events[kind]
            seen = at <= moment[lead]
            lead, at = lead[seen], at[seen]
            tracked[lead] = True
            age = (moment[lead] - at) / DAY
            weights = np.exp2(-age / half_life) if half_life else np.ones(len(lead))
            count = np.bincount(lead, weights, minlength=len(moment)).astype(np.float64)
            counts[kind, half_life] = count[who]
            last = np.full(len(moment), -np.inf)
            np.maximum.at(last, lead, at)
            since = last[who] - moment[who]
            last_at[kind] = np.where(np.isinf(since), np.nan, since)
        return counts, last_at, tracked[who]

    def _evidence(
        self, moment: Floats, who: Ints
    ) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, Floats]]:
        ratings: dict[str, Floats] = {}
        observed: dict[str, Floats] = {}
        expires: dict[str, Floats] = {}
        for dimension, (lead, at, until, rating) in self._answers.items():
            given = np.flatnonzero(at <= moment[lead])
            newest = np.full(len(moment), NOTHING)
            newest[lead[given]] = given  # in order of time: the last one stays
            found = newest[who]
            known = found != NOTHING
            known[known] = until[found[known]] > moment[who][known]
            for target, values in ((ratings, rating), (observed, at), (expires, until)):
                column = no_numbers(len(who))
                column[known] = values[found[known]]
                target[dimension] = column
            observed[dimension] -= moment[who]
            expires[dimension] -= moment[who]
        return ratings, observed, expires


def _fields(
    chunk: Chunk,
) -> tuple[dict[str, Floats], dict[str, tuple[Ints, list[str]]]]:
    """Return the chunk's columns under the names that rules use (scoring.fields)."""
    leads, companies = chunk.leads, chunk.companies
    works = leads.company != NOTHING

    def of_company(column: Ints) -> Ints:
        return np.where(works, column[leads.company], NOTHING)

    def number(column: Ints, scale: float = 1.0) -> Floats:
        return np.where(column == NOTHING, np.nan, column * scale)

    country = np.where(leads.country == NOTHING, of_company(companies.country), leads.country)
    numbers = {
        "age": number(leads.age),
        "employees": number(of_company(companies.employees)),
        "revenue": number(of_company(companies.revenue), 0.01),
        "value": number(leads.value, 0.01),
    }
    texts: dict[str, tuple[Ints, list[str]]] = {
        "kind": (np.where(leads.b2b, 0, 1), ["b2b", "b2c"]),
        "title": (leads.title, list(ALL_TITLES)),
        "seniority": (leads.seniority, [name for name, _ in SENIORITIES]),
        "email_kind": (leads.email, list(EMAIL_KINDS)),
        "country": (country, [name for name, *_ in COUNTRIES]),
        "industry": (of_company(companies.industry), [name for name, *_ in INDUSTRIES]),
        "channel": (leads.source, [source.channel for source in SOURCES]),
        "source": (leads.source, [source.name for source in SOURCES]),
    }
    return numbers, texts


def _changes(
    who: Ints, at: Floats, happened: Bools, result: Assessment, model: Ints, memory: _Memory
) -> Changes:
    """Return the moves worth a line: of the score by facts, of the tier by anything."""
    retiered = result.tier != memory.tier[who]
    moved = np.flatnonzero(retiered | (happened & (result.score != memory.score[who])))
    facts, time = CAUSES.index(ScoreChange.Cause.FACTS), CAUSES.index(ScoreChange.Cause.TIME)
    return Changes(
        lead=who[moved],
        at=at[moved],
        from_score=memory.score[who[moved]],
        to_score=result.score[moved],
        from_tier=memory.tier[who[moved]],
        to_tier=result.tier[moved],
        cause=np.where(happened[moved], facts, time),
        model=model[moved],
    )


def _snapshots(
    reason: Snapshot.Reason,
    chosen: Ints,
    who: Ints,
    at: Floats,
    rows: Rows,
    result: Assessment,
    model: Ints,
) -> Snapshots:
    return Snapshots(
        lead=who[chosen],
        reason=np.full(len(chosen), REASONS.index(reason)),
        at=at[chosen],
        score=result.score[chosen],
        model=model[chosen],
        facts=[orjson.dumps(facts).decode() for facts in facts_as_json(rows, chosen)],
    )


def _joined(parts: list[Changes]) -> Changes:
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Changes.__dataclass_fields__
    }
    order = np.lexsort((columns["at"], columns["lead"]))
    return Changes(**{name: column[order] for name, column in columns.items()})


def _joined_snapshots(parts: list[Snapshots]) -> Snapshots:
    facts = [text for part in parts for text in part.facts]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("lead", "reason", "at", "score", "model")
    }
    order = np.lexsort((columns["at"], columns["lead"]))
    return Snapshots(
        **{name: column[order] for name, column in columns.items()},
        facts=[facts[place] for place in order.tolist()],
    )


def _tell(chunk: Chunk, changes: Changes, mql_at: Floats) -> None:
    """Put MQL moves and tier changes on the timeline, and correct the stages that they touch."""
    h, leads = chunk.happenings, chunk.leads
    new, mql = STAGES.index(StageKey.NEW), STAGES.index(StageKey.MQL)
    from_new = (h.kind == KINDS.index(Kind.STAGE_MOVED)) & (h.a == new)
    h.a[from_new & ~np.isnan(mql_at[h.lead])] = mql
    became = np.flatnonzero(~np.isnan(mql_at))
    leads.stage[became] = np.where(leads.stage[became] == new, mql, leads.stage[became])
    tier_moves = np.flatnonzero(changes.from_tier != changes.to_tier)
    moved = np.concatenate([became, changes.lead[tier_moves]])
    chunk.happenings = Happenings.joined(
        [
            h,
            Happenings(
                lead=moved,
                kind=np.concatenate(
                    [
                        np.full(len(became), KINDS.index(Kind.STAGE_MOVED)),
                        np.full(len(tier_moves), KINDS.index(Kind.TIER_CHANGED)),
                    ]
                ),
                at=np.concatenate([mql_at[became], changes.at[tier_moves]]),
                a=np.concatenate([np.full(len(became), new), tier_moves]),
                b=np.concatenate([np.full(len(became), mql), np.zeros_like(tier_moves)]),
                by_rep=np.zeros(len(moved), dtype=bool),
            ),
        ]
    )
