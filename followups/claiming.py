"""Claiming what a machine has to do: due e-mails.

Nothing here delivers. A sender claims rows, commits, and begins each by a guarded update of its
state; until delivery is set up, what comes due is held with that reason and shown, never sent.
"""

from django.db import connection

HELD = "delivery not set up"  # why an e-mail waits

# Every condition of the partial index `followup_due`, so a tick with nothing due reads one page of
# it, however many are pending. MATERIALIZED: a planner that ran the sub-select again would claim
# more than the limit. SKIP LOCKED: no two processes get the same row, and none waits.
_DUE = """
    WITH due AS MATERIALIZED (
        SELECT id FROM followups_followup
        WHERE state = 'scheduled' AND kind = 'email' AND held = '' AND due_at <= leadqual_now()
        ORDER BY due_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE followups_followup f SET {change} FROM due WHERE f.id = due.id RETURNING f.id
"""


def claim_due(limit: int = 500) -> list[int]:
    """Claim up to `limit` due e-mails for this process, the longest due first; return their ids.

    They are the caller's once its transaction has committed; rolled back, they are free again.
    """
    return _take("state = 'claimed', claimed_at = leadqual_now(), attempts = f.attempts + 1", limit)


def hold_due(limit: int = 500) -> int:
    """Hold up to `limit` due e-mails, since nothing delivers them; return how many."""
    return len(_take(f"held = '{HELD}'", limit))


def _take(change: str, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE.format(change=change), [limit])
        return sorted(row[0] for row in cursor.fetchall())
