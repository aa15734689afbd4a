"""Learning from outcomes: the nightly job, and what it proposes to a person.

For each live model: read its past leads, learn weights on the earlier ones, measure on the later
ones beside the live model, and write one row: a draft to review, or why the weights stay. Nothing
goes live from here. The same outcomes and seed give the same row, so it is safe to run twice.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from scipy.special import logit

from accounts.models import User
from accounts.policies import can_change_configuration
from accounts.selectors import capacity
from core import jobs
from core.conditions import FieldType
from core.errors import Conflict
from core.models import Job
from core.versioning import lock_configuration, version_with
from core.versions import Version
from scoring import tiers
from scoring.appraising import Predictions, Slice, appraise, sentence, slices_of
from scoring.definitions import Signal
from scoring.drafting import content_tag
from scoring.features import Bools, Floats, Ints, signal_matrix
from scoring.fields import BUILT_IN, Field, all_fields, field_types
from scoring.learning.drift import Recency, choose_recency, drift_notice
from scoring.learning.evaluate import (
    LEAST_OF_EACH,
    LEAST_OUTCOMES,
    recalibrate,
    verdict,
)
from scoring.learning.intervals import Intervals, weight_intervals
from scoring.learning.notices import Notice
from scoring.learning.screening import LEAK_ODDS, Sides, rank_auc, surely_leaks
from scoring.learning.shrinkage import gain_z
from scoring.learning.splitting import last_in_order, part_of_each
from scoring.learning.table import Column, Table
from scoring.learning.weights import Relearned, fill_unknown, learn_weights
from scoring.live import LiveConfig, LiveModel, live_config, live_ids, load_model
from scoring.models import ModelVersion, Proposal, ProposalEvent, Suggestion, Trusted
from scoring.previewing import preview_open, with_model
from scoring.relearning import Redefined, redefine
from scoring.training import Training, of_model, read_training, scored, scored_by
from scoring.trusting import trusted_of

JOB = "learn"
APPRAISE = "appraise"
SEED = 0
TEST_SHARE = 0.3
OVERLAP = 0.9  # of the correlation of two lines that say the same
RESCALED = 0.01  # of what a point is worth, from which old points are told in new ones too
CALLED_SHARE = 0.2  # of the leads, where the live model calls fewer hot
_SLICED = ("kind", "channel", "country", "industry", "seniority")
_VERDICT = Proposal.Verdict
_STATE = Proposal.State
_WEEK, _WORKDAYS = 7.0, 5.0


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
    training = training.with_texts_alone(_SLICED)
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
    evidence["flow"] = _flow(with_model(config, candidate))
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
    return _Learning(decided, _why(decided, backtest), redefined, evidence)


def _why(decided: str, backtest: Mapping[str, Any]) -> str:
    """Return why weights stay, from the measure that speaks against."""
    auc = backtest["differences"]["auc"]
    if auc[1] <= 0:
        return (
            f"learned ones do not surely rank later leads better (AUC {auc[0]:+.3f}, "
            f"95 % between {auc[1]:+.3f} and {auc[2]:+.3f})"
        ).replace("-", "−")
    return "learned ones rank better, but their probabilities are not surely closer"


def judge(
    training: Training,
    train: Ints,
    test: Ints,
    live: tuple[Floats, Floats],
    ours: Predictions,
    gain: float,
    hot: Bools,
    seed: int,
    *,
    fitted: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Return the verdict on predictions `ours` of the past leads `test`, and all that is to be said
    of them (scoring.appraising) beside the live scores of `train` and of `test`.

    `gain` is by how many standard errors they beat the base rate on leads of `train`, `hot` which
    of `test` the live model calls so; `fitted` says that their p were only fitted to their ranking.
    """
    y = training.y
    inside, outside = live
    live_p = recalibrate(inside, y[train], outside)
    decided = verdict(
        y[test],
        ours.p,
        outside,
        live_p,
        float(y[train].mean()),
        len(train),
        int(y[train].sum()),
        gain,
        ranking=ours.ranking if fitted else None,
    )
    return decided, appraise(
        y[test],
        Predictions(outside, live_p),
        ours,
        past_slices(training.take(test)),
        *time_for(training, test, hot),
        seed,
    )


def split(training: Training, seed: int) -> tuple[Ints, Ints]:
    """Return the rows to learn from and to measure on: the last ones in order, else a part."""
    if training.in_order:
        return last_in_order(training.repeat_of, TEST_SHARE)
    return part_of_each(training.y, training.repeat_of, TEST_SHARE, seed)


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


def time_for(training: Training, test: Ints, hot: Any) -> tuple[int, float | None]:
    """Return how many of the measured leads there was time for, and their working days."""
    if not training.in_order:
        return _wanted(hot), None
    span = float(training.at[test].max() - training.at[test].min()) / 86_400
    days = max(1.0, span * _WORKDAYS / _WEEK)
    return int(min(_wanted(hot), capacity().a_day * days)), days


