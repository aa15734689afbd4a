"""Calls that two people judge: blind, once, without effect on the lead, and the agreement shown."""

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from accounts.models import User
from calls import agreement, second_ratings, services
from calls.kappa import LEAST, kappa
from calls.models import Call, CallAnswer, Rating, SecondRating
from core.errors import Conflict, Forbidden, Invalid
from leads.models import Lead
from scoring.models import Evidence, FrameworkVersion, Standing
from tests import factories
from world.rated_calls import second_opinion


@pytest.fixture
def mate(rep: User) -> User:
    return factories.make_user("mate@leadqual.example", team=rep.team)


@pytest.fixture
def finished(lead: Lead, rep: User) -> Call:
    """A finished call in which two criteria were judged."""
    call, _ = services.start_call(lead, by=rep)
    for number, (question, answer) in enumerate(
        (("budget_funding", "findable"), ("budget_route", "own_means"), ("need_trigger", "event"))
    ):
        said = services.AnswerInput(question, f"k{number}", answer=answer, quote=f"Said {number}")
        services.save_answer(call.pk, said, by=rep)
    services.save_notes(call.pk, "They wait for the board.", version=0, by=rep)
    return services.finish_call(call.pk, services.FinishInput("send_info"), by=rep)


def test_kappa_is_the_one_worked_out_by_hand() -> None:
    # 20 pairs of three grades: 14 alike, 4 a step apart, 2 two steps apart.
    pairs = [(0, 0)] * 5 + [(1, 1)] * 5 + [(2, 2)] * 4 + [(0, 1)] * 2 + [(2, 1)] * 2 + [(0, 2)] * 2
    first, second = zip(*pairs, strict=True)
    # Apart: (4 · ½ + 2 · 1) ÷ 20 = 0.2. By chance, from 9/5/6 and 5/9/6 of 20:
    # ½ · (9·9 + 5·5 + 5·6 + 6·9) + 1 · (9·6 + 6·5), over 400, = (95 + 84) ÷ 400 = 0.4475.
    found = kappa(first, second, 3)
    assert found.value == pytest.approx(1 - 0.2 / 0.4475)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high < 1
    assert kappa(first, second, 3) == found  # the same pairs, the same interval
    assert kappa([], [], 4).value is None
    assert kappa([2, 2], [2, 2], 4).value is None  # nothing could have differed


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_kappa_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    value = kappa(first, second, 4).value
    if value is None:
        assert len({*first, *second}) == 1
    else:
        theirs = cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights="linear")
        assert value == pytest.approx(theirs)


def test_a_second_rating_is_blind_given_once_and_changes_nothing_of_the_lead(
    client: Client, finished: Call, rep: User, mate: User, manager: User, stranger: User
) -> None:
    lead = finished.lead
    before = (Standing.objects.get(pk=lead.pk).score, Evidence.objects.filter(lead=lead).count())
    record, rating = (
        reverse(f"calls:{name}", args=[finished.pk]) for name in ("run_call", "rate_call")
    )
    # A manager asks a person by name; that person meets the call without any judgement.
    client.force_login(manager)
    assert "Second rating" in client.get(record).content.decode()
    ask = reverse("calls:ask_for_rating", args=[finished.pk])
    assert client.post(ask, {"rater": rep.pk}).status_code == 422  # held it
    assert client.post(ask, {"rater": stranger.pk}).status_code == 422
    assert client.post(ask, {"rater": mate.pk}).status_code == 302
    client.force_login(mate)
    assert "asks you to rate" in client.get(reverse("calls:list_all_calls")).content.decode()
    assert client.get(record)["Location"] == rating
    text = client.get(rating).content.decode()
    assert "They wait for the board." in text
    assert "“Said 1”" in text
    for hidden in ("From means that this person disposes of", "The rep</dt>", "Score"):
        assert hidden not in text
    refused = client.post(rating, {"budget": "67"})
    assert refused.status_code == 422
    assert set(refused.context["problems"]) == {"need"}
    assert client.post(rating, {"budget": "67", "need": "-"}).status_code == 302
    text = client.get(rating).content.decode()
    assert "strong" in text
    assert "cannot be told" in text
    assert client.get(record).status_code == 200
    assert list(Rating.objects.values_list("dimension", "rating")) == [
        ("budget", 67), ("need", None),
    ]  # fmt: skip
    after = (Standing.objects.get(pk=lead.pk).score, Evidence.objects.filter(lead=lead).count())
    assert after == before
    # Once, and never by who held the call or while it goes on.
    with pytest.raises(Conflict):
        second_ratings.rate_call(finished, {"budget": "0"}, asked=["budget"], by=mate)
    with pytest.raises(Forbidden, match="took part"):
        second_ratings.rate_call(finished, {"budget": "0"}, asked=["budget"], by=rep)
    with pytest.raises(Invalid):
        second_ratings.ask_for_rating(finished, rep, by=manager)
    # The newest answer about the budget is the rep's; "cannot be told" is no pair.
    assert agreement.pairs() == [agreement.Pair("budget", "budget_route", 100, 67)]


