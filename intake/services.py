"""Writes of intake: read a file, choose its mapping, check it, import it, stop it.

An import is a chain of jobs, so that each step is done by as many processes as there are and none
is lost with one: check → companies → leads. The last chunk of a job starts the next job in its
own transaction (intake.tasks). All of it is rows; whoever goes on finds where it stands.
"""

from collections.abc import Iterable
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import Count, Q

from accounts.models import Team, User, Workspace
from accounts.roles import Role
from core import jobs
from core.clock import now
from core.errors import Conflict, Invalid
from core.models import Job, JobChunk
from intake.chunks import Owners
from intake.companies import parts_of
from intake.mapping import FileMapping, Known, parse_mapping
from intake.models import CheckedRow, Import, RejectedRow, StagedRow
from intake.policies import can_be_imported, can_give_to, can_import, can_undo_import
from intake.proposing import propose
from intake.reading import MOST_COLUMNS
from intake.staging import stage
from leads.identity import clean_text
from leads.models import CustomField, Source
from scoring.live import NotConfigured, live_config
from scoring.models import Standing

CHECK, COMPANIES, WRITE = "import_check", "import_companies", "import"  # kinds of jobs
FIND, UNDO = "import_undo_find", "import_undo"
CHECKED_AT_ONCE = 5_000  # rows of one check chunk
TRIED_AGAIN = 50  # leads of one chunk of an undo that is tried again
DEFAULT_SOURCE = "CSV import"


def read_file(
    file: BinaryIO,
    file_name: str,
    *,
    by: User | None,
    source: str = "",
    owner: User | None = None,
    team: Team | None = None,
    most_rows: int | None = None,
    like: Import | None = None,
) -> Import:
    """Stage a file and propose a mapping for it; raise Invalid when it is no CSV.

    `by` None is the command line, which may do everything. Leads go to `owner`, else evenly to
    the reps of `team`, else to those of the importer's team. `source` names where the leads come
    from; rows without an id or e-mail are known again only under the same name. `like` is the
    import whose mended rows these are: its mapping, source and owner hold.
    """
    if like is not None:
        source, owner, team = like.source.name if like.source else "", like.owner, like.team
    if by is not None:
        can_give_to(by, owner, team).require()
        if by.role == Role.REP:
            owner = by
    if owner is not None and not owner.is_active:
        raise Invalid.field("owner", "inactive", "this person no longer works here")
    with transaction.atomic():
        name = clean_text(source)[:100] or DEFAULT_SOURCE
        imported = Import.objects.create(
            file_name=clean_text(file_name)[:255] or "file.csv",
            digest="",
            encoding="",
            delimiter="",
            headers=[],
            source=Source.objects.get_or_create(
                name=name, defaults={"channel": Source.Channel.IMPORT}
            )[0],
            owner=owner,
            team=team,
            created_by=by,
        )
        take_in(file, imported, most_rows=most_rows)
        if like is not None and set(like.mapping["columns"]) <= set(imported.headers):
            imported.mapping = like.mapping
        imported.save()
    return imported


def take_in(
    file: BinaryIO, imported: Import, *, most_rows: int | None, most_columns: int = MOST_COLUMNS
) -> None:
    """Stage the rows of a file for `imported` and propose a mapping; the caller saves it."""
    staged = stage(file, imported, most_rows=most_rows, most_columns=most_columns)
    by = imported.created_by
    imported.digest = staged.form.digest
    imported.encoding = staged.form.encoding
    imported.delimiter = staged.form.delimiter
    imported.headers = staged.headers
    imported.profile = [profile.as_json() for profile in staged.profiles]
    imported.row_count = staged.row_count
    imported.report = {"warnings": staged.warnings}
    imported.mapping = propose(
        staged.profiles,
        staged.form.delimiter,
        Workspace.current().country,
        known(imported),
        owners=() if by is not None and by.role == Role.REP else assignable(by),
    )


