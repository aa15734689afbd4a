"""The database's clock comes before every table, since their defaults call it."""

from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION leadqual_now() RETURNS timestamptz
            LANGUAGE sql STABLE PARALLEL SAFE AS $$
                SELECT coalesce(
                    nullif(current_setting('leadqual.clock', true), '')::timestamptz, now())
            $$
            """,
            "DROP FUNCTION leadqual_now()",
        )
    ]
