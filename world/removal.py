"""Takes the made-up world out again and keeps everything real."""

from collections import Counter
from collections.abc import Iterator

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import Team, User
from core import jobs
from core.errors import Conflict
from core.models import Job
from core.versions import Version
from followups.control import present_setting
from followups.models import ControlMember, ControlSetting
from leads.models import Company, Consent, Lead, Outcome, Source
from leads.services import take_back_consents
from pipeline.models import CriteriaReport
from scoring.models import DriftAlert, ModelVersion, Proposal, Standing
from world.log_ins import forget_log_ins
from world.tasks import JOB

BATCH = 5_000  # leads a transaction
_MARKED: tuple[type[models.Model], ...] = (Lead, Company, User, Team, Source)


def remove_demo() -> dict[str, int]:
    """Delete all demo rows; return how many of each kind. Raises Conflict when there are none.

    What was learned from demo outcomes or drafted by demo people goes, unless a person approved it.
    Real leads stay: one that a demo person owns becomes `unowned`. A company, source or team that
    real rows still point at stays, too, and is real from then on (`kept`). Done in batches, each of
    them whole: a removal that was killed is begun again.
    """
    if not any(model._default_manager.filter(is_demo=True).exists() for model in _MARKED):
        raise Conflict("There is no demo here: nothing to remove.")
    for job in Job.objects.filter(kind=JOB).exclude(state__in=Job.ENDED):
        jobs.cancel_job(job)
    removed: Counter[str] = Counter()
    while batch := _remove_leads():
        removed.update(batch)
    removed.update(_forget_learned())
    removed.update(_forget_control())
    with transaction.atomic():
        removed["unowned"] = Lead.objects.filter(owner__is_demo=True).update(owner=None)
        removed.update(_named(User.objects.filter(is_demo=True).delete()))
        for model in (Company, Source, Team):
            removed["kept"] += _keep_used(model)
            removed.update(_named(model._default_manager.filter(is_demo=True).delete()))
    forget_log_ins()
    return {name: count for name, count in sorted(removed.items()) if count}


@transaction.atomic
def _remove_leads() -> dict[str, int]:
    """Delete a batch of demo leads with all that belongs to them."""
    ids = list(
        Lead.objects.filter(is_demo=True).order_by("pk").values_list("pk", flat=True)[:BATCH]
    )
    with connection.cursor() as cursor:
        # The standing is the lead's lock: whoever rescores or plans these leads ends first.
        cursor.execute(
            "SELECT 1 FROM scoring_standing WHERE lead_id = ANY(%s) ORDER BY lead_id FOR UPDATE",
            [ids],
        )
    take_back_consents(list(Consent.objects.filter(lead__in=ids).select_related("lead")))
    return _named(Lead.objects.filter(pk__in=ids).delete())


@transaction.atomic
def _forget_learned() -> Counter[str]:
    """Delete proposals of demo people, and those learned from demo outcomes, with their versions
    where nothing was approved, and what the criteria page says of outcomes that are gone.
    """
    removed: Counter[str] = Counter()
    made = Q(origin=Proposal.Origin.LEARNED) | Q(author__is_demo=True)
    of_demo = Proposal.objects.filter(made, evidence__demo=True)
    waiting = of_demo.exclude(state=Proposal.State.APPROVED)
    versions = [pk for pk in waiting.values_list("version", flat=True) if pk is not None]
    removed.update(_named(waiting.delete()))
    unpublished = (Version.State.DRAFT, Version.State.PROPOSED)
    mine = ModelVersion.objects.filter(pk__in=versions, state__in=unpublished, proposals=None)
    removed.update(_named(mine.delete()))
    there = Outcome.objects.filter(pk=OuterRef("outcome_id"))
    stale = CriteriaReport.objects.exclude(Exists(there))
    alerts = DriftAlert.objects.filter(key__in=stale.values("key"), dismissed_at=None)
    removed.update(_named(alerts.delete()))
    removed.update(_named(stale.delete()))
    return removed


@transaction.atomic
def _forget_control() -> dict[str, int]:
    """Delete what demo people set of the control group; where real leads joined by it since, it is
    switched off and stays for them.
    """
    newest = present_setting()
    members = Exists(ControlMember.objects.filter(setting=OuterRef("pk")))
    mine = ControlSetting.objects.filter(set_by__is_demo=True)
    removed = _named(mine.exclude(members).delete())
    if newest is not None and mine.filter(pk=newest.pk).exists():
        ControlSetting.objects.create(share=0, seed=newest.seed)
    return removed


def _named(deleted: tuple[int, dict[str, int]]) -> dict[str, int]:
    """Return Django's counts by the plain names of models."""
    return {label.partition(".")[2].lower(): count for label, count in deleted[1].items()}


def _keep_used(model: type[models.Model]) -> int:
    """Make those demo rows real that something still points at; return how many."""
    kept = 0
    for pointing, field in _references(model):
        used = Exists(pointing._default_manager.filter(**{field: OuterRef("pk")}))
        kept += model._default_manager.filter(used, is_demo=True).update(is_demo=False)
    return kept


def _references(model: type[models.Model]) -> Iterator[tuple[type[models.Model], str]]:
    """Yield the models and fields that point at `model`, those without a reverse name, too."""
    for relation in model._meta.get_fields(include_hidden=True):
        # A standing repeats its lead's team.
        if isinstance(relation, models.ForeignObjectRel) and relation.related_model is not Standing:
            yield relation.related_model, relation.field.name
