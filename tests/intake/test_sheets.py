"""Files of past leads, as the command reads them."""

import io

import pytest

from core.errors import Invalid
from intake.sheets import read_sheet
from scoring.learning.table import Sheet


def read(raw: bytes) -> Sheet:
    return read_sheet(io.BytesIO(raw))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 cp1252".split()
)
def test_any_delimiter_and_encoding_is_read(delimiter, encoding):
    rows = [["Größe", "Ort", "Won"], ["10", " Köln", "yes"], ["3,5", "Zürich ", "no"]]
    quoted = "\r\n" + "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    sheet = read(quoted.encode(encoding))
    assert sheet.header == rows[0]
    assert sheet.columns[1] == ["Köln", "Zürich"]
    assert sheet.n == 2
    assert [n.code for n in sheet.notices] == (["encoding"] if encoding == "cp1252" else [])


def test_the_first_line_of_a_spreadsheet_tells_the_delimiter():
    assert read(b"sep=;\r\na;b,c;d\r\n1;2,3;4\r\n").header == ["a", "b,c", "d"]


def test_empty_and_repeated_names_are_made_different_and_told():
    sheet = read(b"a,,A\n1,2,3\n4,5,6\n")
    assert sheet.header == ["a", "Column 2", "A (2)"]
    assert [(n.code, n.field) for n in sheet.notices] == [
        ("renamed_column", "Column 2"),
        ("renamed_column", "A (2)"),
    ]


def test_rows_that_cannot_be_read_are_left_out_and_named():
    sheet = read(b"a,b\n1,2\n3,4,5\n4,5\n\n6,7\n8\x009,9\n10,11\n")
    assert sheet.columns == [["1", "4", "6", "10"], ["2", "5", "7", "11"]]
    assert [notice.text for notice in sheet.notices] == [
        "2 rows are left out: row 2 has 3 cells where the header has 2; row 6 contains a NUL "
        "character; the file may be damaged."
    ]


def test_a_quote_that_is_never_closed_costs_one_row():
    rows = [f"{i},{i}" for i in range(50)]
    rows[20] = '20,"20'
    sheet = read("\n".join(["a,b", *rows]).encode())
    assert sheet.n == 49
    assert [n.text for n in sheet.notices] == [
        "1 row is left out: row 21 has a quote that is never closed."
    ]


def test_of_many_such_rows_the_first_are_named():
    text = "a,b\n" + "1,2\n" * 10 + "3,4,5\n" * 6
    assert (
        read(text.encode())
        .notices[0]
        .text.endswith("row 13 has 3 cells where the header has 2; and 3 more.")
    )


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (b"", "empty", "is empty"),
        (b"PK\x03\x04\x00\x00\x00binary", "not_csv", "Excel workbook"),
        (b"\xff\xfea\0", "not_csv", "one column only"),
        (b"just one column\n1\n2\n", "not_csv", "one column only"),
        (b"a,b\n", "no_rows", "no rows"),
        (b"a,b\n1,2,3\n2,3,4\n3,4\n", "not_csv", "2 of 3 rows .* row 1 has 3 cells"),
        (b"a,b\n1," + b"x" * 2_000_000, "not_csv", "row 1 is longer than 1,000,000"),
        (b"a,b\n" + bytes(range(1, 9)) * 100, "not_csv", "not a text file"),
    ],
)
def test_what_is_no_csv_is_refused_by_name(raw, code, words):
    with pytest.raises(Invalid, match=words) as error:
        read(raw)
    assert [(p.field, p.code) for p in error.value.problems] == [("file", code)]
