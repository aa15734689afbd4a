"""Bundles: their shape, what is refused before anything is written, dry runs, export and load."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from core.bundles import (
    FORMAT,
    MOST_BYTES,
    MOST_ITEMS,
    Report,
    export_bundle,
    load_bundle,
    load_bundle_file,
    read_bundle,
)
from core.errors import Invalid
from core.models import Job
from leads.models import Stage
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion

pytestmark = pytest.mark.django_db

BUNDLE = Path(__file__).resolve().parent.parent.parent / "bundles" / "default.json"


@pytest.fixture
def document(config: None) -> dict[str, Any]:
    """What is live, as a bundle that a test may change."""
    return copy.deepcopy(export_bundle("Ours"))


def problems_of(document: Any) -> dict[str, str]:
    """Load a document that must be refused; return code by field."""
    before = _everything()
    with pytest.raises(Invalid) as caught:
        load_bundle(document, by=None, publish=True)
    assert _everything() == before, "a refused bundle wrote something"
    return {problem.field: problem.code for problem in caught.value.problems}


def _everything() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Stage, FrameworkVersion, IcpVersion, ModelVersion, Job)
    ]


def _actions(report: Report) -> dict[tuple[str, str], str]:
    return {(change.section, change.key): change.action for change in report.changes}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "bundle"),
        ("bundle", "bundle"),
        (None, "bundle"),
        ({}, "format"),
        ({"format": "leadqual.bundle/2", "name": "x"}, "format"),
        ({"format": [FORMAT], "name": "x"}, "format"),
        ({"format": FORMAT}, "name"),
        ({"format": FORMAT, "name": " "}, "name"),
        ({"format": FORMAT, "name": 5}, "name"),
        ({"format": FORMAT, "name": "x", "modles": []}, "modles"),
        ({"format": FORMAT, "name": "x", "icps": {}}, "icps"),
        ({"format": FORMAT, "name": "x", "icps": None}, "icps"),
        ({"format": FORMAT, "name": "x", "icps": [{}] * (MOST_ITEMS + 1)}, "icps"),
        ({"format": FORMAT, "name": "x", "icps": ["b2b"]}, "icps[0]"),
        ({"format": FORMAT, "name": "x", "icps": [{"key": "b2b"}]}, "icps[0].definition"),
        (
            {"format": FORMAT, "name": "x", "icps": [{"key": "b", "definition": {}, "x": 1}]},
            "icps[0].x",
        ),
        ({"format": FORMAT, "name": "x", "icps": [{"key": 5, "definition": {}}]}, "icps[0].key"),
        (
            {"format": FORMAT, "name": "x", "icps": [{"key": "B 2", "definition": {}}]},
            "icps[0].key",
        ),
        (
            {"format": FORMAT, "name": "x", "icps": [{"key": "a" * 61, "definition": {}}]},
            "icps[0].key",
        ),
        (
            {"format": FORMAT, "name": "x", "icps": [{"key": "a", "definition": []}] * 2},
            "icps[1].key",
        ),
    ],
)
def test_a_wrong_envelope_is_refused_with_its_field(
    config: None, document: Any, field: str
) -> None:
    assert field in problems_of(document)


@pytest.mark.parametrize("definition", [None, 5, "x", [], {}, {"name": {}}, {"attributes": [{}]}])
@pytest.mark.parametrize("section", ["icps", "frameworks"])
def test_a_definition_of_any_shape_is_refused_not_crashed_on(
    config: None, section: str, definition: Any
) -> None:
    found = problems_of(
        {"format": FORMAT, "name": "x", section: [{"key": "new", "definition": definition}]}
    )
    assert all(field.startswith(f"{section}[0].definition") for field in found)


def test_what_cannot_be_stored_is_named_wherever_it_stands(document: dict[str, Any]) -> None:
    model = document["models"][0]["definition"]
    model["signals"][0]["points"] = float("nan")
    model["signals"][1]["label"] = "a\x00b"
    model["base"] = 10**400
    document["icps"][0]["definition"]["name"] = "\ud800"
    document["frameworks"][0]["definition"]["questions"][0]["seconds"] = float("inf")
    assert problems_of(document) == {
        "models[0].definition.signals[0].points": "wrong_type",
        "models[0].definition.signals[1].label": "not_text",
        "models[0].definition.base": "out_of_range",
        "icps[0].definition.name": "not_text",
        "frameworks[0].definition.questions[0].seconds": "out_of_range",
    }


def test_nesting_without_end_is_refused(document: dict[str, Any]) -> None:
    rule: Any = {"field": "kind", "op": "eq", "value": "b2b"}
    for _ in range(800):
        rule = {"not": rule}
    document["icps"][0]["definition"]["segment"] = rule
    assert "too_deep" in problems_of(document).values()


def test_one_wrong_item_keeps_all_others_out(document: dict[str, Any]) -> None:
    document["stages"][0]["label"] = "Fresh"
    document["frameworks"][0]["definition"]["name"] = "Renamed"
    document["icps"][0]["definition"]["attributes"] = []
    assert problems_of(document) == {"icps[0].definition.attributes": "empty"}


def test_all_problems_are_told_at_once(document: dict[str, Any]) -> None:
    document["stages"][0]["key"] = "fresh"
    # Of a framework that no model names: models wait for the repair of what they pin.
    assert document["frameworks"][0]["key"] not in {m["framework"] for m in document["models"]}
    document["frameworks"][0]["definition"]["criteria"][0]["expires_days"] = -1
    document["models"][0]["definition"]["marks"] = {"hot": 30, "warm": 40}
    document["models"][1]["definition"]["hysteresis"] = "three"
    assert set(problems_of(document)) == {
        "stages[0].key",
        "frameworks[0].definition.criteria[0].expires_days",
        "models[0].definition.marks.warm",
        "models[1].definition.hysteresis",
    }


def test_a_dry_run_tells_what_loading_does_and_writes_nothing(document: dict[str, Any]) -> None:
    document["stages"][0]["label"] = "Fresh"
    document["icps"][0]["definition"]["name"] = "Renamed"
    before = _everything()
    tried = load_bundle(document, by=None, publish=True, dry_run=True)
    assert _everything() == before
    assert (tried.dry_run, tried.changed) == (True, True)
    done = load_bundle(document, by=None, publish=True)
    assert _actions(done) == _actions(tried)
    assert _everything() != before


def test_what_was_exported_loads_as_unchanged(document: dict[str, Any]) -> None:
    again = read_bundle(json.dumps(document).encode())
    before = _everything()
    report = load_bundle(again, by=None, publish=True)
    assert set(_actions(report).values()) == {"unchanged"}
    assert not report.changed
    assert _everything() == before


def test_the_default_file_loads_as_unchanged_a_second_time(config: None) -> None:
    report = load_bundle_file(BUNDLE, by=None, publish=True)
    assert not report.changed


def test_a_list_that_is_left_out_stays_as_it_is(document: dict[str, Any]) -> None:
    before = _everything()
    report = load_bundle({"format": FORMAT, "name": "Nothing"}, by=None, publish=True)
    assert report.changes == ()
    assert _everything() == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"format": 1, "format": 2}', "not_json"),
        (b"\xff\xfe{\x00}\x00", "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b"1" * 10_000, "not_json"),
        (b" " * (MOST_BYTES + 1), "too_large"),
    ],
    ids=["empty", "cut", "twice", "utf16", "deep", "digits", "large"],
)
def test_bytes_that_are_no_bundle_are_refused(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_bundle(content)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_bundle(b'\xef\xbb\xbf{"name": "x"}') == {"name": "x"}


# --- commands -----------------------------------------------------------------------------------
def _call(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def _file(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_the_command_says_what_changed(document: dict[str, Any], tmp_path: Path) -> None:
    document["stages"][0]["label"] = "Fresh"
    name = _file(tmp_path, document)
    assert "stages new: changed" in _call("load_bundle", name, "--dry-run")
    assert Stage.objects.get(pk="new").label != "Fresh"
    report = json.loads(_call("load_bundle", name, "--json"))
    assert [c for c in report["changes"] if c["action"] != "unchanged"] == [
        {"section": "stages", "key": "new", "action": "changed", "number": None}
    ]
    assert Stage.objects.get(pk="new").label == "Fresh"


def test_the_command_lists_problems_and_fails(document: dict[str, Any], tmp_path: Path) -> None:
    document["models"][0]["definition"]["base"] = "none"
    name = _file(tmp_path, document)
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("load_bundle", name, "--publish", stderr=out)
    assert caught.value.code == 1
    assert "models[0].definition.base: must be a finite number" in out.getvalue()
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("load_bundle", name, "--json", stdout=out)
    assert json.loads(out.getvalue())["problems"][0]["field"] == "models[0].definition.base"


def test_the_command_names_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(CommandError, match="Cannot read"):
            call_command("load_bundle", str(path))


def test_what_the_export_command_prints_loads_as_unchanged(config: None, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(_call("export_bundle", "--name", "Ours"), encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8"))["name"] == "Ours"
    report = json.loads(_call("load_bundle", str(path), "--publish", "--json"))
    assert not report["changed"]
