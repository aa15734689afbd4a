"""The mapping page as data: what each column may become, and what a posted form says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms

from accounts.models import Team, User
from accounts.roles import Role
from intake.fields import FIELDS
from intake.mapping import CUSTOM_TYPES, IF_EXISTS, KNOWN_WHEN, RESULTS, SAID, Known
from intake.models import Import
from intake.proposing import plain_key, rate, said
from leads.consent import Channel
from leads.models import CustomField

MOST_UPLOAD = 50 * 1024 * 1024  # bytes; the command takes more
MOST_ROWS = 200_000  # of a file that comes by the page

RATINGS = (
    ("", "not known"),
    ("0", "ruled out"),
    ("33", "weak"),
    ("67", "moderate"),
    ("100", "strong"),
)
ENDS = (("open", "still open"), ("won", "won"), ("lost", "lost"), ("disqualified", "disqualified"))
SAYS = (("open", "says nothing"), ("withdrawn", "refuses"), ("granted", "agrees"))
EXISTS = (("fill", "fill blanks"), ("overwrite", "overwrite"), ("keep", "keep"))
TYPES = dict(CustomField.Type.choices)


class UploadForm(forms.Form):
    """A file, where its leads come from, and who gets them."""

    file = forms.FileField(
        label="CSV file", widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv"})
    )
    source = forms.CharField(
        label="Source", max_length=100, required=False, help_text="Where these leads come from."
    )
    owner = forms.ModelChoiceField(
        User.objects.none(), label="Owner", required=False, empty_label="Shared evenly in the team"
    )
    team = forms.ModelChoiceField(
        Team.objects.none(), label="Team", required=False, empty_label="Mine"
    )
    like = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True).exclude(role=Role.MODEL_OWNER).order_by("name")
        if viewer.role == Role.REP:
            del self.fields["owner"], self.fields["team"]
            return
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)
        if viewer.role != Role.ADMIN:
            people = people.filter(team_id=viewer.team_id) if viewer.team_id else people.none()
            del self.fields["team"]
        else:
            team = self.fields["team"]
            assert isinstance(team, forms.ModelChoiceField)
            team.queryset = Team.objects.order_by("name")
        owner.queryset = people


@dataclass(frozen=True)
class Value:
    """One value of a column with the name of its choice and what is chosen."""

    name: str
    text: str
    chosen: str

    @property
    def between(self) -> bool:
        """True for a rating that has no word."""
        return self.chosen.isdecimal() and self.chosen not in dict(RATINGS)


@dataclass
class Row:
    """One column of the file on the mapping page."""

    index: int
    header: str
    samples: Sequence[str]
    filled: int
    chosen: str  # value of the target's choice
    if_exists: str
    known_when: str
    ratings: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    said: list[Value] = field(default_factory=list)

    @property
    def is_custom(self) -> bool:
        """True when it becomes a custom field."""
        return self.chosen.startswith("custom:")

    @property
    def may_exist(self) -> bool:
        """True when a value may meet one that is there."""
        return not self.chosen.startswith(("ignore", "external_id", "consent:"))


def targets(known: Known) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all that a column may become, in groups for a select."""
    fields = [(f"field:{name}", spec.label) for name, spec in FIELDS.items()]
    answers = [(f"evidence:{name}", f"Answer: {name}") for name in known.dimensions]
    custom = [(f"custom:{kind}", f"New or own field: {label}") for kind, label in TYPES.items()]
    return [
        ("", [("ignore", "Do not import"), ("external_id", "Id in another system")]),
        ("Lead and company", fields),
        ("Answers and outcome", [*answers, ("outcome", "Outcome")]),
        ("Consent", [(f"consent:{c}", f"Consent: {c.label}") for c in Channel]),
        ("Custom field", custom),
    ]


def rows(imported: Import) -> list[Row]:
    """Return the columns of the file as the present mapping has them."""
    columns = imported.mapping.get("columns", {})
    return [
        _row(index, column, columns.get(column["header"], {"to": "ignore"}))
        for index, column in enumerate(imported.profile)
    ]


def _row(index: int, column: Mapping[str, Any], spec: Mapping[str, Any]) -> Row:
    row = Row(
        index=index,
        header=column["header"],
        samples=column["samples"],
        filled=column["filled"],
        chosen=_chosen(spec),
        if_exists=spec.get("if_exists", "fill"),
        known_when=spec.get("known_when", "arrival"),
    )
    if spec["to"] == "evidence":
        row.ratings = [
            Value(f"rating-{index}-{n}", value, "" if rating is None else str(rating))
            for n, (value, rating) in enumerate(_in_order(spec.get("ratings", {}), column))
        ]
    if spec["to"] == "outcome":
        row.results = _values("result", index, column, spec, RESULTS)
    if spec["to"] == "consent":
        row.said = _values("said", index, column, spec, SAID)
    return row


