"""Keeps what the rows of a chunk say about being called and written to.

A refusal always counts. An agreement does so where nothing else was said, or where the file dates
it later than the refusal: an old list that says yes does not undo what was said last week.
"""

import datetime as dt
from collections import Counter, defaultdict
from typing import Any

from core.clock import DatabaseNow, now
from core.decisions import ALLOWED
from intake.changing import Changes
from intake.chunks import ROWS, Chunk, Matched
from intake.models import Import, RejectedRow
from intake.staging import write_rejections
from leads.consent import UNASKED, Channel, ConsentSource, ConsentState
from leads.models import Consent, Lead, Suppression
from leads.selectors import refused_contact
from leads.services import ConsentInput, suppress, write_consents
from scoring.models import Standing
from scoring.rescoring import lock

Word = tuple[str, dt.datetime]  # state, and when it was said


def list_refusals(chunk: Chunk, matched: Matched) -> int:
    """Of a file that says only who refuses: put numbers and addresses of nobody here on the list,
    instead of making leads that nobody could contact. Return how many rows did; they count as
    unchanged.
    """
    if not chunk.mapping.is_list_of_refusals:
        return 0
    rows = chunk.query(
        f"""
        DELETE FROM import_match m USING {ROWS} c
        WHERE c.imported_id = %(import)s AND c.row_no = m.row_no AND m.is_new
          AND (c.phone <> '' OR c.email <> '')
          AND (c.phone = '' OR c.consent_call = %(withdrawn)s)
          AND (c.email = '' OR c.consent_email = %(withdrawn)s)
        RETURNING m.lead_id, c.consent_call, c.phone, c.consent_email, c.email
        """,
        withdrawn=ConsentState.WITHDRAWN,
    )
    gone = {lead_id for lead_id, *_ in rows}
    keep = len(matched.new) - len(rows)  # in a dry run none of them has an id of its own
    ids = matched.new if chunk.dry_run else [pk for pk in matched.new if pk not in gone]
    matched.new = ids[:keep]
    if not chunk.dry_run:
        # The moment names the import, by which an undo finds them again.
        since = chunk.imported.created_at
        suppress(
            (address, ConsentSource.IMPORT, since)
            for _, call, phone, mail, email in rows
            for state, address in ((call, phone), (mail, email))
            if state and address
        )
    return len(rows)


def unlist_refusals(imported: Import) -> None:
    """Take off the list what `list_refusals` put there for nothing else."""
    reason, at = ConsentSource.IMPORT.label, imported.created_at
    Suppression.objects.filter(reason=reason, at=at).delete()


def keep_consents(chunk: Chunk) -> tuple[Changes, Counter[str]]:
    """Write the words of a chunk's rows, each as a consent; return what changed of leads that
    exist, or in a dry run would, and how many words of each kind there were. An agreement that
    does not count is reported with its row.
    """
    changes: Changes = defaultdict(dict)
    counts: Counter[str] = Counter()
    if not chunk.mapping.consents:
        return changes, counts
    rows: list[tuple[Any, ...]] = chunk.query(
        f"""
        SELECT m.row_no, m.lead_id, m.is_new, c.consent_at, c.consent_call, c.consent_email
        FROM import_match m JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
        WHERE c.consent_call <> '' OR c.consent_email <> '' ORDER BY m.row_no
        """
    )
    ids = sorted({lead_id for _, lead_id, *_ in rows})
    if not chunk.dry_run:
        lock(ids)
    known, refused, moment = _newest(ids), refused_contact(ids), now()
    leads = Lead.objects.in_bulk(ids)
    headers = {column.channel: column.header for column in chunk.mapping.consents}
    words: list[tuple[Lead, ConsentInput]] = []
    rejected = []
    for row_no, lead_id, is_new, at, *states in rows:
        for channel, state in zip((Channel.CALL, Channel.EMAIL), states, strict=True):
            if not state:
                continue
            key = lead_id, channel.value
            before = known.get(key)
            decision = refused.get(lead_id, {}).get(channel, ALLOWED)
            if before is not None and (before[0] == state or (at and at <= before[1])):
                if before[0] != state and state == ConsentState.GRANTED:
                    rejected.append((row_no, channel, decision.reason))
                continue
            undated = state == ConsentState.GRANTED and at is None
            if undated and not decision and decision.reason != UNASKED:
                rejected.append((row_no, channel, decision.reason))
                continue
            counts[f"consents_{state}"] += 1
            if not is_new:
                changes[lead_id][f"consent.{channel}"] = [before[0] if before else None, state]
            if not chunk.dry_run:
                wording = f"Column “{headers[channel]}” of {chunk.imported.file_name}"[:500]
                said = ConsentInput(channel, state, ConsentSource.IMPORT, wording, at)
                words.append((leads[lead_id], said))
                known[key] = state, at or moment
    _report(chunk, rejected)
    if words:
        by = chunk.imported.created_by
        write_consents(words, by=by, data={"import": chunk.imported.pk})
        Standing.objects.filter(pk__in=list(changes), unplanned_at=None).update(
            unplanned_at=DatabaseNow()
        )
    return changes, counts


def _newest(lead_ids: list[int]) -> dict[tuple[int, str], Word]:
    """Return the newest word of each lead about each channel."""
    newest = (
        Consent.objects.filter(lead__in=lead_ids)
        .order_by("lead", "channel", "-at", "-id")
        .distinct("lead", "channel")
    )
    return {(c.lead_id, c.channel): (c.state, c.at) for c in newest}


def _report(chunk: Chunk, rejected: list[tuple[int, Channel, str]]) -> None:
    """Say which agreements do not count."""
    write_rejections(
        chunk.imported.pk,
        RejectedRow.Step.WRITE,
        (
            (row_no, f"consent.{channel}", "refused_before", f"does not count: {reason}", "", False)
            for row_no, channel, reason in rejected
        ),
    )