@transaction.atomic
def keep_mapping(imported: Import, mapping: dict[str, Any]) -> None:
    """Keep a mapping that is not complete yet; raise Conflict when the import is under way."""
    locked = _lock(imported)
    if locked.state not in (Import.State.STAGED, Import.State.CHECKED):
        raise Conflict("This import is under way or over already.")
    Import.objects.filter(pk=locked.pk).update(mapping=mapping, state=Import.State.STAGED)


def known(imported: Import) -> Known:
    """Return what a mapping for this file may refer to."""
    try:
        dimensions = live_config().dimensions
    except NotConfigured:
        raise Conflict("No configuration is live yet; run `manage.py setup` first.") from None
    custom = CustomField.objects.values_list("key", "type", "choices")
    return Known(
        {key: (kind, tuple(map(str, choices))) for key, kind, choices in custom},
        dimensions,
        {column["header"]: column["values"] for column in imported.profile},
    )


def assignable(by: User | None) -> dict[str, int]:
    """Return those who may be given leads by the importer: e-mail → id."""
    people = User.objects.filter(is_active=True).exclude(role=Role.MODEL_OWNER)
    if by is not None and by.role != Role.ADMIN:
        people = people.filter(Q(pk=by.pk) | Q(team_id=by.team_id, team__isnull=False))
    return dict(people.values_list("email", "pk"))


def mapping_of(imported: Import) -> FileMapping:
    """Return the import's mapping, parsed; raise Invalid naming column and key."""
    mapping = parse_mapping(imported.mapping, imported.headers, known(imported))
    by = imported.created_by
    if by is not None and by.role == Role.REP and mapping.has("owner"):
        raise Invalid.field("columns", "not_allowed", "reps import leads for themselves only")
    return mapping


@transaction.atomic
def start(imported: Import, mapping: Any | None, *, dry_run: bool, by: User | None = None) -> Job:
    """Check the file under `mapping` (None: the present one) and then import it; with `dry_run`
    stop before the first lead is written. Returns the first job. A file that a model owner read for
    a backtest is imported by `by`, who may import.

    Raises Invalid for a wrong mapping, Conflict when the import is under way or over.
    """
    imported = _lock(imported)
    if imported.created_by is not None:
        if by is not None and not can_import(imported.created_by):
            imported.created_by = by
        can_import(imported.created_by).require()
    if not (may := can_be_imported(imported)):
        raise Conflict(may.reason)
    if imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again.")
    if imported.state in (Import.State.CHECKING, Import.State.RUNNING, Import.State.ENDED):
        raise Conflict("This import is under way or over already.")
    if mapping is not None:
        imported.mapping = mapping
    parsed = mapping_of(imported)
    warnings = [w for w in imported.report["warnings"] if not w.startswith("Not imported:")]
    if parsed.ignored:
        warnings.append(f"Not imported: {', '.join(parsed.ignored)}.")
    CheckedRow.objects.filter(imported=imported).delete()
    RejectedRow.objects.filter(imported=imported).exclude(step=RejectedRow.Step.READ).delete()
    imported.report = {"warnings": warnings}
    imported.plan = {}
    imported.dry_run = dry_run
    imported.state = Import.State.CHECKING
    imported.save(update_fields=["mapping", "report", "plan", "dry_run", "state", "created_by"])
    job = jobs.start_job(
        CHECK,
        chunks=_check_chunks(imported),
        total=imported.row_count,
        by=imported.created_by,
        args={"import": imported.pk},
    )
    # A file without a good row has no chunk: all of its jobs have ended by now.
    Import.objects.filter(pk=imported.pk, state=Import.State.CHECKING).update(job=job)
    return job


def _check_chunks(imported: Import) -> Iterable[dict[str, int]]:
    last = StagedRow.objects.filter(imported=imported).order_by("-row_no").values_list("row_no")
    top = next((row_no for (row_no,) in last[:1]), 0)
    for first in range(1, top + 1, CHECKED_AT_ONCE):
        yield {"import": imported.pk, "from": first, "to": first + CHECKED_AT_ONCE}


