"""Publishing: triples go live together, the database keeps history, counters stay in step."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import User
from core.clock import now
from core.errors import Conflict, Forbidden, Invalid
from core.models import Job
from core.versions import Version
from core.workers import work_on
from leads.activities import Kind
from leads.models import Activity, Lead
from scoring.counters import keep_counters
from scoring.invariants import engagement_equals_recount, one_live_version
from scoring.models import (
    Engagement,
    EngagementSignal,
    FrameworkVersion,
    IcpVersion,
    ModelVersion,
    Standing,
)
from scoring.publishing import publish_model, publish_models
from scoring.tiers import Tier
from tests import factories

pytestmark = pytest.mark.django_db
LIVE, DRAFT, RETIRED = Version.State.LIVE, Version.State.DRAFT, Version.State.RETIRED


def live_model(key: str = "b2b") -> ModelVersion:
    """Return the live model `key`."""
    return ModelVersion.objects.select_related("icp", "framework").get(key=key, state=LIVE)


def draft_of(live: ModelVersion, **fields: Any) -> ModelVersion:
    """Make the next version of a model as a draft, with other content or pins."""
    last = ModelVersion.objects.filter(key=live.key).order_by("-number")[0].number
    values = {
        "key": live.key,
        "definition": live.definition,
        "icp": live.icp,
        "framework": live.framework,
        **fields,
    }
    return ModelVersion.objects.create(number=last + 1, **values)


def framework_draft(live: FrameworkVersion, name: str, number: int = 0) -> FrameworkVersion:
    """Make the next version of a framework under another name."""
    return FrameworkVersion.objects.create(
        key=live.key, number=number or live.number + 1, definition={**live.definition, "name": name}
    )


def changed(live: ModelVersion, **fields: Any) -> dict[str, Any]:
    """Return a model's definition with other fields."""
    return {**live.definition, **fields}


def test_a_published_model_replaces_the_live_one(config: None, model_owner: User) -> None:
    live = live_model()
    draft = draft_of(live, definition=changed(live, hysteresis=5))
    job = publish_model(draft, by=model_owner)
    assert (draft.state, draft.published_by) == (LIVE, model_owner)
    assert draft.published_at is not None
    live.refresh_from_db()
    assert live.state == RETIRED
    assert live.retired_at is not None
    assert job is not None
    assert (job.kind, job.created_by) == ("rescore_all", model_owner)
    assert list(one_live_version()) == []


def test_publishing_a_second_time_changes_nothing(config: None) -> None:
    live = live_model()
    draft = draft_of(live, definition=changed(live, hysteresis=5))
    assert publish_model(draft, by=None) is not None
    published_at, job_count = draft.published_at, Job.objects.count()
    assert publish_model(draft, by=None) is None
    assert draft.published_at == published_at
    assert Job.objects.count() == job_count


def test_a_retired_version_does_not_come_back(config: None) -> None:
    live = live_model()
    publish_model(draft_of(live, definition=changed(live, hysteresis=5)), by=None)
    live.refresh_from_db()
    with pytest.raises(Conflict, match=r"b2b v\d+ is retired"):
        publish_model(live, by=None)


def test_a_draft_on_a_retired_framework_is_refused(config: None) -> None:
    live = live_model()
    old = draft_of(live, definition=changed(live, hysteresis=5))
    new = draft_of(live, framework=framework_draft(live.framework, "BANT again"))
    publish_model(new, by=None)
    with pytest.raises(Conflict, match=r"framework bant v\d+ is retired"):
        publish_model(old, by=None)
    old.refresh_from_db()
    assert old.state == DRAFT


def test_only_model_owners_and_admins_publish(
    rep: User, manager: User, model_owner: User, admin: User
) -> None:
    live = live_model()
    draft = draft_of(live, definition=changed(live, hysteresis=5))
    for person in (rep, manager):
        with pytest.raises(Forbidden):
            publish_model(draft, by=person)
    model_owner.is_active = False
    with pytest.raises(Forbidden):
        publish_model(draft, by=model_owner)
    assert publish_model(draft, by=admin) is not None


