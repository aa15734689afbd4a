"""How alike two people judge the same call: by criterion, and the questions judged differently."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, OuterRef

from accounts.models import User
from calls.kappa import LEAST, kappa
from calls.models import Call, CallAnswer, SecondRating
from calls.scripts import script_of
from core.clock import now
from leads.querysets import visibility
from scoring.definitions import Criterion
from scoring.live import live_config

WINDOW = dt.timedelta(days=365)
GRADES = ("ruled out", "weak", "moderate", "strong")
MOST_QUESTIONS = 8
MOST_TO_RATE = 10


@dataclass(frozen=True)
class Pair:
    """One criterion of one call, as the rep and a second person judged it, 0 to 100."""

    dimension: str
    question: str
    first: int
    second: int

    @property
    def grades(self) -> tuple[int, int]:
        """Both as grades 0 ruled out … 3 strong."""
        return grade(self.first), grade(self.second)


@dataclass(frozen=True)
class Agreement:
    """Agreement on one criterion. `kappa` is None with too few pairs, or without any variety.

    `alike` is the share of pairs with the same grade, `missing` how many pairs are still needed.
    """

    dimension: str
    label: str
    n: int
    alike: float
    kappa: float | None
    low: float | None
    high: float | None

    @property
    def missing(self) -> int:
        """How many pairs are needed for a figure."""
        return max(0, LEAST - self.n)

    @property
    def word(self) -> str:
        """The figure in a word (Landis and Koch 1977)."""
        if self.kappa is None:
            return ""
        marks = ((0.21, "hardly any"), (0.41, "fair"), (0.61, "moderate"), (0.81, "good"))
        return next((word for mark, word in marks if self.kappa < mark), "very good")


@dataclass(frozen=True)
class Divided:
    """A question that people judge differently: by how many grades in the mean, over n calls."""

    question: str
    text: str
    label: str
    n: int
    apart: float
    alike: float


def grade(rating: int) -> int:
    """Return the grade of a rating: 0 ruled out, 1 weak, 2 moderate, 3 strong."""
    return sum(rating >= limit for limit in (17, 50, 84))


def pairs(since: dt.datetime | None = None) -> list[Pair]:
    """Return all pairs of ratings since a moment (a year ago by default); one query.

    The rep's rating is the newest rated answer of the call about the criterion.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.dimension, a.question, a.rating, r.rating
            FROM calls_secondrating s
            JOIN calls_rating r ON r.second_rating_id = s.id
            CROSS JOIN LATERAL (
                SELECT answer.question, answer.rating FROM calls_callanswer answer
                WHERE answer.call_id = s.call_id AND answer.dimension = r.dimension
                  AND answer.kind = 'answer' AND answer.rating IS NOT NULL
                ORDER BY answer.id DESC LIMIT 1
            ) a
            WHERE s.rated_at >= %s AND r.rating IS NOT NULL
            ORDER BY s.id, r.dimension
            """,
            [since or now() - WINDOW],
        )
        return [Pair(*row) for row in cursor.fetchall()]


def kappa_by_criterion(found: Sequence[Pair] | None = None) -> list[Agreement]:
    """Return the agreement on each criterion that is asked or was rated, in the scripts' order."""
    found = pairs() if found is None else found
    labels = {
        criterion.dimension: criterion.label
        for live in reversed(live_config().everything)
        for criterion in live.framework.criteria
    }
    agreements = []
    for dimension in dict.fromkeys((*labels, *(pair.dimension for pair in found))):
        own = [pair.grades for pair in found if pair.dimension == dimension]
        n = len(own)
        figure = kappa([a for a, _ in own], [b for _, b in own], len(GRADES))
        enough = n >= LEAST
        agreements.append(
            Agreement(
                dimension=dimension,
                label=labels.get(dimension, dimension),
                n=n,
                alike=sum(a == b for a, b in own) / n if n else 0.0,
                kappa=figure.value if enough else None,
                low=figure.low if enough else None,
                high=figure.high if enough else None,
            )
        )
    return agreements


def judged_differently(found: Sequence[Pair]) -> list[Divided]:
    """Return the questions whose answers are judged most differently, the most first."""
    known = {
        question.key: (question.text["b2b"], criterion.label if criterion else question.dimension)
        for live in live_config().everything
        for question in live.framework.questions
        for criterion in [live.framework.criterion(question.dimension)]
    }
    by_question: dict[str, list[tuple[int, int]]] = {}
    for pair in found:
        by_question.setdefault(pair.question, []).append(pair.grades)
    divided = []
    for key, own in by_question.items():
        text, label = known.get(key, (key, ""))
        apart = sum(abs(a - b) for a, b in own) / len(own)
        if apart:
            alike = sum(a == b for a, b in own) / len(own)
            divided.append(Divided(key, text, label, len(own), apart, alike))
    divided.sort(key=lambda item: (-item.apart, -item.n, item.question))
    return divided[:MOST_QUESTIONS]


def waiting_for(rater: User) -> list[SecondRating]:
    """Return the second ratings that somebody still has to do, the oldest first."""
    return list(
        SecondRating.objects.filter(
            visibility(rater, "call__lead__"), rater=rater, rated_at=None
        ).select_related("call__lead__company", "call__rep", "requested_by")
        .order_by("requested_at", "pk")
    )  # fmt: skip


def to_rate(rater: User) -> list[Call]:
    """Return the newest finished calls of others that have rated answers and no second rating.

    These are what the policy lets the rater judge, in one query.
    """
    rated = CallAnswer.objects.filter(call=OuterRef("pk"), kind="answer", rating__isnull=False)
    own = CallAnswer.objects.filter(call=OuterRef("pk"), author=rater)
    done = SecondRating.objects.filter(call=OuterRef("pk"))
    calls = (
        Call.objects.filter(visibility(rater, "lead__"), state=Call.State.FINISHED)
        .exclude(rep=rater)
        .filter(Exists(rated), ~Exists(own), ~Exists(done))
        .select_related("lead__company", "rep", "outcome")
        .order_by("-started_at", "-pk")
    )
    return list(calls[:MOST_TO_RATE])


@dataclass(frozen=True)
class Heard:
    """What a call says about one criterion: questions with the lead's words, without any judgement.

    `first` and `second` are the ratings of both in words, "" while they are hidden.
    """

    criterion: Criterion
    said: list[tuple[str, str]]
    first: str
    second: str


def heard_in(call: Call, mine: SecondRating | None) -> list[Heard]:
    """Return what a call says about each criterion; ratings once `mine` is done."""
    script = script_of(call.framework_version_id)
    texts = {question.key: question.text[call.lead.kind] for question in script.questions}
    answers = [a for a in call.given if a.kind == CallAnswer.Kind.ANSWER and a.rating is not None]
    seconds: dict[str, int | None] = {}
    if mine is not None and mine.rated_at is not None:
        seconds = dict(mine.ratings.values_list("dimension", "rating"))
    found = []
    for criterion in script.criteria:
        own = [answer for answer in answers if answer.dimension == criterion.dimension]
        if not own:
            continue
        said = [
            (texts.get(a.question, ""), " · ".join(filter(None, (a.amount, a.quote)))) for a in own
        ]
        shown = criterion.dimension in seconds
        second = seconds.get(criterion.dimension)
        found.append(
            Heard(
                criterion,
                said,
                _word(own[-1].rating) if shown else "",
                _word(second) if shown else "",
            )
        )
    return found


def _word(rating: int | None) -> str:
    return "cannot be told" if rating is None else GRADES[grade(rating)]
