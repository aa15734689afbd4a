"""A change of tier asks for planning, whichever path found it."""

import pytest
from django.conf import settings
from redis import Redis

from accounts.models import User
from leads.models import Lead
from scoring.tasks import rescore_stale
from tests.factories import make_lead

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_sweep_that_scores_a_lead_nudges_the_planning(config: None, rep: User) -> None:
    broker = Redis.from_url(settings.REDIS_URL)
    lead = make_lead(owner=rep)
    Lead.objects.filter(pk=lead.pk).update(title="CEO")
    broker.delete("lq:nudge:followups.plan")
    rescore_stale()
    assert not broker.exists("lq:nudge:followups.plan")  # the same tier: nothing to plan
    make_lead(owner=rep, scored=False)
    rescore_stale()
    assert broker.exists("lq:nudge:followups.plan")
