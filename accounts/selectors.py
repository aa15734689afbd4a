"""Reads of people and teams that several apps need."""

from dataclasses import dataclass

from django.db.models import Count

from accounts.models import DEFAULT_CAPACITY, User
from accounts.roles import Role


@dataclass(frozen=True)
class Capacity:
    """Active reps, and the first steps they all have time for in a working day."""

    reps: int
    a_day: int

    @property
    def each(self) -> float:
        """First steps of one person a day."""
        return self.a_day / self.reps if self.reps else 0.0


def capacity() -> Capacity:
    """Count the active reps, each with the first steps a day of the team; one query."""
    reps = User.objects.filter(is_active=True, role=Role.REP)
    counted = reps.values_list("team__capacity").annotate(n=Count("pk")).order_by()
    by_capacity = [(DEFAULT_CAPACITY if each is None else each, n) for each, n in counted]
    return Capacity(sum(n for _, n in by_capacity), sum(each * n for each, n in by_capacity))
