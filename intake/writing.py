"""Writes one chunk of an import: matches, new leads, changed leads, scores; one transaction.

Every step is one statement over the whole chunk. Whoever meets another importer's identity waits
for the other's commit, finds the row there, and begins again with a new match.
"""

import time
from collections import Counter

from django.db import DataError, IntegrityError, transaction

from intake.changing import change, note
from intake.chunks import ROWS, Chunk, Matched, Overtaken
from intake.consents import keep_consents, list_refusals
from intake.creating import create
from intake.matching import match
from scoring.rescoring import rescore

_ATTEMPTS = 5  # at a match that other importers keep overtaking
# The planner knows nothing of a new temporary table and would read whole tables of leads to find
# those of one chunk. Scoring plans for itself.
_BY_INDEX = {
    "enable_seqscan": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
}
_GROWING = ("leads_company", "leads_identity", "leads_lead", "scoring_evidence", "scoring_standing")
MOST_REFUSED = 10  # rows of a chunk that the database may refuse


def write_chunk(chunk: Chunk) -> Counter[str]:
    """Write the rows of a chunk and score their leads; return counts.

    A dry run does everything up to the writing. A row that the database refuses is found by
    halving the chunk, and rejected alone; when there are many, the fault is not theirs.
    """
    return _write_or_halve(chunk, [])


def _write_or_halve(chunk: Chunk, refused: list[int]) -> Counter[str]:
    try:
        with transaction.atomic():
            return _attempt(chunk)
    except (DataError, IntegrityError) as error:
        if chunk.last - chunk.first == 1:
            refused.append(chunk.first)
            if len(refused) > MOST_REFUSED:
                raise
            reason = f"was refused by the database: {str(error).splitlines()[0][:200]}"
            chunk.reject({chunk.first: ("refused_by_database", reason)})
            return Counter(rejected=1, done=1)
    middle = (chunk.first + chunk.last) // 2
    counts = _write_or_halve(chunk.part(chunk.first, middle, chunk.offset), refused)
    offset = chunk.offset + counts["created"]
    return counts + _write_or_halve(chunk.part(middle, chunk.last, offset), refused)


def _attempt(chunk: Chunk) -> Counter[str]:
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                return _write(chunk)
        except Overtaken:
            continue
    raise Overtaken("other importers keep writing the same leads")


def _write(chunk: Chunk) -> Counter[str]:
    started = time.perf_counter()
    _tell_sizes(chunk)
    for setting, value in _BY_INDEX.items():
        chunk.query(f"SET LOCAL {setting} = {value}")
    matched = match(chunk)
    listed = list_refusals(chunk, matched)
    found = time.perf_counter()
    if not chunk.dry_run:
        create(chunk, matched)
    changes = change(chunk, matched)
    said, words = keep_consents(chunk)
    for lead_id, pairs in said.items():
        changes[lead_id] |= pairs
    written = time.perf_counter()
    counts = Counter(
        created=len(matched.new),
        updated=len(changes),
        unchanged=matched.rows - len(matched.new) - len(changes),
        rejected=matched.rejected,
        done=matched.rows + matched.rejected,
        ms_match=round(1000 * (found - started)),
        ms_write=round(1000 * (written - found)),
        listed=listed,
        **words,
    )
    if not chunk.dry_run:
        note(chunk, matched, changes)
        for setting in _BY_INDEX:
            chunk.query(f"SET LOCAL {setting} TO DEFAULT")
        counts["scored"] = rescore([*matched.new, *changes])
        counts += _tiers(chunk, matched)
        _finish(chunk)
        counts["ms_score"] = round(1000 * (time.perf_counter() - written))
    return counts


def _tell_sizes(chunk: Chunk) -> None:
    """Let the database count its rows anew where it knows of far fewer leads than this import has
    made: joins planned for hardly any row take each lead for each row of the chunk.

    So it is for up to a minute, until autovacuum comes, in tables that keep the pages of many
    deleted rows. Of those that are new it makes a fair guess.
    """
    outgrown = chunk.offset and chunk.query(
        """
        SELECT 1 FROM pg_class WHERE oid = 'leads_lead'::regclass AND relpages > 0
        AND reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::int
            < %(made)s / 2
        """,
        made=chunk.offset,
    )
    if outgrown:
        chunk.query(f"ANALYZE (SKIP_LOCKED) {', '.join(_GROWING)}")


def _tiers(chunk: Chunk, matched: Matched) -> Counter[str]:
    """Count the leads of the chunk's rows by tier ('' for those that have none)."""
    return Counter(
        {
            f"tier_{tier}": count
            for tier, count in chunk.query(
                "SELECT tier, count(*) FROM scoring_standing WHERE lead_id = ANY(%(ids)s) "
                "GROUP BY tier",
                ids=[*matched.new, *matched.row_of],
            )
        }
    )


def _finish(chunk: Chunk) -> None:
    """Remove the checked rows, which are leads now, and check foreign keys here: at the commit
    the job's row is locked, and other processes would wait for the check.
    """
    chunk.query(
        f"DELETE FROM {ROWS} WHERE imported_id = %(import)s "
        "AND row_no >= %(first)s AND row_no < %(last)s",
        first=chunk.first,
        last=chunk.last,
    )
    chunk.query("SET CONSTRAINTS ALL IMMEDIATE")
    chunk.query("SET CONSTRAINTS ALL DEFERRED")  # another part may follow in this transaction
