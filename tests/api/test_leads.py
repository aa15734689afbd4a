"""Leads over the API: list, read, create, change."""

from typing import Any

import pytest

from accounts.models import User
from leads.models import Activity, CustomField, Identity, Lead
from leads.querysets import visibility
from scoring.models import Standing
from tests import factories
from tests.api.conftest import Api, assert_problem


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [item["id"] for item in response.json()["data"]]


# --- create and read ---------------------------------------------------------------------------


def test_a_created_lead_is_scored_and_can_be_read_back(api: Api, rep: User) -> None:
    made = api.post(
        "leads",
        {
            "first_name": "Haruka",
            "email": "Haruka@Works.example",
            "title": "Head of Operations",
            "country": "de",
            "value": {"amount_minor": 1250000, "currency": "eur"},
            "company": {"name": "Works", "domain": "https://www.works.example/x", "employees": 240},
            "external_ids": [{"source": "hubspot", "id": "12345"}],
            "source": "Website",
            "touch": {"utm_campaign": "autumn"},
        },
    )
    assert made.status_code == 201, made.content
    body = made.json()
    assert made["Location"] == f"/api/v1/leads/{body['id']}"
    assert body["email"] == "haruka@works.example"
    assert body["seniority"] == "director"
    assert body["country"] == "DE"
    assert body["company"]["domain"] == "works.example"
    assert body["value"] == {"amount_minor": 1250000, "currency": "EUR"}
    assert body["external_ids"] == [{"source": "hubspot", "id": "12345"}]
    assert body["first_touch"]["details"] == {"utm_campaign": "autumn"}
    assert body["owner"] == {"id": rep.pk, "name": rep.name}
    assert body["state"] == "scored"
    assert body["range"]["low"] <= body["score"] <= body["range"]["high"]
    assert body["scored_at"].endswith("Z")
    read = api.get(f"leads/{body['id']}")
    assert read.json() == body
    assert read["ETag"] == made["ETag"]


def test_a_list_item_says_the_same_as_the_lead_itself(api: Api, lead: Lead) -> None:
    item = api.get("leads").json()["data"][0]
    whole = api.get(f"leads/{lead.pk}").json()
    assert item == {key: whole[key] for key in item}


def test_a_lead_needs_something_to_recognise_it_by(api: Api) -> None:
    assert_problem(api.post("leads", {}), 422, "invalid")
    assert Lead.objects.count() == 0


def test_each_wrong_field_is_named_by_a_pointer(api: Api) -> None:
    document = assert_problem(
        api.post(
            "leads",
            {
                "kind": "b2x",
                "age": 400,
                "country": "Deutschland",
                "time_zone": "Mars/Olympus",
                "value": {"amount_minor": -1, "currency": "EURO"},
                "company": {"employees": "many"},
                "external_ids": [{"source": "hubspot"}],
                "first_name": 7,
                "a/b~c": 1,
            },
        ),
        422,
        "invalid",
    )
    assert {error["pointer"] for error in document["errors"]} == {
        "#/kind",
        "#/age",
        "#/country",
        "#/time_zone",
        "#/value/amount_minor",
        "#/value/currency",
        "#/company/employees",
        "#/external_ids/0/id",
        "#/first_name",
        "#/a~1b~0c",
    }


def test_fields_that_the_service_refuses_are_named_too(api: Api) -> None:
    document = assert_problem(
        api.post("leads", {"email": "nobody", "phone": "12", "custom": {"nope": 1}}), 422
    )
    assert [error["pointer"] for error in document["errors"]] == [
        "#/email",
        "#/phone",
        "#/custom/nope",
    ]


# Everything a client might try to set of a lead, a standing or a user (mass assignment).
NOT_SETTABLE: dict[str, Any] = {
    "id": 99,
    "version": 9,
    "owner": 1,
    "owner_id": 1,
    "team": 1,
    "team_id": 1,
    "stage": "won",
    "round": 7,
    "score": 100,
    "tier": "hot",
    "rank": 1e9,
    "p": 1,
    "state": "scored",
    "is_demo": True,
    "created_at": "2020-01-01T00:00:00Z",
    "contacted_at": "2020-01-01T00:00:00Z",
    "scored_at": "2020-01-01T00:00:00Z",
    "email_kind": "own",
    "first_source": 1,
    "role": "admin",
    "is_staff": True,
}


