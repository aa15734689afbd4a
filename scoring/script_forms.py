"""Forms of the script editor. What is wrong is said by `parse_framework`, beside the field."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms

from core.conditions import FieldType
from core.errors import LeadqualError
from scoring.branching import ANSWER, fields_before, type_of
from scoring.definitions import Framework, Question
from scoring.editing import Json, key_from
from scoring.script_words import TYPES, field_labels

MOST_ANSWERS = 8
_BOUND_OF = {"number": "at_least", "period": "within_days"}  # of answers, by type of question
MOST_CONDITIONS = 3
OP_LABELS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "lt": "is below",
    "lte": "is at most",
    "gt": "is above",
    "gte": "is at least",
    "contains": "contains",
    "starts_with": "starts with",
    "missing": "is not known",
    "present": "is known",
}


class _EditForm(forms.Form):
    """`seen` is the stamp of the draft that the form was filled from."""

    seen = forms.CharField(widget=forms.HiddenInput)

    def name_of(self, field: str) -> str | None:
        """Return the form's name of a field of the definition."""
        return field if field in self.fields else None

    def add_problems(self, error: LeadqualError, path: str) -> None:
        """Show what the service found wrong beside its fields; `path` is where this one stands."""
        for problem in error.problems:
            own = problem.field.startswith(f"{path}.")
            field = problem.field.removeprefix(f"{path}.") if own else ""
            name = self.name_of(field) if field else None
            told = f"{problem.message[:1].upper()}{problem.message[1:]}."
            if name is None:
                told = f"{problem.field}: {problem.message}."
            self.add_error(name, told)
        if not error.problems:
            self.add_error(None, error.message)


class CriterionForm(_EditForm):
    """A criterion; the dimension of one that is there already stays."""

    label = forms.CharField(max_length=60)
    dimension = forms.CharField(
        max_length=40,
        help_text="What it is really about, such as budget. Frameworks share answers by this key.",
    )
    guide = forms.CharField(
        required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )
    expires_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        label="An answer holds for, in days",
        help_text="Empty: 180 days.",
    )

    def to_item(self) -> Json:
        """Return the criterion as the definition has it."""
        data = self.cleaned_data
        return {name: data[name] for name in ("dimension", "label", "guide", "expires_days")}


class StartForm(forms.Form):
    """A new framework, begun from another one or from a template."""

    name = forms.CharField(max_length=60)
    start = forms.ChoiceField(label="Begin with")

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["start"].choices = choices  # type: ignore[attr-defined]


