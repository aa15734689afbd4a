"""What a new framework can begin with: the frameworks that are there, and templates from a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings

from scoring.framework_selectors import list_frameworks

FILE = settings.BASE_DIR / "bundles" / "frameworks.json"


@dataclass(frozen=True)
class Beginning:
    """Something to begin with: its name for people, and the content."""

    key: str
    name: str
    definition: Mapping[str, Any]

    @property
    def criteria(self) -> str:
        """Its criteria in a line."""
        return ", ".join(criterion["label"] for criterion in self.definition["criteria"])

    @property
    def asked(self) -> int:
        """How many questions it has."""
        return len(self.definition["questions"])


@lru_cache(maxsize=1)
def _templates() -> tuple[Beginning, ...]:
    items = json.loads(FILE.read_text())["frameworks"]
    return tuple(
        Beginning(f"template:{item['key']}", item["definition"]["name"], item["definition"])
        for item in items
    )


def all_beginnings() -> dict[str, Beginning]:
    """Return templates first, then copies of what is there, by key."""
    found = [
        *_templates(),
        *(
            Beginning(f"copy:{item.key}", f"A copy of {item.name}", item.newest.definition)
            for item in list_frameworks()
        ),
    ]
    return {beginning.key: beginning for beginning in found}
