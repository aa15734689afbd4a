"""The filters of the queue page as a person sees them: the form's options and the pills above."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.http import QueryDict

from accounts.models import User
from accounts.roles import READS_ALL
from core.filters import FilterSet
from leads.models import Source, Stage
from leads.stages import StageKey

MOST_OPTIONS = 200
# Parameters of the page that are not filters.
PAGING = ("scope", "after", "before")


@dataclass(frozen=True)
class Options:
    """What the form offers: (value, label) pairs."""

    stages: list[tuple[str, str]]
    owners: list[tuple[str, str]]
    sources: list[tuple[str, str]]

    def stage_labels(self) -> dict[str, str]:
        """Labels of the stages by key."""
        return dict(self.stages)


def read_options(viewer: User) -> Options:
    """Read stages, sources and the people whose leads the viewer may see; one query."""
    people = User.objects.filter(is_active=True)
    if viewer.role not in READS_ALL:
        people = people.filter(Q(pk=viewer.pk) | Q(team_id=viewer.team_id, team_id__isnull=False))
    parts: list[QuerySet[Any, Any]] = [
        _part("stage", Stage.objects.all(), "key", "label", "position"),
        _part("owner", people, "pk", "name", "name"),
        _part("source", Source.objects.all(), "name", "name", "name"),
    ]
    found: dict[str, list[tuple[str, str]]] = {"stage": [], "owner": [], "source": []}
    for what, value, label in parts[0].union(*parts[1:], all=True):
        found[what].append((value, label))
    stages = StageKey.values
    return Options(
        stages=sorted(found["stage"], key=lambda option: stages.index(option[0])),
        owners=sorted(found["owner"], key=lambda option: option[1].casefold()),
        sources=sorted(found["source"], key=lambda option: option[1].casefold()),
    )


def _part(what: str, rows: QuerySet[Any], value: str, label: str, order: str) -> QuerySet[Any, Any]:
    return rows.order_by(order).values_list(
        Value(what, output_field=CharField()),
        Cast(value, CharField()),
        Cast(label, CharField()),
    )[:MOST_OPTIONS]


@dataclass(frozen=True)
class Pill:
    """One filter that holds, in words, and the query string of the page without it."""

    text: str
    without: str


def pills(filters: FilterSet, options: Options) -> list[Pill]:
    """Return a pill for every value of every filter in the query string."""
    labels = {
        "stage": options.stage_labels(),
        "owner": dict(options.owners) | {"me": "me", "none": "nobody"},
        "has_clock": {"true": "running", "false": "none"},
        "has_next_step": {"true": "planned", "false": "none"},
    }
    names = {"q": "Search", "has_clock": "Clock", "has_next_step": "Next step"}
    found = []
    for name, filter_ in filters.filters.items():
        for value in filters.data.getlist(name):
            if value == "":
                continue
            label = names.get(name) or filter_.label or name.replace("__", " ").replace("_", " ")
            shown = labels.get(name, {}).get(value, value)
            choices = dict(filter_.extra.get("choices", ()))
            shown = shown if name in labels else str(choices.get(value, value))
            text = f"{label}: {shown}"
            found.append(Pill(text, without(filters.data, name, value)))
    return found


def without(data: QueryDict, name: str, value: str | None = None) -> str:
    """Return the query string less one value of one parameter (all values for None) and paging."""
    copy = data.copy()
    for cursor in ("after", "before"):
        copy.pop(cursor, None)
    left = [v for v in copy.getlist(name) if value is not None and v != value]
    copy.setlist(name, left)
    return _tidy(copy)


def with_value(data: QueryDict, name: str, value: str) -> str:
    """Return the query string with `name` set to `value` alone, and without paging."""
    copy = data.copy()
    for cursor in ("after", "before"):
        copy.pop(cursor, None)
    copy[name] = value
    return _tidy(copy)


def _tidy(data: QueryDict) -> str:
    for name in list(data):
        values = [value for value in data.getlist(name) if value != ""]
        if values:
            data.setlist(name, values)
        else:
            del data[name]
    return data.urlencode()


@dataclass(frozen=True)
class Quick:
    """A filter that one click sets or takes away."""

    label: str
    query: str
    on: bool


_QUICK: Sequence[tuple[str, str, str]] = (
    ("Hot", "tier", "hot"),
    ("Warm", "tier", "warm"),
    ("Cold", "tier", "cold"),
    ("Clock running", "has_clock", "true"),
    ("No next step", "has_next_step", "false"),
)


def quick_filters(data: QueryDict) -> list[Quick]:
    """Return the one-click filters with the query string that each leads to."""
    found = []
    for label, name, value in _QUICK:
        on = value in data.getlist(name)
        query = without(data, name, value) if on else with_value(data, name, value)
        found.append(Quick(label, query, on))
    return found