class QuestionForm(_EditForm):
    """A question with its answers and the condition under which it is asked."""

    text_b2b = forms.CharField(
        label="Question, as it is said", max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )
    text_b2c = forms.CharField(
        required=False,
        label="The same for consumers",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Empty: the same words.",
    )
    dimension = forms.ChoiceField(label="Criterion")
    type = forms.ChoiceField(choices=list(TYPES.items()))
    guide = forms.CharField(
        required=False,
        label="How to judge the answer",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    probes = forms.CharField(
        required=False,
        label="Probes, one a line",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    mandatory = forms.BooleanField(required=False, label="Required")
    seconds = forms.IntegerField(
        min_value=1, max_value=3600, initial=40, label="Planned time, in seconds"
    )
    joint = forms.ChoiceField(
        required=False,
        label="Ask only if",
        choices=[("all", "all of these hold"), ("any", "any of these holds")],
    )
    rule = forms.CharField(
        required=False,
        label="The condition as JSON",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="It is nested, so it is edited as it is kept. Empty: always asked.",
    )

    def __init__(
        self, *args: Any, framework: Framework, question: Question | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.framework, self.question = framework, question
        keys = [q.key for q in framework.questions]
        at = keys.index(question.key) if question else len(keys)
        self.readable = fields_before(framework.questions, at)
        labels = field_labels(framework)
        self.fields["dimension"].choices = [  # type: ignore[attr-defined]
            (c.dimension, c.label) for c in framework.criteria
        ]
        for number in range(MOST_ANSWERS):
            self.fields[f"answer_{number}_key"] = forms.CharField(
                required=False, widget=forms.HiddenInput
            )
            self.fields[f"answer_{number}_label"] = forms.CharField(
                required=False, max_length=200, label=f"Answer {number + 1}"
            )
            self.fields[f"answer_{number}_rating"] = forms.IntegerField(
                required=False, min_value=0, max_value=100, label="Rating"
            )
            self.fields[f"answer_{number}_bound"] = forms.FloatField(
                required=False, min_value=0, label="From, or within"
            )
        for number in range(MOST_CONDITIONS):
            self.fields[f"if_{number}_field"] = forms.ChoiceField(
                required=False,
                label="What",
                choices=[("", "–"), *((name, labels[name]) for name in self.readable)],
            )
            self.fields[f"if_{number}_op"] = forms.ChoiceField(
                required=False, label="How", choices=list(OP_LABELS.items())
            )
            self.fields[f"if_{number}_value"] = forms.CharField(
                required=False,
                max_length=200,
                label="Value",
                widget=forms.TextInput(attrs={"list": "values", "autocomplete": "off"}),
            )
        self.nested = not is_simple(question.ask_if if question else None)
        if not self.nested:
            del self.fields["rule"]

    @property
    def answers(self) -> list[tuple[Any, ...]]:
        """The rows of answers: key, label, rating, bound."""
        parts = ("key", "label", "rating", "bound")
        return [tuple(self[f"answer_{n}_{part}"] for part in parts) for n in range(MOST_ANSWERS)]

    @property
    def conditions(self) -> list[tuple[Any, Any, Any]]:
        """The rows of conditions: field, operator, value."""
        return [
            (self[f"if_{n}_field"], self[f"if_{n}_op"], self[f"if_{n}_value"])
            for n in range(MOST_CONDITIONS)
        ]

    @property
    def values(self) -> list[tuple[str, str]]:
        """Answers of earlier questions, to choose a condition's value from."""
        return [
            (answer.key, f"{answer.label} · {question.key}")
            for question in self.framework.questions
            if f"{ANSWER}{question.key}" in self.readable
            for answer in (*question.choices, *(a for a in question.answers if a.rating is None))
        ]

    def clean(self) -> dict[str, Any]:
        """Read the condition's JSON where it is edited as such."""
        data = super().clean() or {}
        if data.get("rule"):
            try:
                data["rule"] = json.loads(data["rule"])
            except ValueError:
                self.add_error("rule", "This is no JSON.")
        return data

    def to_item(self) -> Json:
        """Return the question as the definition has it."""
        data = self.cleaned_data
        key = (
            self.question.key
            if self.question
            else key_from(data["text_b2b"], [q.key for q in self.framework.questions])
        )
        text = {"b2b": data["text_b2b"]} | ({"b2c": data["text_b2c"]} if data["text_b2c"] else {})
        return {
            "key": key,
            "dimension": data["dimension"],
            "text": text,
            "type": data["type"],
            "guide": data["guide"],
            "probes": [line.strip() for line in data["probes"].splitlines() if line.strip()],
            "mandatory": data["mandatory"],
            "seconds": data["seconds"],
            "answers": self._answers(),
            "ask_if": data.get("rule") or None if self.nested else self._ask_if(),
            **({"archived": True} if self.question and self.question.archived else {}),
        }

    def _answers(self) -> list[Json]:
        found: list[Json] = []
        for number in range(MOST_ANSWERS):
            label = self.cleaned_data.get(f"answer_{number}_label")
            if not label:
                continue
            taken = [answer["key"] for answer in found]
            key = self.cleaned_data.get(f"answer_{number}_key") or key_from(label, taken)
            rating = self.cleaned_data.get(f"answer_{number}_rating")
            bound = self.cleaned_data.get(f"answer_{number}_bound")
            name = _BOUND_OF.get(self.cleaned_data.get("type", ""))
            whole = bound is not None and bound % 1 == 0
            bounds = {name: int(bound) if whole else bound} if name and bound is not None else {}
            found.append({"key": key, "label": label, "rating": rating, **bounds})
        return found

    def _ask_if(self) -> Json | None:
        rows = []
        for number in range(MOST_CONDITIONS):
            field = self.cleaned_data.get(f"if_{number}_field")
            if not field:
                continue
            op = self.cleaned_data.get(f"if_{number}_op") or "eq"
            text = self.cleaned_data.get(f"if_{number}_value") or ""
            leaf: Json = {"field": field, "op": op}
            if op not in ("missing", "present"):
                leaf["value"] = _value(text, op, type_of(field))
            rows.append(leaf)
        if not rows:
            return None
        return rows[0] if len(rows) == 1 else {self.cleaned_data.get("joint") or "all": rows}

    def name_of(self, field: str) -> str | None:
        """Return the form's name of a field of the question."""
        field = field.replace("text.", "text_")
        if found := re.match(r"answers\[(\d+)\]\.(label|rating|at_least|within_days)", field):
            # Rows that are left empty have no place in the definition.
            filled = [n for n in range(MOST_ANSWERS) if self.cleaned_data.get(f"answer_{n}_label")]
            part = found[2] if found[2] in ("label", "rating") else "bound"
            return f"answer_{filled[int(found[1])]}_{part}"
        if field.startswith("ask_if"):
            if self.nested:
                return "rule"
            filled = [n for n in range(MOST_CONDITIONS) if self.cleaned_data.get(f"if_{n}_field")]
            place = re.search(r"\[(\d+)\]", field)
            number = filled[int(place[1]) if place else 0]
            part = field.rpartition(".")[2]
            return f"if_{number}_{part if part in ('op', 'value') else 'field'}"
        return super().name_of(field)


def _value(text: str, op: str, kind: FieldType) -> Any:
    """Read a value of a condition; what is no number stays text, and is refused with its field."""
    several = [part.strip() for part in text.split(",") if part.strip()]
    read = [_number(part) if kind == "number" else part for part in several]
    if op in ("in", "not_in"):
        return read
    return _number(text.strip()) if kind == "number" else text.strip()


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value == int(value) else value


def is_simple(rule: Mapping[str, Any] | None) -> bool:
    """Say whether the rows of the form can hold a condition."""
    if rule is None:
        return True
    rows = next((rule[key] for key in ("all", "any") if key in rule), [rule])
    return len(rows) <= MOST_CONDITIONS and all(row.get("op") in OP_LABELS for row in rows)


def initial_of(question: Question) -> dict[str, Any]:
    """Return a question as the form shows it."""
    rule = question.ask_if
    text = question.text
    found: dict[str, Any] = {
        "text_b2b": text["b2b"],
        "text_b2c": text["b2c"] if text["b2c"] != text["b2b"] else "",
        "dimension": question.dimension,
        "type": question.type,
        "guide": question.guide,
        "probes": "\n".join(question.probes),
        "mandatory": question.mandatory,
        "seconds": question.seconds,
        "rule": json.dumps(rule, indent=1) if rule and not is_simple(rule) else "",
    }
    for number, answer in enumerate(question.answers[:MOST_ANSWERS]):
        found[f"answer_{number}_key"] = answer.key
        found[f"answer_{number}_label"] = answer.label
        found[f"answer_{number}_rating"] = answer.rating
        bound = answer.within_days if answer.at_least is None else answer.at_least
        found[f"answer_{number}_bound"] = bound
    rows: list[Mapping[str, Any]] = []
    if rule and is_simple(rule):
        joint = next((key for key in ("all", "any") if key in rule), "all")
        found["joint"] = joint
        rows = [rule] if "field" in rule else rule[joint]
    for number, row in enumerate(rows):
        value = row.get("value", "")
        found[f"if_{number}_field"] = row["field"]
        found[f"if_{number}_op"] = row["op"]
        found[f"if_{number}_value"] = (
            ", ".join(map(str, value)) if isinstance(value, list) else value
        )
    return found
