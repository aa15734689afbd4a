"""Works on an import in this process and, for larger files, in a second one."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from django.db import connections

from core import jobs
from core.models import Job
from intake.models import Import

ALONE_UP_TO = 20_000  # rows; below that a second process is not worth its start
_WAIT = 0.2  # seconds, while another process does the last chunks


def work(
    imported: Import, *, processes: int = 2, tell: Callable[[Import], None] | None = None
) -> Import:
    """Do the jobs of an import until it has ended or its dry run has; workers may help.

    Returns the import as it is then. `tell` is called between chunks.
    """
    helpers: list[BaseProcess] = []
    if processes > 1 and imported.row_count > ALONE_UP_TO:
        # A child must not share the parent's connection, so both begin with none.
        connections.close_all()
        fork = multiprocessing.get_context("fork")
        helpers = [
            fork.Process(target=_help, args=(imported.pk,), daemon=True)
            for _ in range(processes - 1)
        ]
        for helper in helpers:
            helper.start()
    try:
        return _work_alone(imported.pk, tell)
    finally:
        for helper in helpers:
            helper.join(timeout=60)


def _help(import_id: int) -> None:
    connections.close_all()
    _work_alone(import_id, None)
    connections.close_all()


def _work_alone(import_id: int, tell: Callable[[Import], None] | None) -> Import:
    while True:
        imported = Import.objects.select_related("job").get(pk=import_id)
        if tell is not None:
            tell(imported)
        if imported.state in (Import.State.ENDED, Import.State.CHECKED) or imported.job is None:
            return imported
        if imported.job.state == Job.State.CANCELLED:
            return imported
        if not jobs.run_one_chunk(imported.job.pk):
            time.sleep(_WAIT)
