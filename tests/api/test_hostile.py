"""Hostile bodies and addresses: a 4xx with a reason, in under a second, and nothing stored."""

import time

import pytest

from leads.models import Activity, Lead
from scoring.models import Evidence
from tests.api.conftest import Api, assert_problem

BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 422),  # no body is an empty object
    "no json": (b"<xml/>", 400),
    "cut off": (b'{"email": "a@b.example"', 400),
    "list": (b"[]", 400),
    "null": (b"null", 400),
    "text": (b'"hello"', 400),
    "byte order mark": (b"\xef\xbb\xbf{}", 400),
    "utf-16": ('{"email": "a@b.example"}'.encode("utf-16"), 400),
    "latin-1": ('{"first_name": "Jürgen"}'.encode("latin-1"), 400),
    "nan": (b'{"age": NaN}', 400),
    "infinity": (b'{"age": Infinity}', 400),
    "1e999": (b'{"age": 1e999}', 400),
    "4,001 digits": (b'{"age": ' + b"9" * 4001 + b"}", 400),
    "nul in a value": (b'{"first_name": "a\\u0000b"}', 400),
    "nul in a key": (b'{"custom": {"a\\u0000": 1}}', 400),
    "nul deep down": (b'{"data": {"a": [{"b": "\\u0000"}]}}', 400),
    "lone surrogate": (b'{"first_name": "\\ud800"}', 400),
    "lone surrogate deep down": (b'{"data": {"a": "\\udfff"}}', 400),
    "duplicate keys": (b'{"email": "a@b.example", "email": "c@d.example"}', 400),
    "depth 33": (b'{"a":' * 33 + b"1" + b"}" * 33, 400),
    "depth 5,000": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
    "depth 100,000": (b"[" * 100_000, 400),
    "10,001 keys": (b"{" + b",".join(b'"k%d": 1' % n for n in range(10_001)) + b"}", 400),
    "half a million values": (b'{"a": [' + b",".join([b"1"] * 500_000) + b"]}", 400),
    "1 MB and one byte": (b'{"a": "' + b"x" * (1024 * 1024 - 8) + b'"}', 413),
    "10 MB": (b" " * 10 * 1024 * 1024, 413),
    "unknown fields": (b'{"' + b"a" * 10_000 + b'": 1}', 422),
    "wrong types everywhere": (
        b'{"first_name": [], "email": {}, "age": "x", "company": [], "custom": "x",'
        b' "external_ids": {}, "add_external_ids": 5, "value": "7", "kind": [], "dimension": [],'
        b' "result": {}, "data": 3, "at": [], "rating": {}, "observed_at": {}}',
        422,
    ),
    "numbers at the edge": (b'{"age": 9223372036854775807, "rating": -9223372036854775808}', 422),
    "a very long name": (b'{"first_name": "' + b"x" * 900_000 + b'"}', 422),
    "a very long e-mail": (b'{"email": "' + b"a@" * 400_000 + b'"}', 422),
    "spaces only": (b'{"first_name": "   "}', 422),
}


@pytest.mark.parametrize("name", BODIES)
def test_every_write_refuses_a_hostile_body(api: Api, lead: Lead, name: str) -> None:
    body, status = BODIES[name]
    before = Lead.objects.values().get(pk=lead.pk)
    for method, path in (
        ("post", "leads"),
        ("patch", f"leads/{lead.pk}"),
        ("post", f"leads/{lead.pk}/evidence"),
        ("post", f"leads/{lead.pk}/outcomes"),
        ("post", f"leads/{lead.pk}/activities"),
    ):
        if method == "patch" and name in ("empty", "spaces only"):
            continue  # a patch of nothing, and one that blanks a name, are good
        began = time.process_time()
        response = getattr(api, method)(path, body)
        assert_problem(response, status)
        assert time.process_time() - began < 1, path
    assert Lead.objects.count() == 1
    assert Lead.objects.values().get(pk=lead.pk) == before
    assert not Evidence.objects.exists()
    assert not Activity.objects.filter(kind="page_viewed").exists()


