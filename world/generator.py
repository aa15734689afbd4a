"""The made-up world, chunk by chunk, as numbers. Pure: the same setting gives the same chunks.

A chunk is self-contained (its leads work for its own companies), so chunks can be made in any
order, by several processes, in bounded memory. `world.rows` finds words for the numbers.

Every lead has an interest that nobody records. It raises what the lead does on the pages and what
it would answer; these and the facts decide by `world.truth` how the lead ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leads.activities import Kind
from leads.models import Outcome
from leads.stages import StageKey
from scoring.features import DAY
from scoring.models import Evidence
from world import truth
from world.names import CAMPAIGNS, FAMILY, GIVEN, TITLES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rng = np.random.Generator

CHUNK = 10_000  # leads
SPAN = 425.0  # days: fourteen months
NOTHING = -1  # the code of a missing value

RATINGS = np.array([0, 33, 67, 100])
KINDS = tuple(Kind)
STAGES = tuple(StageKey)
RESULTS = tuple(Outcome.Result)
EVIDENCE_SOURCES = tuple(Evidence.Source)

# (name, share); the bands of the default bundle read these names.
INDUSTRIES = (
    ("Software", "core", 0.16),
    ("Professional services", "core", 0.13),
    ("Financial services", "core", 0.08),
    ("Manufacturing", "near", 0.18),
    ("Logistics", "near", 0.11),
    ("Retail", "near", 0.11),
    ("Healthcare", "near", 0.09),
    ("Construction", "far", 0.08),
    ("Education", "far", 0.06),
)
# Band, employees from and to, share of companies.
SIZES = (
    ("micro", 2, 10, 0.22),
    ("small", 11, 50, 0.33),
    ("mid", 51, 500, 0.28),
    ("upper_mid", 501, 2_000, 0.11),
    ("large", 2_001, 40_000, 0.06),
)
# Country, region's band, share, time zone, currency.
COUNTRIES = (
    ("DE", "home", 0.34, "Europe/Berlin", "EUR"),
    ("AT", "home", 0.07, "Europe/Vienna", "EUR"),
    ("CH", "home", 0.06, "Europe/Zurich", "CHF"),
    ("FR", "europe", 0.13, "Europe/Paris", "EUR"),
    ("NL", "europe", 0.07, "Europe/Amsterdam", "EUR"),
    ("PL", "europe", 0.06, "Europe/Warsaw", "EUR"),
    ("SE", "europe", 0.06, "Europe/Stockholm", "EUR"),
    ("GB", "europe", 0.11, "Europe/London", "GBP"),
    ("US", "overseas", 0.10, "America/New_York", "USD"),
)
# Band, age from and to, share.
AGES = (
    ("18_24", 18, 24, 0.13),
    ("25_34", 25, 34, 0.24),
    ("35_54", 35, 54, 0.37),
    ("55_64", 55, 64, 0.15),
    ("65_up", 65, 86, 0.11),
)
# Band, deal value in whole euros from and to, share.
MEANS = (("low", 300, 999, 0.42), ("middle", 1_000, 2_499, 0.38), ("high", 2_500, 9_000, 0.20))
SENIORITIES = (
    ("c_level", 0.09),
    ("vp", 0.08),
    ("director", 0.17),
    ("manager", 0.29),
    ("individual", 0.335),
    ("student", 0.035),
)
EMAIL_KINDS = ("own", "free")


@dataclass(frozen=True)
class MadeSource:
    """A source: whether what its leads do is recorded, and its shares of B2B and B2C leads."""

    name: str
    channel: str
    tracked: bool
    b2b: float
    b2c: float


SOURCES = (
    MadeSource("Website", "inbound", True, 0.26, 0.30),
    MadeSource("Search ads", "paid", True, 0.10, 0.18),
    MadeSource("Webinars", "event", True, 0.11, 0.04),
    MadeSource("Newsletter", "inbound", True, 0.08, 0.12),
    MadeSource("Social posts", "social", True, 0.05, 0.12),
    MadeSource("Cold outreach", "outbound", False, 0.18, 0.02),
    MadeSource("Trade fairs", "event", False, 0.09, 0.04),
    MadeSource("Referrals", "referral", False, 0.08, 0.10),
    MadeSource("Resellers", "partner", False, 0.05, 0.08),
)
# What visitors do, with shares; asking for contact is drawn apart.
VISITS = (
    (Kind.PAGE_VIEWED, 0.44),
    (Kind.EMAIL_OPENED, 0.16),
    (Kind.EMAIL_CLICKED, 0.14),
    (Kind.PRICING_VIEWED, 0.13),
    (Kind.FORM_SUBMITTED, 0.08),
    (Kind.WEBINAR_ATTENDED, 0.05),
)
B2B_SHARE = 0.7
AGAIN_DAYS = 40.0  # a customer who buys again does so within these after winning
LEADS_PER_COMPANY = 3.5
# Share of the leads that rate 0, 33, 67 and 100, before interest moves them.
LATENT_SHARES = {
    "budget": (0.20, 0.30, 0.32, 0.18),
    "authority": (0.14, 0.26, 0.35, 0.25),
    "need": (0.16, 0.28, 0.34, 0.22),
    "timing": (0.20, 0.32, 0.30, 0.18),
}
LATENT_DEFAULT = (0.2, 0.3, 0.3, 0.2)


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


def make_chunk(setting: Setting, number: int) -> Chunk:
    """Make chunk `number` of a world."""
    rng = np.random.default_rng([setting.seed, number])
    n = setting.size(number)
    companies, sizes = _companies(rng, company_count(n))
    leads, bands = _leads(rng, setting, number, companies, sizes)
    interest = rng.standard_normal(n)
    latent = _latent(rng, setting, interest)
    closing = _closing(rng, setting, leads)
    visits = _visits(rng, leads, interest)
    contacts = _contacts(rng, setting, leads, interest)
    answers = _answers(rng, setting, leads, latent, contacts, visits)
    happenings = Happenings.joined([visits, contacts])
    leads.p_win = _p_win(rng, leads, bands, latent, happenings)
    ends = _ends(rng, setting, leads, latent, closing)
    moves = _stages(rng, setting, leads, answers, ends)
    parts = [happenings, moves, _created(rng, leads), _noted_answers(answers), _noted_ends(leads, ends)]
    return Chunk(number, companies, leads, Happenings.joined(parts), answers, ends)


def _draw(rng: Rng, shares: "tuple[float, ...] | list[float]", n: int) -> Ints:
    """Draw n codes with the given shares, which need not sum to one."""
    edges = np.cumsum(shares) / np.sum(shares)
    return np.minimum(np.searchsorted(edges, rng.random(n), side="right"), len(edges) - 1)


def _blank(rng: Rng, codes: Ints, share: float) -> Ints:
    """Leave a share of the values blank."""
    return np.where(rng.random(len(codes)) < share, NOTHING, codes)


def _office(rng: Rng, at: Floats) -> Floats:
    """Move times forward into office hours of a weekday (08:00 to 16:30 UTC)."""
    day = np.floor(at / DAY)
    hour = (at / DAY - day) * 24.0
    day = np.where(hour > 16.5, day + 1, day)
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    weekend = weekday >= 5
    day = np.where(weekend, day + 7 - weekday, day)
    morning = 8.0 + 3.0 * rng.random(len(at))
    hour = np.where((hour > 16.5) | (hour < 8.0) | weekend, morning, hour)
    return day * DAY + np.round(hour * 3600.0)


def _companies(rng: Rng, n: int) -> tuple[Companies, Ints]:
    """Draw companies; return them and the bands of their sizes, which hold where blank, too."""
    size = _draw(rng, [share for *_, share in SIZES], n)
    low, high = (np.array([s[i] for s in SIZES], dtype=np.float64)[size] for i in (1, 2))
    employees = np.round(np.exp(rng.uniform(np.log(low), np.log(high)))).astype(np.int64)
    per_head = np.exp(rng.normal(np.log(140_000), 0.5, n))
    revenue = np.round(employees * per_head / 1_000).astype(np.int64) * 100_000
    blank = rng.random(n) < 0.07
    companies = Companies(
        industry=_draw(rng, [share for *_, share in INDUSTRIES], n),
        country=_draw(rng, [share for _, _, share, *_ in COUNTRIES], n),
        employees=np.where(blank, NOTHING, employees),
        revenue=np.where(blank, NOTHING, _blank(rng, revenue, 0.3)),
    )
    return companies, size


def _leads(
    rng: Rng, setting: Setting, number: int, companies: Companies, sizes: Ints
) -> tuple[Leads, dict[str, npt.NDArray[np.str_]]]:
    """Draw leads and what is true of them, blank or not, as bands per attribute."""
    n = setting.size(number)
    b2b = rng.random(n) < B2B_SHARE
    company = np.floor(len(sizes) * rng.random(n) ** 1.4).astype(np.int64)
    seniority = _draw(rng, [share for _, share in SENIORITIES], n)
    abroad = rng.random(n) < np.where(b2b, 0.08, 1.0)
    elsewhere = _draw(rng, [share for _, _, share, *_ in COUNTRIES], n)
    country = np.where(abroad, elsewhere, companies.country[company])
    own = b2b & (rng.random(n) < 0.88)
    age_band = _draw(rng, [share for *_, share in AGES], n)
    means = _draw(rng, [share for *_, share in MEANS], n)
    bands = {
        "company_size": np.array([s[0] for s in SIZES])[sizes[company]],
        "industry": np.array([i[1] for i in INDUSTRIES])[companies.industry[company]],
        "region": np.array([c[1] for c in COUNTRIES])[country],
        "seniority": np.array([s[0] for s in SENIORITIES])[seniority],
        "email": np.where(own, "own", "free"),
        "age_band": np.array([a[0] for a in AGES])[age_band],
        "means": np.array([m[0] for m in MEANS])[means],
    }
    created = _created_times(rng, setting, number)
    # A blank country of a B2B lead is read from its company.
    hidden = rng.random(n) < np.where(b2b & ~abroad, 0.3, 0.03)
    email = np.where(rng.random(n) < np.where(b2b, 0.04, 0.12), NOTHING, np.where(own, 0, 1))
    callable_ = (rng.random(n) < 0.5) | (email == NOTHING)
    source = np.where(
        b2b,
        _draw(rng, [source.b2b for source in SOURCES], n),
        _draw(rng, [source.b2c for source in SOURCES], n),
    )
    tracked = np.array([s.tracked for s in SOURCES])[source]
    leads = Leads(
        b2b=b2b,
        company=np.where(b2b, company, NOTHING),
        given=rng.integers(0, len(GIVEN), n),
        family=rng.integers(0, len(FAMILY), n),
        title=np.where(b2b, _titles(rng, seniority), NOTHING),
        seniority=np.where(b2b, seniority, NOTHING),
        email=email,
        phone=np.where(callable_, rng.integers(0, 2**31, n), NOTHING),
        age=np.where(b2b, NOTHING, _blank(rng, _between(rng, AGES, age_band), 0.15)),
        country=np.where(hidden, NOTHING, country),
        zone=_blank(rng, country, 0.25),
        value=_values(rng, b2b, sizes[company], means),
        source=source,
        campaign=np.where(tracked, _blank(rng, rng.integers(0, len(CAMPAIGNS), n), 0.5), NOTHING),
        rep=rng.integers(0, setting.reps, n),
        owned=np.ones(n, dtype=bool),
        created=created,
        contacted=np.full(n, np.nan),
        end=np.full(n, setting.now),
        closed=np.zeros(n, dtype=bool),
        stage=np.zeros(n, dtype=np.int64),
        round=np.ones(n, dtype=np.int64),
        p_win=np.zeros(n),
    )
    companies.industry = _blank(rng, companies.industry, 0.05)
    untitled = b2b & (rng.random(n) < 0.08)
    leads.title[untitled] = leads.seniority[untitled] = NOTHING
    return leads, bands


def _between(rng: Rng, table: tuple[tuple[str, int, int, float], ...], code: Ints) -> Ints:
    """Draw a whole number from each one's range."""
    low, high = (np.array([row[i] for row in table])[code] for i in (1, 2))
    return rng.integers(low, high + 1)


