"""The editor of scripts: drafts, what cannot be, versions, preview, and a change of framework."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core.errors import Conflict
from leads.models import Lead
from scoring import script_drafts, switching
from scoring.beginnings import all_beginnings
from scoring.definitions import parse_framework
from scoring.models import Evidence, FrameworkVersion, ModelVersion, Standing
from scoring.publishing import publish_model
from scoring.rescoring import rescore
from scoring.selectors import next_questions
from tests import factories

LIVE = FrameworkVersion.State.LIVE


@pytest.fixture
def pages(client: Client, model_owner: User) -> Client:
    client.force_login(model_owner)
    return client


@pytest.fixture
def draft(model_owner: User) -> FrameworkVersion:
    """A draft of BANT, which all live models use."""
    live = FrameworkVersion.objects.get(key="bant", state=LIVE)
    return script_drafts.open_draft(live, by=model_owner)


def page(name: str, version: FrameworkVersion) -> str:
    return reverse(f"scoring:{name}", args=[version.pk])


def form_of(pages: Client, address: str) -> dict[str, str]:
    """Return the fields of an editor's page as a browser would send them."""
    form = pages.get(address).context["form"]
    found = {bound.html_name: bound.value() for bound in form}
    return {
        name: "" if value is None else value for name, value in found.items() if value is not False
    }


def question(version: FrameworkVersion, key: str) -> Any:
    version.refresh_from_db()
    return next((q for q in version.definition["questions"] if q["key"] == key), None)


def arrange(
    pages: Client, version: FrameworkVersion, act: str, key: str, part: str = "questions"
) -> Any:
    return pages.post(page("arrange_framework", version), {"part": part, "key": key, "act": act})


def test_a_question_is_written_in_a_draft_and_asked_once_it_is_published(
    pages: Client, draft: FrameworkVersion, model_owner: User, lead: Lead
) -> None:
    edit = page("edit_question", draft)
    # A new one, on condition of an answer; the form is refused beside the field first.
    fields = form_of(pages, f"{edit}?criterion=budget") | {
        "text_b2b": "Which pot does it come from?",
        "answer_0_label": "Named", "answer_0_rating": "100",
        "answer_2_label": "Not named", "answer_2_rating": "33",
        "answer_4_label": "Does not know",
        "if_0_field": "answer.budget_funding", "if_0_op": "eq", "if_0_value": "lots",
        "if_1_field": "employees", "if_1_op": "gte", "if_1_value": "many",
    }  # fmt: skip
    refused = pages.post(edit, fields)
    assert refused.status_code == 422
    errors = refused.context["form"].errors

    assert "number" in errors["if_1_value"][0], errors
    refused = pages.post(edit, fields | {"if_1_field": ""})
    assert refused.context["form"].errors == {
        "if_0_value": ["'lots' is no answer of budget_funding."]
    }
    answer = pages.post(edit, fields | {"if_0_value": "set_aside", "if_1_value": "50"})
    assert answer.status_code == 302
    made = question(draft, "which_pot_does_it_come_from")
    assert made["answers"] == [
        {"key": "named", "label": "Named", "rating": 100},
        {"key": "not_named", "label": "Not named", "rating": 33},
        {"key": "does_not_know", "label": "Does not know", "rating": None},
    ]
    assert made["ask_if"] == {"all": [
        {"field": "answer.budget_funding", "op": "eq", "value": "set_aside"},
        {"field": "employees", "op": "gte", "value": 50},
    ]}  # fmt: skip
    # It stands behind the others about the budget; moved before what it depends on it is refused.
    keys = [q["key"] for q in draft.definition["questions"]]
    assert keys.index(made["key"]) == 3
    for _ in range(2):
        assert arrange(pages, draft, "up", made["key"]).status_code == 302
    refused = arrange(pages, draft, "up", made["key"])
    assert refused.status_code == 422
    assert "not told by any question" in refused.content.decode()
    # Form and definition say the same, both ways.
    filled = f"{edit}?question={made['key']}"
    assert pages.post(edit, form_of(pages, filled) | {"question": made["key"]}).status_code == 302
    assert question(draft, made["key"]) == made
    # So do the bounds by which a date tells its answer; they go with the type.
    dated = form_of(pages, f"{edit}?question=timing_by_when") | {"question": "timing_by_when"}
    assert float(dated["answer_1_bound"]) == 183
    before = question(draft, "timing_by_when")["answers"]
    refused = pages.post(edit, dated | {"answer_1_bound": "0.5"})
    assert refused.context["form"].errors == {"answer_1_bound": ["Must be a whole number."]}
    assert pages.post(edit, dated | {"type": "choice"}).status_code == 302
    assert "within_days" not in str(question(draft, "timing_by_when"))
    draft.refresh_from_db()
    seen = form_of(pages, f"{edit}?question=timing_by_when")["seen"]
    assert pages.post(edit, dated | {"seen": seen, "answer_1_bound": "120"}).status_code == 302
    before[1]["within_days"] = 120
    assert question(draft, "timing_by_when")["answers"] == before
    # Rewording one that was asked, rating an answer anew, archiving; deleting it is refused.
    own = form_of(pages, f"{edit}?question=budget_route") | {"question": "budget_route"}
    own |= {"text_b2b": "How is such a purchase paid for?", "answer_2_rating": "50"}
    assert pages.post(edit, own).status_code == 302
    assert arrange(pages, draft, "remove", "budget_worth").status_code == 422
    assert arrange(pages, draft, "archive", "budget_worth").status_code == 302
    assert arrange(pages, draft, "duplicate", "need_trigger").status_code == 302
    assert question(draft, "need_trigger_2")["text"] == question(draft, "need_trigger")["text"]
    assert arrange(pages, draft, "remove", "need_trigger_2").status_code == 302
    text = pages.get(page("view_framework", draft)).content.decode()
    assert "reworded" in text
    assert "rated 33" in text
    assert "rated 50" in text
    assert "rated 67, within 120 days" in text
    assert "Only if the answer to “Is money set aside" in text
    # Published: live with the models on it, and asked; what was archived keeps its words.
    assert pages.post(page("publish_framework", draft)).status_code == 302
    draft.refresh_from_db()
    assert draft.state == LIVE
    models = ModelVersion.objects.filter(state=LIVE)
    assert {model.framework_id for model in models} == {draft.pk}
    asked = {q.key for q in next_questions(lead).questions}
    assert "budget_worth" not in asked
    assert "budget_funding" in asked
    assert question(draft, "budget_worth")["archived"] is True
    refused = pages.post(
        page("arrange_framework", draft), {"part": "questions", "key": "x", "act": "up"}
    )
    assert refused.status_code == 409


