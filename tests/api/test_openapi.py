"""The description is valid, current, complete, and its examples are true."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from core import openapi
from tests.api.conftest import description

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.json"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_description_is_valid_openapi_3_1() -> None:
    assert description()["openapi"].startswith("3.1")
    validate_schema(description())


def test_the_committed_file_is_current() -> None:
    # Renew it with the command in core.openapi.
    assert json.loads(FILE.read_bytes()) == json.loads(openapi.description())


def test_the_description_is_served_to_everybody(db: None) -> None:
    response = Client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert orjson.loads(response.content) == description()


def test_every_operation_says_what_can_go_wrong() -> None:
    seen = []
    for path, method, operation in operations():
        codes = set(operation["responses"])
        assert {"400", "401", "429", "503"} <= codes, (path, method)
        assert ("404" in codes) == ("{" in path), (path, method)
        if method in ("post", "patch"):
            assert {"403", "409", "413", "415", "422"} <= codes, (path, method)
            assert operation["requestBody"], (path, method)
            headers = [p["name"] for p in operation["parameters"] if p["in"] == "header"]
            assert "Idempotency-Key" in headers
        assert operation["security"] == [{"token": []}]
        assert operation["summary"]
        seen.append(operation["operationId"])
    assert len(seen) == len(set(seen)) == 31
    assert "412" in description()["paths"]["/api/v1/leads/{lead_id}"]["patch"]["responses"]


def _contents() -> Iterator[tuple[str, dict[str, Any]]]:
    for _, _, operation in operations():
        if "requestBody" in operation:
            for content in operation["requestBody"]["content"].values():
                yield f"{operation['operationId']} request", content
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield f"{operation['operationId']} {status}", content
    for name, response in description()["components"]["responses"].items():
        for content in response["content"].values():
            yield name, content


@pytest.mark.parametrize("name", [name for name, _ in _contents()])
def test_every_body_has_an_example_that_fits_its_schema(name: str) -> None:
    for content in (content for known, content in _contents() if known == name):
        examples = [item["value"] for item in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, name
        schema = {**content["schema"], "components": description()["components"]}
        for example in examples:
            Draft202012Validator(schema).validate(example)


def test_all_filters_are_described() -> None:
    from desk.filters import LeadFilters

    for path in ("/api/v1/leads", "/api/v1/queue"):
        described = {p["name"] for p in description()["paths"][path]["get"]["parameters"]}
        assert set(LeadFilters.base_filters) | {"limit", "cursor", "ordering"} <= described
