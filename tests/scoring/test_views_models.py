"""The pages of score models."""

import re

import pytest
from django.test import Client

from accounts.models import User
from core.versioning import version_with
from core.workers import work_on
from scoring.live import live_config, load_model
from scoring.models import ModelVersion, Preview, Standing
from scoring.previewing import candidate_config, flow_of, preview_open
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


def _typed(page: str) -> dict[str, str]:
    """What a form would send as it stands: its inputs, and the chosen options."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name[1]] = value[1] if value else ""
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', page, re.S):
        chosen = re.search(r'value="(\d+)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def test_a_draft_is_edited_in_a_form_that_names_what_is_wrong_and_previewed(
    rep: User, model_owner: User, client: Client
) -> None:
    company = {"employees": 200, "industry": "Software", "country": "DE"}
    leads = [factories.make_lead(owner=rep, company=company) for _ in range(5)]
    live = ModelVersion.objects.get(key="b2b", state="live")
    client.force_login(model_owner)
    address = client.post(f"/scoring/versions/{live.pk}/draft/")["Location"]
    draft = ModelVersion.objects.get(key="b2b", state="draft")
    assert address == f"/scoring/versions/{draft.pk}/edit/"
    sent = _typed(client.get(address).content.decode())
    assert client.post(address, sent).status_code == 302  # as it stands
    draft.refresh_from_db()
    assert (
        load_model(draft, live_config().types).model == load_model(live, live_config().types).model
    )

    sent = _typed(client.get(address).content.decode())
    first = "signals[0].points"
    for field, value, words in (
        (first, "nan", "Enter a number"),
        (first, "1e9", "Must be between"),
        ("marks.warm", "70", "Must be below"),
        ("gate.budget", "101", "Must be between"),
        ("groups.fit.cap", "-1", "Must be between"),
    ):
        refused = client.post(address, {**sent, field: value})
        assert refused.status_code == 422, field
        assert words in refused.content.decode(), field
    changed = {**sent, first: "20", "base": "30", "gate.budget": "40"}
    assert client.post(address, changed).status_code == 302
    # What it was read from is gone: nothing is saved, and what was typed stands beside it.
    mine = {**changed, first: "21"}
    beside = client.post(address, mine)
    shown = beside.content.decode()
    assert beside.status_code == 412
    assert "Saved meanwhile: 20" in shown
    assert shown.count("Saved meanwhile") == 1
    assert _typed(shown)[first] == "21"
    draft.refresh_from_db()
    assert draft.definition["signals"][0]["points"] == 20
    assert client.post(address, {**_typed(shown), first: "20"}).status_code == 302
    draft.refresh_from_db()
    assert draft.definition["signals"][0]["points"] == 20
    assert {"dimension": "budget", "minimum": 40} in draft.definition["gates"]
    page = client.get(f"/scoring/versions/{draft.pk}/").content.decode()
    assert "Base" in page

    before = list(Standing.objects.order_by("pk").values())
    preview = client.get(f"/scoring/versions/{draft.pk}/preview/").content.decode()
    assert "5 open leads, 5 with another score" in preview
    assert client.post(f"/scoring/versions/{draft.pk}/preview/all/").status_code == 302
    made = Preview.objects.get()
    work_on(made.job, processes=1)
    made.refresh_from_db()
    assert made.result == flow_of(candidate_config(draft))  # a sample of all is all
    assert {mover["lead"] for mover in made.result["movers"]} == {lead.pk for lead in leads}
    preview = client.get(f"/scoring/versions/{draft.pk}/preview/").content.decode()
    assert f"/leads/{leads[0].pk}/what-if/?version={draft.pk}" in preview  # why it moves
    assert not made.parts.exists()
    assert preview_open(candidate_config(draft), most=2)[0].n == 2
    assert list(Standing.objects.order_by("pk").values()) == before
    assert client.post(f"/scoring/versions/{draft.pk}/delete/").status_code == 302
    assert not ModelVersion.objects.filter(pk=draft.pk).exists()
