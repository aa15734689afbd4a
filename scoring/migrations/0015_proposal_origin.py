from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0014_refused_rules")]

    operations = [
        migrations.AlterField(
            "proposal",
            "origin",
            models.CharField(
                choices=[
                    ("learned", "Learned from outcomes"),
                    ("hand", "Made by hand"),
                    ("signals", "From suggested signals"),
                ],
                max_length=8,
            ),
        ),
    ]
