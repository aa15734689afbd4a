"""A file becomes leads: identities, owners, companies, evidence, outcomes, scores."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User
from accounts.roles import Role
from core.invariants import breaks
from intake import services
from intake.models import CheckedRow, Import, RejectedRow
from intake.progress import work
from intake.selectors import report as report_of
from leads.activities import Kind
from leads.models import Activity, Company, CustomField, Identity, Lead, Outcome, Source
from scoring.models import Evidence, Snapshot, Standing
from tests.factories import make_evidence, make_lead, make_user
from tests.intake.conftest import Importer, to_csv

HEADER = ["Email", "First name", "Last name", "Phone", "Company", "Budget", "Visits"]
ROWS = [
    ["ada@acme.example", "Ada", "Lovelace", "+49 30 901820", "Acme", "Yes", "3"],
    ["bo@beta.example", "Bo", "Berg", "", "Beta", "No", "5"],
    ["cy@beta.example", "Cy", "Clark", "0170 5512345", "BETA", "Unknown", ""],
]
FILE = to_csv(HEADER, ROWS)

pytestmark = pytest.mark.django_db


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["created"], report["updated"], report["unchanged"], report["rejected"]


def everything() -> list[Any]:
    """All rows that an import may write, so that two states can be compared."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Lead, Identity, Company, Activity, Evidence, Outcome, Standing, Snapshot)
    ]


def test_leads_come_in_with_their_facts_and_scores(run_import: Importer, rep: User) -> None:
    report = run_import(FILE, owner=rep, source="Fair")
    assert counts(report) == (3, 0, 0, 0)
    assert report["scored"] == 3
    assert sum(report["tiers"].values()) == 3
    ada = Lead.objects.get(email="ada@acme.example")
    assert (ada.first_name, ada.last_name, ada.phone) == ("Ada", "Lovelace", "+4930901820")
    assert (ada.owner, ada.team, ada.kind, ada.email_kind) == (rep, rep.team, "b2b", "own")
    assert ada.company is not None
    assert ada.company.name == "Acme"
    assert ada.custom == {"visits": 3}
    assert ada.first_source is not None
    assert (ada.first_source.name, ada.first_source.channel) == ("Fair", Source.Channel.IMPORT)
    (evidence,) = ada.evidence.all()
    assert (evidence.dimension, evidence.rating, evidence.source) == ("budget", 100, "import")
    assert evidence.quote == "Budget: Yes"
    assert evidence.expires_at is not None
    (activity,) = ada.activities.all()
    assert activity.kind == Kind.IMPORTED
    assert activity.data == {"import": report["import"], "row": 1, "file": "leads.csv"}
    assert ada.standing.scored_at is not None
    assert ada.standing.stale_at is None
    assert ada.standing.unplanned_at is not None
    assert list(breaks()) == []


def test_companies_are_one_whatever_the_case_of_their_names(run_import: Importer) -> None:
    run_import(FILE)
    assert sorted(Company.objects.values_list("name", flat=True)) == ["Acme", "Beta"]


def test_an_answer_of_not_known_is_on_the_timeline_and_no_evidence(run_import: Importer) -> None:
    run_import(FILE)
    cy = Lead.objects.get(email="cy@beta.example")
    assert not cy.evidence.exists()
    asked = cy.activities.get(kind=Kind.ASKED_UNKNOWN)
    assert asked.data["dimension"] == "budget"


def test_the_same_file_twice_changes_nothing(run_import: Importer, rep: User) -> None:
    run_import(FILE, owner=rep)
    before = everything()
    report = run_import(FILE)
    assert counts(report) == (0, 0, 3, 0)
    assert report["scored"] == 0
    assert everything() == before


def test_appended_and_reordered_rows_make_only_the_new_ones(run_import: Importer) -> None:
    plain = ["Product", "Size"]
    rows = [["A", "1"], ["B", "2"], ["A", "1"], ["A", "1"]]
    assert counts(run_import(to_csv(plain, rows))) == (4, 0, 0, 0)
    again = [["C", "9"], *reversed(rows), ["A", "1"]]
    assert counts(run_import(to_csv(plain, again))) == (2, 0, 4, 0)
    swapped = to_csv(["Size", "Product"], [[size, product] for product, size in again])
    assert counts(run_import(swapped)) == (0, 0, 6, 0)