def _wanted(hot: Any) -> int:
    """Return how many leads would be called first: the hot ones, and not less than a fifth."""
    return max(int(hot.sum()), round(CALLED_SHARE * len(hot)))


def slice_fields() -> list[Field]:
    return [f for f in BUILT_IN if f.name in _SLICED]


def past_slices(training: Training) -> list[Slice]:
    labels = {name: f.label for name, f in all_fields().items()}
    texts = training.rows.facts.text_columns
    return slices_of({name: texts[name] for name in _SLICED if name in texts}, labels)


def period(training: Training, rows: Ints) -> dict[str, Any]:
    """Return the number of outcomes and, where their order is known, the days they span."""
    y = training.y[rows]
    found: dict[str, Any] = {"n": len(rows), "won": int(y.sum())}
    if training.in_order:
        for name, value in (("from", training.at[rows].min()), ("to", training.at[rows].max())):
            found[name] = dt.datetime.fromtimestamp(float(value), dt.UTC).date().isoformat()
    return found


def _lines(
    live: LiveModel, ours: Redefined, found: Relearned, x: Floats, y: Floats
) -> list[dict[str, Any]]:
    """Return the lines old → new with n, lift and interval, in points of the new model.

    `old` is told in the new model's points too (`old_scaled`), since the scale changes: an old
    point is worth `slope` log-odds.
    """
    return [
        {
            **_line(before, x[:, i], y, found.intervals, i, ours.scale),
            "old": before.points,
            "old_scaled": round(before.points * found.slope * ours.scale, 1),
            "new": after.points,
        }
        for i, (before, after) in enumerate(
            zip(live.model.signals, ours.model.signals, strict=True)
        )
    ]


def _line(
    signal: Signal, x: Floats, y: Floats, alone: Intervals | None, place: int, scale: float
) -> dict[str, Any]:
    """Return what outcomes y (n,) say about a signal x (n,), with the interval of what they say
    alone in points: `place` in `alone`, `scale` points a unit of log-odds.
    """
    strong = x > 0.5
    n = int(strong.sum())
    low = high = np.nan
    if alone is not None and n and float(np.nanstd(x)) > 0:
        low, high = (float(v[place]) * scale for v in (alone.low, alone.high))
    base = max(float(y.mean()), 1e-9) if len(y) else 1.0
    return {
        "key": signal.key,
        "label": signal.label,
        "group": signal.group,
        "n": n,
        "known": int((~np.isnan(x)).sum()),
        "lift": round(float(y[strong].mean()) / base, 2) if n else None,
        "low": None if np.isnan(low) else round(low, 1),
        "high": None if np.isnan(high) else round(high, 1),
    }


def _flow(candidate: LiveConfig) -> dict[str, Any]:
    """Return what a configuration would do to the open leads, with how many were looked at."""
    flow, total = preview_open(candidate)
    return {**flow.as_json(), "of": total}


def too_few(training: Training) -> bool:
    won = int(training.y.sum())
    return training.n < LEAST_OUTCOMES or min(won, training.n - won) < LEAST_OF_EACH


def few_words(training: Training) -> str:
    """Return that outcomes are too few to learn from, and what is lacking."""
    return f"{few(training.n, int(training.y.sum()))} The weights stay."


def few(n: int, won: int) -> str:
    """Return what is lacking of `n` outcomes, `won` of them, as a sentence."""
    lost = n - won
    if n < LEAST_OUTCOMES:
        lack = f"{n:,} of {LEAST_OUTCOMES}"
    elif won < LEAST_OF_EACH:
        lack = f"{won:,} won of {LEAST_OF_EACH}"
    elif lost < LEAST_OF_EACH:
        lack = f"{lost:,} not won of {LEAST_OF_EACH}"
    else:
        lack = f"{n:,}, of which a part is kept to measure on"
    return f"Not enough outcomes yet ({lack})."


def counts(training: Training) -> dict[str, Any]:
    return {
        "n": training.n,
        "won": int(training.y.sum()),
        "immature": training.immature,
        "immature_share": round(training.immature_share, 4),
        "left_out": training.left_out,
        "in_order": training.in_order,
        "demo": training.demo,
    }


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
        _supersede(proposal, why)
        ModelVersion.objects.filter(proposals=proposal, state=Version.State.PROPOSED).exclude(
            pk=but.pk if but else 0
        ).update(state=Version.State.DRAFT)


def _supersede(proposal: Proposal, why: str) -> None:
    proposal.state = _STATE.SUPERSEDED
    proposal.save(update_fields=["state"])
    ProposalEvent.objects.create(proposal=proposal, kind=ProposalEvent.Kind.SUPERSEDED, note=why)


