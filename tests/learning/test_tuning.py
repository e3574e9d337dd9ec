"""Tuning is seeded, resumable, reported and never worse than the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.learning.reward import RewardModel
from recommender.learning.training_set import TrainingSet
from recommender.learning.tuning import _forward_folds, tune_trees

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    """A small log in time order."""
    rng = np.random.default_rng(0)
    n = 500
    space = ActionSpace({"channel": ["call", "sms"], "hour": [9, 12, 18]})
    action = rng.integers(0, len(space), n)
    x = rng.normal(size=n)
    reward = (rng.random(n) < 0.2 + 0.3 * ((action < 3) & (x > 0))).astype(float)
    return TrainingSet(
        pd.DataFrame({"x": x}), (), space, action, reward, "binary", None, np.arange(n), np.arange(n, dtype=float)
    )


def test_the_default_is_the_first_trial_and_the_best_is_no_worse(training: TrainingSet) -> None:
    """The same seed finds the same settings; the caller hears of every trial."""
    told: list[dict[str, Any]] = []
    first, second = (tune_trees(training, n_trials=3, random_state=1, report=told.append) for _ in range(2))
    assert first == second
    assert first.objective <= first.default_objective
    assert len(told) == 6
    model = RewardModel().fit(training, tree_settings=first.settings)
    assert np.isfinite(model.expected_reward(training.context)).all()


def test_a_journal_is_resumed_not_repeated(training: TrainingSet, tmp_path: Path) -> None:
    """A study of two trials that is asked for three runs one more."""
    journal, told = str(tmp_path / "journal.log"), []
    tune_trees(training, n_trials=2, journal=journal)
    result = tune_trees(training, n_trials=3, journal=journal, report=told.append)
    assert len(told) == 1
    assert result.n_trials <= 3


def test_forward_folds_never_look_ahead(training: TrainingSet) -> None:
    """Every row that is judged is later than every row that was learnt from."""
    for learn, judge in _forward_folds(training, 3, 0):
        assert training.order is not None
        assert training.order[learn].max() < training.order[judge].min()
