"""The people, teams and sources of the made-up world."""

from dataclasses import dataclass

from accounts.models import Team, User
from accounts.roles import Role
from leads.models import Source
from world.lists import SOURCES
from world.names import FAMILY, GIVEN

DOMAIN = "demo.leadqual.test"  # reserved, so no mail ever leaves (RFC 2606)


LEADS_OF_A_REP = 2_500  # more are more reps, or first steps would be spread over years
REPS_OF_A_TEAM = 8


@dataclass(frozen=True)
class Person:
    """Somebody who works in the world; `team` is a place among the teams, None for no team.

    `number` tells those of one first name apart; 0 for the well-known ones.
    """

    name: str
    role: Role
    team: int | None
    number: int = 0

    @property
    def email(self) -> str:
        """The address to log in with."""
        return f"{self.name.split()[0].lower()}{self.number or ''}@{DOMAIN}"


@dataclass(frozen=True)
class Office:
    """A team, its zone and its country."""

    name: str
    zone: str
    country: str


TEAMS = (
    Office("Team North", "Europe/Berlin", "DE"),
    Office("Team South", "Europe/Vienna", "AT"),
)
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


def staff(leads: int) -> tuple[list[Office], list[Person]]:
    """Return the teams and people of a world of so many leads: the well-known ones, and for large
    worlds more reps with teams of their own.
    """
    offices, people = list(TEAMS), list(PEOPLE)
    known = sum(person.role == Role.REP for person in people)
    for number in range(known, -(-leads // LEADS_OF_A_REP)):
        if (number - known) % REPS_OF_A_TEAM == 0:
            home = TEAMS[len(offices) % len(TEAMS)]
            offices.append(Office(f"Team {len(offices) + 1}", home.zone, home.country))
            people.append(_person(number, Role.MANAGER, len(offices) - 1))
        people.append(_person(number, Role.REP, len(offices) - 1))
    return offices, people


def _person(number: int, role: Role, team: int) -> Person:
    shift = 0 if role == Role.REP else len(GIVEN) // 2
    given, family = GIVEN[(number + shift) % len(GIVEN)], FAMILY[number * 7 % len(FAMILY)]
    return Person(f"{given} {family}", role, team, number=2 * number + (role == Role.MANAGER))


def hire(leads: int = 0) -> list[User]:
    """Make the teams and people of a world of so many leads that are not there yet; return the
    people in order.

    They have no password: `world.log_ins` gives one to each role's first.
    """
    offices, people = staff(leads)
    teams = [
        Team.objects.get_or_create(
            name=office.name,
            defaults={"time_zone": office.zone, "country": office.country, "is_demo": True},
        )[0]
        for office in offices
    ]
    known = {user.email: user for user in User.objects.filter(email__in=[p.email for p in people])}
    return [
        known.get(person.email)
        or User.objects.create_user(
            person.email,
            name=person.name,
            role=person.role,
            team=None if person.team is None else teams[person.team],
            is_demo=True,
        )
        for person in people
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
