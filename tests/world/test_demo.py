import datetime as dt
import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet

from accounts.models import Team, User
from accounts.roles import Role
from calls.models import Call
from core import clock
from core.invariants import breaks
from core.models import Job
from core.versioning import version_with
from followups import control
from followups.models import ControlMember, ControlSetting, Followup, Run
from followups.selectors import overlapping
from leads.models import Company, Lead, Outcome, Source, Suppression
from pipeline.measures import control_outcomes
from pipeline.models import CriteriaReport
from scoring.live import live_config
from scoring.models import ModelVersion, Proposal, Standing
from scoring.policies import can_approve
from scoring.rescoring import rescore
from tests import factories
from tests.world.conftest import NOW
from world.demo import dress
from world.demo_calls import make_calls
from world.tasks import JOB, start_building

pytestmark = pytest.mark.django_db
LEADS = 300


def setup(*arguments: str) -> str:
    out = StringIO()
    call_command("setup", f"--leads={LEADS}", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def demo(config: None, data_folder: Path) -> str:
    """A demo that was just made; what set-up printed."""
    with clock.at(NOW.replace(hour=10)):  # a Friday
        return setup()


def test_a_first_start_prints_a_log_in_that_works_for_each_role(demo: str):
    lines = [line.split() for line in demo.splitlines()[1:]]
    assert [role for role, *_ in lines] == list(Role)
    for role, email, password in lines:
        user = User.objects.get(email=email)
        assert user.role == role
        assert user.check_password(password)


def test_the_log_ins_are_kept_where_only_their_owner_reads_them(demo: str, data_folder: Path):
    kept = data_folder / "demo-logins.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {entry["role"] for entry in json.loads(kept.read_text())} == set(Role)


def test_a_second_start_prints_the_same_and_adds_nothing(demo: str):
    leads = Lead.objects.count()
    assert setup() == demo
    assert Lead.objects.count() == leads == LEADS


def test_a_password_that_was_changed_is_not_shown_any_more(demo: str):
    user = User.objects.get(email="anna@demo.leadqual.test")
    user.set_password("my own secret")
    user.save()
    line = next(line for line in setup().splitlines() if "anna@" in line)
    assert line.endswith("(changed)")
    user.refresh_from_db()
    assert user.check_password("my own secret")


def test_lost_log_ins_are_made_anew(demo: str, data_folder: Path):
    (data_folder / "demo-logins.json").write_text("{broken")
    again = setup()
    assert again != demo
    _, email, password = again.splitlines()[1].split()
    assert User.objects.get(email=email).check_password(password)


def test_log_ins_of_a_database_that_is_gone_are_made_anew(demo: str):
    for user in User.objects.all():
        user.set_unusable_password()  # as the people of a new database have it
        user.save()
    again = setup()
    assert again != demo
    _, email, password = again.splitlines()[1].split()
    assert User.objects.get(email=email).check_password(password)
    assert setup() == again


def test_every_rep_has_calls_whose_answers_moved_scores(demo: str):
    for rep in User.objects.filter(role=Role.REP, is_demo=True):
        calls = Call.objects.filter(rep=rep, state=Call.State.FINISHED, followup__isnull=False)
        assert [str(call.outcome_id) for call in calls.order_by("pk")] == ["send_info", "callback"]
        for call in calls:
            assert call.followup is not None
            assert 1 <= (call.minutes or 0) < 30
            answers = list(call.answers.all())
            assert any(answer.delta for answer in answers)
            assert [a.at for a in answers] == sorted(a.at for a in answers)
            narrowed = [a.high - a.low for a in answers]
            assert narrowed[-1] < call.start_high - call.start_low


def test_every_rep_has_late_steps_something_for_today_and_a_running_clock(demo: str):
    now = NOW.replace(hour=10)
    for rep in User.objects.filter(role=Role.REP, is_demo=True):
        mine = Followup.objects.filter(assignee=rep)
        assert mine.filter(state="scheduled", due_at__lt=NOW).exists()
        assert mine.filter(state="scheduled", due_at__date=now.date(), due_at__gt=now).exists()
        assert mine.filter(state="done", ended_at__lt=NOW).count() > 20
        assert Standing.objects.filter(owner=rep, sla_due_at__gt=now).exists()
    assert set(Standing.objects.filter(is_open=True).values_list("tier", flat=True)) >= {
        "hot",
        "warm",
        "cold",
    }


@pytest.mark.parametrize(("hour", "minute"), [(7, 45), (13, 45)])
def test_no_rep_is_booked_twice_at_once_whenever_the_demo_is_made(
    demo: str, hour: int, minute: int
):
    """A call back is agreed for a day after the call, another call for a working morning."""
    reps = list(User.objects.filter(role=Role.REP, is_demo=True).order_by("pk"))
    monday = NOW + dt.timedelta(days=3, hours=hour, minutes=minute)
    with clock.at(monday):
        make_calls(reps)
        dress(reps)
        for rep in reps:
            booked = Followup.objects.filter(assignee=rep, agreed=True, due_at__gt=monday)
            for call in booked:
                assert overlapping(rep.pk, call.due_at, call.minutes or 0) == [call]


def test_a_draft_waits_for_the_model_owner(demo: str):
    proposal = Proposal.objects.get()
    assert (proposal.state, proposal.origin) == ("open", "hand")
    assert proposal.evidence["flow"]["moved"] > 0
    assert can_approve(User.objects.get(role=Role.MODEL_OWNER), proposal)
    assert proposal.author is not None
    assert not can_approve(proposal.author, proposal)


def test_the_control_group_has_closed_leads_on_both_sides(demo: str):
    setting = ControlSetting.objects.get()
    assert (setting.set_by and setting.set_by.role) == Role.MODEL_OWNER
    members = ControlMember.objects.filter(lead__in=Outcome.objects.values("lead"))
    assert not members.filter(left_at=None).exists()
    assert all(control.chosen(pk, setting.seed, setting.share) for pk in _ids(members))
    runs = dict(Run.objects.filter(lead__in=_ids(members)).values_list("lead", "play_version__key"))
    assert set(runs) == set(_ids(members))
    assert {key.partition("_")[0] for key in runs.values()} == {"warm"}
    won, closed, usual_won, usual, inside = map(
        sum, zip(*(control_outcomes(live.key) for live in live_config().everything), strict=True)
    )
    assert closed == len(members) > 0
    assert usual > closed > won
    assert usual > usual_won > 0
    # Of those who are open, the chosen ones joined as for everybody.
    assert inside == ControlMember.objects.filter(left_at=None).count() > 0


def _ids(members: QuerySet[ControlMember]) -> list[int]:
    return list(members.values_list("pk", flat=True))


def test_the_demo_is_scored_planned_and_breaks_no_invariant(demo: str):
    assert not Standing.objects.filter(state="unscored").exists()
    assert not Standing.objects.exclude(unplanned_at=None).exists()
    assert list(breaks()) == []


def test_a_start_after_a_kill_makes_the_rest(config: None, data_folder: Path):
    with clock.at(NOW.replace(hour=10)):
        start_building(LEADS, seed=20, is_demo=True)  # and no more: the process is gone
        assert Lead.objects.count() == 0
        setup()
    assert Lead.objects.count() == LEADS
    assert Job.objects.filter(kind=JOB).count() == 1
    assert Standing.objects.exclude(sla_due_at=None).exists()


def test_without_demo_there_is_configuration_and_a_hint(data_folder: Path):
    out = setup("--no-demo")
    assert "createsuperuser" in out
    assert not User.objects.exists()
    assert ModelVersion.objects.filter(state="live").exists()


def test_where_people_work_no_demo_is_made(rep: User, data_folder: Path):
    assert setup() == ""
    assert not Lead.objects.filter(is_demo=True).exists()


def test_a_demo_of_no_leads_is_refused_with_one_line(config: None, data_folder: Path):
    with pytest.raises(CommandError, match="--leads: must be between"):
        call_command("setup", "--leads=0", stdout=StringIO(), stderr=StringIO())
    assert not User.objects.exists()


def remove() -> dict[str, int]:
    out = StringIO()
    call_command("remove_demo", "--json", stdout=out)
    counts: dict[str, int] = json.loads(out.getvalue())
    return counts


def make_proposal(state: str) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    pins = {"icp": live.icp, "framework": live.framework}
    content = {**live.definition, "name": state}
    version, _ = version_with(ModelVersion, "b2b", content, by=None, pins=pins)
    Proposal.objects.create(
        key="b2b",
        origin="learned",
        version=version,
        live=live,
        verdict="propose",
        state=state,
        evidence={"demo": True},
        fingerprint=state,
    )


def make_report(key: str) -> None:
    version = ModelVersion.objects.get(key=key, state="live")
    newest = Outcome.objects.latest("pk")
    CriteriaReport.objects.create(key=key, model_version=version, outcome_id=newest.pk, data={})


def test_the_demo_goes_in_one_go_and_does_not_come_back(demo: str, data_folder: Path):
    for state in ("open", "noted", "approved"):
        make_proposal(state)
    make_report("b2b")
    assert Suppression.objects.exists()
    counts = remove()
    # What was learned from it goes with it, but not what a person put live.
    assert (counts["proposal"], counts["modelversion"], counts["criteriareport"]) == (3, 3, 1)
    assert Proposal.objects.get().state == "approved"
    assert counts["lead"] == LEADS
    assert counts["user"] == 8
    gone = (Lead, User, Team, Source, Company, Standing, Followup, Suppression, ControlSetting)
    for model in gone:
        assert not model.objects.exists(), model
    assert not (data_folder / "demo-logins.json").exists()
    assert "createsuperuser" in setup()
    assert not Lead.objects.exists()
    assert list(breaks()) == []


def test_real_leads_stay_and_lose_only_their_demo_owner(demo: str):
    anna = User.objects.get(email="anna@demo.leadqual.test")
    company = Company.objects.filter(is_demo=True, leads__isnull=False).first()
    source = Source.objects.get(name="Website")
    real = factories.make_lead(owner=anna, company=company, first_source=source)
    ControlMember.objects.create(lead=real, setting=ControlSetting.objects.get())
    counts = remove()
    assert counts["unowned"] == 1
    assert counts["kept"] == 3  # the company, the source and the team that the lead is in
    real.refresh_from_db()
    assert real.owner is None
    assert real.company == company
    assert real.team == anna.team
    assert real.standing.owner_id is None
    assert Lead.objects.get() == real
    assert not Company.objects.filter(is_demo=True).exists()
    rescore([real.pk])
    assert list(breaks()) == []
    # It had joined the control group: that is off now, unless somebody real says otherwise.
    present = control.present_setting()
    assert present is not None
    assert (present.share, ControlSetting.objects.count()) == (0, 2)


def test_real_people_stay_in_their_demo_team(demo: str):
    team = Team.objects.get(name="Team North")
    person = factories.make_user(team=team)
    remove()
    person.refresh_from_db()
    team.refresh_from_db()
    assert person.team == team
    assert not team.is_demo


def test_nothing_is_removed_where_nothing_is_demo(lead: Lead):
    with pytest.raises(CommandError, match="no demo"):
        call_command("remove_demo")
    assert Lead.objects.filter(pk=lead.pk).exists()
