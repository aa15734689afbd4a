"""Workspace, teams, users and API tokens."""

import datetime as dt
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from accounts.roles import Role
from core.clock import DatabaseNow


class Workspace(models.Model):
    """The one row of settings; more tenants are more databases."""

    name = models.CharField(max_length=100, default="Leadqual")
    currency = models.CharField(max_length=3, default="EUR")
    time_zone = models.CharField(max_length=64, default="Europe/Berlin")
    country = models.CharField(max_length=2, default="DE")
    rates = models.JSONField(default=dict, help_text="Currency code → workspace units per unit.")
    consumers_must_agree = models.BooleanField(
        default=False,
        help_text="Consumers are called only once they have agreed to it.",
    )

    recall_minutes = models.PositiveSmallIntegerField(
        default=60,
        help_text="Work mode passes over a lead for so long after a call.",
    )
    calls_recorded = models.BooleanField(
        default=False,
        help_text="Calls are recorded, so the console asks whether the lead was told.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="workspace_is_one_row")
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> "Workspace":
        """Return the one row, made with defaults on first use."""
        return cls.objects.get_or_create(pk=1)[0]


DEFAULT_CAPACITY = 30  # first steps a day of a rep without a team


class Team(models.Model):
    """A sales team with its calendar and what one rep can do in a day."""

    name = models.CharField(max_length=100, unique=True)
    time_zone = models.CharField(max_length=64, default="Europe/Berlin")
    country = models.CharField(max_length=2, default="DE", help_text="Whose public holidays hold.")
    day_start = models.TimeField(default=dt.time(9))
    day_end = models.TimeField(default=dt.time(17))
    capacity = models.PositiveSmallIntegerField(
        default=DEFAULT_CAPACITY, help_text="First steps a rep a day."
    )
    is_demo = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Users are made by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password the account cannot log in by one."""
        user = self.model(email=self.normalize_email(email).casefold(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an admin (the name is Django's, for `createsuperuser`)."""
        return self.create_user(email, password, **{"role": Role.ADMIN, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find by e-mail, whatever its case."""
        return self.get(email=(username or "").casefold())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who works here. Rights follow from role and team alone."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=12, choices=Role, default=Role.REP)
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="members"
    )
    is_active = models.BooleanField(default=True)
    is_demo = models.BooleanField(default=False)
    date_joined = models.DateTimeField(db_default=DatabaseNow())
    shortcuts = models.JSONField(default=dict, blank=True, help_text="See accounts.shortcuts.")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Only admins open Django's admin site."""
        return self.role == Role.ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Admins may do everything in the admin site, others nothing; pages ask policies."""
        return self.is_active and self.role == Role.ADMIN

    def has_module_perms(self, app_label: str) -> bool:
        """See `has_perm`."""
        return self.is_active and self.role == Role.ADMIN


class ApiToken(models.Model):
    """A bearer token `lq_<id>.<secret>`; only a digest of the secret is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64)
    read_only = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.user})"
