"""The learner beside its rivals, and every number that it is held to (docs/reference/bench.md).

It needs no database. Real files of past leads are read from the folder of `--data`, where they are:
those that are known here, and those that its `sets.toml` names; the other sets are made here from
known truths or come with scikit-learn.
"""

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from bench.past_leads import made, of_world, sheet_of
from bench.results import Result
from bench.timing import seconds
from core.errors import Invalid
from core.memory import peak_mb
from intake.sheets import read_sheet
from scoring.features import Floats
from scoring.learning.backtest import Options, run_backtest
from scoring.learning.backtest import Result as Backtest
from scoring.learning.comparing import OURS, Compared, compare
from scoring.learning.evaluate import calibration_error
from scoring.learning.fit import Design, fit_map
from scoring.learning.intervals import weight_intervals
from scoring.learning.points import define
from scoring.learning.signals import learn_signals
from scoring.learning.table import Sheet, Table, column_of_texts

LR, WOE, ODOO, TREES = "logistic regression", "weight of evidence", "Odoo", "boosting"
FILES: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    "salvirt": ("salvirt_b2b_opportunities.csv", "Status", "Won", ()),
    "bank": ("uci_bank_phone_campaign.csv", "y", "yes", ("duration",)),
}
LISTING = "sets.toml"
NEEDED, ALLOWED = {"file", "outcome", "positive"}, {"exclude", "order"}
# Mean AUC at least, Brier and ECE at most.
LIMITS = {"salvirt": (0.83, 0.167, 0.10), "bank": (0.735, 0.092, 0.03)}
SPLITS = {"salvirt": 20}
FEW_SPLITS = 3  # of sets that are larger
DRAWS = 12
NOISE_SEEDS, WORLD_SEEDS, DRIFT_SEEDS = 20, 40, 4
BLOCKS, FIRST_BLOCK = 20, 4
SNAPSHOTS, SIGNALS, STRENGTH = 1_000_000, 30, 10.0

Set = tuple[Sheet, Options]
Tell = Callable[[str], None]


def measure(data: Path | None, tell: Tell) -> list[Result]:
    """Measure everything; `data` is the folder of the real files, None without them."""
    sets = dict(_sets(data))
    for name in FILES.keys() - sets.keys():
        tell(f"{name}: its file is not in the folder of --data, and is left out.")
    results = [*_speed(), *_few(sets, tell), *_whole(sets, tell)]
    return [*results, *_noise(), *_copies(), *_drift(), *_coverage()]


def _sets(data: Path | None) -> Iterator[tuple[str, Set]]:
    for name, (file, outcome, positive, exclude) in FILES.items():
        if data is not None and (data / file).exists():
            sheet = _read(data / file)
            if name == "salvirt":  # the repeats would flatter
                rows = list(dict.fromkeys(zip(*sheet.columns, strict=True)))
                sheet = Sheet(sheet.header, [list(c) for c in zip(*rows, strict=True)], [])
            yield name, (sheet, Options(outcome, positive, exclude))
    if data is not None and (data / LISTING).exists():
        yield from _listed(data)
    for kind, n in (("strong", 2000), ("weak", 4000), ("blanks", 2000)):
        yield kind, (sheet_of(*made(kind, n, 7)), Options("Outcome", "won"))
    cells = load_breast_cancer()
    columns = {
        name: [f"{value:.6g}" for value in column]
        for name, column in zip(cells.feature_names, cells.data.T, strict=True)
    }
    yield "cells", (sheet_of(columns, cells.target.astype(float)), Options("Outcome", "won"))


def _listed(data: Path) -> Iterator[tuple[str, Set]]:
    """Read the sets that the folder itself names; raise Invalid for what they lack."""
    for name, entry in tomllib.loads((data / LISTING).read_text("utf-8")).items():
        keys = set(entry)
        if NEEDED - keys or keys - NEEDED - ALLOWED:
            text = (
                f"{LISTING}: {name} needs file, outcome and positive, and may have exclude, order"
            )
            raise Invalid.field("data", "bad_listing", text)
        options = Options(
            entry["outcome"],
            str(entry["positive"]),
            tuple(entry.get("exclude", ())),
            order=entry.get("order"),
        )
        yield name, (_read(data / entry["file"]), options)


