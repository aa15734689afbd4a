"""The scorecard's arithmetic, against hand-worked numbers and properties."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.features import Facts, signal_matrix
from scoring.scorecard import Scorecard, Scores, ledger, spread
from scoring.tiers import COLD, HOT, NONE, WARM
from tests.scoring.models import DAY, FIELDS, NOW, card, facts, icp


def scored(card: Scorecard, facts: Facts) -> Scores:
    return card.score(signal_matrix(card.model, icp(), facts, FIELDS), facts.tracked)


def test_a_lead_about_whom_nothing_is_known_scores_35_and_may_reach_anything() -> None:
    scores = scored(card(), facts())
    assert scores.total[0] == pytest.approx(0.35 * 100)
    assert (scores.score[0], scores.low[0], scores.high[0]) == (35, 0, 100)
    assert scores.shares[0].tolist() == [35, 35, 35]


def test_own_domain_and_free_mail_are_one_unknown() -> None:
    # Best single value of the e-mail is +10 (own), worst −10 (free): not +10 −10 = 0.
    a = card()
    own, free = (scored(a, facts(email_kind=kind, employees=100)) for kind in ("own", "free"))
    unknown = scored(a, facts(employees=100))
    assert own.groups[0, 0] == 35
    assert free.groups[0, 0] == 15
    assert unknown.groups[0, 0] == pytest.approx(25 + 0.35 * 10)


def test_a_known_value_in_no_band_counts_zero_and_is_known() -> None:
    scores = scored(card(), facts(employees=3))
    assert scores.known[0, 0]
    assert scores.points[0, 0] == 0


def test_marks_of_an_mql_make_42_and_a_demo_request_63_before_any_call() -> None:
    half = scored(card(), facts(employees=9000, email_kind="", tracked=True, pages=4, pages_at=0))
    # fit: 12.5 of 25 for size, .35 × 10 for the e-mail; engagement: 12; qualification: .35 × 35
    assert half.total[0] == pytest.approx(12.5 + 3.5 + 12 + 12.25)
    demo = scored(card(), facts(employees=9000, email_kind="", tracked=True, demo_at=60.0))
    assert demo.total[0] == pytest.approx(16 + 30 + 12.25)


def test_engagement_is_unknown_until_something_is_tracked() -> None:
    untracked, silent = scored(card(), facts()), scored(card(), facts(tracked=True))
    assert untracked.groups[0, 1] == pytest.approx(10.5)
    assert silent.groups[0, 1] == 0
    assert (untracked.high - silent.high)[0] == 30


def test_a_cap_takes_off_what_is_over_and_says_so() -> None:
    scores = scored(card(), facts(tracked=True, demo_at=60.0, pages=4, pages_at=60.0))
    assert scores.groups[0, 1] == 30
    assert scores.clamps[0, 1] == pytest.approx(-12)
    lines = {line.key: line for line in ledger(card(), scores, 0)}
    assert lines["engagement.clamp"].tenths == pytest.approx(-120, abs=5)


def test_a_window_closes_at_its_last_moment() -> None:
    inside = scored(card(), facts(tracked=True, demo_at=90 * DAY - 1))
    outside = scored(card(), facts(tracked=True, demo_at=90 * DAY))
    assert (inside.groups[0, 1], outside.groups[0, 1]) == (30, 0)


@pytest.mark.parametrize(
    ("score", "previous", "expected"),
    [
        (60, NONE, HOT),
        (59, NONE, WARM),
        (57, HOT, HOT),
        (56, HOT, WARM),
        (37, WARM, WARM),
        (36, WARM, COLD),
        (37, HOT, WARM),
        (36, HOT, COLD),
        (40, COLD, WARM),
        (59, COLD, WARM),
    ],
)
def test_a_step_down_needs_more_than_three_points(score: int, previous: int, expected: int) -> None:
    assert card().tiers(np.array([score]), np.array([previous]))[0] == expected


@given(st.integers(0, 100), st.sampled_from([NONE, COLD, WARM, HOT]))
def test_a_tier_is_a_fixed_point_of_its_own_score(score: int, previous: int) -> None:
    first = card().tiers(np.array([score]), np.array([previous]))
    assert card().tiers(np.array([score]), first) == first


def test_a_gate_fails_only_when_known_to_be_below() -> None:
    a = card()
    assert a.gate_failed(facts(authority=32.0))[0] == 0
    assert a.gate_failed(facts(authority=33.0))[0] == -1
    assert a.gate_failed(facts())[0] == -1
    assert not a.gates_met(facts())[0]
    assert a.gates_met(facts(authority=33.0))[0]


known_or_not = st.one_of(st.just(float("nan")), st.floats(0, 100))


@given(
    employees=st.one_of(st.just(float("nan")), st.floats(0, 1e6)),
    email_kind=st.sampled_from(["", "own", "free"]),
    budget=known_or_not,
    authority=known_or_not,
    pages=st.floats(0, 20),
    tracked=st.booleans(),
    base=st.floats(-20, 40),
)
def test_every_ledger_sums_to_the_shown_score_within_its_range(
    employees: float,
    email_kind: str,
    budget: float,
    authority: float,
    pages: float,
    tracked: bool,
    base: float,
) -> None:
    a = card(base=base)
    scores = scored(
        a,
        facts(
            employees=employees,
            email_kind=email_kind,
            budget=budget,
            authority=authority,
            pages=pages,
            pages_at=DAY,
            tracked=tracked,
        ),
    )
    assert sum(line.tenths for line in ledger(a, scores, 0)) == scores.score[0] * 10
    assert 0 <= scores.low[0] <= scores.score[0] <= scores.high[0] <= 100


@given(st.floats(0, 100), st.floats(0, 100))
def test_an_answer_lands_within_the_range_shown_before_it(budget: float, authority: float) -> None:
    before = scored(card(), facts())
    one = scored(card(), facts(budget=budget))
    both = scored(card(), facts(budget=budget, authority=authority))
    assert before.low[0] <= one.low[0] <= both.score[0] <= one.high[0] <= before.high[0]


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=20))
def test_rounding_moves_no_line_by_more_than_its_share(points: list[float]) -> None:
    total = int(np.floor(sum(points) + 0.5))
    tenths = spread(points, total * 10)
    assert sum(tenths) == total * 10
    carried = max(1, len([p for p in points if round(p * 10, 6)]))
    for point, tenth in zip(points, tenths, strict=True):
        assert abs(tenth - point * 10) <= 1 + (5 + 1) / carried + 1


def test_one_lead_scores_the_same_alone_and_among_many() -> None:
    rng = np.random.default_rng(7)
    many = facts(
        500,
        employees=rng.choice([np.nan, 10, 100, 5000], 500),
        email_kind=rng.choice(["", "own", "free"], 500),
        budget=rng.choice([np.nan, 0, 33, 67, 100], 500),
        pages=rng.random(500) * 6,
        tracked=rng.random(500) < 0.5,
    )
    a = card()
    together = scored(a, many)
    for row in range(0, 500, 25):
        alone = scored(
            a,
            facts(
                employees=many.number_columns["employees"][row],
                email_kind=["own", "free", ""][many.text_columns["email_kind"][0][row]],
                budget=many.ratings["budget"][row],
                pages=many.counts["page_viewed", 30][row],
                tracked=many.tracked[row],
            ),
        )
        assert alone.total[0] == together.total[row]


@given(st.floats(0.5, 4), st.sampled_from([np.nan, 100.0]), st.floats(0, 100))
def test_the_score_does_not_change_before_its_alarm(
    pages: float, employees: float, budget: float
) -> None:
    a = card()
    now = facts(employees=employees, budget=budget, pages=pages, pages_at=0, tracked=True)
    before = scored(a, now)
    alarm = a.next_change(before, now)[0]
    assert alarm > NOW
    assume(alarm > NOW + 1)  # on a tie it falls at once, and one second is the shortest alarm
    just_before = (alarm - NOW) * 0.999
    later = facts(
        employees=employees,
        budget=budget,
        pages=pages * 2 ** (-just_before / DAY / 30),
        pages_at=just_before,
        tracked=True,
    )
    assert scored(a, later).score[0] == before.score[0]


def test_the_alarm_of_an_expiry_is_exact_and_silence_has_none() -> None:
    a = card()
    expiring = facts(budget=67.0, budget_expires=1000.0, tracked=True)
    assert a.next_change(scored(a, expiring), expiring)[0] == NOW + 1000
    silent = facts(tracked=True)
    assert np.isnan(a.next_change(scored(a, silent), silent)[0])


def test_a_learned_model_reads_p_from_points_that_nothing_has_bounded() -> None:
    """A hand-made one from the shown score, so leads beyond 100 or a cap are alike to it."""
    by_score, by_points = card(), card(p={"of": "points"})
    found = facts(tracked=True, demo_at=60.0, pages=4, pages_at=60.0)
    scores = scored(by_score, found)
    assert scores.clamps[0, 1] == pytest.approx(-12)
    assert scores.free[0] == pytest.approx(scores.total[0] + 12)
    odds = [c.probability(scores)[0] for c in (by_score, by_points)]
    slope = (np.log(0.25 / 0.75) - np.log(0.08 / 0.92)) / 20
    assert np.log(odds[1] / (1 - odds[1])) - np.log(odds[0] / (1 - odds[0])) == pytest.approx(
        12 * slope
    )
