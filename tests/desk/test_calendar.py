"""The calendar page: whose calls, on whose clock, and what may be done with one."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from icalendar import Calendar

from accounts.models import User
from core import clock
from core.clock import now
from followups.models import Followup
from leads.models import Activity, Lead
from tests import factories
from tests.api.conftest import Api

pytestmark = pytest.mark.django_db


def _local(moment: dt.datetime) -> str:
    """Return a moment as the browser of the team in Berlin sends it."""
    return f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%dT%H:%M}"


def test_a_call_is_booked_moved_invited_to_and_missed(
    rep_client: Client, manager_client: Client, rep: User, lead: Lead
) -> None:
    Lead.objects.filter(pk=lead.pk).update(country="JP", first_name="<b>Yui</b>")
    at = (now() + dt.timedelta(days=1)).replace(second=0, microsecond=0)
    url = f"/leads/{lead.pk}/bookings/"
    booked = rep_client.post(url, {"title": "Demo", "at": _local(at), "minutes": "30"})
    assert booked.status_code == 302, booked.content
    call = Followup.objects.get(agreed=True)
    assert Activity.objects.filter(lead=lead, kind="meeting_booked").exists()
    page = rep_client.get("/calendar/").content.decode()
    assert f'id="booked-{call.pk}"' in page
    assert "where they are" in page
    assert "<b>Yui</b>" not in page
    assert f'id="booked-{call.pk}"' not in manager_client.get("/calendar/").content.decode()
    team = manager_client.get("/calendar/?whose=team").content.decode()
    assert f'id="booked-{call.pk}"' in team
    # A second one at the same time is named first.
    other = factories.make_lead(owner=rep)
    clash = {"title": "Again", "at": _local(at), "minutes": "30"}
    refused = rep_client.post(f"/leads/{other.pk}/bookings/", clash)
    assert refused.status_code == 422
    assert "Overlaps with “Demo”" in refused.content.decode()
    rep_client.post(f"/leads/{other.pk}/bookings/", {**clash, "anyway": "on"})
    assert "at the same time: " in rep_client.get("/calendar/").content.decode()
    later = at + dt.timedelta(hours=2)
    wrong = rep_client.post(f"/bookings/{call.pk}/move/", {"at": "2020-01-01T10:00"})
    assert wrong.status_code == 422
    assert "Has passed already." in wrong.content.decode()
    moved = rep_client.post(f"/bookings/{call.pk}/move/", {"at": _local(later)})
    assert moved["Location"] == "/calendar/"
    ics = rep_client.get(f"/bookings/{call.pk}/invitation.ics")
    assert ics["Content-Type"].startswith("text/calendar")
    (event,) = Calendar.from_ical(ics.content).walk("VEVENT")
    assert (event["SEQUENCE"], event.decoded("DTSTART")) == (1, later)
    with clock.at(later + dt.timedelta(days=1)):
        missed = rep_client.get("/calendar/").content.decode()
        assert "What became of these?" in missed
        assert "Did not come" in missed
        rep_client.post(f"/bookings/{call.pk}/no-show/")
        again = Followup.objects.get(lead=lead, state="scheduled", kind="call", run=None)
        assert again.title == "Call again: missed the meeting"
    for query in ("from=yesterday", "whose=everybody", "x=1"):
        assert rep_client.get(f"/calendar/?{query}").status_code == 400


def test_bookings_over_rest(rep: User, lead: Lead) -> None:
    api = Api(rep)
    at = (now() + dt.timedelta(days=2)).replace(microsecond=0)
    path = f"leads/{lead.pk}/bookings"
    booked = api.post(path, {"title": "Demo", "at": at.isoformat()})
    assert booked.status_code == 201, booked.content
    number = booked.json()["id"]
    assert api.get(path).json()["data"] == [booked.json()]
    clash = api.post(path, {"title": "Two", "at": at.isoformat()})
    assert (clash.status_code, clash.json()["errors"][0]["code"]) == (422, "overlaps")
    later = (at + dt.timedelta(days=1)).isoformat()
    moved = api.patch(f"bookings/{number}", {"at": later, "minutes": 60}).json()
    assert (moved["sequence"], moved["minutes"], moved["uid"]) == (1, 60, booked.json()["uid"])
    assert api.patch(f"bookings/{number}", {"state": "no_show"}).status_code == 409
    assert api.patch(f"bookings/{number}", {}).status_code == 422
    off = api.patch(f"bookings/{number}", {"state": "cancelled"}).json()
    assert (off["state"], off["sequence"]) == ("cancelled", 2)
    assert api.get(f"bookings/{number}").json() == off