def test_rows_without_identity_are_known_again_by_the_name_of_their_source(
    run_import: Importer,
) -> None:
    file = to_csv(["Product"], [["A"]])
    assert run_import(file, source="One")["created"] == 1
    assert run_import(file, source="Two")["created"] == 1
    assert run_import(file, source="One")["unchanged"] == 1


def test_blanks_are_filled_and_what_is_there_stays(run_import: Importer, rep: User) -> None:
    lead = make_lead(owner=rep, email="ada@acme.example", first_name="Augusta", last_name="")
    lead.custom = {"visits": 1}
    lead.save()
    report = run_import(FILE)
    assert counts(report) == (2, 1, 0, 0)
    lead.refresh_from_db()
    assert (lead.first_name, lead.last_name) == ("Augusta", "Lovelace")
    assert lead.custom == {"visits": 1}
    assert lead.owner == rep
    assert lead.version == 2
    changed = lead.activities.get(kind=Kind.CHANGED)
    assert changed.data["import"] == report["import"]
    assert changed.data["changes"]["last_name"] == ["", "Lovelace"]
    assert changed.data["changes"]["evidence.budget"] == [None, 100]
    assert lead.identities.filter(kind="phone", normal="+4930901820").exists()
    assert list(breaks()) == []


def mapping(**columns: Any) -> dict[str, Any]:
    return {"columns": {name.replace("_", " "): spec for name, spec in columns.items()}}


def field(name: str, if_exists: str = "fill") -> dict[str, str]:
    return {"to": "field", "field": name, "if_exists": if_exists}


def test_a_column_may_overwrite_or_keep(run_import: Importer, rep: User) -> None:
    lead = make_lead(
        owner=rep, email="ada@acme.example", first_name="Augusta", last_name="King", phone="+491"
    )
    Identity.objects.create(lead=lead, kind="phone", normal="+491")
    make_evidence(lead, "budget", 33)
    chosen = mapping(
        Email=field("email"),
        First_name=field("first_name", "overwrite"),
        Last_name=field("last_name", "keep"),
        Phone=field("phone", "overwrite"),
        Budget={
            "to": "evidence",
            "dimension": "budget",
            "ratings": {"Yes": 100, "No": 0, "Unknown": None},
            "if_exists": "overwrite",
        },
    )
    report = run_import(FILE, chosen)
    assert counts(report) == (2, 1, 0, 0)
    lead.refresh_from_db()
    assert (lead.first_name, lead.last_name) == ("Ada", "King")
    assert [i.normal for i in lead.identities.filter(kind="phone")] == ["+4930901820"]
    assert [(e.rating, e.current) for e in lead.evidence.order_by("id")] == [
        (33, False),
        (100, True),
    ]
    assert counts(run_import(FILE, chosen)) == (0, 0, 3, 0)
    assert list(breaks()) == []


def test_a_newer_answer_of_a_person_is_not_displaced_by_an_older_one(
    run_import: Importer, rep: User
) -> None:
    lead = make_lead(owner=rep, email="ada@acme.example")
    make_evidence(lead, "budget", 33)
    file = to_csv(["Email", "Budget", "Asked"], [["ada@acme.example", "Yes", "2026-01-05"]])
    chosen = mapping(
        Email=field("email"),
        Asked=field("answered_at"),
        Budget={
            "to": "evidence",
            "dimension": "budget",
            "ratings": {"Yes": 100},
            "if_exists": "overwrite",
        },
    )
    run_import(file, chosen)
    assert lead.evidence.get(current=True).rating == 33
    assert lead.evidence.get(current=False).observed_at.date() == dt.date(2026, 1, 4)
    assert list(breaks()) == []


