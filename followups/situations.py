"""Reads everything that planning asks about some leads, in two queries whatever their number."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from followups.cadence import Calendar
from followups.definitions import Words
from followups.live import play_version
from followups.places import Places
from followups.runs import LastRun, News, Situation, phase_of
from leads.activities import CONTACT, Kind

MOST_CONCERNS = 3  # named in a text
MOST_QUOTE = 300  # characters of each
# Kinds that say a person has done what an SLA clock asks for: called, or been in contact.
RESPONSES = frozenset({Kind.CALL_ATTEMPTED, *CONTACT})
EXITS = frozenset({Kind.EMAIL_REPLIED, Kind.MEETING_BOOKED, Kind.UNSUBSCRIBED, Kind.HAND_RAISED})
# Kinds that follow from something else; all others but an import state facts of their own.
_DERIVED = frozenset(
    {
        Kind.CREATED,
        Kind.IMPORTED,
        Kind.ASSIGNED,
        Kind.STAGE_MOVED,
        Kind.TIER_CHANGED,
        Kind.FOLLOWUP_DONE,
        Kind.FOLLOWUP_SKIPPED,
        Kind.CONSENT_GRANTED,
        Kind.CONSENT_WITHDRAWN,
        Kind.CONTROL_JOINED,
    }
)


class OpenStep(NamedTuple):
    """A scheduled follow-up; `due` in seconds since the epoch."""

    id: int
    run_id: int | None
    number: int | None
    kind: str
    held: str
    title: str
    due: float
    assignee_id: int | None


class LeadNow(NamedTuple):
    """One lead as planning sees it. `contacted_at` is what the lead row lacks, None if nothing."""

    id: int
    owner_id: int | None
    team_id: int | None
    rank: float
    sla_due: float | None
    situation: Situation
    contacted_at: float | None
    words: Words
    team: Calendar
    window: Calendar
    steps: tuple[OpenStep, ...]


def _sql_list(kinds: frozenset[Kind]) -> str:
    return ", ".join(f"'{kind}'" for kind in sorted(kinds))


def _epoch(sql: str) -> str:
    return f"date_part('epoch', {sql})"


_LEADS = f"""
    SELECT s.lead_id, s.owner_id, s.team_id, s.stage, s.is_open, s.state, s.tier, s.rank,
           {_epoch("s.sla_due_at")}, l.contacted_at IS NOT NULL, {_epoch("l.created_at")},
           l.first_name, l.last_name, coalesce(nullif(l.country, ''), c.country, ''), l.time_zone,
           coalesce(c.name, ''), coalesce(u.name, ''),
           EXISTS (SELECT FROM leads_outcome o WHERE o.lead_id = l.id AND o.round = l.round),
           r.id, r.play_version_id, {_epoch("r.started_at")}, {_epoch("r.ended_at")}, r.end_reason,
           {_epoch("a.contacted")}, {_epoch("a.imported")}, {_epoch("a.touched")},
           {_epoch("a.tier_changed")}, coalesce(a.tier_cause, ''), {_epoch("a.raised")},
           {_epoch("a.raise_recorded")}, {_epoch("a.responded")}, {_epoch("a.opted_out")},
           {_epoch("a.exited")}
    FROM scoring_standing s
    JOIN leads_lead l ON l.id = s.lead_id
    LEFT JOIN leads_company c ON c.id = l.company_id
    LEFT JOIN accounts_user u ON u.id = s.owner_id
    LEFT JOIN LATERAL (
        SELECT id, play_version_id, started_at, ended_at, end_reason
        FROM followups_run WHERE lead_id = s.lead_id
        ORDER BY ended_at IS NULL DESC, started_at DESC, id DESC LIMIT 1
    ) r ON true
    CROSS JOIN LATERAL (
        SELECT min(at) FILTER (WHERE kind IN ({_sql_list(CONTACT)})) AS contacted,
               max(recorded_at) FILTER (WHERE kind = '{Kind.IMPORTED}') AS imported,
               max(recorded_at) FILTER (WHERE kind NOT IN ({_sql_list(_DERIVED)})) AS touched,
               max(at) FILTER (WHERE kind = '{Kind.TIER_CHANGED}') AS tier_changed,
               (array_agg(data->>'cause' ORDER BY at DESC, id DESC)
                   FILTER (WHERE kind = '{Kind.TIER_CHANGED}'))[1] AS tier_cause,
               max(at) FILTER (WHERE kind = '{Kind.HAND_RAISED}') AS raised,
               max(recorded_at) FILTER (WHERE kind = '{Kind.HAND_RAISED}') AS raise_recorded,
               max(at) FILTER (WHERE kind IN ({_sql_list(RESPONSES)})) AS responded,
               max(at) FILTER (WHERE kind = '{Kind.UNSUBSCRIBED}') AS opted_out,
               max(recorded_at) FILTER (WHERE kind IN ({_sql_list(EXITS)})) AS exited
        FROM leads_activity WHERE lead_id = s.lead_id
    ) a
    WHERE s.lead_id = ANY(%s)
    ORDER BY s.lead_id
