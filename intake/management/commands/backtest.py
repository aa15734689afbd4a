"""Shows what learned weights would have been worth on past leads; writes nothing."""

import csv
import json
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import Invalid
from intake.sheets import read_sheet
from scoring.learning.backtest import Options, Result, run_backtest
from scoring.learning.comparing import Compared, compare
from scoring.learning.table import Sheet

VERDICTS = {
    "propose": "Proposed: the learned weights beat the starting weights on leads they never saw.",
    "keep": "Keep the weights: the learned ones are not surely better.",
    "too_few": "Too few outcomes to propose weights.",
}


class Command(BaseCommand):
    help = "Learn weights from a CSV of past leads and measure them on the leads held out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a CSV with a header")
        parser.add_argument("--outcome", required=True, help="the column that holds the outcome")
        parser.add_argument("--positive", required=True, help="its value for a lead that was won")
        parser.add_argument(
            "--exclude", default="", help='columns that must be no signal: A,B or "A, Inc",B'
        )
        parser.add_argument(
            "--trust", default="", help="columns that count though they give the outcome away: A,B"
        )
        split = parser.add_mutually_exclusive_group()
        split.add_argument("--order", help="dates or numbers: the last are held out")
        split.add_argument("--stratified", action="store_true", help="hold out at random (default)")
        parser.add_argument("--test-share", type=float, default=0.3, help="of leads held out (0.3)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--train", type=int, help="learn from this many leads only")
        parser.add_argument("--json", action="store_true", help="print JSON and nothing else")

        parser.add_argument(
            "--compare", type=int, metavar="N", help="N splits, beside other learners; slow"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Options(
            outcome=options["outcome"],
            positive=options["positive"],
            exclude=_names(options["exclude"]),
            trust=_names(options["trust"]),
            order=options["order"],
            test_share=options["test_share"],
            seed=options["seed"],
            train=options["train"],
        )
        try:
            sheet = _read(options["file"])
            if options["compare"]:
                seeds = range(wanted.seed, wanted.seed + options["compare"])
                self._compare(compare(sheet, wanted, seeds), options["json"])
                return
            result = run_backtest(sheet, wanted)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        except Invalid as error:
            raise CommandError(
                "\n".join(f"{p.field}: {p.message}" for p in error.problems)
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json(), ensure_ascii=False, allow_nan=False))
        else:
            self._show(result)

    def _compare(self, compared: list[Compared], as_json: bool) -> None:
        if as_json:
            rows = [{k: _plain(v) for k, v in vars(row).items()} for row in compared]
            self.stdout.write(json.dumps(rows, allow_nan=False))
            return
        names = [name for name in vars(compared[0]) if name != "name"]
        self.stdout.write(f"{'':<20}" + "".join(f"{name:>9}" for name in names))
        for row in compared:
            values = "".join(f"{getattr(row, name):>9.3f}" for name in names)
            self.stdout.write(f"{row.name:<20}{values}")

    def _show(self, result: Result) -> None:
        write = self.stdout.write
        write(VERDICTS[result.verdict])
        write(f"Learned from {result.n_train} leads, measured on {result.n_test}.\n")
        write(f"{'':<28}{'learned':>9}{'start':>9}")
        learned, start = result.learned.as_json(), result.start.as_json()
        for name in ("auc", "pr_auc", "brier", "log_loss", "ece", "lift_top10"):
            write(f"{name:<28}{_number(learned[name]):>9}{_number(start[name]):>9}")
        for tier in ("hot", "warm", "cold"):
            ours, theirs = learned["tiers"][tier], start["tiers"][tier]
            write(f"{'won among ' + tier:<28}{_number(ours):>9}{_number(theirs):>9}")
        if result.floor is not None:
            write(
                f"A perfect model with these probabilities would show an ece of {result.floor:.3f}."
            )
        if result.gain is not None:
            gain, low, high = result.gain
            write(f"AUC gained: {gain:+z.3f} (95 % between {low:+z.3f} and {high:+z.3f}).")
        write(f"\n{len(result.lines)} signals (points; what their own outcomes say, 90 %; leads)")
        for line in result.lines:
            span = f"{line.low:>+7.1f} … {line.high:<+7.1f}"
            write(f"{line.points:>+7.1f}  {span}{line.n:>7}  {line.label}")
        if result.lines:
            write(
                "Lines chosen from the same outcomes: on new ones these intervals would be wider."
            )
        for notice in result.notices:
            write(f"! {notice.text}")


def _read(path: Path) -> Sheet:
    """Read a file, or what comes through a pipe."""
    with path.open("rb") as file:
        return read_sheet(file if file.seekable() else BytesIO(file.read()))


def _names(text: str) -> tuple[str, ...]:
    """Return the columns of a list in which a name with a comma stands in quotes."""
    return tuple(name for name in next(csv.reader([text]), []) if name.strip())


def _plain(value: str | float) -> str | float | None:
    """Return a value as JSON has it: None for what could not be measured."""
    return None if isinstance(value, float) and isnan(value) else value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