def test_what_follows_from_rules_cannot_be_set(api: Api, lead: Lead) -> None:
    before = Lead.objects.filter(pk=lead.pk).values().get()
    standing = Standing.objects.filter(pk=lead.pk).values().get()
    for send, path in ((api.patch, f"leads/{lead.pk}"), (api.post, "leads")):
        response = send(path, {**NOT_SETTABLE, "title": "Boss", "email": "a@b.example"})
        document = assert_problem(response, 422, "invalid")
        refused = {e["pointer"] for e in document["errors"] if e["code"] == "unknown_field"}
        assert refused == {f"#/{field}" for field in NOT_SETTABLE}
    assert Lead.objects.count() == 1
    assert Lead.objects.filter(pk=lead.pk).values().get() == before
    assert Standing.objects.filter(pk=lead.pk).values().get() == standing


# --- duplicates --------------------------------------------------------------------------------


def test_a_duplicate_that_is_visible_is_named(api: Api, lead: Lead) -> None:
    document = assert_problem(api.post("leads", {"email": lead.email.upper()}), 409, "duplicate")
    assert document["existing_id"] == lead.pk
    assert document["errors"][0]["pointer"] == "#/email"


def test_a_duplicate_elsewhere_is_not_named(api: Api, stranger: User) -> None:
    theirs = factories.make_lead(owner=stranger, email="secret@elsewhere.example")
    document = assert_problem(
        api.post("leads", {"email": "secret@elsewhere.example"}), 409, "duplicate_elsewhere"
    )
    assert "existing_id" not in document
    assert str(theirs.pk) not in {error["detail"] for error in document["errors"]}
    assert stranger.name not in str(document)


def test_an_external_id_belongs_to_one_lead(api: Api) -> None:
    body = {"external_ids": [{"source": "hubspot", "id": "1"}]}
    first = api.post("leads", {"email": "one@works.example", **body}).json()
    document = assert_problem(
        api.post("leads", {"email": "two@works.example", **body}), 409, "duplicate"
    )
    assert document["existing_id"] == first["id"]
    assert document["errors"][0]["pointer"] == "#/external_ids"
    assert Lead.objects.filter(email="two@works.example").count() == 0


# --- change ------------------------------------------------------------------------------------


def test_a_patch_changes_what_it_names_and_null_removes(api: Api, lead: Lead) -> None:
    CustomField.objects.create(key="machines", label="Machines", type=CustomField.Type.NUMBER)
    first = api.patch(
        f"leads/{lead.pk}",
        {"title": "Chief Executive", "age": 44, "custom": {"machines": 14}, "phone": "+4930901820"},
        content_type="application/merge-patch+json",
    )
    assert first.status_code == 200, first.content
    body = first.json()
    assert (body["title"], body["seniority"], body["age"]) == ("Chief Executive", "c_level", 44)
    assert body["custom"] == {"machines": 14}
    second = api.patch(
        f"leads/{lead.pk}",
        {"age": None, "phone": None, "title": None, "custom": {"machines": None}},
    ).json()
    assert (second["age"], second["phone"], second["title"]) == (None, "", "")
    assert second["custom"] == {}
    assert second["email"] == lead.email
    assert not Identity.objects.filter(lead=lead, kind="phone").exists()


def test_a_patch_that_changes_nothing_writes_nothing(api: Api, lead: Lead) -> None:
    before = api.get(f"leads/{lead.pk}")
    activities = Activity.objects.count()
    after = api.patch(f"leads/{lead.pk}", {"email": lead.email})
    assert after.json()["version"] == before.json()["version"]
    assert Activity.objects.count() == activities


def test_external_ids_are_added(api: Api, lead: Lead) -> None:
    for number in ("1", "2"):
        body = {"add_external_ids": [{"source": f"crm{number}", "id": number}]}
        response = api.patch(f"leads/{lead.pk}", body)
    assert response.json()["external_ids"] == [
        {"source": "crm1", "id": "1"},
        {"source": "crm2", "id": "2"},
    ]
    assert ids(api.get("leads", {"external_id": "crm2:2"})) == [lead.pk]