@transaction.atomic
def start_appraisal(
    version: ModelVersion,
    *,
    by: User,
    note: str = "",
    measured: tuple[Mapping[str, Any], str] | None = None,
) -> Job:
    """Start the job that measures a hand-made draft on past leads and puts it up for review (see
    `propose_version`); the one that does so already is returned.

    Raises Forbidden, Conflict when it is no draft, Invalid when it cannot be parsed.
    """
    can_change_configuration(by).require()
    _refuse_published(version)
    load_model(version, field_types(all_fields()))
    lock_configuration()
    about = {"version": version.pk}
    running = Job.objects.filter(kind=APPRAISE, args=about).exclude(state__in=Job.ENDED).first()
    if running is not None:
        return running
    return jobs.start_job(
        APPRAISE,
        chunks=[{**about, "note": note[:500], "measured": measured}],
        total=1,
        unit="versions",
        by=by,
        args=about,
    )


def _appraise_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    found = ModelVersion.objects.select_related("icp", "framework").filter(pk=args["version"])
    if (version := found.first()) is None:  # thrown away meanwhile
        return {"done": 1, "gone": 1}
    by = User.objects.get(pk=job.created_by_id or 0)
    propose_version(version, by=by, note=args["note"], measured=args.get("measured"))
    return {"done": 1}


jobs.register(APPRAISE, _appraise_chunk)


def _refuse_published(version: ModelVersion) -> None:
    if version.state not in (Version.State.DRAFT, Version.State.PROPOSED):
        raise Conflict(
            f"{version.key} v{version.number} is {version.state}; only drafts are proposed."
        )


def propose_version(
    version: ModelVersion,
    *,
    by: User,
    note: str = "",
    measured: tuple[Mapping[str, Any], str] | None = None,
) -> Proposal:
    """Put a hand-made draft up for review, with what it would have been worth on past leads.

    `measured` is evidence and verdict of leads held out, where the draft was learned from others.
    Raises Forbidden, Conflict when it is no draft or when it or what is live was changed meanwhile,
    and Invalid when it cannot be parsed.
    """
    can_change_configuration(by).require()
    _refuse_published(version)
    beside = live_ids()
    evidence, decided = appraise_version(version)
    if measured is not None:
        evidence, decided = {**evidence, **measured[0]}, measured[1]
    with transaction.atomic():
        lock_configuration()
        if live_ids() != beside:  # a job tries again
            raise Conflict("Another version went live while this one was measured.")
        live = ModelVersion.objects.filter(key=version.key, state=Version.State.LIVE).first()
        replaced = live or _of_icp(version) or _any_live()
        measured_content = content_tag(version)
        ModelVersion.objects.filter(pk=version.pk, state=Version.State.DRAFT).update(
            state=Version.State.PROPOSED
        )
        version.refresh_from_db()
        if content_tag(version) != measured_content:  # a job tries again
            raise Conflict(f"{version.key} v{version.number} was changed while it was measured.")
        earlier = Proposal.objects.filter(version=version)
        for proposal in earlier.filter(state__in=Proposal.UNDER_WAY):
            _supersede(proposal, "It was proposed again.")
        suggested = Suggestion.objects.filter(taken=version).exists()
        made = Proposal.objects.create(
            key=version.key,
            origin=Proposal.Origin.SIGNALS if suggested else Proposal.Origin.HAND,
            version=version,
            live=replaced,
            verdict=decided,
            sentence=_hand_words(evidence),
            evidence={**evidence, "content": measured_content},
            fingerprint=f"{version.pk}.{earlier.count()}",
            author=by,
        )
        ProposalEvent.objects.create(
            proposal=made, kind=ProposalEvent.Kind.MADE, actor=by, note=note[:500]
        )
    return made


def _of_icp(version: ModelVersion) -> ModelVersion | None:
    return ModelVersion.objects.filter(icp__key=version.icp.key, state=Version.State.LIVE).first()


def _any_live() -> ModelVersion:
    fallback = live_config().fallback
    return ModelVersion.objects.get(pk=fallback.id)


def _hand_words(evidence: Mapping[str, Any]) -> str:
    if "backtest" not in evidence:
        lack = few(evidence["n"], evidence["won"])
        return f"{lack} What the version would have won cannot be said."
    return sentence(evidence["backtest"])


