"""Versions in the shadow: they score open leads beside the live one and touch no standing.

A bounded, even share of the open leads is kept up to date by a sweep. Where the tiers differ a
person can look; as outcomes arrive, both models are measured on leads that neither learned from.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import F

from accounts.models import User
from core.clock import DatabaseNow
from core.errors import Invalid
from leads.models import Lead
from scoring import facts as fact_store
from scoring.appraising import gain_words, losses
from scoring.assess import assess
from scoring.learning.evaluate import auc_gain
from scoring.learning.screening import rank_auc
from scoring.live import LiveConfig
from scoring.models import ModelVersion, Proposal, ProposalEvent, ShadowScore
from scoring.previewing import candidate_config
from scoring.tiers import NAMES

MOST = 20_000  # open leads that a version in the shadow scores, spread evenly
BATCH = 2_500
SHOWN = 50
LEAST_OUTCOMES = 20  # below which no measure is told
Gain = tuple[float, float, float]


def score_batch() -> int:
    """Score a batch of open leads under a version in the shadow; return how many."""
    _end_over()
    for proposal in Proposal.objects.filter(state=Proposal.State.SHADOW).order_by("pk"):
        version = (
            ModelVersion.objects.select_related("icp", "framework")
            .filter(pk=proposal.version_id or 0)
            .first()
        )
        if version is None or not (ids := _due(version)):
            continue
        try:
            config = candidate_config(version)
        except Invalid as error:
            _hand_back(proposal, f"It cannot score: {error}")
            continue
        _score(version, ids, config)
        return len(ids)
    return 0


@transaction.atomic
def _end_over() -> None:
    """Hand proposals whose days in the shadow are over back to review."""
    over = Proposal.objects.select_for_update(skip_locked=True).filter(
        state=Proposal.State.SHADOW, shadow_until__lte=DatabaseNow()
    )
    for proposal in over:
        _hand_back(proposal, "Its days are over.")


@transaction.atomic
def _hand_back(proposal: Proposal, why: str) -> None:
    """Put a proposal up for review again."""
    proposal.state = Proposal.State.OPEN
    proposal.save(update_fields=["state"])
    ProposalEvent.objects.create(
        proposal=proposal, kind=ProposalEvent.Kind.SHADOWED, note=why[:500]
    )


def _due(version: ModelVersion) -> list[int]:
    """Return open leads that were rescored since their shadow score, or have none in this round."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM scoring_standing WHERE is_open AND state <> 'unscored'"
        )
        every = max(1, -(-cursor.fetchone()[0] // MOST))
        cursor.execute(
            """
            SELECT s.lead_id FROM scoring_standing s
            LEFT JOIN scoring_shadowscore x ON x.version_id = %s AND x.lead_id = s.lead_id
                AND x.round = (SELECT l.round FROM leads_lead l WHERE l.id = s.lead_id)
            WHERE s.is_open AND s.state <> 'unscored' AND s.lead_id %% %s = 0
              AND (x.lead_id IS NULL OR x.at < s.scored_at OR x.live_score <> s.score
                   OR x.live_tier <> s.tier)
            ORDER BY s.lead_id LIMIT %s
            """,
            [version.pk, every, BATCH],
        )
        return [row[0] for row in cursor.fetchall()]


def _score(version: ModelVersion, lead_ids: list[int], config: LiveConfig) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_part('epoch', leadqual_now())")
        rows = fact_store.read(lead_ids, config, cursor.fetchone()[0], kept=config.counters)
        found = assess(rows, config)
        cursor.execute(
            """
            INSERT INTO scoring_shadowscore
                (version_id, lead_id, round, score, tier, p, live_score, live_tier, live_p, at)
            SELECT %s, n.lead_id, n.round, n.score, n.tier, n.p, s.score, s.tier, s.p,
                   leadqual_now()
            FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[], %s::text[], %s::float8[])
                AS n(lead_id, round, score, tier, p)
            JOIN scoring_standing s USING (lead_id)
            WHERE s.is_open
            ON CONFLICT (version_id, lead_id, round) DO UPDATE SET
                score = excluded.score, tier = excluded.tier, p = excluded.p,
                live_score = excluded.live_score, live_tier = excluded.live_tier,
                live_p = excluded.live_p, at = excluded.at
            """,
            [
                version.pk,
                rows.facts.lead_ids.tolist(),
                rows.standing["round"].tolist(),
                found.score.tolist(),
                [NAMES[code] for code in found.tier.tolist()],
                found.p.tolist(),
            ],
        )


@dataclass(frozen=True)
class Measured:
    """Both models on leads whose outcome came after their shadow score; None where too few.

    `auc_gain` and `loss_gain` are (shadow less live, lower, upper) at 95 %.
    """

    n: int
    won: int
    live_auc: float | None = None
    shadow_auc: float | None = None
    auc_gain: Gain | None = None
    live_loss: float | None = None
    shadow_loss: float | None = None
    loss_gain: Gain | None = None

    @property
    def auc_words(self) -> str:
        """The difference in AUC with its interval."""
        return gain_words(self.auc_gain, 3) if self.auc_gain else ""

    @property
    def loss_words(self) -> str:
        """The difference in log loss with its interval."""
        return gain_words(self.loss_gain, 4) if self.loss_gain else ""


@dataclass(frozen=True)
class ShadowPage:
    """What a version in the shadow says so far."""

    scored: int
    differ: int
    leads: list[tuple[ShadowScore, str]]
    measured: Measured

    @property
    def share(self) -> float:
        """Which part of the leads has another tier."""
        return self.differ / max(1, self.scored)


def read_shadow(version: ModelVersion, viewer: User) -> ShadowPage:
    """Return where a version in the shadow disagrees, and how both fare; five queries."""
    scores = ShadowScore.objects.filter(version=version, round=F("lead__round"))
    differing = scores.exclude(tier=F("live_tier"))
    most = differing.annotate(gap=F("score") - F("live_score")).order_by("-gap", "lead_id")
    # From both ends: the most raised and the most lowered.
    half = SHOWN // 2
    shown = list(most[:half]) + [s for s in most.reverse()[:half] if s.score < s.live_score]
    unique = {score.lead_id: score for score in shown}
    names = {
        lead.pk: str(lead) for lead in Lead.objects.visible_to(viewer).filter(pk__in=list(unique))
    }
    return ShadowPage(
        scored=scores.count(),
        differ=differing.count(),
        leads=[(score, names.get(pk, "")) for pk, score in unique.items()],
        measured=_measured(version),
    )


def _measured(version: ModelVersion) -> Measured:
    rows: Any = ShadowScore.objects.filter(
        version=version,
        lead__outcomes__round=F("round"),
        lead__outcomes__at__gte=F("at"),
        lead__outcomes__result__in=("won", "lost"),
    ).values_list("lead__outcomes__result", "live_p", "p")
    y = np.array([result == "won" for result, _, _ in rows], dtype=float)
    n, won = len(y), int(y.sum())
    if n < LEAST_OUTCOMES or not 0 < won < n:
        return Measured(n, won)
    live, ours = (np.array([row[side] for row in rows]) for side in (1, 2))
    live_loss, shadow_loss = losses(y, live), losses(y, ours)
    more = shadow_loss - live_loss
    middle, reach = float(more.mean()), 1.96 * float(more.std(ddof=1)) / n**0.5
    return Measured(
        n,
        won,
        rank_auc(y, live),
        rank_auc(y, ours),
        auc_gain(y, ours, live),
        float(live_loss.mean()),
        float(shadow_loss.mean()),
        (middle, middle - reach, middle + reach),
    )