def test_a_draft_that_another_changed_meanwhile_is_not_overwritten(
    pages: Client, draft: FrameworkVersion, model_owner: User
) -> None:
    address = f"{page('edit_criterion', draft)}?criterion=need"
    fields = form_of(pages, address) | {"criterion": "need", "label": "Pain", "expires_days": "30"}
    arrange(pages, draft, "down", "budget", "criteria")
    assert pages.post(page("edit_criterion", draft), fields).status_code == 412
    fields["seen"] = form_of(pages, address)["seen"]
    assert pages.post(page("edit_criterion", draft), fields).status_code == 302
    draft.refresh_from_db()
    assert [c["label"] for c in draft.definition["criteria"]][:3] == ["Authority", "Budget", "Pain"]
    # A criterion that questions ask about, or a model scores, does not go.
    assert arrange(pages, draft, "remove", "need", "criteria").status_code == 422
    assert pages.post(page("discard_framework", draft)).status_code == 302
    assert not FrameworkVersion.objects.filter(pk=draft.pk).exists()


def test_a_version_that_a_model_cannot_follow_is_not_published(
    pages: Client, draft: FrameworkVersion
) -> None:
    by = User.objects.get(role="model_owner")

    def without_timing(definition: dict[str, Any]) -> dict[str, Any]:
        kept = [q for q in definition["questions"] if q["dimension"] != "timing"]
        return definition | {"questions": kept}

    script_drafts.change_draft(draft.pk, without_timing, by=by)
    assert arrange(pages, draft, "remove", "timing", "criteria").status_code == 302
    answer = pages.post(page("publish_framework", draft))
    assert answer.status_code == 422
    assert "b2b.signals" in answer.content.decode()
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_the_preview_branches_and_keeps_nothing(pages: Client) -> None:
    anum = FrameworkVersion.objects.get(key="anum", state=LIVE)
    before = Evidence.objects.count()

    def states(query: str) -> dict[str, str]:
        found = pages.get(f"{page('preview_framework', anum)}?{query}").context["preview"]
        return {line.question.key: line.state for line in found.lines}

    assert states("as=b2b")["authority_access"] == "not_asked"
    assert states("as=b2b&a.authority_role=advises")["authority_access"] == "open"
    assert states("as=b2b&a.authority_role=decides")["authority_access"] == "not_asked"
    shown = pages.get(f"{page('preview_framework', anum)}?as=b2c").content.decode()
    assert "Is this your own decision" in shown
    assert pages.get(f"{page('preview_framework', anum)}?a.nothing=x").status_code == 400
    assert Evidence.objects.count() == before