def _read(path: Path) -> Sheet:
    with path.open("rb") as file:
        return read_sheet(file)


def _whole(sets: Mapping[str, Set], tell: Tell) -> Iterator[Result]:
    gaps: dict[str, list[float]] = {}
    lines = [_HEAD]
    for name, (sheet, options) in sets.items():
        # Leads in order are held out in one way only.
        seeds = range(1 if options.order else SPLITS.get(name, FEW_SPLITS))
        found = {row.name: row for row in compare(sheet, options, seeds)}
        _show(tell, name, sheet.n, found)
        ours = found[OURS]
        result = run_backtest(sheet, options)
        codes = {notice.code for notice in result.notices}
        tell(f"  verdict: {result.verdict}; lines: {len(result.lines)}; {', '.join(codes)}")
        lines.append(_overview(name, result, found))
        if name in LIMITS:
            auc, brier, ece = LIMITS[name]
            yield _line(f"{name}: AUC", sheet.n, ours.auc, auc, least=True)
            yield _line(f"{name}: Brier", sheet.n, ours.brier, brier)
            yield _line(f"{name}: ECE", sheet.n, ours.ece, ece)
        if result.verdict == "keep":
            continue
        above = ours.ece - ours.floor - ours.shift
        yield _line(f"{name}: ECE above a perfect model's", sheet.n, above, 0.015)
        if "drift" not in codes:
            share = ours.ece / found[ODOO].ece
            yield _line(f"{name}: ECE to Odoo's", sheet.n, share, 2 / 3)
        best = max(found[LR].auc, found[WOE].auc)
        yield _line(f"{name}: AUC above LR and WoE", sheet.n, ours.auc - best, -0.01, least=True)
        told = "interactions" in codes or found[TREES].auc - ours.auc <= 0.02
        yield _line(f"{name}: says where points miss interactions", sheet.n, told, 1, least=True)
        falls = min(ours.hot - ours.warm, ours.warm - ours.cold)
        yield _line(f"{name}: hot over warm over cold, by", sheet.n, falls, 0.0, least=True)
        for rival in (LR, WOE, TREES):
            gaps.setdefault(rival, []).append(ours.auc - found[rival].auc)
    for line in lines:
        tell(line)
    for rival, least in ((LR, 0.0), (WOE, 0.0), (TREES, -0.015)):
        mean = float(np.mean(gaps[rival]))
        yield _line(f"all sets: mean AUC above {rival}", len(gaps[rival]), mean, least, least=True)


def _few(sets: Mapping[str, Set], tell: Tell) -> Iterator[Result]:
    for n in (100, 300, 1000):
        means: dict[str, list[Compared]] = {}
        for name, (sheet, options) in sets.items():
            if sheet.n < 2 * n:
                continue
            draws = range(1 if options.order else DRAWS if n == 100 else FEW_SPLITS)
            found = {c.name: c for c in compare(sheet, replace(options, train=n), draws)}
            _show(tell, f"{name}, {n} outcomes", sheet.n, found)
            for rival, row in found.items():
                means.setdefault(rival, []).append(row)
            if n == 100 and name == "bank":
                yield _line("bank, 100 outcomes: AUC", n, found[OURS].auc, 0.64, least=True)
        auc = {rival: float(np.mean([row.auc for row in rows])) for rival, rows in means.items()}
        ece = {rival: float(np.mean([row.ece for row in rows])) for rival, rows in means.items()}
        limits = {LR: 0.005, WOE: 0.01, ODOO: 0.02} if n == 100 else {}
        for rival in (LR, WOE, ODOO):
            name = f"{n} outcomes, all sets: mean AUC above {rival}"
            yield _line(name, n, auc[OURS] - auc[rival], limits.get(rival), least=True)
        name = f"{n} outcomes, all sets: mean ECE to Odoo's"
        yield _line(name, n, ece[OURS] / ece[ODOO], 0.5 if n == 100 else None)