def _values(
    name: str,
    index: int,
    column: Mapping[str, Any],
    spec: Mapping[str, Any],
    meanings: Sequence[str],
) -> list[Value]:
    """Return the values of a column whose mapping lists them by what they mean."""
    chosen = {value: meaning for meaning in (*meanings, "open") for value in spec.get(meaning, [])}
    return [
        Value(f"{name}-{index}-{n}", value, chosen.get(value, "open"))
        for n, value in enumerate(column["values"] or chosen)
    ]


def _chosen(spec: Mapping[str, Any]) -> str:
    to = str(spec["to"])
    if to == "field":
        return f"field:{spec['field']}"
    if to == "evidence":
        return f"evidence:{spec['dimension']}"
    if to == "consent":
        return f"consent:{spec['channel']}"
    return f"custom:{spec.get('type', 'text')}" if to == "custom" else to


_LISTED = {"outcome": ("result", RESULTS), "consent": ("said", SAID)}


def mapping_from(data: Mapping[str, str], imported: Import) -> tuple[dict[str, Any], bool]:
    """Return the mapping that a posted form says, and whether it is complete.

    It is not when a column has become an answer, the outcome or a consent by this very form: its
    values are then shown with a proposal of what each means. What is wrong with it is judged by
    the parser.
    """
    before = imported.mapping.get("columns", {})
    complete = True
    columns: dict[str, Any] = {}
    for index, column in enumerate(imported.profile):
        header = column["header"]
        old = before.get(header, {"to": "ignore"})
        chosen = data.get(f"to-{index}", _chosen(old))
        same = chosen == _chosen(old)
        spec: dict[str, Any] = dict(old) if same else _new_spec(chosen, column)
        if same and spec["to"] == "evidence":
            spec |= _ratings(data, index, column, spec)
        elif same and spec["to"] in _LISTED:
            spec = _meant(data, index, column, spec)
        elif not same and spec["to"] in ("evidence", *_LISTED):
            complete = False
        if spec["to"] not in ("ignore", "external_id", "consent"):
            spec["if_exists"] = _one_of(data.get(f"exists-{index}"), IF_EXISTS, "fill")
        if spec["to"] == "custom":
            spec["known_when"] = _one_of(data.get(f"known-{index}"), KNOWN_WHEN, "arrival")
        columns[header] = spec
    mapping = {"columns": columns}
    for name in ("kind", "dates", "decimal", "country"):
        value = data.get(name, imported.mapping.get(name, ""))
        if value:
            mapping[name] = value
    return mapping, complete


def _new_spec(chosen: str, column: Mapping[str, Any]) -> dict[str, Any]:
    to, _, name = chosen.partition(":")
    header, values = column["header"], column["values"]
    if to == "field":
        return {"to": "field", "field": name}
    if to == "evidence":
        if values:
            return {"to": "evidence", "dimension": name, "ratings": {v: rate(v) for v in values}}
        return {"to": "evidence", "dimension": name, "scale": 100}
    if to == "outcome":
        return {"to": "outcome", "open": values or []}
    if to == "consent":
        return {"to": "consent", "channel": name, **said(header, values or [])}
    if to == "custom":
        kind = name if name in CUSTOM_TYPES else "text"
        return {"to": "custom", "key": plain_key(header), "type": kind, "label": header}
    return {"to": chosen}


def _in_order(ratings: Mapping[str, Any], column: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return ratings in the order of the file's values; JSON in the database keeps none."""
    places = {value: place for place, value in enumerate(column["values"] or ())}
    return sorted(ratings.items(), key=lambda item: (places.get(item[0], len(places)), item[0]))


def _ratings(
    data: Mapping[str, str], index: int, column: Mapping[str, Any], spec: Mapping[str, Any]
) -> dict[str, Any]:
    if "ratings" not in spec:
        return {}
    ratings = {}
    for n, (value, rating) in enumerate(_in_order(spec["ratings"], column)):
        given = data.get(f"rating-{index}-{n}", "" if rating is None else str(rating))
        ratings[value] = int(given) if given.isdecimal() and len(given) <= 3 else None
    return {"ratings": ratings}


def _meant(
    data: Mapping[str, str], index: int, column: Mapping[str, Any], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the spec of a column that lists its values by what they mean, as the form says."""
    name, meanings = _LISTED[spec["to"]]
    out = {key: spec[key] for key in ("to", "channel") if key in spec}
    for value in _values(name, index, column, spec, meanings):
        meaning = _one_of(data.get(value.name, value.chosen), (*meanings, "open"), "open")
        out.setdefault(meaning, []).append(value.text)
    return out


def _one_of(value: str | None, choices: Sequence[str], default: str) -> str:
    return value if value is not None and value in choices else default
