"""Learning from outcomes: the nightly job, and what it proposes to a person.

For each live model: read its past leads, learn weights on the earlier ones, measure on the later
ones beside the live model, and write one row: a draft to review, or why the weights stay. Nothing
goes live from here. The same outcomes and seed give the same row, so it is safe to run twice.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db import transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core import jobs
from core.conditions import FieldType
from core.errors import Conflict
from core.models import Job
from core.versioning import lock_configuration, version_with
from core.versions import Version
from scoring.appraising import Predictions, sentence
from scoring.definitions import Signal
from scoring.drafting import content_tag
from scoring.features import Floats, signal_matrix
from scoring.feedback import feedback_by_signal
from scoring.judging import (
    SLICED,
    counts,
    few_words,
    judge,
    line_of,
    period,
    slice_fields,
    split,
    too_few,
)
from scoring.learning.drift import Recency, choose_recency, drift_notice
from scoring.learning.notices import Notice
from scoring.learning.screening import LEAK_ODDS, Sides, rank_auc, surely_leaks
from scoring.learning.table import Column, Table
from scoring.learning.weights import Relearned, fill_unknown, learn_weights
from scoring.live import LiveModel, live_config
from scoring.models import ModelVersion, Proposal, ProposalEvent, ShadowScore, Trusted
from scoring.previewing import flow_of, with_model
from scoring.relearning import Redefined, redefine
from scoring.training import Training, of_model, read_training
from scoring.trusting import trusted_of

JOB = "learn"
SEED = 0
OVERLAP = 0.9  # of the correlation of two lines that say the same
_VERDICT = Proposal.Verdict
_STATE = Proposal.State


@transaction.atomic
def start_learning(by: User | None, *, seed: int = SEED) -> Job:
    """Start the job that learns for each live model; the one that runs already is returned.

    `by` None is the clock or a command. Raises Forbidden.
    """
    if by is not None:
        can_change_configuration(by).require()
    lock_configuration()
    running = Job.objects.filter(kind=JOB).exclude(state__in=Job.ENDED).first()
    if running is not None:
        return running
    keys = [live.key for live in live_config().everything]
    return jobs.start_job(
        JOB,
        chunks=({"key": key} for key in keys),
        total=len(keys),
        unit="models",
        by=by,
        args={"seed": seed},
    )


def _learn_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    proposal = learn_model(args["key"], seed=int(job.args.get("seed", SEED)), job=job)
    return {"done": 1, proposal.verdict if proposal else "gone": 1}


jobs.register(JOB, _learn_chunk)


def learn_model(key: str, *, seed: int = SEED, job: Job | None = None) -> Proposal | None:
    """Learn the weights of one live model and write what comes of it; None when no version of
    the key is live any more.
    """
    config = live_config()
    live = next((m for m in config.everything if m.key == key), None)
    if live is None:
        return None
    training = of_model(read_training([config], slice_fields()), live, config)
    trusted = trusted_of(key, Trusted.Kind.LINE)
    fingerprint = _fingerprint(training, live, seed)
    same = Proposal.objects.filter(key=key, origin=Proposal.Origin.LEARNED, fingerprint=fingerprint)
    if (there := same.first()) is not None:
        return there
    if too_few(training):
        return _note(
            live, _VERDICT.TOO_FEW, few_words(training), counts(training), fingerprint, job
        )
    x = signal_matrix(live.model, live.icp, training.rows.facts, config.types)
    training = training.with_texts_alone(SLICED)
    learning = _learn(training, x, live, config.types, seed, trusted)
    evidence = {**counts(training), **learning.evidence}
    if learning.verdict != _VERDICT.PROPOSE:
        words = (
            few_words(training)
            if learning.verdict == _VERDICT.TOO_FEW
            else f"The weights stay: {learning.why}. {sentence(evidence['backtest'])}"
        )
        return _note(live, learning.verdict, words, evidence, fingerprint, job)
    definition = learning.final.definition
    candidate = LiveModel(
        id=0,
        key=live.key,
        number=0,
        icp_key=live.icp_key,
        model=learning.final.model,
        icp=live.icp,
        framework=live.framework,
    )
    evidence["flow"] = flow_of(with_model(config, candidate))
    return _propose(live, definition, evidence, fingerprint, job)


@dataclass(frozen=True)
class _Learning:
    """What learning came to: the verdict with its reason, and the model learned from all."""

    verdict: str
    why: str
    final: Redefined
    evidence: dict[str, Any]


def _learn(
    training: Training,
    x: Floats,
    live: LiveModel,
    types: Mapping[str, FieldType],
    seed: int,
    trusted: Mapping[str, Trusted],
) -> _Learning:
    """Learn from past leads with signals x (n, signals), which it may change."""
    definition = ModelVersion.objects.values_list("definition", flat=True).get(pk=live.id)
    y, tracked = training.y, training.rows.facts.tracked
    notices = list(training.notices)
    _mute_leaky(x, y, live.model.signals, notices, trusted)
    _name_overlap(x, live.model.signals, notices)
    points = np.array([signal.points for signal in live.model.signals])
    labels = [signal.label for signal in live.model.signals]
    train, test = split(training, seed)
    before, after = x[train], x[test]
    recency = _recency(before, y[train], training.in_order)
    early = learn_weights(before, y[train], points, labels, recency, seed)
    ours_card = redefine(live, definition, early, before, tracked[train], y[train], types).card
    ours = ours_card.totals(after, tracked[test])
    theirs_in, theirs = (
        live.card.totals(part, tracked[rows]) for part, rows in ((before, train), (after, test))
    )
    del before, after  # at a million leads every table counts
    decided, backtest = judge(
        training,
        train,
        test,
        (theirs_in.total, theirs.total),
        Predictions(ours.free, ours_card.probability(ours)),
        early.gain_z,
        theirs.total >= live.model.hot,
        seed,
    )
    whole = _recency(x, y, training.in_order)
    final = learn_weights(x, y, points, labels, whole, seed)
    redefined = redefine(live, definition, final, x, tracked, y, types)
    notices += final.notices
    if training.in_order and (drifting := drift_notice(y, whole)) is not None:
        notices.append(drifting)
    evidence = {
        "seed": seed,
        "trained_on": period(training, train),
        "tested_on": period(training, test),
        "backtest": backtest,
        "lines": _lines(live, redefined, final, x, y),
        "warnings": [notice.as_json() for notice in notices],
        "half_life": None if whole.half_life is None else round(whole.half_life),
    }
    return _Learning(decided, _why(decided, backtest, training.in_order), redefined, evidence)


def _why(decided: str, backtest: Mapping[str, Any], in_order: bool) -> str:
    """Return why weights stay, from the measure that speaks against."""
    auc = backtest["differences"]["auc"]
    which = "later" if in_order else "other"
    if auc[1] <= 0:
        return (
            f"learned ones do not surely rank {which} leads better (AUC {auc[0]:+z.3f}, "
            f"95 % between {auc[1]:+z.3f} and {auc[2]:+z.3f})"
        ).replace("-", "−")
    return "learned ones rank better, but their probabilities are not surely closer"


def _recency(x: Floats, y: Floats, in_order: bool) -> Recency:
    if not in_order:
        return Recency()
    names = [f"s{i}" for i in range(x.shape[1])]
    columns = {n: Column(n, "number", numbers=x[:, i]) for i, n in enumerate(names)}
    return choose_recency(Table(len(y), columns), y)


def _mute_leaky(
    x: Floats,
    y: Floats,
    signals: tuple[Signal, ...],
    notices: list[Notice],
    trusted: Mapping[str, Trusted],
) -> None:
    """Make signals that give the outcome away unknown, so that their points stay; name them.

    Those that are `trusted` stay as they are, and are named with who keeps them.
    """
    for column, signal in enumerate(signals):
        said = _gives_away(x[:, column], y)
        if not said:
            continue
        if signal.key in trusted:
            code = "leaky_kept"
            text = f"{signal.label} {said} and was learned all the same. {trusted[signal.key].said}"
        else:
            x[:, column] = np.nan
            code = "leaky"
            text = (
                f"{signal.label} {said}: it is probably known only afterwards. "
                "Its points were left as they are."
            )
        notices.append(Notice(code, signal.label, text))


def _gives_away(x: Floats, y: Floats) -> str:
    """Return how a signal x (n,), NaN unknown, alone gives the outcome away, "" if not."""
    known = ~np.isnan(x)
    truth, own = y[known], x[known]
    if not 0 < truth.sum() < len(truth) or len(np.unique(own)) < 2:
        return ""
    alone = rank_auc(truth, own)
    alone = max(alone, 1 - alone)
    if surely_leaks(alone, truth):
        return f"alone tells won from lost (AUC {alone:.2f})"
    strong = own > 0.5
    won = np.array([truth[strong].sum(), truth[~strong].sum()])
    n = np.array([strong.sum(), (~strong).sum()], dtype=np.float64)
    if Sides(won, n, won[::-1], n[::-1], len(y)).leaky().any():
        return f"alone multiplies the odds of winning by more than {LEAK_ODDS:g}, or divides them"
    return ""


def _name_overlap(x: Floats, signals: tuple[Signal, ...], notices: list[Notice]) -> None:
    """Name pairs of lines that say nearly the same; the prior shares the points between them."""
    full, _ = fill_unknown(x)
    usable = np.flatnonzero(full.std(axis=0) > 1e-9)
    if len(usable) < 2:
        return
    together = np.atleast_2d(np.corrcoef(full[:, usable], rowvar=False))
    for a in range(len(usable)):
        for b in range(a + 1, len(usable)):
            one, other = signals[usable[a]], signals[usable[b]]
            same = one.attribute is not None and one.attribute == other.attribute
            if abs(together[a, b]) > OVERLAP and not same:
                text = (
                    f"{one.label} and {other.label} nearly always go together "
                    f"(correlation {together[a, b]:.2f}); their points are shared between them."
                )
                notices.append(Notice("overlap", one.label, text))


def _lines(
    live: LiveModel, ours: Redefined, found: Relearned, x: Floats, y: Floats
) -> list[dict[str, Any]]:
    """Return the lines old → new with n, lift and interval, in points of the new model.

    `old` is told in the new model's points too (`old_scaled`), since the scale changes: an old
    point is worth `slope` log-odds.
    """
    return [
        {
            **line_of(before, x[:, i], y, found.intervals, i, ours.scale),
            "old": before.points,
            "old_scaled": round(before.points * found.slope * ours.scale, 1),
            "new": after.points,
        }
        for i, (before, after) in enumerate(
            zip(live.model.signals, ours.model.signals, strict=True)
        )
    ]


def _fingerprint(training: Training, live: LiveModel, seed: int) -> str:
    """Return a name for the outcomes that a proposal rests on, what it is compared with, and what
    people said until then about lines that give the outcome away.
    """
    said = Trusted.objects.filter(key=live.key, kind=Trusted.Kind.LINE).order_by("pk")
    kept = [(pk, end is not None) for pk, end in said.values_list("pk", "ended_at")]
    digest = hashlib.sha256(f"{live.id}:{seed}:{kept}".encode())
    for part in (training.rows.facts.lead_ids, training.y, training.at):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


@transaction.atomic
def _note(
    live: LiveModel,
    decided: str,
    words: str,
    evidence: dict[str, Any],
    fingerprint: str,
    job: Job | None,
) -> Proposal:
    """Write why the weights stay, in the place of the last such note of the model. What was
    proposed from fewer outcomes is superseded.
    """
    lock_configuration()
    _require_live(live)
    _supersede_learned(live.key, "From newer outcomes the weights stay.")
    Proposal.objects.filter(key=live.key, state=_STATE.NOTED).delete()
    return Proposal.objects.create(
        key=live.key,
        origin=Proposal.Origin.LEARNED,
        live_id=live.id,
        verdict=decided,
        state=_STATE.NOTED,
        sentence=words,
        evidence=evidence,
        fingerprint=fingerprint,
        job=job,
    )


@transaction.atomic
def _propose(
    live: LiveModel,
    definition: dict[str, Any],
    evidence: dict[str, Any],
    fingerprint: str,
    job: Job | None,
) -> Proposal:
    """Write a draft and its proposal; learned ones of before, not yet decided, are superseded."""
    lock_configuration()
    current = _require_live(live)
    Proposal.objects.filter(key=live.key, state=_STATE.NOTED).delete()
    pins = {"icp": current.icp, "framework": current.framework}
    version, _ = version_with(ModelVersion, live.key, definition, by=None, pins=pins)
    ModelVersion.objects.filter(pk=version.pk, state=Version.State.DRAFT).update(
        state=Version.State.PROPOSED
    )
    _supersede_learned(live.key, "Newer outcomes were learned from.", but=version)
    version.refresh_from_db()  # the content as it is kept, from which its tag is
    made = Proposal.objects.create(
        key=live.key,
        origin=Proposal.Origin.LEARNED,
        version=version,
        live=current,
        verdict=_VERDICT.PROPOSE,
        sentence=sentence(evidence["backtest"]),
        evidence={**evidence, "content": content_tag(version)},
        fingerprint=fingerprint,
        job=job,
    )
    ProposalEvent.objects.create(proposal=made, kind=ProposalEvent.Kind.MADE)
    return made


def _require_live(live: LiveModel) -> ModelVersion:
    current = ModelVersion.objects.select_related("icp", "framework").get(pk=live.id)
    if current.state != Version.State.LIVE:  # a job tries again
        raise Conflict(f"{live.key} v{live.number} was retired while its weights were learned.")
    return current


def _supersede_learned(key: str, why: str, but: ModelVersion | None = None) -> None:
    """Supersede learned proposals that are not decided, but for those in the shadow; their versions
    become drafts, except `but`.
    """
    older = Proposal.objects.filter(
        key=key, origin=Proposal.Origin.LEARNED, state__in=Proposal.UNDER_WAY
    )
    for proposal in older.exclude(state=_STATE.SHADOW):
        supersede(proposal, why)
        ModelVersion.objects.filter(proposals=proposal, state=Version.State.PROPOSED).exclude(
            pk=but.pk if but else 0
        ).update(state=Version.State.DRAFT)


def supersede(proposal: Proposal, why: str) -> None:
    """Close a proposal whose place something else took; its version stays as it is."""
    finish(proposal, _STATE.SUPERSEDED, ProposalEvent.Kind.SUPERSEDED, None, why)


def finish(proposal: Proposal, state: str, kind: str, by: User | None, note: str = "") -> None:
    """Bring a proposal into another state, and write who did it. What people say of its lines is
    kept with the decision; its shadow scores go, unless it is in the shadow now.
    """
    proposal.state = state
    if state not in Proposal.UNDER_WAY:  # feedback that is answered is not counted any more
        found = feedback_by_signal(proposal.live).values()
        proposal.evidence["feedback"] = [asdict(one) for one in found]
    proposal.save(update_fields=["state", "shadow_until", "job", "evidence"])
    ProposalEvent.objects.create(proposal=proposal, kind=kind, actor=by, note=note)
    if state != _STATE.SHADOW and proposal.version_id:
        ShadowScore.objects.filter(version=proposal.version_id).delete()
