"""Works on an import in this process and, for larger files, with helpers beside it."""

from collections.abc import Callable

from core.models import Job
from core.workers import Workers, do_a_chunk
from intake.models import Import

# Bytes and rows of a file; below these another process is not worth its start.
ALONE_UP_TO_BYTES, ALONE_UP_TO = 2_000_000, 20_000


def work(
    imported: Import,
    *,
    helpers: Workers | None = None,
    tell: Callable[[Import], None] = lambda imported: None,
) -> Import:
    """Do the jobs of an import until it has ended or its dry run has; others may help.

    Returns the import as it is then. `tell` is called between chunks.
    """
    helped = None
    while True:
        imported = Import.objects.select_related("job").get(pk=imported.pk)
        tell(imported)
        job = imported.job
        if imported.state in (Import.State.ENDED, Import.State.CHECKED) or job is None:
            return imported
        if job.state == Job.State.CANCELLED:
            return imported
        if helpers is not None and job.pk != helped:
            helpers.begin(job)
            helped = job.pk
        do_a_chunk(job)
