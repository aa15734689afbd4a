"""Who may be contacted: the newest word counts, and the list of numbers outlives the lead."""

import datetime as dt
import hashlib
import hmac

import pytest

from accounts.models import User, Workspace
from core.clock import now
from core.errors import Forbidden, Invalid
from leads.activities import Kind
from leads.consent import UNASKED, Channel, Word, address_hash, decide, hash_pads
from leads.models import Activity, Consent, Lead, Suppression
from leads.selectors import consents_of, may_contact, refused_contact
from leads.services import ConsentInput, record_activity, record_consent
from tests import factories

MONDAY = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
LATER = MONDAY + dt.timedelta(days=1)
_LISTED = "This number is on the list of numbers not to be called."


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (Word("call"), ""),
        (Word("call", must_agree=True), UNASKED),
        (Word("call", "granted", MONDAY, must_agree=True), ""),
        (Word("call", "withdrawn", MONDAY), "Asked on 23 Nov 2026 not to be called."),
        (Word("email", "withdrawn", MONDAY), "Asked on 23 Nov 2026 not to be written to."),
        (Word("call", suppressed_at=MONDAY), _LISTED),
        (Word("call", "granted", MONDAY, LATER), _LISTED),
        (Word("call", "granted", LATER, MONDAY), ""),
    ],
)
def test_the_newest_word_counts(word: Word, reason: str) -> None:
    decision = decide(word)
    assert (decision.allowed, decision.reason) == (not reason, reason)


def test_the_hash_that_sql_computes_is_hmac_sha256() -> None:
    key, text = bytes(range(32)), "+4930123456"
    pads = hash_pads(key)
    inner = hashlib.sha256(pads.inner + text.encode()).digest()
    assert hashlib.sha256(pads.outer + inner).digest() == address_hash(key, text)
    assert address_hash(key, text) == hmac.new(key, text.encode(), hashlib.sha256).digest()


def test_a_refusal_bars_the_number_also_after_the_lead_is_gone(rep: User) -> None:
    lead = factories.make_lead(owner=rep, phone="+4930123456")
    record_consent(lead, ConsentInput(Channel.CALL, "withdrawn", wording="“Never again.”"), by=rep)
    assert may_contact(lead.pk, Channel.CALL).reason.startswith("Asked on")
    assert may_contact(lead.pk, Channel.EMAIL)
    said = Activity.objects.get(lead=lead, kind=Kind.CONSENT_WITHDRAWN)
    assert (said.data["text"], said.actor) == ("“Never again.”", rep)
    assert b"4930" not in bytes(Suppression.objects.get().hmac)
    lead.delete()
    again = factories.make_lead(owner=rep, phone="+4930123456")
    free = factories.make_lead(owner=rep, phone="+4930654321")
    assert may_contact(again.pk, Channel.CALL).reason == _LISTED
    refusals = refused_contact([again.pk, free.pk])
    assert {lead_id: list(refused) for lead_id, refused in refusals.items()} == {again.pk: ["call"]}
    record_activity(again, Kind.HAND_RAISED, by=rep)
    assert may_contact(again.pk, Channel.CALL)


def test_many_leads_are_decided_in_one_query(rep: User, django_assert_num_queries: object) -> None:
    leads = [factories.make_lead(owner=rep, scored=False, kind="b2c") for _ in range(5)]
    Workspace.objects.update(consumers_must_agree=True)
    with django_assert_num_queries(1):  # type: ignore[operator]
        refusals = refused_contact([lead.pk for lead in leads])
    assert {reasons["call"].reason for reasons in refusals.values()} == {UNASKED}
    assert len(refusals) == 5


def test_an_older_word_that_comes_late_changes_nothing(lead: Lead, rep: User) -> None:
    record_activity(lead, Kind.UNSUBSCRIBED, by=rep)
    before = now() - dt.timedelta(days=9)
    late = ConsentInput(Channel.EMAIL, "granted", wording="Newsletter form", at=before)
    record_consent(lead, late, by=rep)
    assert not may_contact(lead.pk, Channel.EMAIL)
    assert [consent.state for consent in consents_of(lead)] == ["withdrawn", "granted"]


def test_bad_words_name_their_fields(lead: Lead, rep: User, stranger: User) -> None:
    with pytest.raises(Invalid) as error:
        record_consent(lead, ConsentInput("pigeon", "maybe", source="x", wording="y" * 501), by=rep)
    assert [p.field for p in error.value.problems] == ["channel", "state", "source", "wording"]
    ahead = ConsentInput("call", "granted", at=now() + dt.timedelta(days=1))
    with pytest.raises(Invalid) as error:
        record_consent(lead, ahead, by=rep)
    assert [p.field for p in error.value.problems] == ["wording", "at"]
    with pytest.raises(Forbidden):
        record_consent(lead, ConsentInput("call", "withdrawn"), by=stranger)
    assert not Consent.objects.exists()
