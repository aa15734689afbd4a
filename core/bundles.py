"""Configuration as one JSON document that can be exported, compared, tried out and loaded.

`core` knows the envelope; each app registers the sections that it understands. Everything is
checked before anything is written, and all of it is one transaction (docs/domain/configuration.md).
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from django.db import transaction

from core.errors import FieldProblem, Invalid
from core.versioning import lock_configuration

FORMAT = "leadqual.bundle/1"
MOST_BYTES = 8 * 1024 * 1024
MOST_ITEMS = 500  # in one list
MOST_DEPTH = 40
MOST_NUMBER = 10**15
_ENVELOPE = ("format", "name")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # NUL and lone surrogates

Items = Mapping[str, Sequence[Mapping[str, Any]]]  # name of a list → its items
Action = Literal["unchanged", "draft", "published", "changed"]


@dataclass(frozen=True)
class Change:
    """What loading did with one item; `number` is its version's, None where there are none."""

    section: str
    key: str
    action: Action
    number: int | None = None


@dataclass(frozen=True)
class Report:
    """What loading a bundle did, or in a dry run would have done."""

    name: str
    dry_run: bool
    changes: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        """True when any item differs from what was there."""
        return any(change.action != "unchanged" for change in self.changes)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "name": self.name,
            "dry_run": self.dry_run,
            "changed": self.changed,
            "changes": [asdict(change) for change in self.changes],
        }


class Section(ABC):
    """One or more lists of a bundle that belong together, in the order in which they load.

    `fields` names, for each list, the fields that its items must have. When the methods are
    called every item is an object with these and no others, its `key` a key that stands there
    once. `load` is called only when nothing was found wrong anywhere.
    """

    fields: ClassVar[Mapping[str, tuple[str, ...]]]

    @abstractmethod
    def check(self, items: Items) -> Iterable[FieldProblem]:
        """Yield what is wrong, each under its path in the bundle; read only."""

    @abstractmethod
    def load(self, items: Items, *, by: Any, publish: bool) -> Iterable[Change]:
        """Write checked items; `by` is a user, None for set-up. Raises Forbidden or Conflict."""

    @abstractmethod
    def export(self) -> Items:
        """Return what is live, as `load` would take it."""


_sections: list[Section] = []


def register_section(section: Section) -> None:
    """Add a section; they load in the order of registration, which is the order of the apps."""
    _sections.append(section)


def list_names() -> list[str]:
    """Return the names of all lists that a bundle may have."""
    return [name for section in _sections for name in section.fields]


