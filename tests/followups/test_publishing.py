"""Plays go live one for each tier and phase, and bundles carry them."""

import pytest

from core.bundles import export_bundle, load_bundle
from core.errors import Conflict, Forbidden, Invalid
from core.sweeps import run_sweep
from followups import planning
from followups.live import live_plays
from followups.models import PlayVersion
from followups.publishing import publish_play, publish_plays
from tests.followups.conftest import definition_of, place, runs_of, standing

pytestmark = pytest.mark.django_db


def draft(tier="hot", phase="before_contact", key="one", number=1, **changes) -> PlayVersion:
    return PlayVersion.objects.create(
        key=key, number=number, definition=definition_of(tier, phase, **changes)
    )


@pytest.fixture
def no_plays(plays):
    """Nothing is live."""
    PlayVersion.objects.filter(state="live").update(state="retired")


def test_a_published_play_is_live_and_its_predecessor_retires(no_plays, model_owner):
    first = draft()
    publish_play(first, by=model_owner)
    second = draft(number=2, name="Better")
    publish_play(second, by=model_owner)
    first.refresh_from_db()
    assert (first.state, second.state, second.published_by) == ("retired", "live", model_owner)
    assert live_plays()["hot", "before_contact"].id == second.pk


def test_publishing_again_changes_nothing(no_plays, admin):
    version = draft()
    assert publish_plays([version], by=admin) == 1
    assert publish_plays([version], by=admin) == 0


def test_two_plays_for_the_same_leads_are_refused(no_plays, admin):
    publish_play(draft(), by=admin)
    with pytest.raises(Conflict, match="one is the play for hot, before contact"):
        publish_play(draft(key="two"), by=admin)
    with pytest.raises(Conflict):
        publish_plays([draft("cold", key="a"), draft("cold", key="b")], by=admin)


def test_plays_may_change_places(no_plays, admin):
    publish_plays([draft("hot", key="a"), draft("cold", key="b")], by=admin)
    swapped = [draft("cold", key="a", number=2, sla_minutes=None), draft("hot", key="b", number=2)]
    assert publish_plays(swapped, by=admin) == 2


def test_a_wrong_definition_is_named_and_stays_a_draft(no_plays, admin):
    version = draft(steps=[])
    with pytest.raises(Invalid) as caught:
        publish_play(version, by=admin)
    assert caught.value.problems[0].field == "one.steps"
    version.refresh_from_db()
    assert version.state == "draft"


def test_a_retired_play_does_not_come_back(no_plays, admin):
    version = PlayVersion.objects.filter(state="retired").earliest("pk")
    with pytest.raises(Conflict):
        publish_play(version, by=admin)


@pytest.mark.parametrize("who", ["rep", "manager"])
def test_reps_and_managers_publish_nothing(no_plays, request, who):
    with pytest.raises(Forbidden):
        publish_play(draft(), by=request.getfixturevalue(who))


def test_leads_that_waited_for_a_play_are_planned(no_plays, put, admin):
    waiting, other = put("hot"), put("cold")
    run_sweep(planning.SWEEP)
    assert standing(waiting).next_step == "No play for hot, before contact"
    publish_play(draft(), by=admin)
    assert standing(other).unplanned_at is None
    run_sweep(planning.SWEEP)
    assert len(runs_of(waiting)) == 1
    assert runs_of(other) == []


# --- bundles -------------------------------------------------------------------------------------
def bundle(*plays):
    return {"format": "leadqual.bundle/1", "name": "test", "plays": list(plays)}


def item(key="one", **changes):
    return {"key": key, "definition": definition_of("hot", "before_contact", **changes)}


def test_a_bundle_loads_plays_and_the_second_time_nothing(no_plays, admin):
    report = load_bundle(bundle(item()), by=admin, publish=True)
    assert [(c.section, c.key, c.action) for c in report.changes] == [("plays", "one", "published")]
    again = load_bundle(bundle(item()), by=admin, publish=True)
    assert [c.action for c in again.changes] == ["unchanged"]


def test_a_bundle_without_publishing_makes_drafts(no_plays, admin):
    report = load_bundle(bundle(item()), by=admin, publish=False)
    assert [c.action for c in report.changes] == ["draft"]
    assert live_plays() == {}


def test_what_is_exported_loads_as_it_was(plays, admin):
    document = export_bundle("all")
    assert len(document["plays"]) == 9
    report = load_bundle(document, by=admin, publish=True)
    assert not report.changed


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([item(steps=[])], "plays[0].definition.steps"),
        ([{"key": "one", "definition": "x"}], "plays[0].definition"),
        ([item("a"), item("b")], "plays[1].definition.phase"),
        ([{"key": "one"}], "plays[0].definition"),
    ],
)
def test_a_wrong_play_is_named_with_its_place_in_the_bundle(no_plays, admin, items, field):
    with pytest.raises(Invalid) as caught:
        load_bundle(bundle(*items), by=admin, publish=True)
    assert field in [problem.field for problem in caught.value.problems]


def test_a_play_for_the_leads_of_a_live_one_is_refused_in_the_check(plays, admin):
    with pytest.raises(Invalid) as caught:
        load_bundle(bundle(item("newcomer")), by=admin, publish=False)
    assert caught.value.problems[0].code == "duplicate"


def test_reps_load_no_plays(no_plays, rep):
    with pytest.raises(Forbidden):
        load_bundle(bundle(item()), by=rep, publish=True)


def test_leads_are_planned_by_what_a_bundle_brought(no_plays, put, admin):
    lead = put("hot")
    load_bundle(bundle(item()), by=admin, publish=True)
    place(lead, "hot")
    run_sweep(planning.SWEEP)
    assert runs_of(lead)[0].play_version.key == "one"
