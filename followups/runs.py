"""When a run of a play starts and ends. Pure.

A play is for one tier and one phase, so a run ends when either changes; a move between stages of
one phase leaves it. Exits (a reply, a booked meeting, an opt-out) end it in the transaction that
records them (followups.triggers); what follows is decided here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import models

from followups.definitions import Exit, Phase, PublishedPlay
from leads.stages import StageKey
from scoring.tiers import State

LIVE_SECONDS = 3_600.0  # news older than this starts no clock: it comes from a backlog


class EndReason(models.TextChoices):
    """Why a run ended."""

    TIER = "tier", "Tier changed"
    STAGE = "stage", "Stage changed"
    OUTCOME = "outcome", "Outcome recorded"
    DISQUALIFIED = "disqualified", "Disqualified"
    REPLY = "reply", "Replied"
    MEETING_BOOKED = "meeting_booked", "Meeting booked"
    OPT_OUT = "opt_out", "Opted out"
    HAND_RAISED = "hand_raised", "Asked for contact again"
    FINISHED = "finished", "Play finished"


class StartedBy(models.TextChoices):
    """What started a run."""

    TIER = "tier", "Tier"
    STAGE = "stage", "Stage"
    HAND_RAISE = "hand_raise", "Asked for contact"
    IMPORT = "import", "Import"
    BACKFILL = "backfill", "Backfill"


SPREAD = frozenset({StartedBy.IMPORT, StartedBy.BACKFILL})
# After these the same play does not start again by itself: a person chooses the next step.
_OVER = frozenset(
    {EndReason.FINISHED, EndReason.REPLY, EndReason.MEETING_BOOKED, EndReason.OPT_OUT}
)
# Causes of a change of tier (scoring.models.ScoreChange.Cause). Live ones start a clock; a new
# score model and the mere passing of time do not.
LIVE_CAUSES = frozenset({"facts", "override"})
NEW_MODEL = "model"
# A lead in these stages has been spoken with, whatever is on record.
_SPOKEN_WITH = frozenset({StageKey.SQL, StageKey.OPPORTUNITY})


class LastRun(NamedTuple):
    """A lead's open run, or else its last one. `target` is the tier and phase of its play."""

    id: int
    play_id: int
    target: tuple[str, str]
    started_at: float
    ended_at: float | None
    reason: str


class News(NamedTuple):
    """What happened last on a lead's timeline; seconds since the epoch, None for never.

    `imported` and `touched` (by anything else that states facts) are times of recording;
    `tier_cause` is the cause of the last change of tier, `responded` the last call or contact,
    `exited` the recording of the last reply, booked meeting, opt-out or hand-raise.
    """

    created: float
    imported: float | None = None
    touched: float | None = None
    tier_changed: float | None = None
    tier_cause: str = ""
    hand_raised: float | None = None
    hand_recorded: float | None = None
    responded: float | None = None
    opted_out: float | None = None
    exited: float | None = None


class Situation(NamedTuple):
    """What decides about the run of one lead."""

    is_open: bool
    state: str
    tier: str
    phase: str
    has_outcome: bool
    last: LastRun | None
    news: News


class Decision(NamedTuple):
    """What to do: end the open run (`end` says why, '' leaves it) and start `play`, or say why
    there is none.
    """

    end: str = ""
    play: PublishedPlay | None = None
    reason: str = ""


def phase_of(stage: str, contacted: bool) -> Phase:
    """Return the phase of a lead: recycled, spoken with, or not yet."""
    if stage == StageKey.RECYCLED:
        return Phase.RECYCLED
    if contacted or stage in _SPOKEN_WITH:
        return Phase.IN_CONVERSATION
    return Phase.BEFORE_CONTACT


def decide(lead: Situation, plays: Mapping[tuple[str, str], PublishedPlay]) -> Decision:
    """Decide about a lead's run; `plays` are the live ones by tier and phase."""
    last = lead.last
    running = last is not None and last.ended_at is None
    if not lead.is_open:
        return Decision(end=EndReason.OUTCOME if running else "")
    if lead.has_outcome:
        return Decision(
            end=EndReason.OUTCOME if running else "", reason="The round has its outcome already"
        )
    if lead.state == State.DISQUALIFIED:
        return Decision(
            end=EndReason.DISQUALIFIED if running else "", reason="Disqualified: no follow-up"
        )
    if not lead.tier:
        return Decision(reason="Not scored yet")
    target = (lead.tier, lead.phase)
    if last is not None and running:
        if last.target == target:
            return Decision()
        end = EndReason.TIER if last.target[0] != lead.tier else EndReason.STAGE
        return _start(lead, target, plays, end=end)
    if (
        last is not None
        and last.target == target
        and last.reason in _OVER
        and not _raised_again(last, lead.news)
    ):
        return Decision(reason=choose_next(last.reason))
    return _start(lead, target, plays)


def no_play(target: tuple[str, str]) -> str:
    """Return what stands instead of a next step where no play is live for the tier and phase."""
    return f"No play for {target[0]}, {Phase(target[1]).label}"


def choose_next(reason: str) -> str:
    """Return what stands instead of a next step once a play is over."""
    return f"{EndReason(reason).label} — choose a next step"


def _start(
    lead: Situation,
    target: tuple[str, str],
    plays: Mapping[tuple[str, str], PublishedPlay],
    end: str = "",
) -> Decision:
    live = plays.get(target)
    if live is None:
        return Decision(end=end, reason=no_play(target))
    if Exit.OPT_OUT in live.play.exits and _opted_out(lead.news):
        return Decision(end=end, reason="Opted out — contact only on their own request")
    return Decision(end=end, play=live)


def _raised_again(last: LastRun, news: News) -> bool:
    return news.hand_raised is not None and news.hand_raised > (last.ended_at or 0.0)


def _opted_out(news: News) -> bool:
    """True until the lead itself asks for contact after its opt-out."""
    if news.opted_out is None:
        return False
    return news.hand_raised is None or news.hand_raised <= news.opted_out


def origin(lead: Situation, now: float) -> tuple[StartedBy, float | None]:
    """Return what starts a new run of a lead, and since when its clock runs; None for no clock.

    A clock starts with a live hand-raise or a live change of tier. Imports, backfilled history, a
    new score model and the mere passing of time start none; nor does news that was answered.
    """
    last, news = lead.last, lead.news
    raised = news.hand_raised
    if (
        raised is not None
        and now - raised <= LIVE_SECONDS
        and _after(news.hand_recorded, news.imported)
        and _after(raised, news.responded)
    ):
        return StartedBy.HAND_RAISE, raised
    if last is None:
        if news.imported is not None:
            return StartedBy.IMPORT, None
        if now - news.created > LIVE_SECONDS:
            return StartedBy.BACKFILL, None
        return StartedBy.TIER, news.created if _after(news.created, news.responded) else None
    if last.target[0] == lead.tier:
        return StartedBy.STAGE, None
    if news.tier_cause == NEW_MODEL:
        return StartedBy.BACKFILL, None
    if news.imported is not None and not _after(news.touched, news.imported):
        return StartedBy.IMPORT, None
    changed = news.tier_changed
    if changed is None or now - changed > LIVE_SECONDS:
        return StartedBy.BACKFILL, None  # it waited for a play, or for the workers
    live = news.tier_cause in LIVE_CAUSES and _after(changed, news.responded)
    return StartedBy.TIER, changed if live else None


def _after(moment: float | None, other: float | None) -> bool:
    """True when `moment` is later than `other`, or there was no other."""
    return other is None or (moment is not None and moment > other)
