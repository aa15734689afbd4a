"""Writes of second ratings: ask for one, give one. Neither changes the lead or its score."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction

from accounts.models import User
from calls.models import Call, Rating, SecondRating
from calls.policies import can_ask_for_rating, can_rate_call
from core.clock import now
from core.errors import Conflict, FieldProblem, Invalid
from leads.models import Lead

CHOICES: Mapping[str, int | None] = {"100": 100, "67": 67, "33": 33, "0": 0, "-": None}


def ask_for_rating(call: Call, rater: User, *, by: User) -> SecondRating:
    """Ask a person to rate a finished call; asked already, it is the same request.

    Raises Forbidden when `by` may not ask, Invalid when that person cannot rate this call.
    """
    can_ask_for_rating(by, call).require()
    if not Lead.objects.visible_to(rater).filter(pk=call.lead_id).exists():
        raise Invalid.field("rater", "not_a_choice", "does not see this lead")
    if not (may := can_rate_call(rater, call)):
        raise Invalid.field("rater", "not_a_choice", may.reason)
    return SecondRating.objects.get_or_create(
        call=call, rater=rater, defaults={"requested_by": by}
    )[0]


@transaction.atomic
def rate_call(call: Call, given: Mapping[str, str], *, asked: list[str], by: User) -> SecondRating:
    """Keep how `by` judges each of the dimensions `asked` of a call; `given` has keys of CHOICES.

    Raises Invalid naming each dimension without a choice, Conflict when it was rated already.
    """
    can_rate_call(by, call).require()
    wrong = [
        FieldProblem(dimension, "required", "choose one of the grades, or “cannot be told”")
        for dimension in asked
        if given.get(dimension) not in CHOICES
    ]
    if wrong:
        raise Invalid(wrong)
    try:
        with transaction.atomic():
            second, _ = SecondRating.objects.get_or_create(call=call, rater=by)
            Rating.objects.bulk_create(
                Rating(second_rating=second, dimension=key, rating=CHOICES[given[key]])
                for key in asked
            )
    except IntegrityError:
        raise Conflict("You have rated this call already.") from None
    second.rated_at = now()
    second.save(update_fields=["rated_at"])
    return second
