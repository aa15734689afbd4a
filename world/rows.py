"""A chunk of the world as lines for COPY: words are found for its numbers here. Pure.

No text below holds a character that COPY would have to escape; the JSON of snapshots may, and is
escaped.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from leads.activities import Kind
from leads.stages import StageKey
from scoring.models import Snapshot
from scoring.tiers import NAMES
from world import names, words
from world.chunk import CHUNK, Bools, Chunk, Floats, Happenings, Ints, Setting
from world.history import CAUSES, REASONS, History
from world.lists import (
    COUNTRIES,
    EMAIL_KINDS,
    EVIDENCE_SOURCES,
    INDUSTRIES,
    KINDS,
    NOTHING,
    RESULTS,
    SENIORITIES,
    SOURCES,
    STAGES,
)

NULL = "\\N"


@dataclass(frozen=True)
class Cast:
    """The database ids that a world's codes stand for.

    `reps` are (user, team) ids, `sources` in the order of lists.SOURCES, `first_lead` and
    `first_company` the ids where the world begins, `first_name` and `first_mailbox` the numbers of
    the first company's name and of the first lead's free address. `answers` are (question, answer)
    keys by dimension and rating.
    """

    reps: tuple[tuple[int, int], ...]
    sources: tuple[int, ...]
    first_lead: int
    first_company: int
    first_name: int
    first_mailbox: int
    answers: Mapping[tuple[str, int], Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Table:
    """Rows of one table: what they are called, its columns, and one list per column."""

    counted_as: str
    name: str
    columns: tuple[str, ...]
    values: tuple[Sequence[str], ...]

    def lines(self) -> Iterator[str]:
        """Yield blocks of lines of COPY's text format."""
        rows = list(map("\t".join, zip(*self.values, strict=True)))
        for start in range(0, len(rows), 2_000):
            yield "\n".join(rows[start : start + 2_000]) + "\n"

    def __len__(self) -> int:
        return len(self.values[0])


def tables(chunk: Chunk, history: History, setting: Setting, cast: Cast) -> list[Table]:
    """Return the rows of a chunk in the order in which their tables must be filled."""
    ids = _Ids(chunk, setting, cast)
    company_names = [
        names.company_name(ids.first_name + place) for place in range(len(chunk.companies.industry))
    ]
    emails = _emails(chunk, ids, company_names)
    phones = _phones(chunk)
    return [
        _companies(chunk, ids, company_names),
        _leads(chunk, cast, ids, emails, phones),
        _identities(ids, emails, phones),
        _activities(chunk, history, setting, ids),
        _evidence(chunk, setting, cast, ids),
        _outcomes(chunk, ids),
        _followups(chunk, ids),
        _score_changes(history, ids),
        _snapshots(history, ids),
    ]


class _Ids:
    """Where a chunk's ids begin, and its codes as the texts of ids."""

    def __init__(self, chunk: Chunk, setting: Setting, cast: Cast) -> None:
        companies, before = setting.companies_before(chunk.number), chunk.number * CHUNK
        self.first_lead = cast.first_lead + before
        self.first_company = cast.first_company + companies
        self.first_name = cast.first_name + companies
        self.first_mailbox = cast.first_mailbox + before
        leads = chunk.leads
        self.users = [str(user) for user, _ in cast.reps]
        self.teams = [str(team) for _, team in cast.reps]
        self.owner = _looked_up(np.where(leads.owned, leads.rep, NOTHING), self.users)

    def leads(self, places: Ints) -> list[str]:
        """Return the ids of leads of the chunk as texts."""
        return [str(number) for number in (places + self.first_lead).tolist()]


def _looked_up(codes: Ints, values: Sequence[str], missing: str = NULL) -> list[str]:
    """Return the value of each code; NOTHING indexes the last cell."""
    table = [*values, missing]
    return [table[code] for code in codes.tolist()]


def _whole(values: Ints) -> list[str]:
    return [NULL if value == NOTHING else str(value) for value in values.tolist()]


def _moments(at: Floats) -> list[str]:
    """Return times as texts, NaN as NULL."""
    unknown = np.isnan(at)
    whole = np.where(unknown, 0, np.floor(at)).astype(np.int64).astype("datetime64[s]")
    texts: list[str] = np.datetime_as_string(whole, timezone="UTC").tolist()
    for place in np.flatnonzero(unknown).tolist():
        texts[place] = NULL
    return texts


def _flags(values: Bools) -> list[str]:
    return ["t" if value else "f" for value in values.tolist()]


def _same(value: str, n: int) -> list[str]:
    return [value] * n


