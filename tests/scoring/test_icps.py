"""The choice of an ICP."""

import numpy as np
import pytest

from scoring.icps import FALLBACK, choose


def chosen(
    shares: list[float],
    *,
    known: list[int] | None = None,
    eligible: list[bool] | None = None,
    present: int = -1,
) -> tuple[int, int]:
    m = len(shares)
    result = choose(
        np.array([shares], dtype=float),
        np.array([eligible or [True] * m]),
        np.array([known or [0] * m]),
        np.arange(m),
        np.array([present]),
    )
    return int(result[0][0]), int(result[1][0])


def test_the_best_fit_wins_and_the_next_is_runner_up() -> None:
    assert chosen([50, 80, 60]) == (1, 2)


def test_within_five_points_more_known_signals_win_then_position() -> None:
    assert chosen([80, 76], known=[1, 4])[0] == 1
    assert chosen([80, 74], known=[1, 4])[0] == 0
    assert chosen([78, 80], known=[2, 2])[0] == 0


@pytest.mark.parametrize(("other", "expected"), [(70, 0), (70.1, 1)])
def test_the_present_icp_stays_unless_beaten_by_more_than_ten(other: float, expected: int) -> None:
    assert chosen([60, other], present=0)[0] == expected


def test_below_forty_nothing_is_claimed() -> None:
    assert chosen([39.9, 20])[0] == FALLBACK
    assert chosen([39.9, 20], present=0)[0] == FALLBACK


def test_an_icp_outside_its_segment_is_not_considered() -> None:
    assert chosen([90, 50], eligible=[False, True]) == (1, FALLBACK)


def test_no_icp_at_all_is_the_fallback() -> None:
    empty = np.empty((3, 0))
    picked, runner_up = choose(
        empty, empty.astype(bool), empty.astype(int), np.array([]), np.full(3, -1)
    )
    assert picked.tolist() == runner_up.tolist() == [FALLBACK] * 3
