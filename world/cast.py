"""The people, teams and sources of the made-up world."""

from dataclasses import dataclass

from accounts.models import Team, User
from accounts.roles import Role
from leads.models import Source
from world.lists import SOURCES

DOMAIN = "demo.leadqual.test"  # reserved, so no mail ever leaves (RFC 2606)


@dataclass(frozen=True)
class Person:
    """Somebody who works in the world; `team` is a place in TEAMS, None for no team."""

    name: str
    role: Role
    team: int | None

    @property
    def email(self) -> str:
        """The address to log in with."""
        return f"{self.name.split()[0].lower()}@{DOMAIN}"


TEAMS = (("Team North", "Europe/Berlin", "DE"), ("Team South", "Europe/Vienna", "AT"))
# The first of each role is the one whose log-in is shown.
PEOPLE = (
    Person("Anna Keller", Role.REP, 0),
    Person("Ben Mazur", Role.REP, 0),
    Person("Clara Osei", Role.REP, 1),
    Person("David Lambert", Role.REP, 1),
    Person("Maria Vogel", Role.MANAGER, 0),
    Person("Martin Holm", Role.MANAGER, 1),
    Person("Olga Tanaka", Role.MODEL_OWNER, None),
    Person("Ada Richter", Role.ADMIN, None),
)


def hire() -> list[User]:
    """Make the teams and people that are not there yet; return the people in order.

    They have no password: `world.log_ins` gives one to each role's first.
    """
    teams = [
        Team.objects.get_or_create(
            name=name, defaults={"time_zone": zone, "country": country, "is_demo": True}
        )[0]
        for name, zone, country in TEAMS
    ]
    known = {user.email: user for user in User.objects.filter(email__in=[p.email for p in PEOPLE])}
    return [
        known.get(person.email)
        or User.objects.create_user(
            person.email,
            name=person.name,
            role=person.role,
            team=None if person.team is None else teams[person.team],
            is_demo=True,
        )
        for person in PEOPLE
    ]


def open_sources() -> list[Source]:
    """Make the sources that are not there yet; return them in the order of lists.SOURCES."""
    return [
        Source.objects.get_or_create(
            name=source.name,
            defaults={"channel": source.channel, "tracked": source.tracked, "is_demo": True},
        )[0]
        for source in SOURCES
    ]
