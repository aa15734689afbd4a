import numpy as np
import pytest

from scoring.learning.baselines import BASELINES, odoo
from scoring.learning.screening import rank_auc
from tests.scoring.learning.worlds import made, table_of


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_learns_and_survives_blanks_and_new_values(name):
    columns, y = made("blanks", 1500)
    columns["Rare"] = [f"r{i}" if i % 100 == 0 else "" for i in range(1500)]
    columns["Source"] = ["partner" if won else "list" for won in y]
    columns["Source"][::7] = ["web"] * len(y[::7])
    table = table_of(columns)
    train, test = np.arange(1000), np.arange(1000, 1500)
    p = BASELINES[name](table.take(train), y[train], table.take(test))
    assert ((p > 0) & (p < 1)).all()
    assert rank_auc(y[test], p) > 0.6


def test_odoo_is_sure_after_two_leads_and_counts_copies_again():
    two = table_of({"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "y"]})
    assert odoo(two, np.array([1.0, 0.0]), two.take(np.array([0])))[0] > 0.99
    once, thrice = (
        table_of({f"f{i}": ["x"] * 60 + ["y"] * 60 for i in range(copies)}) for copies in (1, 3)
    )
    y = np.array([1.0] * 40 + [0.0] * 20 + [1.0] * 20 + [0.0] * 40)
    assert odoo(once, y, once)[0] == pytest.approx(2 / 3, abs=0.01)
    assert odoo(thrice, y, thrice)[0] == pytest.approx(8 / 9, abs=0.01)
