"""Takes an import back: its new leads go, its changes to others are reversed; what somebody has
worked on since stays.

The import's own lines on the timelines say what it did, so nothing else has to be kept. A chunk is
one transaction, and finding nothing left to take back is a good end: it may run twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection

from intake.models import Import
from leads.activities import Kind
from leads.consent import ConsentSource
from leads.models import Activity, Company, Consent, Identity, Lead, Outcome
from leads.services import take_back_consents
from scoring.models import Evidence, Snapshot
from scoring.rescoring import lock, rescore
from scoring.services import withdraw_evidence

LEADS_AT_ONCE = 1_000
MOST_NAMED = 100  # leads that stay, listed in the report
_BY_ITSELF = (
    Kind.TIER_CHANGED,
    Kind.STAGE_MOVED,
)  # the product's own lines, when nobody's name is on them
_FACTS = frozenset(
    "first_name last_name email phone title country time_zone email_kind seniority age"
    " value_minor currency company".split()
)
_EVIDENCE, _CONSENT = "evidence.", "consent."
_signs: list[str] = []


def counts_as_work(sql: str) -> None:
    """Register a sign that somebody works on a lead: SQL that selects ids of such leads among the
    parameter `%(leads)s`. Apps above name what leaves no line on the timeline.
    """
    _signs.append(sql)


def touched_leads(imported: Import) -> Iterator[list[int]]:
    """Yield the leads that the import made or changed, in batches in the order of their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT lead_id FROM leads_activity WHERE kind IN (%s, %s) "
            "AND data->>'import' = %s ORDER BY lead_id",
            [Kind.IMPORTED, Kind.CHANGED, str(imported.pk)],
        )
        while rows := cursor.fetchmany(LEADS_AT_ONCE):
            yield [lead_id for (lead_id,) in rows]


def take_back(imported: Import, lead_ids: Sequence[int]) -> dict[str, Any]:
    """Undo the import for some leads, and rescore those that stay; return counts.

    `removed` leads were made by it and nobody has worked on them since; `kept` ones somebody has
    (the ids in `stay`). `restored` leads have their earlier values back, except those that have
    changed again since.
    """
    held = lock(lead_ids).lead_ids
    lines = _lines(imported, held)
    made = {line.lead_id for line in lines if line.kind == Kind.IMPORTED}
    stay = made & _worked_on(imported, held)
    gone = made - stay
    came_along = set(
        Lead.objects.filter(pk__in=held, company__created_at__gte=imported.created_at).values_list(
            "company_id", flat=True
        )
    )
    take_back_consents(_consents(gone))
    Lead.objects.filter(pk__in=gone).delete()
    restored = _restore(imported, [line for line in lines if line.lead_id not in made])
    Company.objects.filter(pk__in=came_along, leads=None).delete()
    rescore(restored)
    return {
        "done": len(lead_ids),
        "removed": len(gone),
        "restored": len(restored),
        "kept": len(stay),
        "stay": sorted(stay)[:MOST_NAMED],
    }


def _consents(lead_ids: Iterable[int]) -> list[Consent]:
    """Return what imports wrote of leads' words; nobody but this one has, of its new leads."""
    return list(
        Consent.objects.filter(lead__in=list(lead_ids), source=ConsentSource.IMPORT).select_related(
            "lead"
        )
    )


def _lines(imported: Import, lead_ids: Sequence[int]) -> list[Activity]:
    return list(
        Activity.objects.filter(
            lead_id__in=lead_ids,
            kind__in=(Kind.IMPORTED, Kind.CHANGED),
            data__import=imported.pk,
        ).order_by("lead_id", "-id")
    )


def _worked_on(imported: Import, lead_ids: Sequence[int]) -> set[int]:
    """Return the leads that anybody or anything but this import has added something to."""
    own = """
        SELECT lead_id FROM leads_activity
        WHERE lead_id = ANY(%(leads)s) AND (data->>'import') IS DISTINCT FROM %(import)s
          AND NOT (actor_id IS NULL AND kind = ANY(%(itself)s))
    """
    found: set[int] = set()
    values: dict[str, Any] = {
        "leads": list(lead_ids),
        "import": str(imported.pk),
        "itself": [kind.value for kind in _BY_ITSELF],
    }
    with connection.cursor() as cursor:
        for sql in (own, *_signs):
            cursor.execute(sql, values)
            found.update(lead_id for (lead_id,) in cursor.fetchall())
    return found