@transaction.atomic
def run(imported: Import) -> Job:
    """Import a file that a dry run has checked; return the job.

    Raises Conflict when there is no dry run to go on from.
    """
    imported = _lock(imported)
    if imported.state != Import.State.CHECKED:
        raise Conflict("Check the file first.")
    if imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again.")
    if imported.created_by is not None:
        can_import(imported.created_by).require()
    Import.objects.filter(pk=imported.pk).update(dry_run=False)
    imported.dry_run = False
    return begin_writing(imported)


def begin_writing(imported: Import) -> Job:
    """Make what all rows share (custom fields, sources) and start the job of the companies, or
    that of the leads when there are none. Runs in the caller's transaction.
    """
    mapping = mapping_of(imported)
    if not imported.dry_run:
        _make_custom_fields(mapping)
        _make_sources(imported, mapping)
        parts = parts_of(imported, imported.plan["rows"], mapping)
        if parts:
            return _next_job(imported, COMPANIES, parts, len(parts), "parts", {})
    return begin_leads(imported)


def begin_leads(imported: Import) -> Job:
    """Start the job that writes the leads, or in a dry run only says what it would write."""
    RejectedRow.objects.filter(imported=imported, step=RejectedRow.Step.WRITE).delete()
    owners = owners_of(imported)
    args = {
        "owners": list(owners.ids),
        "open": list(owners.open_leads),
        "team": owners.team,
    }
    chunks = [
        {"import": imported.pk, "from": first, "to": last, "offset": offset}
        for first, last, _, offset in imported.plan["chunks"]
    ]
    return _next_job(imported, WRITE, chunks, imported.plan["rows"], "rows", args)


def _next_job(
    imported: Import,
    kind: str,
    chunks: list[dict[str, Any]],
    total: int,
    unit: str,
    args: dict[str, Any],
) -> Job:
    imported.state = Import.State.RUNNING
    Import.objects.filter(pk=imported.pk).update(state=imported.state)
    job = jobs.start_job(
        kind,
        chunks=chunks,
        total=total,
        unit=unit,
        by=imported.created_by,
        args={"import": imported.pk, **args},
    )
    Import.objects.filter(pk=imported.pk).update(job=job)
    return job


def _make_custom_fields(mapping: FileMapping) -> None:
    """Make the fields that do not exist, and give choice fields the choices that they lack."""
    for column in mapping.custom:
        made, is_new = CustomField.objects.get_or_create(
            key=column.key,
            defaults={
                "label": column.label,
                "type": column.type,
                "choices": list(column.choices),
                "known_when": column.known_when,
            },
        )
        lacking = [choice for choice in column.choices if choice not in made.choices]
        if not is_new and lacking and made.type == CustomField.Type.CHOICE:
            made.choices = [*made.choices, *lacking]
            made.save(update_fields=["choices"])


def _make_sources(imported: Import, mapping: FileMapping) -> None:
    """Make the sources that rows name, each with the channel that its name tells."""
    if not mapping.has("source"):
        return
    rows = CheckedRow.objects.filter(imported=imported).exclude(source="")
    names = set(rows.values_list("source", flat=True).distinct())
    names -= set(Source.objects.filter(name__in=names).values_list("name", flat=True))
    Source.objects.bulk_create(
        (Source(name=name, channel=_channel(name)) for name in sorted(names)),
        ignore_conflicts=True,
    )


_CHANNELS = (
    (Source.Channel.REFERRAL, ("referral", "referred", "empfehlung", "word of mouth")),
    (Source.Channel.EVENT, ("event", "fair", "messe", "conference", "webinar", "trade show")),
    (Source.Channel.PARTNER, ("partner", "reseller")),
    (Source.Channel.PAID, ("ads", "adwords", "paid", "sponsored", "anzeige")),
    (Source.Channel.SOCIAL, ("linkedin", "facebook", "instagram", "twitter", "xing", "social")),
    (Source.Channel.OUTBOUND, ("cold", "outbound", "direct mail", "kaltakquise", "outreach")),
    (Source.Channel.INBOUND, ("web", "website", "online", "form", "inbound", "organic", "search")),
)


