"""Trees that are grown past their best log-loss, and propensities estimated where none were logged."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from recommender.actions import ActionSpace
from recommender.learning import RewardModel, TrainingSet, TreeSettings, member_fits, member_plans
from recommender.learning.encoding import ContextEncoder
from recommender.learning.fit_rows import LearningTask, prepare_rows
from recommender.learning.regression import LatentProfiles
from recommender.learning.weighing import _inverse_propensity

N = 2_400
SPACE = ActionSpace({"arm": range(3), "style": list("ab")})


def _training(*, parity, strength=0.0, seed=0):
    """Rewards follow the parity of two signs, or one straight line; the logger may prefer arms by context."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    logging = softmax(strength * X[:, :1] * np.linspace(-1, 1, len(SPACE)), axis=1)
    action = (rng.random(N)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    arm = SPACE.codes[action, 0]
    good = ((X[:, 0] > 0) == (X[:, 1] > 0)) == (arm == 1) if parity else (X[:, 0] > 0) == (arm == 1)
    training = TrainingSet(
        context=pd.DataFrame(X, columns=list("pqr")),
        categorical=(),
        actions=SPACE,
        action=action,
        reward=(rng.random(N) < np.where(good, 0.45, 0.05)).astype(float),
        reward_kind="binary",
        propensity=logging[np.arange(N), action],
        groups=np.arange(N),
    )
    return training, logging[np.arange(N), action]


def _task(training):
    encoder = ContextEncoder.fit(training.context, ())
    return LearningTask(
        encoder,
        encoder.transform(training.context),
        [],
        LatentProfiles((), ()),
        SPACE,
        training.action,
        training.reward,
        training.groups,
        family="binomial",
    )


def test_trees_are_grown_where_they_count(monkeypatch):
    """Where signs decide by parity, trees count and are grown to their last round; they survive the files."""
    monkeypatch.setattr(member_fits, "grown_trees", lambda *_: TreeSettings(max_rounds=80))
    training, _ = _training(parity=True)
    model = RewardModel().fit(training)
    part = model.parts["event"]
    assert set(part.trees) == {"trees", "grown"}
    assert "half grown" in part.report.gains
    again = RewardModel.from_files(model.to_files())
    assert np.array_equal(again.expected_reward(training.context[:50]), model.expected_reward(training.context[:50]))
    tuned = RewardModel().fit(training, tree_settings=TreeSettings(max_rounds=50))
    assert set(tuned.parts["event"].trees) == {"trees"}


def test_grown_trees_that_count_are_served_from_every_row(monkeypatch):
    """One ensemble in half the steps, which no fold held anything back from; the others stay the mean of the folds."""
    monkeypatch.setattr(member_fits, "grown_trees", lambda *_: TreeSettings(max_rounds=80))
    training, _ = _training(parity=True)
    rows, _ = prepare_rows(_task(training), 0)
    fits = member_fits.fit_members(rows, None, 1)
    served = fits.served_trees(rows, {"trees": 0.5, "grown": 0.5}, 1)
    assert [served["grown"].rounds, len(served["grown"].boosters)] == [2 * 80, 1]
    assert len(served["trees"].boosters) == 5
    again = fits.served_trees(rows, {"trees": 0.5, "grown": 0.5}, 2)
    assert served["grown"].to_texts() == again["grown"].to_texts()  # whatever the number of threads
    assert fits.served_trees(rows, {"grown": 0.0}, 1)["grown"].rounds == 5 * 80  # nothing is spent on it


def test_short_logs_and_amounts_get_none():
    """Nothing is grown where there are few rows, nor for amounts."""
    assert member_plans.grown_trees(np.zeros(9_999), "binomial") is None
    assert member_plans.grown_trees(np.zeros(10_000), "gaussian") is None
    assert member_plans.grown_trees(np.zeros(10_000), "binomial").max_rounds == 600


@pytest.mark.parametrize(("strength", "known"), [(0.3, True), (6.0, False)])
def test_propensities_are_estimated_where_the_logger_was_even(strength, known):
    """Near the truth for an almost uniform logger; refused for one of strong preferences."""
    training, logged = _training(parity=False, strength=strength)
    rows, _ = prepare_rows(_task(training), 0)
    found = _inverse_propensity(rows, np.arange(N))
    if not known:
        assert found is None
        return
    assert np.abs(np.log(found * logged)).max() < 0.35
    assert np.corrcoef(np.log(found), -np.log(logged))[0, 1] > 0.9
