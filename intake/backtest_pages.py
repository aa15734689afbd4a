"""What the pages of a backtest show: the form of its options, and its results in words."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django import forms

from accounts.models import DEFAULT_CAPACITY
from accounts.selectors import Capacity
from core.charts import Chart
from intake.models import Backtest
from intake.proposing import names_outcome
from scoring.appraising import signed
from scoring.learning.backtest import MOST_OUTCOMES, Options
from scoring.learning.evaluate import CalibrationBin
from scoring.learning.suggesting import strongest
from scoring.models import RefusedSignal
from scoring.outcome_charts import calibration_chart, gain_chart

VERDICTS = {
    "propose": (
        "ok",
        "Worth taking: on leads that they never saw, the learned weights beat the start.",
    ),
    "keep": ("warn", "Keep your weights: the learned ones are not surely better."),
    "too_few": ("warn", "Too few outcomes to learn weights that can be trusted."),
}
CALLED = 0.2  # of the leads, where nothing says how many come in a day
LEAST_A_DAY = 5  # leads below which a day is too short a time to tell of
MEASURES = (
    ("auc", "Ranking (AUC)", "0.5 is chance, 1 is perfect"),
    ("pr_auc", "Precision of the ranking (PR AUC)", ""),
    ("lift_top10", "Wins in the best tenth, against the average", "times"),
    ("brier", "Error of probabilities (Brier)", "lower is better"),
    ("log_loss", "Log loss", "lower is better"),
    ("ece", "Calibration error (ECE)", "lower is better"),
)


class StartForm(forms.Form):
    """The outcome, which columns must be no signals, and in which order the leads came."""

    outcome = forms.ChoiceField(
        label="A lead was won when", help_text="Every other value counts as not won."
    )
    order = forms.ChoiceField(
        label="Leads in order of",
        required=False,
        help_text="With a date the latest leads are held out, as it will be; else a random part.",
    )
    exclude = forms.MultipleChoiceField(
        label="Leave out, since known only afterwards",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Columns that give the outcome away are found and left out by themselves.",
    )
    trust = forms.MultipleChoiceField(
        label="Learn from it all the same, since it is known in time",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="These give the outcome away, so they were left out.",
    )

    def __init__(self, test: Backtest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers = list(test.imported.headers)
        columns = test.imported.profile
        mapping = test.imported.mapping.get("columns", {})
        choices: list[tuple[str, list[tuple[str, str]]]] = []
        for index, column in enumerate(columns):
            values = column["values"] or []
            if 2 <= len(values) <= MOST_OUTCOMES:
                name = column["header"]
                pairs = [(f"{index}:{n}", f"{name} is {v}") for n, v in enumerate(values)]
                choices.append((name, pairs))
        self.values = [column["values"] or [] for column in columns]
        outcome, order, exclude = (self.fields[name] for name in ("outcome", "order", "exclude"))
        self.hints = [hint for column in columns if (hint := _no_outcome(column, mapping))]
        blank = [("", "choose the column and its value")]
        outcome.choices = [*blank, *choices] if choices else []  # type: ignore[attr-defined]
        dated = [i for i, c in enumerate(columns) if _is_dated(mapping.get(c["header"], {}))]
        rest = [i for i in range(len(columns)) if i not in dated]
        order.choices = [  # type: ignore[attr-defined]
            ("", "no order known"),
            *((str(i), columns[i]["header"]) for i in [*dated, *rest]),
        ]
        exclude.choices = [  # type: ignore[attr-defined]
            (str(i), _with_samples(column)) for i, column in enumerate(columns)
        ]
        self.fields["trust"].choices = [  # type: ignore[attr-defined]
            (str(self._index(name)), name) for name in _leaking(test) if name in self.headers
        ]
        self.initial = self._initial(test, mapping, dated)

    def _initial(self, test: Backtest, mapping: dict[str, Any], dated: list[int]) -> dict[str, Any]:
        if test.options:
            index = self._index(test.options["outcome"])
            positive = test.options["positive"]
            n = self.values[index].index(positive) if positive in self.values[index] else 0
            order = test.options["order"]
            return {
                "outcome": f"{index}:{n}",
                "order": "" if order is None else str(self._index(order)),
                "exclude": [str(self._index(name)) for name in test.options["exclude"]],
                "trust": [str(self._index(name)) for name in test.options.get("trust", ())],
            }
        found: dict[str, Any] = {"order": str(dated[0]) if dated else ""}
        for index, header in enumerate(self.headers):
            spec = mapping.get(header, {})
            if spec.get("to") == "outcome" and spec.get("won") and self.values[index]:
                found["outcome"] = f"{index}:{self.values[index].index(spec['won'][0])}"
        found["exclude"] = [
            str(index)
            for index, header in enumerate(self.headers)
            if _is_late(mapping.get(header, {}))
        ]
        return found

    def _index(self, header: str) -> int:
        return self.headers.index(header)

    def options(self) -> Options:
        """Return what was chosen; the form must be valid."""
        column, _, n = self.cleaned_data["outcome"].partition(":")
        order = self.cleaned_data["order"]
        left_out = [int(i) for i in self.cleaned_data["exclude"] if i not in (column, order)]
        return Options(
            outcome=self.headers[int(column)],
            positive=self.values[int(column)][int(n)],
            exclude=tuple(self.headers[i] for i in left_out),
            trust=tuple(self.headers[int(i)] for i in self.cleaned_data["trust"]),
            order=self.headers[int(order)] if order and order != column else None,
        )


def _leaking(test: Backtest) -> list[str]:
    """Return the columns that gave the outcome away when it was last tested, and those kept."""
    found = [w["field"] for w in test.measured.get("warnings", []) if w["code"] == "leak"]
    return list(dict.fromkeys([*found, *test.options.get("trust", ())]))


def _is_late(spec: dict[str, Any]) -> bool:
    """Return whether a column is known only after the lead was won or lost, or was spoken to."""
    if spec.get("to") == "custom":
        return spec.get("known_when", "arrival") != "arrival"
    return spec.get("field") in ("outcome_reason", "outcome_at")


def _no_outcome(column: dict[str, Any], mapping: dict[str, Any]) -> str:
    """Return why a column that is called like an outcome cannot be one, else ""."""
    header, values = column["header"], column["values"]
    if not names_outcome(header) and mapping.get(header, {}).get("to") != "outcome":
        return ""
    if values is None or len(values) > MOST_OUTCOMES:
        return f"{header} has more than {MOST_OUTCOMES} different values, so it is no outcome."
    if len(values) == 1:
        return (
            f"{header} is {values[0]} for every lead: leads that ended otherwise are needed too, "
            "since what won can only be told from what did not."
        )
    return ""


def _is_dated(spec: dict[str, Any]) -> bool:
    return spec.get("field") == "created_at" or spec.get("type") == "date"


def _with_samples(column: dict[str, Any]) -> str:
    samples = ", ".join(sample[:20] for sample in column["samples"])
    return f"{column['header']} ({samples})" if samples else column["header"]


class DayForm(forms.Form):
    """A team's day: how many leads it calls first, of how many new ones."""

    calls = forms.IntegerField(label="First calls a day", min_value=1, max_value=100_000)
    leads = forms.IntegerField(label="New leads a day", min_value=1, max_value=1_000_000)

    def __init__(self, found: dict[str, Any], people: Capacity, data: Any = None) -> None:
        self.found = found
        calls, leads, self.basis = _usual_day(found, people)
        initial = {"calls": calls, "leads": leads}
        super().__init__({**initial, **data} if data else None, initial=initial)

    @property
    def sentence(self) -> str:
        """What the same calls would have won by the chosen day, by the usual one while that is
        not valid.
        """
        valid = self.is_bound and self.is_valid()
        day = self.cleaned_data if valid else self.initial
        return day_sentence(self.found, day["calls"], day["leads"])