def test_models_on_the_same_framework_follow(config: None, admin: User) -> None:
    live, other = live_model(), live_model("b2c")
    framework = framework_draft(live.framework, "BANT again")
    publish_model(draft_of(live, framework=framework), by=admin)
    follower = live_model("b2c")
    assert (follower.number, follower.framework_id) == (other.number + 1, framework.pk)
    assert (follower.definition, follower.icp_id) == (other.definition, other.icp_id)
    assert follower.created_by == admin
    assert live_model("general").framework_id == framework.pk
    live.framework.refresh_from_db()
    assert live.framework.state == RETIRED
    assert list(one_live_version()) == []


def test_a_framework_that_a_follower_cannot_use_is_refused(config: None) -> None:
    live = live_model()
    definition = dict(live.framework.definition)
    definition["criteria"] = [c for c in definition["criteria"] if c["dimension"] != "timing"]
    definition["questions"] = [q for q in definition["questions"] if q["dimension"] != "timing"]
    framework = FrameworkVersion.objects.create(
        key="bant", number=live.framework.number + 1, definition=definition
    )
    signals = [s for s in live.definition["signals"] if s.get("dimension") != "timing"]
    draft = draft_of(live, framework=framework, definition=changed(live, signals=signals))
    with pytest.raises(Invalid) as caught:
        publish_model(draft, by=None)
    # The draft itself is fine; the other two live models still ask about timing.
    assert {p.field.split(".")[0] for p in caught.value.problems} == {"b2c", "general"}
    draft.refresh_from_db()
    framework.refresh_from_db()
    assert (draft.state, framework.state) == (DRAFT, DRAFT)


def test_a_draft_that_was_spoilt_is_refused_with_its_field(config: None) -> None:
    live = live_model()
    draft = draft_of(live, definition=changed(live, base="none"))
    with pytest.raises(Invalid) as caught:
        publish_model(draft, by=None)
    assert [p.field for p in caught.value.problems] == ["b2b.base"]
    assert live_model() == live


def test_two_versions_of_a_framework_do_not_go_live_together(config: None) -> None:
    live, other = live_model(), live_model("b2c")
    number = live.framework.number
    drafts = [
        draft_of(live, framework=framework_draft(live.framework, "One", number + 1)),
        draft_of(other, framework=framework_draft(live.framework, "Two", number + 2)),
    ]
    with pytest.raises(Conflict, match="one version only"):
        publish_models(drafts, by=None)
    assert (live_model(), live_model("b2c")) == (live, other)


def test_an_icp_is_scored_by_one_model(config: None) -> None:
    live = live_model()
    with pytest.raises(Conflict, match="b2b-2"):
        publish_model(draft_of(live, key="b2b-2"), by=None)


@pytest.mark.parametrize(("key", "fallback"), [("general", False), ("b2b", True)])
def test_exactly_one_icp_is_the_fallback(config: None, key: str, fallback: bool) -> None:
    live = live_model(key)
    icp = IcpVersion.objects.create(
        key=key,
        number=live.icp.number + 1,
        definition={**live.icp.definition, "fallback": fallback},
    )
    with pytest.raises(Conflict, match="fallback"):
        publish_model(draft_of(live, icp=icp), by=None)
    assert live_model(key) == live


def test_publishing_rescores_every_open_lead(lead: Lead) -> None:
    before = Standing.objects.get(pk=lead.pk)
    live = live_model()
    assert before.model_version_id == live.pk
    draft = draft_of(live, definition=changed(live, marks={"hot": 60, "warm": 10}))
    job = publish_model(draft, by=None)
    assert job is not None
    assert job.total == 1
    standing = Standing.objects.get(pk=lead.pk)
    assert standing.model_version_id == live.pk, "the publish itself rescores nobody"
    work_on(job, processes=1)
    standing.refresh_from_db()
    assert standing.model_version_id == draft.pk
    assert (before.tier, standing.tier) == (Tier.COLD, Tier.WARM)


