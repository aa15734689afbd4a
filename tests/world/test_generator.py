from dataclasses import fields

import numpy as np
import pytest

from leads.activities import Kind
from leads.stages import CLOSED, StageKey
from scoring.features import DAY
from scoring.live import LiveConfig
from tests.world.conftest import NOW, make_setting
from world import lists
from world.chunk import CHUNK, Chunk
from world.generator import make_chunk
from world.lists import KINDS, RESULTS, STAGES


@pytest.fixture
def chunk(live: LiveConfig) -> Chunk:
    return make_chunk(make_setting(CHUNK), 0)


def columns(chunk: Chunk):
    for part in ("companies", "leads", "happenings", "answers", "ends"):
        for column in fields(getattr(chunk, part)):
            yield f"{part}.{column.name}", getattr(getattr(chunk, part), column.name)


def test_the_same_seed_makes_the_same_chunk_and_another_seed_another(live: LiveConfig):
    first, again = (make_chunk(make_setting(800), 0) for _ in range(2))
    for (name, values), (_, others) in zip(columns(first), columns(again), strict=True):
        assert np.array_equal(values, others, equal_nan=values.dtype.kind == "f"), name
    other = make_chunk(make_setting(800, seed=2), 0)
    assert not np.array_equal(first.leads.given, other.leads.given)


def test_chunks_make_up_the_world_and_follow_each_other_in_time(live: LiveConfig):
    setting = make_setting(CHUNK + 500)
    chunks = [make_chunk(setting, number) for number in range(setting.chunks)]
    assert [chunk.leads.n for chunk in chunks] == [CHUNK, 500]
    assert sum(len(chunk.companies.industry) for chunk in chunks) == setting.companies
    assert np.median(chunks[0].leads.created) < np.median(chunks[1].leads.created)


def test_everything_happens_within_a_leads_life_and_before_now(chunk: Chunk):
    leads, h = chunk.leads, chunk.happenings
    assert leads.created.min() > NOW.timestamp() - (lists.SPAN + 2) * DAY
    assert (h.at >= leads.created[h.lead]).all()
    assert (h.at <= NOW.timestamp()).all()
    by_itself = h.kind != KINDS.index(Kind.STAGE_MOVED)
    assert (h.at <= leads.end[h.lead])[by_itself].all()
    assert (chunk.answers.observed <= leads.end[chunk.answers.lead]).all()


def test_there_are_about_five_activities_a_lead(chunk: Chunk):
    assert 4.5 < len(chunk.happenings.lead) / chunk.leads.n < 6.0


def test_stages_agree_with_moves_and_outcomes(chunk: Chunk):
    leads, h = chunk.leads, chunk.happenings
    closed = np.isin(leads.stage, [STAGES.index(stage) for stage in CLOSED])
    assert np.array_equal(closed, leads.closed)
    assert set(chunk.ends.lead.tolist()) == set(
        np.flatnonzero(leads.closed | (leads.round == 2)).tolist()
    )
    at = np.full(leads.n, STAGES.index(StageKey.NEW))
    for lead, kind, a, b in zip(
        h.lead.tolist(), h.kind.tolist(), h.a.tolist(), h.b.tolist(), strict=True
    ):
        if KINDS[kind] == Kind.STAGE_MOVED:
            assert at[lead] == a
            at[lead] = b
        elif KINDS[kind] == Kind.OUTCOME_RECORDED:
            at[lead] = STAGES.index(StageKey(RESULTS[a]))
    assert np.array_equal(at, leads.stage)


def test_one_answer_about_each_dimension_is_current_and_it_is_the_last(chunk: Chunk):
    answers = chunk.answers
    newest: dict[tuple[int, int], float] = {}
    for lead, dimension, at in zip(answers.lead, answers.dimension, answers.observed, strict=True):
        newest[lead, dimension] = max(newest.get((lead, dimension), 0.0), at)
    current = answers.current
    assert current.sum() == len(newest) < len(current)
    for lead, dimension, at in zip(
        answers.lead[current],
        answers.dimension[current],
        answers.observed[current],
        strict=True,
    ):
        assert newest[lead, dimension] == at


def test_the_stage_sql_is_reached_only_with_the_gates_met(live: LiveConfig):
    setting = make_setting(CHUNK)
    chunk = make_chunk(setting, 0)
    h, answers = chunk.happenings, chunk.answers
    moves = (h.kind == KINDS.index(Kind.STAGE_MOVED)) & (h.b == STAGES.index(StageKey.SQL))
    assert moves.sum() > 100
    for lead, at in zip(h.lead[moves].tolist(), h.at[moves].tolist(), strict=True):
        kind = "b2b" if chunk.leads.b2b[lead] else "b2c"
        for dimension, least in setting.gates[kind].items():
            mine = (
                (answers.lead == lead)
                & (answers.dimension == setting.all_dimensions.index(dimension))
                & (answers.observed < at)
            )
            assert answers.rating[mine][-1] >= least


def test_outcomes_follow_the_hidden_truth(live: LiveConfig):
    chunk = make_chunk(make_setting(CHUNK, closes=1.0), 0)
    p, won = chunk.leads.p_win[chunk.ends.lead], chunk.ends.result == 0
    order = np.argsort(p)
    for part in np.array_split(order, 8):
        off = abs(won[part].mean() - p[part].mean())
        assert off < 4 * np.sqrt(p[part].mean() * (1 - p[part].mean()) / len(part))
    assert 0.1 < won.mean() < 0.4


def test_the_bands_that_decide_are_those_that_the_profile_finds(live: LiveConfig):
    """Each band of the truth is a band of the default bundle for the values that stand for it."""
    by_key = {model.icp_key: model.icp for model in live.models}
    b2b, b2c = by_key["b2b"], by_key["b2c"]
    for band, low, high, _ in lists.SIZES:
        rule = rule_of(b2b, "company_size", band)
        for employees in (low, high):
            assert holds(rule, employees)
    for band, low, high, _ in lists.AGES:
        assert holds(rule_of(b2c, "age_band", band), low)
        assert holds(rule_of(b2c, "age_band", band), high)
    for band, low, high, _ in lists.MEANS:
        assert holds(rule_of(b2c, "means", band), low)
        assert holds(rule_of(b2c, "means", band), high)
    for name, band, _ in lists.INDUSTRIES:
        assert name in rule_of(b2b, "industry", band)["value"]
    for code, band, *_ in lists.COUNTRIES:
        assert code in rule_of(b2b, "region", band)["value"]
        assert code in rule_of(b2c, "region", band)["value"]


def rule_of(icp, attribute, band):
    return next(b.rule for b in icp.attribute(attribute).bands if b.key == band)


def holds(rule, value):
    if "all" in rule:
        return all(holds(leaf, value) for leaf in rule["all"])
    limit = rule["value"]
    return {
        "between": lambda: limit[0] <= value <= limit[1],
        "lt": lambda: value < limit,
        "lte": lambda: value <= limit,
        "gt": lambda: value > limit,
        "gte": lambda: value >= limit,
    }[rule["op"]]()
