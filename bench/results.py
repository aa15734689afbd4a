"""Results of measurements: what we took, what the floor took, and the most that is allowed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from django.conf import settings


@dataclass(frozen=True)
class Result:
    """One line: `ours` and `raw` in `unit`; `ratio` their quotient, None where nothing is raw.

    `limit` bounds the ratio, or `ours` where there is none; None for what is only told.
    """

    name: str
    n: int
    ours: float
    raw: float | None
    unit: str
    limit: float | None
    least: bool = False  # the limit is a least value

    @property
    def ratio(self) -> float | None:
        """How many times the floor."""
        return None if self.raw is None else self.ours / self.raw

    @property
    def measure(self) -> float:
        """What the limit bounds."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def ok(self) -> bool | None:
        """Whether the limit is kept; None without one."""
        if self.limit is None:
            return None
        return self.measure >= self.limit if self.least else self.measure <= self.limit

    def as_json(self) -> dict[str, object]:
        """Return the line as JSON values."""
        return {**asdict(self), "ratio": self.ratio, "ok": self.ok}


def middle(name: str, n: int, ours: list[float], raw: list[float], limit: float | None) -> Result:
    """Return the line of interleaved rounds, in seconds: the medians of both."""
    return Result(name, n, median(ours), median(raw), "s", limit)


def table(results: Iterable[Result]) -> str:
    """Return the lines as a table for people."""
    lines = [f"{'':<62}{'n':>10}{'ours':>14}{'raw':>14}{'ratio':>8}{'limit':>8}"]
    for result in results:
        raw = "" if result.raw is None else _amount(result.raw, result.unit)
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        sign = "≥" if result.least else "≤"
        limit = "" if result.limit is None else f"{sign} {result.limit:g}"
        verdict = {None: "", True: "ok", False: "OVER" if not result.least else "UNDER"}[result.ok]
        lines.append(
            f"{result.name:<62}{result.n:>10,}{_amount(result.ours, result.unit):>14}"
            f"{raw:>14}{ratio:>8}{limit:>8}  {verdict}".rstrip()
        )
    return "\n".join(lines)


def _amount(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
    if unit == "ms":
        return f"{value:.2f} ms"
    if unit == "share":
        return f"{value:.4f}"
    return f"{value:,.0f} {unit}".rstrip()


def write(results: list[Result]) -> Path:
    """Keep the results as the latest; return the file."""
    folder = Path(settings.DATA_DIR) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "latest.json"
    file.write_text(json.dumps([result.as_json() for result in results], indent=2), "utf-8")
    return file