def test_a_body_of_exactly_one_megabyte_is_read(api: Api) -> None:
    body = b'{"email": "a@b.example"' + b" " * (1024 * 1024 - 24) + b"}"
    assert len(body) == 1024 * 1024
    assert api.post("leads", body).status_code == 201


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("multipart/form-data", 415),
        ("application/json; charset=utf-16", 415),
        ("application/xml", 415),
        ("", 415),
        ("application/json; charset=UTF-8", 201),
        ("application/merge-patch+json", 415),
    ],
)
def test_only_json_in_utf8_is_taken(api: Api, kind: str, status: int) -> None:
    response = api.post("leads", b'{"email": "a@b.example"}', content_type=kind)
    assert response.status_code == status
    if status != 201:
        assert_problem(response, status)


def test_a_chunked_body_is_asked_for_its_length(api: Api) -> None:
    response = api.client.generic(
        "POST",
        "/api/v1/leads",
        headers={**api.headers, "Transfer-Encoding": "chunked"},
        content_type="application/json",
    )
    assert_problem(response, 411, "length_required")


NOWHERE = [
    "leads/99999999999999999999",
    "leads/0",
    "leads/-1",
    "leads/abc",
    "leads/1.5",
    "leads/%00",
    "leads/1%00",
    "leads/%F0%9F%98%80",
    "leads/1/evidence/2",
    "leads/../admin",
    "nothing",
    "leads/" + "9" * 5_000,
]


def test_an_address_that_leads_nowhere_is_a_404(api: Api, subtests: pytest.Subtests) -> None:
    for path in NOWHERE:
        with subtests.test(path=path[:60]):
            assert_problem(api.get(path), 404, "not_found")


QUERIES = [
    "&".join(f"a{n}=1" for n in range(1_001)),
    "=",
    "&&&",
    "%",
    "%ff=%ff",
    "a" * 8_000,
    "q=" + "+".join(["word"] * 2_000),
    "q=%00%00%00",
    "cursor=%00",
    "limit=" + "9" * 5_000,
    "limit=%EF%BC%95",
    "tier[]=hot",
    "tier=hot;drop",
    "ordering=-rank&ordering=rank",
    "owner=1%27%20OR%201=1",
    "score__gte=1)%20OR%20(1=1",
    "created_at__gte=" + "2" * 3_000,
    "q=" + "%25" * 100,
    "q=" + "%5C" * 50,
    "q='%20OR%20''%3D'",
    "email=" + "a" * 254,
    "external_id=" + ":" * 300,
]


@pytest.mark.parametrize("path", ["leads", "queue"])
def test_a_hostile_query_string_is_refused_or_finds_nothing(
    api: Api, lead: Lead, subtests: pytest.Subtests, path: str
) -> None:
    for query in QUERIES:
        with subtests.test(query=query[:60]):
            began = time.process_time()
            response = api.get(f"{path}?{query}")
            assert time.process_time() - began < 1
            if response.status_code == 200:  # a query of nothing, or a search for signs
                assert query in ("&&&", "=") or response.json()["data"] == []
            else:
                assert_problem(response, 400)


SIGNS = [
    "%",
    "_",
    "\\",
    "'",
    '"',
    "%%",
    "a%b",
    "__",
    "(.*)",
    "[a-z]+",
    "\u202e",
    "ｆｏｏ",
    "日本語",
]


def test_a_search_takes_signs_by_their_word(
    api: Api, lead: Lead, subtests: pytest.Subtests
) -> None:
    for sign in SIGNS:
        with subtests.test(sign=sign):
            response = api.get("leads", {"q": f"number {sign}"})
            if response.status_code == 200:
                expected = [lead.pk] if not sign.strip("\u202e") else []
                assert [row["id"] for row in response.json()["data"]] == expected
            else:
                assert_problem(response, 400)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "PROPFIND", "GETT"])
def test_a_verb_that_is_not_there_is_a_405(api: Api, lead: Lead, method: str) -> None:
    response = api.client.generic(method, f"/api/v1/leads/{lead.pk}", headers=api.headers)
    assert_problem(response, 405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "PATCH", "HEAD", "OPTIONS"}


def test_another_method_in_a_header_is_ignored(api: Api, lead: Lead) -> None:
    response = api.get(f"leads/{lead.pk}", **{"X-HTTP-Method-Override": "PATCH"})
    assert response.status_code == 200


def test_texts_are_stored_clean(api: Api) -> None:
    body = api.post(
        "leads",
        {"first_name": "  Ju\u0308rgen\u202e\u200b\x07 ", "email": "Jürgen@EXÄMPLE.example"},
    ).json()
    assert body["first_name"] == "Jürgen"
    assert body["email"] == "jürgen@xn--exmple-cua.example"