def test_ids_of_other_systems_recognise_leads_before_their_e_mail(run_import: Importer) -> None:
    chosen = {
        "columns": {
            "Id": {"to": "external_id", "source": "crm"},
            "Email": field("email"),
            "Name": field("last_name"),
        }
    }
    first = to_csv(["Id", "Email", "Name"], [["7", "a@x.example", "A"], ["8", "", "B"]])
    assert run_import(first, chosen)["created"] == 2
    second = to_csv(
        ["Id", "Email", "Name"], [["7", "new@x.example", "A"], ["8", "b@x.example", "B"]]
    )
    assert counts(run_import(second, chosen)) == (0, 1, 1, 0)
    assert Lead.objects.get(last_name="B").email == "b@x.example"
    assert Lead.objects.get(last_name="A").email == "a@x.example"


def test_a_row_that_matches_two_leads_is_rejected(run_import: Importer) -> None:
    chosen = {"columns": {"Id": {"to": "external_id"}, "Email": field("email")}}
    header = ["Id", "Email"]
    run_import(to_csv(header, [["7", "a@x.example"], ["8", "b@x.example"]]), chosen)
    report = run_import(to_csv(header, [["7", "b@x.example"], ["9", "c@x.example"]]), chosen)
    assert counts(report) == (1, 0, 0, 1)
    assert [(e["row"], e["code"]) for e in report["errors"]] == [(1, "ambiguous")]
    within = to_csv(header, [["20", "p@x.example"], ["21", "q@x.example"], ["20", "q@x.example"]])
    report = run_import(within, chosen)
    assert counts(report) == (2, 0, 0, 1)
    assert [(e["row"], e["code"]) for e in report["errors"]] == [(3, "ambiguous")]


def test_a_phone_counts_only_with_the_name_and_without_an_e_mail(run_import: Importer) -> None:
    header = ["Name", "Phone", "Email"]
    run_import(to_csv(header, [["Ada Lovelace", "+49 30 901820", "ada@acme.example"]]))
    rows = [
        ["Lovelace, Ada", "030 901820", ""],
        ["Bo Berg", "030 901820", ""],
        ["Ada Lovelace", "030 901820", "ada@home.example"],
    ]
    report = run_import(to_csv(header, rows))
    assert counts(report) == (2, 0, 1, 0)
    assert Identity.objects.filter(kind="phone", normal="+4930901820").count() == 3


def test_rows_of_one_lead_become_one_lead_and_nothing_of_them_is_lost(run_import: Importer) -> None:
    header = ["Email", "First name", "Budget", "Visits"]
    rows = [
        ["ada@acme.example", "", "", "3"],
        ["bo@beta.example", "Bo", "", ""],
        ["ADA@acme.example", "Ada", "Yes", "9"],
    ]
    report = run_import(to_csv(header, rows))
    assert counts(report) == (2, 0, 1, 0)
    assert report["repeated"] == 1
    ada = Lead.objects.get(email="ada@acme.example")
    assert (ada.first_name, ada.custom) == ("Ada", {"visits": 3})
    assert ada.evidence.get().rating == 100
    assert counts(run_import(to_csv(header, rows))) == (0, 0, 3, 0)


def test_where_a_column_overwrites_the_last_of_several_rows_holds(run_import: Importer) -> None:
    chosen = mapping(Email=field("email"), First_name=field("first_name", "overwrite"))
    file = to_csv(["Email", "First name"], [["a@x.example", "Old"], ["a@x.example", "New"]])
    run_import(file, chosen)
    assert Lead.objects.get(email="a@x.example").first_name == "New"
    assert counts(run_import(file, chosen)) == (0, 0, 2, 0)


