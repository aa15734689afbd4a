"""What a version would do to the open leads: who changes tier, how much work, who moves most.

The pure engine on facts that are read as a rescore reads them; nothing is written to standings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Count, Q

from accounts.models import Team, User
from accounts.roles import Role
from core import jobs
from core.connections import over_connections
from core.models import Job
from scoring import facts as fact_store
from scoring.arriving import BLOCK, TURN, TURNS, by_team, hot_a_day
from scoring.assess import assess
from scoring.fields import all_fields, field_types
from scoring.live import LiveConfig, LiveModel, assemble, live_config, load_model
from scoring.models import ModelVersion, Preview, PreviewPart, Standing
from scoring.tiers import HOT, NAMES

JOB = "preview"
SAMPLE = 100_000
CHUNK = 25_000
ALONE = 50_000  # leads that are looked at over one connection; of more, two take half each
MOVERS = 20


@dataclass
class Flow:
    """Open leads by tier now and under a version, and those whose score moves most.

    `tiers[from][to]` counts leads, "" for no tier; `hot` is [now, then] by team; `models` counts
    leads by the key of the model that would score them. `movers` are dicts, the biggest first.
    """

    n: int = 0
    moved: int = 0
    tiers: dict[str, dict[str, int]] = field(default_factory=dict)
    hot: dict[str, list[int]] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    movers: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Flow") -> None:
        """Add what another part of the leads shows."""
        self.n += other.n
        self.moved += other.moved
        for before, row in other.tiers.items():
            own = self.tiers.setdefault(before, {})
            for after, count in row.items():
                own[after] = own.get(after, 0) + count
        for team, (now, then) in other.hot.items():
            mine = self.hot.setdefault(team, [0, 0])
            mine[0] += now
            mine[1] += then
        for key, count in other.models.items():
            self.models[key] = self.models.get(key, 0) + count
        self.movers = sorted(self.movers + other.movers, key=_by_move)[:MOVERS]

    def as_json(self) -> dict[str, Any]:
        """Return the flow as JSON values."""
        return dict(vars(self))


def _by_move(mover: Mapping[str, Any]) -> tuple[int, int]:
    return -abs(mover["to"] - mover["from"]), mover["lead"]


def candidate_config(version: ModelVersion) -> LiveConfig:
    """Return the live configuration with `version` in the place of the model of its key, or of
    its ICP. Raises Invalid when the version cannot be parsed.
    """
    return with_model(live_config(), load_model(version, field_types(all_fields())))


def with_model(config: LiveConfig, candidate: LiveModel) -> LiveConfig:
    """Return a configuration with `candidate` in the place of the model of its key or ICP."""
    kept = [
        live
        for live in config.everything
        if live.key != candidate.key and live.icp_key != candidate.icp_key
    ]
    return assemble([*kept, candidate], all_fields())


def preview_leads(lead_ids: Sequence[int], config: LiveConfig, as_of: float) -> Flow:
    """Return what a configuration would do to some leads, beside what their standings say."""
    if not lead_ids:
        return Flow()
    rows = fact_store.read(lead_ids, config, as_of, kept=config.counters)
    then = assess(rows, config)
    before, after = rows.standing["tier"], then.tier
    flow = Flow(n=rows.facts.n)
    pairs, counts = np.unique(np.stack([before, after]), axis=1, return_counts=True)
    for (a, b), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        flow.tiers.setdefault(NAMES[a], {})[NAMES[b]] = count
    change = then.score - rows.standing["score"]
    flow.moved = int((change != 0).sum())
    for index, count in enumerate(np.bincount(then.model, minlength=len(config.everything))):
        if count:
            flow.models[config.everything[index].key] = int(count)
    biggest = np.lexsort((rows.facts.lead_ids, -np.abs(change)))[:MOVERS]
    flow.movers = [
        {
            "lead": int(rows.facts.lead_ids[row]),
            "from": int(rows.standing["score"][row]),
            "to": int(then.score[row]),
            "from_tier": NAMES[int(before[row])],
            "to_tier": NAMES[int(after[row])],
        }
        for row in biggest.tolist()
        if change[row]
    ]
    flow.hot = by_team(rows.facts.lead_ids, before == HOT, after == HOT)
    return flow


def preview_open(config: LiveConfig, most: int = SAMPLE) -> tuple[Flow, int]:
    """Return what a configuration would do to the open leads, and how many there are.

    Of more than `most` that many are looked at, always the same ones: stretches of BLOCK ids that
    are drawn by a hash, so that a tenth of the leads takes little more than a tenth of the reading.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), date_part('epoch', leadqual_now()) FROM scoring_standing
            WHERE is_open AND state <> 'unscored'
            """
        )
        total, as_of = cursor.fetchone()
        # Nearly all rows are passed over before the sort: those beyond the share and six standard
        # deviations of how many fall into it.
        share = (most + 6 * (BLOCK * most) ** 0.5) / max(1, total)
        cursor.execute(
            f"""
            SELECT lead_id FROM scoring_standing
            WHERE is_open AND state <> 'unscored'
              AND {TURN} <= %s
            ORDER BY {TURN}, lead_id LIMIT %s
            """,
            [int(min(1.0, share) * TURNS), most],
        )
        ids = sorted(row[0] for row in cursor.fetchall())

    def look_at(some: Sequence[int]) -> Flow:
        flow = Flow()
        for start in range(0, len(some), CHUNK):
            flow.add(preview_leads(some[start : start + CHUNK], config, as_of))
        return flow

    middle = len(ids) // 2
    flow, *others = over_connections(
        look_at, [ids] if len(ids) <= ALONE else [ids[:middle], ids[middle:]]
    )
    for other in others:
        flow.add(other)
    return flow, total


@transaction.atomic
def start_preview(version: ModelVersion, by: User | None) -> Preview:
    """Start the job that previews a version on all open leads; earlier previews of it go.

    Raises Invalid when the version cannot be parsed.
    """
    candidate_config(version)
    Preview.objects.filter(version=version).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT min(lead_id), count(*) FROM (
                SELECT lead_id, (row_number() OVER (ORDER BY lead_id) - 1) / %s AS chunk
                FROM scoring_standing WHERE is_open AND state <> 'unscored'
            ) numbered GROUP BY chunk ORDER BY chunk
            """,
            [CHUNK],
        )
        chunks = cursor.fetchall()
    starts = [start for start, _ in chunks]
    job = jobs.start_job(
        JOB,
        chunks=(
            {"from": start, "before": end}
            for start, end in zip(starts, [*starts[1:], None], strict=False)
        ),
        total=sum(count for _, count in chunks),
        unit="leads",
        by=by,
        args={"version": version.pk},
    )
    return Preview.objects.create(version=version, job=job)