def _json(**values: object) -> str:
    return orjson.dumps(values).decode()


def _companies(chunk: Chunk, ids: _Ids, company_names: list[str]) -> Table:
    companies, leads = chunk.companies, chunk.leads
    n = len(companies.industry)
    since = np.full(n, leads.created.max())
    works = leads.company != NOTHING
    np.minimum.at(since, leads.company[works], leads.created[works])
    values = {
        "id": [str(ids.first_company + place) for place in range(n)],
        "name": company_names,
        "domain": [names.domain_of(name) for name in company_names],
        "industry": _looked_up(companies.industry, [name for name, *_ in INDUSTRIES], ""),
        "country": _looked_up(companies.country, [name for name, *_ in COUNTRIES], ""),
        "employees": _whole(companies.employees),
        "revenue_minor": _whole(companies.revenue),
        "is_demo": _same("t", n),
        "created_at": _moments(since),
    }
    return Table("companies", "leads_company", tuple(values), tuple(values.values()))


def _emails(chunk: Chunk, ids: _Ids, company_names: list[str]) -> list[str]:
    """Return the addresses, '' for none; namesakes in a company are numbered, free ones all are."""
    leads = chunk.leads
    domains = [names.domain_of(name) for name in company_names]
    codes = zip(
        leads.given.tolist(),
        leads.family.tolist(),
        leads.email.tolist(),
        leads.company.tolist(),
        strict=True,
    )
    boxes: dict[tuple[int, int], str] = {}
    seen: dict[str, int] = {}
    found: list[str] = []
    for place, (given, family, kind, company) in enumerate(codes):
        if kind == NOTHING:
            found.append("")
            continue
        box = boxes.get((given, family))
        if box is None:
            box = boxes[given, family] = names.mailbox(names.GIVEN[given], names.FAMILY[family])
        if EMAIL_KINDS[kind] == "own":
            address = f"{box}@{domains[company]}"
            times = seen[address] = seen.get(address, 0) + 1
            found.append(address if times == 1 else f"{box}{times}@{domains[company]}")
        else:
            number = ids.first_mailbox + place
            found.append(f"{box}{number}@{names.FREE_MAIL[number % len(names.FREE_MAIL)]}")
    return found


def _phones(chunk: Chunk) -> list[str]:
    leads = chunk.leads
    at_work = chunk.companies.country[leads.company]
    country = np.where(leads.country == NOTHING, at_work, leads.country)
    codes = [code for code, *_ in COUNTRIES]
    return [
        "" if draw == NOTHING else names.telephone(codes[place], draw)
        for place, draw in zip(country.tolist(), leads.phone.tolist(), strict=True)
    ]


def _leads(chunk: Chunk, cast: Cast, ids: _Ids, emails: list[str], phones: list[str]) -> Table:
    leads, n = chunk.leads, chunk.leads.n
    touches = [_json(campaign=name, utm_source="example") for name in names.CAMPAIGNS]
    touch = _looked_up(leads.campaign, touches, "{}")
    source = _looked_up(leads.source, [str(pk) for pk in cast.sources])
    created = _moments(leads.created)
    works = leads.company != NOTHING
    company = np.where(works, leads.company + ids.first_company, NOTHING)
    values = {
        "id": ids.leads(np.arange(n)),
        "kind": ["b2b" if b2b else "b2c" for b2b in leads.b2b.tolist()],
        "first_name": _looked_up(leads.given, names.GIVEN),
        "last_name": _looked_up(leads.family, names.FAMILY),
        "email": emails,
        "phone": phones,
        "title": _looked_up(leads.title, names.ALL_TITLES, ""),
        "seniority": _looked_up(leads.seniority, [name for name, _ in SENIORITIES], ""),
        "email_kind": _looked_up(leads.email, EMAIL_KINDS, ""),
        "company_id": _whole(company),
        "age": _whole(leads.age),
        "country": _looked_up(leads.country, [name for name, *_ in COUNTRIES], ""),
        "time_zone": _looked_up(leads.zone, [zone for *_, zone, _ in COUNTRIES], ""),
        "owner_id": ids.owner,
        "team_id": _looked_up(leads.rep, ids.teams),
        "stage": _looked_up(leads.stage, STAGES),
        "round": _whole(leads.round),
        "contacted_at": _moments(leads.contacted),
        "value_minor": _whole(leads.value),
        "currency": _same("EUR", n),
        "first_source_id": source,
        "first_touch": touch,
        "first_touch_at": created,
        "last_source_id": source,
        "last_touch": touch,
        "last_touch_at": created,
        "custom": _same("{}", n),
        "version": _same("1", n),
        "is_demo": _same("t", n),
        "created_at": created,
    }
    return Table("leads", "leads_lead", tuple(values), tuple(values.values()))