def test_outcomes_close_leads_and_keep_the_facts_of_then(run_import: Importer, rep: User) -> None:
    known = make_lead(owner=rep, email="known@x.example")
    ended = make_lead(owner=rep, email="ended@x.example", stage="won")
    Outcome.objects.create(lead=ended, round=1, result="won")
    rows = [
        ["won@x.example", "Won", "2026-03-04"],
        ["lost@x.example", "Lost", ""],
        ["open@x.example", "In progress", ""],
        ["known@x.example", "Lost", ""],
        ["ended@x.example", "Lost", ""],
    ]
    file = to_csv(["Email", "Status", "Closed on"], rows)
    report = run_import(file)
    assert counts(report) == (3, 1, 1, 0)
    assert dict(Lead.objects.values_list("email", "stage")) == {
        "won@x.example": "won",
        "lost@x.example": "lost",
        "open@x.example": "new",
        "known@x.example": "lost",
        "ended@x.example": "won",
    }
    outcome = Outcome.objects.get(lead__email="won@x.example")
    assert outcome.imported
    assert outcome.at.date() == dt.date(2026, 3, 3)  # midnight in Berlin
    snapshots = Snapshot.objects.filter(lead__email="won@x.example")
    assert {(s.reason, s.backfilled) for s in snapshots} == {
        ("first_score", True),
        ("outcome", True),
    }
    assert known.outcomes.get().result == "lost"
    assert counts(run_import(file)) == (0, 0, 5, 0)
    assert list(breaks()) == []


def test_leads_are_shared_evenly_among_those_with_the_fewest(
    run_import: Importer, team: Team, manager: User
) -> None:
    reps = [make_user(team=team) for _ in range(3)]
    for _ in range(4):
        make_lead(owner=reps[0], scored=False)
    rows = [[f"p{n}@x.example"] for n in range(11)]
    run_import(to_csv(["Email"], rows), by=manager)
    assert [rep.leads.count() for rep in reps] == [5, 5, 5]
    run_import(to_csv(["Email"], [*rows, ["new@x.example"]]), by=manager)
    assert sorted(rep.leads.count() for rep in reps) == [5, 5, 6]


def test_known_rows_do_not_upset_the_even_share(run_import: Importer, team: Team) -> None:
    reps = [make_user(team=team) for _ in range(3)]
    known = [[f"p{n}@x.example"] for n in range(0, 30, 3)]
    run_import(to_csv(["Email"], known), team=team, owner=reps[0])
    Lead.objects.update(owner=None)
    run_import(to_csv(["Email"], [[f"p{n}@x.example"] for n in range(30)]), team=team)
    assert sorted(rep.leads.count() for rep in reps) == [6, 7, 7]


def test_from_the_command_line_all_reps_share(run_import: Importer, rep: User) -> None:
    other = make_user(team=Team.objects.create(name="South"))
    make_user(role=Role.REP)  # of no team: nobody would see these leads
    run_import(to_csv(["Email"], [["a@x.example"], ["b@x.example"]]))
    assert rep.leads.count() == other.leads.count() == 1
    assert other.leads.get().team == other.team


def test_reps_import_for_themselves_and_change_only_their_own(
    run_import: Importer, rep: User, stranger: User
) -> None:
    colleague = make_user(team=rep.team)
    make_lead(owner=rep, email="mine@x.example", first_name="")
    make_lead(owner=colleague, email="ours@x.example", first_name="")
    make_lead(owner=stranger, email="theirs@x.example", first_name="")
    names = ["mine", "ours", "theirs", "new"]
    file = to_csv(["Email", "First name"], [[f"{name}@x.example", "Zoe"] for name in names])
    report = run_import(file, by=rep)
    assert counts(report) == (1, 1, 0, 2)
    assert [(e["row"], e["code"]) for e in report["errors"]] == [
        (2, "not_yours"),
        (3, "duplicate_elsewhere"),
    ]
    assert "lead" not in report["errors"][1]["reason"].replace("a lead that", "")
    assert Lead.objects.get(email="new@x.example").owner == rep
    assert Lead.objects.get(email="theirs@x.example").first_name == ""


def test_an_importer_who_has_lost_the_right_imports_nothing_more(
    run_import: Importer, rep: User
) -> None:
    imported = services.read_file(io.BytesIO(FILE.encode()), "x.csv", by=rep)
    services.start(imported, None, dry_run=False)
    User.objects.filter(pk=rep.pk).update(is_active=False)
    ended = report_of(work(Import.objects.get(pk=imported.pk)))
    assert ended["state"] == "failed"
    assert ended["error"] == "This account is closed."
    assert not Lead.objects.exists()