def read_bundle(text: bytes) -> Any:
    """Parse a bundle's bytes; raise Invalid when they are no JSON."""
    if len(text) > MOST_BYTES:
        raise Invalid.field("bundle", "too_large", f"has more than {MOST_BYTES // 2**20} MB")
    try:
        # NaN and Infinity pass here, so that the check can name the field that holds them.
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Invalid.field("bundle", "not_utf8", f"is not UTF-8 text: {error.reason}") from None
    except RecursionError:
        raise Invalid.field("bundle", "too_deep", "is nested too deep") from None
    except ValueError as error:
        raise Invalid.field("bundle", "not_json", f"is not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a key that stands there twice would silently lose the first."""
    built = dict(pairs)
    if len(built) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return built


def load_bundle_file(path: Path, *, by: Any, publish: bool, dry_run: bool = False) -> Report:
    """Read and load a bundle file; see `load_bundle`. Raises OSError when it cannot be read."""
    with path.open("rb") as file:
        document = read_bundle(file.read(MOST_BYTES + 1))
    return load_bundle(document, by=by, publish=publish, dry_run=dry_run)


def load_bundle(document: Any, *, by: Any, publish: bool, dry_run: bool = False) -> Report:
    """Load a bundle and report what became of each item.

    An item whose content is live already is `unchanged`. Any other becomes a draft and, with
    `publish`, goes live in the same transaction. Lists that the bundle does not name stay as they
    are. A dry run does all of it and takes it back. Raises Invalid with every problem and its
    path, Forbidden, or Conflict; then nothing was written.
    """
    items = _checked_shape(document)
    with transaction.atomic():
        lock_configuration()
        found = [
            problem
            for section in _sections
            for problem in section.check({name: items[name] for name in section.fields})
        ]
        # The sections name most of these in better words; the rest stand where nobody looked.
        named = {problem.field for problem in found}
        found += [problem for problem in unstorable(document) if problem.field not in named]
        if found:
            raise Invalid(found)
        changes = [
            change
            for section in _sections
            for change in section.load(
                {name: items[name] for name in section.fields}, by=by, publish=publish
            )
        ]
        if dry_run:
            transaction.set_rollback(True)
    return Report(document["name"], dry_run, tuple(changes))


def export_bundle(name: str) -> dict[str, Any]:
    """Return all live configuration as a bundle; loading it changes nothing."""
    with transaction.atomic():
        lock_configuration()  # so that its lists belong together
        lists = {
            list_name: list(items)
            for section in _sections
            for list_name, items in section.export().items()
        }
    return {"format": FORMAT, "name": name, **lists}


def _checked_shape(document: Any) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the items of every registered list; raise Invalid when the envelope is wrong."""
    if not isinstance(document, Mapping):
        raise Invalid.field("bundle", "wrong_type", "must be an object")
    if document.get("format") != FORMAT:
        raise Invalid.field("format", "unknown_format", f"must be {FORMAT!r}")
    found = []
    if not isinstance(document.get("name"), str) or not document["name"].strip():
        found.append(FieldProblem("name", "wrong_type", "must be a text that is not empty"))
    known = {*_ENVELOPE, *list_names()}
    for name in document:
        if name not in known:
            lists = ", ".join(list_names())
            found.append(FieldProblem(name, "unknown_field", f"is no list of a bundle: {lists}"))
    items: dict[str, Sequence[Mapping[str, Any]]] = {}
    for section in _sections:
        for name, fields in section.fields.items():
            items[name] = document.get(name, [])
            found += _list_problems(items[name], name, fields)
    if found:
        raise Invalid([*found, *unstorable(document)])
    return items


def _list_problems(items: Any, name: str, fields: Sequence[str]) -> Iterator[FieldProblem]:
    """Yield what is wrong with the shape of one list and of its items."""
    if not isinstance(items, list) or len(items) > MOST_ITEMS:
        yield FieldProblem(name, "wrong_type", f"must be a list of at most {MOST_ITEMS} items")
        return
    seen: set[str] = set()
    for index, item in enumerate(items):
        path = f"{name}[{index}]"
        if not isinstance(item, Mapping):
            yield FieldProblem(path, "wrong_type", "must be an object")
            continue
        for field in fields:
            if field not in item:
                yield FieldProblem(f"{path}.{field}", "required", "is missing")
        for field in item:
            if field not in fields:
                yield FieldProblem(f"{path}.{field}", "unknown_field", "is not a field here")
        key = item.get("key", "")
        if "key" in item and not (isinstance(key, str) and _KEY.fullmatch(key)):
            yield FieldProblem(
                f"{path}.key",
                "not_a_key",
                "must be 1 to 60 of a–z, 0–9, _ and -, a letter or digit first",
            )
        elif key and key in seen:
            yield FieldProblem(f"{path}.key", "duplicate", f"{key!r} is there already")
        seen.add(str(key))


def unstorable(document: Any) -> list[FieldProblem]:
    """Return what no database stores: numbers that are not finite or too large, odd characters,
    and nesting without end. Not recursive, since the nesting is the sender's choice.
    """
    found: list[FieldProblem] = []
    stack: list[tuple[str, Any, int]] = [("", document, 0)]
    while stack:
        path, value, depth = stack.pop()
        if depth > MOST_DEPTH:
            found.append(FieldProblem(path, "too_deep", f"is nested more than {MOST_DEPTH} deep"))
        elif isinstance(value, Mapping):
            for key, child in value.items():
                if _NO_TEXT.search(key):
                    found.append(FieldProblem(path or "bundle", "not_text", f"has the key {key!r}"))
                stack.append((f"{path}.{key}".lstrip("."), child, depth + 1))
        elif isinstance(value, list):
            stack += [(f"{path}[{i}]", child, depth + 1) for i, child in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            found.append(FieldProblem(path, "wrong_type", "must be a finite number"))
        elif isinstance(value, int) and abs(value) > MOST_NUMBER:
            found.append(FieldProblem(path, "out_of_range", "is too large a number"))
        elif isinstance(value, str) and _NO_TEXT.search(value):
            found.append(FieldProblem(path, "not_text", "has a character that is no text"))
    return sorted(found, key=lambda problem: problem.field)