def _usual_day(found: dict[str, Any], people: Capacity) -> tuple[int, int, str]:
    """Return calls and new leads a day to begin with, and where they come from."""
    calls = people.a_day if people.reps else DEFAULT_CAPACITY
    reps = "the one active rep has" if people.reps == 1 else f"{people.reps} active reps have"
    text = (
        f"{calls} first calls are what {reps} time for."
        if people.reps
        else (f"There is no active rep yet: {calls} first calls a day are assumed.")
    )
    came = round(found["n_test"] / found["days"]) if found["days"] else 0
    if came < LEAST_A_DAY:
        leads = round(calls / CALLED)
        return calls, leads, f"{text} {leads} new leads are assumed, as the file does not say."
    if calls < came:
        return calls, came, f"{text} {came} leads a day came in the time held out."
    fifth = max(1, round(CALLED * came))
    return (
        fifth,
        came,
        (
            f"{came} leads a day came in the time held out. Your people have time to call them all "
            f"({calls} first calls a day), so a fifth is shown: who comes first."
        ),
    )


def day_sentence(found: dict[str, Any], calls: int, leads: int) -> str:
    """Return what `calls` of `leads` new leads a day would have won of the leads held out."""
    if "reach" not in found:
        return "All leads held out have the same outcome, so nothing can be said about them."
    if calls >= leads:
        return "With time to call every lead, all wins are reached in whichever order."
    curve = np.array(found["reach"])
    shares = np.arange(len(curve)) / (len(curve) - 1)
    ours, start, low, high = (np.interp(calls / leads, shares, column) for column in curve.T)
    if found["days"] and found["n_test"] / found["days"] >= LEAST_A_DAY:
        days = round(found["days"])
        held = f"in the {days:,} working day{'' if days == 1 else 's'} held out"
    else:
        held = f"among the {found['n_test']:,} leads held out"
    gained = round(ours) - round(start)
    instead = "as many as by the start" if not gained else f"instead of {round(start):,}"
    return (
        f"With the same {calls:,} call{'' if calls == 1 else 's'} a day, for {leads:,} new leads, "
        f"you would have reached {round(ours):,} of the {found['won_test']:,} wins {held}, "
        f"{instead} ({signed(gained)}, 95 % between {signed(low)} and {signed(high)})."
    )


