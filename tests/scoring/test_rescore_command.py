"""manage.py rescore."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from leads.models import Lead
from scoring.models import Standing
from tests.factories import make_lead

pytestmark = pytest.mark.django_db


def run(*args: str) -> dict[str, object]:
    out = StringIO()
    call_command("rescore", *args, "--json", stdout=out)
    report: dict[str, object] = json.loads(out.getvalue())
    return report


def test_all_open_leads_are_rescored_and_only_changes_are_written(rep: User) -> None:
    leads = [make_lead(owner=rep) for _ in range(3)]
    make_lead(owner=rep, stage="won")
    Standing.objects.filter(pk=leads[0].pk).update(score=99)
    report = run("--all")
    assert (report["state"], report["leads"], report["changed"]) == ("succeeded", 3, 1)
    assert run("--all")["changed"] == 0


def test_named_leads_are_rescored(lead: Lead) -> None:
    Standing.objects.filter(pk=lead.pk).update(score=99)
    assert run("--leads", str(lead.pk))["changed"] == 1


def test_a_lead_that_does_not_exist_is_named(lead: Lead) -> None:
    with pytest.raises(CommandError, match=str(lead.pk + 1)):
        run("--leads", str(lead.pk + 1))


def test_either_all_or_some() -> None:
    with pytest.raises(CommandError, match="required"):
        run()
