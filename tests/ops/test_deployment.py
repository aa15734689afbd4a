"""Dockerfile and docker-compose.yml: well formed, and all that they name exists.

There is no container engine where the tests run, so everything is checked that can be without.
"""

import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from ops.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
ENV_EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)


def texts(node: Any) -> list[str]:
    """All strings anywhere in a part of the compose file."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in texts(value)]
    return [node] if isinstance(node, str) else []


def commands() -> dict[str, list[str]]:
    """Every command of ours that a container runs, as words, by where it is written."""
    found = {}
    for name, service in SERVICES.items():
        if "build" not in service:
            continue
        if "command" in service:
            found[f"{name} command"] = service["command"]
        match service.get("healthcheck", {}).get("test"):
            case ["CMD", *words]:
                found[f"{name} healthcheck"] = words
            case ["CMD-SHELL", line]:
                found[f"{name} healthcheck"] = shlex.split(line)
    for number, line in enumerate(re.findall(r"python manage\.py .*?(?=&&|\n)", DOCKERFILE)):
        found[f"Dockerfile RUN {number}"] = shlex.split(line)
    (start,) = re.findall(r"^CMD (\[.*\])", DOCKERFILE, re.MULTILINE)
    found["Dockerfile CMD"] = json.loads(start)
    return found


def test_the_compose_file_follows_the_schema():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run(
        [*check, "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_depends_only_on_services_that_can_meet_its_condition(name: str):
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert SERVICES[other]["restart"] == "no"  # it ends, and stays so


def test_every_service_that_stays_up_has_a_health_check():
    staying = {name for name, service in SERVICES.items() if service["restart"] != "no"}
    assert staying == {name for name, service in SERVICES.items() if "healthcheck" in service}


def test_named_volumes_are_declared_and_used():
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert used == set(COMPOSE["volumes"])


def test_every_variable_is_in_the_example():
    used = {name for text in texts(COMPOSE) for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)}
    assert used == set(ENV_EXAMPLE)


def test_secrets_have_no_default():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert ENV_EXAMPLE[name] == ""
        uses = re.findall(r"\$\{" + name + r"[^}]*\}", text)
        assert uses
        assert all(f"{name}:?" in use for use in uses)


def test_defaults_in_the_compose_file_are_those_of_the_example():
    for text in texts(COMPOSE):
        for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", text):
            assert ENV_EXAMPLE[name] == default


@pytest.mark.parametrize(("place", "words"), commands().items())
def test_every_command_in_a_container_exists(place: str, words: list[str]):
    match words:
        case ["python", "manage.py", name, *options]:
            assert name in get_commands()
            command = load_command_class(get_commands()[name], name)
            command.create_parser("manage.py", name).parse_args(options)
        case ["python", "-m", "ops", command, *_]:
            assert f'case "{command}"' in (ROOT / "ops" / "commands.py").read_text()
        case ["python", "-c", _]:
            compile(words[2], place, "exec")
        case ["gunicorn", application, *_]:
            module, name = application.split(":")
            assert callable(getattr(importlib.import_module(module), name))
        case ["celery", *rest]:
            assert "leadqual" in " ".join(rest)
            importlib.import_module("leadqual.celery")
        case _:
            pytest.fail(f"what is {words}?")


def test_the_workers_serve_every_queue():
    from django.conf import settings

    served = {
        word.removeprefix("--queues=")
        for service in SERVICES.values()
        for word in service.get("command", [])
        if word.startswith("--queues=")
    }
    assert settings.CELERY_TASK_DEFAULT_QUEUE in served
    assert served == {"fast", "bulk"}


def test_the_database_sorts_as_the_embedded_one():
    arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    source = (ROOT / "ops" / "postgres.py").read_text()
    assert all(f'"{argument}"' in source for argument in arguments)


def test_the_image_does_not_run_as_root():
    user = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert user
    assert user[-1] not in ("root", "0")


def test_the_image_holds_every_package_and_no_more():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    folders = packages | {"bundles", "static", "templates"}
    kept = re.findall(r"^!([a-z]+)/$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert folders <= set(kept)
    assert {"tests", "var", "docs"}.isdisjoint(kept)


def test_the_order_of_the_apps_is_checked_for_every_app():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "ops"}
    assert set(settings["root_packages"]) == packages
    (layers,) = (each["layers"] for each in settings["contracts"] if each["type"] == "layers")
    assert packages <= set(re.findall(r"[a-z]+", " ".join(layers)))
