"""What must always hold of runs and follow-ups (manage.py verify_invariants).

A standing with a mark waits for planning, so only leads without one are judged.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import connection

from core.invariants import invariant
from followups.control import chosen
from followups.triggers import REASONS
from leads.selectors import refused_contact

CHUNK = 5_000  # leads whose consent is read at once


def _rows(query: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        yield from cursor


@invariant("followups.one_open_run")
def one_open_run() -> Iterator[str]:
    """A lead has at most one open run."""
    for lead_id, count in _rows(
        "SELECT lead_id, count(*) FROM followups_run WHERE ended_at IS NULL "
        "GROUP BY lead_id HAVING count(*) > 1"
    ):
        yield f"lead {lead_id} has {count} open runs"


@invariant("followups.no_run_after_the_end")
def no_run_after_the_end() -> Iterator[str]:
    """No run is open on a lead that is closed or disqualified."""
    for lead_id, run_id in _rows(
        """
        SELECT r.lead_id, r.id FROM followups_run r JOIN scoring_standing s USING (lead_id)
        WHERE r.ended_at IS NULL AND s.unplanned_at IS NULL
          AND (NOT s.is_open OR s.state = 'disqualified')
        ORDER BY r.lead_id
        """
    ):
        yield f"lead {lead_id} is closed or disqualified and its run {run_id} is open"


@invariant("followups.no_run_after_an_exit")
def no_run_after_an_exit() -> Iterator[str]:
    """No run is open that an exit of its play has ended since it began."""
    for lead_id, run_id, kind in _rows(
        f"""
        SELECT DISTINCT r.lead_id, r.id, a.kind
        FROM followups_run r
        JOIN scoring_standing s USING (lead_id)
        JOIN followups_playversion p ON p.id = r.play_version_id
        JOIN leads_activity a ON a.lead_id = r.lead_id
            AND a.at > r.started_at AND a.recorded_at > r.started_at
        JOIN (VALUES {REASONS}) AS e(kind, reason) ON e.kind = a.kind
        WHERE r.ended_at IS NULL AND s.unplanned_at IS NULL
          AND (p.definition->'exits' ? e.reason OR e.reason = 'hand_raised')
        ORDER BY r.lead_id
        """
    ):
        yield f"lead {lead_id} had {kind} since its run {run_id} began, which is open"


@invariant("followups.open_leads_have_a_next_step")
def open_leads_have_a_next_step() -> Iterator[str]:
    """Every open lead that has a score has a next step or a written reason why not."""
    for (lead_id,) in _rows(
        """
        SELECT lead_id FROM scoring_standing
        WHERE is_open AND state <> 'unscored' AND unplanned_at IS NULL AND next_step = ''
        ORDER BY lead_id
        """
    ):
        yield f"lead {lead_id} has neither a next step nor a reason why not"


@invariant("followups.standings_show_the_next_step")
def standings_show_the_next_step() -> Iterator[str]:
    """A standing's next_due_at is that of the lead's earliest follow-up that is not held back."""
    for lead_id, shown, earliest in _rows(
        """
        SELECT s.lead_id, s.next_due_at, f.due_at
        FROM scoring_standing s
        LEFT JOIN (
            SELECT lead_id, min(due_at) AS due_at FROM followups_followup
            WHERE state = 'scheduled' AND NOT (kind = 'call' AND held <> '') GROUP BY lead_id
        ) f USING (lead_id)
        WHERE s.unplanned_at IS NULL AND s.next_due_at IS DISTINCT FROM f.due_at
        ORDER BY s.lead_id
        """
    ):
        yield f"lead {lead_id} shows a step at {shown}, its earliest is at {earliest}"


@invariant("followups.nobody_is_told_to_dial_who_refused")
def nobody_is_told_to_dial_who_refused() -> Iterator[str]:
    """No call or e-mail is due for a lead that may not be contacted that way."""
    due = _rows(
        """
        SELECT lead_id, id, kind FROM followups_followup f JOIN scoring_standing s USING (lead_id)
        WHERE f.state = 'scheduled' AND s.unplanned_at IS NULL
          AND (f.kind = 'call' AND f.held = '' OR f.kind = 'email')
        ORDER BY lead_id
        """
    )
    while chunk := list(islice(due, CHUNK)):
        refusals = refused_contact([lead_id for lead_id, _, _ in chunk])
        for lead_id, number, kind in chunk:
            if kind in refusals.get(lead_id, {}):
                reason = refusals[lead_id][kind].reason
                yield f"the {kind} {number} is due for lead {lead_id}, which is refused: {reason}"


@invariant("followups.one_step_at_a_time")
def one_step_at_a_time() -> Iterator[str]:
    """A run has one scheduled step while it is open, and none once it has ended."""
    for run_id, lead_id, count, ended in _rows(
        """
        SELECT r.id, r.lead_id, count(f.id), r.ended_at IS NOT NULL
        FROM followups_run r
        JOIN followups_followup f ON f.run_id = r.id AND f.state = 'scheduled'
        JOIN scoring_standing s ON s.lead_id = r.lead_id
        WHERE s.unplanned_at IS NULL
        GROUP BY r.id HAVING count(f.id) > CASE WHEN r.ended_at IS NULL THEN 1 ELSE 0 END
        ORDER BY r.lead_id
        """
    ):
        state = "ended" if ended else "open"
        yield f"the {state} run {run_id} of lead {lead_id} has {count} scheduled steps"


@invariant("followups.reminders_end_with_their_call")
def reminders_end_with_their_call() -> Iterator[str]:
    """Nobody is told to remind of a booked call that is over, or after its time was moved ahead."""
    for lead_id, reminder, call in _rows(
        """
        SELECT r.lead_id, r.id, c.id FROM followups_followup r
        JOIN followups_followup c ON c.id = r.reminds_id
        WHERE r.state = 'scheduled' AND r.snoozed = 0
          AND (c.state <> 'scheduled' OR r.due_at >= c.due_at)
        ORDER BY r.lead_id
        """
    ):
        yield f"the reminder {reminder} of lead {lead_id} is not before its call {call}"


@invariant("followups.clocks_run_with_runs")
def clocks_run_with_runs() -> Iterator[str]:
    """A clock runs only on a lead with an open run."""
    for (lead_id,) in _rows(
        """
        SELECT s.lead_id FROM scoring_standing s
        WHERE s.sla_due_at IS NOT NULL AND s.unplanned_at IS NULL AND NOT EXISTS (
            SELECT FROM followups_run r WHERE r.lead_id = s.lead_id AND r.ended_at IS NULL)
        ORDER BY s.lead_id
        """
    ):
        yield f"lead {lead_id} has a running clock and no open run"


@invariant("followups.control_group_is_cold_and_chosen")
def control_group_is_cold_and_chosen() -> Iterator[str]:
    """Whoever is in the control group is open, cold, not disqualified, and chosen by the seed."""
    for lead_id, seed, share, fine in _rows(
        """
        SELECT m.lead_id, c.seed, c.share, s.is_open AND s.state = 'scored' AND s.tier = 'cold'
        FROM followups_controlmember m
        JOIN followups_controlsetting c ON c.id = m.setting_id
        JOIN scoring_standing s ON s.lead_id = m.lead_id
        WHERE m.left_at IS NULL AND s.unplanned_at IS NULL
        ORDER BY m.lead_id
        """
    ):
        if not fine:
            yield f"lead {lead_id} is in the control group and not an open, cold lead"
        if not chosen(lead_id, seed, share):
            yield f"lead {lead_id} is in the control group and not chosen by seed {seed}"
