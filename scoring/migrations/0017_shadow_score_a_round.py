from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0016_feedback_old_points")]

    operations = [
        # A row of before is of the round in which its lead is: an earlier one was written over.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    "shadowscore", "round", models.PositiveSmallIntegerField(default=1),
                    preserve_default=False,
                ),
                migrations.AlterField(
                    "shadowscore",
                    "pk",
                    models.CompositePrimaryKey(
                        "version_id",
                        "lead_id",
                        "round",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    """
                    ALTER TABLE scoring_shadowscore ADD COLUMN round smallint CHECK (round >= 0);
                    UPDATE scoring_shadowscore x SET round = l.round
                    FROM leads_lead l WHERE l.id = x.lead_id;
                    ALTER TABLE scoring_shadowscore ALTER COLUMN round SET NOT NULL;
                    ALTER TABLE scoring_shadowscore
                        DROP CONSTRAINT scoring_shadowscore_pkey,
                        ADD PRIMARY KEY (version_id, lead_id, round);
                    """,
                    """
                    DELETE FROM scoring_shadowscore x USING scoring_shadowscore newer
                    WHERE newer.version_id = x.version_id AND newer.lead_id = x.lead_id
                      AND newer.round > x.round;
                    ALTER TABLE scoring_shadowscore
                        DROP CONSTRAINT scoring_shadowscore_pkey,
                        ADD PRIMARY KEY (version_id, lead_id);
                    ALTER TABLE scoring_shadowscore DROP COLUMN round;
                    """,
                )
            ],
        )
    ]
