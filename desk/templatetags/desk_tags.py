"""Small filters that the desk's templates need to read what selectors hand them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.http import QueryDict

from desk import suppose
from followups.models import Followup
from followups.selectors import StepRow
from scoring.feedback import told as outcome_of_feedback
from scoring.models import Feedback
from scoring.scorecard import UNTRACKED
from scoring.selectors import rating_word
from scoring.whatif import Lift

register = template.Library()


@register.filter
def of(mapping: Mapping[Any, Any], key: Any) -> Any:
    """Return what a mapping holds under a key, "" for nothing."""
    return mapping.get(key, "")


@register.filter
def labels(lines: Sequence[Any], most: int) -> str:
    """Return the labels of the first lines, joined by commas, and how many there are beside."""
    shown = ", ".join(_short(line) for line in lines[:most])
    rest = len(lines) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def _short(line: Any) -> str:
    return "intent" if line.signal == UNTRACKED else str(line.label).lower()


@register.filter
def rating(value: float) -> str:
    """Name a rating: ruled out, weak, moderate, strong."""
    return rating_word(value)


@register.filter
def wording(texts: Mapping[str, str], kind: str) -> str:
    """Return a question's wording for a kind of lead."""
    return texts.get(kind, "")


@register.filter
def identity_kind(kind: str) -> str:
    """Name a kind of identity: "external:hubspot" is "hubspot"."""
    return {"email": "E-mail", "phone": "Phone"}.get(kind, kind.removeprefix("external:"))


@register.filter
def yes_no(value: Any) -> Any:
    """Return a custom field's value for people."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


@register.filter
def bar_kind(line: Any) -> str:
    """Return how a ledger line's bar is drawn: as assumed, more or less."""
    if not line.known:
        return "assumed"
    return "less" if (line.max or 0) < 0 or line.tenths < 0 else "more"


@register.filter
def signed_points(value: float) -> str:
    """Return the most points of a line, with a true minus sign for a malus."""
    return f"{value:g}".replace("-", "−")


@register.filter
def lowered(lines: Sequence[Any]) -> str:
    """Return the labels of ledger lines in running text."""
    return ", ".join(str(line.label).lower() for line in lines)


@register.filter
def supposing(lift: Lift, given: QueryDict | str = "") -> str:
    """Return the query string of the what-if page on which these facts are so beside what is
    `given` there, "" where no single value makes them so.
    """
    return suppose.query_of(lift, given or None)  # type: ignore[arg-type]


@register.filter
def told(feedback: Feedback) -> str:
    """Say what came of somebody's feedback."""
    return outcome_of_feedback(feedback)


@register.filter
def step_icon(kind: str) -> str:
    """Return the icon of a kind of follow-up."""
    return {"call": "phone", "email": "mail", "task": "square-check-big"}.get(kind, "circle")


@register.filter
def state_icon(state: str) -> str:
    """Return the icon of a finished follow-up's state."""
    return {"done": "check", "sent": "send", "skipped": "skip-forward"}.get(state, "x")


@register.filter
def undoable(step: StepRow) -> bool:
    """True for what a person finished or skipped; the service judges whether it still can be."""
    return step.state in (Followup.State.DONE, Followup.State.SKIPPED)
