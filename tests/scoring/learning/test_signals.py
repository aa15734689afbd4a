import numpy as np
import pytest
from scipy.special import expit

from scoring.features import signal_matrix
from scoring.learning.design import build
from scoring.learning.points import define, facts_of
from scoring.learning.screening import rank_auc, screen
from scoring.learning.shrinkage import shrink
from scoring.learning.signals import learn_signals, repeats
from scoring.scorecard import Scorecard, ledger
from tests.scoring.learning.worlds import made, table_of


def defined(model, table):
    definitions = define(model, table)
    assert definitions is not None
    return definitions


def learned(kind, n=1200, seed=0, **changes):
    columns, y = made(kind, n, seed)
    table = table_of({**columns, **changes})
    model = learn_signals(table, y)
    return model, defined(model, table), table, y


def exact_log_odds(model, table):
    """The model's log-odds before anything was rounded to points, by the rules of its levels."""
    total = np.full(table.n, model.intercept)
    for group in model.fields:
        codes = group.levels.on(table, table.types).codes
        for members, effect in zip(group.members, group.effects, strict=True):
            total += np.where(np.isin(codes, members), effect, 0.0)
    for rule in model.rules:
        total += rule.effect * rule.pair.holds(table, table.types)
    return total


def test_what_eighty_values_say_is_learned_in_a_few_lines():
    random = np.random.default_rng(0)
    value = random.integers(80, size=4000)
    p = expit(random.normal(-0.5, 1.2, 80))[value]
    y = (random.random(4000) < p).astype(float)
    table = table_of({"City": [f"c{v}" for v in value], "Sex": [f"s{v % 2}" for v in range(4000)]})
    past, rest = table.take(np.arange(2400)), table.take(np.arange(2400, 4000))
    definitions = defined(learn_signals(past, y[:2400]), past)
    assert len(definitions.parsed_model.signals) <= 40
    assert rank_auc(y[2400:], definitions.points(rest)) > rank_auc(y[2400:], p[2400:]) - 0.04


@pytest.mark.parametrize("kind", ["strong", "together", "blanks"])
def test_the_scorecard_reproduces_the_learned_log_odds_up_to_rounding(kind):
    model, definitions, table, _ = learned(kind, 2000)
    lines = len(definitions.model["signals"])
    p = definitions.probability(table)
    ours = np.log(p / (1 - p))
    assert (
        np.abs(ours - exact_log_odds(model, table)).max() <= 0.05 * (lines + 1) / definitions.scale
    )


def test_the_median_lead_has_fifty_points_and_the_best_fifth_seventy_five():
    _, definitions, table, _ = learned("strong", 3000)
    median, upper = np.quantile(definitions.points(table), [0.5, 0.8])
    assert median == pytest.approx(50, abs=0.5)
    assert upper == pytest.approx(75, abs=0.5)


def test_caps_never_bind_and_ledgers_sum_to_the_score():
    _, definitions, table, _ = learned("strong", 600)
    icp, model = definitions.parsed_icp, definitions.parsed_model
    x = signal_matrix(model, icp, facts_of(table), definitions.types)
    card = Scorecard(model, icp)
    scores = card.score(x, np.zeros(600, dtype=bool))
    assert np.abs(scores.clamps).max() < 1e-9
    for row in range(50):
        assert sum(line.tenths for line in ledger(card, scores, row)) == 10 * scores.score[row]


def test_at_most_forty_lines_however_many_fields():
    random = np.random.default_rng(0)
    extra = {f"F{i}": [f"v{k}" for k in random.integers(12, size=700)] for i in range(12)}
    _, definitions, _, _ = learned("strong", 700, **extra)
    assert 20 <= len(definitions.model["signals"]) <= 40
    assert len({s["key"] for s in definitions.model["signals"]}) == len(
        definitions.model["signals"]
    )


def test_five_copies_of_a_field_change_no_probability():
    columns, y = made("strong", 900)
    random = np.random.default_rng(5)
    plain = table_of(columns)
    copies = dict(columns)
    for i in range(5):
        copies[f"Copy {i}"] = [
            text if keep else "no"
            for text, keep in zip(columns["Budget"], random.random(900) > 0.01, strict=True)
        ]
    more = table_of(copies)
    one, six = (defined(learn_signals(t, y), t) for t in (plain, more))
    assert np.abs(one.probability(plain) - six.probability(more)).max() <= 0.02


