"""Planning: the only writer of runs, of their steps, and of clocks and next steps on standings.

A lead is planned under the lock of its standing, from what is true then: its tier and phase, its
last run, what happened on its timeline. Planning twice changes nothing; a killed worker leaves the
mark `unplanned_at`, and the sweep plans the lead again (docs/domain/followups.md).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection, transaction

from core.clock import now
from core.decisions import Decision
from core.sweeps import nudge_on_commit
from followups import situations
from followups.cadence import Due, sla_due, step_due
from followups.claiming import HELD
from followups.control import enrol
from followups.definitions import MOST_TITLE, PublishedPlay, Step, StepKind, fill_in
from followups.live import live_plays, play_version
from followups.places import Places
from followups.runs import SPREAD, EndReason, LastRun, StartedBy, choose_next, decide, origin
from followups.situations import LeadNow, OpenStep
from followups.spreading import Spread, be_at_work
from followups.writing import Changes, NewStep, StandingRow, write
from leads.selectors import Refusals, refused_contact
from scoring.live import NotConfigured
from scoring.rescoring import rescore
from scoring.tiers import CODES

SWEEP = "followups.plan"
BATCH = 2_000  # leads per transaction, a fraction of a second
LIST = 20_000  # leads that are put in order at once
OUTSIDE_HOURS = "\n\n(Timed for the lead's day, which never meets your team's hours.)"


def nudge() -> None:
    """Ask for planning right after the current transaction; beat asks every ten seconds anyway."""
    nudge_on_commit(SWEEP)


@transaction.atomic
def plan(lead_ids: Sequence[int]) -> int:
    """Plan leads now, marked or not; return how many are done with (see `write` for the others).

    Services call it last in the transaction that changed something about their follow-ups. Waits
    for the locks of their standings, in id order.
    """
    places = Places()
    return _plan_locked(_lock(lead_ids), places, Spread(places))


def plan_pending(most: int = LIST) -> int:
    """Plan the next marked leads, the hot ones first, a batch per transaction; `most` are put in
    order at once, and hotter ones that are marked meanwhile wait for these.

    Returns how many were planned. Leads that another transaction holds are left for later.
    """
    places = Places()
    spread = Spread(places, in_turn=True)
    ids = _pending(most)
    planned = 0
    for start in range(0, len(ids), BATCH):
        with transaction.atomic():
            planned += _plan_locked(_lock_marked(ids[start : start + BATCH]), places, spread)
    return planned


def _pending(most: int) -> list[int]:
    """Return ids of marked leads. Those without a tier have something to end: after the hot.

    Otherwise in the order of ids, so that a batch reads and writes one stretch of each table.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT lead_id FROM scoring_standing WHERE unplanned_at IS NOT NULL
            ORDER BY CASE WHEN tier = 'hot' AND is_open THEN 0 WHEN tier = '' OR NOT is_open THEN 1
                          WHEN tier = 'warm' THEN 2 ELSE 3 END, lead_id
            LIMIT %s
            """,
            [most],
        )
        return [row[0] for row in cursor.fetchall()]


def _lock_marked(lead_ids: Sequence[int]) -> list[tuple[int, bool]]:
    """Lock those that are still marked and that nobody holds; return them with "is stale"."""
    be_at_work()
    return _select_locked(lead_ids, "AND unplanned_at IS NOT NULL", "SKIP LOCKED")


def _lock(lead_ids: Sequence[int]) -> list[tuple[int, bool]]:
    return _select_locked(lead_ids, "", "")


def _select_locked(lead_ids: Sequence[int], condition: str, wait: str) -> list[tuple[int, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT lead_id, stale_at IS NOT NULL FROM scoring_standing
            WHERE lead_id = ANY(%s) {condition} ORDER BY lead_id FOR NO KEY UPDATE {wait}
            """,
            [list(lead_ids)],
        )
        return list(cursor.fetchall())


def _plan_locked(locked: Sequence[tuple[int, bool]], places: Places, spread: Spread) -> int:
    """Plan leads whose standings this transaction holds; return how many marks were cleared."""
    if not locked:
        return 0
    _rescore_stale([lead_id for lead_id, stale in locked if stale])
    leads = situations.read([lead_id for lead_id, _ in locked], places)
    refusals = refused_contact([lead.id for lead in leads])
    leads = enrol(leads, refusals)
    batch = _Batch(now(), live_plays(), _progress_of(leads), refusals)
    for lead in leads:
        batch.decide(lead)
    batch.spread(spread)
    batch.fill_in()
    left = write(batch.changes)
    if batch.to_spread:
        spread.end()
    return len(leads) - left


