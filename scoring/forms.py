"""Forms of the pages about scoring; services check again what they are given."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms

from core.errors import Invalid
from scoring.definitions import HALF_LIVES, Framework
from scoring.describing import GROUP_LABELS
from scoring.reviewing import MOST_NOTE, SHADOW_DAYS


class NoteForm(forms.Form):
    """What is to change in a proposal."""

    note = forms.CharField(
        label="What is to change",
        max_length=MOST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ShadowForm(forms.Form):
    """For how long a version scores in the shadow."""

    days = forms.IntegerField(
        label="Days in the shadow, from now",
        min_value=SHADOW_DAYS[0],
        max_value=SHADOW_DAYS[1],
        initial=14,
    )


class DraftForm(forms.Form):
    """Every number of a draft. Its fields are made from the draft, each named by a path that the
    problems of `parse_model` can be led back to.
    """

    name = forms.CharField(label="Name", max_length=100)

    def __init__(self, definition: Mapping[str, Any], framework: Framework, *args: Any) -> None:
        super().__init__(*args)
        self.definition, self.framework = definition, framework
        self.fields["name"].initial = definition["name"]
        self._number("base", "Base", definition.get("base", 0))
        for group, label in GROUP_LABELS.items():
            bounds = definition["groups"][group]
            self._number(f"groups.{group}.cap", f"{label}, most points", bounds["cap"])
            self._number(f"groups.{group}.floor", f"{label}, least points", bounds.get("floor", 0))
        for index, signal in enumerate(definition["signals"]):
            self._signal(f"signals[{index}]", signal)
        marks, mql = definition.get("marks", {}), definition.get("mql", {})
        self._number("marks.hot", "Hot from", marks.get("hot", 60), whole=True)
        self._number("marks.warm", "Warm from", marks.get("warm", 40), whole=True)
        self._number("hysteresis", "Slack before a step down", definition.get("hysteresis", 3))
        self._number("mql.fit", "MQL from this share of fit, %", mql.get("fit", 50))
        self._number(
            "mql.engagement", "MQL from this share of engagement, %", mql.get("engagement", 40)
        )
        self._number(
            "repeat_customer_factor",
            "Value of a returning customer, times",
            definition.get("repeat_customer_factor", 1),
        )
        minima = {gate["dimension"]: gate["minimum"] for gate in definition.get("gates", [])}
        for criterion in framework.criteria:
            self._number(
                f"gate.{criterion.dimension}",
                f"{criterion.label}, least rating",
                minima.get(criterion.dimension),
                required=False,
                whole=True,
                help_text="Empty: no gate",
            )

    def _number(
        self,
        name: str,
        label: str,
        value: float | None,
        *,
        required: bool = True,
        whole: bool = False,
        help_text: str = "",
    ) -> None:
        kind = forms.IntegerField if whole else forms.FloatField
        self.fields[name] = kind(
            label=label,
            initial=value,
            required=required,
            help_text=help_text,
            widget=forms.NumberInput(attrs={"step": "1" if whole else "any"}),
        )

    def _signal(self, path: str, signal: Mapping[str, Any]) -> None:
        label = signal["label"]
        self._number(f"{path}.points", f"{label}, points", signal["points"])
        if "mu" in signal:
            self._number(f"{path}.mu", f"{label}, while unknown", signal["mu"], required=False)
        if "activity" not in signal:
            return
        if signal.get("window_days") is not None:
            self._number(f"{path}.window_days", f"{label}, days", signal["window_days"], whole=True)
            return
        self._number(f"{path}.cap", f"{label}, full at", signal.get("cap", 1))
        self.fields[f"{path}.half_life_days"] = forms.TypedChoiceField(
            label=f"{label}, half-life",
            coerce=int,
            choices=[(days, f"{days} days" if days else "none") for days in HALF_LIVES],
            initial=signal.get("half_life_days", 0),
        )

    @property
    def parts(self) -> list[tuple[str, list[list[forms.BoundField]]]]:
        """The fields under their headings, a list of rows for lines of a group."""
        found = []
        for group, label in GROUP_LABELS.items():
            subject = {"fit": "attribute", "engagement": "activity"}.get(group, "dimension")
            rows = [
                [self[name] for name in self.fields if name.startswith(f"signals[{i}].")]
                for i, signal in enumerate(self.definition["signals"])
                if signal.get(subject) is not None
            ]
            if all(len(row) == 1 for row in rows):
                rows = [[field for row in rows for field in row]]  # side by side
            bounds = [self[f"groups.{group}.cap"], self[f"groups.{group}.floor"]]
            found.append((label, [*rows, bounds]))
        marks = ("name", "base", "marks.hot", "marks.warm", "hysteresis")
        others = ("mql.fit", "mql.engagement", "repeat_customer_factor")
        gates = [self[name] for name in self.fields if name.startswith("gate.")]
        found.append(("Marks", [[self[n] for n in marks], [self[n] for n in others]]))
        found.append(("Gates", [gates]))
        return found

    def edited(self) -> dict[str, Any]:
        """Return the definition with what was typed; call it when the form is valid."""
        data = self.cleaned_data
        changed = json.loads(json.dumps(self.definition))
        changed["name"] = data["name"]
        for name in ("base", "hysteresis", "repeat_customer_factor"):
            changed[name] = data[name]
        for part, keys in (("marks", ("hot", "warm")), ("mql", ("fit", "engagement"))):
            changed[part] = {key: data[f"{part}.{key}"] for key in keys}
        for group in GROUP_LABELS:
            changed["groups"][group] = {
                key: data[f"groups.{group}.{key}"] for key in ("cap", "floor")
            }
        for index, signal in enumerate(changed["signals"]):
            for key in ("points", "mu", "window_days", "cap", "half_life_days"):
                name = f"signals[{index}].{key}"
                if name in data and data[name] is not None:
                    signal[key] = data[name]
        changed["gates"] = [
            {"dimension": c.dimension, "minimum": data[f"gate.{c.dimension}"]}
            for c in self.framework.criteria
            if data[f"gate.{c.dimension}"] is not None
        ]
        return changed

    def add_problems(self, error: Invalid) -> None:
        """Show what the definition's own check found, each at its field."""
        gated = [c.dimension for c in self.framework.criteria]
        gates = [d for d in gated if self.cleaned_data.get(f"gate.{d}") is not None]
        for problem in error.problems:
            name: str | None = problem.field
            match = re.fullmatch(r"gates\[(\d+)\]\.minimum", problem.field)
            if match:
                name = f"gate.{gates[int(match[1])]}"
            if name not in self.fields:
                name = None
            text = problem.message if name else f"{problem.field} {problem.message}"
            self.add_error(name, f"{text[:1].upper()}{text[1:]}.")

    def set_beside(self, theirs: Mapping[str, Any]) -> None:
        """Keep what was typed and say at each field what somebody else saved meanwhile (`theirs`, a
        definition), where it differs; call it when the form is valid.
        """
        saved = DraftForm(theirs, self.framework).fields
        for name in self.fields:
            value = saved[name].initial if name in saved else None
            if self.cleaned_data.get(name) != value:
                self[name].help_text = f"Saved meanwhile: {'nothing' if value is None else value}"
        self.add_error(
            None,
            "Somebody else saved this draft since you opened it. What you typed is kept, and where "
            "it differs theirs stands below it. Save again to put yours in its place.",
        )
