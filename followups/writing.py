"""Writes what planning decided about a batch of leads: one statement per kind of change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection


@dataclass(slots=True)
class NewStep:
    """A step to schedule, of the run `run_id` or, where that is None, of one to start with it.

    `started_at` and `due` in seconds since the epoch; `left_out` says why the steps before it are
    left out, if any are.
    """

    lead_id: int
    run_id: int | None
    play_id: int
    started_at: float
    started_by: str
    number: int
    kind: str
    assignee_id: int | None
    due: float
    held: str
    outside_team_hours: bool
    left_out: str = ""
    title: str = ""
    body: str = ""


@dataclass(slots=True)
class StandingRow:
    """What a standing says about follow-ups; `reason` stands where there is no next step.

    One that `waits` keeps its mark, to be planned again.
    """

    lead_id: int
    sla_due: float | None = None
    next_due: float | None = None
    next_title: str = ""
    reason: str = ""
    waits: bool = False

    def consider(self, due: float, title: str) -> None:
        """Take a scheduled follow-up as the next step if it is the earliest so far."""
        if self.next_due is None or due < self.next_due:
            self.next_due, self.next_title = due, title


@dataclass
class Changes:
    """All changes to a batch of leads, by the ids of what changes."""

    contacted: dict[int, float] = field(default_factory=dict)  # lead → first contact
    ends: dict[int, str] = field(default_factory=dict)  # run → reason
    cancels: list[int] = field(default_factory=list)  # follow-ups
    left_out: dict[int, str] = field(default_factory=dict)  # follow-up → why it is skipped
    held: dict[int, str] = field(default_factory=dict)  # follow-up → why it waits, "" no more
    assignees: dict[int, int | None] = field(default_factory=dict)  # follow-up → person
    steps: list[NewStep] = field(default_factory=list)
    standings: dict[int, StandingRow] = field(default_factory=dict)  # lead → row


def write(changes: Changes) -> int:
    """Write the changes; return how many leads keep their mark. Call it under the locks of their
    standings.
    """
    for lead_id in changes.contacted.keys() - _note_contact(changes.contacted):
        changes.standings[lead_id].waits = True
    _end_runs(changes.ends)
    _cancel(changes.cancels)
    _leave_out(changes.left_out)
    _hold(changes.held)
    _assign(changes.assignees)
    _schedule(changes.steps)
    _update_standings(list(changes.standings.values()))
    return sum(row.waits for row in changes.standings.values())


def _note_contact(contacted: Mapping[int, float]) -> set[int]:
    """Write the first contact on the leads; return those that have it now.

    Services lock a lead before its standing, which we hold already. So this never waits: a lead
    that another transaction holds keeps its mark.
    """
    if not contacted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH free AS (
                SELECT id FROM leads_lead WHERE id = ANY(%s) ORDER BY id
                FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE leads_lead l SET contacted_at = coalesce(l.contacted_at, to_timestamp(n.at))
            FROM unnest(%s::bigint[], %s::float8[]) AS n(id, at) JOIN free USING (id)
            WHERE l.id = n.id RETURNING l.id
            """,
            [list(contacted), _numbers(contacted), _numbers(contacted.values())],
        )
        return {row[0] for row in cursor.fetchall()}


def _end_runs(ends: Mapping[int, str]) -> None:
    if ends:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE followups_run r SET ended_at = leadqual_now(), end_reason = n.reason
                FROM unnest(%s::bigint[], %s::text[]) AS n(id, reason) WHERE r.id = n.id
                """,
                [_numbers(ends), _texts(ends.values())],
            )


def _cancel(followups: list[int]) -> None:
    if followups:
        with connection.cursor() as cursor:
            # A machine may have claimed one since it was read; what it has is its own to end.
            cursor.execute(
                "UPDATE followups_followup SET state = 'cancelled', ended_at = leadqual_now() "
                "WHERE id = ANY(%s) AND state = 'scheduled'",
                [_numbers(followups)],
            )


def _leave_out(reasons: Mapping[int, str]) -> None:
    if reasons:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE followups_followup f
                SET state = 'skipped', note = n.reason, ended_at = leadqual_now()
                FROM unnest(%s::bigint[], %s::text[]) AS n(id, reason)
                WHERE f.id = n.id AND f.state = 'scheduled'
                """,
                [_numbers(reasons), _texts(reasons.values())],
            )