_HEAD = (
    f"{'':<12}{'won':>5}{'ours':>8}{'LR':>7}{'WoE':>7}{'Odoo':>7}{'boost':>7}   "
    f"{'ECE':>6}{'floor':>7}{'Odoo':>7}  verdict"
)


def _overview(name: str, result: Backtest, found: Mapping[str, Compared]) -> str:
    """Return one line of a set: AUC of all, and ECE beside the floor and Odoo's."""
    ours, aucs = found[OURS], (found[rival].auc for rival in (LR, WOE, ODOO, TREES))
    return (
        f"{name:<12}{result.held.y.mean():>5.0%}{ours.auc:>8.3f}"
        + "".join(f"{auc:>7.3f}" for auc in aucs)
        + f"   {ours.ece:>6.3f}{ours.floor:>7.3f}{found[ODOO].ece:>7.3f}  {result.verdict}"
    )


def _show(tell: Tell, name: str, n: int, found: Mapping[str, Compared]) -> None:
    tell(f"{name} ({n:,} leads)")
    columns = ("auc", "brier", "log_loss", "ece", "floor", "hot", "warm", "cold")
    tell(f"  {'':<20}" + "".join(f"{column:>10}" for column in columns))
    for row in found.values():
        values = "".join(f"{getattr(row, column):>10.3f}" for column in columns)
        tell(f"  {row.name:<20}{values}")


def _noise() -> Iterator[Result]:
    options = Options("Outcome", "won")
    proposed = 0
    for seed in range(NOISE_SEEDS):
        result = run_backtest(sheet_of(*made("noise", 1000, seed)), replace(options, seed=seed))
        proposed += result.verdict == "propose"
    yield Result("learn: proposals on noise", NOISE_SEEDS, proposed, None, "", 1)


def _copies() -> Iterator[Result]:
    n = 900
    columns, y = made("strong", n)
    random = np.random.default_rng(5)
    before = _predicted(_table(columns), y, _table(columns))
    for name, field, change in (
        ("", "Budget", lambda text, other: other if random.random() < 0.01 else text),
        (" with 20 % gaps", "Channel", lambda text, _: "" if random.random() < 0.2 else text),
        (
            " with 5 % slips",
            "Employees",
            lambda text, other: other if random.random() < 0.05 else text,
        ),
        (" with units", "Pages", lambda text, _: f"{text} pages"),
    ):
        others = random.permutation(columns[field])
        copies = {
            f"Copy {i}": [change(*pair) for pair in zip(columns[field], others, strict=True)]
            for i in range(5)
        }
        # Where they stand must not matter: after their field, and before it.
        moved = max(
            float(np.abs(_predicted(_table(given), y, _table(given)) - before).max())
            for given in ({**columns, **copies}, {**copies, **columns})
        )
        yield _line(f"five copies{name}: largest change of p", n, moved, 0.02)


