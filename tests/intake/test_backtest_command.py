import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.scoring.learning.worlds import as_csv, made


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "past.csv"
    path.write_bytes(as_csv(*made("strong", 600, 1), delimiter=";"))
    return path


def run(*args):
    out = io.StringIO()
    call_command("backtest", *map(str, args), stdout=out)
    return out.getvalue()


def test_json_is_all_that_it_prints(history):
    found = json.loads(run(history, "--outcome", "outcome", "--positive", "won", "--json"))
    assert set(found) == {"n_train", "n_test", "learned", "start", "signals", "warnings", "verdict"}
    measures = {"auc", "pr_auc", "brier", "log_loss", "ece", "lift_top10", "tiers"}
    assert set(found["learned"]) == set(found["start"]) == measures
    assert set(found["learned"]["tiers"]) == {"hot", "warm", "cold"}


def test_the_text_names_the_lines_and_the_floor(history):
    left_out = '"Colour",Pages,outcome'
    text = run(history, "--outcome", "Outcome", "--positive", "won", "--exclude", left_out)
    assert "Budget: " in text
    assert "Colour" not in text
    assert "Outcome is the outcome, so it is no signal anyway." in text
    assert "A perfect model" in text


def test_it_asks_the_database_nothing(history):
    # Without the django_db mark any query fails.
    assert "Learned from" in run(history, "--outcome", "Outcome", "--positive", "won")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--outcome", "Status", "--positive", "won"), "outcome: 'Status' is no column"),
        (("--outcome", "Outcome", "--positive", "yes"), "positive: 'yes' is no value of Outcome"),
        (
            ("--outcome", "Outcome", "--positive", "won", "--order", "Budget"),
            "order: Budget holds neither",
        ),
        (("--outcome", "Outcome", "--positive", "won", "--test-share", "2"), "test_share: must be"),
    ],
)
def test_mistakes_are_one_clear_line(history, args, message):
    with pytest.raises(CommandError, match=message):
        run(history, *args)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"nowhere\.csv: No such file"):
        run(tmp_path / "nowhere.csv", "--outcome", "a", "--positive", "b")
