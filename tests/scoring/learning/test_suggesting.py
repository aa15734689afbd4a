import numpy as np
import pytest

from core.errors import Invalid
from scoring.learning.points import define
from scoring.learning.signals import learn_signals
from scoring.learning.suggesting import Refusal, fingerprint, has_changed, suggest
from scoring.learning.table import table_of
from tests.scoring.learning import worlds
from tests.scoring.learning.worlds import made


def test_suggestions_say_what_speaks_for_each_line():
    columns, y = made("strong", 1500)
    found = suggest(worlds.table_of(columns), y, np.arange(1500.0))
    assert found.enough
    assert found.definitions is not None
    budget = next(line for line in found.lines if line.field == "Budget")
    holds = np.array(columns["Budget"]) == budget.label.removeprefix("Budget: ")
    assert (budget.n, budget.won) == (holds.sum(), y[holds].sum())
    assert budget.rate_low < budget.rate < budget.rate_high
    assert budget.low <= budget.points <= budget.high
    assert budget.points == pytest.approx(budget.effect * found.definitions.scale, abs=0.06)
    assert budget.stable
    assert all(half is not None and half * budget.points > 0 for half in budget.halves)
    assert [abs(line.points) for line in found.lines] == sorted(
        (abs(line.points) for line in found.lines), reverse=True
    )


def test_a_line_that_turns_half_way_is_not_stable():
    random = np.random.default_rng(3)
    a, b = random.integers(2, size=(2, 1200))
    time = random.permutation(1200)
    turned = np.where(time < 500, -1.0, 1.0)  # in time, which is not the order of the rows
    y = (random.random(1200) < 1 / (1 + np.exp(-turned * a - 1.5 * b))).astype(float)
    table = table_of({"A": list(a), "B": list(b)}, {"A": "bool", "B": "bool"})
    by_field = {line.field: line for line in suggest(table, y, time.astype(float)).lines}
    assert by_field["B"].stable
    if "A" in by_field:
        assert not by_field["A"].stable


def refusal_of(line, **changes):
    odds = line.effect / line.points
    evidence = {
        "n": line.n,
        "effect": line.effect,
        "low": line.low * odds,
        "high": line.high * odds,
    }
    return Refusal(line.fingerprint, line.rule, **{**evidence, **changes})


def test_a_refused_line_stays_out_until_its_evidence_changes():
    columns, y = made("strong", 800)
    table = worlds.table_of(columns)
    first = suggest(table, y)
    worst = first.lines[0]
    refusal = refusal_of(worst)
    second = suggest(table, y, refused=[refusal])
    assert worst.fingerprint not in {line.fingerprint for line in second.lines}
    assert "refused" in {notice.code for notice in second.notices}
    assert second.definitions is not None
    # What is left still has its median lead at 50 and predicts the share won.
    assert np.median(second.definitions.points(table)) == pytest.approx(50, abs=0.06)
    assert second.definitions.probability(table).mean() == pytest.approx(y.mean(), abs=0.005)
    assert not has_changed(worst, refusal)
    assert has_changed(worst, refusal_of(worst, n=worst.n // 2))
    assert has_changed(worst, refusal_of(worst, low=worst.effect * 2, high=worst.effect * 3))


def test_a_refused_line_is_known_again_where_its_edges_moved():
    random = np.random.default_rng(7)
    size = np.round(random.lognormal(4, 1, 1600))
    trust = random.integers(3, size=1600)
    odds = np.where(size > 55, 0.8, -0.8) + 0.9 * (trust - 1)
    y = (random.random(1600) < 1 / (1 + np.exp(-odds))).astype(float)

    def found(rows, refused=()):
        columns = {"Size": list(size[rows]), "Trust": [f"t{t}" for t in trust[rows]]}
        table = table_of(columns, {"Size": "number", "Trust": "text"})
        return suggest(table, y[rows], refused=refused)

    first = [line for line in found(np.arange(800)).lines if line.field == "Size"]
    refused = [refusal_of(line) for line in first]
    assert refused
    other = np.arange(500, 1300)  # as many leads, other edges
    again = [line for line in found(other).lines if line.field == "Size"]
    assert not {line.fingerprint for line in again} <= {line.fingerprint for line in first}
    asked = [line for line in found(other, refused).lines if line.field == "Size"]
    assert len(asked) < len(again)
    kept = found(other, refused)
    assert {line.field for line in kept.lines} >= {"Trust"}
    # With twice as many leads it is asked again, and says what was refused.
    more = [line for line in found(np.arange(1600), refused).lines if line.field == "Size"]
    assert {line.refused_before for line in more} & {refusal.fingerprint for refusal in refused}


def test_leads_that_count_nothing_do_not_count():
    columns, y = made("strong", 900)
    table = worlds.table_of(columns)
    half = (np.arange(900) < 450).astype(float)
    found = suggest(table, y, weights=half + 1e-9)
    other = define(learn_signals(table.take(np.arange(450)), y[:450]), table)
    assert found.definitions is not None
    assert other is not None
    a, b = found.definitions.points(table), other.points(table)
    assert np.corrcoef(a, b)[0, 1] > 0.95


def test_facts_become_a_table_of_the_types_that_the_workspace_gave_them():
    found = table_of(
        {"size": [3, None], "industry": ["Retail", " "], "repeat": [True, None]},
        {"size": "number", "industry": "text", "repeat": "bool"},
    )
    assert found.n == 2
    assert [column.missing.tolist() for column in found.columns.values()] == [[False, True]] * 3
    assert found.types == {"size": "number", "industry": "text", "repeat": "bool"}


def test_one_kind_of_outcome_is_refused():
    columns, _ = made("strong", 50)
    with pytest.raises(Invalid):
        suggest(worlds.table_of(columns), np.ones(50))


def test_a_rule_has_one_name_however_it_is_written():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
