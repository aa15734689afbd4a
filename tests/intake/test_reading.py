"""Reading any file that calls itself CSV."""

import codecs
import io

import pytest

from core.errors import Invalid
from intake.reading import MOST_RECORD, BadRow, Format, Reader, detect

ROWS = "Name;Ort\nMüller;Köln\nItō;東京\n"


def read(data: bytes) -> tuple[Format, Reader, list[list[str]], list[BadRow]]:
    file = io.BytesIO(data)
    form = detect(file)
    reader = Reader(file, form)
    rows: list[list[str]] = []
    bad: list[BadRow] = []
    for batch in reader.batches(2):
        rows += [cells for _, cells in batch.rows]
        bad += batch.bad
    return form, reader, rows, bad


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_every_unicode_encoding_is_recognised(encoding: str, mark: bytes) -> None:
    form, reader, rows, bad = read(mark + ROWS.encode(encoding))
    assert (form.encoding, reader.headers) == (encoding, ["Name", "Ort"])
    assert rows == [["Müller", "Köln"], ["Itō", "東京"]]
    assert bad == []
    assert form.warnings == ()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_recognised_without_a_mark(encoding: str) -> None:
    form, _, rows, _ = read("Name;Ort\nMüller;Köln\nMeier;Bonn\n".encode(encoding))
    assert form.encoding == encoding
    assert rows == [["Müller", "Köln"], ["Meier", "Bonn"]]


def test_windows_1252_is_read_with_a_warning() -> None:
    form, _, rows, _ = read("Name;Preis\nMüller;5 €\n".encode("cp1252"))
    assert form.encoding == "cp1252"
    assert rows == [["Müller", "5 €"]]
    assert "Windows-1252" in form.warnings[0]


def test_one_damaged_row_does_not_spoil_the_letters_of_the_others() -> None:
    form, _, rows, _ = read("a;b\nMüller;1\nKöln;2\n".encode() + b"M\xfcller;3\n")
    assert form.encoding == "utf-8"
    assert rows[0] == ["Müller", "1"]
    assert rows[2] == ["M\udcffller", "3"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(end: str) -> None:
    _, _, rows, bad = read(f"a,b{end}1,2{end}3,4{end}".encode())
    assert rows == [["1", "2"], ["3", "4"]]
    assert bad == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "name,value;x\t|".replace(",value;x\t|", "") + f"{delimiter}note\n"
    text += f'Ada{delimiter}"1,5; 2|3"\nBob{delimiter}4\n'
    form, _, rows, _ = read(text.encode())
    assert form.delimiter == delimiter
    assert rows == [["Ada", "1,5; 2|3"], ["Bob", "4"]]


def test_excels_declaration_of_the_delimiter_is_obeyed() -> None:
    _, reader, rows, _ = read(b"sep=|\r\na,x|b\r\n1|2\r\n")
    assert reader.headers == ["a,x", "b"]
    assert rows == [["1", "2"]]


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_ends() -> None:
    _, _, rows, bad = read(b'a,b\n"x, ""y""\nz",2\n3,4\n')
    assert rows == [['x, "y"\nz', "2"], ["3", "4"]]
    assert bad == []


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n1,"2\n3,4\n5,6\n',
        'a,b\n1,"2\n3,"4"\n5,6\n',
        'a,b\n1,"2\n3,4\n5,"6"\n',
    ],
)
def test_a_quote_that_is_never_closed_costs_its_own_line_only(text: str) -> None:
    _, _, rows, bad = read(text.encode())
    assert rows == [["3", "4"], ["5", "6"]]
    assert [(row.row_no, row.code) for row in bad] == [(1, "unclosed_quote")]
    assert bad[0].value == '1,"2'


def test_an_unclosed_quote_far_from_the_end_loses_one_row() -> None:
    lines = [f"{n},{n}" for n in range(1, 60_001)]
    lines[49_999] = '50000,"50000'
    _, _, rows, bad = read(("a,b\n" + "\n".join(lines)).encode())
    assert len(rows) == 59_999
    assert [row.row_no for row in bad] == [50_000]


def test_text_behind_a_closing_quote_is_refused_with_its_row() -> None:
    _, _, rows, bad = read(b'a,b\n"x"y,2\n3,4\n')
    assert rows == [["3", "4"]]
    assert [(row.row_no, row.code) for row in bad] == [(1, "bad_quotes")]


def test_wrong_column_counts_are_refused_and_empty_ends_forgiven() -> None:
    _, _, rows, bad = read(b"a,b,c\n1,2\n1,2,3,,\n1,2,3,4\n1,2,3\n")
    assert rows == [["1", "2", "3"], ["1", "2", "3"]]
    assert [(row.row_no, row.reason) for row in bad] == [
        (1, "has 2 cells where the header has 3"),
        (3, "has 4 cells where the header has 3"),
    ]


def test_blank_rows_are_counted_and_keep_their_numbers() -> None:
    _, reader, rows, bad = read(b"a,b\n\n,\n1,2\n\n3\n")
    assert rows == [["1", "2"]]
    assert reader.blank == 3
    assert [row.row_no for row in bad] == [5]


def test_duplicate_and_empty_headers_get_names() -> None:
    _, reader, _, _ = read(b"Name,name,,Name\n1,2,3,4\n")
    assert reader.headers == ["Name", "name (2)", "Column 3", "Name (3)"]
    assert len(reader.renamed) == 3


def test_a_line_beyond_the_limit_is_named_and_skipped() -> None:
    data = b"a,b\n1,2\n" + b"x" * (3 * MOST_RECORD) + b"\n3,4\n"
    _, _, rows, bad = read(data)
    assert rows == [["1", "2"], ["3", "4"]]
    assert [(row.row_no, row.code) for row in bad] == [(2, "too_long")]
    assert len(bad[0].value) == 300


def test_an_open_quote_before_a_line_beyond_the_limit_loses_both_and_no_more() -> None:
    data = b'a,b\n1,"2\n' + b"x" * (2 * MOST_RECORD) + b"\n3,4\n"
    _, _, rows, bad = read(data)
    assert rows == [["3", "4"]]
    assert [(row.row_no, row.code) for row in bad] == [(1, "unclosed_quote"), (2, "too_long")]


def test_a_cell_of_200_kilobytes_is_refused_and_not_the_file() -> None:
    _, _, rows, bad = read(b'a,b\n"' + b"x" * 200_000 + b'",2\n3,4\n')
    assert rows == [["3", "4"]]
    assert bad[0].code == "too_long"


def test_only_quotes_are_read_in_linear_time() -> None:
    _, _, rows, bad = read(b"a,b\n" + b'"' * 2_000_000 + b"\n1,2\n")
    assert rows[-1:] == [["1", "2"]]
    assert len(bad) <= 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (b" \r\n\n", "empty"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"%PDF-1.7", "not_csv"),
        (b"\xd0\xcf\x11\xe0rest", "not_csv"),
        (b"\x1f\x8brest", "not_csv"),
        (b"<!DOCTYPE html><html>", "not_csv"),
        (b'[{"a": 1}]', "not_csv"),
        (bytes(range(256)) * 20, "not_csv"),
        (b'"a,b\n1,2\n', "bad_header"),
        (b"x" * (2 * MOST_RECORD), "bad_header"),
        (b",".join(b"h%d" % n for n in range(100_000)), "too_many_columns"),
    ],
)
def test_what_is_no_csv_is_refused_in_one_sentence(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(data)
    (problem,) = refusal.value.problems
    assert (problem.field, problem.code) == ("file", code)
    assert len(problem.message) < 120