def test_a_dry_run_says_what_would_happen_and_writes_no_lead(
    run_import: Importer, rep: User
) -> None:
    make_lead(owner=rep, email="ada@acme.example", first_name="")
    make_lead(owner=rep, email="old@x.example")
    rows = [*ROWS, ["old@x.example", "Ada", "Other", "", "", "", ""], ["not mail", *[""] * 6]]
    before = everything(), Source.objects.count(), CustomField.objects.count()
    report = run_import(to_csv(HEADER, rows), dry_run=True)
    assert report["state"] == "checked"
    assert counts(report) == (2, 1, 1, 1)
    assert report["cells_rejected"] == 1
    assert everything() == before[0]
    assert Source.objects.count() <= before[1] + 1  # the name of the import itself
    assert CustomField.objects.count() == before[2]


def test_a_checked_file_is_imported_without_being_read_again(
    run_import: Importer, rep: User
) -> None:
    checked = run_import(FILE, owner=rep, dry_run=True)
    imported = Import.objects.get(pk=checked["import"])
    services.run(imported)
    done = report_of(work(imported))
    assert counts(done) == counts(checked) == (3, 0, 0, 0)
    assert Lead.objects.count() == 3
    assert not CheckedRow.objects.exists()


def test_bad_cells_cost_themselves_and_are_named(run_import: Importer) -> None:
    header = ["Email", "First name", "Phone", "Country", "Visits", "Created at", "Age"]
    rows = [
        ["a b@x", "Ada", "12", "Atlantis", "many", "31/02/2026", "200"],
        ["ok@x.example", "Bo", "+49 30 901820", "Deutschland", "1.234", "3 Nov 2026", "44"],
        ["ok2@x.example", "Cy", "+49 30 901821", "AT", "7", "04.11.2026", "45"],
        ["ok3@x.example", "Di", "+49 30 901822", "FR", "8", "05.11.2099", "46"],
    ]
    chosen = mapping(
        Email=field("email"),
        First_name=field("first_name"),
        Phone=field("phone"),
        Country=field("country"),
        Visits={"to": "custom", "key": "visits", "type": "number"},
        Created_at=field("created_at"),
        Age=field("age"),
    ) | {"decimal": ","}
    report = run_import(to_csv(header, rows), chosen)
    assert counts(report) == (4, 0, 0, 0)
    assert {(e["row"], e["field"], e["code"]) for e in report["errors"]} == {
        (1, "email", "not_an_email"),
        (1, "phone", "not_a_phone"),
        (1, "country", "not_a_country"),
        (1, "custom.visits", "not_a_number"),
        (1, "created_at", "not_a_date"),
        (1, "age", "out_of_range"),
        (4, "created_at", "in_future"),
    }
    bo = Lead.objects.get(email="ok@x.example")
    assert (bo.country, bo.custom, bo.age) == ("DE", {"visits": 1234}, 44)
    assert bo.created_at.date() == dt.date(2026, 11, 2)
    assert Lead.objects.get(first_name="Ada").email == ""


def test_formulas_are_data_and_our_exports_mark_is_taken_off(run_import: Importer) -> None:
    file = to_csv(["Email", "First name"], [["a@x.example", "=1+1"], ["b@x.example", "'@Bo"]])
    run_import(file, mapping(Email=field("email"), First_name=field("first_name")))
    assert Lead.objects.get(email="a@x.example").first_name == "=1+1"
    assert Lead.objects.get(email="b@x.example").first_name == "@Bo"


