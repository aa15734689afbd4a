"""Databases of the measurements' own, beside the configured one, which is never touched."""

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

from core import clock
from world.configuration import configure


@contextmanager
def own_databases(names: list[str], *, keep: bool = False) -> Iterator[dict[str, str]]:
    """Make an empty, migrated and configured database for each name; yield their full names.

    Earlier ones of the same names go first, these at the end; with `keep` both stay, and are
    brought up to date only. Their clocks stand still at the beginning of the day on which they were
    made, so that no score changes by the mere passing of time.
    """
    configured = str(connection.settings_dict["NAME"])
    moment = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    full = {name: f"{configured}_bench_{name}" for name in names}
    try:
        for name in full.values():
            if keep and _exists(name):
                use(name)
                call_command("migrate", verbosity=0)
            else:
                make(name, configured, moment)
        yield full
    finally:
        use(configured)
        for name in () if keep else full.values():
            _execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def make(name: str, configured: str, moment: dt.datetime) -> None:
    """Make one database and use it."""
    use(configured)
    _execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    _execute(f'CREATE DATABASE "{name}"')
    _execute(f"ALTER DATABASE \"{name}\" SET leadqual.clock = '{moment.isoformat()}'")
    use(name)
    call_command("migrate", verbosity=0)
    configure()


def use(name: str) -> None:
    """Let this process work on another database of the same server, without a time limit."""
    connection.close()
    connection.settings_dict["NAME"] = name
    _execute("SET statement_timeout = 0")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def like(table: str, copy: str, *, indexes: bool) -> None:
    """Make a copy of a table with its rows: with the same indexes, or a heap with a primary key.

    It has no triggers and no foreign keys (`refer_like` gives it those).
    """
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {copy}")
        including = "ALL" if indexes else "DEFAULTS INCLUDING GENERATED"
        cursor.execute(f"CREATE TABLE {copy} (LIKE {table} INCLUDING {including})")
        cursor.execute(
            "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = %s::regclass",
            [table],
        )
        options = cursor.fetchone()[0]
        if options:
            cursor.execute(f"ALTER TABLE {copy} SET ({options})")
        if not indexes:
            cursor.execute(
                """
                SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey, a.attnum))
                FROM pg_index i JOIN pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
                WHERE i.indrelid = %s::regclass AND i.indisprimary
                """,
                [table],
            )
            cursor.execute(f"ALTER TABLE {copy} ADD PRIMARY KEY ({cursor.fetchone()[0]})")


def leave_unvacuumed(*tables: str) -> None:
    """Keep autovacuum from copies, or it cleans up after one measurement during the next."""
    for table in tables:
        _execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


def refer_like(table: str, copy: str) -> None:
    """Give a copy the foreign keys of its table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        )
        for name, definition in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {copy} ADD CONSTRAINT {name} {definition}")


def columns_of(table: str) -> str:
    """Return the names of the columns that can be written, as SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "AND attgenerated = ''",
            [table],
        )
        names: str = cursor.fetchone()[0]
    return names


def fill(copy: str, table: str) -> None:
    """Copy all rows of a table into its copy."""
    columns = columns_of(table)
    _execute(f"INSERT INTO {copy} ({columns}) SELECT {columns} FROM {table}")


def vacuum(*tables: str) -> None:
    """Vacuum and analyse, so that rounds begin alike."""
    for table in tables:
        _execute(f"VACUUM (ANALYZE) {table}")


def read_by_copy(queries: Sequence[str]) -> None:
    """Read what queries give by binary COPY, and keep nothing."""
    with connection.cursor() as cursor:
        for query in queries:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", _Nowhere())


class _Nowhere(io.RawIOBase):
    """A file that takes everything and keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)