# --- changed leads ------------------------------------------------------------------------------
def _restore(imported: Import, lines: Sequence[Activity]) -> list[int]:
    """Give leads back what the import changed, and say so on their timelines; return their ids."""
    leads = Lead.objects.select_for_update(no_key=True, of=("self",)).in_bulk(
        sorted({line.lead_id for line in lines})
    )
    restored: list[int] = []
    notes: list[Activity] = []
    for line in lines:  # the import's last line of a lead first
        lead = leads[line.lead_id]
        changes = line.data.get("changes", {})
        back = {
            **_restore_facts(lead, changes),
            **_restore_identities(lead, changes),
            **_reopen(lead, changes),
            **_withdraw_answers(line, changes),
            **_withdraw_consents(line, changes),
        }
        if not back:
            continue
        lead.version += 1
        lead.save()
        restored.append(lead.pk)
        notes.append(
            Activity(
                lead=lead,
                kind=Kind.CHANGED,
                actor=imported.undone_by,
                data={"import_undone": imported.pk, "changes": back},
            )
        )
    Activity.objects.bulk_create(notes)
    return restored


def _restore_facts(lead: Lead, changes: dict[str, Any]) -> dict[str, Any]:
    """Set those facts back that are still as the import left them; return what changed."""
    back: dict[str, Any] = {}
    for name, (old, new) in _pairs(changes):
        if name == "custom":
            back |= _restore_custom(lead, old or {}, new or {})
        elif name in _FACTS:
            column = "company_id" if name == "company" else name
            if getattr(lead, column) != new or (name == "email" and _is_taken(lead, old)):
                continue
            setattr(lead, column, old)
            back[name] = [new, old]
    return back


def _restore_custom(lead: Lead, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = {}
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) == new.get(key) or lead.custom.get(key) != new.get(key):
            continue
        if key in old:
            lead.custom[key] = old[key]
        else:
            lead.custom.pop(key, None)
        back[key] = [new.get(key), old.get(key)]
    return back


def _is_taken(lead: Lead, email: str | None) -> bool:
    known = Identity.objects.filter(kind="email", normal=email or "").exclude(lead=lead)
    return bool(email) and known.exists()


def _restore_identities(lead: Lead, changes: dict[str, Any]) -> dict[str, Any]:
    """Forget the ids of other systems that came with the import; let e-mail and phone follow."""
    back: dict[str, Any] = {}
    for name, (_, new) in _pairs(changes):
        if name.startswith("external:"):
            if Identity.objects.filter(lead=lead, kind=name, normal=new).delete()[0]:
                back[name] = [new, None]
        elif name in ("email", "phone") and getattr(lead, name) != new:
            Identity.objects.filter(lead=lead, kind=name, normal=new).delete()
            if own := getattr(lead, name):
                Identity.objects.get_or_create(lead=lead, kind=name, normal=own)
    return back


def _reopen(lead: Lead, changes: dict[str, Any]) -> dict[str, Any]:
    """Take back an outcome that the file brought, with the facts that were kept for it."""
    old, new = changes.get("stage") or (None, None)
    ended = Outcome.objects.filter(lead=lead, round=lead.round, result=new, imported=True)
    if old is None or lead.stage != new or not ended.delete()[0]:
        return {}
    Snapshot.objects.filter(
        lead=lead, reason=Snapshot.Reason.OUTCOME, cause=str(lead.round)
    ).delete()
    lead.stage = old
    return {"stage": [new, old]}


def _withdraw_answers(line: Activity, changes: dict[str, Any]) -> dict[str, Any]:
    """Remove the answers that the import added, which bear the moment of its line."""
    given = {
        name.removeprefix(_EVIDENCE): pair
        for name, pair in _pairs(changes)
        if name.startswith(_EVIDENCE)
    }
    added = Evidence.objects.filter(
        lead_id=line.lead_id,
        dimension__in=given,
        source=Evidence.Source.IMPORT,
        recorded_at=line.recorded_at,
    )
    removed = withdraw_evidence([answer.pk for answer in added]) if given else []
    return {f"{_EVIDENCE}{name}": given[name][::-1] for name in sorted(removed)}


def _withdraw_consents(line: Activity, changes: dict[str, Any]) -> dict[str, Any]:
    """Remove the words that the import added, which bear the moment of its line."""
    said = {name: pair for name, pair in _pairs(changes) if name.startswith(_CONSENT)}
    added = _consents([line.lead_id]) if said else []
    mine = [
        word
        for word in added
        if word.recorded_at == line.recorded_at and f"{_CONSENT}{word.channel}" in said
    ]
    take_back_consents(mine)
    return {f"{_CONSENT}{w.channel}": said[f"{_CONSENT}{w.channel}"][::-1] for w in mine}


def _pairs(changes: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    return ((name, pair) for name, pair in changes.items() if len(pair) == 2)