"""


def read(lead_ids: Sequence[int], places: Places) -> list[LeadNow]:
    """Return the leads with these ids, in the order of their ids. Call it under their locks."""
    chosen = "{" + ",".join(map(str, lead_ids)) + "}"
    steps = _open_steps(chosen)
    with connection.cursor() as cursor:
        cursor.execute(_LEADS, [chosen])
        rows = map(_Row._make, cursor.fetchall())
        return [_lead(row, steps.get(row.lead_id, ()), places) for row in rows]


def _open_steps(chosen: str) -> dict[int, tuple[OpenStep, ...]]:
    """Return the scheduled follow-ups of leads by lead id, the earliest first."""
    found: dict[int, list[OpenStep]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT lead_id, id, run_id, step, kind, held, title, {_epoch("due_at")}, assignee_id
            FROM followups_followup WHERE lead_id = ANY(%s) AND state = 'scheduled'
            ORDER BY lead_id, due_at, id
            """,
            [chosen],
        )
        for lead_id, *step in cursor.fetchall():
            found[lead_id].append(OpenStep(*step))
    return {lead_id: tuple(steps) for lead_id, steps in found.items()}


def concerns(lead_ids: Sequence[int]) -> dict[int, str]:
    """Return the concerns that leads raised and that still hold, newest first, in their words."""
    found: dict[int, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT lead_id, quote FROM scoring_evidence
            WHERE lead_id = ANY(%s) AND dimension = 'concern' AND quote <> ''
              AND (expires_at IS NULL OR expires_at > leadqual_now())
            ORDER BY lead_id, observed_at DESC, recorded_at DESC, id DESC
            """,
            [list(lead_ids)],
        )
        for lead_id, quote in cursor.fetchall():
            if len(found[lead_id]) < MOST_CONCERNS:
                found[lead_id].append(quote[:MOST_QUOTE])
    return {lead_id: "; ".join(quotes) for lead_id, quotes in found.items()}


def _lead(row: "_Row", steps: tuple[OpenStep, ...], places: Places) -> LeadNow:
    last = None
    if row.run_id is not None:
        target = play_version(row.play_id).play.target
        last = LastRun(
            row.run_id, row.play_id, target, row.started_at, row.ended_at, row.end_reason
        )
    return LeadNow(
        id=row.lead_id,
        owner_id=row.owner_id,
        team_id=row.team_id,
        rank=row.rank,
        sla_due=row.sla_due,
        situation=Situation(
            is_open=row.is_open,
            state=row.state,
            tier=row.tier,
            phase=phase_of(row.stage, row.is_contacted or row.contacted is not None),
            has_outcome=row.has_outcome,
            last=last,
            news=News(
                created=row.created,
                imported=row.imported,
                touched=row.touched,
                tier_changed=row.tier_changed,
                tier_cause=row.tier_cause,
                hand_raised=row.raised,
                hand_recorded=row.raise_recorded,
                responded=row.responded,
                opted_out=row.opted_out,
                exited=row.exited,
            ),
        ),
        contacted_at=None if row.is_contacted else row.contacted,
        words=Words(row.first_name or row.last_name, row.company, row.owner),
        team=places.team_calendar(row.team_id),
        window=places.window(row.team_id, row.time_zone, row.country),
        steps=steps,
    )


class _Row(NamedTuple):
    """The columns of `_LEADS`."""

    lead_id: int
    owner_id: int | None
    team_id: int | None
    stage: str
    is_open: bool
    state: str
    tier: str
    rank: float
    sla_due: float | None
    is_contacted: bool
    created: float
    first_name: str
    last_name: str
    country: str
    time_zone: str
    company: str
    owner: str
    has_outcome: bool
    run_id: int | None
    play_id: int
    started_at: float
    ended_at: float | None
    end_reason: str
    contacted: float | None
    imported: float | None
    touched: float | None
    tier_changed: float | None
    tier_cause: str
    raised: float | None
    raise_recorded: float | None
    responded: float | None
    opted_out: float | None
    exited: float | None
