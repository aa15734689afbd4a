"""What lines are worth by the outcomes: intervals that are right, alerts that are not noise."""

from dataclasses import asdict
from math import isclose

import numpy as np

from pipeline.effectiveness import judge, log_place, missed, missed_words, stability, wilson
from scoring.facts import Rows
from scoring.learning.lifts import lift_of
from scoring.live import LiveModel
from scoring.training import Training
from tests.scoring import models
from tests.scoring.test_levers import framework

SEED = 20_260_701
MONTH = 30.4 * 86_400


def _live() -> LiveModel:
    return LiveModel(1, "test", 1, "test", models.model(), models.icp(), framework())


def _past(n: int, seed: int, *, months: int = 10, shift_in_last: bool = False) -> Training:
    """Leads whose budget decides, whose authority does not, over months of equal size."""
    random = np.random.default_rng(seed)
    month = np.sort(np.arange(n) % months)
    budget = random.choice([0.0, 33.0, 67.0, 100.0], n)
    budget[random.random(n) < 0.4] = np.nan
    if shift_in_last:
        budget[(month == months - 1) & (random.random(n) < 0.9)] = 100.0
    authority = random.choice([33.0, 100.0], n)
    authority[random.permutation(n)[40:]] = np.nan
    p = np.where(budget >= 67, 0.5, 0.12)
    facts = models.facts(n, budget=budget, authority=authority, employees=100)
    return Training(
        rows=Rows(facts, {}, np.empty(0, dtype=np.int64)),
        y=(random.random(n) < p).astype(np.float64),
        at=(models.NOW + month * MONTH).astype(np.float64),
        repeat_of=np.arange(n),
        in_order=True,
        immature=0,
        closed=n,
        left_out=0,
        demo=False,
    )


def test_intervals_are_wilsons_and_a_rate_of_nobody_is_none() -> None:
    share = wilson(8, 10)
    assert isclose(share.low, 0.4902, abs_tol=1e-4)
    assert isclose(share.high, 0.9433, abs_tol=1e-4)
    nobody = wilson(0, 10)
    assert isclose(nobody.low, 0.0, abs_tol=1e-12)
    assert isclose(nobody.high, 0.2775, abs_tol=1e-4)
    assert wilson(0, 0).rate is None


def test_a_lift_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(SEED)
    draws = 2_000
    ours, theirs = random.binomial(120, 0.3, draws), random.binomial(300, 0.15, draws)
    inside = 0
    for a, b in zip(ours.tolist(), theirs.tolist(), strict=True):
        _, low, high = lift_of(a, 120, b, 300)
        inside += low <= 2.0 <= high
    assert 0.93 <= inside / draws <= 0.97
    assert lift_of(0, 20, 0, 20)[0] == 1.0


def test_missed_wins_are_told_from_twenty_closed_leads_with_newcombes_interval() -> None:
    assert missed(5, 19, 10, 400, 3).needed == 1
    assert missed(5, 19, 10, 400, 3).per_hundred is None
    # Newcombe 1998, method 10: 56 of 70 against 48 of 80.
    found = missed(56, 70, 48, 80, 0)
    assert found.per_hundred is not None
    assert isclose(found.per_hundred, 20.0)
    assert (round(found.low / 100, 4), round(found.high / 100, 4)) == (0.0524, 0.3339)
    # In words it is as sure as its interval.
    assert missed_words(asdict(found)) == (
        "Worked as warm, a hundred cold leads win +20.0 (95 %: +5.2 to +33.4). "
        "The 80 worked as cold would have won +16 (+4 to +27)."
    )
    unsure = missed_words(asdict(missed(11, 40, 50, 205, 26)))
    assert "+3.1 (95 %: −9.9 to +19.4)" in unsure
    assert unsure.endswith("+6 (−20 to +40): whether any win was missed is not sure.")
    assert "Nothing is missed" in missed_words(asdict(missed(1, 70, 48, 80, 0)))
    assert "1 more of the group" in missed_words(asdict(missed(5, 19, 10, 400, 3)))
    assert "no lead that is worked as cold" in missed_words(asdict(missed(5, 30, 0, 0, 3)))


def test_stability_is_zero_for_the_same_and_grows_with_the_difference() -> None:
    same = stability(np.array([500, 300, 200]), np.array([500, 300, 200]))
    near = stability(np.array([480, 310, 210]), np.array([500, 300, 200]))
    far = stability(np.array([100, 300, 600]), np.array([500, 300, 200]))
    assert same == 0
    assert 0 < near < 0.01 < 0.25 < far


def test_what_decides_has_a_lift_and_what_nobody_asked_says_how_much_is_missing() -> None:
    found = judge(_live(), _past(900, SEED), models.FIELDS, {"budget": (21.0, 7)})
    lines = {line.key: line for line in found.lines}
    budget, authority, size = lines["budget"], lines["authority"], lines["size"]
    assert budget.lift is not None
    assert 1 < budget.lift_low < budget.lift < budget.lift_high
    assert 0.5 < budget.coverage < 0.7
    assert budget.strong.n + budget.weak.n + budget.unknown.n == found.total.n == 900
    assert (budget.seconds, budget.timed) == (21.0, 7)
    assert budget.evidence is not None
    # What outcomes alone say, as its interval does, not what a prior at the live points leaves.
    assert isclose(budget.evidence, (budget.evidence_low + budget.evidence_high) / 2)
    assert (authority.lift, authority.needed) == (None, 10)
    # Everybody has the same size: nothing can be compared, and no answer is missing.
    assert (size.lift, size.needed, size.evidence) == (None, 0, None)


def test_a_month_that_differs_is_told_and_months_that_do_not_are_not() -> None:
    shifted = judge(_live(), _past(900, SEED, shift_in_last=True), models.FIELDS, {})
    alerts = [(x.key, m.month) for x in shifted.lines for m in x.months if m.alert]
    last = shifted.base[-1].month
    assert alerts == [("budget", last)]
    assert [base.month for base in shifted.base if base.alert] == [last]
    quiet = 0
    for seed in range(20):
        found = judge(_live(), _past(700, seed), models.FIELDS, {})
        quiet += sum(m.alert for x in found.lines for m in x.months)
        quiet += sum(base.alert for base in found.base)
    assert quiet == 0


def test_a_ratio_has_its_place_on_the_scale() -> None:
    assert [log_place(value) for value in (0.1, 0.25, 1.0, 4.0, 9.0)] == [0, 0, 50, 100, 100]
