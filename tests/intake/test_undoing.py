"""An import can be taken back: what nobody has touched since goes, the rest stays."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from core import jobs
from core.clock import now
from core.errors import Forbidden
from core.invariants import breaks
from intake import services
from intake.models import Import
from intake.undoing import take_back, touched_leads
from leads.models import Activity, Company, Identity, Lead, Outcome
from scoring.models import Evidence, Standing
from tests.factories import PASSWORD, make_evidence, make_lead
from tests.intake.conftest import Importer, to_csv

pytestmark = pytest.mark.django_db

HEADER = ["Email", "First name", "Company", "Budget", "Visits", "Status", "CRM id"]
MAPPING = {
    "kind": "b2b",
    "columns": {
        "Email": {"to": "field", "field": "email"},
        "First name": {"to": "field", "field": "first_name", "if_exists": "overwrite"},
        "Company": {"to": "field", "field": "company"},
        "Budget": {
            "to": "evidence",
            "dimension": "budget",
            "ratings": {"Yes": 100, "No": 0},
            "if_exists": "overwrite",
        },
        "Visits": {"to": "custom", "key": "visits", "type": "number", "label": "Visits"},
        "Status": {"to": "outcome", "won": ["Won"], "lost": ["Lost"], "open": [""]},
        "CRM id": {"to": "external_id", "source": "crm"},
    },
}


def undo(imported: Import, by: User) -> Import:
    """Undo an import the way workers do it."""
    services.undo_import(imported, by=by)
    while jobs.run_one_chunk():
        pass
    imported.refresh_from_db()
    return imported


def facts() -> list[Any]:
    """All that leads are and score, without what merely counts or dates writes."""
    wanted = Lead.objects.order_by("pk")
    return [
        [{k: v for k, v in row.items() if k != "version"} for row in wanted.values()],
        list(Identity.objects.order_by("lead", "kind", "normal").values_list("kind", "normal")),
        list(Evidence.objects.order_by("pk").values()),
        list(Outcome.objects.order_by("pk").values()),
        list(Company.objects.order_by("pk").values_list("name", flat=True)),
        list(Standing.objects.order_by("pk").values_list("score", "tier", "stage", "low", "high")),
    ]


def run(run_import: Importer, rows: list[list[object]], by: User) -> Import:
    report = run_import(to_csv(HEADER, rows), MAPPING, by=by)
    assert report["state"] == "succeeded", report
    return Import.objects.get(pk=report["import"])


def test_new_leads_go_and_changed_ones_are_as_they_were(run_import: Importer, rep: User) -> None:
    known = make_lead(owner=rep, email="ada@acme.example", first_name="A.", custom={"plan": "Pro"})
    make_evidence(known, "budget", 33)
    Activity.objects.create(lead=known, kind="note", actor=rep)
    before = facts()
    imported = run(
        run_import,
        [
            ["ada@acme.example", "Ada", "Acme", "Yes", "3", "Lost", "77"],
            ["bo@beta.example", "Bo", "Beta", "No", "5", "", "78"],
        ],
        rep,
    )
    assert facts() != before
    changed = Activity.objects.get(lead=known, kind="changed").data["changes"]
    assert changed["custom"] == [{"plan": "Pro"}, {"plan": "Pro", "visits": 3}]
    undone = undo(imported, rep)
    assert undone.state == Import.State.UNDONE
    assert undone.report["undo"] == {"removed": 1, "restored": 1, "kept": 0}
    assert facts() == before
    line = Activity.objects.filter(lead=known, data__has_key="import_undone").get()
    assert line.data["changes"]["first_name"] == ["Ada", "A."]
    assert list(breaks()) == []


def test_what_somebody_worked_on_since_stays(run_import: Importer, rep: User) -> None:
    imported = run(
        run_import,
        [[f"p{n}@beta.example", "Bo", "Beta", "", "", "", str(n)] for n in range(3)],
        rep,
    )
    called, changed, silent = Lead.objects.order_by("pk")
    Activity.objects.create(lead=called, kind="call_connected", actor=rep)
    run(run_import, [["p1@beta.example", "Other", "Beta", "", "", "", "1"]], rep)
    undone = undo(imported, rep)
    assert undone.report["undo"] == {"removed": 1, "restored": 0, "kept": 2}
    assert undone.report["stay"] == [called.pk, changed.pk]
    assert not Lead.objects.filter(pk=silent.pk).exists()
    assert Company.objects.filter(name="Beta").exists()


def test_a_fact_that_was_changed_again_stays(run_import: Importer, rep: User) -> None:
    known = make_lead(owner=rep, email="ada@acme.example", first_name="A.")
    imported = run(run_import, [["ada@acme.example", "Ada", "Acme", "Yes", "3", "", "77"]], rep)
    Lead.objects.filter(pk=known.pk).update(first_name="Adele")
    undo(imported, rep)
    known.refresh_from_db()
    assert (known.first_name, known.company, known.custom) == ("Adele", None, {})
    assert not known.evidence.exists()


def test_taking_back_twice_changes_nothing(run_import: Importer, rep: User) -> None:
    make_lead(owner=rep, email="ada@acme.example", first_name="A.")
    imported = run(run_import, [["ada@acme.example", "Ada", "Acme", "Yes", "3", "", "77"]], rep)
    (batch,) = touched_leads(imported)
    undo(imported, rep)
    after = facts()
    assert take_back(imported, batch)["restored"] == 0
    assert facts() == after


def test_it_is_for_whoever_made_it_and_for_a_month(
    run_import: Importer, rep: User, stranger: User, client: Client
) -> None:
    imported = run(run_import, [["bo@beta.example", "Bo", "Beta", "", "", "", "78"]], rep)
    client.login(email=stranger.email, password=PASSWORD)
    assert client.post(f"/imports/{imported.pk}/undo/").status_code == 404
    Import.objects.update(created_at=now() - dt.timedelta(days=31))
    with pytest.raises(Forbidden, match="30 days"):
        services.undo_import(imported, by=rep)
    Import.objects.update(created_at=now())
    client.login(email=rep.email, password=PASSWORD)
    page = client.get(f"/imports/{imported.pk}/").content.decode()
    assert "Undo: remove 1, change back 0" in page
    assert client.post(f"/imports/{imported.pk}/undo/").status_code == 302
    while jobs.run_one_chunk():
        pass
    page = client.get(f"/imports/{imported.pk}/").content.decode()
    assert "1 lead removed, 0 changed back" in page
    with pytest.raises(Forbidden, match="already"):
        services.undo_import(imported, by=rep)


def test_what_could_not_be_taken_back_can_be_tried_again(
    run_import: Importer, rep: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two new leads of four cannot go at first, and a third has been worked on."""
    monkeypatch.setattr("intake.undoing.LEADS_AT_ONCE", 1)
    known = make_lead(owner=rep, email="ada@acme.example", first_name="A.")
    imported = run(
        run_import,
        [
            ["ada@acme.example", "Ada", "Acme", "", "3", "", "77"],
            *(
                list[object]([f"p{n}@beta.example", "Bo", "Beta", "", "", "", str(n)])
                for n in range(4)
            ),
        ],
        rep,
    )
    worked_on = Lead.objects.get(email="p0@beta.example")
    Activity.objects.create(lead=worked_on, kind="call_connected", actor=rep)
    hold = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s END $$"
    with connection.cursor() as cursor:
        cursor.execute(hold % "RAISE EXCEPTION 'this lead is held';")
        cursor.execute(
            "CREATE TRIGGER hold BEFORE DELETE ON leads_lead FOR EACH ROW "
            "WHEN (OLD.email IN ('p1@beta.example', 'p2@beta.example')) EXECUTE FUNCTION hold()"
        )
    undone = undo(imported, rep)
    assert undone.state == Import.State.ENDED
    assert undone.report["undo"] == {"removed": 1, "restored": 1, "kept": 1}
    assert undone.report["undo_failed"]["leads"] == 2
    assert "this lead is held" in undone.report["undo_failed"]["reason"]
    Lead.objects.filter(pk=known.pk).update(first_name="Ada")  # typed again by somebody
    Import.objects.update(created_at=now() - dt.timedelta(days=31))
    client.login(email=rep.email, password=PASSWORD)
    page = client.get(f"/imports/{imported.pk}/").content.decode()
    assert "2 leads could not be taken back: " in page
    assert "this lead is held" in page
    assert "Undone in part" in page

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER hold ON leads_lead")
    assert client.post(f"/imports/{imported.pk}/undo/").status_code == 302
    while jobs.run_one_chunk():
        pass
    imported.refresh_from_db()
    assert imported.state == Import.State.UNDONE
    assert imported.report["undo"] == {"removed": 3, "restored": 1, "kept": 1}
    assert "undo_failed" not in imported.report
    known.refresh_from_db()
    assert known.first_name == "Ada"  # taken back once, not twice
    assert set(Lead.objects.all()) == {known, worked_on}


def test_an_undo_that_cannot_even_begin_stays_open(run_import: Importer, rep: User) -> None:
    imported = run(run_import, [["bo@beta.example", "Bo", "Beta", "", "", "", "78"]], rep)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_activity RENAME COLUMN kind TO gone")
    assert undo(imported, rep).state == Import.State.ENDED
    assert imported.report["undo_failed"]["leads"] == 0
    assert "undo" not in imported.report
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_activity RENAME COLUMN gone TO kind")
    assert undo(imported, rep).report["undo"] == {"removed": 1, "restored": 0, "kept": 0}
    assert imported.state == Import.State.UNDONE
