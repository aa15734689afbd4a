"""Backtests: from an uploaded file to drafts of a profile and its model."""

import io
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from core.jobs import run_one_chunk
from core.versions import Version
from intake.backtests import fields_for, pick_lines, read_past_leads, sheet_of, take_model
from intake.models import Backtest
from intake.services import known
from leads.models import CustomField
from scoring.features import signal_matrix
from scoring.fields import all_fields, field_types
from scoring.learning.points import facts_of
from scoring.learning.table import Table, column_of_texts
from scoring.live import load_model
from scoring.models import ModelVersion, RefusedSignal
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
    test = uploaded(pages, history())
    form = text_of(pages, test)
    assert "Outcome is won" in form
    assert '<option value="7:0" selected>' in form  # proposed
    test = finished(pages, test)
    page = text_of(pages, test)
    assert "With the same 42 calls you would have reached" in page
    assert "Worth taking" in page
    assert page.count('class="vega"') == 2
    assert "Why lost" in page  # named as a leak
    lines = test.suggested["lines"]
    assert "Why lost" not in {line["field"] for line in lines}

    refused = lines[0]
    keep = [line["key"] for line in lines[1:]]
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", {"use": keep, "model": _b2b().key})
    version = ModelVersion.objects.latest("pk")
    assert response.status_code == 302
    assert response["Location"] == f"/scoring/versions/{version.pk}/"
    assert (version.state, version.icp.state) == (Version.State.DRAFT, Version.State.DRAFT)
    assert RefusedSignal.objects.get().label == refused["label"]
    assert pages.get(response["Location"]).status_code == 200
    assert f"{version.key} v{version.number}" in text_of(pages, test)

    # A lead of which no more is known than the file knew has the learned points and probability.
    types = field_types(all_fields())
    taken = load_model(version, types)
    assert refused["key"] not in {signal.key for signal in taken.model.signals}
    assert taken.framework == load_model(_b2b(), types).framework
    sheet = sheet_of(test.imported)
    shown = {"Employees": "number", "Pages": "number"}
    of_file = {name: shown.get(name, "text") for name in sheet.header[:-1]}
    targets = fields_for(test.imported, list(of_file), of_file, known(test.imported))
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


def test_a_file_without_an_outcome_says_what_it_lacks(pages: Client) -> None:
    test = uploaded(pages, b"Id;Name\n" + b"".join(b"%d;n%d\n" % (i, i) for i in range(30)))
    assert "none can be the outcome" in text_of(pages, test)
    response = pages.post("/scoring/backtests/upload/", {"file": SimpleUploadedFile("a.csv", b"")})
    assert response.status_code == 422


def test_managers_read_and_do_not_take(pages: Client, owner: User) -> None:
    test = finished(pages, uploaded(pages, history()))
    manager = Client()
    manager.force_login(factories.make_user("boss@works.example", role=Role.MANAGER))
    page = manager.get(f"/scoring/backtests/{test.pk}/").content.decode()
    assert "Take this model" not in page
    assert "Model owners and admins change the configuration." in page


def test_a_column_goes_to_the_field_that_an_import_would_give_it(owner: User) -> None:
    CustomField.objects.create(key="budget", label="Budget", type="number")
    test = read_past_leads(io.BytesIO(history()), "past.csv", by=owner)
    types = {"Employees": "number", "Channel": "text", "Budget": "text"}
    found = fields_for(test.imported, list(types), types, known(test.imported))
    # The custom field there is holds numbers, so these texts need one of their own.
    assert found == {
        "Employees": "custom.employees",  # no company in the file
        "Channel": "source",
        "Budget": "custom.budget_2",
    }


def test_nothing_is_taken_without_a_line(pages: Client, owner: User) -> None:
    test = finished(pages, uploaded(pages, history()))
    response = pages.post(f"/scoring/backtests/{test.pk}/take/", {"use": [], "model": "b2b"})
    assert response.status_code == 422
    assert not RefusedSignal.objects.exists()
    assert not ModelVersion.objects.filter(state=Version.State.DRAFT).exists()
    take_model(test, [v["key"] for v in test.suggested["lines"]], _b2b(), by=owner)
