"""Signals that the workspace's own past leads suggest: found by a job, picked by a person.

What is picked becomes drafts of an ICP and a score model, and a proposal that was measured on leads
held out. Refused lines stay refused until their evidence changes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from django.db import transaction
from scipy.special import expit

from accounts.models import User
from core import conditions, jobs
from core.clock import DatabaseNow
from core.errors import Conflict, Invalid, NotFound
from core.models import Job
from core.versioning import lock_configuration, version_with
from core.versions import Version
from leads.models import CustomField
from scoring import tiers
from scoring.appraising import Predictions
from scoring.features import Floats
from scoring.fields import CUSTOM, Field, all_fields, field_types
from scoring.hand_made import start_appraisal
from scoring.judging import counts, few, judge, period, split, too_few
from scoring.learning.notices import Notice
from scoring.learning.points import Definitions
from scoring.learning.suggesting import Refusal, suggest
from scoring.learning.table import Column, Table
from scoring.learning.taking import for_fields, icp_like, model_like
from scoring.live import live_config, load_model
from scoring.models import IcpVersion, ModelVersion, RefusedSignal, Suggestion, Trusted
from scoring.policies import can_change_models
from scoring.previewing import with_model
from scoring.proposing import SEED
from scoring.relearning import HOT, WARM
from scoring.training import Training, of_model, read_training, scored
from scoring.trusting import trusted_of

FIND, TAKE = "suggest", "take_signals"


@transaction.atomic
def start_suggesting(key: str, *, by: User) -> Suggestion:
    """Start the job that looks for signals for the live model `key`; the one that is under way
    already is returned.

    Raises Forbidden, or NotFound when no version of the key is live.
    """
    can_change_models(by).require()
    if not ModelVersion.objects.filter(key=key, state=Version.State.LIVE).exists():
        raise NotFound
    lock_configuration()
    mine = Suggestion.objects.filter(key=key, job__kind=FIND).exclude(job__state__in=Job.ENDED)
    running = mine.first()
    if running is not None:
        return running
    made = Suggestion.objects.create(key=key, created_by=by)
    made.job = jobs.start_job(FIND, chunks=[{"suggestion": made.pk}], total=1, unit="models", by=by)
    made.save(update_fields=["job"])
    return made


def _find_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    made = Suggestion.objects.get(pk=args["suggestion"])
    try:
        made.result, made.problem = find(made.key), ""
    except Invalid as error:
        made.problem = error.words
    made.save(update_fields=["result", "problem"])
    return {"done": 1}


def find(key: str, seed: int = SEED) -> dict[str, Any]:
    """Return what past leads of a model's segment suggest, as JSON values.

    Raises Invalid when there are too few outcomes.
    """
    training, table, name_of = _past(key)
    if too_few(training):
        raise Invalid(few(training.n, int(training.y.sum())))
    kept = trusted_of(key, Trusted.Kind.FIELD)
    trusted = [label for label, name in name_of.items() if name in kept]
    found = suggest(
        table,
        training.y,
        _time(training, training.n),
        seed=seed,
        refused=refusals(),
        trusted=trusted,
    )
    definitions = found.definitions
    said = {label: kept[name_of[label]].said for label in trusted}
    notices = [
        replace(n, text=f"{n.text} {said[n.field]}") if n.code == "leak_kept" else n
        for n in found.notices
    ]
    result: dict[str, Any] = {
        **counts(training),
        "lines": [line.as_json() for line in found.lines],
        "warnings": [n.as_json() for n in (*training.notices, *notices)],
        "definitions": None,
        "name_of": name_of,
        "live": _live_id(key),
    }
    if definitions is None:
        return result
    result["definitions"] = definitions.as_json()
    train, test = split(training, seed)
    evidence, decided = _measure(training, table, train, test, seed, trusted, key, name_of)
    return {**result, **evidence, "verdict": decided}


def _live_id(key: str) -> int | None:
    live = ModelVersion.objects.filter(key=key, state=Version.State.LIVE)
    return live.values_list("pk", flat=True).first()


def _past(key: str) -> tuple[Training, Table, dict[str, str]]:
    """Return the past leads of a model's segment (of the fallback, those that it would have scored)
    with all fields that are known on arrival, and the field behind each column's name.
    """
    config = live_config()
    live = next((m for m in config.everything if m.key == key), None)
    if live is None:
        raise NotFound
    fields = _arrival_fields()
    training = read_training([config], fields)
    if live.icp.fallback:
        training = of_model(training, live, config)
    elif live.icp.segment:
        types = field_types(all_fields())
        truth = conditions.evaluate(live.icp.segment, training.rows.facts, types)
        training = training.take(np.flatnonzero(truth == conditions.TRUE))
    columns, name_of = {}, {}
    for field in fields:
        label = field.label
        if label in name_of:
            label = f"{label} ({field.name.removeprefix(CUSTOM)})"
        column = _column(training, field, label)
        if column.missing.all():
            continue  # nothing to say about it
        name_of[label] = field.name
        columns[label] = column
    return training, Table(training.n, columns), name_of


def _arrival_fields() -> list[Field]:
    later = set(
        CustomField.objects.exclude(known_when=CustomField.KnownWhen.ARRIVAL).values_list(
            "key", flat=True
        )
    )
    dates = set(CustomField.objects.filter(type="date").values_list("key", flat=True))
    out = {f"{CUSTOM}{key}" for key in later | dates}
    return [f for name, f in all_fields().items() if name not in out]


def _column(training: Training, field: Field, label: str) -> Column:
    facts = training.rows.facts
    if field.type == "text":
        codes, values = facts.text_columns[field.name]
        return Column(label, "text", codes=codes, values=tuple(values))
    return Column(label, field.type, numbers=facts.number_columns[field.name])


def _time(training: Training, n: int) -> Floats | None:
    """Return times (n,) for leads in the order of their outcomes, None where they have none."""
    return np.arange(n, dtype=float) if training.in_order else None


def _measure(
    training: Training,
    table: Table,
    train: Any,
    test: Any,
    seed: int,
    trusted: Collection[str],
    key: str,
    name_of: Mapping[str, str],
) -> tuple[dict[str, Any], str]:
    """Return what signals found on one part of the leads were worth on the other part, in the place
    of the fit lines of the live model `key`.
    """
    y, config = training.y, live_config()
    early = suggest(
        table.take(train),
        y[train],
        _time(training, len(train)),
        seed=seed,
        refused=refusals(),
        trusted=trusted,
    )
    if early.definitions is None:
        return {}, "keep"
    theirs, tier = scored(training, config)
    live = _live(key)
    draft = _unsaved(for_fields(early.definitions, name_of), live)
    candidate = with_model(config, load_model(draft, field_types(all_fields())))
    odds, _ = scored(training.take(test), candidate)
    ours = Predictions(odds, expit(odds))
    decided, backtest = judge(
        training,
        train,
        test,
        (theirs[train], theirs[test]),
        ours,
        early.learned.gain_z,
        tier[test] == tiers.HOT,
        seed,
    )
    evidence = {
        "seed": seed,
        "trained_on": period(training, train),
        "tested_on": period(training, test),
        "backtest": backtest,
    }
    return evidence, decided


@transaction.atomic
def start_taking(suggestion: Suggestion, keep: Collection[str], *, by: User) -> Job:
    """Refuse the lines that are not kept, and start the job that makes drafts and a proposal.

    Raises Forbidden, Conflict, or Invalid when no line is kept.
    """
    can_change_models(by).require()
    suggestion = Suggestion.objects.select_for_update().get(pk=suggestion.pk)
    lines = suggestion.result.get("lines", [])
    if not suggestion.result.get("definitions"):
        raise Conflict("There is nothing to take here.")
    if suggestion.taken_id is not None:
        raise Conflict("This was taken already. Look for signals anew to take others.")
    if suggestion.result.get("live") not in (None, _live_id(suggestion.key)):
        raise Conflict(
            "Another version went live since these were measured. Look for signals anew."
        )
    if not any(line["key"] in keep for line in lines):
        raise Invalid.field("use", "required", "keep at least one line")
    refuse(lines, keep, by=by)
    wanted = [line["key"] for line in lines if line["key"] in keep]
    suggestion.job = jobs.start_job(
        TAKE,
        chunks=[{"suggestion": suggestion.pk, "keep": wanted}],
        total=1,
        unit="models",
        by=by,
    )
    suggestion.save(update_fields=["job"])
    return suggestion.job


def _take_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    suggestion = Suggestion.objects.get(pk=args["suggestion"])
    by = User.objects.get(pk=job.created_by_id or 0)
    version = take(suggestion, args["keep"], by=by)
    result = suggestion.result
    measured = None
    if "backtest" in result:
        kept = ("n", "won", "seed", "trained_on", "tested_on", "backtest", "warnings")
        found = {name: result[name] for name in kept if name in result}
        if out := len(result["lines"]) - len(args["keep"]):
            word = "line was" if out == 1 else "lines were"
            text = f"Measured with every suggested line; {out} {word} not taken."
            found["warnings"] = [*found["warnings"], Notice("not_taken", "", text).as_json()]
        measured = found, result["verdict"]
    # In a job of its own, since making drafts has locked the configuration until this chunk ends.
    start_appraisal(version, by=by, note="From suggested signals.", measured=measured)
    return {"done": 1}


def take(suggestion: Suggestion, keep: Collection[str], *, by: User) -> ModelVersion:
    """Make drafts of an ICP and a score model from the lines `keep`; return the model's."""
    result = suggestion.result
    definitions: Definitions | None = Definitions.of_json(result["definitions"])
    assert definitions is not None
    out = [line["key"] for line in result["lines"] if line["key"] not in keep]
    if out:
        training, table, _ = _past(suggestion.key)
        definitions = definitions.without(out, table, training.y, np.ones(training.n))
    if definitions is None:
        raise Invalid.field("use", "required", "keep at least one line")
    definitions = for_fields(definitions, result["name_of"])
    with transaction.atomic():
        lock_configuration()
        version = make_drafts(definitions, _live(suggestion.key), by=by)
        Suggestion.objects.filter(pk=suggestion.pk).update(taken=version)
        version.refresh_from_db()  # the content as it is kept
    return version


