"""Statement-level triggers by which a change of facts marks its leads' standings stale.

They run in the writer's transaction and work set by set, so no path (service, bulk COPY, admin,
SQL prompt) can change a fact without leaving the mark. Declared on proxies, since the tables
belong to apps below. Standings are locked in id order, which is the order of every other locker.

The mark is written even where one stands already: a rescore that holds the row may be about to
clear it, and then the writer waits for that commit and marks again (docs/adr/0004).
"""

import pgtrigger

from leads.models import Activity, Company, Lead, Outcome
from scoring.models import Evidence

_NEW = pgtrigger.Referencing(new="new_rows")
_OLD = pgtrigger.Referencing(old="old_rows")
_BOTH = pgtrigger.Referencing(old="old_rows", new="new_rows")


def planned_anew(statement: str) -> str:
    """SQL of a trigger that runs `statement` by a plan of its own each time.

    A session keeps the plans of its triggers. One that was made for an empty table joins all rows
    of a later statement with all rows of the table, as often as it joins them.
    """
    return f"EXECUTE $statement${statement}$statement$;"


def _mark(leads: str) -> str:
    """SQL that marks the standings of the leads that the sub-query `leads` names."""
    return planned_anew(
        f"""
        UPDATE scoring_standing s SET stale_at = coalesce(s.stale_at, leadqual_now())
        FROM (
            SELECT lead_id FROM scoring_standing WHERE lead_id IN ({leads})
            ORDER BY lead_id FOR NO KEY UPDATE
        ) locked
        WHERE s.lead_id = locked.lead_id
        """
    )


def _after(
    name: str, operation: pgtrigger.Operation, rows: pgtrigger.Referencing, func: str
) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=rows,
        func=func + " RETURN NULL;",
    )


# Columns of a lead that no score and no repeated column depends on.
_NOT_FACTS = "ARRAY['version', 'contacted_at', 'first_touch', 'last_touch', 'last_touch_at']"


class LeadFacts(Lead):
    """Lead, as the source of facts and of the columns that standings repeat."""

    class Meta:
        proxy = True
        triggers = [
            _after(
                "inserts_standing",
                pgtrigger.Insert,
                _NEW,
                """
                INSERT INTO scoring_standing (lead_id, owner_id, team_id, stage, stale_at)
                SELECT id, owner_id, team_id, stage, leadqual_now() FROM new_rows ORDER BY id;
                """,
            ),
            _after(
                "marks_standing",
                pgtrigger.Update,
                _BOTH,
                planned_anew(
                    f"""
                    UPDATE scoring_standing s SET
                        owner_id = changed.owner_id, team_id = changed.team_id,
                        stage = changed.stage,
                        stale_at = coalesce(s.stale_at, leadqual_now()),
                        unplanned_at = CASE
                            WHEN (s.stage, s.owner_id)
                                IS DISTINCT FROM (changed.stage, changed.owner_id)
                            THEN coalesce(s.unplanned_at, leadqual_now()) ELSE s.unplanned_at END
                    FROM (
                        SELECT n.id, n.owner_id, n.team_id, n.stage
                        FROM new_rows n JOIN old_rows o USING (id)
                        JOIN scoring_standing l ON l.lead_id = n.id
                        WHERE to_jsonb(n) - {_NOT_FACTS} IS DISTINCT FROM to_jsonb(o) - {_NOT_FACTS}
                        ORDER BY n.id FOR NO KEY UPDATE OF l
                    ) changed
                    WHERE s.lead_id = changed.id
                    """
                ),
            ),
        ]


class CompanyFacts(Company):
    """Company, as the source of its leads' firmographics."""

    class Meta:
        proxy = True
        triggers = [
            _after(
                "marks_standings",
                pgtrigger.Update,
                _BOTH,
                _mark(
                    """
                    SELECT l.id FROM new_rows n JOIN old_rows o USING (id)
                    JOIN leads_lead l ON l.company_id = n.id
                    WHERE (n.industry, n.country, n.employees, n.revenue_minor)
                        IS DISTINCT FROM (o.industry, o.country, o.employees, o.revenue_minor)
                    """
                ),
            )
        ]


def _marks_own_lead() -> list[pgtrigger.Trigger]:
    """Triggers of a table whose every row is a fact of the lead that it names."""
    new, old = _mark("SELECT lead_id FROM new_rows"), _mark("SELECT lead_id FROM old_rows")
    return [
        _after("marks_standing_on_insert", pgtrigger.Insert, _NEW, new),
        _after("marks_standing_on_update", pgtrigger.Update, _NEW, new),
        _after("marks_standing_on_delete", pgtrigger.Delete, _OLD, old),
    ]


class OutcomeFacts(Outcome):
    """Outcome: closes a round and asks for its snapshot."""

    class Meta:
        proxy = True
        triggers = _marks_own_lead()


class EvidenceFacts(Evidence):
    """Evidence: the ratings of a lead's criteria."""

    class Meta:
        proxy = True
        triggers = _marks_own_lead()


# 2^−500 is nothing, and PostgreSQL raises on an underflowing power().
_DECAYED = (
    "power(2.0, greatest(-500.0, -extract(epoch FROM ({later}) - ({earlier})) / 86400.0 / {h}))"
)


def weight(later: str, earlier: str, half_life: str) -> str:
    """SQL for what one event counts after the time from `earlier` to `later`."""
    decayed = _DECAYED.format(later=later, earlier=earlier, h=half_life)
    return f"CASE WHEN {half_life} = 0 THEN 1.0 ELSE {decayed} END"


Pair = tuple[str, int]  # activity kind, half-life in days (0: no decay)


def engagement_rows(activities: str, signals: str = "scoring_engagementsignal") -> str:
    """SQL that counts the rows of `activities` into one engagement row per lead, kind, half-life.

    The trigger runs it on the rows being inserted, a recount on all rows of some leads.
    """
    return f"""
        SELECT lead_id, kind, half_life_days,
               sum({weight("last_at", "at", "half_life_days")}) AS value, last_at AS as_of, last_at
        FROM (
            SELECT a.lead_id, a.kind, e.half_life_days, a.at,
                   max(a.at) OVER (PARTITION BY a.lead_id, a.kind) AS last_at
            FROM {activities} a JOIN {signals} e ON e.kind = a.kind
        ) counted
        GROUP BY lead_id, kind, half_life_days, last_at
    """


_LATEST = "greatest(e.as_of, excluded.as_of)"


class ActivityFacts(Activity):
    """Activity: what is counted as engagement. Other kinds change no fact and mark nothing."""

    class Meta:
        proxy = True
        triggers = [
            _after(
                "counts_engagement",
                pgtrigger.Insert,
                _NEW,
                f"""
                INSERT INTO scoring_engagement AS e
                    (lead_id, kind, half_life_days, value, as_of, last_at)
                {engagement_rows("new_rows")}
                ORDER BY lead_id, kind, half_life_days
                ON CONFLICT (lead_id, kind, half_life_days) DO UPDATE SET
                    value = e.value * ({weight(_LATEST, "e.as_of", "e.half_life_days")})
                        + excluded.value
                        * ({weight(_LATEST, "excluded.as_of", "e.half_life_days")}),
                    as_of = greatest(e.as_of, excluded.as_of),
                    last_at = greatest(e.last_at, excluded.last_at);
                """
                + _mark(
                    """
                    SELECT n.lead_id FROM new_rows n
                    WHERE n.kind IN (SELECT kind FROM scoring_engagementsignal)
                    """
                ),
            )
        ]
