"""The triggers by which news on a lead's timeline, and a setting, change what is planned.

The one on activities runs in the writer's transaction and set by set (see scoring.triggers): from
the commit of a reply, a booked meeting, an opt-out or a hand-raise on, no step of the run that it
ends may be begun. Everything else is left to planning, for which the standing is marked.
"""

import pgtrigger

from accounts.models import Workspace
from followups.definitions import Exit
from followups.runs import EndReason
from leads.activities import CONTACT, Kind
from leads.models import Activity
from scoring.triggers import IDS, lock_standings, planned_anew, select_ids

# What ends a run when its play names the exit, and a hand-raise, which starts its play anew.
_EXITS = {
    Kind.EMAIL_REPLIED: Exit.REPLY,
    Kind.MEETING_BOOKED: Exit.MEETING_BOOKED,
    Kind.UNSUBSCRIBED: Exit.OPT_OUT,
    Kind.HAND_RAISED: EndReason.HAND_RAISED,
}
_KINDS = sorted({*_EXITS, *CONTACT, Kind.CALL_ATTEMPTED})
# A transaction that began before the run did may commit after it; older news is history that was
# brought in late, and ends nothing.
_SPAN = "interval '1 minute'"


def _kinds(kinds: list[Kind]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


REASONS = ", ".join(f"('{kind}', '{reason}')" for kind, reason in _EXITS.items())


# What one firing does, one after the other.
_END = f"""
    WITH exits AS (
        SELECT DISTINCT ON (n.lead_id) o.id, e.reason
        FROM new_rows n
        JOIN (VALUES {REASONS}) AS e(kind, reason) ON e.kind = n.kind
        JOIN followups_run o ON o.lead_id = n.lead_id AND o.ended_at IS NULL
        JOIN followups_playversion p ON p.id = o.play_version_id
        WHERE n.at > o.started_at - {_SPAN}
          AND (p.definition->'exits' ? e.reason OR e.reason = '{EndReason.HAND_RAISED}')
        ORDER BY n.lead_id, n.at DESC, n.id DESC
    ), ended AS (
        UPDATE followups_run r SET ended_at = leadqual_now(), end_reason = exits.reason
        FROM exits WHERE r.id = exits.id RETURNING r.id
    )
    UPDATE followups_followup f SET state = 'cancelled', ended_at = leadqual_now()
    FROM ended WHERE f.run_id = ended.id AND f.state = 'scheduled'
"""
_CHANGED = f"""
    SELECT n.lead_id FROM new_rows n
    WHERE n.kind IN ({_kinds(_KINDS)}) AND (
        n.kind = '{Kind.HAND_RAISED}'
        OR n.kind IN ({_kinds(sorted(CONTACT))})
            AND (SELECT l.contacted_at IS NULL FROM leads_lead l WHERE l.id = n.lead_id)
        OR EXISTS (SELECT FROM followups_run r WHERE r.lead_id = n.lead_id)
    )
"""
_CHANGE = """
    UPDATE scoring_standing s
    SET unplanned_at = coalesce(s.unplanned_at, leadqual_now())
    WHERE s.lead_id = ANY($1)
"""


class ActivityPlans(Activity):
    """Activity, as what ends runs, stops clocks and makes a lead contacted."""

    class Meta:
        proxy = True
        triggers = [
            pgtrigger.Trigger(
                # Triggers fire in the order of their names: before scoring's `counts_engagement`,
                # so that this one's lock covers all leads of the statement, in the order of ids.
                name="changes_plans",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_rows"),
                declare=IDS,
                func=f"""
                IF NOT EXISTS (SELECT FROM new_rows WHERE kind IN ({_kinds(_KINDS)})) THEN
                    RETURN NULL;
                END IF;
                -- First the locks. What is read in the next statements is what the last planner
                -- has committed, so no run that it just started is missed.
                {lock_standings("SELECT lead_id FROM new_rows")}
                {planned_anew(_END)}
                -- History of leads that were never planned changes nothing here.
                {select_ids(_CHANGED)}
                {planned_anew(_CHANGE, "ids")}
                RETURN NULL;
                """,
            )
        ]


class WorkspacePlans(Workspace):
    """The workspace, as what decides whether consumers may be called without having agreed."""

    class Meta:
        proxy = True
        triggers = [
            pgtrigger.Trigger(
                name="changes_plans",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.consumers_must_agree <> NEW.consumers_must_agree"
                ),
                func="""
                PERFORM FROM scoring_standing WHERE is_open ORDER BY lead_id FOR NO KEY UPDATE;
                UPDATE scoring_standing s
                SET unplanned_at = coalesce(s.unplanned_at, leadqual_now())
                FROM leads_lead l WHERE l.id = s.lead_id AND l.kind = 'b2c' AND s.is_open;
                RETURN NULL;
                """,
            )
        ]
