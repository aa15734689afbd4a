"""One base for all filters of lists, on pages and in the API.

A parameter that no filter reads is refused, never ignored: a misspelt filter must not return
everything. Values are parsed by type. Repeating a parameter means "or"; different ones mean "and".
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from core.errors import BadParameter, FieldProblem
from core.problems import unknown_parameter

MOST_REPEATS = 50


class Filter(django_filters.Filter):
    """A filter that says its condition, so that a whole set becomes one WHERE.

    `many` filters may be repeated. `condition(value, viewer)` gets the parsed value (a list where
    `many`).
    """

    many = False

    def condition(self, value: Any, viewer: Any) -> Q:
        """Return the condition for a parsed value."""
        return Q(**{f"{self.field_name}__{self.lookup_expr}": value})

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Apply the condition, as django-filter does when it is used by itself."""
        if value in (None, "", []):
            return qs
        return qs.filter(self.condition(value, getattr(self.parent, "viewer", None)))


class Choices(Filter):
    """One of some values; repeated, any of them."""

    many = True
    field_class = forms.MultipleChoiceField

    def __init__(self, choices: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(choices=list(choices), **kwargs)

    def condition(self, value: Sequence[str], viewer: Any) -> Q:
        """Match any of the values."""
        return Q(**{f"{self.field_name}__in": list(value)})


class Whole(Filter):
    """A whole number within bounds, compared by `lookup_expr`."""

    field_class = forms.IntegerField

    def __init__(self, low: int = 0, high: int = 2**63 - 1, **kwargs: Any) -> None:
        super().__init__(min_value=low, max_value=high, **kwargs)


class YesNo(Filter):
    """`true` or `false`: the truth of a boolean field, or whether any other has a value."""

    field_class = forms.ChoiceField

    def __init__(self, *, present: bool = False, **kwargs: Any) -> None:
        choices = [("true", "Yes"), ("false", "No")]
        super().__init__(choices=choices, lookup_expr="exact", **kwargs)
        self.present = present

    def condition(self, value: str, viewer: Any) -> Q:
        """Match the truth, or the presence, of the field."""
        if self.present:
            return Q(**{f"{self.field_name}__isnull": value == "false"})
        return Q(**{self.field_name: value == "true"})


class _MomentField(forms.CharField):
    """RFC 3339 with its zone, or a date, which is the midnight at which it begins in UTC."""

    def clean(self, value: Any) -> dt.datetime | None:
        text = str(value or "").strip().replace(" ", "+")  # a plus in a query string is a space
        if not text:
            return None
        try:
            day = parse_date(text)
            moment = None if day else parse_datetime(text)
        except ValueError:
            moment = day = None
        if day is not None:
            moment = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        if moment is None or moment.tzinfo is None or not 1900 <= moment.year <= 2999:
            raise ValidationError(
                "is a date (2026-11-22) or a moment with its zone (2026-11-22T09:00:00Z)",
                code="not_a_moment",
            )
        return moment


class Moment(Filter):
    """A moment, compared by `lookup_expr`."""

    field_class = _MomentField


class Text(Filter):
    """A text, compared exactly; repeated, any of them."""

    many = True
    field_class = forms.CharField

    def __init__(self, most: int = 254, **kwargs: Any) -> None:
        super().__init__(max_length=most, **kwargs)

    def condition(self, value: Sequence[str], viewer: Any) -> Q:
        """Match any of the texts."""
        return Q(**{f"{self.field_name}__in": list(value)})


class FilterSet(django_filters.FilterSet):
    """Filters of one kind of list, asked by `viewer`.

    `also` names parameters that something else reads (paging). Give the class a `noun` for its
    messages. The form is built only when a page shows it.
    """

    noun: ClassVar[str] = "this list"

    def __init__(
        self, data: QueryDict, queryset: QuerySet[Any], *, viewer: Any, also: Sequence[str] = ()
    ) -> None:
        # Not django-filter's own, which copies all filters and builds a form for each request.
        self.data, self.queryset, self.viewer, self.also = data, queryset, viewer, also
        self.is_bound, self.request, self.form_prefix = True, None, None

    @property
    def filters(self) -> dict[str, Filter]:
        """The filters by the name of their parameter."""
        found: dict[str, Filter] = self.base_filters
        return found

    def condition(self) -> Q:
        """Return all conditions in one; raise BadParameter naming what is wrong."""
        conditions = Q()
        problems: list[FieldProblem] = []
        for name in self.data:
            if name in self.also:
                _require_once(self.data, name)
                continue
            if name not in self.filters:
                raise self._unknown(name)
            filter_ = self.filters[name]
            try:
                values = self._values(name, filter_)
                if values not in (None, "", []):
                    conditions &= filter_.condition(values, self.viewer)
            except ValidationError as error:
                problems += [
                    FieldProblem(name, e.code or "invalid", f"{name}: {' '.join(e.messages)}")
                    for e in error.error_list
                ]
        if problems:
            raise BadParameter(" ".join(p.message for p in problems), problems)
        return conditions

    @property
    def qs(self) -> QuerySet[Any]:
        """The queryset with all conditions."""
        return self.queryset.filter(self.condition())

    def given(self) -> str:
        """Return the filters in one normal form; a cursor is bound to it."""
        named = {name: sorted(self.data.getlist(name)) for name in self.data}
        return repr(sorted((k, v) for k, v in named.items() if k not in self.also))

    def _values(self, name: str, filter_: Filter) -> Any:
        texts = self.data.getlist(name)
        if any("\x00" in text for text in texts):
            raise ValidationError("holds a NUL character", code="nul")
        if not filter_.many:
            _require_once(self.data, name)
            return filter_.field.clean(texts[0])
        if len(texts) > MOST_REPEATS:
            raise ValidationError(f"is given more than {MOST_REPEATS} times", code="too_many")
        texts = [text for text in texts if text != ""]
        if isinstance(filter_.field, forms.MultipleChoiceField):
            return filter_.field.clean(texts)
        return [filter_.field.clean(text) for text in texts]

    def _unknown(self, name: str) -> BadParameter:
        field, _, lookup = name.partition("__")
        lookups = [
            other.partition("__")[2] or "exact"
            for other in self.filters
            if other.partition("__")[0] == field
        ]
        if lookup and lookups:
            shown = name[:60]
            message = (
                f"{field} cannot be compared by {lookup[:30]!r}; it knows {', '.join(lookups)}."
            )
            return BadParameter(message, [FieldProblem(shown, "unknown_lookup", message)])
        return unknown_parameter(name, [*self.filters, *self.also], self.noun)


def _require_once(data: QueryDict, name: str) -> None:
    if len(data.getlist(name)) > 1:
        message = f"{name} is given more than once."
        raise BadParameter(message, [FieldProblem(name, "repeated", message)])


def require_known(data: QueryDict, known: Sequence[str], what: str) -> None:
    """Raise BadParameter when `data` has a parameter that is not `known`, or one twice."""
    for name in data:
        if name not in known:
            raise unknown_parameter(name, known, what)
        _require_once(data, name)
