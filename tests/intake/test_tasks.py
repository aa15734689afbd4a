"""What imports leave behind is cleared."""

import datetime as dt

import pytest

from core.clock import now
from core.errors import Conflict
from intake import services
from intake.models import CheckedRow, Import, StagedRow
from intake.tasks import KEPT, clear_rows
from tests.intake.conftest import Importer, to_csv

pytestmark = pytest.mark.django_db

FILE = to_csv(["Email"], [[f"p{n}@x.example"] for n in range(5)])


def test_rows_of_old_imports_are_removed_and_those_of_new_ones_stay(run_import: Importer) -> None:
    old = run_import(FILE, dry_run=True)["import"]
    new = run_import(FILE, dry_run=True)["import"]
    Import.objects.filter(pk=old).update(created_at=now() - KEPT - dt.timedelta(minutes=1))
    while clear_rows():
        pass
    with pytest.raises(Conflict):
        services.run(Import.objects.get(pk=old))
    assert not StagedRow.objects.filter(imported=old).exists()
    assert not CheckedRow.objects.filter(imported=old).exists()
    assert Import.objects.get(pk=old).cleared_at is not None
    assert StagedRow.objects.filter(imported=new).count() == 5
    assert CheckedRow.objects.filter(imported=new).count() == 5


def test_an_import_under_way_keeps_its_rows_however_old(run_import: Importer) -> None:
    old = run_import(FILE, dry_run=True)["import"]
    Import.objects.update(created_at=now() - 2 * KEPT, state=Import.State.RUNNING)
    assert clear_rows() == 0
    assert CheckedRow.objects.filter(imported=old).count() == 5


def test_with_nothing_old_the_sweep_is_one_look(run_import: Importer) -> None:
    run_import(FILE)
    assert clear_rows() == 0
