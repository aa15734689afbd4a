"""Backtests: from an uploaded file to drafts of a profile and its model."""

import io
import json
import re
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from core.errors import Conflict
from core.jobs import run_one_chunk
from core.models import Job
from core.versions import Version
from intake.backtest_columns import LEAVE_OUT, NEW, Columns
from intake.backtest_pages import StartForm
from intake.backtests import pick_lines, sheet_of, take_model
from intake.models import Backtest, Import
from intake.services import read_file, start
from leads.models import CustomField, Lead
from scoring.features import signal_matrix
from scoring.fields import all_fields, field_types
from scoring.hand_made import propose_version
from scoring.learning.points import facts_of
from scoring.learning.table import Table, column_of_texts
from scoring.live import live_config, load_model
from scoring.models import ModelVersion, RefusedSignal
from scoring.ranking import p_interval
from scoring.training import read_training
from tests import factories
from tests.scoring.learning.worlds import as_csv, made

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(config: None) -> User:
    return factories.make_user(role=Role.MODEL_OWNER)


@pytest.fixture
def pages(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def uploaded(pages: Client, raw: bytes) -> Backtest:
    file = SimpleUploadedFile("past.csv", raw)
    response = pages.post("/scoring/backtests/upload/", {"file": file})
    assert response.status_code == 302
    return Backtest.objects.latest("pk")


def text_of(pages: Client, test: Backtest, query: str = "") -> str:
    response = pages.get(f"/scoring/backtests/{test.pk}/{query}")
    assert response.status_code == 200
    return str(response.content.decode())


def finished(pages: Client, test: Backtest, **data: Any) -> Backtest:
    form = {"outcome": f"{len(test.imported.headers) - 1}:0", **data}
    response = pages.post(f"/scoring/backtests/{test.pk}/start/", form)
    assert response.status_code == 302
    while run_one_chunk():
        pass
    test.refresh_from_db()
    return test


def history(n: int = 700) -> bytes:
    columns, y = made("strong", n, 1)
    columns["Why lost"] = ["" if won else "price" for won in y]  # known only afterwards
    order = np.argsort(-y, kind="stable")  # so that the first value of the outcome is won
    return as_csv({k: [v[i] for i in order] for k, v in columns.items()}, y[order], ";")


def test_from_a_file_to_drafts_that_score_as_what_was_learned(pages: Client, owner: User) -> None:
    test = uploaded(pages, history() + b"torn;row\n")
    form = text_of(pages, test)
    assert "Outcome is won" in form
    assert '<option value="7:0" selected>' in form  # proposed
    test = finished(pages, test)
    page = text_of(pages, test)
    assert "With the same 30 calls a day, for 150 new leads, you would have reached" in page
    assert "There is no active rep yet" in page
    assert "What moves leads most: Employees, Budget, Channel." in page
    with CaptureQueriesContext(connection) as queries:
        text_of(pages, test)
    assert len(queries) <= 11
    for _ in range(3):
        uploaded(pages, b"Size;Result\nbig;won\nsmall;lost\n")
    with CaptureQueriesContext(connection) as queries:
        assert pages.get("/scoring/backtests/").status_code == 200
    assert len(queries) <= 6
    more = text_of(pages, test, "?calls=60&leads=150")
    assert "With the same 60 calls a day, for 150 new leads, you would have reached" in more
    assert "all wins are reached" in text_of(pages, test, "?calls=150&leads=150")
    assert "greater than or equal to 1" in text_of(pages, test, "?calls=0&leads=150")
    assert "Worth taking" in page
    assert page.count('class="vega"') == 2
    assert page.count("Why lost alone tells won from lost") == 1
    assert "1 row is left out: row 701 has 2 cells where the header has 8." in page
    lines = test.suggested["lines"]
    assert "Why lost" not in {line["field"] for line in lines}
    assert '<input type="checkbox" name="trust" value="6"' in text_of(pages, test, "?change=1")
    chosen = StartForm(test, {"outcome": "7:0", "trust": ["6"]})
    assert chosen.is_valid()
    assert chosen.options().trust == ("Why lost",)  # until a person says otherwise

    refused = lines[0]
    keep = [line["key"] for line in lines[1:]]
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", {"use": keep, "model": _b2b().key})
    version = ModelVersion.objects.latest("pk")
    assert response.status_code == 302
    assert response["Location"] == f"/scoring/versions/{version.pk}/"
    assert (version.state, version.icp.state) == (Version.State.DRAFT, Version.State.DRAFT)
    assert RefusedSignal.objects.get().label == refused["label"]
    told = f"Taken from a backtest of {test.imported.file_name}: learned from "
    assert told in pages.get(response["Location"]).content.decode()
    assert f"{version.key} v{version.number}" in text_of(pages, test)
    proposal = propose_version(version, by=owner)
    assert proposal.verdict == "too_few"  # nobody has come to an end here yet
    review = pages.get(f"/scoring/proposals/{proposal.pk}/").content.decode()
    assert told in review
    assert f'href="/scoring/backtests/{test.pk}/"' in review

    # A lead of which no more is known than the file knew has the learned points and probability.
    types = field_types(all_fields())
    taken = load_model(version, types)
    assert refused["key"] not in {signal.key for signal in taken.model.signals}
    assert taken.framework == load_model(_b2b(), types).framework
    sheet = sheet_of(test.imported)
    test.imported.refresh_from_db()
    chooser = Columns(test)
    targets = {h: t.field for h, t in chooser.targets(chooser.chosen({})).items()}
    columns = {
        name: column_of_texts(name, texts, types[name])
        for header, texts in zip(sheet.header, sheet.columns, strict=True)
        if (name := targets.get(header)) in types
    }
    facts = facts_of(Table(sheet.n, columns))
    scores = taken.card.score(
        signal_matrix(taken.model, taken.icp, facts, types), np.zeros(sheet.n, dtype=bool)
    )
    won = np.array([text == "won" for text in sheet.columns[-1]])
    assert np.median(scores.free) == pytest.approx(50, abs=0.5)
    assert taken.card.probability(scores).mean() == pytest.approx(won.mean(), abs=0.02)
    # p has its interval, which narrows no further than outcomes of so many leads can.
    low, high = p_interval(taken.model, 0.5) or (0.0, 0.0)
    assert 0.02 < 0.5 - low < 0.1
    assert 0.02 < high - 0.5 < 0.1


def _b2b() -> ModelVersion:
    live = ModelVersion.objects.filter(state=Version.State.LIVE, key="b2b")
    return live.select_related("icp", "framework").get()


def test_a_refused_line_is_not_suggested_again(pages: Client, owner: User) -> None:
    test = finished(pages, uploaded(pages, history()))
    first = test.suggested["lines"][0]
    pick_lines(test, [line["key"] for line in test.suggested["lines"][1:]], by=owner)
    again = finished(pages, test)
    assert first["fingerprint"] not in {line["fingerprint"] for line in again.suggested["lines"]}
    pick_lines(test, [line["key"] for line in test.suggested["lines"]], by=owner)
    assert RefusedSignal.objects.filter(fingerprint=first["fingerprint"]).exists()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"Size;Result\n" + b"big;won\nsmall;lost\n" * 3, "at least 20 are needed"),
        (b"Size;Result\n" + b"big;won\nbig;lost\nsmall;lost\n" * 5, "at least 20 are needed"),
    ],
)
def test_what_cannot_be_learned_from_is_said(pages: Client, raw: bytes, said: str) -> None:
    test = finished(pages, uploaded(pages, raw))
    assert said in text_of(pages, test)


