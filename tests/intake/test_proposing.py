"""What is proposed for the columns of a file."""

from pathlib import Path
from typing import Any

import pytest

from intake.mapping import Known, parse_mapping
from intake.proposing import plain_header, propose
from intake.reading import Reader, detect
from intake.staging import Profile

KNOWN = Known({}, ["authority", "budget", "need", "timing"])


def proposal(columns: dict[str, list[str]], known: Known = KNOWN, **options: Any) -> dict[str, Any]:
    profiles = []
    for header, cells in columns.items():
        profile = Profile(header)
        profile.add(cells)
        profiles.append(profile)
    return propose(profiles, options.get("delimiter", ","), options.get("country", "DE"), known)


def target(header: str, cells: list[str], known: Known = KNOWN) -> Any:
    spec = proposal({header: cells}, known)["columns"][header]
    return spec.get("field") or spec.get("dimension") or spec["to"]


@pytest.mark.parametrize(
    ("header", "cells", "field"),
    [
        ("E-Mail-Adresse", ["a@b.de", "c@d.de", "none"], "email"),
        ("Kontakt per", ["a@b.de", "c@d.de"], "email"),
        ("Vorname", ["Ada", "Bo"], "first_name"),
        ("Contact Name", ["Ada Lovelace"], "name"),
        ("Tel.", ["0170 5512345", "+44 20 7946 0018"], "phone"),
        ("jobTitle", ["CEO", "Buyer"], "title"),
        ("Firma", ["Acme GmbH", "Beta"], "company"),
        ("Webseite", ["www.acme.de", "https://beta.com/x"], "company_domain"),
        ("Land", ["Deutschland", "AT"], "country"),
        ("Alter", ["31", "45"], "age"),
        ("Deal value (EUR)", ["1"], "value"),
        ("Auftragswert", ["40.000 €", "12k"], "value"),
        ("Herkunft", ["Messe", "Web"], "source"),
        ("Erstellt am", ["03.11.2026", "14.11.2026"], "created_at"),
        ("Budget €", ["ja", "nein", "unbekannt"], "budget"),
        ("Entscheider", ["ja", "nein"], "authority"),
        ("Pain points", ["high", "low"], "need"),
        ("Timeline", ["A", "B", "C", "D"], "timing"),
        ("Budget", ["0", "1", "3"], "budget"),
        ("Budget", ["3 offices", "none yet", "call back"], "custom"),
        ("Lead ID", ["1", "2", "3"], "external_id"),
        ("Status", ["Won", "Lost", "In progress"], "outcome"),
        ("Gekauft", ["ja", "nein"], "outcome"),
        ("Status", ["active", "inactive"], "custom"),
        ("contact", ["cellular", "telephone"], "custom"),
        ("email", ["yes", "no"], "custom"),
        ("Country", ["7", "9"], "custom"),
    ],
)
def test_headers_and_values_tell_what_a_column_is(
    header: str, cells: list[str], field: str
) -> None:
    columns = {header: cells}
    if field in ("company_domain",):
        columns["Firma"] = ["Acme"] * len(cells)
    spec = proposal(columns)["columns"][header]
    assert (spec.get("field") or spec.get("dimension") or spec["to"]) == field


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["yes", "no", ""], "bool"),
        (["1.234,5", "12k", "-3"], "number"),
        (["3.11.2026", "2026-11-04"], "date"),
        (["Messe", "Web"] * 3, "choice"),
        (["Yes", "No", "Unknown"] * 3, "choice"),
        (["01067", "80331"], "text"),
        (["one", "two", "three"], "text"),
    ],
)
def test_other_columns_become_custom_fields_of_the_type_of_their_values(
    cells: list[str], kind: str
) -> None:
    assert proposal({"Merkmal": cells})["columns"]["Merkmal"]["type"] == kind


def test_a_column_without_any_value_is_ignored() -> None:
    assert proposal({"Merkmal": ["", ""]})["columns"]["Merkmal"] == {"to": "ignore"}


def test_unknown_is_an_answer_that_rates_nothing() -> None:
    spec = proposal({"Budget": ["Yes", "No", "Unknown"]})["columns"]["Budget"]
    assert spec["ratings"] == {"Yes": 100, "No": 0, "Unknown": None}