def _preview_range(job: Job, args: dict[str, Any]) -> dict[str, int]:
    preview = Preview.objects.select_related("version").filter(job=job).first()
    if preview is None:  # another one took its place
        return {}
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=preview.version_id)
    leads = Standing.objects.filter(is_open=True, lead_id__gte=args["from"])
    if args["before"] is not None:
        leads = leads.filter(lead_id__lt=args["before"])
    ids = list(leads.exclude(state="unscored").values_list("lead_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_part('epoch', leadqual_now())")
        as_of = cursor.fetchone()[0]
    flow = preview_leads(ids, candidate_config(version), as_of)
    PreviewPart.objects.create(preview=preview, flow=flow.as_json())
    return {"done": len(ids)}


def _add_up(job: Job) -> None:
    preview = Preview.objects.filter(job=job).first()
    if preview is None:
        return
    whole = Flow()
    for part in preview.parts.order_by("pk"):
        whole.add(Flow(**part.flow))
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=preview.version_id)
    preview.result = _whole(whole, whole.n, candidate_config(version))
    preview.save(update_fields=["result"])
    preview.parts.all().delete()


jobs.register(JOB, _preview_range, _add_up)


@dataclass(frozen=True)
class TeamLoad:
    """Hot leads of a team now and then, those that come a working day (None where nobody counted
    them), its reps, and the first steps that each has time for in a day.
    """

    team: str
    reps: int
    capacity: int
    now: int
    then: int
    coming: tuple[float, float] | None

    @property
    def each(self) -> tuple[float, float] | None:
        """Hot leads that come a rep and working day, now and then."""
        if self.coming is None or not self.reps:
            return None
        return self.coming[0] / self.reps, self.coming[1] / self.reps

    @property
    def too_many(self) -> bool:
        """Whether more would come than there is time for."""
        return self.each is not None and self.each[1] > self.capacity


def workload(flow: Mapping[str, Any]) -> list[TeamLoad]:
    """Return the hot leads by team beside the team's capacity, by a flow as `flow_of` gives it; a
    sample stands for all. One query.
    """
    hot, coming = flow["hot"], flow.get("coming")
    factor = flow["of"] / max(1, flow["n"])
    active = Q(members__is_active=True, members__role=Role.REP)
    teams = Team.objects.annotate(reps=Count("members", filter=active)).order_by("name")
    found = []
    for key, name, reps, each in [
        *((str(team.pk), team.name, team.reps, team.capacity) for team in teams),
        ("0", "No team", 0, 0),
    ]:
        now, then = hot.get(key, (0, 0))
        if now or then or reps:
            own = None if coming is None else tuple(coming.get(key, (0.0, 0.0)))
            load = TeamLoad(name, reps, each, round(now * factor), round(then * factor), own)
            found.append(load)
    return found


def flow_of(candidate: LiveConfig) -> dict[str, Any]:
    """Return as JSON values what a configuration would do to the open leads, of how many (`of`),
    and how many hot leads would come each day (`coming`).
    """
    return _whole(*preview_open(candidate), candidate)


def _whole(flow: Flow, of: int, candidate: LiveConfig) -> dict[str, Any]:
    return {**flow.as_json(), "of": of, "coming": hot_a_day(candidate)}
