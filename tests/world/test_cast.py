"""The people of a made-up world: the well-known ones, and more where there is more to do."""

from collections import Counter

from accounts.roles import Role
from world.cast import LEADS_OF_A_REP, PEOPLE, REPS_OF_A_TEAM, TEAMS, staff


def test_a_small_world_has_the_well_known_people_only() -> None:
    assert staff(0) == staff(4 * LEADS_OF_A_REP) == (list(TEAMS), list(PEOPLE))


def test_a_large_world_has_reps_enough_in_teams_that_each_have_a_manager() -> None:
    offices, people = staff(1_000_000)
    reps = [person for person in people if person.role == Role.REP]
    assert len(reps) == 1_000_000 / LEADS_OF_A_REP
    assert people[: len(PEOPLE)] == list(PEOPLE)
    assert len({person.email for person in people}) == len(people)
    assert len({office.name for office in offices}) == len(offices)
    of_team = Counter(rep.team for rep in reps)
    managed = {person.team for person in people if person.role == Role.MANAGER}
    assert set(of_team) == managed == set(range(len(offices)))
    assert max(of_team.values()) == REPS_OF_A_TEAM
