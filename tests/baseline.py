"""What the database holds before each test: set aside once, put back after every test that commits.

Django would empty all tables, which takes ten times as long and leaves later tests without the
configuration, so that their order would matter.
"""

from typing import Any

from django.db import connection, transaction

SCHEMA = "baseline"


def set_aside() -> None:
    """Copy every table that has rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
        for table in _filled(connection.introspection.table_names(cursor)):
            cursor.execute(f'CREATE TABLE {SCHEMA}."{table}" AS TABLE "{table}"')


def put_back(test_case: Any = None) -> None:
    """Make every table what it was; in place of TransactionTestCase._fixture_teardown."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Neither foreign keys nor our own triggers: the rows as a whole were right before.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in _filled(connection.introspection.table_names(cursor)):
            cursor.execute(f'DELETE FROM "{table}"')
        for table, columns in _columns():
            cursor.execute(
                f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM {SCHEMA}."{table}"'
            )


def _filled(tables: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM \"{t}\")" for t in tables)
        )
        return [table for (table,) in cursor.fetchall()]


def _columns() -> list[tuple[str, str]]:
    """Return the copied tables, each with its columns but those that compute themselves."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT kept.tablename, string_agg(quote_ident(columns.column_name), ', ')
            FROM pg_tables kept JOIN information_schema.columns columns
              ON columns.table_name = kept.tablename AND columns.table_schema = 'public'
            WHERE kept.schemaname = %s AND columns.is_generated = 'NEVER'
            GROUP BY kept.tablename
            """,
            [SCHEMA],
        )
        return list(cursor.fetchall())