def _titles(rng: Rng, seniority: Ints) -> Ints:
    """Draw titles that tell each one's seniority."""
    counts = np.array([len(TITLES[name]) for name, _ in SENIORITIES])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return first[seniority] + rng.integers(0, counts[seniority])


def _values(rng: Rng, b2b: Bools, size: Ints, means: Ints) -> Ints:
    """Draw deal values in cents; some are blank."""
    typical = np.array([3_000, 6_000, 14_000, 30_000, 60_000])[size]
    business = np.round(typical * np.exp(rng.normal(0.0, 0.7, len(b2b))) / 100.0) * 10_000
    private = _between(rng, MEANS, means) * 100
    blank = rng.random(len(b2b)) < np.where(b2b, 0.35, 0.15)
    return np.where(blank, NOTHING, np.where(b2b, business, private)).astype(np.int64)


def _created_times(rng: Rng, setting: Setting, number: int) -> Floats:
    """Draw when leads came, the later chunks later: more of them lately, mostly by day."""
    n = setting.size(number)
    order = (number * CHUNK + n * np.sort(rng.random(n))) / setting.leads
    at = np.floor(setting.now - SPAN * DAY * (1.0 - order) ** 1.35 - 60.0)
    by_day = np.floor(at / DAY) * DAY + np.round(rng.triangular(6, 12, 21, n) * 3600.0)
    return np.where(by_day < setting.now - 60.0, by_day, at)