def _channel(name: str) -> str:
    folded = name.casefold()
    for channel, words in _CHANNELS:
        if any(word in folded for word in words):
            return channel
    return Source.Channel.IMPORT


def owners_of(imported: Import) -> Owners:
    """Return who gets the new leads: the named owner, or the reps of a team with the number of
    their open leads. From the command line without either, the reps of all teams.
    """
    if imported.owner is not None:
        people = [imported.owner]
    else:
        team = imported.team or (imported.created_by.team if imported.created_by else None)
        reps = User.objects.filter(is_active=True, role=Role.REP, team__isnull=False)
        if team is not None:
            reps = reps.filter(team=team)
        elif imported.created_by is not None:
            reps = reps.none()
        people = list(reps.order_by("pk"))
        if not people:
            return Owners(team=team.pk if team else None)
    counts = dict(
        Standing.objects.filter(is_open=True, owner__in=people)
        .values_list("owner_id")
        .annotate(count=Count("lead_id"))
    )
    return Owners(
        ids=[person.pk for person in people],
        open_leads=[counts.get(person.pk, 0) for person in people],
        team=imported.team_id,
    )


@transaction.atomic
def stop(imported: Import) -> None:
    """Stop an import after the chunks that are being written now; what was written stays."""
    imported = _lock(imported)
    if imported.state == Import.State.ENDED:
        raise Conflict("This import is over already.")
    if imported.job is not None:
        jobs.cancel_job(imported.job)
    end(imported, error="It was stopped by hand.")


@transaction.atomic
def undo_import(imported: Import, *, by: User) -> Job:
    """Begin to take an import back (intake.undoing), or go on where that failed; return the job.

    Only the batches that failed are tried again, in smaller ones, so that nothing is taken back
    twice and a lead that cannot go holds up few others. Raises Forbidden.
    """
    imported = _lock(imported)
    can_undo_import(by, imported, at=now()).require()
    imported.state, imported.undone_by = Import.State.UNDOING, by
    imported.save(update_fields=["state", "undone_by"])
    if imported.job is not None and imported.job.kind == UNDO:
        left = [lead for chunk in set_aside(imported.job) for lead in chunk.args["leads"]]
        firsts = range(0, len(left), TRIED_AGAIN)
        return begin_taking_back(imported, [left[at : at + TRIED_AGAIN] for at in firsts])
    imported.job = jobs.start_job(
        FIND, chunks=[{"import": imported.pk}], total=1, by=by, args={"import": imported.pk}
    )
    imported.save(update_fields=["job"])
    return imported.job


def begin_taking_back(imported: Import, batches: list[list[int]]) -> Job:
    """Start the job that takes back what an import did to leads; in the caller's transaction."""
    job = jobs.start_job(
        UNDO,
        chunks=({"import": imported.pk, "leads": leads} for leads in batches),
        total=sum(map(len, batches)),
        unit="leads",
        by=imported.undone_by,
        args={"import": imported.pk},
    )
    Import.objects.filter(pk=imported.pk).update(job=job)
    return job


def set_aside(job: Job) -> list[JobChunk]:
    """Return the chunks of a job that failed too often, in order."""
    return list(JobChunk.objects.filter(job=job).exclude(error="").order_by("number"))


def end(imported: Import, error: str = "") -> None:
    """Close an import, with the reason where it could not be done."""
    if error:
        imported.report["error"] = error
    Import.objects.filter(pk=imported.pk).update(state=Import.State.ENDED, report=imported.report)


def _lock(imported: Import) -> Import:
    return (
        Import.objects.select_for_update(of=("self",))
        .select_related("source", "owner", "team", "created_by__team", "job")
        .get(pk=imported.pk)
    )
