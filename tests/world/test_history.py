import numpy as np
import orjson
import pytest

from leads.activities import Kind
from leads.stages import StageKey
from scoring.live import LiveConfig
from scoring.models import ScoreChange, Snapshot
from tests.world.conftest import make_setting
from world.chunk import Chunk
from world.generator import make_chunk
from world.history import CAUSES, REASONS, History, write_history
from world.lists import EVIDENCE_SOURCES, KINDS, STAGES

LEADS = 1_500


@pytest.fixture
def told(live: LiveConfig) -> tuple[Chunk, History]:
    setting = make_setting(LEADS)
    chunk = make_chunk(setting, 0)
    return chunk, write_history(chunk, setting, live)


def test_each_change_begins_where_the_last_one_ended(told: tuple[Chunk, History]):
    changes = told[1].changes
    tier: dict[int, int] = {}
    moves = zip(
        changes.lead.tolist(), changes.from_tier.tolist(), changes.to_tier.tolist(), strict=True
    )
    seen = 0
    for lead, before, after in moves:
        assert tier.get(lead, before) == before
        tier[lead] = after
        seen += before != after
    assert seen > LEADS / 10


def test_time_alone_is_noted_only_when_it_moves_the_tier(told: tuple[Chunk, History]):
    changes = told[1].changes
    by_time = changes.cause == CAUSES.index(ScoreChange.Cause.TIME)
    assert by_time.any()
    assert (changes.from_tier != changes.to_tier)[by_time].all()


def test_every_lead_has_its_first_facts_and_every_outcome_its_last(told: tuple[Chunk, History]):
    chunk, history = told
    snapshots = history.snapshots

    def of(reason: Snapshot.Reason) -> list[int]:
        return sorted(snapshots.lead[snapshots.reason == REASONS.index(reason)].tolist())

    assert of(Snapshot.Reason.FIRST_SCORE) == list(range(LEADS))
    assert of(Snapshot.Reason.OUTCOME) == sorted(chunk.ends.lead.tolist())
    ends = dict(zip(chunk.ends.lead.tolist(), chunk.ends.at.tolist(), strict=True))
    for lead, reason, at in zip(snapshots.lead, snapshots.reason, snapshots.at, strict=True):
        if REASONS[reason] == Snapshot.Reason.OUTCOME:
            assert at == ends[lead]
        assert at >= chunk.leads.created[lead]


def test_facts_are_those_of_the_moment_and_not_of_today(told: tuple[Chunk, History]):
    """At an outcome the last answers are minutes to months old, never counted from today."""
    chunk, history = told
    snapshots = history.snapshots
    answered = {}
    for lead, dimension, rating, at in zip(
        chunk.answers.lead.tolist(),
        chunk.answers.dimension.tolist(),
        chunk.answers.rating.tolist(),
        chunk.answers.observed.tolist(),
        strict=True,
    ):
        answered[lead, dimension] = (rating, at)
    dimensions = make_setting(LEADS).all_dimensions
    compared = 0
    for place in range(len(snapshots.lead)):
        if REASONS[snapshots.reason[place]] != Snapshot.Reason.OUTCOME:
            continue
        lead = int(snapshots.lead[place])
        for name, (rating, age) in orjson.loads(snapshots.facts[place])["ratings"].items():
            wanted, at = answered[lead, dimensions.index(name)]
            assert rating == wanted
            assert age == pytest.approx((snapshots.at[place] - at) / 86_400, abs=0.01)
            compared += 1
    assert compared > 100


def test_first_facts_know_nothing_of_what_came_later(told: tuple[Chunk, History]):
    snapshots = told[1].snapshots
    for place in range(len(snapshots.lead)):
        if REASONS[snapshots.reason[place]] == Snapshot.Reason.FIRST_SCORE:
            facts = orjson.loads(snapshots.facts[place])
            assert facts["ratings"] == {}
            assert facts["engagement"] == {}


def test_who_passed_the_marks_while_new_became_an_mql(told: tuple[Chunk, History]):
    chunk, history = told
    h, snapshots = chunk.happenings, history.snapshots
    became = (h.kind == KINDS.index(Kind.STAGE_MOVED)) & (h.b == STAGES.index(StageKey.MQL))
    mqls = snapshots.lead[snapshots.reason == REASONS.index(Snapshot.Reason.MQL)]
    assert sorted(h.lead[became].tolist()) == sorted(mqls.tolist())
    assert (h.a[became] == STAGES.index(StageKey.NEW)).all()
    at: dict[int, int] = {}
    for lead, kind, a, b in zip(
        h.lead.tolist(), h.kind.tolist(), h.a.tolist(), h.b.tolist(), strict=True
    ):
        if KINDS[kind] == Kind.STAGE_MOVED:
            assert at.get(lead, a) == a
            at[lead] = b
        elif KINDS[kind] == Kind.OUTCOME_RECORDED:
            at.pop(lead, None)


def test_the_facts_of_a_call_are_kept_at_its_last_answer(told: tuple[Chunk, History]):
    chunk, history = told
    snapshots, answers = history.snapshots, chunk.answers
    by_call = answers.source == EVIDENCE_SOURCES.index("call")
    given = set(
        zip(answers.lead[by_call].tolist(), answers.observed[by_call].tolist(), strict=True)
    )
    kept = snapshots.reason == REASONS.index(Snapshot.Reason.CALL)
    moments = list(zip(snapshots.lead[kept].tolist(), snapshots.at[kept].tolist(), strict=True))
    assert given >= set(moments)
    assert len(set(moments)) == len(moments)
    called = {lead for lead, _ in given}
    assert len({lead for lead, _ in moments}) > 0.95 * len(called) > 100
    for lead, at in given - set(moments):
        later = [other for who, other in given if who == lead and at < other < at + 3_600]
        busy = (chunk.happenings.lead == lead).sum() > 18
        assert later or busy
    engaged = [
        bool(orjson.loads(snapshots.facts[place])["engagement"]) for place in np.flatnonzero(kept)
    ]
    assert np.mean(engaged) > 0.9  # the call itself counts, at least