@dataclass(frozen=True)
class Measure:
    """A row of the table of measures."""

    label: str
    hint: str
    learned: str
    start: str


@dataclass(frozen=True)
class TierRow:
    """The share won in a tier, by learned weights and by the start; `part` says of which leads."""

    tier: str
    part: str
    learned: float | None
    start: float | None


@dataclass(frozen=True)
class Page:
    """What came of a backtest."""

    tone: str
    verdict: str
    basis: str
    tiers: list[TierRow]
    measures: list[Measure]
    gain: Chart | None
    calibration: Chart | None
    calibration_note: str
    lines: list[dict[str, Any]]
    warnings: list[dict[str, str]]
    scale: float
    strongest: list[str]


def page_of(test: Backtest, kept: Collection[str] | None = None) -> Page | None:
    """Return the page's content, None until both steps are done.

    The lines `kept` are ticked, None for all that are not refused.
    """
    found, lines = test.measured, test.suggested
    if "days" not in found or not lines:
        return None
    tone, verdict = VERDICTS[found["verdict"]]
    how = (
        f"the last by {test.options['order']}"
        if test.options["order"] is not None
        else "drawn at random, with the same share won"
    )
    basis = (
        f"Measured on {found['n_test']:,} leads held out ({how}), learned from the other "
        f"{found['n_train']:,}. The lines below were then learned from all {lines['n']:,} leads, "
        f"{lines['won']:,} of them won."
    )
    curves, bins = found.get("curves"), found.get("bins")
    # Of a field that both steps name, what all leads say.
    warnings = {
        (w["code"], w["field"] or w["text"]): w for w in [*found["warnings"], *lines["notices"]]
    }
    refused = set(RefusedSignal.objects.values_list("fingerprint", flat=True))
    return Page(
        tone=tone,
        verdict=verdict,
        basis=basis,
        tiers=_tiers(found),
        measures=_measures(found),
        gain=gain_chart({name: np.array(c) for name, c in curves}) if curves else None,
        calibration=calibration_chart({"Learned": [CalibrationBin(**b) for b in bins]})
        if bins
        else None,
        calibration_note=""
        if found["floor"] is None
        else f"A perfect model with the same probabilities would show {found['floor']:.3f}.",
        lines=[
            {
                **line,
                "rate": line["won"] / line["n"] if line["n"] else 0.0,
                "ticked": line["key"] in kept
                if kept is not None
                else line["fingerprint"] not in refused,
            }
            for line in lines["lines"]
        ],
        warnings=list(warnings.values()),
        scale=lines["definitions"]["scale"] if lines["definitions"] else 1.0,
        strongest=strongest(lines["lines"]),
    )


def _measures(found: dict[str, Any]) -> list[Measure]:
    rows = [
        Measure(label, hint, _number(found["learned"][name]), _number(found["start"][name]))
        for name, label, hint in MEASURES
    ]
    if found["gain"] is not None:
        gain, low, high = found["gain"]
        text = f"{_change(gain)} ({_change(low)} to {_change(high)})"
        rows.insert(1, Measure("AUC gained", "95 % interval", text, ""))
    if found["auc_interval"] is not None:
        low, high = found["auc_interval"]
        rows[0] = replace(rows[0], learned=f"{rows[0].learned} ({low:.3f} to {high:.3f})")
    return rows


def _tiers(found: dict[str, Any]) -> list[TierRow]:
    return [
        TierRow(tier, share, found["learned"]["tiers"][tier], found["start"]["tiers"][tier])
        for tier, share in (("hot", "best 20 %"), ("warm", "next 30 %"), ("cold", "rest"))
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _change(value: float) -> str:
    return f"{value:+z.3f}".replace("-", "−")
