"""A corpus of files as people really send them: refused in a sentence, or imported with a report
that names row and reason. The same file again never adds a row.
"""

import codecs
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from core.errors import Invalid
from intake.models import Import, RejectedRow, StagedRow
from leads.models import Lead
from tests.intake.conftest import Importer

pytestmark = pytest.mark.django_db

GOOD = "Email,Name,Note\nada@x.example,Ada Lovelace,hello\nbo@x.example,Bo Berg,you\n"
MOST_MEMORY = 400  # MB


def encoded(encoding: str, mark: bytes = b"", text: str = GOOD) -> bytes:
    return mark + text.encode(encoding)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        # Of a fixed date, so that each test process gives the test the same name.
        bomb = zipfile.ZipInfo("bomb.csv", (2026, 1, 1, 0, 0, 0))
        archive.writestr(bomb, b"0" * 50_000_000, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def rows(*lines: str) -> bytes:
    return ("Email,Name,Note\n" + "\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


ADA, BO = "ada@x.example,Ada,hello", "bo@x.example,Bo,you"

# Name, bytes, leads that come in, rows that are rejected.
IMPORTED: list[tuple[str, bytes, int, int]] = [
    ("utf-8", encoded("utf-8"), 2, 0),
    ("utf-8 with mark", encoded("utf-8", codecs.BOM_UTF8), 2, 0),
    ("utf-16-le with mark", encoded("utf-16-le", codecs.BOM_UTF16_LE), 2, 0),
    ("utf-16-be with mark", encoded("utf-16-be", codecs.BOM_UTF16_BE), 2, 0),
    ("utf-16-le", encoded("utf-16-le"), 2, 0),
    ("utf-16-be", encoded("utf-16-be"), 2, 0),
    ("utf-32-le with mark", encoded("utf-32-le", codecs.BOM_UTF32_LE), 2, 0),
    ("utf-32-be", encoded("utf-32-be"), 2, 0),
    ("utf-16 cut in the middle of a letter", encoded("utf-16-le")[:-1], 1, 1),
    ("windows-1252", encoded("cp1252", text=GOOD.replace("hello", "Grüße")), 2, 0),
    ("shift-jis", encoded("shift_jis", text=GOOD.replace("hello", "ソフト表")), 2, 0),
    ("latin-1 with undefined bytes", rows(ADA) + b"bo@x.example,B\x81\x9d,x\n", 1, 1),
    ("one row in latin-1", rows("a@x.example,Jürgen Groß,ö", BO) + b"c@x.example,M\xfc,x\n", 2, 1),
    ("carriage returns only", GOOD.replace("\n", "\r").encode(), 2, 0),
    ("mixed line ends", b"Email,Name,Note\r\n" + ADA.encode() + b"\r" + BO.encode() + b"\n", 2, 0),
    ("no line end at the end", GOOD.rstrip().encode(), 2, 0),
    ("blank lines between", GOOD.replace("\n", "\n\n").encode(), 2, 0),
    ("semicolons", GOOD.replace(",", ";").encode(), 2, 0),
    ("tabs", GOOD.replace(",", "\t").encode(), 2, 0),
    ("declared delimiter", ("sep=;\n" + GOOD.replace(",", ";")).encode(), 2, 0),
    ("duplicate headers", GOOD.replace("Note", "Name").encode(), 2, 0),
    ("blank header", GOOD.replace("Note", "").encode(), 2, 0),
    ("header of spaces and controls", GOOD.replace("Note", " \u200b\t ").encode(), 2, 0),
    ("header of 5,000 characters", GOOD.replace("Note", "N" * 5_000).encode(), 2, 0),
    ("ragged rows", rows(ADA, "bo@x.example,Bo", "c@x.example,Cy,x,y", BO), 2, 2),
    ("empty cells at the ends", rows(ADA + ",,", BO + ","), 2, 0),
    ("unclosed quote in the first row", rows('c@x.example,"Cy,x', ADA, BO), 2, 1),
    ("unclosed quote in the last row", rows(ADA, BO, 'c@x.example,"Cy,x'), 2, 1),
    ("two unclosed quotes", rows('c@x.example,"Cy,x', ADA, 'd@x.example,"Di,x', BO), 2, 2),
    ("text behind a quote", rows('"c@x.example"x,Cy,x', ADA, BO), 2, 1),
    ("only quotes", rows('"' * 100_000, ADA, BO), 2, 1),
    ("NUL in a cell", rows("c@x.example,C\0y,x", ADA, BO), 2, 1),
    ("NUL instead of a row", rows("\0", ADA, BO), 2, 1),
    ("cell of 200 kB", rows(f"c@x.example,Cy,{'x' * 200_000}", ADA, BO), 2, 1),
    ("cell of 20 kB", rows(f"c@x.example,Cy,{'x' * 20_000}", ADA, BO), 3, 0),
    ("line of 3 MB", rows("x" * 3_000_000, ADA, BO), 2, 1),
    ("lone surrogate", rows("c@x.example,\udc80Cy,x", "ü@x.example,Ü,öäß", ADA, BO), 3, 1),
    ("lone surrogate and nothing else", rows("c@x.example,\udc80Cy,x", ADA, BO), 3, 0),
    ("headers missing at the end", b"Email,Name,,\nada@x.example,Ada\nbo@x.example,Bo,x\n", 2, 0),
    ("line separators inside cells", rows("c@x.example,Cy\u2028x\u2029,\u0085", ADA, BO), 3, 0),
    ("direction overrides", rows("c@x.example,\u202eyC,\u200bx", ADA, BO), 3, 0),
    ("unit separators", rows("c@x.example,Cy,x\x1fy", ADA, BO), 3, 0),
    ("backslashes", rows(r"c@x.example,C\\y\N,\.", ADA, BO, r"\."), 3, 1),
    ("formulas", rows("c@x.example,=1+1,\"=cmd|' /C calc'!A0\"", "d@x.example,@x,-1+2", ADA), 3, 0),
    ("e-mail with spaces", rows("c @x.example,Cy,x", ADA, BO), 3, 0),
    ("e-mail with a line end", rows('"c@x\n.example",Cy,x', ADA, BO), 3, 0),
    ("e-mail of 300 characters", rows(f"{'c' * 300}@x.example,Cy,x", ADA, BO), 3, 0),
    ("e-mail of another script", rows("c@münchen.example,Cy,x", ADA, BO), 3, 0),
    ("zalgo name", rows(f"c@x.example,Z{chr(0x301) * 90},x", ADA, BO), 3, 0),
    ("name of 101 letters", rows(f"c@x.example,{'n' * 101},x", ADA, BO), 3, 0),
    ("a row of nothing but an unreadable e-mail", rows("nope,,", ADA, BO), 2, 1),
    ("letters outside the first plane", rows("c@x.example,😀 𝒞𝓎,🤝", ADA, BO), 3, 0),
    ("html", rows("c@x.example,<script>alert(1)</script>,<b>", ADA, BO), 3, 0),
    ("percent signs", rows("c@x.example,%s %(x)s,100%", ADA, BO), 3, 0),
    ("quotes of SQL and JSON", rows("""c@x.example,"O'Brien ""x"" {} \\u0000",x"""), 1, 0),
]
REFUSED: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("a mark and nothing", codecs.BOM_UTF8),
    ("a wide mark and nothing", codecs.BOM_UTF16_LE),
    ("spaces", b" \n \r\n\t"),
    ("a header and nothing", b"Email,Name\n"),
    ("a header and blank rows", b"Email,Name\n\n,\n"),
    ("a header of delimiters", b",,,\n"),
    ("an open quote in the header", b'"Email,Name\nada@x.example,Ada\n'),
    ("100,000 headers", b",".join(b"h%d" % n for n in range(100_000)) + b"\n1\n"),
    ("a header of 3 MB", b"x" * 3_000_000),
    ("an archive", zipped()),
    ("a workbook", b"PK\x03\x04" + bytes(60) + b"xl/workbook.xml"),
    ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    ("a document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    ("gzip", b"\x1f\x8b\x08\x00abc"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    ("a page", b"<!DOCTYPE html>\n<html><body>log in</body></html>"),
    ("JSON", b'[{"email": "ada@x.example"}]'),
    ("a program", bytes(range(256)) * 40),
    ("zeros", bytes(100_000)),
]


@pytest.mark.parametrize(("name", "data", "leads", "rejected"), IMPORTED, ids=lambda v: str(v)[:40])
def test_what_can_be_read_comes_in_and_the_rest_is_named(
    run_import: Importer, name: str, data: bytes, leads: int, rejected: int
) -> None:
    report = run_import(data, name=f"{name}.csv")
    assert (report["created"], report["rejected"]) == (leads, rejected)
    assert report["rows"] == leads + rejected
    assert Lead.objects.count() == leads
    for row in RejectedRow.objects.filter(whole_row=True):
        assert row.row_no > 0
        assert row.code
        assert row.reason
    again = run_import(data, name=f"{name}.csv")
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, leads)
    assert Lead.objects.count() == leads


@pytest.mark.parametrize(("name", "data"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_is_no_table_is_refused_in_one_sentence(
    run_import: Importer, name: str, data: bytes
) -> None:
    with pytest.raises(Invalid) as refusal:
        run_import(data, name=f"{name}.csv")
    (problem,) = refusal.value.problems
    assert problem.field == "file"
    assert 5 < len(problem.message) < 130
    assert not Import.objects.exists()
    assert not StagedRow.objects.exists()


def test_a_file_of_bad_rows_only_ends_with_all_of_them_named(run_import: Importer) -> None:
    report = run_import(rows("a", "b,c", 'd,"e'))
    assert (report["rows"], report["rejected"], report["created"]) == (3, 3, 0)
    assert report["state"] == "succeeded_with_errors"


def line_of_300_mb(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"Email,Name\nada@x.example,Ada\n")
        for _ in range(300):
            file.write(b"x" * 1_000_000)
        file.write(b"\nbo@x.example,Bo\n")


def quote_of_100_mb(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'Email,Name\nada@x.example,Ada\n"')
        for _ in range(100):
            file.write(b'""' * 500_000)
        file.write(b"\nbo@x.example,Bo\n")


@pytest.mark.parametrize("write", [line_of_300_mb, quote_of_100_mb])
def test_memory_stays_flat_whatever_the_line(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "long.csv"
    write(path)
    script = (
        "import sys, json, django; django.setup()\n"
        "from core.memory import peak_mb\n"
        "from intake.reading import Reader, detect\n"
        "file = open(sys.argv[1], 'rb')\n"
        "batches = list(Reader(file, detect(file)).batches(1000))\n"
        "rows = [row for batch in batches for _, row in batch.rows]\n"
        "bad = [row.code for batch in batches for row in batch.bad]\n"
        "print(json.dumps([rows, bad, peak_mb()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "leadqual.settings"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    good, bad, peak = json.loads(done.stdout)
    assert good == [["ada@x.example", "Ada"], ["bo@x.example", "Bo"]]
    assert bad == ["too_long"]
    assert peak < MOST_MEMORY / 2
