"""The import pages: upload, mapping, dry run, progress, report, rejected rows."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core import jobs
from intake import views
from intake.models import Import, RejectedRow
from intake.progress import work
from leads.models import Lead
from tests.intake.conftest import to_csv

pytestmark = pytest.mark.django_db

FILE = to_csv(
    ["Email", "Name", "Budget", "Plan"],
    [
        ["ada@x.example", "Ada Lovelace", "Yes", "Pro"],
        ["bo@x.example", "Bo Berg", "Unknown", "Basic"],
        ["cy@x.example", "=Cy", "No", "Pro"],
        ["di@x.example", "Di Dorn", "No", "Basic"],
    ],
)


@pytest.fixture
def pages(rep: User) -> Client:
    client = Client()
    client.force_login(rep)
    return client


def upload(pages: Client, content: str | bytes, **data: Any) -> Any:
    raw = content.encode() if isinstance(content, str) else content
    return pages.post("/imports/upload/", {"file": SimpleUploadedFile("leads.csv", raw), **data})


def uploaded(pages: Client, content: str | bytes = FILE, **data: Any) -> Import:
    response = upload(pages, content, **data)
    assert response.status_code == 302
    imported = Import.objects.order_by("-pk")[0]
    assert response["Location"] == f"/imports/{imported.pk}/"
    return imported


def page(pages: Client, imported: Import, path: str = "") -> str:
    response = pages.get(f"/imports/{imported.pk}/{path}")
    assert response.status_code == 200
    return str(response.content.decode())


def checked(pages: Client, content: str = FILE, **data: Any) -> Import:
    """Upload and dry-run."""
    imported = uploaded(pages, content)
    assert pages.post(f"/imports/{imported.pk}/check/", data).status_code == 302
    return work(Import.objects.get(pk=imported.pk))


def test_the_whole_way_works_by_plain_forms(pages: Client, rep: User) -> None:
    imported = uploaded(pages, source="Fair")
    mapping = page(pages, imported)
    assert "ada@x.example" in mapping
    assert '<option value="field:email" selected>' in mapping
    assert '<option value="evidence:budget" selected>' in mapping
    assert pages.post(f"/imports/{imported.pk}/check/").status_code == 302
    running = page(pages, imported)
    assert "<progress" in running
    work(Import.objects.get(pk=imported.pk))
    dry = page(pages, imported)
    assert "What would happen" in dry
    assert not Lead.objects.exists()
    assert pages.post(f"/imports/{imported.pk}/run/").status_code == 302
    work(Import.objects.get(pk=imported.pk))
    assert "What happened" in page(pages, imported)
    assert Lead.objects.filter(owner=rep, first_source__name="Fair").count() == 4
    assert "Done" in pages.get("/imports/").content.decode()


def test_progress_is_asked_for_each_second_and_leads_to_the_report(pages: Client) -> None:
    imported = uploaded(pages)
    pages.post(f"/imports/{imported.pk}/check/")
    first = pages.get(f"/imports/{imported.pk}/progress/")
    assert 'hx-trigger="every 1s"' in first.content.decode()
    assert "HX-Redirect" not in first
    work(Import.objects.get(pk=imported.pk))
    last = pages.get(f"/imports/{imported.pk}/progress/")
    assert last["HX-Redirect"] == f"/imports/{imported.pk}/"


def test_a_column_can_become_something_else(pages: Client) -> None:
    imported = checked(pages, **{"to-2": "ignore", "to-3": "custom:text", "known-3": "contact"})
    columns = imported.mapping["columns"]
    assert columns["Budget"] == {"to": "ignore"}
    assert (columns["Plan"]["type"], columns["Plan"]["known_when"]) == ("text", "contact")
    assert columns["Email"] == {"to": "field", "field": "email", "if_exists": "fill"}


def test_what_the_values_mean_can_be_changed(pages: Client) -> None:
    imported = checked(pages, **{"rating-2-0": "67", "rating-2-1": "", "exists-2": "overwrite"})
    assert imported.mapping["columns"]["Budget"] == {
        "to": "evidence",
        "dimension": "budget",
        "ratings": {"Yes": 67, "Unknown": None, "No": 0},
        "if_exists": "overwrite",
    }


def test_a_column_that_becomes_an_answer_shows_its_values_first(pages: Client) -> None:
    imported = uploaded(pages)
    response = pages.post(f"/imports/{imported.pk}/check/", {"to-3": "evidence:need"})
    assert response.status_code == 200
    text = response.content.decode()
    assert "Say what each of the values means" in text
    assert 'name="rating-3-0"' in text
    imported.refresh_from_db()
    assert imported.state == Import.State.STAGED
    answer = {"rating-3-0": "100", "rating-3-1": "33", "to-3": "evidence:need"}
    assert pages.post(f"/imports/{imported.pk}/check/", answer).status_code == 302
    imported.refresh_from_db()
    assert imported.mapping["columns"]["Plan"]["ratings"] == {"Pro": 100, "Basic": 33}


def test_a_wrong_mapping_is_shown_again_with_the_column_named(pages: Client) -> None:
    imported = uploaded(pages)
    response = pages.post(f"/imports/{imported.pk}/check/", {"to-1": "field:email"})
    assert response.status_code == 422
    assert "columns.Name.to" in response.content.decode()
    response = pages.post(f"/imports/{imported.pk}/check/", {"to-1": "nonsense:x"})
    assert response.status_code == 422
    imported.refresh_from_db()
    assert imported.state == Import.State.STAGED


def test_the_mapping_can_be_changed_after_the_dry_run(pages: Client) -> None:
    imported = checked(pages)
    assert "What is in each column?" in page(pages, imported, "?map")
    assert pages.post(f"/imports/{imported.pk}/check/", {"to-3": "ignore"}).status_code == 302
    work(Import.objects.get(pk=imported.pk))
    pages.post(f"/imports/{imported.pk}/run/")
    work(Import.objects.get(pk=imported.pk))
    assert all(lead.custom == {} for lead in Lead.objects.all())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04....", "Excel workbook"),
        (b"Email\n", "no rows"),
        (b'"Email\nx', "never closed"),
    ],
)
def test_a_bad_file_is_refused_beside_the_field(pages: Client, content: bytes, words: str) -> None:
    response = upload(pages, content)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Import.objects.exists()


def test_no_file_is_an_error_of_the_form(pages: Client) -> None:
    assert pages.post("/imports/upload/").status_code == 422


def test_too_large_an_upload_is_refused_before_it_is_read(
    pages: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_UPLOAD", -1024 * 1024)
    response = upload(pages, FILE)
    assert response.status_code == 413
    assert not Import.objects.exists()


def test_too_many_rows_are_left_to_the_command(
    pages: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_ROWS", 3)
    response = upload(pages, FILE)
    assert response.status_code == 422
    assert "import_leads" in response.content.decode()


def test_an_upload_needs_the_forms_token(rep: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(rep)
    assert upload(client, FILE).status_code == 403


def test_a_rep_cannot_give_leads_to_others(pages: Client, manager: User) -> None:
    imported = uploaded(pages, owner=manager.pk, team=manager.team_id)
    assert imported.owner != manager
    assert imported.team is None


def test_an_import_can_be_stopped(pages: Client) -> None:
    imported = uploaded(pages)
    pages.post(f"/imports/{imported.pk}/check/")
    assert pages.post(f"/imports/{imported.pk}/stop/").status_code == 302
    assert "stopped by hand" in page(pages, imported)
    imported.refresh_from_db()
    assert imported.job is not None
    assert not jobs.run_one_chunk(imported.job.pk)
    assert pages.post(f"/imports/{imported.pk}/run/").status_code == 409


BROKEN = (
    "Email,Name,Note\nada@x.example,Ada,-5\nbo@x.example,Bo\ncy@x.example,Cy,x\n,,=1+1\nnobody,,\n"
)


def rejected_rows(pages: Client, imported: Import) -> list[list[str]]:
    response = pages.get(f"/imports/{imported.pk}/rejected/")
    assert response["Content-Type"].startswith("text/csv")
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def finished(pages: Client, content: str) -> Import:
    imported = checked(pages, content)
    pages.post(f"/imports/{imported.pk}/run/")
    return work(Import.objects.get(pk=imported.pk))


def test_rejected_rows_are_listed_downloaded_mended_and_taken(pages: Client) -> None:
    imported = finished(pages, BROKEN)
    assert Lead.objects.count() == 3
    text = page(pages, imported)
    assert "has 2 cells where the header has 3" in text
    rows = rejected_rows(pages, imported)
    assert rows[0] == ["Email", "Name", "Note", "Rejected row", "Rejected because"]
    assert rows[1][0] == "bo@x.example,Bo"
    assert rows[1][3:] == ["2", "has 2 cells where the header has 3"]
    assert [row[3] for row in rows[1:]] == ["2", "5"]
    rows[1][:3] = ["bo@x.example", "Bo", "y"]
    rows[2][:3] = ["eve@x.example", "Eve", ""]
    mended = uploaded(pages, to_csv(rows[0], rows[1:]), like=imported.pk)
    assert mended.mapping == imported.mapping
    assert mended.source == imported.source
    pages.post(f"/imports/{mended.pk}/check/")
    work(Import.objects.get(pk=mended.pk))
    pages.post(f"/imports/{mended.pk}/run/")
    work(Import.objects.get(pk=mended.pk))
    assert Lead.objects.count() == 5
    assert not RejectedRow.objects.filter(imported=mended).exists()


def test_downloaded_cells_are_no_formulas_and_come_back_as_they_were(pages: Client) -> None:
    chosen = {"to-0": "external_id"}
    file = to_csv(["Id", "Email"], [["=1+1", "a@x.example"], ["-2", "b@x.example"]])
    imported = uploaded(pages, file)
    pages.post(f"/imports/{imported.pk}/check/", chosen)
    work(Import.objects.get(pk=imported.pk))
    RejectedRow.objects.create(imported=imported, row_no=1, code="x", reason="x", step="check")
    rows = rejected_rows(pages, imported)
    assert rows[1][:2] == ["'=1+1", "a@x.example"]
    again = uploaded(pages, to_csv(rows[0], rows[1:]), like=imported.pk)
    pages.post(f"/imports/{again.pk}/check/")
    work(Import.objects.get(pk=again.pk))
    pages.post(f"/imports/{again.pk}/run/")
    work(Import.objects.get(pk=again.pk))
    assert Lead.objects.get().identities.filter(normal="=1+1").exists()


def test_what_a_file_holds_is_shown_as_text(pages: Client) -> None:
    evil = "<script>alert(1)</script>"
    file = to_csv([evil, "Email"], [[evil, "a@x.example"], [evil, "no mail"]])
    imported = checked(pages, file)
    for text in (page(pages, imported), page(pages, imported, "?map")):
        assert "<script>alert" not in text


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "", "\u0663"])
def test_a_strange_place_in_the_list_of_rejections_is_no_error(pages: Client, after: str) -> None:
    imported = checked(pages)
    assert pages.get(f"/imports/{imported.pk}/", {"after": after}).status_code == 200


def test_the_list_of_imports_asks_no_more_queries_for_more_imports(pages: Client) -> None:
    numbers = []
    for _ in range(3):
        imported = checked(pages)
        pages.post(f"/imports/{imported.pk}/run/")
        work(Import.objects.get(pk=imported.pk))
        with CaptureQueriesContext(connection) as queries:
            pages.get("/imports/")
        numbers.append(len(queries))
    assert numbers[-1] == numbers[0] <= 12
