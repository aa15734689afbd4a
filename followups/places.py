"""The calendars of teams, and where their leads are."""

import datetime as dt
from functools import cached_property

from django.db.models import Count, Q

from accounts.models import DEFAULT_CAPACITY, Team, Workspace
from accounts.roles import Role
from core.nested import made_of, nested
from followups.cadence import Calendar, contact_window
from followups.zones import lead_zone

# For leads without a team: nine to five in the workspace's zone, and what a team has by default.
DEFAULT_HOURS = (dt.time(9), dt.time(17))
_SELLERS = (Role.REP, Role.MANAGER)


class Places:
    """All calendars that planning needs, as they are now; at most two queries."""

    def __init__(self) -> None:
        self._windows: dict[tuple[int | None, str, str], Calendar] = {}

    @cached_property
    def _read(self) -> tuple[Workspace, dict[int, Team]]:
        names = [field.attname for field in Team._meta.concrete_fields]
        teams = nested(Team.objects.order_by("pk"), *names)
        found = Workspace.objects.annotate(teams=teams).first()
        if found is None:  # nobody has asked for it yet
            return Workspace.current(), Team.objects.in_bulk()
        return found, {team.pk: team for team in made_of(Team, found.teams)}

    @property
    def workspace(self) -> Workspace:
        """The one row of settings."""
        return self._read[0]

    @property
    def _teams(self) -> dict[int, Team]:
        return self._read[1]

    @cached_property
    def _calendars(self) -> dict[int | None, Calendar]:
        opens, closes = DEFAULT_HOURS
        zone = self._zone("", "", "")
        calendars: dict[int | None, Calendar] = {
            None: Calendar(zone, self.workspace.country, opens, closes)
        }
        for team in self._teams.values():
            zone = self._zone("", "", team.time_zone)
            calendars[team.pk] = Calendar(zone, team.country, team.day_start, team.day_end)
        return calendars

    @cached_property
    def _members(self) -> dict[int, int]:
        """How many people of each team own leads."""
        rows = Team.objects.annotate(
            people=Count("members", filter=Q(members__is_active=True, members__role__in=_SELLERS))
        )
        return {team.pk: team.people for team in rows}

    def team_calendar(self, team_id: int | None) -> Calendar:
        """Return the working hours of a team, or of the workspace."""
        return self._calendars.get(team_id, self._calendars[None])

    def window(self, team_id: int | None, time_zone: str, country: str) -> Calendar:
        """Return the contact window of a lead by what is known of where it is."""
        key = (team_id, time_zone, country)
        if key not in self._windows:
            team = self.team_calendar(team_id)
            zone = self._zone(time_zone, country, team.zone)
            self._windows[key] = contact_window(zone, country or team.country)
        return self._windows[key]

    def capacity(self, owner_id: int | None, team_id: int | None) -> int:
        """Return how many first steps a day the owner takes, or a whole team for unowned leads."""
        team = self._teams.get(team_id) if team_id is not None else None
        each = max(team.capacity, 1) if team is not None else DEFAULT_CAPACITY
        if owner_id is not None or team is None:
            return each
        return each * max(self._members.get(team.pk, 0), 1)

    def _zone(self, time_zone: str, country: str, team_zone: str) -> str:
        return lead_zone(time_zone, country, team_zone, self.workspace.time_zone)