def _latent(rng: Rng, setting: Setting, interest: Floats) -> dict[str, Ints]:
    """Draw what each lead would answer about each dimension, as ratings."""
    found = {}
    for dimension in sorted({*setting.all_dimensions, *LATENT_SHARES}):
        shares = LATENT_SHARES.get(dimension, LATENT_DEFAULT)
        # The rank of interest and chance together, mapped to the shares of the ratings.
        draw = 0.5 * interest + np.sqrt(0.75) * rng.standard_normal(len(interest))
        edges = _normal_quantiles(np.cumsum(shares)[:-1])
        found[dimension] = RATINGS[np.searchsorted(edges, draw)]
    return found


def _normal_quantiles(p: Floats) -> Floats:
    """Return quantiles of the standard normal distribution, to three digits (Tocher's logit)."""
    return np.log(p / (1.0 - p)) / 1.702


def _closing(rng: Rng, setting: Setting, leads: Leads) -> Floats:
    """Draw when leads are decided and set `end` and `closed`; return the times."""
    median = np.where(leads.b2b, 34.0, 12.0)
    days = 1.0 + median * np.exp(0.75 * rng.standard_normal(leads.n))
    at = _office(rng, leads.created + days * DAY)
    leads.closed = (rng.random(leads.n) < setting.closes) & (at < setting.now)
    leads.end = np.where(leads.closed, at, setting.now)
    return at


