"""Leave room in the pages of standings: most updates of their unindexed columns then stay local."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("scoring", "0002_standing_defaults")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE scoring_standing SET (fillfactor = 80)",
            "ALTER TABLE scoring_standing RESET (fillfactor)",
        )
    ]