def make_drafts(definitions: Definitions, live: ModelVersion, *, by: User) -> ModelVersion:
    """Make drafts of an ICP and a score model whose fit is `definitions`, and all else as in
    `live`; return the model's. The configuration is locked.

    Raises Invalid when they cannot be parsed.
    """
    draft = _unsaved(definitions, live)
    load_model(draft, field_types(all_fields()))  # checked as any other before it is kept
    icp, _ = version_with(IcpVersion, live.icp.key, draft.icp.definition, by=by)
    version, _ = version_with(
        ModelVersion,
        live.key,
        draft.definition,
        by=by,
        pins={"icp": icp, "framework": live.framework},
    )
    return version


def _live(key: str) -> ModelVersion:
    found = ModelVersion.objects.filter(key=key, state=Version.State.LIVE)
    live = found.select_related("icp", "framework").first()
    if live is None:
        raise Conflict(f"No version of {key} is live any more.")
    return live


def _unsaved(definitions: Definitions, live: ModelVersion) -> ModelVersion:
    """Return a version that is kept nowhere, its fit `definitions` and all else as in `live`."""
    old = load_model(live, field_types(all_fields()))
    content = model_like(definitions, live.definition, old.model, old.icp)
    content["marks"] = {"hot": HOT, "warm": WARM}
    icp = IcpVersion(key=live.icp.key, definition=icp_like(definitions, live.icp.definition))
    return ModelVersion(
        pk=0, key=live.key, number=0, definition=content, icp=icp, framework=live.framework
    )


