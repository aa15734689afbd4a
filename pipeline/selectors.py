"""Whole reads of the manager's page: sums over standings, which repeat what they are grouped by.

Every number is the length of a list on the queue page: the links carry the same conditions, and
tests/pipeline/test_selectors.py holds both together.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from accounts.models import User, Workspace
from leads.models import Stage
from leads.querysets import visibility
from leads.stages import CLOSED, StageKey
from scoring.models import Standing
from scoring.tiers import State, Tier

NO_TIER = "none"  # the column of leads that are disqualified by a rule or not scored yet
COLUMNS = (Tier.HOT.value, Tier.WARM.value, Tier.COLD.value, NO_TIER)


@dataclass(frozen=True)
class Cell:
    """Leads of one stage and tier: how many, and their expected value in minor units."""

    count: int = 0
    expected_minor: int = 0

    def __add__(self, other: "Cell") -> "Cell":
        return Cell(self.count + other.count, self.expected_minor + other.expected_minor)


@dataclass(frozen=True)
class StageRow:
    """One stage; `cells` in the order of COLUMNS. Closed stages have no expected value."""

    key: str
    label: str
    closed: bool
    cells: tuple[Cell, ...]

    @property
    def total(self) -> Cell:
        """All leads of the stage."""
        return sum(self.cells, start=Cell())


@dataclass(frozen=True)
class Leaks:
    """Open leads that nobody looks after as they should be."""

    unowned: int
    without_next_step: int
    clocks: int


@dataclass(frozen=True)
class Pipeline:
    """The pipeline that a person may see. Expected values are in `currency`, the workspace's."""

    rows: tuple[StageRow, ...]
    leaks: Leaks
    currency: str

    @property
    def open_rows(self) -> tuple[StageRow, ...]:
        """The stages of open leads."""
        return tuple(row for row in self.rows if not row.closed)

    @property
    def closed_rows(self) -> tuple[StageRow, ...]:
        """The stages of closed leads."""
        return tuple(row for row in self.rows if row.closed)

    @property
    def open_cells(self) -> tuple[Cell, ...]:
        """Sums of the open stages by column."""
        return tuple(
            sum((row.cells[column] for row in self.open_rows), start=Cell())
            for column in range(len(COLUMNS))
        )

    @property
    def open_total(self) -> Cell:
        """All open leads."""
        return sum(self.open_cells, start=Cell())


def read_pipeline(viewer: User) -> Pipeline:
    """Return leads by stage and tier, and the leaks; four queries whatever the number of leads."""
    seen = Standing.objects.filter(visibility(viewer))
    grouped: dict[tuple[str, str], Cell] = {}
    sums = seen.order_by().values_list("stage", "tier").annotate(Count("pk"), Sum("expected_minor"))
    for stage, tier, count, expected in sums:
        grouped[stage, tier or NO_TIER] = Cell(count, 0 if stage in CLOSED else int(expected))
    leaks = seen.filter(is_open=True, state=State.SCORED).aggregate(
        unowned=Count("pk", filter=Q(owner_id=None)),
        without_next_step=Count("pk", filter=Q(next_due_at=None)),
        clocks=Count("pk", filter=Q(sla_due_at__isnull=False)),
    )
    return Pipeline(
        rows=tuple(_rows(grouped, Stage.objects.all())),
        leaks=Leaks(**leaks),
        currency=Workspace.current().currency,
    )


def _rows(grouped: dict[tuple[str, str], Cell], stages: Iterable[Stage]) -> list[StageRow]:
    return [
        StageRow(
            key=stage.key,
            label=stage.label,
            closed=StageKey(stage.key) in CLOSED,
            cells=tuple(grouped.get((stage.key, column), Cell()) for column in COLUMNS),
        )
        for stage in stages
    ]