def test_a_clear_header_wins_over_a_guess_by_values() -> None:
    columns = proposal({"Kontakt": ["a@b.de", "c@d.de"], "E-Mail": ["e@f.de", "g@h.de"]})["columns"]
    assert columns["E-Mail"]["to"] == "field"
    assert columns["Kontakt"]["to"] == "custom"


def test_facts_of_a_company_need_a_company() -> None:
    assert target("Branche", ["IT", "Chemie"]) == "custom"


def test_dates_and_decimals_are_told_by_the_values_and_else_by_country_and_delimiter() -> None:
    assert proposal({"d": ["03/25/2026", "04/05/2026"]})["dates"] == "mdy"
    assert proposal({"d": ["03/04/2026"]}, country="US")["dates"] == "mdy"
    assert proposal({"d": ["25.03.2026", "04.05.2026"]}, country="US")["dates"] == "dmy"
    assert proposal({"n": ["1,5", "2,25"]})["decimal"] == ","
    assert proposal({"n": ["1.5", "2.25"]}, delimiter=";")["decimal"] == "."
    assert proposal({"n": ["1.234"]}, delimiter=";")["decimal"] == ","


def test_a_custom_field_that_exists_is_used_when_its_type_fits() -> None:
    known = Known({"seats": ("number", ()), "plan": ("choice", ("Basic",))}, [])
    fits = proposal({"Seats": ["3", "5"]}, known)["columns"]["Seats"]
    assert (fits["key"], fits["type"]) == ("seats", "number")
    other = proposal({"Seats": ["few", "many"]}, known)["columns"]["Seats"]
    assert other["key"] == "seats_2"
    more = proposal({"Plan": ["Basic", "Pro"]}, known)["columns"]["Plan"]
    assert more["choices"] == ["Basic", "Pro"]


def test_every_key_is_unique_and_a_slug() -> None:
    headers = ["Größe (cm)", "Größe / cm", "東京", "!!!", "???"]
    columns = proposal({header: ["x"] for header in headers})["columns"]
    keys = [spec["key"] for spec in columns.values()]
    assert len(set(keys)) == len(keys)
    assert keys[:2] == ["grosse_cm", "grosse_cm_2"]
    assert all(key.replace("_", "").isascii() for key in keys)


def test_headers_are_compared_without_case_accents_and_signs() -> None:
    assert plain_header("E-Mail_Adresse") == "e mail adresse"
    assert plain_header("FirstName") == "first name"
    assert plain_header("Länder-Code") == "lander code"


def columns_of(path: Path) -> tuple[dict[str, Any], list[str]]:
    with path.open("rb") as file:
        form = detect(file)
        reader = Reader(file, form)
        profiles = [Profile(header) for header in reader.headers]
        for batch in reader.batches(5_000):
            cells = zip(*(row for _, row in batch.rows), strict=True)
            for profile, column in zip(profiles, cells, strict=True):
                profile.add(column)
    mapping = propose(profiles, form.delimiter, "DE", KNOWN)
    parse_mapping(mapping, reader.headers, KNOWN)
    return mapping, reader.headers


def test_the_real_b2b_file_needs_no_mapping(data_dir: Path) -> None:
    mapping, headers = columns_of(data_dir / "salvirt_b2b_opportunities.csv")
    columns = mapping["columns"]
    assert mapping["kind"] == "b2b"
    assert columns["Status"] == {"to": "outcome", "won": ["Won"], "lost": ["Lost"]}
    assert columns["Authority"]["ratings"] == {"Mid": 67, "Low": 33, "High": 100}
    assert columns["Budgt_alloc"]["dimension"] == "budget"
    assert columns["Needs_def"]["dimension"] == "need"
    assert columns["Competitors"]["choices"] == ["No", "Unknown", "Yes"]
    assert columns["Partnership"]["type"] == "bool"
    assert set(columns) == set(headers)


def test_the_real_b2c_file_needs_no_mapping(data_dir: Path) -> None:
    mapping, _ = columns_of(data_dir / "uci_bank_phone_campaign.csv")
    columns = mapping["columns"]
    assert mapping["kind"] == "b2c"
    assert columns["age"] == {"to": "field", "field": "age"}
    assert columns["y"] == {"to": "outcome", "won": ["yes"], "lost": ["no"]}
    assert columns["duration"]["to"] == "custom"
    assert columns["poutcome"]["to"] == "custom"
    assert columns["contact"]["type"] == "choice"
