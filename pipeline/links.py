"""Where the pipeline's numbers lead: the query strings of the lists that they count. Pure."""

from urllib.parse import urlencode

from pipeline.selectors import NO_TIER
from scoring.tiers import State

SCOPE = ("scope", "all")
# A filter by state or by open takes the place of the queue's own "open and scored".
_NO_TIER = [("state", State.DISQUALIFIED.value), ("state", State.UNSCORED.value)]


def of_cell(stage: str, column: str) -> str:
    """Return the query string of the leads in one stage and column."""
    tier = _NO_TIER if column == NO_TIER else [("tier", column)]
    return urlencode([SCOPE, ("stage", stage), *tier])


def of_stage(stage: str, *, closed: bool) -> str:
    """Return the query string of all leads in a stage, whatever their state."""
    return urlencode([SCOPE, ("stage", stage), ("is_open", "false" if closed else "true")])


def of_column(column: str) -> str:
    """Return the query string of all open leads in a column."""
    tier = _NO_TIER if column == NO_TIER else [("tier", column)]
    return urlencode([SCOPE, *tier, ("is_open", "true")])


def of_open() -> str:
    """Return the query string of all open leads."""
    return urlencode([SCOPE, ("is_open", "true")])


LEAKS = {
    "unowned": urlencode([SCOPE, ("owner", "none")]),
    "without_next_step": urlencode([SCOPE, ("has_next_step", "false")]),
    "clocks": urlencode([SCOPE, ("has_clock", "true")]),
}