def appraise_version(version: ModelVersion, seed: int = SEED) -> tuple[dict[str, Any], str]:
    """Return the evidence about a version that was not learned here, and a verdict.

    It is measured beside the live configuration as a whole: both place each lead by their own
    ICPs. The outcomes are split as for learned ones: on the first part both are brought to
    probabilities, on the other they are measured. Which of these a version was learned from itself
    is told as a warning.
    """
    config = live_config()
    types = field_types(all_fields())  # a field may be newer than the cached configuration
    candidate = with_model(config, load_model(version, types))
    training = read_training([config, candidate], slice_fields())
    evidence: dict[str, Any] = {**counts(training), "seed": seed, "flow": _flow(candidate)}
    before = next((m for m in config.everything if m.key == version.key), None)
    after = next(m for m in candidate.everything if m.key == version.key)
    if before is not None:
        theirs, ours = scored_by(training, before, config), scored_by(training, after, candidate)
        evidence["lines"] = _hand_lines(before, after, training.take(theirs | ours), types)
    notices = list(training.notices)
    decided: str = _VERDICT.TOO_FEW
    if not too_few(training):
        train, test = split(training, seed)
        decided, found = _measure(training, train, test, config, candidate, seed)
    if decided != _VERDICT.TOO_FEW:
        evidence |= found
        live = ModelVersion.objects.filter(pk=before.id if before else 0)
        notices += [n for v in (version, *live) for n in _learned_from(v, training, test)]
    evidence["warnings"] = [notice.as_json() for notice in notices]
    return evidence, decided


def _measure(
    training: Training,
    train: Ints,
    test: Ints,
    config: LiveConfig,
    candidate: LiveConfig,
    seed: int,
) -> tuple[str, dict[str, Any]]:
    """Return the verdict on a configuration beside the live one, and what it rests on."""
    y = training.y
    their_odds, tier = scored(training, config)
    our_odds, _ = scored(training, candidate)
    our_p = recalibrate(our_odds[train], y[train], our_odds[test])
    decided, backtest = judge(
        training,
        train,
        test,
        (their_odds[train], their_odds[test]),
        Predictions(our_odds[test], our_p),
        gain_z(our_odds[train], y[train], np.ones(len(train))),
        tier[test] == tiers.HOT,
        seed,
        fitted=True,
    )
    return decided, {
        "calibrated_on": period(training, train),
        "tested_on": period(training, test),
        "backtest": backtest,
    }


def _learned_from(version: ModelVersion, training: Training, test: Ints) -> list[Notice]:
    """Return a notice when a version's points were learned from leads that it is measured on.

    A draft made from a learned version keeps the anchors of its p, by which the outcomes behind it
    are found.
    """
    p = version.definition.get("p", {})
    if p.get("of") != "points":  # people made it
        return []
    name = f"v{version.number}"
    learned = Proposal.objects.filter(
        key=version.key,
        version__definition__p__anchors=p.get("anchors"),
        evidence__has_key="trained_on",
    ).order_by("pk")
    until = learned.values_list("evidence__tested_on__to", flat=True).first()
    if until is None or not training.in_order:
        what = f"{name} was itself learned from past leads, perhaps from these"
    else:
        after = dt.datetime.fromisoformat(until).replace(tzinfo=dt.UTC) + dt.timedelta(days=1)
        seen = int((training.at[test] < after.timestamp()).sum())
        if not seen:
            return []
        what = (
            f"{name} was itself learned from outcomes until {until}, and {seen:,} of the "
            f"{len(test):,} leads it is measured on had ended by then"
        )
    return [Notice("learned_here", name, f"{what}: on new leads it will do less well than here.")]


def _points_of_a_logit(live: LiveModel) -> float:
    """Return how many points a unit of log-odds is by a model's map to p."""
    (s0, p0), (s1, p1) = live.model.p_anchors
    return (s1 - s0) / float(logit(p1) - logit(p0))


def _hand_lines(
    before: LiveModel, after: LiveModel, mine: Training, types: Mapping[str, FieldType]
) -> list[dict[str, Any]]:
    """Return the lines of a hand-made version beside the live one's, with what outcomes say of the
    leads that either would score, in points by the version's own map to p.
    """
    x = signal_matrix(after.model, after.icp, mine.rows.facts, types)
    old = {signal.key: signal.points for signal in before.model.signals}
    scale = _points_of_a_logit(after)
    ratio = scale / _points_of_a_logit(before)
    alone = None
    if not too_few(mine):
        alone = weight_intervals(fill_unknown(x)[0], mine.y, np.ones(mine.n))
    lines = []
    for i, signal in enumerate(after.model.signals):
        line = _line(signal, x[:, i], mine.y, alone, i, scale)
        points = old.pop(signal.key, None)
        line |= {"old": points, "new": signal.points, "of": mine.n}
        if points is not None and abs(ratio - 1) > RESCALED:  # a point is worth something else
            line["old_scaled"] = round(points * ratio, 1)
        lines.append(line)
    lines += [
        {"key": s.key, "label": s.label, "group": s.group, "old": s.points, "new": None}
        for s in before.model.signals
        if s.key in old
    ]
    return lines