def _visits(rng: Rng, leads: Leads, interest: Floats) -> Happenings:
    """Draw what leads of tracked sources do by themselves."""
    tracked = np.array([s.tracked for s in SOURCES])[leads.source]
    count = rng.poisson(np.where(tracked, np.exp(0.25 + 0.6 * interest), 0.0))
    who = np.repeat(np.arange(leads.n), np.minimum(count, 40))
    kind = np.array([KINDS.index(k) for k, _ in VISITS])[_draw(rng, [s for _, s in VISITS], len(who))]
    # Interest is greatest in the beginning; some open leads come back these days.
    at = _spread(leads, who, rng.beta(0.7, 1.7, len(who)))
    recent = leads.end[who] - 10.0 * DAY * rng.random(len(who))
    back = (rng.random(len(who)) < 0.12) & ~leads.closed[who] & (recent > leads.created[who])
    at = np.where(back, recent, at)
    raised = np.flatnonzero(tracked & (rng.random(leads.n) < _sigmoid(-2.5 + 0.9 * interest)))
    raised_at = _spread(
        leads, raised, np.where(rng.random(len(raised)) < 0.5, 0.0, rng.random(len(raised)))
    )
    gone = np.flatnonzero(tracked & (rng.random(leads.n) < 0.02))
    gone_at = _spread(leads, gone, rng.random(len(gone)))
    return Happenings.joined(
        [
            _by_lead(rng, who, kind, at),
            _by_lead(rng, raised, _kind(Kind.HAND_RAISED, raised), raised_at),
            _by_lead(rng, gone, _kind(Kind.UNSUBSCRIBED, gone), gone_at),
        ]
    )


def _sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


def _kind(kind: Kind, like: Ints) -> Ints:
    return np.full(len(like), KINDS.index(kind))


def _spread(leads: Leads, who: Ints, share: Floats) -> Floats:
    """Return times at a share of each lead's life, in whole seconds, within it."""
    start, life = leads.created[who] + 40.0, leads.end[who] - leads.created[who] - 80.0
    return np.minimum(np.floor(start + np.maximum(life, 0.0) * share), leads.end[who])


