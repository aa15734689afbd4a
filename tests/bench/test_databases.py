import pytest
from django.db import IntegrityError, connection, transaction

from bench.databases import columns_of, fill, like, refer_like
from leads.models import Lead


def ask(query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def shape(table: str) -> list[tuple[object, ...]]:
    """Columns and conditions of a table's indexes, whatever their names."""
    return ask(
        "SELECT indkey::text, indisunique, pg_get_expr(indpred, indrelid) FROM pg_index "
        f"WHERE indrelid = '{table}'::regclass ORDER BY 1, 3"
    )


def test_a_copy_has_the_rows_and_the_indexes_and_a_heap_only_its_key(lead: Lead):
    like("scoring_standing", "bench_copy", indexes=True)
    like("scoring_standing", "bench_heap", indexes=False)
    for table in ("bench_copy", "bench_heap"):
        fill(table, "scoring_standing")
        assert ask(f"SELECT * FROM {table}") == ask("SELECT * FROM scoring_standing")
    assert shape("bench_copy") == shape("scoring_standing")
    assert len(shape("bench_heap")) == 1
    options = "SELECT reloptions FROM pg_class WHERE relname = '{}'"
    assert ask(options.format("bench_heap")) == ask(options.format("scoring_standing"))


def test_a_copy_can_refer_to_what_its_table_refers_to(lead: Lead):
    like("scoring_standing", "bench_copy", indexes=True)
    refer_like("scoring_standing", "bench_copy")
    keys = (
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND conrelid = '{}'::regclass ORDER BY 1"
    )
    assert ask(keys.format("bench_copy")) == ask(keys.format("scoring_standing")) != []


def test_a_heap_keeps_a_key_of_several_columns(lead: Lead):
    like("scoring_engagement", "bench_heap", indexes=False)
    row = (
        "INSERT INTO bench_heap (lead_id, kind, half_life_days, value, as_of, last_at) "
        "VALUES (1, 'note', 30, 1, now(), now())"
    )
    with connection.cursor() as cursor:
        cursor.execute(row)
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(row)


@pytest.mark.django_db
def test_generated_columns_are_not_written():
    assert "is_open" not in columns_of("scoring_standing").split(", ")
    assert "stage" in columns_of("scoring_standing").split(", ")
