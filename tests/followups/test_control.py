"""The control group: chosen by lead and seed alone, worked as warm, let go when it may not be."""

import pytest

from accounts.models import User
from core.errors import Forbidden, Invalid
from core.invariants import breaks
from core.sweeps import run_sweep
from followups import planning
from followups.control import MOST_SHARE, chosen, set_control
from followups.models import ControlMember, Followup
from leads.models import Activity, Lead
from leads.services import ConsentInput, record_consent
from scoring.models import Standing
from tests.followups.conftest import place, runs_of, standing

pytestmark = pytest.mark.django_db


def plan() -> int:
    return run_sweep(planning.SWEEP)


def sound() -> bool:
    return not [name for name, _ in breaks() if name.startswith("followups.")]


def _tier_of(lead) -> str:  # the tier of the lead's last play
    return runs_of(lead)[-1].play_version.definition["tier"]


def test_a_seed_chooses_its_share_of_leads_and_always_the_same() -> None:
    picked = [chosen(lead_id, 7, 0.05) for lead_id in range(40_000)]
    assert 0.046 < sum(picked) / len(picked) < 0.054
    assert picked == [chosen(lead_id, 7, 0.05) for lead_id in range(40_000)]
    # A larger share holds the smaller one; another seed is another choice.
    assert all(chosen(i, 7, 0.2) for i in range(2_000) if chosen(i, 7, 0.05))
    assert picked[:2_000] != [chosen(i, 8, 0.05) for i in range(2_000)]


def test_chosen_cold_leads_are_worked_as_warm_and_stay_cold(put, model_owner: User) -> None:
    before = put("cold")
    plan()
    set_control(MOST_SHARE, 3, by=model_owner)
    cold = [put("cold")]
    while len({chosen(lead.pk, 3, MOST_SHARE) for lead in cold}) < 2:
        cold.append(put("cold"))
    leads = [*cold, put("warm")]
    plan()
    members = set(ControlMember.objects.values_list("lead_id", flat=True))
    assert members == {lead.pk for lead in cold if chosen(lead.pk, 3, MOST_SHARE)}
    for lead in cold:
        assert standing(lead).tier == "cold"
        assert _tier_of(lead) == ("warm" if lead.pk in members else "cold")
    assert Activity.objects.filter(kind="control_joined").count() == len(members)
    assert before.pk not in members  # a running play is never taken from a lead
    assert sound()
    planning.plan([lead.pk for lead in leads])
    assert ControlMember.objects.count() == len(members)
    assert sound()


def test_members_leave_when_they_may_not_be_worked_as_warm_any_more(
    put, rep: User, model_owner: User
) -> None:
    set_control(MOST_SHARE, 1, by=model_owner)
    leads: list[Lead] = []
    while len(leads) < 3:
        lead = put("cold")
        if chosen(lead.pk, 1, MOST_SHARE):
            leads.append(lead)
    plan()
    risen, barred, struck = leads
    assert ControlMember.objects.filter(left_at=None).count() == 3
    place(risen, "warm")
    record_consent(barred, ConsentInput("call", "withdrawn"), by=rep)
    place(struck, "", state="disqualified")
    planning.plan([lead.pk for lead in leads])
    left = dict(ControlMember.objects.values_list("lead_id", "left_reason"))
    assert left == {risen.pk: "tier", barred.pk: "barred", struck.pk: "disqualified"}
    # The warm play of the one that rose goes on; the barred one is worked as cold.
    assert [run.ended_at is None for run in runs_of(risen)] == [True]
    assert _tier_of(barred) == "cold"
    assert not Followup.objects.filter(lead=struck, state="scheduled").exists()
    assert sound()
    # Cold again, it stays out.
    place(risen, "cold")
    planning.plan([risen.pk])
    assert _tier_of(risen) == "cold"


def test_off_takes_in_nobody_and_only_model_owners_set_it(
    put, rep: User, model_owner: User
) -> None:
    with pytest.raises(Forbidden):
        set_control(0.1, 1, by=rep)
    for share, seed in ((0.5, 1), (-0.1, 1), (0.1, -1)):
        with pytest.raises(Invalid):
            set_control(share, seed, by=model_owner)
    set_control(MOST_SHARE, 1, by=model_owner)
    set_control(0, 1, by=model_owner)
    for _ in range(10):
        put("cold")
    plan()
    assert not ControlMember.objects.exists()
    assert Standing.objects.filter(tier="cold").count() == 10