def name_of_model(key: str) -> str:
    """Return what the live model of a key is called, the key where none is live."""
    live = ModelVersion.objects.filter(key=key, state=Version.State.LIVE)
    name = live.values_list("definition__name", flat=True).first()
    return str(name or key)


def refusals() -> list[Refusal]:
    """Return what people did not want, with the evidence there was."""
    names = ("fingerprint", "rule", "n", "effect", "low", "high")
    return [Refusal(*row) for row in RefusedSignal.objects.values_list(*names)]


def refuse(lines: Sequence[Mapping[str, Any]], keep: Collection[str], *, by: User) -> None:
    """Refuse the lines whose keys are not kept, and forget refusals of those that are.

    A line that was refused before and is again counts by the evidence there is now.
    """
    for line in lines:
        before = line.get("refused_before")
        if before and before != line["fingerprint"]:
            RefusedSignal.objects.filter(fingerprint=before).delete()
        if line["key"] in keep:
            RefusedSignal.objects.filter(fingerprint=line["fingerprint"]).delete()
        else:
            to_odds = line["effect"] / line["points"] if line["points"] else 0.0
            RefusedSignal.objects.update_or_create(
                fingerprint=line["fingerprint"],
                defaults={
                    "label": line["label"],
                    "rule": line["rule"],
                    "n": line["n"],
                    "effect": line["effect"],
                    "low": line["low"] * to_odds,
                    "high": line["high"] * to_odds,
                    "refused_by": by,
                    "refused_at": DatabaseNow(),
                },
            )


jobs.register(FIND, _find_chunk)
jobs.register(TAKE, _take_chunk)
