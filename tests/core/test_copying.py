"""Binary COPY into columns."""

import numpy as np
import pytest

from core import copying
from core.copying import ColumnType, read_columns

pytestmark = pytest.mark.django_db
COLUMNS: tuple[tuple[str, ColumnType], ...] = (("a", "i8"), ("b", "f8"))


@pytest.mark.parametrize("piece", [1, 100, 1 << 22])
def test_columns_come_whole_whatever_the_pieces(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_PIECE", piece)
    query = "SELECT i::bigint, CASE WHEN i % 3 = 0 THEN 'NaN' ELSE i / 4.0::float8 END {}"
    read = read_columns(query.format("FROM generate_series(1, 500) i"), COLUMNS)
    i = np.arange(1, 501)
    assert read["a"].tolist() == i.tolist()
    assert read["b"].dtype == np.float64
    np.testing.assert_array_equal(read["b"], np.where(i % 3 == 0, np.nan, i / 4))
    none = read_columns(query.format("FROM generate_series(1, 0) i"), COLUMNS)
    assert [len(column) for column in none.values()] == [0, 0]


@pytest.mark.parametrize(
    "row",
    [
        "i::bigint, NULLIF(i, 7)::float8",
        "i::bigint, i::float4",
        "i::bigint, NULLIF(i, 500)::float8",
    ],
)
def test_what_does_not_fill_eight_bytes_is_refused(row: str) -> None:
    with pytest.raises(ValueError, match="binary read"):
        read_columns(f"SELECT {row} FROM generate_series(1, 500) i", COLUMNS)
