"""Publishing plays. Runs keep the version on which they began; new ones begin on the live one."""

from collections.abc import Mapping, Sequence

from django.db import connection, transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core.errors import Conflict, FieldProblem, Invalid
from core.versioning import lock_configuration, make_live
from followups.definitions import Phase, Play, parse_play
from followups.models import PlayVersion
from followups.planning import nudge
from followups.runs import no_play

Target = tuple[str, str]


def publish_play(version: PlayVersion, *, by: User | None) -> None:
    """Publish one version of a play; see `publish_plays`."""
    publish_plays([version], by=by)


@transaction.atomic
def publish_plays(versions: Sequence[PlayVersion], *, by: User | None) -> int:
    """Make versions of plays live; return how many were not. `by` None is set-up.

    The versions of the same keys that were live retire; open runs go on with them. Leads that
    waited for a play of this tier and phase are planned. Raises Forbidden, Invalid naming the
    field, or Conflict when another live play is for the same leads.
    """
    if by is not None:
        can_change_configuration(by).require()
    lock_configuration()
    plays = {version.key: _parsed(version) for version in versions}
    refuse_rivals(plays)
    published = sum(make_live(version, by=by) for version in versions)
    if published:
        _mark_waiting([play.target for play in plays.values()])
        nudge()
    return published


def refuse_rivals(plays: Mapping[str, Play]) -> None:
    """Raise Conflict when two of these plays (by key) and the other live ones have one target."""
    taken: dict[Target, str] = {}
    others = PlayVersion.objects.filter(state=PlayVersion.State.LIVE).exclude(key__in=list(plays))
    for version in others.order_by("key"):
        taken[parse_play(version.definition).target] = version.key
    for key, play in plays.items():
        rival = taken.setdefault(play.target, key)
        if rival != key:
            tier, phase = play.target
            raise Conflict(
                f"{rival} is the play for {tier}, {Phase(phase).label} already; {key} would be a "
                "second one."
            )


def _parsed(version: PlayVersion) -> Play:
    try:
        return parse_play(version.definition)
    except Invalid as error:
        raise Invalid(
            [FieldProblem(f"{version.key}.{p.field}", p.code, p.message) for p in error.problems]
        ) from None


def _mark_waiting(targets: Sequence[Target]) -> None:
    """Mark the open leads that have no next step because there was no play for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_standing s SET unplanned_at = coalesce(s.unplanned_at, leadqual_now())
            FROM (
                SELECT lead_id FROM scoring_standing
                WHERE is_open AND next_due_at IS NULL AND next_step = ANY(%s)
                ORDER BY lead_id FOR NO KEY UPDATE
            ) waiting
            WHERE s.lead_id = waiting.lead_id
            """,
            [[no_play(target) for target in targets]],
        )