def test_a_profile_that_changes_its_framework_keeps_answers_and_asks_nothing_twice(
    pages: Client, model_owner: User, rep: User
) -> None:
    lead = factories.make_lead(owner=rep, country="DE", company={"name": "K", "employees": 240})
    for dimension, rating in (("budget", 67), ("need", 100), ("timing", 33)):
        factories.make_evidence(lead, dimension, rating)
    model = Standing.objects.get(pk=lead.pk).model_version
    assert model is not None
    start = {"name": "MEDDIC", "start": "template:meddic"}
    assert pages.post(reverse("scoring:start_framework"), start).status_code == 302
    meddic = FrameworkVersion.objects.get(key="meddic")
    address = f"{page('switch_framework', meddic)}?model={model.key}"
    lines = {line.dimension: line for line in pages.get(address).context["carried"]}
    assert (lines["need"].before, lines["need"].after) == ("Need", "Identify pain")
    assert (lines["need"].known, lines["need"].fate) == (1, "Carries over")
    assert lines["budget"].fate.startswith("Not asked")
    assert lines["champion"].fate.startswith("Unknown")
    # What is scored together stays what it was.
    assert sum(x.points_after for x in lines.values()) == pytest.approx(
        sum(x.points_before for x in lines.values()), abs=0.3
    )
    made = pages.post(page("switch_framework", meddic), {"model": model.key})
    draft = ModelVersion.objects.get(key=model.key, state="draft")
    assert made["Location"] == reverse("scoring:view_version", args=[draft.pk])
    publish_model(draft, by=model_owner)
    rescore([lead.pk])
    assert Standing.objects.get(pk=lead.pk).model_version == draft
    current = Evidence.objects.filter(lead=lead, current=True)
    assert dict(current.values_list("dimension", "rating")) == {
        "budget": 67, "need": 100, "timing": 33,
    }  # fmt: skip
    asking = next_questions(lead)
    assert asking.ratings["need"] == 100
    assert not {"need", "budget", "timing"} & {q.dimension for q in asking.questions}
    assert {"champion", "metrics"} <= {q.dimension for q in asking.questions}
    # Back again: the answers about the budget were never lost.
    bant = FrameworkVersion.objects.get(key="bant", state=LIVE)
    back = switching.switch(draft, bant, by=model_owner)
    publish_model(back, by=model_owner)
    rescore([lead.pk])
    assert next_questions(lead).ratings["budget"] == 67


def test_templates_hold_and_can_be_begun_with(config: None, model_owner: User) -> None:
    found = {k: b for k, b in all_beginnings().items() if k.startswith("template:")}
    assert [b.name for b in found.values()] == ["MEDDIC", "MEDDPICC", "FAINT", "GPCTBA/C&I"]
    for beginning in found.values():
        content = parse_framework(beginning.definition, {})
        assert {q.dimension for q in content.questions} == {c.dimension for c in content.criteria}
        assert all(len(q.choices) == 4 for q in content.questions)


def test_what_is_used_by_a_draft_of_a_model_stays(model_owner: User, config: None) -> None:
    template = all_beginnings()["template:faint"].definition
    draft = script_drafts.start_framework("faint", template, by=model_owner)
    model = ModelVersion.objects.get(key="b2b", state=LIVE)
    switching.switch(model, draft, by=model_owner)
    with pytest.raises(Conflict, match="b2b"):
        script_drafts.discard_draft(draft.pk, by=model_owner)


def test_readers_see_no_button_that_is_not_theirs(client: Client, manager: User) -> None:
    client.force_login(manager)
    bant = FrameworkVersion.objects.get(key="bant", state=LIVE)
    text = client.get(page("view_framework", bant)).content.decode()
    assert not re.search(r"/scoring/scripts/\d+/(draft|publish|arrange|switch)/", text)
    assert client.post(page("open_draft", bant)).status_code == 403
    assert "0</td>" in client.get(reverse("scoring:list_frameworks")).content.decode()
