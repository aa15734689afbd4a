"""Columns that say whether a lead may be called or written to."""

import datetime as dt
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.clock import now
from core.invariants import breaks
from intake.models import Import
from leads.activities import Kind
from leads.models import Activity, Consent, Lead, Suppression
from leads.selectors import may_contact
from leads.services import ConsentInput, record_activity, record_consent
from scoring.models import Standing
from tests.factories import PASSWORD, make_lead
from tests.intake.conftest import Importer, to_csv
from tests.intake.test_proposing import proposal
from tests.intake.test_undoing import undo

pytestmark = pytest.mark.django_db

HEADER = ["Email", "Phone", "Do not call", "Newsletter", "Said on"]
MAPPING: dict[str, Any] = {
    "dates": "iso",
    "columns": {
        "Email": {"to": "field", "field": "email"},
        "Phone": {"to": "field", "field": "phone"},
        "Do not call": {"to": "consent", "channel": "call", "withdrawn": ["Yes"], "open": ["No"]},
        "Newsletter": {
            "to": "consent",
            "channel": "email",
            "granted": ["Yes"],
            "withdrawn": ["No"],
        },
        "Said on": {"to": "field", "field": "consent_at"},
    },
}


def words(lead: Lead) -> list[tuple[str, str, str]]:
    return list(lead.consents.order_by("id").values_list("channel", "state", "source"))


def test_what_a_file_says_holds_and_the_same_file_again_changes_nothing(
    run_import: Importer, rep: User, client: Client
) -> None:
    known_lead = make_lead(owner=rep, email="ada@acme.example", phone="+4930111111")
    Standing.objects.update(unplanned_at=None)
    text = to_csv(
        HEADER,
        [
            ["ada@acme.example", "", "yes", "", ""],
            ["bo@acme.example", "030 222222", "No", "Yes", "2026-01-02"],
            ["cy@acme.example", "030 333333", "maybe", "No", ""],
            ["bo@acme.example", "", "Yes", "", ""],  # of two rows of one lead the refusal counts
        ],
    )
    report = run_import(text, MAPPING, by=rep)
    assert (report["created"], report["updated"], report["rejected"]) == (2, 1, 0)
    assert report["consents"] == {"granted": 1, "withdrawn": 3}
    (error,) = report["errors"]
    assert {name: error[name] for name in ("row", "field", "code", "value", "whole_row")} == {
        "row": 3,
        "field": "consent.call",
        "code": "not_a_choice",
        "value": "maybe",
        "whole_row": False,
    }
    bo, cy = Lead.objects.get(email="bo@acme.example"), Lead.objects.get(email="cy@acme.example")
    assert words(known_lead) == [("call", "withdrawn", "import")]
    assert words(bo) == [("call", "withdrawn", "import"), ("email", "granted", "import")]
    assert words(cy) == [("email", "withdrawn", "import")]
    assert bo.consents.get(channel="email").at == dt.datetime(2026, 1, 1, 23, tzinfo=dt.UTC)
    said = known_lead.consents.get()
    assert (said.wording, said.actor) == ("Column “Do not call” of leads.csv", rep)
    assert not may_contact(known_lead.pk, "call")
    assert may_contact(known_lead.pk, "email")
    assert Suppression.objects.count() == 3
    same_number = make_lead(owner=rep, email="x@other.example", phone="+4930222222")
    assert not may_contact(same_number.pk, "call")
    # The follow-ups of who was known already are planned anew.
    assert Standing.objects.get(pk=known_lead.pk).unplanned_at is not None
    line = Activity.objects.get(lead=known_lead, kind=Kind.CONSENT_WITHDRAWN)
    assert line.data["import"] == report["import"]
    client.login(email=rep.email, password=PASSWORD)
    page = client.get(f"/imports/{report['import']}/").content.decode()
    assert "Kept of what the file says: 3 refusals to be contacted, 1 agreement." in page
    page = client.get(f"/leads/{known_lead.pk}/").content.decode()
    assert "Column “Do not call” of leads.csv" in page
    before = Consent.objects.count()
    again = run_import(text, MAPPING, by=rep)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 4)
    assert Consent.objects.count() == before


def test_an_old_list_does_not_undo_a_refusal(run_import: Importer, rep: User) -> None:
    lead = make_lead(owner=rep, email="ada@acme.example", phone="+4930111111")
    gone = make_lead(owner=rep, email="bo@acme.example")
    record_activity(lead, Kind.UNSUBSCRIBED, by=None, at=now() - dt.timedelta(days=9))
    record_consent(gone, ConsentInput("email", "withdrawn"), by=rep)
    gone.delete()
    day = dt.timedelta(days=1)
    for text in ("", f"{now() - 20 * day:%Y-%m-%d}"):
        rows = [["ada@acme.example", "", "", "Yes", text], ["bo@acme.example", "", "", "Yes", text]]
        for dry_run in (True, False):
            report = run_import(to_csv(HEADER, rows), MAPPING, by=rep, dry_run=dry_run)
            told = {error["row"]: error for error in report["errors"]}
            assert told[1]["field"] == "consent.email"
            assert told[1]["code"] == "refused_before"
            assert told[1]["reason"].startswith("does not count: Asked on")
        assert not may_contact(lead.pk, "email")
        assert not may_contact(Lead.objects.get(email="bo@acme.example").pk, "email")
    rows = [["ada@acme.example", "", "", "Yes", f"{now() - 2 * day:%Y-%m-%d}"]]
    assert run_import(to_csv(HEADER, rows), MAPPING, by=rep)["updated"] == 1
    assert may_contact(lead.pk, "email")