def _hold(reasons: Mapping[int, str]) -> None:
    if reasons:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE followups_followup f SET held = n.reason
                FROM unnest(%s::bigint[], %s::text[]) AS n(id, reason) WHERE f.id = n.id
                """,
                [_numbers(reasons), _texts(reasons.values())],
            )


def _assign(assignees: Mapping[int, int | None]) -> None:
    if assignees:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE followups_followup f SET assignee_id = n.assignee_id
                FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, assignee_id) WHERE f.id = n.id
                """,
                [_numbers(assignees), _numbers(assignees.values())],
            )


def _schedule(steps: list[NewStep]) -> None:
    """Start the runs of first steps, and schedule all steps, in one statement."""
    if not steps:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH n AS MATERIALIZED (
                SELECT * FROM unnest(
                    %s::bigint[], %s::bigint[], %s::bigint[], %s::float8[], %s::text[],
                    %s::smallint[], %s::text[], %s::bigint[], %s::float8[], %s::text[],
                    %s::text[], %s::text[])
                AS n(lead_id, run_id, play_id, started_at, started_by, step, kind, assignee_id,
                     due, held, title, body)
            ), started AS (
                INSERT INTO followups_run
                    (lead_id, play_version_id, started_at, started_by, end_reason)
                SELECT lead_id, play_id, to_timestamp(started_at), started_by, ''
                FROM n WHERE run_id IS NULL
                RETURNING id, lead_id
            )
            INSERT INTO followups_followup
                (lead_id, run_id, step, kind, title, body, assignee_id, due_at, state, held,
                 snoozed, note, attempts)
            SELECT n.lead_id, coalesce(n.run_id, started.id), n.step, n.kind, n.title, n.body,
                   n.assignee_id, to_timestamp(n.due), 'scheduled', n.held, 0, '', 0
            FROM n LEFT JOIN started ON n.run_id IS NULL AND started.lead_id = n.lead_id
            """,
            [
                _numbers([step.lead_id for step in steps]),
                _numbers([step.run_id for step in steps]),
                _numbers([step.play_id for step in steps]),
                _numbers([step.started_at for step in steps]),
                _texts([step.started_by for step in steps]),
                _numbers([step.number for step in steps]),
                _texts([step.kind for step in steps]),
                _numbers([step.assignee_id for step in steps]),
                _numbers([step.due for step in steps]),
                _texts([step.held for step in steps]),
                _texts([step.title for step in steps]),
                _texts([step.body for step in steps]),
            ],
        )


def _update_standings(rows: list[StandingRow]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_standing s SET
                sla_due_at = to_timestamp(n.sla_due), next_due_at = to_timestamp(n.next_due),
                next_step = n.next_step,
                unplanned_at = CASE WHEN n.waits = 1 THEN s.unplanned_at END
            FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::text[], %s::smallint[])
                AS n(lead_id, sla_due, next_due, next_step, waits)
            WHERE s.lead_id = n.lead_id
            """,
            [
                _numbers([row.lead_id for row in rows]),
                _numbers([row.sla_due for row in rows]),
                _numbers([row.next_due for row in rows]),
                _texts([row.next_title or row.reason for row in rows]),
                _numbers([int(row.waits) for row in rows]),
            ],
        )


def _numbers(values: Iterable[float | None]) -> str:
    """Return an array literal of numbers, None as NULL: much faster to make and to parse than
    thousands of separate values.
    """
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"


def _texts(values: Iterable[str]) -> str:
    """Return an array literal of any texts. They are escaped all at once; NUL, which no text of a
    database holds, keeps them apart meanwhile.
    """
    texts = list(values)
    if not texts:
        return "{}"
    joined = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + joined.replace("\0", '","') + '"}'
