import pytest
from django.db import connection

from core.errors import Invalid
from core.invariants import breaks
from core.models import Job
from core.workers import work_on
from leads.models import Activity, Company, Identity, Lead, Source
from scoring.models import Engagement, ScoreChange, Snapshot, Standing
from scoring.rescoring import rescore
from scoring.triggers import engagement_rows
from tests.world.conftest import NOW
from world.removal import remove_demo
from world.tasks import JOB, start_building

pytestmark = pytest.mark.django_db
LEADS = 400


def build(leads: int = LEADS, seed: int = 1) -> Job:
    work_on(job := start_building(leads, seed=seed, now=NOW), processes=1)
    assert job.state == Job.State.SUCCEEDED, job.error
    return job


def contents() -> list[tuple[object, ...]]:
    """All that a world says, without the numbers of rows."""
    queries = (
        "SELECT name, domain, industry, country, employees, created_at FROM leads_company",
        "SELECT kind, first_name, last_name, email, phone, title, seniority, email_kind, age,"
        " stage, round, value_minor, contacted_at, created_at, custom::text FROM leads_lead",
        "SELECT l.email, a.kind, a.at, a.data::text FROM leads_activity a"
        " JOIN leads_lead l ON l.id = a.lead_id",
        "SELECT l.email, e.dimension, e.rating, e.quote, e.observed_at, e.current"
        " FROM scoring_evidence e JOIN leads_lead l ON l.id = e.lead_id",
        "SELECT l.email, o.result, o.reason, o.value_minor, o.at"
        " FROM leads_outcome o JOIN leads_lead l ON l.id = o.lead_id",
        "SELECT l.email, f.kind, f.title, f.due_at, f.state"
        " FROM followups_followup f JOIN leads_lead l ON l.id = f.lead_id",
        "SELECT l.email, n.reason, n.at, n.score, n.facts::text"
        " FROM scoring_snapshot n JOIN leads_lead l ON l.id = n.lead_id",
    )
    found: list[tuple[object, ...]] = []
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(f"SELECT * FROM ({query}) rows ORDER BY rows::text")
            found += cursor.fetchall()
    return found


def test_the_same_number_and_seed_give_the_same_rows(config: None):
    build()
    first = contents()
    remove_demo()
    build()
    assert contents() == first


def test_the_rows_are_as_many_as_the_job_says_and_all_are_demo(config: None):
    counts = build().counts
    assert Lead.objects.filter(is_demo=True).count() == LEADS
    assert Company.objects.filter(is_demo=True).count() == counts["companies"]
    assert Activity.objects.count() == counts["activities"]
    assert Snapshot.objects.count() == counts["snapshots"]
    assert ScoreChange.objects.count() == counts["score_changes"]
    assert Source.objects.filter(is_demo=False).count() == 0


def test_counters_are_what_a_recount_of_all_activities_finds(config: None):
    build()
    counted = {
        (e.lead_id, e.kind, e.half_life_days): (e.value, e.as_of, e.last_at)
        for e in Engagement.objects.all()
    }
    with connection.cursor() as cursor:
        cursor.execute(engagement_rows("leads_activity"))
        recounted = {(row[0], row[1], row[2]): row[3:] for row in cursor.fetchall()}
    assert counted.keys() == recounted.keys()
    for key, (value, as_of, last_at) in recounted.items():
        assert counted[key][0] == pytest.approx(float(value))
        assert counted[key][1:] == (as_of, last_at)


def test_a_built_world_once_scored_breaks_no_invariant(config: None):
    build()
    assert Standing.objects.filter(stale_at__isnull=True).count() == 0
    rescore(list(Lead.objects.values_list("pk", flat=True)))
    assert list(breaks()) == []


def test_scoring_adds_no_second_first_facts(config: None):
    counts = build().counts
    rescore(list(Lead.objects.values_list("pk", flat=True)))
    first = Snapshot.objects.filter(reason=Snapshot.Reason.FIRST_SCORE)
    assert first.count() == LEADS
    assert Snapshot.objects.count() <= counts["snapshots"] + LEADS // 50  # a few became MQL today


def test_a_second_world_stands_beside_the_first(config: None):
    build()
    build(seed=2)
    assert Lead.objects.count() == 2 * LEADS
    emails = Identity.objects.filter(kind="email").values_list("normal", flat=True)
    assert len(set(emails)) == len(emails)


def test_leads_added_later_get_ids_after_the_worlds(config: None):
    build()
    last = Lead.objects.order_by("-pk").first()
    assert last is not None
    assert Lead.objects.create(first_name="Real").pk == last.pk + 1


@pytest.mark.parametrize(
    ("leads", "seed", "field"), [(0, 1, "leads"), (10**9, 1, "leads"), (10, -1, "seed")]
)
def test_a_world_of_impossible_size_or_seed_is_refused_by_name(config, leads, seed, field):
    with pytest.raises(Invalid) as refused:
        start_building(leads, seed=seed)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert not Job.objects.filter(kind=JOB).exists()