def _rescore_stale(lead_ids: list[int]) -> None:
    """Bring scores up to date before planning by them, so that no play starts for a moment only."""
    if lead_ids:
        with suppress(NotConfigured):  # then plans follow what the standings say
            rescore(lead_ids)


@dataclass(frozen=True)
class _Progress:
    """How far a run without a scheduled step is: its last step, and whether a machine has it."""

    last_step: int
    busy: bool


def _progress_of(leads: Sequence[LeadNow]) -> dict[int, _Progress]:
    """Return the progress of open runs that have no scheduled step."""
    waiting = [
        last.id
        for lead in leads
        if (last := lead.situation.last) is not None
        and last.ended_at is None
        and all(step.run_id != last.id for step in lead.steps)
    ]
    if not waiting:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT run_id, max(step), bool_or(state IN ('claimed', 'sending'))
            FROM followups_followup WHERE run_id = ANY(%s) GROUP BY run_id
            """,
            [waiting],
        )
        found = {run_id: _Progress(last, busy) for run_id, last, busy in cursor.fetchall()}
    return {run_id: found.get(run_id, _Progress(-1, False)) for run_id in waiting}


@dataclass(frozen=True)
class _FirstStep:
    """A run to start whose first step still needs its day."""

    lead: LeadNow
    play: PublishedPlay
    number: int
    started_by: StartedBy

    @property
    def urgency(self) -> tuple[int, float, int]:
        """Sorts hot leads before cold ones, then by rank."""
        return -CODES[self.play.play.tier], -self.lead.rank, self.lead.id


class _Batch:
    """Turns decisions about leads into changes, all as of one moment."""

    def __init__(
        self,
        moment: dt.datetime,
        plays: dict[tuple[str, str], PublishedPlay],
        progress: dict[int, _Progress],
        refusals: Refusals,
    ) -> None:
        self.now = moment
        self.changes = Changes()
        self.to_spread: list[_FirstStep] = []
        self._plays = plays
        self._progress = progress
        self._refusals = refusals
        self._new: list[tuple[NewStep, Step, LeadNow]] = []

    def decide(self, lead: LeadNow) -> None:
        """Note what is to change about one lead."""
        if lead.contacted_at is not None:
            self.changes.contacted[lead.id] = lead.contacted_at
        decision = decide(lead.situation, self._plays)
        last = lead.situation.last
        run = last if last is not None and last.ended_at is None else None
        if run is not None and decision.end:
            self.changes.ends[run.id] = decision.end
            run = None
        standing = self.changes.standings[lead.id] = StandingRow(lead.id)
        standing.reason = decision.reason
        for step in lead.steps:
            self._keep_or_cancel(step, lead, run, standing)
        if decision.play is not None:
            self._start(lead, decision.play, standing)
        elif run is not None:
            self._go_on(lead, run, standing)

    def spread(self, spread: Spread) -> None:
        """Give the first steps of imported and backfilled leads their days, the urgent first."""
        if not self.to_spread:
            return
        leads = [first.lead for first in self.to_spread]
        turn = spread.begin(leads, list(self.changes.standings), self.now)
        for first in sorted(self.to_spread, key=lambda first: first.urgency):
            play = first.play.play
            if CODES[play.tier] < turn:
                self.changes.standings[first.lead.id].waits = True
                continue
            due = spread.place(first.lead, play.steps[first.number], play.tier)
            self._add(first.lead, first.play, first.number, due, started_by=first.started_by)

    def fill_in(self) -> None:
        """Write the texts of the new steps."""
        asking = [lead.id for _, step, lead in self._new if step.names_concerns]
        concerns = situations.concerns(asking) if asking else {}
        for new, step, lead in self._new:
            words = lead.words
            if lead.id in concerns:
                words = words._replace(concerns=concerns[lead.id])
            new.title = fill_in(step.title, words, step.kind)[:MOST_TITLE]
            new.body += fill_in(step.body, words, step.kind)
            if new.outside_team_hours:
                new.body += OUTSIDE_HOURS
            if new.left_out:
                new.body += f"\n\n(Left out before this: {new.left_out})"
            self.changes.standings[lead.id].consider(new.due, new.title)

    def _keep_or_cancel(
        self, step: OpenStep, lead: LeadNow, run: LastRun | None, standing: StandingRow
    ) -> None:
        """Cancel the step of a run that has ended; any other follows the lead's owner.

        What the lead refused is left out of its run, and held where a person planned it.
        """
        if step.run_id is not None and (run is None or step.run_id != run.id):
            self.changes.cancels.append(step.id)
            return
        refusal = self._refused(lead).get(step.kind)
        if refusal is not None and step.run_id is not None and step.number is not None:
            self.changes.left_out[step.id] = refusal.reason
            self._progress[step.run_id] = _Progress(step.number, False)
            return
        if step.assignee_id != lead.owner_id:
            self.changes.assignees[step.id] = lead.owner_id
        if step.kind == StepKind.CALL:
            held = refusal.reason if refusal is not None else ""
            if held != step.held:
                self.changes.held[step.id] = held
            if held:
                standing.reason = standing.reason or held
                return
        standing.consider(step.due, step.title)

    def _refused(self, lead: LeadNow) -> Mapping[str, Decision]:
        """Return the kinds of steps that a lead refused, with its reason."""
        return self._refusals.get(lead.id, {})

    def _first_allowed(self, lead: LeadNow, play: PublishedPlay, number: int) -> int:
        """Return the number of the first step from `number` on that the lead has not refused, or
        how many steps there are.
        """
        refused = self._refused(lead)
        steps = play.play.steps
        while number < len(steps) and steps[number].kind in refused:
            number += 1
        return number

    def _start(self, lead: LeadNow, play: PublishedPlay, standing: StandingRow) -> None:
        started_by, clock_from = origin(lead.situation, self.now.timestamp())
        number = self._first_allowed(lead, play, 0)
        if number == len(play.play.steps):
            standing.reason = self._refused(lead)[play.play.steps[0].kind].reason
            return
        if started_by in SPREAD:
            self.to_spread.append(_FirstStep(lead, play, number, started_by))
            return
        if play.play.sla_minutes is not None and clock_from is not None and number == 0:
            start = dt.datetime.fromtimestamp(clock_from, dt.UTC)
            standing.sla_due = sla_due(start, play.play.sla_minutes, lead.team).timestamp()
        due = self._due(lead, play.play.steps[number])
        self._add(lead, play, number, due, started_by=started_by)

    def _go_on(self, lead: LeadNow, run: LastRun, standing: StandingRow) -> None:
        """Keep a run going: its clock until somebody has called, its next step once one is done."""
        responded = lead.situation.news.responded
        if responded is None or responded < run.started_at:
            standing.sla_due = lead.sla_due
        progress = self._progress.get(run.id)
        if progress is None:
            return  # its step is scheduled
        if progress.busy:
            standing.reason = "Being sent"
            return
        play = play_version(run.play_id)
        number = self._first_allowed(lead, play, progress.last_step + 1)
        if number < len(play.play.steps):
            due = self._due(lead, play.play.steps[number])
            self._add(lead, play, number, due, run_id=run.id, after=progress.last_step)
            return
        self.changes.ends[run.id] = EndReason.FINISHED
        standing.sla_due = None
        standing.reason = choose_next(EndReason.FINISHED)

    def _due(self, lead: LeadNow, step: Step) -> Due:
        return step_due(self.now, step.wait, step.kind, lead.team, lead.window)

    def _add(
        self,
        lead: LeadNow,
        play: PublishedPlay,
        number: int,
        due: Due,
        *,
        run_id: int | None = None,
        started_by: str = "",
        after: int = -1,
    ) -> None:
        step = play.play.steps[number]
        refused = self._refused(lead)
        why = {refused[s.kind].reason for s in play.play.steps[after + 1 : number]}
        new = NewStep(
            lead_id=lead.id,
            run_id=run_id,
            play_id=play.id,
            # A run begins after all that was known when it was decided on.
            started_at=max(self.now.timestamp(), lead.situation.news.exited or 0.0),
            started_by=started_by,
            number=number,
            kind=step.kind,
            assignee_id=lead.owner_id,
            due=due.at.timestamp(),
            held=HELD if step.kind == StepKind.EMAIL else "",
            outside_team_hours=due.outside_team_hours,
            left_out=" ".join(sorted(why)),
        )
        self.changes.steps.append(new)
        self._new.append((new, step, lead))
