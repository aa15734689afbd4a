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


def planned_anew(statement: str, values: str = "") -> str:
    """SQL of a trigger that runs `statement` by a plan of its own each time, with the variables
    `values` as its $1, $2 ….

    A session keeps the plans of its triggers. One that was made for few rows joins all rows of a
    later statement with all rows of a table.
    """
    return f"EXECUTE $statement${statement}$statement$" + (f" USING {values};" if values else ";")


# Which rows of standings a trigger writes is told by the ids as values, never by a join. Where the
# statistics of a table are wrong (a new one, or one that keeps the pages of deleted rows) joins may
# take each row of it for each row of the other; ids are looked up, or cost one pass.
IDS = [("ids", "bigint[]")]
_LOCK = planned_anew(
    "SELECT FROM scoring_standing WHERE lead_id = ANY($1) ORDER BY lead_id FOR NO KEY UPDATE",
    "ids",
)


def select_ids(leads: str) -> str:
    """SQL that sets the variable `ids` to the leads that the query `leads` selects."""
    return f"EXECUTE $statement$SELECT ARRAY({leads})$statement$ INTO ids;"


def lock_standings(leads: str) -> str:
    """SQL that does the same, and locks the standings of these leads in id order."""
    return select_ids(leads) + _LOCK


def _mark(leads: str) -> str:
    """SQL that marks the standings of the leads that the query `leads` selects."""
    return lock_standings(leads) + planned_anew(
        "UPDATE scoring_standing SET stale_at = coalesce(stale_at, leadqual_now()) "
        "WHERE lead_id = ANY($1)",
        "ids",
    )


def _after(
    name: str,
    operation: pgtrigger.Operation,
    rows: pgtrigger.Referencing,
    func: str,
    declare: list[tuple[str, str]] | None = IDS,
) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=rows,
        declare=declare,
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
                declare=None,
            ),
            _after(
                "marks_standing",
                pgtrigger.Update,
                _BOTH,
                lock_standings(
                    f"""
                    SELECT n.id FROM new_rows n JOIN old_rows o USING (id)
                    WHERE to_jsonb(n) - {_NOT_FACTS} IS DISTINCT FROM to_jsonb(o) - {_NOT_FACTS}
                    """
                )
                + planned_anew(
                    """
                    UPDATE scoring_standing s
                    SET (owner_id, team_id, stage, stale_at, unplanned_at) = (
                        SELECT l.owner_id, l.team_id, l.stage,
                               coalesce(s.stale_at, leadqual_now()),
                               CASE WHEN (s.stage, s.owner_id)
                                   IS DISTINCT FROM (l.stage, l.owner_id)
                               THEN coalesce(s.unplanned_at, leadqual_now()) ELSE s.unplanned_at END
                        FROM leads_lead l WHERE l.id = s.lead_id
                    )
                    WHERE s.lead_id = ANY($1)
                    """,
                    "ids",
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
