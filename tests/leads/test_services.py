"""Writes of leads: policies, activities, versions, duplicates, stages and outcomes."""

from typing import Any

import pytest

from accounts.models import User
from core.errors import Conflict, Forbidden, Invalid, StaleVersion
from leads import services
from leads.activities import Kind
from leads.models import Activity, Company, CustomField, Identity, Lead, Outcome
from leads.services import LeadInput
from leads.stages import StageKey
from tests.factories import make_lead

pytestmark = pytest.mark.django_db


def problems(error: pytest.ExceptionInfo[Invalid]) -> set[tuple[str, str]]:
    return {(p.field, p.code) for p in error.value.problems}


def kinds(lead: Lead) -> list[str]:
    return list(Activity.objects.filter(lead=lead).order_by("pk").values_list("kind", flat=True))


def test_a_new_lead_belongs_to_its_creator_in_clean_form(rep: User) -> None:
    lead = services.create_lead(
        LeadInput(
            first_name=" Haruka\u200b ",
            email="Haruka@Kuroda.example",
            phone="030 901820",
            title="Head of Operations",
            country="de",
            company={"name": "Kuroda GmbH", "domain": "https://www.kuroda.example/x"},
            external_ids={"hubspot": "77"},
        ),
        by=rep,
    )
    assert (lead.owner, lead.team, lead.stage) == (rep, rep.team, StageKey.NEW)
    assert (lead.first_name, lead.email, lead.phone) == (
        "Haruka",
        "haruka@kuroda.example",
        "+4930901820",
    )
    assert (lead.seniority, lead.email_kind, lead.country) == ("director", "own", "DE")
    assert lead.company is not None
    assert lead.company.domain == "kuroda.example"
    assert set(Identity.objects.filter(lead=lead).values_list("kind", "normal")) == {
        ("email", "haruka@kuroda.example"),
        ("phone", "+4930901820"),
        ("external:hubspot", "77"),
    }
    assert kinds(lead) == [Kind.CREATED]


def test_two_leads_of_one_domain_share_the_company(rep: User) -> None:
    for name in ("a", "b"):
        services.create_lead(
            LeadInput(email=f"{name}@kuroda.example", company={"domain": "kuroda.example"}), by=rep
        )
    assert Company.objects.filter(domain="kuroda.example").count() == 1


def test_a_company_of_the_same_name_at_another_domain_is_another_company(rep: User) -> None:
    def company(email: str, **facts: Any) -> Company:
        lead = services.create_lead(LeadInput(email=email, company=facts), by=rep)
        assert lead.company is not None
        return lead.company

    first = company("a@x.example", name="Apex", domain="apex.example")
    other = company("b@x.example", name="APEX", domain="apex.test")
    assert other.pk != first.pk
    first.refresh_from_db()
    assert first.domain == "apex.example"
    assert company("c@x.example", name="apex") == first
    nameless = company("d@x.example", name="Bolt")
    assert company("e@x.example", name="Bolt", domain="bolt.example") == nameless


def test_every_wrong_field_is_named_at_once_and_nothing_is_written(rep: User) -> None:
    with pytest.raises(Invalid) as error:
        services.create_lead(
            LeadInput(
                email="nope",
                phone="x",
                seniority="king",
                company={"domain": "a b"},
                custom={"colour": "red"},
            ),
            by=rep,
        )
    assert problems(error) == {
        ("email", "invalid"),
        ("phone", "invalid"),
        ("seniority", "not_a_choice"),
        ("company.domain", "invalid"),
        ("custom.colour", "unknown_field"),
    }
    assert not Lead.objects.exists()


def test_a_lead_needs_something_to_know_it_by(rep: User) -> None:
    with pytest.raises(Invalid):
        services.create_lead(LeadInput(title="CEO"), by=rep)


def test_a_known_address_is_a_conflict_that_names_only_what_may_be_seen(
    rep: User, stranger: User
) -> None:
    lead = services.create_lead(LeadInput(email="ada@works.example"), by=rep)
    with pytest.raises(Conflict) as mine:
        services.create_lead(LeadInput(email="ADA@works.example"), by=rep)
    assert str(lead.pk) in mine.value.message
    with pytest.raises(Conflict) as theirs:
        services.create_lead(LeadInput(email="ada@works.example"), by=stranger)
    assert theirs.value.problems[0].code == "duplicate_elsewhere"
    assert str(lead.pk) not in theirs.value.message + theirs.value.problems[0].message


def test_a_change_is_written_once_with_its_old_and_new_values(lead: Lead, rep: User) -> None:
    changed = services.change_lead(lead, LeadInput(title="CEO"), by=rep, version=lead.version)
    assert changed.version == lead.version + 1
    activity = Activity.objects.get(lead=lead, kind=Kind.CHANGED)
    assert activity.data["changes"]["title"] == ["", "CEO"]
    again = services.change_lead(changed, LeadInput(title="CEO"), by=rep)
    assert again.version == changed.version
    assert kinds(lead).count(Kind.CHANGED) == 1


def test_a_change_of_an_older_version_is_refused(lead: Lead, rep: User) -> None:
    services.change_lead(lead, LeadInput(title="CEO"), by=rep)
    with pytest.raises(StaleVersion):
        services.change_lead(lead, LeadInput(title="CTO"), by=rep, version=lead.version)


