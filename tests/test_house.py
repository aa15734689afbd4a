"""The house stands: layers of foreign keys, the driver, the rooms' names."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import django.apps
import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(settings.BASE_DIR)
# High to low; an app's tables may point at its own and at lower apps' only.
LAYERS = [
    "desk",
    "pipeline",
    "webhooks",
    "calls",
    "followups",
    "intake",
    "scoring",
    "leads",
    "accounts",
    "core",
]


def test_foreign_keys_point_down_the_layers() -> None:
    wrong = []
    for model in django.apps.apps.get_models():
        label = model._meta.app_label
        if label not in LAYERS:
            continue
        for field in model._meta.get_fields():
            target: Any = getattr(field, "related_model", None)
            if not getattr(field, "concrete", False) or not hasattr(target, "_meta"):
                continue
            other = target._meta.app_label
            swappable = target._meta.label == settings.AUTH_USER_MODEL  # docs/adr/0001
            if other in LAYERS and LAYERS.index(other) < LAYERS.index(label) and not swappable:
                wrong.append(f"{model._meta.label}.{field.name} → {other}")
    assert wrong == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "helpers", "common", "misc", "manager", "managers"}
    found = [
        path.relative_to(ROOT)
        for app in [*LAYERS, "leadqual", "world", "bench", "ops"]
        for path in (ROOT / app).rglob("*.py")
        if path.stem in drawers
    ]
    assert found == []


@pytest.mark.django_db
def test_the_driver_is_psycopg2_and_the_server_is_one_that_we_support() -> None:
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    assert not is_psycopg3
    connection.ensure_connection()
    assert connection.pg_version >= 150000  # type: ignore[attr-defined]


def test_web_and_workers_start_without_the_libraries_of_learning() -> None:
    code = (
        "import django, sys; django.setup(); import leadqual.urls, leadqual.celery as c;"
        "c.app.loader.import_default_modules();"
        "print([m for m in ('sklearn', 'scipy.stats') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_what_says_that_it_is_pure_needs_neither_django_set_up_nor_a_database() -> None:
    pure = []
    for app in ("core", "leads", "scoring", "followups", "intake", "calls"):
        for path in sorted((ROOT / app).rglob("*.py")):
            told = ast.get_docstring(ast.parse(path.read_text())) or ""
            # Rows of an answer take models; a call's script is "pure, but" for one read.
            if re.search(r"\bPure\b(?!, but|: models)", told):
                pure.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    core = ("definitions", "branching", "features", "scorecard", "assess", "questions", "levers")
    assert {f"scoring.{name}" for name in core} <= set(pure)
    code = (
        "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]];"
        "from django.apps import apps; from django.conf import settings;"
        "print(apps.ready, settings.configured)"
    )
    names = [name.removesuffix(".__init__") for name in pure]
    found = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout.strip(), found.stderr) == ("False False", "")
