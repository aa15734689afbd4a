"""Rescoring everything with two workers, against one UPDATE of every standings row."""

from functools import partial

from django.db import connection, transaction

from bench.databases import fill, leave_unvacuumed, like, read_by_copy, vacuum
from bench.results import Result, middle
from bench.timing import seconds
from core.models import Job
from core.versioning import make_live, version_with
from core.workers import Work, Workers
from scoring.facts import everyone, facts_queries
from scoring.live import live_config
from scoring.models import ModelVersion
from scoring.tasks import start_rescore_all

MOST_MB = 600.0
MOST_SECONDS = 1.0  # of one transaction
WORKERS = 2
# What a rescore writes when every score changes. The new values are near the old, as ours are.
_REWRITE = """
    UPDATE {table} SET
        model_version_id = model_version_id, state = state, score = least(score + 1, 100),
        low = least(low + 1, 100), high = least(high + 1, 100), fit = fit, engagement = engagement,
        qualification = qualification, step_tier = step_tier, tier = tier,
        tier_reason = tier_reason, p = p * 1.01, expected_minor = expected_minor + 1,
        intent_at = intent_at, rank = rank + 0.01, scored_at = leadqual_now(),
        next_change_at = next_change_at + interval '1 second', stale_at = NULL,
        unplanned_at = unplanned_at
"""


def measure(rounds: int) -> list[Result]:
    """Measure on the present database, whose leads are all open and scored."""
    like("scoring_standing", "bench_standing", indexes=True)
    like("scoring_standing", "bench_heap", indexes=False)
    fill("bench_standing", "scoring_standing")
    fill("bench_heap", "scoring_standing")
    leave_unvacuumed("bench_standing", "bench_heap")
    with Workers(WORKERS) as workers:
        workers.wait_until_up()
        n, changing, changed = _every_score_changing(workers, rounds)
        same, unchanged = _nothing_changing(workers, rounds)
    works = changing + unchanged
    return [
        *changed,
        Result(
            "rescore: its longest transaction",
            n,
            max(work.longest_seconds for work in works),
            None,
            "s",
            MOST_SECONDS,
        ),
        *same,
        Result(
            "rescore: memory of a worker",
            n,
            max(work.peak_mb for work in works),
            None,
            "MB",
            MOST_MB,
        ),
    ]


def _every_score_changing(workers: Workers, rounds: int) -> tuple[int, list[Work], list[Result]]:
    ours, raw, heap, works, n = [], [], [], list[Work](), 0
    for number in range(rounds):
        vacuum("scoring_standing", "bench_standing", "bench_heap")
        if number % 2 == 0:  # in turn, since one leaves the other dirty pages to write
            raw.append(_seconds_of(_REWRITE.format(table="bench_standing")))
        _raise_base()
        job, took, done = _rescore_all(workers)
        ours.append(took)
        works += done
        n = job.counts["changed"]
        if number % 2:
            raw.append(_seconds_of(_REWRITE.format(table="bench_standing")))
        heap.append(_seconds_of(_REWRITE.format(table="bench_heap")))
    name = "rescore, every score changing, 2 workers"
    return (
        n,
        works,
        [
            middle(f"{name}: to one UPDATE", n, ours, raw, 1.3),
            middle(f"{name}: to an UPDATE of a heap", n, ours, heap, None),
        ],
    )


def _nothing_changing(workers: Workers, rounds: int) -> tuple[list[Result], list[Work]]:
    ours, raw, heap, works = [], [], [], list[Work]()
    before = _place_of_rows()
    written = n = 0
    queries = facts_queries(live_config(), everyone)
    for _ in range(rounds):
        raw.append(seconds(lambda: read_by_copy(queries)))
        job, took, done = _rescore_all(workers)
        ours.append(took)
        works += done
        written += job.counts["changed"]
        n = job.done
        on_heap = [query.replace("scoring_standing", "bench_heap") for query in queries]
        heap.append(seconds(partial(read_by_copy, on_heap)))
    written += 0 if _place_of_rows() == before else n
    name = "rescore, nothing changing, 2 workers"
    return [
        middle(f"{name}: to a SELECT of the facts", n, ours, raw, 2.0),
        middle(f"{name}: to a SELECT, heap", n, ours, heap, None),
        Result("rescore, nothing changing: rows written", n, written, None, "rows", 0.0),
    ], works


def _rescore_all(workers: Workers) -> tuple[Job, float, list[Work]]:
    job = start_rescore_all()
    works: list[Work] = []
    took = seconds(lambda: works.extend(workers.work(job)))
    job.refresh_from_db()
    if job.state != Job.State.SUCCEEDED:
        raise RuntimeError(f"the rescore ended as {job.state}: {job.error}")
    return job, took, works


@transaction.atomic
def _raise_base() -> None:
    """Publish models that give every lead one point more."""
    for model in ModelVersion.objects.filter(state=ModelVersion.State.LIVE):
        make_live(raised(model), by=None)


def raised(model: ModelVersion) -> ModelVersion:
    """Return a draft of a model that gives every lead one point more."""
    definition = {**model.definition, "base": model.definition.get("base", 0) + 1}
    version, _ = version_with(
        ModelVersion,
        model.key,
        definition,
        by=None,
        pins={"icp": model.icp, "framework": model.framework},
    )
    return version


def _seconds_of(statement: str) -> float:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return seconds(run)


def _place_of_rows() -> int:
    """Return a sum over where the rows of all standings are; any write moves its row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(hashtext(ctid::text || lead_id)::bigint) FROM scoring_standing")
        total: int = cursor.fetchone()[0]
    return total