def test_if_match_stops_a_change_of_what_was_changed_meanwhile(api: Api, lead: Lead) -> None:
    seen = api.get(f"leads/{lead.pk}")["ETag"]
    first = api.patch(f"leads/{lead.pk}", {"title": "CEO"}, If_Match=seen)
    assert first.status_code == 200
    assert first["ETag"] != seen
    assert_problem(
        api.patch(f"leads/{lead.pk}", {"title": "CTO"}, If_Match=seen), 412, "stale_version"
    )
    assert Lead.objects.get(pk=lead.pk).title == "CEO"
    assert (
        api.patch(f"leads/{lead.pk}", {"title": "CTO"}, If_Match=first["ETag"]).status_code == 200
    )
    assert api.patch(f"leads/{lead.pk}", {"title": "CFO"}, If_Match="*").status_code == 200


@pytest.mark.parametrize("tag", ["x", '"abc"', '""', '"1e3"', "9" * 40, '"-1"'])
def test_a_tag_that_is_none_of_ours_is_refused(api: Api, lead: Lead, tag: str) -> None:
    document = assert_problem(api.patch(f"leads/{lead.pk}", {"title": "X"}, If_Match=tag), 400)
    assert document["errors"][0]["parameter"] == "If-Match"


# --- visibility --------------------------------------------------------------------------------


def test_everybody_lists_exactly_what_they_may_see(
    api_of: Any, rep: User, manager: User, admin: User, model_owner: User, stranger: User
) -> None:
    mate = factories.make_user(team=rep.team)
    mine = factories.make_lead(owner=rep)
    team = factories.make_lead(owner=mate)
    unowned = factories.make_lead(owner=None, team=rep.team)
    theirs = factories.make_lead(owner=stranger)
    kept = factories.make_lead(owner=rep, team=stranger.team)  # owned, but in another team
    nobody = factories.make_lead(owner=None)
    near = {mine.pk, team.pk, unowned.pk}
    everything = near | {theirs.pk, kept.pk, nobody.pk}
    for user, expected in (
        (rep, near | {kept.pk}),
        (mate, near),
        (manager, near),
        (stranger, {theirs.pk, kept.pk}),
        (admin, everything),
        (model_owner, everything),
    ):
        seen = ids(api_of(user).get("leads"))
        assert set(seen) == expected, user
        assert len(seen) == len(expected)
        direct = Lead.objects.filter(visibility(user)).values_list("pk", flat=True)
        assert set(direct) == expected


def test_a_canary_of_another_team_never_shows(api: Api, stranger: User) -> None:
    word = "xylophonist"
    lead = factories.make_lead(
        owner=stranger, last_name=word, email=f"{word}@{word}.example", company={"name": word}
    )
    factories.make_evidence(lead, "budget", 100, quote=word)
    probes = [
        "leads", f"leads?q={word}", f"leads?email={word}@{word}.example", "queue",
        f"leads?owner={stranger.pk}", f"leads?team={stranger.team_id}", "queue?owner=me",
        f"leads?company={lead.company_id}", f"queue?team={stranger.team_id}",
        f"leads/{lead.pk}", f"leads/{lead.pk}/evidence", f"leads/{lead.pk}/activities",
        f"leads/{lead.pk}/standing", f"leads/{lead.pk}/outcomes", "leads?include=count",
    ]  # fmt: skip
    for probe in probes:
        response = api.get(probe)
        if response.status_code == 200 and "?" in probe:
            assert response.json()["data"] == [], probe
        assert word not in response.content.decode().replace(probe, ""), probe
    for body in (
        {"email": f"{word}@{word}.example"},
        {"first_name": "x", "company": {"name": "y"}},
    ):
        assert word not in api.post("leads", body).content.decode()


