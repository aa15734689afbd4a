"""New leads are shared evenly."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from intake.owners import schedule


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_each_lead_goes_to_whoever_has_the_fewest_open_leads(
    open_leads: list[int], a: int, b: int
) -> None:
    start, stop = sorted((a, b))
    heap = [(count, place) for place, count in enumerate(open_leads)]
    heapq.heapify(heap)
    expected = []
    for _ in range(stop):
        count, place = heapq.heappop(heap)
        expected.append(place + 100)
        heapq.heappush(heap, (count + 1, place))
    owners = [place + 100 for place in range(len(open_leads))]
    assert schedule(owners, open_leads, start, stop).tolist() == expected[start:]


def test_without_new_leads_nobody_gets_any() -> None:
    assert schedule([1, 2], [0, 0], 5, 5).tolist() == []
