"""Errors that a person or a client is meant to read.

Services raise these; pages and the API each turn them into their own form in one place
(`core.http.PageErrorsMiddleware`, `core.wire.problem_handler`).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field: its path as the caller named it, a stable code, a sentence."""

    field: str
    code: str
    message: str


class LeadqualError(Exception):
    """Base of every error with a message for the user."""

    status = 400
    code = "bad_request"
    title = "Bad request"
    retry_after: int | None = None  # seconds, where repeating the request may help

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)


class Invalid(LeadqualError):
    """The input is understood and wrong; `problems` names each field."""

    status = 422
    code = "invalid"
    title = "Invalid input"

    def __init__(self, problems: Sequence[FieldProblem] | str) -> None:
        if isinstance(problems, str):
            super().__init__(problems)
        else:
            super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems), problems)

    @property
    def words(self) -> str:
        """What is wrong as a sentence, without the names of fields, where the reader sees which are
        meant.
        """
        text = "; ".join(p.message for p in self.problems) or self.message
        return f"{text[:1].upper()}{text[1:].removesuffix('.')}."

    @classmethod
    def field(cls, field: str, code: str, message: str) -> "Invalid":
        """Build the error of one field."""
        return cls([FieldProblem(field, code, message)])


class BadParameter(LeadqualError):
    """A query parameter is unknown or malformed."""

    status = 400
    code = "bad_parameter"
    title = "Bad query parameter"


class Forbidden(LeadqualError):
    """The actor may see this but not do that; the message says why."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(LeadqualError):
    """Missing, or not the viewer's to know about: the two look the same."""

    status = 404
    code = "not_found"
    title = "Not found"

    def __init__(self, message: str = "There is nothing here, or it is not yours to see.") -> None:
        super().__init__(message)


class Conflict(LeadqualError):
    """The change contradicts what is there already; `existing_id` is the record in the way, if the
    caller may see it.
    """

    status = 409
    code = "conflict"
    title = "Conflict"

    def __init__(
        self, message: str, problems: Sequence[FieldProblem] = (), *, existing_id: int | None = None
    ) -> None:
        super().__init__(message, problems)
        self.existing_id = existing_id


class StaleVersion(LeadqualError):
    """Somebody else changed the record since it was read."""

    status = 412
    code = "stale_version"
    title = "Changed by somebody else"