# --- what the database itself refuses -----------------------------------------------------------
def test_the_database_refuses_a_second_live_version(config: None) -> None:
    live = live_model()
    for version in (live, live.icp, live.framework):
        model = type(version)
        fields = {"icp": live.icp, "framework": live.framework} if version is live else {}
        with pytest.raises(IntegrityError, match="one_live"), transaction.atomic():
            model.objects.create(key=version.key, number=99, definition={}, state=LIVE, **fields)


@pytest.mark.parametrize("state", [LIVE, RETIRED])
def test_the_database_refuses_to_change_what_was_published(config: None, state: str) -> None:
    live = live_model()
    publish_model(draft_of(live, definition=changed(live, hysteresis=5)), by=None)
    version = ModelVersion.objects.filter(key="b2b", state=state)
    assert version.count() == 1
    changes: list[dict[str, Any]] = [
        {"definition": {}},
        {"key": "x"},
        {"number": 98},
        {"state": DRAFT},
    ]
    for change in changes:
        refused = pytest.raises(DatabaseError, match="is published and cannot change")
        with refused, transaction.atomic():
            version.update(**change)
    with pytest.raises(DatabaseError, match="was published and stays"), transaction.atomic():
        version.delete()


def test_the_database_refuses_to_revive_a_retired_version(config: None) -> None:
    live = live_model()
    publish_model(draft_of(live, definition=changed(live, hysteresis=5)), by=None)
    ModelVersion.objects.filter(key="b2b", state=LIVE).update(state=RETIRED)
    with pytest.raises(DatabaseError, match="is published and cannot change"), transaction.atomic():
        ModelVersion.objects.filter(pk=live.pk).update(state=LIVE)


def test_a_draft_may_change_and_go(config: None) -> None:
    draft = draft_of(live_model())
    ModelVersion.objects.filter(pk=draft.pk).update(definition={"name": "Other"})
    draft.delete()
    assert live_model().state == LIVE


# --- counters -----------------------------------------------------------------------------------
def with_half_life(live: ModelVersion, activity: str, days: int) -> dict[str, Any]:
    """Return a model's definition in which an activity decays with another half-life."""
    signals = [
        {**s, "half_life_days": days} if s.get("activity") == activity else s
        for s in live.definition["signals"]
    ]
    return changed(live, signals=signals)


def test_counters_of_a_new_half_life_are_built_from_history(lead: Lead) -> None:
    other = factories.make_lead(owner=lead.owner)
    for days_ago in (40, 10, 1):
        at = now() - dt.timedelta(days=days_ago)
        factories.make_activity(lead, Kind.PAGE_VIEWED, at=at)
    factories.make_activity(other, Kind.PAGE_VIEWED)
    drafts = [
        draft_of(live, definition=with_half_life(live, Kind.PAGE_VIEWED, 14))
        for live in map(live_model, ("b2b", "b2c", "general"))
    ]
    publish_models(drafts, by=None)
    kinds = EngagementSignal.objects.filter(kind=Kind.PAGE_VIEWED)
    assert [signal.half_life_days for signal in kinds] == [14]
    counters = Engagement.objects.filter(kind=Kind.PAGE_VIEWED)
    assert {(c.lead_id, c.half_life_days) for c in counters} == {(lead.pk, 14), (other.pk, 14)}
    counter = counters.get(lead=lead)
    expected = 1 + 2 ** (-9 / 14) + 2 ** (-39 / 14)
    assert counter.value == pytest.approx(expected, rel=1e-6)
    assert list(engagement_equals_recount()) == []
    # From here on the trigger counts.
    factories.make_activity(lead, Kind.PAGE_VIEWED)
    assert list(engagement_equals_recount()) == []
    counter.refresh_from_db()
    assert counter.value > expected


