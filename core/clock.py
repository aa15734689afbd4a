"""One clock for Python and SQL.

The SQL function `leadqual_now()` is PostgreSQL's `now()` (the start of the transaction), unless
the setting `leadqual.clock` names another moment. Every claim in SQL calls the function itself,
so tests and demos can move time for all processes at once and no machine's own clock matters.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, models


class DatabaseNow(models.Func):
    """`leadqual_now()` for ORM expressions and `db_default`."""

    function = "leadqual_now"
    template = "%(function)s()"
    output_field = models.DateTimeField()


def now() -> dt.datetime:
    """Return the current moment (UTC, aware) as the database sees it; one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT leadqual_now()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


@contextmanager
def at(moment: dt.datetime) -> Iterator[None]:
    """Move this connection's clock to `moment` (aware) within the block; for tests and demos."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('leadqual.clock', true)")
        before = cursor.fetchone()[0] or ""
        cursor.execute("SELECT set_config('leadqual.clock', %s, false)", [moment.isoformat()])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('leadqual.clock', %s, false)", [before])