def _by_lead(rng: Rng, who: Ints, kind: Ints, at: Floats) -> Happenings:
    a = rng.integers(0, 1_000, len(who))
    return Happenings(who, kind, at, a, np.zeros_like(a), np.zeros(len(who), dtype=bool))


def _contacts(rng: Rng, setting: Setting, leads: Leads, interest: Floats) -> Happenings:
    """Draw the reps' calls, mails and meetings and what came of them; set `contacted`."""
    n = leads.n
    worked = rng.random(n) < 0.72
    first_try = _office(rng, leads.created + DAY * rng.exponential(2.5, n) + 1_800.0)
    parts = []

    def note(kind: Kind, happened: Bools, at: Floats, by_rep: bool = True) -> Bools:
        """Keep what happens before the lead's end; return for whom it did."""
        happened = happened & (at < leads.end)
        who = np.flatnonzero(happened)
        part = _by_lead(rng, who, _kind(kind, who), at[who])
        part.by_rep[:] = by_rep
        parts.append(part)
        return happened

    tries = rng.geometric(0.6, n)
    missed = note(Kind.CALL_ATTEMPTED, worked & (tries > 1), first_try)
    reached_at = np.where(missed, _office(rng, first_try + DAY * rng.uniform(0.2, 4.0, n)), first_try)
    reached = note(Kind.CALL_CONNECTED, worked & (rng.random(n) < 0.62), reached_at)
    note(Kind.NOTE, reached & (rng.random(n) < 0.2), reached_at + 420.0)
    wrote_at = _office(rng, first_try + 2.0 * DAY * rng.random(n) + 900.0)
    wrote = note(Kind.EMAIL_SENT, worked & (rng.random(n) < 0.3), wrote_at)
    answer_at = wrote_at + DAY * rng.exponential(1.2, n)
    replied = note(
        Kind.EMAIL_REPLIED, wrote & (rng.random(n) < _sigmoid(-1.0 + 0.8 * interest)), answer_at, False
    )
    met_at = _office(rng, reached_at + DAY * rng.uniform(2.0, 9.0, n))
    booked = reached & (rng.random(n) < _sigmoid(-1.2 + 0.8 * interest))
    booked = note(Kind.MEETING_BOOKED, booked, reached_at + 600.0)
    note(Kind.MEETING_HELD, booked & (rng.random(n) < 0.85), met_at)
    leads.contacted = np.fmin(
        np.where(reached, reached_at, np.nan), np.where(replied, answer_at, np.nan)
    )
    return Happenings.joined(parts)


def _answers(
    rng: Rng,
    setting: Setting,
    leads: Leads,
    latent: dict[str, Ints],
    contacts: Happenings,
    visits: Happenings,
) -> Answers:
    """Draw what was asked and answered: in calls, some in forms, a few a second time."""
    call_at = _first(contacts, Kind.CALL_CONNECTED, leads.n)
    form_at = _first(visits, Kind.FORM_SUBMITTED, leads.n)
    call, form = EVIDENCE_SOURCES.index("call"), EVIDENCE_SOURCES.index("form")
    found: list[tuple[Ints, int, Floats, int]] = []  # leads, dimension, times, source
    for place, dimension in enumerate(setting.all_dimensions):
        asks = np.where(
            leads.b2b,
            dimension in setting.dimensions["b2b"],
            dimension in setting.dimensions["b2c"],
        )
        asked = asks & (rng.random(leads.n) < 0.5) & (call_at + 120.0 < leads.end)
        again_at = _office(rng, call_at + DAY * rng.uniform(15.0, 70.0, leads.n)) + 60.0 * place
        again = asked & (rng.random(leads.n) < 0.06) & (again_at < leads.end)
        told = asks & (rng.random(leads.n) < 0.3) & (form_at < leads.end)
        for chosen, at, source in (
            (asked, call_at + 25.0 * (place + 1), call),
            (again, again_at, call),
            (told & (dimension in ("need", "timing")), form_at, form),
        ):
            who = np.flatnonzero(chosen)
            found.append((who, place, at[who], source))
    who = np.concatenate([part[0] for part in found])
    dimension = np.concatenate([np.full(len(part[0]), part[1]) for part in found])
    observed = np.concatenate([part[2] for part in found])
    source = np.concatenate([np.full(len(part[0]), part[3]) for part in found])
    order = np.lexsort((observed, dimension, who))
    who, dimension, observed, source = who[order], dimension[order], observed[order], source[order]
    truth_of = np.stack([latent[name] for name in setting.all_dimensions], axis=1)
    level = np.searchsorted(RATINGS, truth_of[who, dimension])
    misheard = np.where(rng.random(len(who)) < 0.12, rng.choice([-1, 1], len(who)), 0)
    days = np.array([setting.expiry_days[name] for name in setting.all_dimensions])
    last = np.ones(len(who), dtype=bool)
    last[:-1] = (who[1:] != who[:-1]) | (dimension[1:] != dimension[:-1])
    return Answers(
        lead=who,
        dimension=dimension,
        rating=RATINGS[np.clip(level + misheard, 0, len(RATINGS) - 1)],
        observed=observed,
        expires=observed + days[dimension] * DAY,
        current=last,
        source=source,
        pick=rng.integers(0, 1_000, len(who)),
    )