def test_a_half_life_that_one_model_still_uses_keeps_its_counters(lead: Lead) -> None:
    factories.make_activity(lead, Kind.PAGE_VIEWED)
    live = live_model()
    publish_model(draft_of(live, definition=with_half_life(live, Kind.PAGE_VIEWED, 7)), by=None)
    counters = Engagement.objects.filter(lead=lead, kind=Kind.PAGE_VIEWED)
    assert sorted(counters.values_list("half_life_days", flat=True)) == [7, 30]
    assert list(engagement_equals_recount()) == []


def test_counters_that_come_back_are_counted_afresh(lead: Lead) -> None:
    pairs = set(EngagementSignal.objects.values_list("kind", "half_life_days"))
    factories.make_activity(lead, Kind.EMAIL_CLICKED)
    with transaction.atomic():
        keep_counters(pairs - {(Kind.EMAIL_CLICKED, 30)})
    factories.make_activity(lead, Kind.EMAIL_CLICKED)  # nobody counts this one
    assert not Engagement.objects.filter(kind=Kind.EMAIL_CLICKED).exists()
    with transaction.atomic():
        keep_counters(pairs)
    assert list(engagement_equals_recount()) == []
    counter = Engagement.objects.get(lead=lead, kind=Kind.EMAIL_CLICKED)
    assert counter.value == pytest.approx(2, abs=1e-3)


@pytest.fixture
def in_background() -> Iterator[Any]:
    """Start functions in threads with connections of their own, and wait for them at the end."""
    threads: list[threading.Thread] = []

    def start(work: Any) -> threading.Thread:
        def run() -> None:
            try:
                work()
            finally:
                connection.close()

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(20)


def _waits_for_activities() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'ShareLock' "
            "AND relation = 'leads_activity'::regclass)"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_activities_that_commit_while_counters_are_built_are_counted(
    lead: Lead, in_background: Any
) -> None:
    pairs = set(EngagementSignal.objects.values_list("kind", "half_life_days"))
    factories.make_activity(lead, Kind.PAGE_VIEWED)
    fresh = factories.make_lead(owner=lead.owner)

    def build() -> None:
        with transaction.atomic():
            keep_counters(pairs | {(Kind.PAGE_VIEWED, 7)})

    with transaction.atomic():
        # Written, not yet committed: the count cannot see them, and the trigger knows no 7 days.
        Activity.objects.create(lead=lead, kind=Kind.PAGE_VIEWED)
        Activity.objects.create(lead=fresh, kind=Kind.PAGE_VIEWED)
        thread = in_background(build)
        deadline = time.monotonic() + 10
        while not _waits_for_activities():
            assert time.monotonic() < deadline, "the build never waited for the writer"
            time.sleep(0.01)
    thread.join(20)
    counters = Engagement.objects.filter(kind=Kind.PAGE_VIEWED, half_life_days=7)
    values = {counter.lead_id: round(counter.value, 3) for counter in counters}
    assert values == {lead.pk: 2.0, fresh.pk: 1.0}
    assert list(engagement_equals_recount()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("held", "words"),
    [
        ("SELECT pg_advisory_xact_lock(4202001)", "configuration is being changed"),
        ("LOCK TABLE leads_activity IN ROW EXCLUSIVE MODE", "activities are being written"),
    ],
    ids=["publisher", "writer"],
)
def test_who_cannot_have_the_lock_in_time_is_told_so(
    config: None, in_background: Any, held: str, words: str
) -> None:
    live = live_model()
    draft = draft_of(live, definition=with_half_life(live, Kind.PAGE_VIEWED, 7))
    refusals: list[str] = []

    def publish() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            publish_model(draft, by=None)
        except Conflict as error:
            refusals.append(error.message)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(held)
        in_background(publish).join(20)
    assert len(refusals) == 1
    assert words in refusals[0]
    draft.refresh_from_db()
    assert (draft.state, live_model()) == (DRAFT, live)
