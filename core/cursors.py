"""Keyset pages: an order, a position in it, and the signed text that carries the position.

A cursor holds the sort values of the last row seen, and is bound to what was asked: replayed with
other filters, another order or by another person it is refused, since it would silently skip rows.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from django.core import signing
from django.db.models import F, Model, OrderBy, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from core.errors import BadParameter, FieldProblem

Row = TypeVar("Row", bound=Model)

SALT = "core.cursors"
LIMIT, MOST = 50, 200


class InvalidCursor(BadParameter):
    """The cursor is garbled, or belongs to another question."""

    def __init__(self) -> None:
        message = "This cursor is not one for this list. Begin again without it."
        super().__init__(message, [FieldProblem("cursor", "invalid_cursor", message)])


@dataclass(frozen=True)
class Order:
    """An order by indexed columns, all in one direction; the last column is unique.

    One direction keeps the row comparison `(a, b) < (x, y)` answerable by one index range.
    """

    columns: tuple[str, ...]
    descending: bool

    def by(self) -> list[OrderBy]:
        """Return the terms for `order_by`."""
        return [OrderBy(F(name), descending=self.descending) for name in self.columns]

    def after(self, position: Sequence[Any]) -> Q:
        """Return the condition of standing behind `position`."""
        if len(position) == 1:
            op = "lt" if self.descending else "gt"
            return Q(**{f"{self.columns[0]}__{op}": position[0]})
        lookup = TupleLessThan if self.descending else TupleGreaterThan
        return Q(lookup(Tuple(*(F(name) for name in self.columns)), tuple(position)))


def scope(*parts: str) -> str:
    """Return a short digest of what a cursor is bound to."""
    return sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def encode(position: Sequence[Any], scope: str) -> str:
    """Return the cursor that continues behind `position` (numbers, and texts for moments)."""
    return signing.dumps([scope, *position], salt=SALT)


def decode(text: str, scope: str, order: Order) -> tuple[Any, ...]:
    """Return the position in a cursor; raise InvalidCursor when it is not for `scope`."""
    try:
        found, *position = signing.loads(text, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidCursor from None
    if found != scope or len(position) != len(order.columns):
        raise InvalidCursor
    return tuple(position)


@dataclass(frozen=True)
class Page:
    """What a client asked for: how many rows, in which order, behind which position."""

    limit: int
    order: Order
    scope: str
    position: tuple[Any, ...] | None

    def next_cursor(self, position: Sequence[Any]) -> str:
        """Return the cursor behind a row of this page."""
        return encode(position, self.scope)


PARAMETERS = ("limit", "cursor", "ordering")


def read_page(
    data: Mapping[str, str], orders: Mapping[str, Order], *, bound_to: Sequence[str]
) -> Page:
    """Read `limit`, `ordering` and `cursor`; the first of `orders` is the default.

    `bound_to` is what else the cursor belongs to: the list, the person, the filters.
    """
    name = data.get("ordering") or next(iter(orders))
    if name not in orders:
        message = f"ordering is one of {', '.join(orders)}"
        raise BadParameter(message, [FieldProblem("ordering", "not_a_choice", message)])
    order, bound = orders[name], scope(name, *bound_to)
    text = data.get("cursor")
    position = decode(text, bound, order) if text else None
    return Page(_limit(data.get("limit")), order, bound, position)


def _limit(text: str | None) -> int:
    if text is None or text == "":
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST):
        message = f"limit is a whole number from 1 to {MOST}"
        raise BadParameter(message, [FieldProblem("limit", "out_of_range", message)])
    return int(text)


def take(queryset: QuerySet[Row, Row], page: Page) -> tuple[list[Row], str | None]:
    """Return the rows of `page` and the cursor of the next, None on the last; one query."""
    rows = list(page_of(queryset, page))
    if len(rows) <= page.limit:
        return rows, None
    rows = rows[: page.limit]
    values = (getattr(rows[-1], name) for name in page.order.columns)
    position = [v.isoformat() if isinstance(v, dt.datetime) else v for v in values]
    return rows, page.next_cursor(position)


def page_of(queryset: QuerySet[Row, Any], page: Page) -> QuerySet[Row, Any]:
    """Return the rows of `page`, and one more that tells whether another page follows."""
    if page.position is not None:
        queryset = queryset.filter(page.order.after(page.position))
    return queryset.order_by(*page.order.by())[: page.limit + 1]
