"""The pages of calls work without scripts, escape what people wrote, and show it to nobody else."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from calls import services
from calls.models import Call, CallAnswer
from calls.scripts import script_of
from calls.selectors import get_call, plot_of
from core import clock
from core.clock import now
from leads.models import Activity, Lead
from scoring.models import Standing
from tests import factories
from tests.calls.conftest import answer, change_script, finish, statements


@pytest.fixture
def web(client: Client, rep: User) -> Client:
    """A browser of `rep`, without scripts."""
    client.force_login(rep)
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"calls:{name}", args=args)


def test_a_call_runs_by_plain_forms(web: Client, lead: Lead) -> None:
    started = web.post(url("start_call", lead.pk))
    call = Call.objects.get()
    assert started["Location"] == url("run_call", call.pk)
    page = web.get(started["Location"])
    assert b"Is money set aside" in page.content
    given = {"question": "budget_funding", "answer": "set_aside", "client_key": "a", "seen": "0"}
    saved = web.post(url("save_answer", call.pk), given)
    assert saved["Location"] == f"{url('run_call', call.pk)}?q=budget_route"
    web.post(url("capture", call.pk), {"kind": "concern", "text": "Lock-in", "client_key": "b"})
    web.post(url("save_notes", call.pk), {"notes": "EU hosting", "version": "0"})
    done = web.post(url("finish_call", call.pk), {"outcome": "no_answer"}, follow=True)
    assert b"Answers, in order" in done.content
    for text in (b"Set aside", b"Lock-in", b"EU hosting", b"Call finished: No answer."):
        assert text in done.content
    # What was asked about can be judged here: the line of its dimension, and no other.
    assert b"Are the points right?" in done.content
    assert re.findall(rb'<option value="(\w+)">[A-Z]', done.content) == [b"budget"]


def test_a_script_is_answered_with_what_moves(web: Client, call: Call) -> None:
    given = {"question": "budget_funding", "answer": "set_aside", "client_key": "a", "seen": "0"}
    response = web.post(url("save_answer", call.pk), given, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert b'id="progress"' in response.content
    assert b"<html" not in response.content
    assert b"in this call" in response.content


def test_not_known_and_ask_later_are_kept(web: Client, call: Call) -> None:
    path = url("save_answer", call.pk)
    web.post(path, {"question": "budget_funding", "answer": "-", "client_key": "a"})
    web.post(path, {"question": "budget_route", "later": "1", "client_key": "b"})
    assert [a.kind for a in call.answers.all()] == ["unknown", "later"]


def test_what_an_outcome_needs_is_shown_beside_its_field(web: Client, call: Call) -> None:
    for given, message in (
        ({}, "Say how the call ended."),
        ({"outcome": "callback"}, "“Call back” needs a time."),
        ({"outcome": "callback", "callback_at": "soon"}, "Give a day and a time."),
        ({"outcome": "callback", "callback_at": "2001-01-01T10:00"}, "Has passed already."),
        ({"outcome": "not_interested"}, "“Not interested” needs a reason."),
    ):
        response = web.post(url("finish_call", call.pk), given)
        assert response.status_code == 422
        assert message in response.content.decode()
    call.refresh_from_db()
    assert call.state == Call.State.OPEN


def test_a_call_finished_twice_is_a_conflict(web: Client, call: Call) -> None:
    web.post(url("finish_call", call.pk), {"outcome": "no_answer"})
    again = web.post(url("finish_call", call.pk), {"outcome": "voicemail"})
    assert again.status_code == 409
    assert "finished already" in again.content.decode()


def test_notes_of_two_people_are_both_shown(web: Client, call: Call, rep: User) -> None:
    web.post(url("save_notes", call.pk), {"notes": "Theirs", "version": "0"})
    plain = web.post(url("save_notes", call.pk), {"notes": "Mine", "version": "0"})
    assert plain.status_code == 412
    assert "Theirs" in plain.content.decode()
    assert "Mine" in plain.content.decode()
    headers = {"HX-Request": "true"}
    scripted = web.post(
        url("save_notes", call.pk), {"notes": "Mine", "version": "0"}, headers=headers
    )
    assert scripted.status_code == 412
    assert scripted.json() == {"notes": "Theirs", "version": 1}


def test_markup_in_notes_and_words_is_shown_and_not_run(web: Client, call: Call, rep: User) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    answer(call, "budget_funding", rep, answer="set_aside", quote=bad)
    web.post(url("save_notes", call.pk), {"notes": bad, "version": "0"})
    web.post(url("capture", call.pk), {"kind": "concern", "text": bad, "client_key": "b"})
    pages = [web.get(url("run_call", call.pk)), web.get(url("show_progress", call.pk))]
    finish(call, "no_answer", rep)
    pages.append(web.get(url("run_call", call.pk)))
    for page in pages:
        assert b"<script>alert" not in page.content
        assert b"<img src=x" not in page.content
        assert b"&lt;script&gt;" in page.content


def test_no_page_of_calls_has_inline_script_or_style(web: Client, call: Call) -> None:
    for name, number in (("run_call", call.pk), ("list_calls", call.lead_id)):
        html = web.get(url(name, number)).content.decode()
        assert "style=" not in html
        assert " onclick=" not in html
        assert "<script>" not in html


def test_strangers_find_no_call(client: Client, call: Call, stranger: User) -> None:
    client.force_login(stranger)
    for name in ("run_call", "show_progress"):
        assert client.get(url(name, call.pk)).status_code == 404
    for name in ("save_answer", "capture", "save_notes", "finish_call"):
        assert client.post(url(name, call.pk)).status_code == 404
    assert client.get(url("list_calls", call.lead_id)).status_code == 404
    assert client.post(url("start_call", call.lead_id)).status_code == 404


def test_who_may_only_read_sees_the_record_and_changes_nothing(
    client: Client, call: Call, model_owner: User
) -> None:
    client.force_login(model_owner)
    page = client.get(url("run_call", call.pk))
    assert b"going on" in page.content
    assert b"Wrap up" not in page.content
    given = {"question": "budget_funding", "rating": "1", "answer": "none", "client_key": "a"}
    assert client.post(url("save_answer", call.pk), given).status_code == 403
    assert not CallAnswer.objects.exists()


def test_a_manager_reads_what_each_answer_changed(
    client: Client, call: Call, rep: User, manager: User
) -> None:
    kept = answer(call, "budget_funding", rep, answer="set_aside", quote="40k a year")
    last = answer(call, "authority_role", rep, answer="decides")
    moved = [a for a in (kept, last) if a.tier != a.tier_before]
    assert moved
    done = finish(call, "no_answer", rep)
    client.force_login(manager)
    html = client.get(url("run_call", call.pk)).content.decode()
    for text in ("Is money set aside", "Set aside", "40k a year", "budget 100 of 100", str(rep)):
        assert text in html
    assert f"{kept.score_before} → {kept.score}" in html
    assert f"{moved[0].tier_before.capitalize()} → {moved[0].tier.capitalize()}" in html
    assert "10 questions not asked" in html
    noted = Activity.objects.get(lead=call.lead, data__evidence=kept.evidence_id)
    assert f"/leads/{call.lead_id}/?show=answers#activity-{noted.pk}" in html
    assert (
        f'id="activity-{noted.pk}"'
        in client.get(f"/leads/{call.lead_id}/?show=answers").content.decode()
    )
    assert (
        f'<a href="/calls/{call.pk}/">answers</a>'
        in client.get(f"/leads/{call.lead_id}/").content.decode()
    )
    plot = plot_of(get_call(manager, call.pk))
    assert [mark.text for mark in plot.below] == ["start", "1", "2", "end"]
    assert [mark.text for mark in plot.points] == [
        str(score) for score in (call.start_score, kept.score, last.score, done.end_score)
    ]
    assert f'd="{plot.band}"' in html


def test_calls_of_all_leads_are_listed_by_rep_outcome_and_day(
    client: Client, rep: User, manager: User, stranger: User
) -> None:
    calls = [services.start_call(factories.make_lead(owner=rep), by=rep)[0] for _ in range(3)]
    finish(calls[0], "no_answer", rep)
    finish(calls[1], "not_interested", rep, reason="No need")
    old = now() - dt.timedelta(days=9)
    Call.objects.filter(pk=calls[2].pk).update(started_at=old)

    def shown(viewer: User, query: str = "") -> list[int]:
        client.force_login(viewer)
        page = client.get(f"{url('list_all_calls')}{query}")
        assert page.status_code == 200
        return [int(key) for key in re.findall(r'id="call-(\d+)"', page.content.decode())]

    newest = [calls[1].pk, calls[0].pk, calls[2].pk]  # by when they began
    assert shown(rep) == shown(manager) == newest
    assert shown(stranger) == []
    assert shown(manager, "?outcome=no_answer") == [calls[0].pk]
    assert shown(manager, f"?rep={rep.pk}&outcome=&started_at__gte=") == newest
    assert shown(manager, f"?rep={manager.pk}") == []
    assert shown(manager, f"?started_at__lt={old + dt.timedelta(days=2):%Y-%m-%d}") == [calls[2].pk]
    client.force_login(manager)
    Call.objects.filter(pk=calls[1].pk).update(started_at=old - dt.timedelta(days=1))
    newest = [calls[0].pk, calls[2].pk, calls[1].pk]
    page = client.get(f"{url('list_all_calls')}?limit=2").content.decode()
    following = re.search(r'href="\?([^"]*cursor=[^"]*)"', page)
    assert following is not None
    assert re.findall(r'id="call-(\d+)"', page) == [str(key) for key in newest[:2]]
    assert shown(manager, f"?{following[1].replace('&amp;', '&')}") == newest[2:]
    assert client.get(f"{url('list_all_calls')}?reps=1").status_code == 400


def test_where_calls_are_recorded_the_console_asks_whether_the_lead_was_told(
    web: Client, lead: Lead, rep: User
) -> None:
    web.post(url("start_call", lead.pk))
    assert "recorded" not in web.get(url("run_call", Call.objects.get().pk)).content.decode()
    finish(Call.objects.get(), "no_answer", rep)
    Workspace.objects.update(calls_recorded=True)
    web.post(url("start_call", lead.pk))
    call = Call.objects.latest("pk")
    path, note = url("run_call", call.pk), url("note_recording", call.pk)
    page = web.get(path).content.decode()
    assert "<strong>Calls are recorded.</strong> Tell Ada before anything else." in page
    assert "<li>Recording: was it announced?</li>" in page
    stamp = re.search(r'data-stamp="([^"]+)"', page)
    assert web.post(note, {"recording": "maybe"}).status_code == 422
    scripted = web.post(note, {"recording": "agreed"}, headers={"HX-Request": "true"})
    assert "and agreed." in scripted.content.decode()
    assert stamp is not None
    assert stamp[1] not in scripted.content.decode()  # so other consoles see it too
    Workspace.objects.update(calls_recorded=False)  # what held when it began holds for the call
    assert web.post(note, {"recording": "refused"})["Location"] == path
    page = web.get(path).content.decode()
    assert "<strong>Do not record.</strong>" in page
    assert "was it announced" not in page
    finish(call, "no_answer", rep)
    assert "recording: told, and refused at" in web.get(path).content.decode()
    said = Activity.objects.filter(data__call__id=call.pk).latest("pk").data["call"]["recording"]
    assert said == "refused"
    assert web.post(note, {"recording": "agreed"}).status_code == 409


def test_the_console_tells_the_time_where_the_lead_is(web: Client, call: Call) -> None:
    Lead.objects.filter(pk=call.lead_id).update(time_zone="Asia/Tokyo")
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        page = web.get(url("run_call", call.pk)).content.decode()
    assert "Their time <b>Wed 19:00</b>" in page


def test_the_console_costs_the_same_however_much_was_answered(
    web: Client, call: Call, rep: User, django_assert_max_num_queries: Any
) -> None:
    """Twelve with those that say who asks. The facts of the lead are two of them (COPY)."""
    web.get(url("run_call", call.pk))  # the first fills the memory of configuration
    with django_assert_max_num_queries(12) as first:
        web.get(url("run_call", call.pk))
    for key in ("none", "findable", "planned", "set_aside"):
        for question in ("budget_funding", "budget_funding"):
            answer(call, question, rep, answer=key)
    with django_assert_max_num_queries(len(first.captured_queries)):
        web.get(url("run_call", call.pk))


def test_an_answer_takes_ten_queries_at_most(web: Client, call: Call, rep: User) -> None:
    def give(question: str, chosen: str) -> tuple[bytes, list[str]]:
        given = {"question": question, "answer": chosen, "client_key": f"{question} {chosen}"}
        with CaptureQueriesContext(connection) as captured:
            response = web.post(url("save_answer", call.pk), given, headers={"HX-Request": "true"})
        assert response.status_code == 200
        return response.content, statements(captured)

    give("budget_funding", "none")  # the first fills the memory of how leads answer
    tiers = {Standing.objects.get(pk=call.lead_id).tier}
    for question, chosen in (
        ("authority_role", "decides"),
        ("budget_funding", "set_aside"),
        ("need_consequence", "unknown"),
        ("need_trigger", "event"),
    ):
        html, sql = give(question, chosen)
        assert len(sql) <= 10, sql
        standing = Standing.objects.get(pk=call.lead_id)
        assert f'id="live-score">{standing.score}<'.encode() in html
        assert standing.stale_at is None
        tiers.add(standing.tier)
    assert len(tiers) > 1  # also with a tier that changes


def test_a_console_asks_what_others_changed(
    web: Client, client: Client, call: Call, rep: User, manager: User
) -> None:
    path = url("be_present", call.pk)
    stamp = re.search(rb'data-stamp="([^"]+)"', web.get(url("run_call", call.pk)).content)
    assert stamp is not None
    mine = {"tab": "one", "stamp": stamp[1].decode()}
    assert web.post(path, mine).status_code == 204
    services.be_present(call, "two", by=manager)
    told = f"{manager} is in this call too"
    assert told in web.post(path, mine).content.decode()
    assert web.post(path, {**mine, "present": told}).status_code == 204
    answer(call, "budget_funding", manager, answer="set_aside")
    changed = web.post(path, {**mine, "present": told})
    assert changed.status_code == 200
    assert b"Set aside" in changed.content
    assert web.post(path, {"tab": ""}).status_code == 422
    finish(call, "no_answer", rep)
    assert b"was finished by" in web.post(path, mine).content


def test_of_two_answers_either_can_be_kept(
    web: Client, call: Call, rep: User, manager: User
) -> None:
    answer(call, "budget_funding", manager, answer="set_aside", seen=0)
    mine = answer(call, "budget_funding", rep, answer="none", seen=0, quote="Nothing this year")
    html = web.get(url("run_call", call.pk)).content.decode()
    assert "Keep mine" in html
    assert f"Take that of {manager}" in html
    assert "Nothing this year" in html
    forms = re.findall(r"<form[^>]*data-settle>(.*?)</form>", html, re.S)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', forms[1]))
    web.post(url("save_answer", call.pk), fields)
    newest = call.answers.last()
    assert newest is not None
    assert (newest.answer, newest.replaces, newest.unseen) == ("set_aside", mine, False)
    assert b"data-settle" not in web.get(url("run_call", call.pk)).content


def test_a_question_appears_once_an_answer_makes_it_apply(web: Client, call: Call) -> None:
    change_script(
        call, budget_route={"ask_if": {"field": "rating.budget", "op": "lt", "value": 100}}
    )
    hidden = 'class="outline-not_asked" hidden data-line="budget_route"'
    assert hidden in web.get(url("run_call", call.pk)).content.decode()
    given = {"question": "budget_funding", "answer": "none", "client_key": "a", "seen": "0"}
    shown = web.post(url("save_answer", call.pk), given, headers={"HX-Request": "true"})
    assert hidden not in shown.content.decode()
    assert 'class="outline-open" data-line="budget_route"' in shown.content.decode()
    given |= {"answer": "set_aside", "client_key": "b"}
    gone = web.post(url("save_answer", call.pk), given, headers={"HX-Request": "true"})
    assert hidden in gone.content.decode()


def test_every_type_of_question_has_its_field(web: Client, call: Call) -> None:
    kinds = ("choice", "scale", "yes_no", "number", "period", "text", "person")
    keys = [question.key for question in script_of(call.framework_version_id).questions]
    change_script(call, **{key: {"type": kind} for key, kind in zip(keys, kinds, strict=False)})
    html = web.get(url("run_call", call.pk)).content.decode()
    for label in ("Amount", "Currency", "Date or period", "Name and role", "How strong is that?"):
        assert label in html
    given = {"question": keys[3], "answer": "decides", "client_key": "a"}
    web.post(url("save_answer", call.pk), {**given, "amount": "12", "currency": "CHF"})
    assert CallAnswer.objects.get().amount == "12 CHF"
    html = web.get(url("run_call", call.pk)).content.decode()
    assert 'value="12" data-draft' in html


def test_the_brief_tells_the_last_call_once(web: Client, lead: Lead, rep: User) -> None:
    first = services.start_call(lead, by=rep)[0]
    answer(first, "budget_funding", rep, answer="set_aside", quote="Told once.")
    finish(first, "send_info", rep)
    second = services.start_call(lead, by=rep)[0]
    page = web.get(url("run_call", second.pk)).content.decode()
    assert page.count("Told once.") == 1


def test_a_card_says_which_amounts_and_dates_make_which_answer(web: Client, call: Call) -> None:
    Lead.objects.filter(pk=call.lead_id).update(value_minor=2_000_000, currency="EUR")
    with clock.at(dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)):
        html = web.get(url("run_call", call.pk)).content.decode()
    for bound in ("from €30,000", "from €15,000", "until 26 Feb 2027", "until 28 May 2027"):
        assert bound in html
    assert html.count(" data-measured") == 2
    given = {"question": "budget_worth", "client_key": "a", "amount": "40k", "currency": "EUR"}
    shown = web.post(url("save_answer", call.pk), given, headers={"HX-Request": "true"})
    assert 'data-answer="well_above"' in shown.content.decode()
    Lead.objects.filter(pk=call.lead_id).update(value_minor=None)
    html = web.get(url("run_call", call.pk)).content.decode()
    assert html.count(" data-measured") == 1  # an amount is compared with the deal


def test_the_page_that_follows_a_call_is_one_of_ours(web: Client, call: Call) -> None:
    page = web.get(f"{url('run_call', call.pk)}?next=/today/")
    assert b"Save and next" in page.content
    assert b"evil" not in web.get(f"{url('run_call', call.pk)}?next=//evil.example/").content
    done = web.post(url("finish_call", call.pk), {"outcome": "no_answer", "next": "/today/"})
    assert done["Location"] == "/today/"
