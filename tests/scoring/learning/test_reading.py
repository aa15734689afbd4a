import pytest

from core.errors import Invalid
from scoring.learning.reading import read_sheet


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be cp1252".split())
def test_any_delimiter_and_encoding_is_read(delimiter, encoding):
    rows = [["Größe", "Ort", "Won"], ["10", "Köln", "yes"], ["3,5", "Zürich", "no"]]
    quoted = "\r\n" + "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    sheet = read_sheet(quoted.encode(encoding))
    assert sheet.header == rows[0]
    assert sheet.columns[1] == ["Köln", "Zürich"]
    assert sheet.n == 2


def test_the_first_line_of_a_spreadsheet_tells_the_delimiter():
    sheet = read_sheet(b"sep=;\r\na;b,c;d\r\n1;2,3;4\r\n")
    assert sheet.header == ["a", "b,c", "d"]


def test_empty_and_repeated_names_are_made_different_and_told():
    sheet = read_sheet(b"a,,a\n1,2,3\n4,5,6\n")
    assert sheet.header == ["a", "Column 2", "a (2)"]
    assert [notice.field for notice in sheet.notices] == ["Column 2", "a (2)"]


def test_rows_unlike_the_header_are_left_out_and_counted():
    sheet = read_sheet(b"a,b\n1,2\n3\n4,5\n\n6,7\n")
    assert sheet.columns[0] == ["1", "4", "6"]
    assert [notice.code for notice in sheet.notices] == ["ragged_rows"]
    assert sheet.notices[0].text.startswith("1 row")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_a_csv"),
        (b"PK\x03\x04\x00\x00\x00binary", "not_a_csv"),
        (b"\xff\xfea", "not_a_csv"),
        (b"just one column\n1\n2\n", "not_a_csv"),
        (b'a,b\n1,"' + b"x" * 2_000_000, "not_a_csv"),
        (b"a,b\n", "no_rows"),
        (b"a,b\n1\n2\n3,4\n", "not_a_csv"),
    ],
)
def test_what_is_no_csv_is_refused_by_name(raw, code):
    with pytest.raises(Invalid) as error:
        read_sheet(raw)
    assert [(p.field, p.code) for p in error.value.problems] == [("file", code)]


def test_nul_bytes_and_a_binary_tail_do_not_break_it():
    text = b"a,b\n" + b"1,2\n" * 2000 + b"3\x00,4\n"
    assert read_sheet(text).columns[0][-1] == "3"
