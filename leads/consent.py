"""May a lead be contacted by this channel? One rule for pages, API, planning and dialling. Pure.

What counts is the newest word about the channel (leads.models.Consent). Without one, a business
contact may be called and written to; a consumer may be called unless the workspace says that
consumers must have agreed first, as the law of many countries does.
"""

import datetime as dt
import hashlib
import hmac
from typing import NamedTuple

from django.db import models

from core.decisions import ALLOWED, Decision, refused


class Channel(models.TextChoices):
    """How a lead is contacted."""

    CALL = "call", "Calls"
    EMAIL = "email", "E-mail"


class ConsentState(models.TextChoices):
    """What was said about a channel."""

    GRANTED = "granted", "Agreed"
    WITHDRAWN = "withdrawn", "Refused"


class ConsentSource(models.TextChoices):
    """Where the word comes from."""

    LEAD = "lead", "The lead, by what it did"
    CALL = "call", "A call"
    HAND = "hand", "Noted by hand"
    API = "api", "Another system"
    IMPORT = "import", "An import"
    HISTORY = "history", "Before consent was kept"


class Word(NamedTuple):
    """What is known about one channel of a lead.

    `state` and `at` are the newest word's, "" and None without any. `suppressed_at` is when the
    lead's number or address was put on the list of those not to be contacted. `must_agree` says
    that nobody calls it without its word: a consumer, where the workspace says so.
    """

    channel: str
    state: str = ""
    at: dt.datetime | None = None
    suppressed_at: dt.datetime | None = None
    must_agree: bool = False


_NOT_TO = {Channel.CALL: "not to be called", Channel.EMAIL: "not to be written to"}
_LISTED = {
    Channel.CALL: "This number is on the list of numbers not to be called.",
    Channel.EMAIL: "This address is on the list of those not to be written to.",
}
UNASKED = "A consumer who has not agreed to be called."


def decide(word: Word) -> Decision:
    """Decide about one channel of a lead; the reason fits in `Followup.held`."""
    channel = Channel(word.channel)
    if word.state == ConsentState.WITHDRAWN and word.at is not None:
        return refused(f"Asked on {word.at:%-d %b %Y} {_NOT_TO[channel]}.")
    granted = word.at if word.state == ConsentState.GRANTED else None
    if word.suppressed_at is not None and (granted is None or granted < word.suppressed_at):
        return refused(_LISTED[channel])
    if granted is None and word.must_agree:
        return refused(UNASKED)
    return ALLOWED


class HashPads(NamedTuple):
    """The two blocks of HMAC-SHA256 under a key, so that SQL computes it with `sha256` alone:
    sha256(outer || sha256(inner || text)).
    """

    inner: bytes
    outer: bytes


def hash_pads(key: bytes) -> HashPads:
    """Return the blocks of HMAC-SHA256 (RFC 2104) for a key of at most 64 bytes."""
    padded = key.ljust(64, b"\0")
    return HashPads(bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded))


def address_hash(key: bytes, normal: str) -> bytes:
    """Return the 32 bytes under which a normal number or address (leads.identity) is kept."""
    return hmac.new(key, normal.encode(), hashlib.sha256).digest()
