"""Work mode: one lead after the other, and no lead to two people."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import User
from calls import claims, services, working
from calls.models import Call, Claim, WorkedLead
from calls.services import FinishInput
from core import clock
from core.clock import now
from core.errors import Conflict, Forbidden
from core.invariants import breaks
from desk.working import take_next
from followups.models import Followup
from followups.services import Booking, add_followup, book_call, snooze_followup
from leads.models import Lead
from leads.services import ConsentInput, record_consent
from tests import factories
from tests.desk.conftest import log_in
from tests.followups.test_concurrency import in_threads

pytestmark = pytest.mark.django_db

MORNING = dt.datetime(2026, 12, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"))  # a Wednesday


@pytest.fixture
def in_the_morning() -> Iterator[None]:
    """People in Berlin may be called."""
    with clock.at(MORNING):
        yield


@pytest.fixture
def three(rep: User, in_the_morning: None) -> list[Lead]:
    """Three leads of `rep`, in the order of the queue: the dearest first."""
    return [
        factories.make_lead(owner=rep, value_minor=minor * 100_000, phone="+4930123456")
        for minor in (9, 5, 1)
    ]


def start(client: Client, query: str = "") -> str:
    client.post("/work/start/", {"query": query})
    return shown(client)


def shown(client: Client) -> str:
    response = client.get("/work/")
    assert response.status_code == 200
    return response.content.decode()


def lead_in(page: str) -> int:
    found = re.search(r'id="work-title"><a href="/leads/(\d+)/"', page)
    assert found, page
    return int(found[1])


def go_on(client: Client, how: str, **data: Any) -> str:
    lead = lead_in(shown(client))
    response = client.post("/work/next/", {"how": how, "lead": lead, **data})
    assert response.status_code == 302, response.content
    return shown(client)


def test_a_rep_works_through_the_queue(rep_client: Client, rep: User, three: list[Lead]) -> None:
    step = add_followup(
        three[1], by=rep, kind="task", title="Send it", due_at=now() + dt.timedelta(seconds=1)
    )
    Followup.objects.filter(lead=three[1]).exclude(pk=step.pk).delete()
    page = start(rep_client)
    assert lead_in(page) == three[0].pk
    assert "Why now" in page
    assert "Nothing yet" in page
    # A call from the console comes back here, which goes on with the next.
    rep_client.post(f"/leads/{three[0].pk}/call/")
    call = Call.objects.get()
    assert "Go on with the call" in shown(rep_client)
    finished = rep_client.post(f"/calls/{call.pk}/finish/", {"outcome": "no_answer"})
    assert finished["Location"] == "/work/"
    over = shown(rep_client)
    assert 'hx-trigger="load"' in over
    assert "No answer" in over
    moved = rep_client.post(
        "/work/next/", {"how": "called", "lead": three[0].pk}, headers={"HX-Request": "true"}
    )
    assert (moved.status_code, moved["HX-Redirect"]) == (204, "/work/")
    page = shown(rep_client)
    assert lead_in(page) == three[1].pk
    assert "Call finished: No answer." in page  # and not on the page that went on by itself
    assert "Call finished" not in over
    assert lead_in(go_on(rep_client, "done")) == three[2].pk
    step.refresh_from_db()
    assert step.state == "done"
    # A lead that matches only now is found, since the queue is asked anew.
    new = factories.make_lead(owner=rep, value_minor=100)
    assert lead_in(go_on(rep_client, "skipped", reason="Not today")) == new.pk
    rest = go_on(rep_client, "snoozed", until="tomorrow")
    assert "Queue clear" in rest
    assert "1 call, 0 reached, 1 done, 1 snoozed, 1 skipped." in rest
    assert WorkedLead.objects.get(how="skipped").reason == "Not today"
    assert not Claim.objects.exists()
    left = rep_client.post("/work/stop/")
    assert left["Location"].startswith("/?")
    assert "You stopped" in shown(rep_client)
    assert rep_client.post("/work/next/").status_code == 409


def test_the_filter_of_the_queue_holds_and_its_cursor_does_not(
    rep_client: Client, rep: User, three: list[Lead]
) -> None:
    add_followup(three[2], by=rep, kind="task", title="x", due_at=now() + dt.timedelta(hours=1))
    Followup.objects.exclude(lead=three[2]).delete()
    assert lead_in(start(rep_client, f"scope=mine&owner={rep.pk}&tier=cold")) == three[0].pk
    assert "Queue clear" in start(rep_client, "tier=hot")
    assert rep_client.post("/work/start/", {"query": "colour=red"}).status_code == 400
    assert rep_client.post("/work/start/", {"query": "scope=moon"}).status_code == 400


def test_leads_are_passed_over_that_are_held_called_put_off_or_not_to_be_called(
    rep: User, manager: User, three: list[Lead]
) -> None:
    held, called, put_off = three
    barred = factories.make_lead(owner=rep, value_minor=10**8)
    record_consent(barred, ConsentInput("call", "withdrawn"), by=rep)
    assert claims.claim(held.pk, by=manager)
    call, _ = services.start_call(called, by=rep)
    services.finish_call(call.pk, FinishInput("no_answer"), by=rep)
    step = add_followup(
        put_off, by=rep, kind="call", title="x", due_at=now() + dt.timedelta(minutes=1)
    )
    snooze_followup(step, by=rep, until=now() + dt.timedelta(hours=3))
    session = working.start_session(rep, "")
    assert take_next(rep, session) is None
    with clock.at(now() + dt.timedelta(minutes=21)):  # nobody gave a sign of life
        assert take_next(rep, session) == held.pk
    with clock.at(now() + dt.timedelta(minutes=61)):
        working.leave(session, "skipped")
        assert take_next(rep, session) == called.pk
    with clock.at(now() + dt.timedelta(hours=4)):
        working.leave(session, "skipped")
        assert take_next(rep, session) == put_off.pk
        working.leave(session, "skipped")
        assert take_next(rep, session) is None


def test_who_can_be_called_now_comes_first_and_who_cannot_last_or_not_yet(
    rep_client: Client, rep: User, in_the_morning: None
) -> None:
    """The dearest first, so without regard for phone and hours the order would be the other one."""

    def make(million: int, **facts: Any) -> Lead:
        return factories.make_lead(owner=rep, value_minor=million * 10**8, **facts)

    number = "+15550123"
    mute = make(9)
    asleep = make(8, phone=number, country="US")
    early = make(7, phone=number, country="BR")
    with_task = make(6, phone=number, country="US")
    awake = make(5, phone="+4930123456", country="DE")
    agreed = make(4, phone=number, country="US")
    add_followup(with_task, by=rep, kind="task", title="Send it", due_at=MORNING)
    with clock.at(MORNING - dt.timedelta(hours=1)):
        book_call(agreed, Booking("As agreed", MORNING, 30), by=rep)
    offered = [lead_in(start(rep_client))]
    assert "contact hours" not in shown(rep_client)
    for _ in range(3):
        offered.append(lead_in(go_on(rep_client, "skipped")))
        if offered[-1] == mute.pk:
            told = re.sub(r"<[^>]+>", "", shown(rep_client))
            assert "2 leads wait outside their contact hours, until 13:00 or later" in told
            number_given = {"phone": "030 99887766", "initial-phone": "", "next": "/work/"}
            number_given["version"] = str(Lead.objects.get(pk=mute.pk).version)
            rep_client.post(f"/leads/{mute.pk}/change/", number_given)
            assert "+493099887766" in shown(rep_client)
    assert offered == [lead.pk for lead in (awake, agreed, mute, with_task)]
    rest = go_on(rep_client, "skipped")
    assert "Nobody can be called now" in rest
    told = re.sub(r"<[^>]+>", "", rest)
    assert "2 leads wait outside their contact hours, until 13:00 or later" in told
    rep_client.post("/work/next/", {"any_hour": "1"})
    assert lead_in(shown(rep_client)) == asleep.pk
    assert "Outside contact hours: it is 04:00 there." in shown(rep_client)
    assert lead_in(go_on(rep_client, "skipped")) == early.pk
    assert "Queue clear" in go_on(rep_client, "skipped")
    with clock.at(MORNING + dt.timedelta(hours=6)):  # 10 o'clock in New York
        assert lead_in(start(rep_client)) == mute.pk  # it has a number now
        assert lead_in(go_on(rep_client, "skipped")) == asleep.pk


def test_others_see_who_is_on_a_lead_and_only_a_manager_takes_it_over(
    rep: User, manager: User, rep_client: Client, manager_client: Client, three: list[Lead]
) -> None:
    lead = three[0]
    start(manager_client)
    assert claims.claims_on([lead.pk])[lead.pk].rep == manager
    queue = rep_client.get("/").content.decode()
    assert f"{manager} is on it" in queue
    page = rep_client.get(f"/leads/{lead.pk}/").content.decode()
    assert f"{manager} is on this lead" in page
    assert "Take over" not in page
    with pytest.raises(Conflict, match=f"{manager} is on this lead until"):
        services.start_call(lead, by=rep)
    with pytest.raises(Forbidden):
        services.start_call(lead, by=rep, take_over=True)
    services.start_call(lead, by=rep, direction="inbound")  # who calls in is spoken with
    Call.objects.all().delete()
    # The other way round the manager may, and the rep's page says so at its next sign of life.
    manager_client.post("/work/stop/")
    start(rep_client)
    assert rep_client.post("/work/stay/").status_code == 204
    assert "Take over and call" in manager_client.get(f"/leads/{lead.pk}/").content.decode()
    taken = manager_client.post(f"/leads/{lead.pk}/call/", {"take_over": "1"})
    assert taken.status_code == 302
    stay = rep_client.post("/work/stay/")
    assert stay["HX-Redirect"] == "/work/"
    assert f"{manager} is on this lead until" in shown(rep_client)
    rep_client.post("/work/next/", {"how": "lost", "lead": lead.pk})
    assert lead_in(shown(rep_client)) == three[1].pk
    assert [text for name, text in breaks() if name.startswith("calls.")] == []


def test_model_owners_do_not_work_queues(model_owner: User) -> None:
    client = log_in(model_owner)
    assert "start-work" not in client.get("/").content.decode()
    assert client.post("/work/start/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_four_people_at_once_never_get_one_lead(config: None) -> None:
    team_of = factories.make_user(role="admin")
    people = [team_of, *(factories.make_user(role="admin") for _ in range(3))]
    leads = [factories.make_lead(owner=team_of, scored=True) for _ in range(24)]
    got: list[tuple[int, int]] = []

    def work(person: User) -> None:
        session = working.start_session(person, "")
        while (lead_id := take_next(person, session)) is not None:
            got.append((person.pk, lead_id))
            # Go on without letting go.
            WorkedLead.objects.create(session=session, lead_id=lead_id, how="skipped")

    in_threads(*(lambda person=person: work(person) for person in people))
    assert sorted(lead_id for _, lead_id in got) == sorted({lead.pk for lead in leads})
    assert {(c.rep_id, c.lead_id) for c in Claim.objects.all()} == set(got)