def test_a_company_is_known_by_its_domain_and_completed(run_import: Importer) -> None:
    named = Company.objects.create(name="ACME", industry="Tools")
    header = ["Email", "Company", "Website", "Industry", "Employees"]
    rows = [
        ["a@acme.example", "Acme", "https://www.acme.example/x", "Metal", "51-200"],
        ["b@acme.example", "Acme Ltd", "acme.example", "", ""],
        ["c@other.example", "Acme", "other.example", "Food", "10"],
        ["d@beta.example", "Beta", "", "", "7"],
    ]
    run_import(to_csv(header, rows))
    named.refresh_from_db()
    assert (named.domain, named.industry, named.employees) == ("acme.example", "Tools", 125)
    company_of = dict(Lead.objects.values_list("email", "company__domain"))
    assert company_of == {
        "a@acme.example": "acme.example",
        "b@acme.example": "acme.example",
        "c@other.example": "other.example",
        "d@beta.example": None,
    }
    assert Company.objects.count() == 3
    assert counts(run_import(to_csv(header, rows))) == (0, 0, 4, 0)


def test_sources_of_rows_are_made_with_the_channel_that_their_name_tells(
    run_import: Importer,
) -> None:
    file = to_csv(["Email", "Source"], [["a@x.example", "Referral"], ["b@x.example", ""]])
    run_import(file, source="November")
    assert dict(Lead.objects.values_list("email", "first_source__name")) == {
        "a@x.example": "Referral",
        "b@x.example": "November",
    }
    assert Source.objects.get(name="Referral").channel == Source.Channel.REFERRAL


def test_owners_may_stand_in_the_file(run_import: Importer, rep: User, manager: User) -> None:
    file = to_csv(
        ["Email", "Owner"],
        [["a@x.example", rep.email.upper()], ["b@x.example", "who@x.example"], ["c@x.example", ""]],
    )
    chosen = mapping(Email=field("email"), Owner=field("owner"))
    report = run_import(file, chosen, by=manager, owner=manager)
    assert report["cells_rejected"] == 1
    assert dict(Lead.objects.values_list("email", "owner__email")) == {
        "a@x.example": rep.email,
        "b@x.example": manager.email,
        "c@x.example": manager.email,
    }


def test_a_row_that_the_database_refuses_is_rejected_alone(run_import: Importer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_lead ADD CONSTRAINT no_zoe CHECK (first_name <> 'Zoe')")
    rows = [[f"n{n}@x.example", "Zoe" if n == 2 else "Al"] for n in range(5)]
    report = run_import(to_csv(["Email", "First name"], rows))
    assert counts(report) == (4, 0, 0, 1)
    assert [(e["row"], e["code"]) for e in report["errors"]] == [(3, "refused_by_database")]


def test_the_number_of_queries_does_not_grow_with_the_rows(run_import: Importer) -> None:
    numbers = []
    for size in (10, 1_000):
        rows = [[f"p{size}-{n}@x.example", "Al", f"Firm {n}", "Yes"] for n in range(size)]
        file = to_csv(["Email", "First name", "Company", "Budget"], rows)
        with CaptureQueriesContext(connection) as queries:
            run_import(file)
        numbers.append(len(queries))
    assert numbers[1] <= numbers[0]


def test_the_real_b2b_file_keeps_its_repeats_as_leads(
    run_import: Importer, data_dir: Path, rep: User
) -> None:
    data = (data_dir / "salvirt_b2b_opportunities.csv").read_bytes()
    report = run_import(data, owner=rep)
    assert counts(report) == (448, 0, 0, 0)
    assert report["warnings"] == []
    repeats = Identity.objects.filter(kind__startswith="row:").exclude(normal__endswith=":1")
    assert repeats.count() == 83
    assert Lead.objects.filter(stage="won").count() == 227
    assert Lead.objects.filter(custom__competitors="Unknown").count() == 20
    assert counts(run_import(data, owner=rep)) == (0, 0, 448, 0)
    assert list(breaks()) == []


def test_the_real_b2c_file_comes_in_whole(run_import: Importer, data_dir: Path, rep: User) -> None:
    data = (data_dir / "uci_bank_phone_campaign.csv").read_bytes()
    report = run_import(data, owner=rep)
    assert counts(report) == (4521, 0, 0, 0)
    assert (report["cells_rejected"], report["scored"]) == (0, 4521)
    assert Lead.objects.filter(kind="b2c", stage="won").count() == 521
    assert Lead.objects.filter(custom__pdays=-1).count() == 3705
    assert not RejectedRow.objects.exists()
    assert list(breaks()) == []
