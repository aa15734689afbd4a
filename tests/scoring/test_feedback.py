"""Feedback on lines: one open verdict each, counted with a cap, answered when points move."""

import copy

import pytest

from accounts.models import Team, User
from core.errors import Forbidden, Invalid, NotFound
from leads.models import Lead
from scoring import feedback
from scoring.feedback import answer_by_versions, feedback_by_signal, give_feedback
from scoring.models import Feedback, ModelVersion, Proposal
from scoring.publishing import publish_model
from tests import factories

pytestmark = pytest.mark.django_db


def _live() -> ModelVersion:
    return ModelVersion.objects.get(key="b2b", state=ModelVersion.State.LIVE)


def _publish(**points: float | None) -> ModelVersion:
    """Publish the live model with other points; None takes a signal out."""
    live = _live()
    definition = copy.deepcopy(live.definition)
    for signal in definition["signals"]:
        signal["points"] = points.get(signal["key"], signal["points"])
    definition["signals"] = [s for s in definition["signals"] if s["points"] is not None]
    draft = ModelVersion.objects.create(
        key=live.key,
        number=live.number + 1,
        definition=definition,
        icp=live.icp,
        framework=live.framework,
    )
    publish_model(draft, by=None)
    return draft


def test_one_verdict_is_open_for_each_person_lead_and_signal(lead: Lead, rep: User) -> None:
    first = give_feedback(lead, "company_size", "too_high", by=rep, reason=" Big ones never buy. ")
    assert (first.label, first.points, first.line_points) == ("Company size", 10, 3.6)
    assert first.reason == "Big ones never buy."
    again = give_feedback(lead, "company_size", "right", by=rep)
    assert again.pk == first.pk
    give_feedback(lead, "budget", "too_low", by=rep)
    assert set(feedback.open_feedback(lead.pk, rep)) == {"company_size", "budget"}
    feedback.withdraw_feedback(lead, "company_size", by=rep)
    assert set(feedback.open_feedback(lead.pk, rep)) == {"budget"}


def test_what_is_wrong_with_a_verdict_is_named(lead: Lead, rep: User) -> None:
    for signal, verdict, reason, field in (
        ("nonsense", "right", "", "signal"),
        ("budget", "maybe", "", "verdict"),
        ("budget", "wrong_data", " ", "reason"),
        ("budget", "right", "x" * 501, "reason"),
    ):
        with pytest.raises(Invalid) as error:
            give_feedback(lead, signal, verdict, by=rep, reason=reason)
        assert [problem.field for problem in error.value.problems] == [field]
    assert not Feedback.objects.exists()


def test_only_who_may_change_the_lead_judges_its_points(
    lead: Lead, model_owner: User, stranger: User
) -> None:
    for user in (model_owner, stranger):
        with pytest.raises(Forbidden):
            give_feedback(lead, "budget", "right", by=user)


def test_one_loud_person_counts_three_times_at_most(rep: User, team: Team) -> None:
    mate = factories.make_user(team=team)
    for number in range(8):
        verdict = "right" if number < 2 else "too_high"
        give_feedback(factories.make_lead(owner=rep), "company_size", verdict, by=rep)
    for _ in range(2):
        give_feedback(factories.make_lead(owner=mate), "company_size", "too_low", by=mate)
    found = feedback_by_signal(_live())["company_size"]
    # Of the loud one 3 in all, 2 of 8 for "right"; of the other both.
    assert (found.right, found.too_high, found.too_low) == (0.75, 2.25, 2.0)
    assert (found.verdicts, found.reps) == (10, 2)
    assert found.asks == -0.25


def test_a_version_that_moves_the_points_as_asked_answers_those_who_asked(
    lead: Lead, rep: User, stranger: User
) -> None:
    lowered = give_feedback(lead, "company_size", "too_high", by=rep)
    against = give_feedback(lead, "industry", "too_high", by=rep)
    gone = give_feedback(lead, "region", "too_high", by=rep)
    fine = give_feedback(lead, "budget", "right", by=rep)
    assert answer_by_versions() == 0
    version = _publish(company_size=3, industry=12, region=None, budget=4)
    assert answer_by_versions() == 4
    assert answer_by_versions() == 0
    told = {f.signal: feedback.told(f) for f in feedback.unread_answers(rep, lead.pk)}
    number = version.number
    said = "You said the points for {} are too high; v{} {}."
    assert told == {
        "company_size": said.format("Company size", number, "lowered them 10 → 3"),
        "region": said.format("Region", number, "gives none any more"),
    }
    assert set(feedback.open_feedback(lead.pk, rep)) == {against.signal, fine.signal}
    # Against what was asked first, then as asked: the second version answers.
    _publish(industry=5)
    assert answer_by_versions() == 2
    against.refresh_from_db()
    assert (against.new_points, against.answered_version) == (5, _live())
    with pytest.raises(NotFound):
        feedback.mark_seen(lowered.pk, by=stranger)
    for answered in (lowered, gone, against):
        feedback.mark_seen(answered.pk, by=rep)
    assert not feedback.unread_answers(rep)


def test_a_version_whose_points_are_worth_something_else_is_held_against_what_they_were_worth(
    lead: Lead, rep: User
) -> None:
    for signal, verdict in (
        ("company_size", "too_low"),
        ("industry", "too_low"),
        ("region", "too_high"),
    ):
        give_feedback(lead, signal, verdict, by=rep)
    before = _live()
    after = _publish(company_size=15, industry=15, region=6)
    lines = [
        {"key": "company_size", "old": 10.0, "old_scaled": 15.0},  # more points, worth the same
        {"key": "industry", "old": 8.0, "old_scaled": 12.0},
        {"key": "region", "old": 5.0, "old_scaled": 7.5},  # more points, worth less
    ]
    Proposal.objects.create(
        key="b2b",
        origin="learned",
        live=before,
        version=after,
        verdict="propose",
        state="approved",
        evidence={"lines": lines},
        fingerprint="x",
    )
    answer_by_versions()
    assert set(feedback.open_feedback(lead.pk, rep)) == {"company_size"}
    told = {f.signal: feedback.told(f) for f in feedback.unread_answers(rep)}
    assert f"v{after.number} raised them 12 → 15 (8 before" in told["industry"]
    assert f"v{after.number} lowered them 7.5 → 6 (5 before" in told["region"]
    # From then on it is held against what it was worth there.
    _publish(company_size=15.5)
    answer_by_versions()
    assert not feedback.open_feedback(lead.pk, rep)
    told = {f.signal: feedback.told(f) for f in feedback.unread_answers(rep)}
    assert "15 → 15.5 (10 before" in told["company_size"]


def test_a_model_owner_answers_in_words_once(lead: Lead, rep: User, model_owner: User) -> None:
    given = give_feedback(lead, "budget", "too_low", by=rep)
    with pytest.raises(Forbidden):
        feedback.answer_feedback(given.pk, "No.", by=rep)
    feedback.answer_feedback(given.pk, "Not before the spring.", by=model_owner)
    (answer,) = feedback.unread_answers(rep)
    assert feedback.told(answer) == "Model on your feedback about Budget: Not before the spring."
    with pytest.raises(Invalid):
        feedback.answer_feedback(given.pk, "Again.", by=model_owner)
    assert feedback_by_signal(_live()) == {}
