"""Writes of versioned configuration that all its kinds share: make a draft, make it live."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import OperationalError, connection
from django.db.models import Max
from psycopg2.errors import LockNotAvailable

from core.clock import DatabaseNow
from core.errors import Conflict
from core.versions import Version

V = TypeVar("V", bound=Version)

_LOCK = 4_202_001  # an advisory lock's number: any that nothing else takes


def lock_configuration() -> None:
    """Let one transaction at a time change configuration; held until the transaction ends.

    Raises Conflict when another one takes longer than `lock_timeout`.
    """
    with connection.cursor() as cursor, conflict_when_locked("The configuration is being changed"):
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@contextmanager
def conflict_when_locked(what: str) -> Iterator[None]:
    """Turn a lock that could not be had in time into a Conflict that says `what` is going on."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise Conflict(f"{what}. Nothing was done; please try again.") from None
        raise


def live_versions(model: type[V]) -> dict[str, V]:
    """Return the live version of each key; one query."""
    return {v.key: v for v in model._default_manager.filter(state=Version.State.LIVE)}


def version_with(
    model: type[V],
    key: str,
    definition: Mapping[str, Any],
    *,
    by: AbstractBaseUser | None,
    pins: Mapping[str, Version] | None = None,
    or_draft: bool = True,
) -> tuple[V, bool]:
    """Return the version of `key` with this content, and whether it was made just now.

    The live version is looked at and, unless it is not to be a draft that somebody may be working
    on (`or_draft`), those that are not live yet; otherwise a new draft is made. `pins` are the
    versions that the content depends on, by field name.
    """
    pins = pins or {}
    same = model._default_manager.filter(key=key, definition=definition)
    if or_draft:
        same = same.exclude(state=Version.State.RETIRED)
    else:
        same = same.filter(state=Version.State.LIVE)
    for field, pinned in pins.items():
        same = same.filter(**{field: pinned})
    found = sorted(same, key=lambda v: (v.state == Version.State.LIVE, v.number))
    if found:
        return found[-1], False
    last = model._default_manager.filter(key=key).aggregate(last=Max("number"))["last"] or 0
    version = model(key=key, number=last + 1, definition=definition, created_by=by, **pins)
    version.save(force_insert=True)
    return version, True


def make_live(version: Version, *, by: AbstractBaseUser | None) -> bool:
    """Retire the live version of the same key and make this one live; False when it is already.

    Raises Conflict for a retired version: history does not come back, a new version with the
    same content does.
    """
    version.refresh_from_db()  # several models may have brought the same row here
    if version.state == Version.State.LIVE:
        return False
    if version.state == Version.State.RETIRED:
        raise Conflict(
            f"{version.key} v{version.number} is retired. Make a new version with its content."
        )
    versions = type(version)._default_manager
    # First, since at no moment are two versions of a key live.
    versions.filter(key=version.key, state=Version.State.LIVE).update(
        state=Version.State.RETIRED, retired_at=DatabaseNow()
    )
    versions.filter(pk=version.pk).update(
        state=Version.State.LIVE, published_by=by, published_at=DatabaseNow()
    )
    version.refresh_from_db()
    return True
