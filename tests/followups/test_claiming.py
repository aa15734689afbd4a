"""What a machine has to do is claimed once, whoever asks, and is cheap while nothing is due."""

import datetime as dt
from collections import Counter

import pytest
from django.db import connection, transaction

from core.clock import now
from core.sweeps import run_sweep
from followups import claiming
from followups.models import Followup
from leads.models import Lead
from tests.threads import in_threads

HOUR = dt.timedelta(hours=1)


def emails(lead: Lead, number: int, due_at: dt.datetime, **fields) -> list[Followup]:
    return Followup.objects.bulk_create(
        Followup(lead=lead, kind="email", title="Write", due_at=due_at, **fields)
        for _ in range(number)
    )


@pytest.mark.django_db
def test_due_emails_are_claimed_the_longest_due_first(lead):
    (later,) = emails(lead, 1, now() - HOUR)
    (earlier,) = emails(lead, 1, now() - 2 * HOUR)
    assert claiming.claim_due(limit=1) == [earlier.pk]
    earlier.refresh_from_db()
    assert (earlier.state, earlier.attempts) == ("claimed", 1)
    assert earlier.claimed_at is not None
    assert claiming.claim_due() == [later.pk]
    assert claiming.claim_due() == []


@pytest.mark.django_db
def test_what_is_not_due_or_held_or_a_persons_is_left(lead):
    emails(lead, 1, now() + HOUR)
    emails(lead, 1, now() - HOUR, held="delivery not set up")
    emails(lead, 1, now() - HOUR, state="cancelled")
    Followup.objects.create(lead=lead, kind="call", title="Call", due_at=now() - HOUR)
    assert claiming.claim_due() == []


@pytest.mark.django_db
def test_what_comes_due_without_delivery_is_held_and_stays_scheduled(lead):
    (due,) = emails(lead, 1, now() - HOUR)
    assert run_sweep("followups.release") == 1
    due.refresh_from_db()
    assert (due.state, due.held) == ("scheduled", "delivery not set up")
    assert run_sweep("followups.release") == 0


@pytest.mark.django_db
def test_a_claim_that_is_rolled_back_is_free_again(lead):
    emails(lead, 3, now() - HOUR)
    with transaction.atomic():
        assert len(claiming.claim_due()) == 3
        transaction.set_rollback(True)
    assert len(claiming.claim_due()) == 3


@pytest.mark.django_db
def test_a_tick_reads_the_index_of_what_is_due_only(lead):
    emails(lead, 3_000, now() + 100 * HOUR)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE followups_followup")
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
            + claiming._DUE.format(change="held = 'x'"),
            [500],
        )
        plan = cursor.fetchone()[0][0]["Plan"]
    text = str(plan)
    assert "followup_due" in text
    assert "Seq Scan" not in text
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20


def _claim_until_none() -> list[int]:
    found: list[int] = []
    while claimed := claiming.claim_due(limit=37):
        found += claimed
    return found


@pytest.mark.django_db(transaction=True)
def test_four_workers_claim_every_row_and_none_twice(lead):
    made = {followup.pk for followup in emails(lead, 2_000, now() - HOUR)}
    claimed = in_threads(*[_claim_until_none] * 4)
    counts = Counter(pk for batch in claimed for pk in batch)
    assert set(counts) == made
    assert set(counts.values()) == {1}
    assert sum(1 for batch in claimed if batch) > 1  # more than one worker had a share
