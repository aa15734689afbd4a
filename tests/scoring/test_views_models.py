"""The pages of score models."""

import pytest
from django.test import Client

from accounts.models import User
from core.versioning import version_with
from scoring.models import ModelVersion
from tests import factories

pytestmark = pytest.mark.django_db


def test_the_hub_lists_every_model_and_a_version_tells_what_it_changes(
    rep: User, client: Client
) -> None:
    factories.make_lead(owner=rep)
    live = ModelVersion.objects.get(key="general", state="live")
    marks = {**live.definition["marks"], "hot": 66}
    draft, _ = version_with(
        ModelVersion,
        "general",
        {**live.definition, "marks": marks},
        by=None,
        pins={"icp": live.icp, "framework": live.framework},
    )
    client.force_login(rep)
    hub = client.get("/scoring/").content.decode()
    assert f"/scoring/versions/{draft.pk}/" in hub
    assert "general · " in hub
    page = client.get(f"/scoring/versions/{draft.pk}/").content.decode()
    assert "1 difference" in page
    assert "Hot from" in page
    assert ">66<" in page
    assert "Asked for contact or a demo" in page
    assert client.get("/scoring/?nonsense=1").status_code == 400
    live_page = client.get(f"/scoring/versions/{live.pk}/").content.decode()
    assert "Against the live" not in live_page


def test_the_hub_asks_no_more_with_more_versions(
    rep: User, client: Client, django_assert_max_num_queries: object
) -> None:
    client.force_login(rep)
    live = ModelVersion.objects.get(key="general", state="live")
    for hot in (61, 62, 63):
        version_with(
            ModelVersion,
            "general",
            {**live.definition, "marks": {**live.definition["marks"], "hot": hot}},
            by=None,
            pins={"icp": live.icp, "framework": live.framework},
        )
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        client.get("/scoring/")