def _first(happenings: Happenings, kind: Kind, n: int) -> Floats:
    """Return when each lead's first activity of a kind was, NaN for none."""
    mine = happenings.kind == KINDS.index(kind)
    at = np.full(n, np.inf)
    np.minimum.at(at, happenings.lead[mine], happenings.at[mine])
    return np.where(np.isinf(at), np.nan, at)


def counted(happenings: Happenings, kind: Kind, moment: Floats, half_life_days: int) -> Floats:
    """Return each lead's count of a kind, decayed to its own moment (n,); later ones are left out."""
    mine = (happenings.kind == KINDS.index(kind)) & (happenings.at <= moment[happenings.lead])
    who = happenings.lead[mine]
    weight = np.ones(len(who))
    if half_life_days:
        weight = np.exp2(-(moment[who] - happenings.at[mine]) / DAY / half_life_days)
    return np.bincount(who, weights=weight, minlength=len(moment))


def _p_win(
    rng: Rng,
    leads: Leads,
    bands: dict[str, npt.NDArray[np.str_]],
    latent: dict[str, Ints],
    happenings: Happenings,
) -> Floats:
    """Return the true probability of each lead as of its end."""
    engagement = {}
    for kind, measure in truth.MEASURES.items():
        if measure.window_days is not None:
            since = leads.end - measure.window_days * DAY
            mine = (happenings.kind == KINDS.index(Kind(kind))) & (
                happenings.at > since[happenings.lead]
            )
            engagement[kind] = np.minimum(1.0, np.bincount(happenings.lead[mine], minlength=leads.n))
        else:
            count = counted(happenings, Kind(kind), leads.end, measure.half_life_days)
            engagement[kind] = np.minimum(1.0, count / measure.cap)
    noise = rng.standard_normal(leads.n)
    b2b, b2c = (
        truth.win_probability(name, bands, latent, engagement, noise) for name in ("b2b", "b2c")
    )
    return np.where(leads.b2b, b2b, b2c)


def _ends(
    rng: Rng, setting: Setting, leads: Leads, latent: dict[str, Ints], closing: Floats
) -> Ends:
    """Decide the closed leads by the truth; a few of the won are open again, in a new round."""
    who = np.flatnonzero(leads.closed)
    won = rng.random(len(who)) < leads.p_win[who]
    hopeless = (latent["authority"][who] == 0) | (latent["need"][who] == 0)
    student = leads.seniority[who] == [name for name, _ in SENIORITIES].index("student")
    out = ~won & (student | (hopeless & ~np.isnan(leads.contacted[who]))) & (rng.random(len(who)) < 0.7)
    result = np.where(won, 0, np.where(out, 2, 1))
    again = won & (closing[who] < setting.now - AGAIN_DAYS * DAY) & (rng.random(len(who)) < 0.06)
    leads.closed[who[again]] = False
    leads.round[who[again]] = 2
    value = np.where(leads.value[who] == NOTHING, 150_000, leads.value[who])
    return Ends(
        lead=who,
        round=np.ones(len(who), dtype=np.int64),
        result=result,
        reason=rng.integers(0, 1_000, len(who)),
        value=np.where(won, np.round(value * rng.uniform(0.85, 1.15, len(who))), NOTHING).astype(
            np.int64
        ),
        at=closing[who],
    )


