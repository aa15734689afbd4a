"""Fixtures that every app's tests share. The database, broker and configuration are real."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase, override_settings

from accounts.models import Team, User, Workspace
from accounts.roles import Role
from core.bundles import load_bundle_file
from leads.models import Lead
from tests import baseline, factories

# Processes of pytest-xdist share the servers, and have in each a database of their own.
if WORKER := os.environ.get("PYTEST_XDIST_WORKER"):
    REDIS_URL = f"{settings.REDIS_URL.removesuffix('/0')}/{int(WORKER.removeprefix('gw')) + 1}"
    os.environ["REDIS_URL"] = settings.REDIS_URL = settings.CELERY_BROKER_URL = REDIS_URL
    settings.CACHES["default"]["LOCATION"] = REDIS_URL

# A password's hash is slow by design; nothing here depends on how slow.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "bundles" / "default.json"
DATA = ROOT.parent / "shared" / "data"  # real leads, never committed


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Begin with the database that is migrated already, where there is one (ops/migrated.py)."""
    connection.settings_dict["TEST"]["TEMPLATE"] = os.environ.get("TEST_DATABASE_TEMPLATE")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Load the default configuration once; every test begins with it."""
    with django_db_blocker.unblock():
        Workspace.current()
        load_bundle_file(BUNDLE, by=None, publish=True)
        baseline.set_aside()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", baseline.put_back)
        yield


@pytest.fixture(scope="session", autouse=True)
def _plain_static_files() -> Iterator[None]:
    """Serve static files under their own names: hashed ones exist only after collectstatic."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        yield


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture
def config(db: None) -> None:
    """The default configuration, which every test with a database begins with."""


@pytest.fixture
def team(config: None) -> Team:
    """The team of `rep` and `manager`."""
    return Team.objects.create(name="North")


@pytest.fixture
def rep(team: Team) -> User:
    """A rep of `team`."""
    return factories.make_user("rep@leadqual.example", team=team)


@pytest.fixture
def manager(team: Team) -> User:
    """The manager of `team`."""
    return factories.make_user("manager@leadqual.example", role=Role.MANAGER, team=team)


@pytest.fixture
def model_owner(config: None) -> User:
    """A model owner, of no team."""
    return factories.make_user("model@leadqual.example", role=Role.MODEL_OWNER)


@pytest.fixture
def admin(config: None) -> User:
    """An admin, of no team."""
    return factories.make_user("admin@leadqual.example", role=Role.ADMIN)


@pytest.fixture
def stranger(config: None) -> User:
    """A rep of another team."""
    other = Team.objects.create(name="South")
    return factories.make_user("stranger@leadqual.example", team=other)


@pytest.fixture
def lead(rep: User) -> Lead:
    """A scored B2B lead of `rep` about whom little is known."""
    return factories.make_lead(owner=rep)


@pytest.fixture
def data_dir() -> Path:
    """The folder of real leads; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data is absent: no folder {DATA.name} beside the project")
    return DATA
