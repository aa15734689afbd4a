"""Rows that are read inside another row are what a query of their own would give."""

import pytest
from django.db.models import OuterRef

from accounts.models import Team, User
from core.nested import made_of, nested
from leads.models import Activity, Lead
from tests.factories import make_activity, make_lead

pytestmark = pytest.mark.django_db


def test_nested_rows_are_the_rows_with_what_they_point_at(rep: User) -> None:
    lead, other = make_lead(owner=rep), make_lead(owner=rep)
    make_activity(lead, "note", actor=rep, data={"text": "“ä”", "deep": {"n": [1, None]}})
    make_activity(lead, "page_viewed", actor=None)
    names = ("id", "kind", "at", "data", "actor_id", "actor__email")
    rows = Activity.objects.filter(lead=OuterRef("pk")).order_by("-id")
    found = {of.pk: of for of in Lead.objects.annotate(rows=nested(rows[:5], *names))}
    alone = list(Activity.objects.filter(lead=lead).order_by("-id"))
    read = made_of(Activity, found[lead.pk].rows)
    for name in ("pk", "kind", "at", "data", "actor_id"):
        assert [getattr(row, name) for row in read] == [getattr(row, name) for row in alone]
    assert [row.actor and row.actor.email for row in read] == [None, rep.email]
    assert made_of(Activity, found[other.pk].rows) == []


def test_times_of_day_come_back_as_such() -> None:
    team = Team.objects.create(name="Night", day_start="22:00", day_end="23:59:30")
    team.refresh_from_db()
    names = [field.attname for field in Team._meta.concrete_fields]
    found = Team.objects.annotate(rows=nested(Team.objects.filter(name="Night"), *names))
    (again,) = made_of(Team, found.get(pk=team.pk).rows)
    assert [getattr(again, name) for name in names] == [getattr(team, name) for name in names]
