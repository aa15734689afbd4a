"""The stages of a lead and the moves between them, as data.

The page, the API and the generated diagram (docs/reference/stages.md) read this one table. Keys
are fixed; labels are editable rows (`leads.models.Stage`). "Contacted" is a fact, not a stage.
"""

from dataclasses import dataclass

from django.db import models


class StageKey(models.TextChoices):
    """Keys of the stages, in order."""

    NEW = "new", "New"
    MQL = "mql", "MQL"
    ACCEPTED = "accepted", "Accepted"
    SQL = "sql", "SQL"
    OPPORTUNITY = "opportunity", "Opportunity"
    WON = "won", "Won"
    LOST = "lost", "Lost"
    DISQUALIFIED = "disqualified", "Disqualified"
    RECYCLED = "recycled", "Recycled"


CLOSED = frozenset({StageKey.WON, StageKey.LOST, StageKey.DISQUALIFIED})
OPEN = tuple(key for key in StageKey if key not in CLOSED)


@dataclass(frozen=True)
class Move:
    """One allowed move. `back` moves need a reason; `gates` need every gate met; `outcome` moves
    record the outcome of that name.
    """

    source: StageKey
    target: StageKey
    back: bool = False
    gates: bool = False
    outcome: bool = False


_S = StageKey
MOVES: dict[tuple[str, str], Move] = {
    (move.source, move.target): move
    for move in (
        Move(_S.NEW, _S.MQL),
        Move(_S.NEW, _S.ACCEPTED),  # outbound: a rep starts without a marketing qualification
        Move(_S.MQL, _S.ACCEPTED),
        Move(_S.ACCEPTED, _S.SQL, gates=True),
        Move(_S.SQL, _S.OPPORTUNITY, gates=True),
        Move(_S.MQL, _S.NEW, back=True),
        Move(_S.ACCEPTED, _S.MQL, back=True),
        Move(_S.SQL, _S.ACCEPTED, back=True),
        Move(_S.OPPORTUNITY, _S.SQL, back=True),
        *(
            Move(source, target, outcome=True)
            for source in OPEN
            for target in (_S.WON, _S.LOST, _S.DISQUALIFIED)
        ),
        *(Move(source, _S.RECYCLED, back=True) for source in OPEN if source != _S.RECYCLED),
        Move(_S.LOST, _S.RECYCLED, back=True),
        Move(_S.DISQUALIFIED, _S.RECYCLED, back=True),
        Move(_S.RECYCLED, _S.NEW),
        Move(_S.RECYCLED, _S.ACCEPTED),
        Move(_S.WON, _S.OPPORTUNITY),  # the customer buys again: a new round
    )
}


def moves_from(stage: str) -> list[Move]:
    """Return the moves that may leave `stage`, in the order of the table."""
    return [move for (source, _), move in MOVES.items() if source == stage]
