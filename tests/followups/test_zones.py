"""Where a lead lives, as far as it is known."""

from importlib.resources import files
from zoneinfo import ZoneInfo

from followups.zones import COUNTRY_ZONES, lead_zone, zone_info


def test_the_leads_own_zone_comes_first_then_its_countrys_its_teams_the_workspaces():
    names = ("Asia/Tokyo", "US", "Europe/Paris", "Europe/Berlin")
    assert lead_zone(*names) == "Asia/Tokyo"
    assert lead_zone("", *names[1:]) == "America/New_York"
    assert lead_zone("", "", *names[2:]) == "Europe/Paris"
    assert lead_zone("", "", "", "Europe/Berlin") == "Europe/Berlin"
    assert lead_zone("", "", "", "") == "UTC"


def test_what_is_no_zone_counts_as_not_given():
    assert lead_zone("Mars/Olympus", "XX", "../../etc/passwd", "Europe/Berlin") == "Europe/Berlin"
    assert zone_info("Europe/Berlin\0") is None


def test_every_countrys_zone_exists_and_is_one_of_that_country():
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text()
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    zones = {(row[0], row[2]) for row in rows}
    for country, name in COUNTRY_ZONES.items():
        assert ZoneInfo(name)
        assert (country, name) in zones or country == "XK"  # Kosovo is in no ISO table
    assert {country for country, _ in zones} <= COUNTRY_ZONES.keys()
