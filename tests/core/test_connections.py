"""Reading over several connections at a time."""

import pytest
from django.db import connection

from core.connections import over_connections

pytestmark = pytest.mark.django_db(transaction=True)


def reader(number: int) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), pg_sleep(0.05), 1 / (5 - %s)", [number])
        return number, cursor.fetchone()[0]


def test_each_part_is_read_over_a_connection_of_its_own_which_is_closed() -> None:
    found = over_connections(reader, [3, 1, 2])
    assert [number for number, _ in found] == [3, 1, 2]
    pids = [pid for _, pid in found]
    assert len(set(pids)) == 3
    with connection.cursor() as cursor:
        # A backend is gone a moment after its connection.
        cursor.execute("SELECT pg_sleep(0.5)")
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [pids])
        assert cursor.fetchall() == [(pids[0],)]
    assert over_connections(reader, [4]) == [(4, pids[0])]


@pytest.mark.parametrize("parts", [[5, 1], [1, 5]])
def test_an_error_of_one_part_is_raised(parts: list[int]) -> None:
    with pytest.raises(Exception, match="division by zero"):
        over_connections(reader, parts)
