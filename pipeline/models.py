"""What the manager's pages keep, so that no request reads a year of outcomes."""

from django.db import models

from core.clock import DatabaseNow
from scoring.models import ModelVersion


class CriteriaReport(models.Model):
    """How well the lines of a score model did, made by a sweep (pipeline.effectiveness).

    `outcome_id` is the newest outcome that was there; one row a model, renewed when there are more.
    """

    key = models.SlugField(max_length=60, unique=True)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    outcome_id = models.BigIntegerField()
    made_at = models.DateTimeField(db_default=DatabaseNow())
    data = models.JSONField()

    def __str__(self) -> str:
        return f"{self.key} as of outcome {self.outcome_id}"
