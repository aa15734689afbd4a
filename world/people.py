"""Draws the companies and leads of a chunk, and what is true of them whether told or not. Pure."""

import numpy as np
import numpy.typing as npt

from scoring.features import DAY
from world.chunk import CHUNK, Bools, Companies, Floats, Ints, Leads, Setting
from world.drawing import Rng, between, blank, draw, normal_quantiles
from world.lists import (
    AGES,
    B2B_SHARE,
    COUNTRIES,
    INDUSTRIES,
    LATENT_DEFAULT,
    LATENT_SHARES,
    MEANS,
    NOTHING,
    RATINGS,
    SENIORITIES,
    SIZES,
    SOURCES,
    SPAN,
)
from world.names import CAMPAIGNS, FAMILY, GIVEN, TITLES


def draw_companies(rng: Rng, n: int) -> tuple[Companies, Ints]:
    """Draw n companies; return them and the codes of their sizes, which hold where blank, too."""
    size = draw(rng, [share for *_, share in SIZES], n)
    low, high = (np.array([s[i] for s in SIZES], dtype=np.float64)[size] for i in (1, 2))
    employees = np.round(np.exp(rng.uniform(np.log(low), np.log(high)))).astype(np.int64)
    per_head = np.exp(rng.normal(np.log(140_000), 0.5, n))
    revenue = np.round(employees * per_head / 1_000).astype(np.int64) * 100_000
    untold = rng.random(n) < 0.07
    companies = Companies(
        industry=draw(rng, [share for *_, share in INDUSTRIES], n),
        country=draw(rng, [share for _, _, share, *_ in COUNTRIES], n),
        employees=np.where(untold, NOTHING, employees),
        revenue=np.where(untold, NOTHING, blank(rng, revenue, 0.3)),
    )
    return companies, size


def draw_leads(
    rng: Rng, setting: Setting, number: int, companies: Companies, sizes: Ints
) -> tuple[Leads, dict[str, npt.NDArray[np.str_]]]:
    """Draw leads and what is true of them, blank or not, as bands per attribute."""
    n = setting.size(number)
    b2b = rng.random(n) < B2B_SHARE
    company = np.floor(len(sizes) * rng.random(n) ** 1.4).astype(np.int64)
    seniority = draw(rng, [share for _, share in SENIORITIES], n)
    abroad = rng.random(n) < np.where(b2b, 0.08, 1.0)
    elsewhere = draw(rng, [share for _, _, share, *_ in COUNTRIES], n)
    country = np.where(abroad, elsewhere, companies.country[company])
    own = b2b & (rng.random(n) < 0.88)
    age_band = draw(rng, [share for *_, share in AGES], n)
    means = draw(rng, [share for *_, share in MEANS], n)
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
        draw(rng, [source.b2b for source in SOURCES], n),
        draw(rng, [source.b2c for source in SOURCES], n),
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
        age=np.where(b2b, NOTHING, blank(rng, between(rng, AGES, age_band), 0.15)),
        country=np.where(hidden, NOTHING, country),
        zone=blank(rng, country, 0.25),
        value=_values(rng, b2b, sizes[company], means),
        source=source,
        campaign=np.where(tracked, blank(rng, rng.integers(0, len(CAMPAIGNS), n), 0.5), NOTHING),
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
    companies.industry = blank(rng, companies.industry, 0.05)
    untitled = b2b & (rng.random(n) < 0.08)
    leads.title[untitled] = leads.seniority[untitled] = NOTHING
    return leads, bands


def _titles(rng: Rng, seniority: Ints) -> Ints:
    """Draw titles that tell each one's seniority."""
    counts = np.array([len(TITLES[name]) for name, _ in SENIORITIES])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return first[seniority] + rng.integers(0, counts[seniority])


def _values(rng: Rng, b2b: Bools, size: Ints, means: Ints) -> Ints:
    """Draw deal values in cents; some are blank."""
    typical = np.array([3_000, 6_000, 14_000, 30_000, 60_000])[size]
    business = np.round(typical * np.exp(rng.normal(0.0, 0.7, len(b2b))) / 100.0) * 10_000
    private = between(rng, MEANS, means) * 100
    untold = rng.random(len(b2b)) < np.where(b2b, 0.35, 0.15)
    return np.where(untold, NOTHING, np.where(b2b, business, private)).astype(np.int64)


def _created_times(rng: Rng, setting: Setting, number: int) -> Floats:
    """Draw when leads came, the later chunks later: more of them lately, mostly by day."""
    n = setting.size(number)
    order = (number * CHUNK + n * np.sort(rng.random(n))) / setting.leads
    at = np.floor(setting.now - SPAN * DAY * (1.0 - order) ** 1.35 - 60.0)
    by_day = np.floor(at / DAY) * DAY + np.round(rng.triangular(6, 12, 21, n) * 3600.0)
    return np.where(by_day < setting.now - 60.0, by_day, at)


def draw_ratings(rng: Rng, setting: Setting, interest: Floats) -> dict[str, Ints]:
    """Draw what each lead would answer about each dimension, as ratings."""
    found = {}
    for dimension in sorted({*setting.all_dimensions, *LATENT_SHARES}):
        shares = LATENT_SHARES.get(dimension, LATENT_DEFAULT)
        # Interest and chance together are standard normal; the shares cut them into ratings.
        leaning = 0.5 * interest + np.sqrt(0.75) * rng.standard_normal(len(interest))
        edges = normal_quantiles(np.cumsum(shares)[:-1])
        found[dimension] = RATINGS[np.searchsorted(edges, leaning)]
    return found
