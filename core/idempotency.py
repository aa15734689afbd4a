"""Idempotency keys: a POST that is repeated has its effect once and the same answer each time.

The answer is stored in the transaction of the effect, so there is no moment between the two. A call
that failed stores nothing, and may be repeated with the same key.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from django.db import connection, transaction
from django.http import HttpResponse

from core.errors import BadParameter, Conflict, FieldProblem, Invalid
from core.models import IdempotencyKey

KEPT_DAYS = 7
PURGE_BATCH = 1_000
_REPLAYED = ("Content-Type", "Location", "ETag")


class InFlight(Conflict):
    """The first call with this key has not ended yet."""

    code = "in_flight"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("A call with this Idempotency-Key is running. Repeat it in a moment.")


class KeyReused(Invalid):
    """The key belongs to another call."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key used before"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request. Take a new one.")


@dataclass(frozen=True)
class Call:
    """A call as it is recognised: whose token, which key, on what, with which body."""

    token_id: int
    key: str
    target: str
    body: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of target and body."""
        return sha256(self.target.encode() + b"\n" + self.body).hexdigest()

    @property
    def lock(self) -> int:
        """A signed 64-bit number for the advisory lock."""
        name = f"idempotency:{self.token_id}:{self.key}".encode()
        return int.from_bytes(sha256(name).digest()[:8], "big", signed=True)


def read_key(header: str | None) -> str | None:
    """Return the key in the header, quoted or bare; raise BadParameter for a malformed one."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        message = "Idempotency-Key has 1 to 255 printable ASCII characters"
        raise BadParameter(message, [FieldProblem("Idempotency-Key", "malformed", message)])
    return key


def run_once(call: Call, handle: Callable[[], HttpResponse]) -> HttpResponse:
    """Run `handle` unless this call was answered before; then return that answer.

    Raises InFlight while another request runs the same call, KeyReused for another call's key.
    """
    with transaction.atomic():
        known = _claim(call)
        if known is not None:
            return _replay(known, call)
        response = handle()
        _keep(call, response)
        return response


def _claim(call: Call) -> IdempotencyKey | None:
    """Take the call's lock and return what is kept under its key; raise InFlight without the lock.

    One statement. An answer that was committed while it ran is missed here and met by `_keep`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_try_advisory_xact_lock(%s), k.digest, k.status, k.headers, k.body
            FROM (SELECT 1) one
            LEFT JOIN core_idempotencykey k ON k.token_id = %s AND k.key = %s
            """,
            [call.lock, call.token_id, call.key],
        )
        locked, digest, status, headers, body = cursor.fetchone()
    if not locked:
        raise InFlight
    if digest is None:
        return None
    return IdempotencyKey(digest=digest, status=status, headers=json.loads(headers), body=body)


def _keep(call: Call, response: HttpResponse) -> None:
    """Store the answer; raise InFlight when another call with this key was answered meanwhile."""
    headers = {name: response[name] for name in _REPLAYED if name in response}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_idempotencykey (token_id, key, digest, status, headers, body)
            VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            [
                call.token_id,
                call.key,
                call.digest,
                response.status_code,
                json.dumps(headers),
                response.content.decode(),
            ],
        )
        if not cursor.rowcount:
            raise InFlight


def _replay(known: IdempotencyKey, call: Call) -> HttpResponse:
    if known.digest != call.digest:
        raise KeyReused
    return HttpResponse(
        known.body.encode(),
        status=known.status,
        headers={**known.headers, "Idempotency-Replayed": "true"},
    )


def purge() -> int:
    """Delete a batch of keys older than KEPT_DAYS; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM core_idempotencykey WHERE id IN (
                SELECT id FROM core_idempotencykey
                WHERE at < leadqual_now() - make_interval(days => %s)
                ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)
            """,
            [KEPT_DAYS, PURGE_BATCH],
        )
        return int(cursor.rowcount)