def _drift() -> Iterator[Result]:
    errors: dict[int, list[float]] = {0: [], 1: []}
    told = 0
    for seed in range(DRIFT_SEEDS):
        columns, y = made("drift", 3000, seed)
        del columns["Day"]
        table = _table(columns)
        seen: dict[int, list[tuple[Floats, Floats]]] = {0: [], 1: []}
        noticed = False
        for block in range(FIRST_BLOCK, BLOCKS):
            past = np.arange(len(y) * block // BLOCKS)
            learned = learn_signals(table.take(past), y[past], in_order=True)
            noticed |= any(notice.code == "drift" for notice in learned.notices)
            definitions = define(learned, table.take(past))
            for late, into in seen.items():
                start, end = (len(y) * (block + late + i) // BLOCKS for i in (0, 1))
                if definitions is not None and start < end <= len(y):
                    rows = np.arange(start, end)
                    into.append((y[rows], definitions.probability(table.take(rows))))
        told += noticed
        for late, pairs in seen.items():
            truth, p = (np.concatenate(part) for part in zip(*pairs, strict=True))
            errors[late].append(calibration_error(truth, p))
    yield _line("drift, refitted: mean pooled ECE", 3000, float(np.mean(errors[0])), 0.04)
    yield _line("drift, a block late: mean pooled ECE", 3000, float(np.mean(errors[1])), 0.07)
    yield _line("drift: share of worlds where it is told", 3000, told / DRIFT_SEEDS, 1, least=True)


def _coverage() -> Iterator[Result]:
    for kind in ("b2b", "b2c"):
        inside = []
        for seed in range(WORLD_SEEDS):
            x, y, weights = of_world(kind, 1000, seed)
            sure = weight_intervals(x, y, np.ones(len(y)))
            inside.append(np.mean((sure.low <= weights) & (weights <= sure.high)))
        name = f"{kind} world: weights inside their 90 % intervals"
        yield _line(name, 1000, float(np.mean(inside)), 0.87, least=True)


def _speed() -> Iterator[Result]:
    """Fit a million leads in a process of its own, whose memory is that of the fit."""
    program = "import django; django.setup(); from bench.learn import fit_a_million as f; f()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    ours, raw, memory, above = map(float, done.stdout.split())
    yield Result("learn: fit of 1M × 30 to lbfgs", SNAPSHOTS, ours, raw, "s", 2.0)
    yield Result("learn: memory of that fit", SNAPSHOTS, memory, None, "MB", 1500)
    yield _line("fit of 1M × 30: objective above lbfgs's, nats", SNAPSHOTS, above, 0.0)


def fit_a_million() -> None:
    """Print seconds of our fit and of scikit-learn's on one matrix, our peak memory in MB, and by
    how much our mode is worse than the other.
    """
    random = np.random.default_rng(0)
    x = random.random((SNAPSHOTS, SIGNALS), dtype=np.float32)
    x[:, ::2] = x[:, ::2] < 0.3
    b = random.normal(0, 0.5, SIGNALS)
    y = (random.random(SNAPSHOTS) < 1 / (1 + np.exp(1.5 - x @ b))).astype(float)
    design = Design(x, None, np.arange(SIGNALS), np.ones(SIGNALS))
    precision = np.full(SIGNALS, STRENGTH)
    fits = []
    ours = min(
        seconds(lambda: fits.append(fit_map(design, y, np.ones(SNAPSHOTS), precision)))
        for _ in range(2)
    )
    memory = peak_mb()
    model = LogisticRegression(C=1 / STRENGTH, solver="lbfgs", max_iter=1000)
    raw = min(seconds(lambda: model.fit(x, y)) for _ in range(2))
    modes = ((fits[0].intercept, fits[0].b), (float(model.intercept_[0]), model.coef_[0]))
    mode, other = (_objective(design, y, *at) for at in modes)
    sys.stdout.write(f"{ours} {raw} {memory} {mode - other}\n")


def _objective(design: Design, y: Floats, intercept: float, b: Floats) -> float:
    log_odds = design.log_odds(intercept, b)
    loss = float((np.logaddexp(0.0, log_odds) - y * log_odds).sum())
    return loss + STRENGTH / 2 * float(b @ b)


def _predicted(train: Table, y: Floats, other: Table) -> Floats:
    definitions = define(learn_signals(train, y), train)
    return np.full(other.n, y.mean()) if definitions is None else definitions.probability(other)


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    typed = {name: column_of_texts(name, texts) for name, texts in columns.items()}
    return Table(len(next(iter(columns.values()))), typed)


def _line(name: str, n: int, value: float, limit: float | None, *, least: bool = False) -> Result:
    return Result(f"learn, {name}", n, float(value), None, "share", limit, least)
