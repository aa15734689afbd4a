"""What the learner has to say beside its numbers: a stable code, the field, a sentence."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Notice:
    """A remark for the person who reads the result; `field` is empty when it is about all."""

    code: str
    field: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the notice as JSON values."""
        return asdict(self)
