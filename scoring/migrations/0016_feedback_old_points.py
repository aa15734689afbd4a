from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0015_proposal_origin")]

    operations = [
        migrations.AddField("feedback", "old_points", models.FloatField(null=True)),
    ]