def test_a_file_of_which_all_is_left_out_says_so(pages: Client) -> None:
    test = uploaded(pages, b"Size;Result\n" + b"big;won\nsmall;lost\n" * 30)
    test = finished(pages, test, exclude=["0"])
    assert "there is no column to learn from" in text_of(pages, test)


def test_a_file_without_an_outcome_says_what_it_lacks(
    pages: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = uploaded(pages, b"Id;Name\n" + b"".join(b"%d;n%d\n" % (i, i) for i in range(30)))
    assert "none can be the outcome" in text_of(pages, test)
    # What ended the same for all is named, and nothing else is taken for the outcome instead.
    test = uploaded(pages, b"Size;Result\n" + b"big;won\nsmall;won\n" * 20)
    page = text_of(pages, test)
    assert "Result is won for every lead" in page
    assert '<option value="" selected>' in page
    response = pages.post(f"/scoring/backtests/{test.pk}/start/", {"outcome": ""})
    assert (response.status_code, response.content.count(b"This field is required")) == (422, 1)
    for raw, words in (
        (b"\n", b"File is empty."),
        (b"Result\nwon\nlost\n", b"File has one column only"),
        (b"Report of 2024\n\nA;B\n1;2\n", b"File has one column only"),
        (b"A;B\n1;2\n1;2;3\n1;2;3\n", b"2 of 3 rows that cannot be read: row 2 has 3 cells"),
    ):
        file = SimpleUploadedFile("a.csv", raw)
        response = pages.post("/scoring/backtests/upload/", {"file": file})
        assert response.status_code == 422
        assert words in response.content
    assert Import.objects.count() == Backtest.objects.count()  # nothing is left of those
    monkeypatch.setattr("intake.backtests.MOST_ROWS", 3)
    many = SimpleUploadedFile("a.csv", b"A;B\n" + b"1;2\n" * 4)
    response = pages.post("/scoring/backtests/upload/", {"file": many})
    assert b"more than 3 rows. The command backtest takes more." in response.content


def test_managers_read_and_do_not_take(pages: Client, owner: User) -> None:
    test = finished(pages, uploaded(pages, history()))
    manager = Client()
    manager.force_login(factories.make_user("boss@works.example", role=Role.MANAGER))
    page = manager.get(f"/scoring/backtests/{test.pk}/").content.decode()
    assert "Take this model" not in page
    assert "Model owners and admins change the configuration." in page


def told(n: int = 600) -> bytes:
    """Past leads with a yes-or-no column, an answer, a country and a column of free choice."""
    random = np.random.default_rng(4)
    repeat, trust, size = random.integers(2, size=n), random.integers(3, size=n), random.random(n)
    y = random.random(n) < 1 / (1 + np.exp(1.5 - 1.6 * repeat - 0.9 * trust - size))
    columns = {
        "Repeat": np.array(["No", "Yes"])[repeat],
        "Budget": np.array(["Low", "Mid", "High"])[trust],
        "Land": np.array(["Germany", "Austria"])[(size > 0.5).astype(int)],
        "Herkunft der Idee": np.array(["A", "B", "C"])[random.integers(3, size=n) * (1 - repeat)],
    }
    return as_csv({k: list(v) for k, v in columns.items()}, y.astype(float), ";")


def choices(page: str, header: str) -> str:
    """The select of a column on the page."""
    return page[page.index(f">{header}</label>") :].partition("</tr>")[0]


def when_known_of(test: Backtest) -> dict[str, str]:
    columns = Import.objects.get(pk=test.imported_id).mapping["columns"]
    specs = {header: spec for header, spec in columns.items() if spec["to"] == "custom"}
    return {header: spec.get("known_when", "arrival") for header, spec in specs.items()}


def test_columns_become_fields_that_the_same_file_fills_when_it_is_imported(
    pages: Client, owner: User
) -> None:
    test = finished(pages, uploaded(pages, told()), exclude=["3"])
    late = {"Herkunft der Idee": "outcome", "Repeat": "arrival"}
    assert when_known_of(test) == late  # left out here, so not learned from later either
    test = finished(pages, test)
    assert when_known_of(test) == {**late, "Herkunft der Idee": "arrival"}
    page = text_of(pages, test)
    assert "New field “Repeat” (yes or no)" in choices(page, "Repeat")
    assert '<option value="field:country" selected>' in choices(page, "Land")
    assert "An import would make it the answer “budget”" in choices(page, "Budget")

    # What does not fit is said in its row, and nothing is made, lost or refused.
    keep = [line["key"] for line in test.suggested["lines"] if line["field"] != "Land"]
    data = {"use": keep, "model": "b2b", "to-1": "field:industry", "to-2": "field:industry"}
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert "becomes this field already" in choices(page, "Land")
    assert '<option value="field:industry" selected>' in choices(page, "Land")
    assert re.findall('name="use" value="([^"]*)"[^>]* checked', page) == keep
    data |= {"to-1": "field:industry", "to-2": LEAVE_OUT}
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", data)
    assert "needs a column for company" in choices(response.content.decode(), "Budget")
    data |= {"to-1": "field:employees"}
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", data)
    assert "do not fit that field" in choices(response.content.decode(), "Budget")
    assert not CustomField.objects.exists()
    assert not RefusedSignal.objects.exists()

    response = pages.post(
        f"/scoring/backtests/{test.pk}/take/",
        {"use": [v["key"] for v in test.suggested["lines"]], "model": "b2b"},
    )
    version = ModelVersion.objects.latest("pk")
    assert response["Location"] == f"/scoring/versions/{version.pk}/"
    # Pressed twice, nothing is made again; a page that was read before the first press loses.
    taken = {"use": keep, "model": "b2b"}
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", taken)
    assert response["Location"] == f"/scoring/versions/{version.pk}/"
    with pytest.raises(Conflict, match="taken already"):
        take_model(test, keep, _b2b(), by=owner)
    assert ModelVersion.objects.latest("pk") == version
    types = {field.key: field.type for field in CustomField.objects.all()}
    assert types["repeat"] == "bool"
    assert types["budget"] == "choice"
    rules = json.dumps(version.icp.definition["attributes"])
    assert re.search(r'"field": "custom.repeat"[^}]*"value": (true|false)', rules), rules
    assert re.search(r'"field": "country"[^}]*"(DE|AT)"', rules), rules

    # Imported under the mapping as it is now, past leads have the points that were learned.
    imported = Import.objects.get(pk=test.imported_id)
    assert imported.mapping["columns"]["Budget"]["to"] == "custom"
    admin = factories.make_user("ada@works.example", role=Role.ADMIN)
    start(imported, None, dry_run=False, by=admin)  # a model owner may not
    while run_one_chunk():
        pass
    live = load_model(version, field_types(all_fields()))
    used = live.icp.fields()
    assert (
        Lead.objects.filter(custom__repeat__isnull=False, country__in=("DE", "AT")).count() == 600
    )
    known_leads = read_training([live_config()], [f for n, f in all_fields().items() if n in used])
    x = signal_matrix(live.model, live.icp, known_leads.rows.facts, field_types(all_fields()))
    scores = live.card.score(x, np.zeros(len(x), dtype=bool))
    assert np.median(scores.free) == pytest.approx(50, abs=0.5)
    assert live.card.probability(scores).mean() == pytest.approx(known_leads.y.mean(), abs=0.02)


def test_a_file_that_was_imported_is_tested_from_its_page(config: None) -> None:
    admin = factories.make_user(role=Role.ADMIN)
    pages = Client()
    pages.force_login(admin)
    CustomField.objects.create(key="repeat", label="Repeat", type="bool")
    imported = read_file(io.BytesIO(told()), "past.csv", by=admin)
    start(imported, None, dry_run=False)
    while run_one_chunk():
        pass
    address = f"/imports/{imported.pk}/"
    assert "Backtest this file" in pages.get(address).content.decode()
    first = pages.post(f"{address}backtest/")["Location"]
    assert pages.post(f"{address}backtest/")["Location"] == first
    test = finished(pages, Backtest.objects.get())
    page = text_of(pages, test)
    # Its leads have what the import made of the columns, and no more can be filled.
    assert '<option value="custom:repeat" selected>' in choices(page, "Repeat")
    assert f'<option value="{LEAVE_OUT}" selected>' in choices(page, "Budget")
    assert f'<option value="{NEW}">' in choices(page, "Budget")
    take_model(test, [v["key"] for v in test.suggested["lines"]], _b2b(), by=admin)
    fields = {a["key"] for a in ModelVersion.objects.latest("pk").icp.definition["attributes"]}
    assert "budget" not in fields
    imported.refresh_from_db()
    assert imported.mapping["columns"]["Budget"]["to"] == "evidence"


def test_nothing_is_taken_without_a_line(pages: Client, owner: User) -> None:
    test = finished(pages, uploaded(pages, history()))
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", {"use": [], "model": "b2b"})
    assert response.status_code == 422
    assert not RefusedSignal.objects.exists()
    assert not ModelVersion.objects.filter(state=Version.State.DRAFT).exists()
    take_model(test, [v["key"] for v in test.suggested["lines"]], _b2b(), by=owner)


def test_started_twice_the_page_shows_where_it_stands(pages: Client) -> None:
    test = uploaded(pages, history(100))
    for _ in range(2):
        response = pages.post(
            f"/scoring/backtests/{test.pk}/start/", {"outcome": "7:0"}, follow=True
        )
        assert response.redirect_chain == [(f"/scoring/backtests/{test.pk}/", 302)]
    assert "This backtest is under way already." in response.content.decode()
    assert Job.objects.filter(kind="backtest").count() == 1


def test_a_wide_file_is_tested_though_no_import_takes_it(pages: Client) -> None:
    columns, y = made("strong", 200, 1)
    columns |= {f"Property {i}": [str(i % 7)] * 200 for i in range(250)}
    test = uploaded(pages, as_csv(columns, y))
    won = StartForm(test).initial["outcome"]
    test = finished(pages, test, outcome=won)
    page = text_of(pages, test)
    assert "An import takes at most 200 columns, and this file has 257." in page
    keep = [line["key"] for line in test.suggested["lines"]]
    response = pages.post(
        f"/scoring/backtests/{test.pk}/take/", {"use": keep, "model": "b2b"}, follow=True
    )
    page = response.content.decode()
    assert "Drafts were made." in page
    assert "An import of the same file" not in page
    boss = factories.make_user("boss@works.example", role=Role.ADMIN)
    pages.force_login(boss)
    response = pages.get(f"/imports/{test.imported.pk}/", follow=True)
    assert "An import takes at most 200 columns" in response.content.decode()
    with pytest.raises(Conflict, match="at most 200 columns"):
        start(test.imported, None, dry_run=True, by=boss)
    header = ",".join(f"c{i}" for i in range(501))
    file = SimpleUploadedFile("wide.csv", f"{header}\n{header}\n".encode())
    response = pages.post("/scoring/backtests/upload/", {"file": file})
    assert response.status_code == 422
    assert "at most 500 can be read. The command backtest takes more." in str(response.content)
