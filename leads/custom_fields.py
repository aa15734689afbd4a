"""Values of custom fields: typed, checked, stored as JSON in `Lead.custom`."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from core.errors import FieldProblem
from leads.identity import clean_text
from leads.models import CustomField

MOST_TEXT = 1_000


def merge(
    present: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return `present` with `given` merged in (null removes), and what is wrong with `given`."""
    merged, problems = dict(present), []
    known = {f.key: f for f in CustomField.objects.filter(key__in=list(given))}
    for key, value in given.items():
        if key not in known:
            problems.append(FieldProblem(f"custom.{key}", "unknown_field", "is not a custom field"))
        elif value is None or value == "":
            merged.pop(key, None)
        else:
            clean = clean_value(known[key], value)
            if clean is None:
                problems.append(
                    FieldProblem(f"custom.{key}", "wrong_type", f"must be {_words(known[key])}")
                )
            else:
                merged[key] = clean
    return merged, problems


def clean_value(field: CustomField, value: Any) -> Any:
    """Return a value as it is stored, or None when it does not fit the field's type."""
    kind = field.type
    if kind == CustomField.Type.BOOL:
        return value if isinstance(value, bool) else None
    if kind == CustomField.Type.NUMBER:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if math.isfinite(value) and abs(value) < 1e15 else None
    if not isinstance(value, str):
        return None
    text = clean_text(value)[:MOST_TEXT]
    if kind == CustomField.Type.DATE:
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    if kind == CustomField.Type.CHOICE and field.choices and text not in field.choices:
        return None
    return text or None


def _words(field: CustomField) -> str:
    if field.type == CustomField.Type.CHOICE:
        return f"one of {', '.join(map(str, field.choices))}"
    words = {
        CustomField.Type.BOOL: "true or false",
        CustomField.Type.NUMBER: "a finite number",
        CustomField.Type.DATE: "a date as YYYY-MM-DD",
    }
    return words.get(CustomField.Type(field.type), "a text")