def _stages(rng: Rng, setting: Setting, leads: Leads, answers: Answers, ends: Ends) -> Happenings:
    """Draw how far each lead has come, and the moves by which it did; set `stage` and `owned`."""
    code = {key: place for place, key in enumerate(STAGES)}
    n = leads.n
    accepted_at = leads.contacted
    sql_at = _office(rng, accepted_at + DAY * rng.uniform(0.5, 4.0, n))
    sql_at[~(_gates_met(setting, leads, answers, sql_at) & (rng.random(n) < 0.8))] = np.nan
    offer_at = _office(rng, sql_at + DAY * rng.uniform(2.0, 10.0, n))
    offer_at[rng.random(n) > 0.6] = np.nan
    rested_at = _office(rng, accepted_at + DAY * rng.uniform(25.0, 70.0, n))
    rested_at[~(np.isnan(sql_at) & ~leads.closed & (leads.round == 1))] = np.nan
    rested_at[rng.random(n) > 0.55] = np.nan
    again_at = _office(rng, leads.end + DAY * rng.uniform(10.0, AGAIN_DAYS - 5.0, n))
    parts = []
    leads.stage[:] = code[StageKey.NEW]
    for target, at in (
        (StageKey.ACCEPTED, accepted_at),
        (StageKey.SQL, sql_at),
        (StageKey.OPPORTUNITY, offer_at),
        (StageKey.RECYCLED, rested_at),
    ):
        who = np.flatnonzero(at < leads.end)
        parts.append(_move(who, leads.stage[who], code[target], at[who]))
        leads.stage[who] = code[target]
    leads.stage[ends.lead] = np.array([code[StageKey(r)] for r in RESULTS])[ends.result]
    again = np.flatnonzero(leads.round > 1)
    parts.append(_move(again, leads.stage[again], code[StageKey.OPPORTUNITY], again_at[again]))
    leads.stage[again] = code[StageKey.OPPORTUNITY]
    leads.owned = ~np.isnan(leads.contacted) | leads.closed | (rng.random(n) < 0.93)
    return Happenings.joined(parts)


def _gates_met(setting: Setting, leads: Leads, answers: Answers, at: Floats) -> Bools:
    """Return whether, at each lead's time, every gate of its framework is known and met."""
    met = np.ones(leads.n, dtype=bool)
    for name, mine in (("b2b", leads.b2b), ("b2c", ~leads.b2b)):
        for dimension, least in setting.gates[name].items():
            place = setting.all_dimensions.index(dimension)
            known = (answers.dimension == place) & (answers.observed < at[answers.lead])
            rating = np.full(leads.n, NOTHING)
            rating[answers.lead[known]] = answers.rating[known]  # in order of time: the last stays
            met &= ~mine | (rating >= least)
    return met


def _move(who: Ints, source: Ints, target: int, at: Floats) -> Happenings:
    return Happenings(
        lead=who,
        kind=_kind(Kind.STAGE_MOVED, who),
        at=at,
        a=source,
        b=np.full(len(who), target),
        by_rep=np.ones(len(who), dtype=bool),
    )


def _created(rng: Rng, leads: Leads) -> Happenings:
    who = np.arange(leads.n)
    return Happenings(
        lead=who,
        kind=_kind(Kind.CREATED, who),
        at=leads.created,
        a=leads.source,
        b=np.zeros(leads.n, dtype=np.int64),
        by_rep=np.zeros(leads.n, dtype=bool),
    )


def _noted_answers(answers: Answers) -> Happenings:
    """Return the timeline's lines for the answers."""
    call = EVIDENCE_SOURCES.index("call")
    return Happenings(
        lead=answers.lead,
        kind=_kind(Kind.EVIDENCE_ADDED, answers.lead),
        at=answers.observed,
        a=answers.dimension,
        b=answers.rating,
        by_rep=answers.source == call,
    )


def _noted_ends(leads: Leads, ends: Ends) -> Happenings:
    """Return the timeline's lines for the outcomes."""
    return Happenings(
        lead=ends.lead,
        kind=_kind(Kind.OUTCOME_RECORDED, ends.lead),
        at=ends.at,
        a=ends.result,
        b=ends.reason,
        by_rep=np.ones(len(ends.lead), dtype=bool),
    )