def _identities(ids: _Ids, emails: list[str], phones: list[str]) -> Table:
    rows = [
        (str(ids.first_lead + place), kind, text)
        for kind, texts in (("email", emails), ("phone", phones))
        for place, text in enumerate(texts)
        if text
    ]
    rows.sort(key=lambda row: int(row[0]))
    columns = tuple(zip(*rows, strict=True)) or ((), (), ())
    return Table("identities", "leads_identity", ("lead_id", "kind", "normal"), columns)


def _activities(chunk: Chunk, history: History, setting: Setting, ids: _Ids) -> Table:
    h = chunk.happenings
    data = np.full(len(h.lead), "{}", dtype=object)
    for code in np.unique(h.kind).tolist():
        mine = np.flatnonzero(h.kind == code)
        data[mine] = _data(KINDS[code], h, mine, chunk, history, setting)
    actor = np.where(h.by_rep, chunk.leads.rep[h.lead], NOTHING)
    at = _moments(h.at)
    values = {
        "lead_id": ids.leads(h.lead),
        "kind": _looked_up(h.kind, KINDS),
        "at": at,
        "recorded_at": at,
        "actor_id": _looked_up(actor, ids.users),
        "data": data.tolist(),
    }
    return Table("activities", "leads_activity", tuple(values), tuple(values.values()))


def _data(
    kind: Kind, h: Happenings, mine: Ints, chunk: Chunk, history: History, setting: Setting
) -> list[str]:
    """Return the data of the activities `mine`, all of one kind."""
    a, b = h.a[mine], h.b[mine]
    if kind in words.DATA:
        field, choices = words.DATA[kind]
        texts = [_json(**{field: choice}) for choice in choices]
        return [texts[number % len(texts)] for number in a.tolist()]
    if kind == Kind.CREATED:
        texts = [_json(source=source.name, via=source.channel) for source in SOURCES]
        return _looked_up(a, texts)
    if kind == Kind.STAGE_MOVED:
        return _each(_stage_move, a, b)
    if kind == Kind.EVIDENCE_ADDED:
        dimensions = setting.all_dimensions
        return _each(lambda place, rating: _json(dimension=dimensions[place], rating=rating), a, b)
    if kind == Kind.OUTCOME_RECORDED:
        return _each(
            lambda result, reason: _json(
                result=RESULTS[result], reason=_reason(result, reason), round=1
            ),
            a,
            b,
        )
    changes = history.changes
    return _each(
        lambda change, _: _json(
            **{
                "from": NAMES[int(changes.from_tier[change])],
                "to": NAMES[int(changes.to_tier[change])],
                "from_score": int(changes.from_score[change]),
                "to_score": int(changes.to_score[change]),
                "cause": CAUSES[int(changes.cause[change])],
                "reason": "",
            }
        ),
        a,
        b,
    )


def _each(text: Callable[[int, int], str], a: Ints, b: Ints) -> list[str]:
    """Return a text for each pair, worked out once for equal ones."""
    known: dict[tuple[int, int], str] = {}
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    for pair in set(pairs):
        known[pair] = text(*pair)
    return [known[pair] for pair in pairs]


def _stage_move(source: int, target: int) -> str:
    reason = words.REST_REASONS[source % 3] if STAGES[target] == StageKey.RECYCLED else ""
    return _json(**{"from": STAGES[source], "to": STAGES[target], "reason": reason, "round": 1})


def _reason(result: int, draw: int) -> str:
    choices = words.REASONS[RESULTS[result]]
    return choices[draw % len(choices)]


def _evidence(chunk: Chunk, setting: Setting, cast: Cast, ids: _Ids) -> Table:
    answers = chunk.answers
    said = zip(
        answers.dimension.tolist(), answers.rating.tolist(), answers.pick.tolist(), strict=True
    )
    quotes, questions, keys = [], [], []
    for place, rating, pick in said:
        dimension = setting.all_dimensions[place]
        choices = words.QUOTES.get(dimension, {}).get(rating, words.UNQUOTED)
        quotes.append(choices[pick % len(choices)])
        asked = cast.answers.get((dimension, rating)) or (("", ""),)
        question, answer = asked[pick % len(asked)]
        questions.append(question)
        keys.append(answer)
    by_call = answers.source == EVIDENCE_SOURCES.index("call")
    author = np.where(by_call, chunk.leads.rep[answers.lead], NOTHING)
    observed = _moments(answers.observed)
    values = {
        "lead_id": ids.leads(answers.lead),
        "dimension": _looked_up(answers.dimension, setting.all_dimensions),
        "rating": _whole(answers.rating),
        "quote": quotes,
        "question": questions,
        "answer": keys,
        "source": _looked_up(answers.source, EVIDENCE_SOURCES),
        "author_id": _looked_up(author, ids.users),
        "observed_at": observed,
        "recorded_at": observed,
        "expires_at": _moments(answers.expires),
        "current": _flags(answers.current),
    }
    return Table("evidence", "scoring_evidence", tuple(values), tuple(values.values()))


