"""Strict reading of a JSON request body. Pure.

What two programs could read differently, or a database cannot store, is refused here once:
encodings other than UTF-8, duplicate keys, NaN and infinity, lone surrogates, NUL, deep nesting.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_KEYS = 1_000
MAX_VALUES = 10_000  # items of all lists and objects together
MAX_DIGITS = 19  # of a signed 64-bit integer


class BadJson(ValueError):
    """The body is not acceptable JSON; `code` is stable, `pointer` names the place when known."""

    def __init__(self, code: str, detail: str, pointer: str = "#") -> None:
        super().__init__(detail)
        self.code, self.detail, self.pointer = code, detail, pointer


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`; raise `BadJson` for anything else."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson("not_utf8", f"The body is not UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise BadJson("byte_order_mark", "The body starts with a byte order mark; leave it out.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except json.JSONDecodeError as error:
        raise BadJson(
            "syntax",
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise BadJson("not_an_object", "The body must be a JSON object.")
    _check(value)
    return value


def escaped(key: str) -> str:
    """Return one key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadJson("duplicate_key", f"The key {_shown(key)} is given twice.")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> None:
    raise BadJson("not_finite", f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("not_finite", "A number is too large.")
    return value


def _bounded(text: str) -> int:
    # The length first: int() takes quadratic time on thousands of digits.
    if len(text) > MAX_DIGITS + 1 or not -(2**63) <= (value := int(text)) < 2**63:
        raise BadJson("too_large", "A whole number does not fit into 64 bits.")
    return value


def _too_deep() -> BadJson:
    return BadJson("too_deep", f"The body is nested more than {MAX_DEPTH} deep.")


def _check(root: dict[str, Any]) -> None:
    """Refuse what is too deep, too many, or text that cannot be stored."""
    keys = values = 0
    waiting: list[tuple[dict[str, Any] | list[Any], str, int]] = [(root, "#", 1)]
    while waiting:
        node, path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _too_deep()
        items: Iterable[tuple[Any, Any]]
        if isinstance(node, dict):
            keys += len(node)
            if keys > MAX_KEYS:
                raise BadJson("too_many_keys", f"The body has more than {MAX_KEYS:,} keys.")
            items = node.items()
        else:
            items = enumerate(node)
        values += len(node)
        if values > MAX_VALUES:
            raise BadJson("too_many_values", f"The body has more than {MAX_VALUES:,} values.")
        for key, value in items:
            if isinstance(key, str):
                _check_text(key, path)
            if isinstance(value, str):
                _check_text(value, f"{path}/{escaped(str(key))}")
            elif isinstance(value, dict | list):
                waiting.append((value, f"{path}/{escaped(str(key))}", depth + 1))


def _check_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise BadJson("nul", "A text holds a NUL character, which cannot be stored.", path)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise BadJson("lone_surrogate", "A text holds half a surrogate pair.", path)


def _shown(key: str) -> str:
    """Quote the beginning of a key for a message."""
    return json.dumps(key if len(key) <= 40 else key[:40] + "…")
