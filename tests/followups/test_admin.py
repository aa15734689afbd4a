"""Plays in Django's admin: drafts are checked, what was published is read only."""

import json

import pytest
from django.test import Client

from followups.models import PlayVersion
from tests.followups.conftest import definition_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser_of_admin(admin) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def path_of(version: PlayVersion) -> str:
    return f"/admin/followups/playversion/{version.pk}/change/"


def test_a_draft_with_a_wrong_field_is_refused_with_its_name(browser_of_admin, config):
    draft = PlayVersion.objects.create(
        key="draft", number=1, definition=definition_of("hot", "recycled")
    )
    wrong = definition_of("hot", "recycled", steps=[])
    answer = browser_of_admin.post(path_of(draft), {"definition": json.dumps(wrong)})
    assert "steps: needs at least 1" in answer.content.decode()
    right = definition_of("hot", "recycled", name="Renamed")
    assert (
        browser_of_admin.post(path_of(draft), {"definition": json.dumps(right)}).status_code == 302
    )
    draft.refresh_from_db()
    assert draft.definition["name"] == "Renamed"


def test_what_is_live_cannot_be_changed(browser_of_admin, plays):
    live = plays["hot", "recycled"]
    changed = definition_of("hot", "recycled", name="Renamed")
    browser_of_admin.post(path_of(live), {"definition": json.dumps(changed)})
    live.refresh_from_db()
    assert live.definition["name"] == "hot recycled"
