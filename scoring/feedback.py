"""Feedback on lines of a ledger: given by people on leads, counted by signal, answered.

A proposal reads the counts (`feedback_by_signal`); they are evidence for a person and move nothing
by themselves. When a later version moves a signal's points in the asked direction, a sweep answers
those who asked (docs/domain/scoring.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import User
from accounts.policies import can_change_configuration
from core.clock import DatabaseNow
from core.errors import Invalid, NotFound
from leads.identity import clean_text
from leads.models import Lead
from leads.policies import can_change_lead
from scoring.live import live_config
from scoring.models import Feedback, Proposal
from scoring.rescoring import lock
from scoring.selectors import LedgerLine, explain

MOST_REASON = 500
MOST_A_REP = 3.0  # verdicts of one person on one signal that count; more are scaled down to it
ANSWER_BATCH = 1_000
_REASON_WANTED = (Feedback.Verdict.WRONG_DATA,)


@transaction.atomic
def give_feedback(lead: Lead, signal: str, verdict: str, *, by: User, reason: str = "") -> Feedback:
    """Keep a person's verdict on one line of a lead's ledger; the open one of theirs is changed.

    Raises Forbidden, or Invalid naming the field. A closed lead takes feedback too: by then one
    knows best.
    """
    can_change_lead(by, lead).require()
    lock([lead.pk])
    reason = clean_text(reason)
    if verdict not in Feedback.Verdict.values:
        choices = ", ".join(Feedback.Verdict.values)
        raise Invalid.field("verdict", "not_a_choice", f"must be one of {choices}")
    if len(reason) > MOST_REASON:
        raise Invalid.field("reason", "too_long", f"has at most {MOST_REASON} characters")
    if verdict in _REASON_WANTED and not reason:
        raise Invalid.field("reason", "required", "say which data is wrong, so it can be mended")
    line, model_id, points = _line(lead, signal)
    values = {
        "label": line.label,
        "model_version_id": model_id,
        "points": points,
        "line_points": line.points,
        "verdict": verdict,
        "reason": reason,
        "at": DatabaseNow(),
        "compared_with_id": model_id,
    }
    feedback, _ = Feedback.objects.update_or_create(
        lead=lead, rep=by, signal=signal, answered_at=None, defaults=values
    )
    feedback.refresh_from_db()
    return feedback


def _line(lead: Lead, signal: str) -> tuple[LedgerLine, int, float]:
    """Return the ledger's line of a signal, the model version and the signal's points there."""
    config = live_config()
    why = explain([lead.pk]).get(lead.pk)
    if why is None:
        raise NotFound()
    live = next(live for live in config.everything if live.key == why.model_key)
    known = {line.signal: line for line in why.lines}
    for candidate in live.model.signals:
        if candidate.key == signal and signal in known:
            return known[signal], live.id, candidate.points
    keys = ", ".join(s.key for s in live.model.signals if s.key in known)
    raise Invalid.field("signal", "unknown_signal", f"must be one of {keys}")


@transaction.atomic
def withdraw_feedback(lead: Lead, signal: str, *, by: User) -> None:
    """Take back one's own open verdict on a signal, if there is one."""
    can_change_lead(by, lead).require()
    Feedback.objects.filter(lead=lead, signal=signal, rep=by, answered_at=None).delete()


@transaction.atomic
def answer_feedback(feedback_id: int, answer: str, *, by: User) -> Feedback:
    """Answer a verdict in words, which closes it; its author is told on Today and the lead page."""
    can_change_configuration(by).require()
    answer = clean_text(answer)
    if not answer:
        raise Invalid.field("answer", "required", "say what becomes of it")
    if len(answer) > MOST_REASON:
        raise Invalid.field("answer", "too_long", f"has at most {MOST_REASON} characters")
    found = Feedback.objects.select_for_update().filter(pk=feedback_id).first()
    if found is None:
        raise NotFound()
    if found.answered_at is not None:
        raise Invalid.field("answer", "answered", "somebody answered this already")
    Feedback.objects.filter(pk=found.pk).update(
        answer=answer, answered_by=by, answered_at=DatabaseNow()
    )
    found.refresh_from_db()
    return found


def mark_seen(feedback_id: int, *, by: User) -> int:
    """Note that the author has read the answer; return the lead's id.

    Raises NotFound for other people's feedback.
    """
    lead_id = Feedback.objects.filter(pk=feedback_id, rep=by).values_list("lead_id", flat=True)
    if not lead_id:
        raise NotFound()
    Feedback.objects.filter(pk=feedback_id, answered_at__isnull=False, seen_at=None).update(
        seen_at=DatabaseNow()
    )
    return int(lead_id[0])