def test_a_new_address_replaces_the_identity(lead: Lead, rep: User) -> None:
    services.change_lead(lead, LeadInput(email="new@works.example"), by=rep)
    found = Identity.objects.filter(lead=lead, kind="email").values_list("normal", flat=True)
    assert list(found) == ["new@works.example"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "red", 5),
        ("number", 4.5, "many"),
        ("number", 4, float("nan")),
        ("bool", True, "yes"),
        ("date", "2026-02-28", "2026-02-30"),
        ("choice", "a", "c"),
    ],
)
def test_custom_fields_are_typed(lead: Lead, rep: User, kind: str, good: Any, bad: Any) -> None:
    CustomField.objects.create(key="extra", label="Extra", type=kind, choices=["a", "b"])
    changed = services.change_lead(lead, LeadInput(custom={"extra": good}), by=rep)
    assert changed.custom == {"extra": good}
    with pytest.raises(Invalid) as error:
        services.change_lead(lead, LeadInput(custom={"extra": bad}), by=rep)
    assert problems(error) == {("custom.extra", "wrong_type")}
    assert services.change_lead(lead, LeadInput(custom={"extra": None}), by=rep).custom == {}


def test_only_those_who_may_change_a_lead(
    lead: Lead, manager: User, model_owner: User, stranger: User, admin: User, team: Any
) -> None:
    from tests.factories import make_user

    colleague = make_user(team=team)
    for actor in (manager, admin):
        services.change_lead(lead, LeadInput(title=f"by {actor.role}"), by=actor)
    for actor in (model_owner, stranger, colleague):
        with pytest.raises(Forbidden):
            services.change_lead(lead, LeadInput(title="x"), by=actor)


def test_an_unowned_lead_of_the_team_can_be_claimed_once(rep: User, stranger: User) -> None:
    lead = make_lead(team=rep.team)
    with pytest.raises(Forbidden):
        services.assign_lead(lead, stranger, by=stranger)
    assert services.assign_lead(lead, rep, by=rep).owner == rep
    assert kinds(lead)[-1] == Kind.ASSIGNED


def test_a_manager_assigns_within_the_team_only(
    lead: Lead, manager: User, stranger: User, rep: User
) -> None:
    with pytest.raises(Forbidden):
        services.assign_lead(lead, stranger, by=manager)
    assert services.assign_lead(lead, manager, by=manager).owner == manager
    with pytest.raises(Forbidden):
        services.assign_lead(lead, rep, by=rep)


def test_a_lead_keeps_its_team_when_it_is_left_without_an_owner(lead: Lead, manager: User) -> None:
    after = services.assign_lead(lead, None, by=manager)
    assert (after.owner, after.team_id) == (None, manager.team_id)


def test_stages_move_by_the_table(lead: Lead, rep: User) -> None:
    with pytest.raises(Forbidden, match="cannot go from new to sql"):
        services.move_lead(lead, StageKey.SQL, by=rep)
    services.move_lead(lead, StageKey.ACCEPTED, by=rep)
    with pytest.raises(Forbidden, match="criterion"):
        services.move_lead(lead, StageKey.SQL, by=rep, gates_met=False)
    services.move_lead(lead, StageKey.SQL, by=rep)
    with pytest.raises(Forbidden, match="reason"):
        services.move_lead(lead, StageKey.ACCEPTED, by=rep)
    services.move_lead(lead, StageKey.ACCEPTED, by=rep, reason="wrong person")
    with pytest.raises(Forbidden, match="outcome"):
        services.move_lead(lead, StageKey.WON, by=rep)


def test_an_outcome_closes_the_round_and_reopening_begins_another(lead: Lead, rep: User) -> None:
    outcome = services.record_outcome(lead, "won", by=rep, value_minor=100)
    assert (outcome.round, outcome.value_minor) == (1, 100)
    lead.refresh_from_db()
    assert lead.stage == StageKey.WON
    with pytest.raises(Forbidden, match="closed already"):
        services.record_outcome(lead, "lost", by=rep, reason="x")
    reopened = services.move_lead(lead, StageKey.OPPORTUNITY, by=rep)
    assert reopened.round == 2
    services.record_outcome(lead, "lost", by=rep, reason="no budget")
    assert Outcome.objects.filter(lead=lead).count() == 2


@pytest.mark.parametrize(
    ("result", "reason", "field"), [("maybe", "x", "result"), ("lost", " ", "reason")]
)
def test_an_outcome_needs_a_result_and_a_reason(
    lead: Lead, rep: User, result: str, reason: str, field: str
) -> None:
    with pytest.raises(Invalid) as error:
        services.record_outcome(lead, result, by=rep, reason=reason)
    assert error.value.problems[0].field == field


def test_notes_have_words_and_a_limit(lead: Lead, rep: User) -> None:
    assert services.add_note(lead, " liked\u202e the API ", by=rep).data["text"] == "liked the API"
    for text in ("  ", "x" * 20_001):
        with pytest.raises(Invalid):
            services.add_note(lead, text, by=rep)


def test_an_activity_with_a_known_key_is_recorded_once(lead: Lead, rep: User) -> None:
    first = services.record_activity(lead, Kind.PAGE_VIEWED, by=rep, dedupe_key="hit-1")
    again = services.record_activity(lead, Kind.PAGE_VIEWED, by=rep, dedupe_key="hit-1")
    assert first.pk == again.pk
    other = make_lead(owner=rep)
    with pytest.raises(Conflict):
        services.record_activity(other, Kind.PAGE_VIEWED, by=rep, dedupe_key="hit-1")
