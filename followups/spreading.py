"""What stands between the pure placing of first steps and the database: who has how much to do."""

import datetime as dt
from collections.abc import Iterable

from django.db import connection

from followups.cadence import Calendar, Due, step_due_from
from followups.capacity import Holder, Loads, OpenDays
from followups.definitions import Step
from followups.live import play_version
from followups.places import Places
from followups.situations import LeadNow

_LOCK = 4_202_002  # an advisory lock's number: any that nothing else takes


class Spread:
    """Places first steps of imported and backfilled leads, for one run of the sweep.

    What people have to do is read once and carried from batch to batch; it is read again when
    anybody else has started a run meanwhile. One transaction at a time spreads, so that two
    workers together do not fill a day twice.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._loads = Loads()
        self._known: set[Holder] = set()
        self._last_run: int | None = None
        self._days: dict[Calendar, OpenDays] = {}

    def begin(self, leads: Iterable[LeadNow], now: dt.datetime) -> None:
        """Take the lock until the transaction ends, and know the loads of these leads' holders."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if self._newest_run() != self._last_run:
            self._loads, self._known = Loads(), set()
        self._days = {}
        self._now = now
        missing = {holder_of(lead): lead.team for lead in leads}
        missing = {holder: team for holder, team in missing.items() if holder not in self._known}
        if missing:
            self._read(missing)
            self._known.update(missing)

    def end(self) -> None:
        """Remember up to where this transaction has seen; call it after its runs are written."""
        self._last_run = self._newest_run()

    def place(self, lead: LeadNow, step: Step, tier: str) -> Due:
        """Return when the first step of a lead's play is due."""
        days = self._days.get(lead.team)
        if days is None:
            days = self._days[lead.team] = OpenDays(self._now, lead.team)
        return self._loads.place(
            holder_of(lead),
            tier,
            self._places.capacity(lead.owner_id, lead.team_id),
            days,
            lambda day: step_due_from(day, self._now, step.wait, step.kind, lead.team, lead.window),
        )

    def _newest_run(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) FROM followups_run")
            return int(cursor.fetchone()[0])

    def _read(self, missing: dict[Holder, Calendar]) -> None:
        """Count the first steps that stand from yesterday on, by local date and play version."""
        owners = [(h[0], c.zone) for h, c in missing.items() if h[0] is not None]
        teams = [(h[1], c.zone) for h, c in missing.items() if h[0] is None]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT h.owner_id, NULL, (f.due_at AT TIME ZONE h.zone)::date, r.play_version_id,
                       count(*)
                FROM unnest(%s::bigint[], %s::text[]) AS h(owner_id, zone)
                JOIN followups_followup f ON f.assignee_id = h.owner_id
                JOIN followups_run r ON r.id = f.run_id
                WHERE f.state = 'scheduled' AND f.step = 0
                  AND f.due_at > leadqual_now() - interval '1 day'
                GROUP BY 1, 2, 3, 4
                UNION ALL
                SELECT NULL, h.team_id, (f.due_at AT TIME ZONE h.zone)::date, r.play_version_id,
                       count(*)
                FROM unnest(%s::bigint[], %s::text[]) AS h(team_id, zone)
                JOIN scoring_standing s
                    ON s.owner_id IS NULL AND s.team_id IS NOT DISTINCT FROM h.team_id
                JOIN followups_followup f ON f.lead_id = s.lead_id AND f.assignee_id IS NULL
                JOIN followups_run r ON r.id = f.run_id
                WHERE f.state = 'scheduled' AND f.step = 0
                  AND f.due_at > leadqual_now() - interval '1 day'
                GROUP BY 1, 2, 3, 4
                """,
                [
                    [owner for owner, _ in owners],
                    [zone for _, zone in owners],
                    [team for team, _ in teams],
                    [zone for _, zone in teams],
                ],
            )
            for owner_id, team_id, date, version_id, number in cursor.fetchall():
                tier = play_version(version_id).play.tier
                self._loads.add((owner_id, team_id), date, tier, number)


def holder_of(lead: LeadNow) -> Holder:
    """Return who does a lead's steps: its owner, or its team as long as it has none."""
    return (lead.owner_id, None) if lead.owner_id is not None else (None, lead.team_id)
