"""Visibility: one rule, read from rows and from standings alike."""

import pytest

from accounts.models import Team, User
from leads.models import Lead
from leads.querysets import visibility
from scoring.models import Standing
from tests.factories import make_lead, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(rep: User, stranger: User, team: Team) -> dict[str, Lead]:
    colleague = make_user(team=team)
    return {
        "own": make_lead(owner=rep, scored=False),
        "colleague's": make_lead(owner=colleague, scored=False),
        "unowned": make_lead(team=team, scored=False),
        "other team's": make_lead(owner=stranger, scored=False),
        "nobody's": make_lead(scored=False),
    }


def seen(user: User, leads: dict[str, Lead]) -> set[str]:
    ids = set(Lead.objects.visible_to(user).values_list("pk", flat=True))
    by_standing = Standing.objects.filter(visibility(user)).values_list("pk", flat=True)
    assert ids == set(by_standing)
    return {name for name, lead in leads.items() if lead.pk in ids}


def test_who_sees_what(
    leads: dict[str, Lead], rep: User, manager: User, model_owner: User, admin: User, stranger: User
) -> None:
    team = {"own", "colleague's", "unowned"}
    assert seen(rep, leads) == team
    assert seen(manager, leads) == team
    assert seen(stranger, leads) == {"other team's"}
    assert seen(model_owner, leads) == seen(admin, leads) == set(leads)


def test_who_changes_what(
    leads: dict[str, Lead], rep: User, manager: User, model_owner: User, admin: User
) -> None:
    def writable(user: User) -> set[str]:
        ids = set(Lead.objects.writable_by(user).values_list("pk", flat=True))
        return {name for name, lead in leads.items() if lead.pk in ids}

    assert writable(rep) == {"own"}
    assert writable(manager) == {"own", "colleague's", "unowned"}
    assert writable(model_owner) == set()
    assert writable(admin) == set(leads)


def test_somebody_without_a_team_sees_their_own_only(leads: dict[str, Lead], rep: User) -> None:
    rep.team = None
    assert seen(rep, leads) == {"own"}


def test_a_disabled_account_sees_nothing(leads: dict[str, Lead], admin: User) -> None:
    admin.is_active = False
    assert seen(admin, leads) == set()
