"""Hand-made drafts put up for review: measured on past leads beside what is live, and proposed."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core import jobs
from core.conditions import FieldType
from core.errors import Conflict
from core.models import Job
from core.versioning import lock_configuration
from core.versions import Version
from scoring import tiers
from scoring.appraising import Predictions, sentence
from scoring.drafting import bring_up, content_tag
from scoring.features import Ints, signal_matrix
from scoring.fields import all_fields, field_types
from scoring.judging import (
    counts,
    few,
    judge,
    line_of,
    period,
    slice_fields,
    split,
    too_few,
)
from scoring.learning.evaluate import recalibrate
from scoring.learning.intervals import weight_intervals
from scoring.learning.notices import Notice
from scoring.learning.shrinkage import gain_z
from scoring.learning.weights import fill_unknown
from scoring.live import LiveConfig, LiveModel, live_config, live_ids, load_model
from scoring.models import ModelVersion, Proposal, ProposalEvent, Suggestion
from scoring.previewing import flow_of, with_model
from scoring.proposing import SEED, supersede
from scoring.ranking import curve
from scoring.training import Training, read_training, scored, scored_by

APPRAISE = "appraise"
RESCALED = 0.01  # of what a point is worth, from which old points are told in new ones too
_VERDICT = Proposal.Verdict


@transaction.atomic
def start_appraisal(
    version: ModelVersion,
    *,
    by: User,
    note: str = "",
    measured: tuple[Mapping[str, Any], str] | None = None,
) -> Job:
    """Start the job that measures a hand-made draft on past leads and puts it up for review (see
    `propose_version`), on the live ICP and framework where its own are retired; the job that does
    so already is returned.

    Raises Forbidden, Conflict when it is no draft, Invalid when it cannot be parsed.
    """
    can_change_configuration(by).require()
    lock_configuration()
    _refuse_published(version)
    version = bring_up(version)
    load_model(version, field_types(all_fields()))
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
        evidence, decided = {**evidence, **measured[0], "learned_here": False}, measured[1]
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
        earlier = Proposal.objects.filter(version=version).order_by("pk")
        last = earlier.last()
        author = by  # but who has what another proposed measured again is not who made it
        if last is not None and last.author and last.evidence.get("content") == measured_content:
            author = last.author
        for proposal in earlier.filter(state__in=Proposal.UNDER_WAY):
            supersede(proposal, "It was proposed again.")
        suggested = Suggestion.objects.filter(taken=version).exists()
        made = Proposal.objects.create(
            key=version.key,
            origin=Proposal.Origin.SIGNALS if suggested else Proposal.Origin.HAND,
            version=version,
            live=replaced,
            verdict=decided,
            sentence=_hand_words(evidence),
            evidence={**evidence, "content": measured_content, "beside": list(beside)},
            fingerprint=f"{version.pk}.{earlier.count()}",
            author=author,
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
    words = sentence(evidence["backtest"])
    if evidence["learned_here"]:
        words = f"On leads that it may have been learned from: {words[0].lower()}{words[1:]}"
    return words


def appraise_version(version: ModelVersion, seed: int = SEED) -> tuple[dict[str, Any], str]:
    """Return the evidence about a version that was not learned here, and a verdict.

    It is measured beside the live configuration as a whole: both place each lead by their own
    ICPs. The outcomes are split as for learned ones: on the first part both are brought to
    probabilities, on the other they are measured. Which of these a version was learned from itself
    is told as a warning, and then it is never said to be better.
    """
    config = live_config()
    types = field_types(all_fields())  # a field may be newer than the cached configuration
    candidate = with_model(config, load_model(version, types))
    training = read_training([config, candidate], slice_fields())
    evidence: dict[str, Any] = {**counts(training), "seed": seed, "flow": flow_of(candidate)}
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
        own = _learned_from(version, training, test)
        notices += own
        for live in ModelVersion.objects.filter(pk=before.id if before else 0):
            notices += _learned_from(live, training, test)
        evidence["learned_here"] = bool(own)
        if own and decided == _VERDICT.PROPOSE:
            decided = _VERDICT.KEEP
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


def _hand_lines(
    before: LiveModel, after: LiveModel, mine: Training, types: Mapping[str, FieldType]
) -> list[dict[str, Any]]:
    """Return the lines of a hand-made version beside the live one's, with what outcomes say of the
    leads that either would score, in points by the version's own map to p.
    """
    x = signal_matrix(after.model, after.icp, mine.rows.facts, types)
    old = {signal.key: signal.points for signal in before.model.signals}
    worth, worth_before = (curve(live.model)[1] for live in (after, before))  # log-odds a point
    scale, ratio = 1 / worth, worth_before / worth
    alone = None
    if not too_few(mine):
        alone = weight_intervals(fill_unknown(x)[0], mine.y, np.ones(mine.n))
    lines = []
    for i, signal in enumerate(after.model.signals):
        line = line_of(signal, x[:, i], mine.y, alone, i, scale)
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
