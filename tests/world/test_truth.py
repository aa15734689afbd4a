import numpy as np
import pytest

from scoring.live import LiveConfig
from world import truth


def test_every_line_of_the_default_models_has_a_true_weight(live: LiveConfig):
    for kind in ("b2b", "b2c"):
        model = next(m for m in live.models if m.icp_key == kind)
        weights = truth.true_weights(kind, model.model, model.icp)
        assert {key for key, _ in weights} == {signal.key for signal in model.model.signals}
        for signal in model.model.of_group("fit"):
            bands = {band for key, band in weights if key == signal.key}
            attribute = model.icp.attribute(signal.attribute or "")
            scored = {b.key for b in attribute.bands if signal.values.get(b.key, b.x) > 0}
            assert bands == scored


def test_engagement_is_measured_as_the_default_models_measure_it(live: LiveConfig):
    for model in live.models:
        for signal in model.model.of_group("engagement"):
            measure = truth.MEASURES[signal.activity or ""]
            assert measure.window_days == signal.window_days
            if signal.window_days is None:
                assert (measure.cap, measure.half_life_days) == (signal.cap, signal.half_life_days)


@pytest.mark.parametrize("kind", ["b2b", "b2c"])
def test_the_probability_is_the_logistic_of_the_weights(kind: str):
    known = truth.TRUTHS[kind]
    bands = {a: np.array([max(w, key=lambda b: w[b])]) for a, w in known.bands.items()}
    ratings = {name: np.array([67]) for name in known.ratings}
    engagement = {name: np.array([0.5]) for name in known.engagement}
    p = truth.win_probability(kind, bands, ratings, engagement, np.array([1.0]))
    z = (
        known.intercept
        + known.noise
        + sum(max(w.values()) for w in known.bands.values())
        + 0.67 * sum(known.ratings.values())
        + 0.5 * sum(known.engagement.values())
    )
    assert p == pytest.approx(1 / (1 + np.exp(-z)))
