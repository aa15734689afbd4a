"""The control group: a small share of cold leads that is worked as warm, to see what is missed.

Who is in it follows from the lead's id and a seed alone, so nobody can choose. A lead joins once,
when a play would begin for it; its tier stays cold and only its play is the warm one. It leaves
when its tier changes or when it may not be worked any more, and never joins again. Planning calls
`enrol` under the locks of the leads' standings (docs/domain/followups.md).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core.errors import Invalid
from followups.models import ControlMember, ControlSetting
from followups.situations import LeadNow
from leads.activities import Kind
from leads.selectors import Refusals
from scoring.tiers import State, Tier

MOST_SHARE = 0.2
MOST_SEED = 2**31 - 1
Left = ControlMember.Left


def chosen(lead_id: int, seed: int, share: float) -> bool:
    """Say whether a lead belongs to the share of leads that a seed chooses."""
    digest = hashlib.sha256(f"{seed}:{lead_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def why_not(lead: LeadNow, refusals: Refusals) -> str:
    """Return why a lead is not worked as warm though it is chosen, "" when it may be.

    Whoever refused a channel is left alone: half a play would measure nothing.
    """
    now = lead.situation
    if not now.is_open or now.has_outcome:
        return Left.CLOSED
    if now.state == State.DISQUALIFIED:
        return Left.DISQUALIFIED
    opted_out = now.news.opted_out
    asked_again = opted_out is not None and (now.news.hand_raised or 0.0) > opted_out
    if lead.id in refusals or (opted_out is not None and not asked_again):
        return Left.BARRED
    return "" if now.tier == Tier.COLD else Left.TIER


@dataclass(frozen=True)
class _Group:
    """The newest setting, and which of some leads are (True) or were (False) in the group."""

    setting_id: int | None
    seed: int
    share: float
    members: dict[int, bool]


def enrol(leads: Sequence[LeadNow], refusals: Refusals) -> list[LeadNow]:
    """Return the leads as plays are to see them: those of the group as warm. Takes in who joins and
    lets go who leaves; one query, and a statement for each of these when there are any.
    """
    group = _read([lead.id for lead in leads])
    if not group.share and not group.members:
        return list(leads)
    seen, joining, leaving = [], [], []
    for lead in leads:
        inside = group.members.get(lead.id)
        reason = why_not(lead, refusals)
        if inside and reason:
            leaving.append((lead.id, reason))
        joins = (
            inside is None
            and not reason
            and _begins(lead)
            and chosen(lead.id, group.seed, group.share)
        )
        if joins:
            joining.append(lead.id)
        if (inside and not reason) or joins:
            lead = lead._replace(situation=lead.situation._replace(tier=Tier.WARM.value))
        seen.append(lead)
    _join(joining, group.setting_id)
    _leave(leaving)
    return seen


def _begins(lead: LeadNow) -> bool:
    """True when no cold play runs: a lead is never taken out of one."""
    last = lead.situation.last
    return last is None or last.ended_at is not None or last.target[0] != Tier.COLD


def _read(lead_ids: list[int]) -> _Group:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT true, id, seed::bigint, share FROM (
                SELECT id, seed, share FROM followups_controlsetting ORDER BY id DESC LIMIT 1
            ) newest
            UNION ALL
            SELECT false, lead_id, (left_at IS NULL)::int, 0 FROM followups_controlmember
            WHERE lead_id = ANY(%s)
            """,
            ["{" + ",".join(map(str, lead_ids)) + "}"],
        )
        rows = cursor.fetchall()
    setting = next((row for row in rows if row[0]), None)
    members = {lead_id: bool(inside) for is_setting, lead_id, inside, _ in rows if not is_setting}
    if setting is None:
        return _Group(None, 0, 0.0, members)
    return _Group(setting[1], setting[2], setting[3], members)


def _join(lead_ids: list[int], setting_id: int | None) -> None:
    if not lead_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH joined AS (
                INSERT INTO followups_controlmember (lead_id, setting_id, joined_at, left_reason)
                SELECT id, %s, leadqual_now(), '' FROM unnest(%s::bigint[]) AS n(id)
                ON CONFLICT (lead_id) DO NOTHING RETURNING lead_id
            )
            INSERT INTO leads_activity (lead_id, kind, data) SELECT lead_id, %s, '{}' FROM joined
            """,
            [setting_id, lead_ids, Kind.CONTROL_JOINED],
        )


def _leave(leaving: list[tuple[int, str]]) -> None:
    if not leaving:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE followups_controlmember m SET left_at = leadqual_now(), left_reason = n.reason
            FROM unnest(%s::bigint[], %s::text[]) AS n(id, reason)
            WHERE m.lead_id = n.id AND m.left_at IS NULL
            """,
            [[lead_id for lead_id, _ in leaving], [reason for _, reason in leaving]],
        )


@transaction.atomic
def set_control(share: float, seed: int, *, by: User) -> ControlSetting:
    """Set how large the group is from now on, 0 for off; whoever is in it stays.

    Raises Forbidden, or Invalid naming the field.
    """
    can_change_configuration(by).require()
    if not 0 <= share <= MOST_SHARE:
        raise Invalid.field("share", "out_of_range", f"must be from 0 to {100 * MOST_SHARE:g} %")
    if not 0 <= seed <= MOST_SEED:
        raise Invalid.field("seed", "out_of_range", f"must be from 0 to {MOST_SEED:,}")
    return ControlSetting.objects.create(share=share, seed=seed, set_by=by)


def present_setting() -> ControlSetting | None:
    """Return the newest setting; one query."""
    return ControlSetting.objects.select_related("set_by").order_by("-id").first()
