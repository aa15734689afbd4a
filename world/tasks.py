"""Builds the made-up world: the job that writes it chunk by chunk, and what comes before.

Each chunk is one transaction of COPYs in the order of lead ids, with all triggers on, so that
standings and counters come about as they always do. A killed build goes on where it stood, in this
process or in a worker (core.jobs).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from core import clock, jobs
from core.copying import copy_rows
from core.errors import Invalid
from core.models import Job
from leads.activities import Kind
from leads.consent import Channel, ConsentSource, ConsentState
from leads.models import Activity, Company, Identity
from leads.services import ConsentInput, write_consents
from scoring.live import LiveConfig, LiveModel, live_config
from scoring.services import DEFAULT_EXPIRY_DAYS
from world import cast, names
from world.chunk import CHUNK, Setting
from world.generator import make_chunk
from world.history import write_history
from world.rows import Cast, tables

JOB = "build_world"
MOST_LEADS = 10_000_000
_TABLES = (
    "leads_company",
    "leads_lead",
    "leads_identity",
    "leads_activity",
    "leads_consent",
    "leads_outcome",
    "scoring_standing",
    "scoring_evidence",
    "scoring_engagement",
    "scoring_scorechange",
    "scoring_snapshot",
    "followups_followup",
)


@transaction.atomic
def start_building(
    leads: int,
    *,
    seed: int,
    now: dt.datetime | None = None,
    closes: float = 0.6,
    is_demo: bool = False,
) -> Job:
    """Start the job that builds a world of `leads` leads.

    `now` is where its history ends (default: the beginning of the database clock's day), `closes`
    the share of leads that are decided sooner or later, `is_demo` whether it is the one of a first
    start (world.demo). Raises Invalid.
    """
    if not 1 <= leads <= MOST_LEADS:
        raise Invalid.field("leads", "out_of_range", f"must be between 1 and {MOST_LEADS:,}")
    if not 0 <= seed < 2**63:
        raise Invalid.field("seed", "out_of_range", "must be between 0 and 2^63 − 1")
    moment = now or clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    people, sources = cast.hire(leads), cast.open_sources()
    reps = [(user.pk, user.team_id) for user in people if user.role == "rep"]
    args = {
        "seed": seed,
        "leads": leads,
        "now": moment.timestamp(),
        "closes": closes,
        "is_demo": is_demo,
        "reps": reps,
        "sources": [source.pk for source in sources],
    }
    setting = setting_of(args, live_config())
    first_company = _reserve("leads_company", setting.companies)
    first_lead = _reserve("leads_lead", leads)
    # Names begin anew where none of ours are left; ids never come twice, so names do not either.
    fresh = not _has_ours()
    args |= {
        "first_lead": first_lead,
        "first_company": first_company,
        "first_name": 0 if fresh else first_company,
        "first_mailbox": 1 if fresh else first_lead,
    }
    return jobs.start_job(
        JOB,
        chunks=({"number": number} for number in range(setting.chunks)),
        total=leads,
        unit="leads",
        args=args,
    )


def _has_ours() -> bool:
    mailboxes = [f"@{domain}" for domain in names.FREE_MAIL]
    people = Identity.objects.filter(kind="email")
    return Company.objects.filter(domain__endswith=".example").exists() or any(
        people.filter(normal__endswith=mailbox).exists() for mailbox in mailboxes
    )


def _reserve(table: str, count: int) -> int:
    """Take `count` ids in a row from a table's sequence; return the first."""
    with connection.cursor() as cursor:
        # Whoever inserts takes this lock before an id, so nobody's id falls into our range.
        cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))")
        first: int = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), %s)", [first + count - 1]
        )
    return first


def setting_of(args: Mapping[str, Any], config: LiveConfig) -> Setting:
    """Return what the world is made of, from the job's arguments and the live configuration."""
    by_kind = {kind: _model_of(kind, config) for kind in ("b2b", "b2c")}
    dimensions = {
        kind: tuple(c.dimension for c in live.framework.criteria) for kind, live in by_kind.items()
    }
    expiry = {
        c.dimension: float(c.expires_days or DEFAULT_EXPIRY_DAYS)
        for live in by_kind.values()
        for c in live.framework.criteria
    }
    return Setting(
        seed=args["seed"],
        leads=args["leads"],
        now=args["now"],
        reps=len(args["reps"]),
        dimensions=dimensions,
        expiry_days=expiry,
        gates={
            kind: {gate.dimension: gate.minimum for gate in live.model.gates}
            for kind, live in by_kind.items()
        },
        closes=args["closes"],
    )


def _model_of(kind: str, config: LiveConfig) -> LiveModel:
    """Return the live model of the ICP of this name (the default bundle's), else the fallback."""
    return next((live for live in config.models if live.icp_key == kind), config.fallback)


def _answers(config: LiveConfig) -> dict[tuple[str, int], Sequence[tuple[str, str]]]:
    """Return the questions and answers that give each rating of each dimension."""
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for question in _model_of("b2b", config).framework.asked:
        for answer in question.answers:
            if answer.rating is not None:
                key = (question.dimension, answer.rating)
                found.setdefault(key, []).append((question.key, answer.key))
    return {key: tuple(answers) for key, answers in found.items()}


def _build_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    """Write one chunk; the job's transaction is its."""
    config = live_config()
    setting = setting_of(job.args, config)
    chunk = make_chunk(setting, args["number"])
    history = write_history(chunk, setting, config)
    roles = Cast(
        reps=tuple((user, team) for user, team in job.args["reps"]),
        sources=tuple(job.args["sources"]),
        first_lead=job.args["first_lead"],
        first_company=job.args["first_company"],
        first_name=job.args["first_name"],
        first_mailbox=job.args["first_mailbox"],
        answers=_answers(config),
    )
    counts = {"done": chunk.leads.n}
    for table in tables(chunk, history, setting, roles):
        copy_rows(table.name, table.columns, table.lines())
        counts[table.counted_as] = len(table)
    counts["consents"] = _heed(roles.first_lead + args["number"] * CHUNK, chunk.leads.n)
    counts["activities"] += counts["consents"]  # each has a line of its own
    return counts


def _heed(first_lead: int, leads: int) -> int:
    """Take the chunk's unsubscribing for the refusals that they are; return how many."""
    gone = Activity.objects.filter(
        kind=Kind.UNSUBSCRIBED, lead__id__range=(first_lead, first_lead + leads - 1)
    ).select_related("lead")
    label = Kind.UNSUBSCRIBED.label
    said = [
        (
            act.lead,
            ConsentInput(Channel.EMAIL, ConsentState.WITHDRAWN, ConsentSource.LEAD, label, act.at),
        )
        for act in gone.order_by("lead_id", "id")
    ]
    return len(write_consents(said, by=None)) if said else 0


def _analyze(job: Job) -> None:
    """Tell the planner about the new rows; autovacuum would, but not at once."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(_TABLES)}")


jobs.register(JOB, _build_chunk, _analyze)