def _outcomes(chunk: Chunk, ids: _Ids) -> Table:
    ends = chunk.ends
    at = _moments(ends.at)
    pairs = zip(ends.result.tolist(), ends.reason.tolist(), strict=True)
    values = {
        "lead_id": ids.leads(ends.lead),
        "round": _whole(ends.round),
        "result": _looked_up(ends.result, RESULTS),
        "reason": [_reason(result, draw) for result, draw in pairs],
        "value_minor": _whole(ends.value),
        "currency": _same("EUR", len(at)),
        "at": at,
        "recorded_at": at,
        "recorded_by_id": _looked_up(chunk.leads.rep[ends.lead], ids.users),
        "imported": _same("f", len(at)),
    }
    return Table("outcomes", "leads_outcome", tuple(values), tuple(values.values()))


def _followups(chunk: Chunk, ids: _Ids) -> Table:
    """Return what the reps did as follow-ups that are done; plays are none of the past's."""
    h = chunk.happenings
    mine = np.flatnonzero(np.isin(h.kind, [KINDS.index(Kind(kind)) for kind in words.DONE]))
    lead, kind, at, draw = h.lead[mine], h.kind[mine], h.at[mine], h.a[mine]
    n = len(mine)
    chosen = [words.DONE[KINDS[code]] for code in kind.tolist()]
    rep = _looked_up(chunk.leads.rep[lead], ids.users)
    # Due within three hours before it was done, to half an hour after.
    due = at - 3_600.0 * (draw % 8 - 1.0) / 2.0
    values = {
        "lead_id": ids.leads(lead),
        "kind": [kind for kind, _ in chosen],
        "title": [
            titles[number % len(titles)]
            for (_, titles), number in zip(chosen, draw.tolist(), strict=True)
        ],
        "body": _same("", n),
        "assignee_id": rep,
        "due_at": _moments(due),
        "state": _same("done", n),
        "held": _same("", n),
        "snoozed": _same("0", n),
        "note": _same("", n),
        "created_at": _moments(np.minimum(due, at) - 60.0),
        "ended_at": _moments(at),
        "ended_by_id": rep,
        "attempts": _same("0", n),
    }
    return Table("followups", "followups_followup", tuple(values), tuple(values.values()))


def _score_changes(history: History, ids: _Ids) -> Table:
    changes = history.changes
    tiers = [NAMES[code] for code in range(len(NAMES) - 1)]
    values = {
        "lead_id": ids.leads(changes.lead),
        "at": _moments(changes.at),
        "from_score": _whole(changes.from_score),
        "to_score": _whole(changes.to_score),
        "from_tier": _looked_up(changes.from_tier, tiers, ""),
        "to_tier": _looked_up(changes.to_tier, tiers, ""),
        "cause": _looked_up(changes.cause, CAUSES),
        "model_version_id": _whole(changes.model),
    }
    return Table("score_changes", "scoring_scorechange", tuple(values), tuple(values.values()))


def _snapshots(history: History, ids: _Ids) -> Table:
    snapshots = history.snapshots
    n = len(snapshots.lead)
    by_call = snapshots.reason == REASONS.index(Snapshot.Reason.CALL)
    # The lead's first round; of a call its time, since these calls have no rows.
    cause = np.where(by_call, snapshots.at.astype(np.int64), 1)
    values = {
        "lead_id": ids.leads(snapshots.lead),
        "reason": _looked_up(snapshots.reason, REASONS),
        "cause": _whole(cause),
        "at": _moments(snapshots.at),
        "backfilled": _same("f", n),
        "score": _whole(snapshots.score),
        "model_version_id": _whole(snapshots.model),
        "facts": [text.replace("\\", "\\\\") for text in snapshots.facts],
    }
    return Table("snapshots", "scoring_snapshot", tuple(values), tuple(values.values()))
