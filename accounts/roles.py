"""The four roles and what each may do (docs/domain/roles.md)."""

from django.db import models


class Role(models.TextChoices):
    """A person's role in the workspace."""

    REP = "rep", "Rep"
    MANAGER = "manager", "Manager"
    MODEL_OWNER = "model_owner", "Model owner"
    ADMIN = "admin", "Admin"


READS_ALL = frozenset({Role.MODEL_OWNER, Role.ADMIN})
WRITES_CONFIGURATION = frozenset({Role.MODEL_OWNER, Role.ADMIN})
READS_PIPELINE = frozenset({Role.MANAGER, Role.MODEL_OWNER, Role.ADMIN})