def test_an_undo_takes_back_what_the_file_said(run_import: Importer, rep: User) -> None:
    lead = make_lead(owner=rep, email="ada@acme.example", phone="+4930111111")
    listed = make_lead(owner=rep, email="bo@acme.example", phone="+4930222222")
    record_consent(listed, ConsentInput("call", "withdrawn"), by=rep)
    rows = [
        ["ada@acme.example", "", "Yes", "No", ""],
        ["cy@acme.example", "030 222222", "Yes", "", ""],
        ["di@acme.example", "030 333333", "Yes", "", ""],
    ]
    report = run_import(to_csv(HEADER, rows), MAPPING, by=rep)
    undone = undo(Import.objects.get(pk=report["import"]), rep)
    assert undone.report["undo"] == {"removed": 2, "restored": 1, "kept": 0}
    assert may_contact(lead.pk, "call")
    assert may_contact(lead.pk, "email")
    assert not may_contact(listed.pk, "call")
    assert Suppression.objects.get().reason == "Noted by hand"
    line = Activity.objects.get(lead=lead, data__has_key="import_undone")
    assert line.data["changes"] == {
        "consent.call": ["withdrawn", None],
        "consent.email": ["withdrawn", None],
    }
    assert list(breaks()) == []


def test_columns_of_consent_are_known_by_their_headers() -> None:
    found = proposal(
        {
            "Email": ["a@x.example", "b@x.example", "c@x.example"],
            "Do Not Call": ["x", "", "x"],
            "HasOptedOutOfEmail": ["1", "0", "0"],
            "Phone consent": ["ja", "nein", "?"],  # which is neither
            "Opted out": ["by letter", "by phone", ""],
        }
    )["columns"]
    assert found["Do Not Call"] == {"to": "consent", "channel": "call", "withdrawn": ["x"]}
    assert found["HasOptedOutOfEmail"] == {
        "to": "consent",
        "channel": "email",
        "withdrawn": ["1"],
        "open": ["0"],
    }
    assert found["Opted out"]["to"] == "custom"
    # Two columns about calls: the first one wins, the other stays a fact.
    assert found["Phone consent"]["to"] == "custom"
    alone = proposal({"Phone": ["030 1234567"] * 3, "Phone consent": ["ja", "nein", "?"]})[
        "columns"
    ]
    assert alone["Phone consent"] == {
        "to": "consent",
        "channel": "call",
        "granted": ["ja"],
        "withdrawn": ["nein"],
    }


def test_the_mapping_page_asks_what_the_values_say(
    run_import: Importer, rep: User, client: Client
) -> None:
    client.login(email=rep.email, password=PASSWORD)
    text = to_csv(["Email", "Werbung"], [["a@x.example", "ja"], ["b@x.example", "nein"]])
    uploaded = client.post("/imports/upload/", {"file": SimpleUploadedFile("l.csv", text.encode())})
    path = uploaded["Location"]
    first = client.post(f"{path}check/", {"to-0": "field:email", "to-1": "consent:email"})
    page = first.content.decode()
    assert "Say what each of the values means" in page
    assert '<option value="granted" selected>agrees</option>' in page
    assert client.post(f"{path}check/", {"said-1-1": "open"}).status_code == 302
    assert Import.objects.get().mapping["columns"]["Werbung"] == {
        "to": "consent",
        "channel": "email",
        "granted": ["ja"],
        "open": ["nein"],
    }


def test_a_list_of_refusals_makes_no_leads(run_import: Importer, rep: User, client: Client) -> None:
    lead = make_lead(owner=rep, email="ada@acme.example")
    mapping = {
        "columns": {
            "Email": {"to": "field", "field": "email"},
            "Opted out": {"to": "consent", "channel": "email", "withdrawn": ["1"], "open": ["0"]},
        }
    }
    rows = [["ada@acme.example", 1], ["bo@acme.example", 1], ["cy@acme.example", 1]]
    text = to_csv(["Email", "Opted out"], [*rows, ["di@acme.example", 0]])
    dry = run_import(text, mapping, by=rep, dry_run=True)
    report = run_import(text, mapping, by=rep)
    for told in (dry, report):
        assert (told["created"], told["updated"], told["unchanged"], told["listed"]) == (1, 1, 2, 2)
    assert sorted(Lead.objects.values_list("email", flat=True)) == [lead.email, "di@acme.example"]
    assert not may_contact(lead.pk, "email")
    late = make_lead(owner=rep, email="bo@acme.example")
    assert not may_contact(late.pk, "email")
    client.login(email=rep.email, password=PASSWORD)
    page = client.get(f"/imports/{report['import']}/").content.decode()
    assert "2 of the rows are of nobody here" in page
    undo(Import.objects.get(pk=report["import"]), rep)
    assert may_contact(late.pk, "email")
    assert may_contact(lead.pk, "email")
    assert not Suppression.objects.exists()