def hold(lead: Lead, rep: User, rater: User, ratings: dict[str, tuple[int, int]]) -> None:
    """Write a finished call that two people judged."""
    framework = FrameworkVersion.objects.get(key="bant", state="live")
    scores = {"start_score": 40, "start_low": 30, "start_high": 50}
    call = Call.objects.create(
        lead=lead, rep=rep, framework_version=framework, state="finished", **scores
    )
    second = SecondRating.objects.create(call=call, rater=rater, rated_at=call.started_at)
    second.refresh_from_db()
    SecondRating.objects.filter(pk=second.pk).update(rated_at=second.requested_at)
    for dimension, (first, other) in ratings.items():
        CallAnswer.objects.create(
            call=call, client_key=dimension, kind="answer", question=f"{dimension}_x",
            dimension=dimension, rating=first, score_before=0, score=0, low=0, high=0,
        )  # fmt: skip
        Rating.objects.create(second_rating=second, dimension=dimension, rating=other)


def test_kappa_of_two_seeded_raters_is_shown(
    client: Client, lead: Lead, rep: User, mate: User, manager: User
) -> None:
    grades = (0, 33, 67, 100)
    rows = [(grades[n % 4], second_opinion("authority", grades[n % 4], n)) for n in range(1, 25)]
    for first, second in rows:
        hold(lead, rep, mate, {"authority": (first, second), "need": (first, first)})
    hold(lead, rep, mate, {"budget": (33, 67)})
    found = {item.dimension: item for item in agreement.kappa_by_criterion()}
    # Every third of 24 is a grade lower, but not the two that were the lowest already.
    assert found["authority"].n == 24
    assert found["authority"].alike == pytest.approx(18 / 24)
    table = np.zeros((4, 4))
    for first, second in rows:
        table[grades.index(first), grades.index(second)] += 1 / 24
    weights = np.abs(np.subtract.outer(range(4), range(4))) / 3
    chance = np.outer(table.sum(1), table.sum(0))
    by_hand = 1 - (weights * table).sum() / (weights * chance).sum()
    assert found["authority"].kappa == pytest.approx(by_hand)
    assert found["need"].kappa == pytest.approx(1)
    assert (found["budget"].kappa, found["budget"].missing) == (None, LEAST - 1)
    divided = agreement.judged_differently(agreement.pairs())
    assert [item.question for item in divided] == ["budget_x", "authority_x"]
    client.force_login(manager)
    text = client.get(reverse("calls:show_agreement")).content.decode()
    assert f"<b>{by_hand:.2f}</b>" in text
    assert f"needs {LEAST - 1} more" in text
    with CaptureQueriesContext(connection) as before:
        client.get(reverse("calls:show_agreement"))
    SecondRating.objects.all().delete()  # all of them can be rated again
    with CaptureQueriesContext(connection) as after:
        assert "Call of" in client.get(reverse("calls:show_agreement")).content.decode()
    assert len(after) <= len(before) + 1
    client.force_login(rep)
    assert client.get(reverse("calls:show_agreement")).status_code == 403
