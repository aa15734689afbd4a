from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0013_trusted")]

    operations = [
        # A refusal without its rule can only be known again while no edge of a value moves.
        migrations.RunSQL("DELETE FROM scoring_refusedsignal", migrations.RunSQL.noop),
        migrations.AddField(
            "refusedsignal",
            "rule",
            models.JSONField(
                default=dict, help_text="A condition tree, by which the same line is known again."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "refusedsignal",
            "low",
            models.FloatField(default=0, help_text="Of its 90 % interval, in log-odds."),
            preserve_default=False,
        ),
        migrations.AddField(
            "refusedsignal",
            "high",
            models.FloatField(default=0, help_text="Of its 90 % interval, in log-odds."),
            preserve_default=False,
        ),
    ]