def test_somebody_elses_lead_looks_like_a_missing_one(api: Api, stranger: User) -> None:
    theirs = factories.make_lead(owner=stranger).pk
    for tail in ("", "/evidence", "/outcomes", "/activities", "/standing"):
        bodies = []
        for number in (theirs, 999_999_999, 10**30):
            document = assert_problem(api.get(f"leads/{number}{tail}"), 404, "not_found")
            bodies.append(
                {k: v for k, v in document.items() if k not in ("instance", "request_id")}
            )
        assert bodies[0] == bodies[1] == bodies[2]
    for number in (theirs, 999_999_999):
        assert_problem(api.patch(f"leads/{number}", {"title": "X"}), 404, "not_found")
        assert_problem(api.post(f"leads/{number}/evidence", {"dimension": "budget"}), 404)


def test_a_teams_lead_may_be_read_and_not_changed(api: Api, rep: User) -> None:
    mate = factories.make_user(team=rep.team)
    lead = factories.make_lead(owner=mate)
    assert api.get(f"leads/{lead.pk}").status_code == 200
    document = assert_problem(api.patch(f"leads/{lead.pk}", {"title": "X"}), 403, "forbidden")
    assert "colleague" in document["detail"]
    body = {"dimension": "budget", "rating": 100}
    assert_problem(api.post(f"leads/{lead.pk}/evidence", body), 403, "forbidden")
    assert_problem(api.post(f"leads/{lead.pk}/outcomes", {"result": "won"}), 403, "forbidden")
    assert_problem(api.post(f"leads/{lead.pk}/activities", {"kind": "page_viewed"}), 403)


# --- pages and filters -------------------------------------------------------------------------


@pytest.fixture
def many(rep: User) -> list[int]:
    """Seven leads of `rep`, the best ranked first."""
    for number in range(7):
        factories.make_lead(owner=rep, value_minor=10**6 * (number + 1))
    ranked = Standing.objects.order_by("-rank", "-lead_id")
    return list(ranked.values_list("lead_id", flat=True))


@pytest.mark.parametrize("ordering", ["-rank", "rank", "-id", "id"])
def test_pages_follow_each_other_without_gap_or_repeat(
    api: Api, many: list[int], ordering: str
) -> None:
    expected = {
        "-rank": many,
        "rank": many[::-1],
        "id": sorted(many),
        "-id": sorted(many, reverse=True),
    }[ordering]
    seen: list[int] = []
    response = api.get("leads", {"limit": "3", "ordering": ordering})
    while True:
        body = response.json()
        seen += ids(response)
        assert body["has_more"] == (body["next_cursor"] is not None)
        if not body["has_more"]:
            assert "Link" not in response
            break
        address, _, rel = response["Link"].partition(">; ")
        assert rel == 'rel="next"'
        assert body["next_cursor"].replace(":", "%3A") in address
        response = api.get(address.removeprefix("</api/v1/"))
    assert seen == expected


def test_a_cursor_of_another_question_is_refused(
    api: Api, api_of: Any, rep: User, many: list[int]
) -> None:
    cursor = api.get("leads", {"limit": "3"}).json()["next_cursor"]
    other = api_of(factories.make_user(team=rep.team))
    for client, query in (
        (api, {"cursor": cursor, "tier": "cold"}),
        (api, {"cursor": cursor, "ordering": "id"}),
        (api, {"cursor": cursor[:-2]}),
        (api, {"cursor": "eyJ4Ijox"}),
        (api, {"cursor": "😀" * 50}),
        (api, {"cursor": cursor + "A" * 5000}),
        (other, {"cursor": cursor}),
    ):
        document = assert_problem(client.get("leads", query), 400, "invalid_cursor")
        assert document["errors"][0]["parameter"] == "cursor"
    assert_problem(api.get("queue", {"cursor": cursor}), 400, "invalid_cursor")


def test_rows_that_move_do_not_break_a_page(api: Api, many: list[int]) -> None:
    cursor = api.get("leads", {"limit": "3"}).json()["next_cursor"]
    Standing.objects.filter(pk=many[2]).update(rank=10**6)  # the very row the cursor names
    assert ids(api.get("leads", {"limit": "50", "cursor": cursor})) == many[3:]


def test_count_comes_when_asked_for(api: Api, many: list[int]) -> None:
    body = api.get("leads", {"include": "count", "limit": "2"}).json()
    assert (body["count"], body["count_is_exact"]) == (7, True)
    assert "count" not in api.get("leads").json()


