"""The served form of the reward model against its members asked one by one."""

import numpy as np
import pytest

from recommender import ContactStrategy
from recommender.learning.compiled import CompiledReward
from recommender.simulation import simulate
from tests.fewer_hours import fewer_hours


def by_members(model, X, ranked):
    """Expected rewards and intervals as the parts give them, one member after the other."""
    scores = {name: part.scores(X) for name, part in model.parts.items()}
    spread = {name: part.spread(X) for name, part in model.parts.items()}
    expected = model.hurdle.reward_of(scores)
    ends = [
        np.take_along_axis(
            model.hurdle.reward_of({n: scores[n] + sign * 1.96 * spread[n] for n in scores}), ranked, axis=1
        )
        for sign in (-1, 1)
    ]
    return expected, np.minimum(*ends), np.maximum(*ends)


def compiled_anew(model):
    """Compile what the parts hold now."""
    return CompiledReward(model.parts, model.hurdle, model.evidence_table)


def dirty(X, rng):
    """Missing and unheard-of values."""
    X = X.copy()
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.02] = 1e9
    return X


@pytest.fixture(scope="module")
def amounts():
    log = fewer_hours(simulate(1_500, seed=4, no_contact=True, reward="money"), reward_kind="amount")
    return ContactStrategy(n_jobs=1, random_state=0).fit(log)


@pytest.mark.parametrize("which", ["strategy", "amounts"])
@pytest.mark.parametrize("weights", ["learnt", "even"])
def test_one_fused_pass_gives_what_the_members_give(which, weights, request):
    """Scores, intervals and evidence, whatever carries the weight, on clean and dirty context."""
    model = request.getfixturevalue(which).reward_model_
    rng = np.random.default_rng(3)
    X = np.abs(rng.normal(size=(7, len(model.columns_)))) * 3
    X[:, model.encoder.categorical_positions] = rng.integers(0, 5, (7, len(model.encoder.categorical_positions)))
    X = np.vstack([X, dirty(np.vstack([X] * 4), rng)])
    held = {name: dict(part.weights) for name, part in model.parts.items()}
    try:
        if weights == "even":
            for part in model.parts.values():
                part.weights |= dict.fromkeys(part.weights, 0.3)
        ranked = rng.integers(0, len(model.actions_), (len(X), 4))
        compiled = compiled_anew(model)
        found = compiled.score(X)
        expected, lo, hi = by_members(model, X, ranked)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.expected_reward, expected, rtol=1e-9, atol=1e-9 * scale)
        for end, want in zip(found.interval(ranked), (lo, hi), strict=True):
            np.testing.assert_allclose(end, want, rtol=1e-9, atol=1e-9 * scale)
        alone = [compiled.score(X[[row]]) for row in range(len(X))]
        np.testing.assert_array_equal(found.expected_reward, np.vstack([one.expected_reward for one in alone]))
        for end in (0, 1):
            np.testing.assert_array_equal(
                found.interval(ranked)[end], np.vstack([one.interval(ranked[[i]])[end] for i, one in enumerate(alone)])
            )
    finally:
        for name, part in model.parts.items():
            part.weights = held[name]
