from scoring.learning.backtest import Options
from scoring.learning.baselines import BASELINES
from scoring.learning.comparing import OURS, compare
from tests.scoring.learning.worlds import made, sheet_of


def test_ours_stands_beside_every_baseline_on_the_same_splits():
    sheet = sheet_of(*made("blanks", 600, 1))
    found = {row.name: row for row in compare(sheet, Options("Outcome", "won"), [0, 1])}
    assert list(found) == [OURS, *BASELINES]
    assert found[OURS].auc > found["Odoo"].auc
    assert found[OURS].ece < found["Odoo"].ece
    assert found[OURS].hot > found[OURS].cold


def test_a_file_without_signals_is_compared_at_the_base_rate():
    _, y = made("strong", 300)
    found = compare(
        sheet_of({"Same": ["x"] * 300, "Id": [str(i) for i in range(300)]}, y),
        Options("Outcome", "won"),
        [0],
    )
    assert found[0].auc == 0.5