def test_repeating_a_filter_means_or(api: Api, rep: User) -> None:
    for country in ("DE", "FR", "US"):
        factories.make_lead(owner=rep, country=country)
    assert len(ids(api.get("leads", {"country": ["de", "FR"]}))) == 2
    assert len(ids(api.get("leads", {"country": "us"}))) == 1


FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({"tier": "hot"}, lambda row: row["tier"] == "hot"),
    ({"tier": ["cold", "warm"]}, lambda row: row["tier"] in ("cold", "warm")),
    ({"state": "scored"}, lambda row: row["state"] == "scored"),
    ({"stage": "won"}, lambda row: row["stage"] == "won"),
    ({"is_open": "true"}, lambda row: row["stage"] != "won"),
    ({"is_open": "false"}, lambda row: row["stage"] == "won"),
    ({"owner": "me"}, lambda row: row["owner"] is not None),
    ({"owner": "none"}, lambda row: row["owner"] is None),
    ({"owner": ["me", "none"]}, lambda row: True),
    ({"team": "none"}, lambda row: False),
    ({"score__gte": "40"}, lambda row: row["score"] >= 40),
    ({"score__gt": "40"}, lambda row: row["score"] > 40),
    ({"score__lte": "40"}, lambda row: row["score"] <= 40),
    ({"score__lt": "40"}, lambda row: row["score"] < 40),
    ({"kind": "b2c"}, lambda row: row["kind"] == "b2c"),
    ({"country": "fr"}, lambda row: row["country"] == "FR"),
    ({"source": "Website"}, lambda row: row["source"] == "Website"),
    ({"contacted": "true"}, lambda row: row["contacted_at"] is not None),
    ({"contacted": "false"}, lambda row: row["contacted_at"] is None),
    ({"has_clock": "true"}, lambda row: row["sla_due_at"] is not None),
    ({"has_next_step": "false"}, lambda row: row["next_step"] is None),
    ({"created_at__gte": "2020-01-01"}, lambda row: True),
    ({"created_at__lt": "2020-01-01T00:00:00Z"}, lambda row: False),
    ({"scored_at__gte": "2020-01-01T00:00:00+02:00"}, lambda row: True),
    ({"email": "GRACE@works.example"}, lambda row: row["email"] == "grace@works.example"),
    ({"q": "grace"}, lambda row: row["first_name"] == "Grace"),
    ({"q": "hopper GRA"}, lambda row: row["first_name"] == "Grace"),
    ({"q": "navy yard"}, lambda row: row["company"] and row["company"]["name"] == "Navy Yard"),
    ({"q": "grace nobody"}, lambda row: False),
    ({"q": "100%_\\"}, lambda row: False),
]


def test_every_filter_keeps_what_it_says(api: Api, rep: User, subtests: pytest.Subtests) -> None:
    website = factories.make_source("Website")
    factories.make_lead(owner=rep, country="FR", first_source=website)
    factories.make_lead(
        owner=rep,
        first_name="Grace",
        last_name="Hopper",
        email="grace@works.example",
        company={"name": "Navy Yard", "employees": 200, "industry": "Manufacturing"},
        title="Director",
        country="DE",
    )
    factories.make_lead(owner=rep, kind="b2c", age=40, contacted_at="2026-01-01T00:00:00Z")
    factories.make_lead(owner=None, team=rep.team)
    won = factories.make_lead(owner=rep)
    assert api.post(f"leads/{won.pk}/outcomes", {"result": "won"}).status_code == 201
    everything = api.get("leads").json()["data"]
    assert len(everything) == 5
    for query, matches in FILTERS:
        with subtests.test(query=query):
            expected = [row["id"] for row in everything if matches(row)]
            assert ids(api.get("leads", query)) == expected


def test_leads_are_found_by_their_profile(api: Api, lead: Lead) -> None:
    standing = Standing.objects.select_related("model_version__icp").get(pk=lead.pk)
    assert standing.model_version is not None
    assert ids(api.get("leads", {"icp": standing.model_version.icp.key})) == [lead.pk]
    assert ids(api.get("leads", {"icp": "nobody"})) == []


