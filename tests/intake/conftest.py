"""Imports run the way the command and the page run them, in this process."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import pytest

from accounts.models import Team, User
from intake import services
from intake.models import Import
from intake.progress import work
from intake.selectors import report


class Importer(Protocol):
    """Imports text or bytes and returns the report."""

    def __call__(
        self,
        content: str | bytes,
        mapping: dict[str, Any] | None = None,
        *,
        by: User | None = None,
        owner: User | None = None,
        team: Team | None = None,
        source: str = "",
        dry_run: bool = False,
        name: str = "leads.csv",
    ) -> dict[str, Any]: ...


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the text of a CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture
def run_import(config: None) -> Importer:
    """Read, check and import a file."""

    def run(
        content: str | bytes,
        mapping: dict[str, Any] | None = None,
        *,
        by: User | None = None,
        owner: User | None = None,
        team: Team | None = None,
        source: str = "",
        dry_run: bool = False,
        name: str = "leads.csv",
    ) -> dict[str, Any]:
        data = content.encode() if isinstance(content, str) else content
        imported = services.read_file(
            io.BytesIO(data), name, by=by, owner=owner, team=team, source=source
        )
        services.start(imported, mapping, dry_run=dry_run)
        imported = work(Import.objects.get(pk=imported.pk))
        return report(imported)

    return run
