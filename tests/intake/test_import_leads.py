"""manage.py import_leads."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Team, User
from intake.models import Import
from leads.models import Lead
from scoring.models import ModelVersion

pytestmark = pytest.mark.django_db

GOOD = "Email,Name,Plan\nada@x.example,Ada Lovelace,Pro\nbo@x.example,Bo Berg\n"


def run(*arguments: str) -> tuple[str, int]:
    """Run the command; return what it printed and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("import_leads", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return out.getvalue(), code


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "leads.csv"
    path.write_text(GOOD)
    return path


def test_one_json_document_says_what_became_of_the_rows(
    config: None, file: Path, rep: User
) -> None:
    out, code = run(str(file), "--json", "--owner", "REP@leadqual.example", "--source", "Fair")
    report = json.loads(out)
    assert code == 0
    assert report["state"] == "succeeded_with_errors"
    assert {
        key: report[key] for key in ("rows", "created", "updated", "unchanged", "rejected")
    } == {
        "rows": 2,
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
    }
    assert sum(report["tiers"].values()) == report["scored"] == 1
    assert report["errors"] == [
        {
            "row": 2,
            "field": "",
            "code": "wrong_column_count",
            "reason": "has 2 cells where the header has 3",
            "value": "bo@x.example,Bo Berg",
            "whole_row": True,
        }
    ]
    assert report["seconds"] > 0
    assert Lead.objects.get().owner == rep


def test_people_read_a_report_in_words(config: None, file: Path) -> None:
    out, code = run(str(file))
    assert code == 0
    assert "1 created, 0 updated, 0 unchanged, 1 rejected" in out
    assert "row 2: has 2 cells where the header has 3" in out


def test_a_dry_run_writes_nothing_and_is_gone_on_from_by_resume(config: None, file: Path) -> None:
    out, code = run(str(file), "--dry-run", "--json")
    checked = json.loads(out)
    assert (code, checked["state"], checked["created"]) == (0, "checked", 1)
    assert not Lead.objects.exists()
    out, code = run("--resume", str(checked["import"]), "--json")
    assert json.loads(out)["created"] == 1
    assert Lead.objects.count() == 1


def test_the_proposed_mapping_can_be_printed_changed_and_used(
    config: None, file: Path, tmp_path: Path
) -> None:
    out, _ = run(str(file), "--propose")
    mapping = json.loads(out)
    assert mapping["columns"]["Email"] == {"to": "field", "field": "email"}
    mapping["columns"]["Plan"] = {"to": "ignore"}
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(mapping))
    out, _ = run(str(file), "--mapping", str(path), "--json")
    assert json.loads(out)["warnings"] == ["Not imported: Plan."]
    assert Lead.objects.get().custom == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"columns": {"Mail": {"to": "ignore"}}}', "columns.Mail: is not a column of the file"),
        (
            '{"columns": {"Email": {"to": "field", "field": "mail"}}}',
            "columns.Email.field: must be one of",
        ),
    ],
)
def test_a_wrong_mapping_is_refused_by_column_and_key(
    config: None, file: Path, tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(content)
    try:
        out, code = run(str(file), "--mapping", str(path))
    except CommandError as error:
        out, code = str(error), 1
    assert code == 1
    assert problem in out
    assert not Lead.objects.exists()


def test_a_file_that_is_no_csv_ends_with_one_and_says_why(config: None, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"PK\x03\x04")
    out, code = run(str(path), "--json")
    report = json.loads(out)
    assert code == 1
    assert report["state"] == "failed"
    assert report["errors"][0]["code"] == "not_csv"
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "nowhere.csv cannot be read"),
        (["{file}", "--owner", "who@x.example"], "No active user"),
        (["{file}", "--team", "West"], "There is no team West; teams are: North."),
        (["{file}", "--mapping", "nowhere.json"], "nowhere.json cannot be read"),
        (["--resume", "9999999"], "There is no import 9999999"),
        ([], "Name the file"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(
    team: Team, file: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*(argument.format(file=file) for argument in arguments))


def test_without_a_live_configuration_the_command_says_what_to_do(config: None, file: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE scoring_modelversion SET state = 'retired'")
    assert not ModelVersion.objects.filter(state="live").exists()
    out, code = run(str(file))
    assert code == 1
    assert "manage.py setup" in out


def test_the_report_of_the_same_file_again_shows_its_tiers(config: None, file: Path) -> None:
    first: dict[str, Any] = json.loads(run(str(file), "--json")[0])
    again = json.loads(run(str(file), "--json")[0])
    assert again["unchanged"] == 1
    assert again["scored"] == 0
    assert again["tiers"] == first["tiers"]
