"""What stands between the pure placing of first steps and the database: who has how much to do."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.db import connection

from followups.cadence import Calendar, Due, step_due_from
from followups.capacity import Holder, Loads, OpenDays
from followups.definitions import Step
from followups.live import play_version
from followups.places import Places
from followups.situations import LeadNow
from scoring.tiers import HOT, NONE, WARM

_LOCK = 4_202_002  # an advisory lock's number: any that nothing else takes
_AT_WORK = 4_202_003  # held, shared, by every transaction of a sweep that has leads in hand


def be_at_work() -> None:
    """Show other sweeps, until the transaction ends, that this one has leads in hand. Call it
    before they are taken.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_AT_WORK])


class Spread:
    """Places first steps of imported and backfilled leads, for one run of the sweep.

    What people have to do is read once and carried from batch to batch; it is read again when
    anybody else has started a run meanwhile. One transaction at a time spreads, so that two
    workers together do not fill a day twice. `in_turn` is for sweeps: colder leads wait for hotter
    ones that another worker may have in hand, or a day that they fill would be filled again.
    """

    def __init__(self, places: Places, *, in_turn: bool = False) -> None:
        self._places = places
        self._in_turn = in_turn
        self._loads = Loads()
        self._known: set[Holder] = set()
        self._last_run: int | None = None
        self._days: dict[Calendar, OpenDays] = {}

    def begin(self, leads: Sequence[LeadNow], in_hand: Sequence[int], now: dt.datetime) -> int:
        """Take the lock until the transaction ends, and know the loads of these leads' holders.

        Returns the code of the tier whose turn it is: of the hottest one still marked beside the
        leads `in_hand`, NONE where that does not matter or no other sweep is at work.
        """
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = self._newest_run() == self._last_run
        if not known:
            self._loads, self._known = Loads(), set()
        self._days = {}
        self._now = now
        missing = {holder_of(lead): lead.team for lead in leads}
        missing = {holder: team for holder, team in missing.items() if holder not in self._known}
        if missing:
            self._read(missing)
            self._known.update(missing)
        if not self._in_turn or (known and not self._others_at_work()):
            return NONE
        return self._hottest_beside(in_hand)

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

    def _others_at_work(self) -> bool:
        """Return whether another transaction has leads in hand, of which no run shows yet."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND (classid, objid, objsubid) = (0, %s, 1)
                      AND database = (SELECT oid FROM pg_database
                                      WHERE datname = current_database())
                      AND pid <> pg_backend_pid())
                """,
                [_AT_WORK],
            )
            return bool(cursor.fetchone()[0])

    def _hottest_beside(self, in_hand: Sequence[int]) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT coalesce(max(CASE tier WHEN 'hot' THEN %s ELSE %s END), %s)
                FROM scoring_standing
                WHERE unplanned_at IS NOT NULL AND is_open AND tier IN ('hot', 'warm')
                  AND NOT lead_id = ANY(%s)
                """,
                [HOT, WARM, NONE, list(in_hand)],
            )
            return int(cursor.fetchone()[0])

    def _newest_run(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) FROM followups_run")
            return int(cursor.fetchone()[0])

    def _read(self, missing: dict[Holder, Calendar]) -> None:
        """Count the first steps that stand from yesterday on, by moment and play version."""
        zones = {holder: ZoneInfo(team.zone) for holder, team in missing.items()}
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT f.assignee_id, NULL::bigint, f.due_at, r.play_version_id, count(*)
                FROM followups_followup f JOIN followups_run r ON r.id = f.run_id
                WHERE f.assignee_id = ANY(%s) AND f.state = 'scheduled' AND f.step = 0
                  AND f.due_at > leadqual_now() - interval '1 day'
                GROUP BY 1, 2, 3, 4
                UNION ALL
                SELECT NULL::bigint, s.team_id, f.due_at, r.play_version_id, count(*)
                FROM followups_followup f JOIN followups_run r ON r.id = f.run_id
                JOIN scoring_standing s ON s.lead_id = f.lead_id
                WHERE f.assignee_id IS NULL AND f.state = 'scheduled' AND f.step = 0
                  AND f.due_at > leadqual_now() - interval '1 day' AND %s
                GROUP BY 1, 2, 3, 4
                """,
                [
                    [owner for owner, _ in missing if owner is not None],
                    any(owner is None for owner, _ in missing),
                ],
            )
            for owner_id, team_id, due_at, version_id, number in cursor.fetchall():
                holder = (owner_id, team_id)
                if holder in zones:
                    date = due_at.astimezone(zones[holder]).date()
                    self._loads.add(holder, date, play_version(version_id).play.tier, number)


def holder_of(lead: LeadNow) -> Holder:
    """Return who does a lead's steps: its owner, or its team as long as it has none."""
    return (lead.owner_id, None) if lead.owner_id is not None else (None, lead.team_id)