REFUSED = [
    ("nme=x", "nme", "unknown_parameter"),
    ("teir=hot", "teir", "unknown_parameter"),
    ("offset=10", "offset", "unknown_parameter"),
    ("owner__password__startswith=a", "owner__password__startswith", "unknown_lookup"),
    ("score__regex=1", "score__regex", "unknown_lookup"),
    ("lead__email=x", "lead__email", "unknown_parameter"),
    ("_connector=OR", "_connector", "unknown_parameter"),
    ("_negated=1", "_negated", "unknown_parameter"),
    ("tier=lukewarm", "tier", "invalid_choice"),
    ("owner=abc", "owner", "not_an_id"),
    ("owner=%00", "owner", "nul"),
    ("owner=-1", "owner", "not_an_id"),
    ("owner=99999999999999999999", "owner", "max_length"),
    ("team=me", "team", "not_an_id"),
    ("score__gte=abc", "score__gte", "invalid"),
    ("score__gte=1e3", "score__gte", "invalid"),
    ("score__gte=101", "score__gte", "max_value"),
    ("score__gte=NaN", "score__gte", "invalid"),
    ("score__gte=1&score__gte=2", "score__gte", "repeated"),
    ("created_at__gte=abc", "created_at__gte", "not_a_moment"),
    ("created_at__gte=0000-00-00", "created_at__gte", "not_a_moment"),
    ("created_at__gte=2026-02-30", "created_at__gte", "not_a_moment"),
    ("created_at__gte=2026-11-22T09:00:00", "created_at__gte", "not_a_moment"),
    ("created_at__gte=9999-12-31T23:59:59-14:00", "created_at__gte", "not_a_moment"),
    ("is_open=maybe", "is_open", "invalid_choice"),
    ("country=Germany", "country", "max_length"),
    ("country=%C3%9F%C3%9F", "country", "not_a_country"),
    ("company=0", "company", "min_value"),
    ("company=99999999999999999999", "company", "max_value"),
    ("email=nobody", "email", "not_an_email"),
    ("external_id=hubspot", "external_id", "not_an_external_id"),
    ("q=ab", "q", "min_length"),
    ("q=a+b+c", "q", "too_short"),
    ("q=%25%25%25", "q", "too_short"),
    ("q=" + "a" * 101, "q", "max_length"),
    ("q=" + "+".join(["word"] * 9), "q", "too_many_words"),
    ("limit=0", "limit", "out_of_range"),
    ("limit=201", "limit", "out_of_range"),
    ("limit=-5", "limit", "out_of_range"),
    ("limit=ten", "limit", "out_of_range"),
    ("limit=10&limit=20", "limit", "repeated"),
    ("ordering=score", "ordering", "not_a_choice"),
    ("ordering=owner__password", "ordering", "not_a_choice"),
    ("include=password", "include", "not_a_choice"),
    ("&".join(["tier=hot"] * 51), "tier", "too_many"),
]


def test_a_filter_that_cannot_be_meant_is_refused(
    api: Api, lead: Lead, subtests: pytest.Subtests
) -> None:
    for query, parameter, code in REFUSED:
        with subtests.test(query=query[:60]):
            document = assert_problem(api.get(f"leads?{query}"), 400, code)
            assert [(e["parameter"], e["code"]) for e in document["errors"]] == [(parameter, code)]


def test_an_empty_filter_filters_nothing(api: Api, lead: Lead) -> None:
    assert ids(api.get("leads?tier=&q=&owner=&score__gte=&created_at__lt=")) == [lead.pk]


def test_a_misspelt_parameter_gets_a_suggestion(api: Api) -> None:
    assert "Did you mean 'tier'?" in assert_problem(api.get("leads?teir=hot"), 400)["detail"]
    assert "gte" in assert_problem(api.get("leads?score__atleast=4"), 400)["detail"]


def test_writes_take_no_parameters(api: Api, lead: Lead) -> None:
    assert_problem(api.post("leads?nme=x", {"email": "a@b.example"}), 400, "unknown_parameter")
    assert_problem(api.get(f"leads/{lead.pk}?fields=id"), 400, "unknown_parameter")
