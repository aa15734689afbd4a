"""Strict JSON: what is refused, and why."""

import time

import pytest

from core.json_input import BadJson, parse_object

DEEP = b'{"a":' * 32 + b"1" + b"}" * 32


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "syntax"),
        (b"{", "syntax"),
        (b"{'a': 1}", "syntax"),
        (b'{"a": 1,}', "syntax"),
        (b'{"a": 1} {"b": 2}', "syntax"),
        (b'{"a": 01}', "syntax"),
        (b'{"a": "\t"}', "syntax"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"17", "not_an_object"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        ('{"a": 1}'.encode("utf-16"), "not_utf8"),
        ('{"a": 1}'.encode("utf-16-le"), "syntax"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"a": NaN}', "not_finite"),
        (b'{"a": Infinity}', "not_finite"),
        (b'{"a": -Infinity}', "not_finite"),
        (b'{"a": 1e999}', "not_finite"),
        (b'{"a": ' + b"9" * 4001 + b"}", "too_large"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "too_large"),
        (b'{"a": 9223372036854775808}', "too_large"),
        (b'{"a": "x\\u0000y"}', "nul"),
        (b'{"x\\u0000y": 1}', "nul"),
        (b'{"a": [{"b": "\\u0000"}]}', "nul"),
        (b'{"a": "\\ud800"}', "lone_surrogate"),
        (b'{"\\udc00": 1}', "lone_surrogate"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a": {"b": 1, "b": 1}}', "duplicate_key"),
        (b'{"a":' + DEEP + b"}", "too_deep"),
        (b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "too_deep"),
        (b'{"a":' + b"[" * 100_000, "too_deep"),
        (b"{" + b",".join(b'"k%d": 1' % n for n in range(1_001)) + b"}", "too_many_keys"),
        (b'{"a": [' + b",".join([b"1"] * 10_001) + b"]}", "too_many_values"),
        (b'{"a": [' + b",".join([b"{}"] * 300_000) + b"]}", "too_many_values"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_two_programs_could_read_differently_is_refused_quickly(raw: bytes, code: str) -> None:
    began = time.perf_counter()
    with pytest.raises(BadJson) as caught:
        parse_object(raw)
    assert caught.value.code == code
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
        (b'{"a": 1e308, "b": -0.0}', {"a": 1e308, "b": -0.0}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"ä": "日本"}'.encode(), {"ä": "日本"}),
    ],
)
def test_what_is_good_json_is_read(raw: bytes, value: object) -> None:
    assert parse_object(raw) == value


def test_depth_counts_up_to_32() -> None:
    assert parse_object(DEEP)


def test_the_place_of_a_bad_text_is_named() -> None:
    with pytest.raises(BadJson) as caught:
        parse_object(b'{"a/b": [1, {"c": "\\u0000"}]}')
    assert caught.value.pointer == "#/a~1b/1/c"
