"""Finished calls of the demo that were judged twice, with a disagreement that is known.

The calls tell what the leads' answers by phone tell already, so no score changes. The second person
sees authority a grade lower in every third call, and need two grades apart in every sixth.
"""

import datetime as dt

from accounts.models import User
from calls.models import Call, CallAnswer, CallOutcome, Rating, SecondRating
from scoring.live import live_config
from scoring.models import Evidence, Standing

CALLS = 52
TO_RATE = 4  # of them wait for their second rating
LENGTH = dt.timedelta(minutes=11)
# Every n-th call differs on a dimension, by so many grades.
APART = {"authority": (3, -1), "need": (6, -2), "budget": (8, 1)}
GRADES = (0, 33, 67, 100)


def second_opinion(dimension: str, rating: int, number: int) -> int:
    """Return how the second person rates what the rep of the n-th call rated so."""
    every, by = APART.get(dimension, (0, 0))
    if not every or number % every:
        return rating
    grade = min(range(len(GRADES)), key=lambda at: abs(GRADES[at] - rating))
    return GRADES[min(max(grade + by, 0), len(GRADES) - 1)]


def hold_rated_calls(reps: list[User]) -> None:
    """Write calls from answers by phone, each judged again by somebody of the rep’s team."""
    outcome = CallOutcome.objects.filter(connected=True).order_by("position").first()
    labels = {
        (question.key, answer.key): answer.label
        for live in live_config().everything
        for question in live.framework.questions
        for answer in question.answers
    }
    answers = (
        Evidence.objects.filter(source="call", author__in=reps, lead__standing__is_open=True)
        .exclude(answer="")
        .order_by("-lead_id", "observed_at", "pk")
    )
    by_lead: dict[int, list[Evidence]] = {}
    for evidence in answers.iterator():
        by_lead.setdefault(evidence.lead_id, []).append(evidence)
        if len(by_lead) > CALLS:
            del by_lead[evidence.lead_id]
            break
    standings = Standing.objects.select_related("model_version").in_bulk(list(by_lead))
    people = {rep.pk: rep for rep in reps}
    number = 0
    for lead_id, given in by_lead.items():
        standing, rep = standings[lead_id], people[given[0].author_id or 0]
        others = [one for one in reps if one.team_id == rep.team_id and one != rep]
        if outcome is None or standing.model_version is None or not others:
            continue
        number += 1
        # The whole of it is one talk: when the last answer was given.
        ended = given[-1].observed_at
        call = Call.objects.create(
            lead_id=lead_id,
            rep=rep,
            framework_version_id=standing.model_version.framework_id,
            state=Call.State.FINISHED,
            started_at=ended - LENGTH,
            ended_at=ended,
            ended_by=rep,
            outcome=outcome,
            start_score=standing.score,
            start_low=standing.low,
            start_high=standing.high,
            start_tier=standing.tier,
            end_score=standing.score,
            end_low=standing.low,
            end_high=standing.high,
            end_tier=standing.tier,
        )
        newest = {evidence.dimension: evidence for evidence in given}
        CallAnswer.objects.bulk_create(
            CallAnswer(
                call=call,
                client_key=f"demo-{evidence.pk}",
                kind=CallAnswer.Kind.ANSWER,
                question=evidence.question,
                dimension=evidence.dimension,
                answer=evidence.answer,
                label=labels.get((evidence.question, evidence.answer), evidence.answer),
                rating=evidence.rating,
                quote=evidence.quote,
                author=rep,
                at=ended - LENGTH / 2,
                evidence=evidence,
                score_before=standing.score,
                tier_before=standing.tier,
                score=standing.score,
                low=standing.low,
                high=standing.high,
                tier=standing.tier,
            )
            for evidence in newest.values()
        )
        if number <= TO_RATE:
            continue
        second = SecondRating.objects.create(
            call=call, rater=others[number % len(others)], rated_at=ended + LENGTH
        )
        Rating.objects.bulk_create(
            Rating(
                second_rating=second,
                dimension=dimension,
                rating=second_opinion(dimension, evidence.rating, number),
            )
            for dimension, evidence in newest.items()
        )