def answer_by_versions() -> int:
    """Answer open feedback whose signal a newer live version moved as was asked; return how many
    verdicts were held against a version for the first time. One batch; nothing twice.
    """
    lives = {live.key: live for live in live_config().everything}
    behind = (
        Feedback.objects.filter(
            answered_at=None,
            model_version__key__in=list(lives),
        )
        .exclude(compared_with_id__in=[live.id for live in lives.values()])
        .annotate(before=Coalesce("old_points", "points"))
        .values_list("pk", "model_version__key", "signal", "verdict", "before")
        .order_by("pk")[:ANSWER_BATCH]
    )
    worth = _worth([live.id for live in lives.values()])
    ids, versions, olds, points, moved = [], [], [], [], []
    for pk, key, signal, verdict, before in behind:
        live = lives[key]
        now = next((s.points for s in live.model.signals if s.key == signal), 0.0)
        factor = worth.get((live.id, signal), 1.0)
        before = round(before * factor, 1) if factor != 1.0 else before
        slack = 0.0 if factor == 1.0 else max(0.1, 0.01 * abs(before))  # what rounding does
        ids.append(pk)
        versions.append(live.id)
        olds.append(before)
        points.append(now)
        lowered, raised = now < before - slack, now > before + slack
        moved.append(
            (verdict == Feedback.Verdict.TOO_HIGH and lowered)
            or (verdict == Feedback.Verdict.TOO_LOW and raised)
        )
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_feedback f
            SET compared_with_id = n.version,
                answered_at = CASE WHEN n.moved THEN leadqual_now() END,
                answered_version_id = CASE WHEN n.moved THEN n.version END,
                old_points = n.old,
                new_points = CASE WHEN n.moved THEN n.points END
            FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::boolean[])
                AS n(id, version, old, points, moved)
            WHERE f.id = n.id AND f.answered_at IS NULL
            """,
            [ids, versions, olds, points, moved],
        )
    return len(ids)


def _worth(version_ids: list[int]) -> dict[tuple[int, str], float]:
    """Return by version and signal what a point of the version before is worth in its own points,
    where its proposal said that a point is worth something else; one query.
    """
    approved = Proposal.objects.filter(version__in=version_ids, state=Proposal.State.APPROVED)
    return {
        (version_id, line["key"]): line["old_scaled"] / line["old"]
        for version_id, lines in approved.values_list("version_id", "evidence__lines")
        for line in lines or []
        if line.get("old_scaled") is not None and line["old"]
    }


def open_feedback(lead_id: int, rep: User) -> dict[str, Feedback]:
    """Return a person's open verdicts on a lead by signal; one query."""
    found = Feedback.objects.filter(lead_id=lead_id, rep=rep, answered_at=None)
    return {feedback.signal: feedback for feedback in found}


def unread_answers(rep: User, lead_id: int | None = None) -> QuerySet[Feedback]:
    """Return answers that a person has not seen yet, the newest first (on one lead, if given)."""
    found = Feedback.objects.filter(rep=rep, answered_at__isnull=False, seen_at=None)
    if lead_id is not None:
        found = found.filter(lead_id=lead_id)
    return found.select_related("answered_by", "answered_version", "lead").order_by(
        "-answered_at", "-id"
    )[:5]


@dataclass(frozen=True)
class SignalFeedback:
    """Open verdicts on one signal. Counts are capped: one person counts at most MOST_A_REP in all,
    shared over their verdicts; `verdicts` and `reps` are how many there really are.
    """

    signal: str
    right: float
    too_high: float
    too_low: float
    wrong_data: float
    verdicts: int
    reps: int

    @property
    def asks(self) -> float:
        """Capped verdicts for more points less those for fewer."""
        return self.too_low - self.too_high


def feedback_by_signal(version: object) -> Mapping[str, SignalFeedback]:
    """Return open feedback on the signals of a model version's key, by signal; one query.

    `version` has a `key` (a ModelVersion or a LiveModel). A verdict given on an older version still
    stands until it is answered.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH counted AS (
                SELECT f.signal, f.rep_id, count(*) AS n,
                       count(*) FILTER (WHERE f.verdict = 'right') AS fine,
                       count(*) FILTER (WHERE f.verdict = 'too_high') AS high,
                       count(*) FILTER (WHERE f.verdict = 'too_low') AS low,
                       count(*) FILTER (WHERE f.verdict = 'wrong_data') AS wrong
                FROM scoring_feedback f JOIN scoring_modelversion m ON m.id = f.model_version_id
                WHERE f.answered_at IS NULL AND m.key = %(key)s
                GROUP BY f.signal, f.rep_id
            ), capped AS (
                SELECT *, least(1, %(most)s / n) AS share FROM counted
            )
            SELECT signal, sum(fine * share), sum(high * share), sum(low * share),
                   sum(wrong * share), sum(n), count(*)
            FROM capped GROUP BY signal ORDER BY signal
            """,
            {"key": version.key, "most": MOST_A_REP},  # type: ignore[attr-defined]
        )
        found = {}
        for signal, right, high, low, wrong, n, reps in cursor.fetchall():
            capped = [round(float(count), 2) for count in (right, high, low, wrong)]
            found[signal] = SignalFeedback(
                signal, capped[0], capped[1], capped[2], capped[3], int(n), int(reps)
            )
        return found


def list_feedback() -> QuerySet[Feedback]:
    """Return all feedback with what a list shows of it; filter, then order by (-at, -id)."""
    return Feedback.objects.select_related(
        "rep", "lead", "model_version", "answered_by", "answered_version"
    ).annotate(key=F("model_version__key"))


def told(feedback: Feedback) -> str:
    """Say in one sentence what came of somebody's feedback."""
    label = feedback.label
    if feedback.answered_version is not None and feedback.new_points is not None:
        old = feedback.points if feedback.old_points is None else feedback.old_points
        fewer = feedback.new_points < old
        said = f"You said the points for {label} are too {'high' if fewer else 'low'}"
        number = feedback.answered_version.number
        if feedback.new_points == 0:
            return f"{said}; v{number} gives none any more."
        moved = "lowered" if fewer else "raised"
        before, after = _number(old), _number(feedback.new_points)
        text = f"{said}; v{number} {moved} them {before} → {after}"
        if old != feedback.points:
            text += f" ({_number(feedback.points)} before, when a point was worth something else)"
        return f"{text}."
    who = str(feedback.answered_by) if feedback.answered_by else "A model owner"
    return f"{who} on your feedback about {label}: {feedback.answer}"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
