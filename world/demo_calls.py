"""Calls of a demo: a few that its people finished within the last hour, by the services that every
call goes through, so that each answer has moved a score.
"""

import datetime as dt
from itertools import count

from django.db.models import QuerySet

from accounts.models import User
from calls import services
from calls.models import CallAnswer
from calls.scripts import script_of
from calls.services import AnswerInput, FinishInput
from core import clock, money
from followups.cadence import opens_at
from followups.models import Followup
from followups.places import Places
from leads.models import Lead
from scoring.definitions import Answer, Question
from scoring.tiers import Tier
from world import names, words

# What came of the calls of each rep, how long ago they began, and what the lead brought up.
CALLS = (
    ("send_info", dt.timedelta(minutes=50), CallAnswer.Kind.CONCERN, "Fears lock-in"),
    ("callback", dt.timedelta(minutes=30), CallAnswer.Kind.COMPETITOR, "A spreadsheet"),
)
ASKED = 5  # questions of a call


def make_calls(reps: list[User]) -> None:
    """Have each rep call two leads that no step is late with."""
    for rep in reps:
        for number, (lead, call) in enumerate(zip(_callable(rep), CALLS, strict=False)):
            _call(lead, rep, number, *call)


def _callable(rep: User) -> QuerySet[Lead]:
    late = Followup.objects.filter(
        lead__owner=rep, state=Followup.State.SCHEDULED, due_at__lt=clock.now()
    )
    mine = Lead.objects.filter(owner=rep, standing__is_open=True)
    known = mine.filter(standing__tier__in=[Tier.WARM, Tier.COLD], contacted_at__isnull=False)
    return known.exclude(pk__in=late.values("lead_id")).order_by("-standing__rank", "pk")[
        : len(CALLS)
    ]


def _call(
    lead: Lead, rep: User, number: int, outcome: str, ago: dt.timedelta, kind: str, said: str
) -> None:
    moment = clock.now() - ago
    with clock.at(moment):
        call, _ = services.start_call(lead, by=rep)
    keys = count(1)
    for place, question in enumerate(script_of(call.framework_version_id).asked[number::2][:ASKED]):
        moment += dt.timedelta(seconds=question.seconds)
        with clock.at(moment):
            answer = _answer(question, lead, lead.pk + place, f"demo {next(keys)}")
            services.save_answer(call.pk, answer, by=rep)
    moment += dt.timedelta(seconds=30)
    with clock.at(moment):
        services.capture(call.pk, kind, said, by=rep, client_key=f"demo {next(keys)}")
        note = words.NOTES[lead.pk % len(words.NOTES)]
        services.save_notes(call.pk, note, version=0, by=rep)
        window = Places().window(lead.team_id, lead.time_zone, lead.country)
        tomorrow = opens_at(window, moment + dt.timedelta(days=1, hours=2))
        at = tomorrow if outcome == "callback" else None
        services.finish_call(call.pk, FinishInput(outcome, callback_at=at), by=rep)


def _answer(question: Question, lead: Lead, turn: int, key: str) -> AnswerInput:
    """Return one of the upper answers in turn, with words and an amount that go with its rating."""
    chosen = question.choices[turn % max(len(question.choices) - 1, 1)]
    quotes = words.QUOTES.get(question.dimension, {}).get(chosen.rating or 0, ("",))
    return AnswerInput(
        question=question.key,
        client_key=key,
        answer=chosen.key,
        amount=_named(question, chosen, lead, turn),
        quote=quotes[turn % len(quotes)],
        seen=0,
    )


def _named(question: Question, chosen: Answer, lead: Lead, turn: int) -> str:
    """Return an amount, date or name that makes the answer the chosen one."""
    if question.type == "person":
        family = names.FAMILY[turn % len(names.FAMILY)]
        return f"{family}, {names.ALL_TITLES[turn % len(names.ALL_TITLES)]}"
    if chosen.at_least is not None and lead.value_minor:
        amount = float(money.major(lead.value_minor, lead.currency)) * (chosen.at_least + 0.1)
        return f"{round(amount, -2):,.0f} {lead.currency}"
    if chosen.within_days is not None:
        ahead = dt.timedelta(days=min(chosen.within_days, 400) - 10)
        return f"{(clock.now() + ahead).date()}"
    return ""
