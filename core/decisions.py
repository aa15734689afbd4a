"""The answer to "may this person do this now?", shared by the check, the button and its tooltip."""

from dataclasses import dataclass

from core.errors import Forbidden


@dataclass(frozen=True)
class Decision:
    """Truthy when allowed; `reason` is a sentence for the person when it is not."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed

    def require(self) -> None:
        """Raise `Forbidden` with the reason unless allowed."""
        if not self.allowed:
            raise Forbidden(self.reason)


ALLOWED = Decision(True)


def refused(reason: str) -> Decision:
    """Return a refusal that carries its reason."""
    return Decision(False, reason)