def test_blanks_that_say_something_get_a_line():
    _, definitions, _, _ = learned("blanks", 2000)
    points = {s["label"]: s["points"] for s in definitions.model["signals"]}
    assert min(v for k, v in points.items() if k.startswith("Employees")) == min(
        v for k, v in points.items() if "not filled in" in k
    )


def test_two_conditions_that_act_together_get_a_rule():
    model, definitions, table, y = learned("together", 4000)
    assert model.rules
    assert {"Budget", "Pages"} == {
        model.rules[0].pair.first.field,
        model.rules[0].pair.second.field,
    }
    without = sum(
        (
            np.isin(g.levels.codes, m) * e
            for g in model.fields
            for m, e in zip(g.members, g.effects, strict=True)
        ),
        start=np.zeros(table.n),
    )
    assert rank_auc(y, definitions.probability(table)) > rank_auc(y, without) + 0.01


def test_a_rule_is_found_among_few_leads_whose_fields_alone_take_most_of_it():
    random = np.random.default_rng(3)
    role, size = random.integers(2, size=900), random.integers(3, size=900)
    odds = np.array([[-1.0, -1.4, -1.8], [2.2, 1.8, -0.6]])[role, size]
    y = (random.random(900) < expit(odds)).astype(float)
    columns = {
        "Role": [("user", "buyer")[i] for i in role],
        "Size": [("large", "middle", "small")[i] for i in size],
    }
    table = table_of(columns)
    model = learn_signals(table, y)
    # Of the rules on two fields that say the same, one is enough.
    assert len(model.rules) == 1
    p = defined(model, table).probability(table)
    of = [(role == r) & (size == s) for r in range(2) for s in range(3)]
    assert max(abs(p[rows].mean() - y[rows].mean()) for rows in of) < 0.06


@pytest.mark.parametrize("kind", ["strong", "weak", "noise"])
def test_no_rules_where_fields_only_add_up(kind):
    for seed in range(3):
        assert not learned(kind, 1500, seed)[0].rules


def test_a_muted_value_gets_no_line_and_counts_as_the_average():
    columns, y = made("weak", 3000)
    random = np.random.default_rng(2)
    paid = (y == 1) & (random.random(3000) < 0.3)
    channel = np.where(paid, "paid", np.array(columns["Channel"]))
    table = table_of({**columns, "Channel": list(channel)})
    definitions = defined(learn_signals(table, y), table)
    lines = [s["label"] for s in definitions.model["signals"]]
    assert not [line for line in lines if "paid" in line]
    assert np.ptp(definitions.points(table.take(np.flatnonzero(paid)))) > 0


def test_without_a_usable_field_there_is_no_definition():
    y = np.array([0.0, 1.0] * 30)
    table = table_of({"Name": [f"lead {i} of many" for i in range(60)]})
    model = learn_signals(table, y)
    assert define(model, table) is None
    assert expit(model.intercept) == pytest.approx(0.5)
    assert [notice.code for notice in model.notices] == ["too_many_values"]


def test_the_same_seed_learns_the_same_model():
    first, second = (learned("strong", 500)[1] for _ in range(2))
    assert first.model == second.model
    assert first.icp == second.icp


def test_values_never_seen_are_scored_without_a_gap():
    _, definitions, _, _ = learned("strong", 800)
    new = table_of(
        {
            "Employees": ["1e9", "-5"],
            "Industry": ["mining", ""],
            "Channel": ["", "fax"],
            "Budget": ["perhaps", ""],
            "Pages": ["", "9999"],
            "Colour": ["mauve", ""],
        }
    )
    p = definitions.probability(new)
    assert ((p > 0) & (p < 1)).all()


@pytest.mark.parametrize("times", [2, 3])  # below and above 2,000 outcomes
def test_leads_that_repeat_one_another_are_no_evidence_for_each_other(times):
    columns, y = made("weak", 900, 3)
    again = {name: texts * times for name, texts in columns.items()}
    later, won = made("weak", 4000, 9)
    loss = []
    for given, outcomes in ((columns, y), (again, np.tile(y, times))):
        table = table_of(given)
        p = defined(learn_signals(table, outcomes), table).probability(table_of(later))
        loss.append(-np.mean(won * np.log(p) + (1 - won) * np.log(1 - p)))
    assert loss[1] <= loss[0] + 0.003


def test_leads_that_look_alike_since_little_is_known_are_leads_of_their_own():
    columns, y = made("strong", 3000)
    levels = screen(table_of({name: columns[name] for name in ("Channel", "Budget")}), y).levels
    design, _ = build(levels)
    assert repeats(levels, y, shrink(design, y, np.ones(3000), 0)) is None
