"""What a model of one's own must offer."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.learning.training_set import TrainingSet

__all__ = ["PropensityLearner", "RewardLearner"]

Floats = NDArray[np.float64]


@runtime_checkable
class RewardLearner(Protocol):
    """What ``ContactStrategy(reward_model=...)`` and ``evaluate_policy(reward_model=...)`` take.

    ``fit`` is called on a copy (:func:`sklearn.base.clone` where there are parameters, else a deep copy), so one object
    serves any number of fits. Context columns are float64, or pandas categoricals whose categories are frozen at
    training: a value that training saw rarely or never is ``"(other)"``, missing is missing. Training and serving see
    the same columns.

    Further methods are used where they are there:

    ``expected_reward_interval(context, actions_index) -> (lo, hi)``, each of shape (n, k): without it ``lo`` and ``hi``
    of recommendations are NaN ("not known").
    ``sample_expected_reward(context, rng) -> (n, n_actions)``: one posterior draw, for ``policy="thompson"``.
    ``to_files() -> dict of str to bytes`` and ``from_files(files) -> fitted learner``: to save a strategy and load it
    with ``ContactStrategy.load(path, reward_model=learner)``.

    Examples
    --------
    >>> class MeanOfAction:
    ...     def fit(self, training):
    ...         n = np.bincount(training.action, minlength=len(training.actions))
    ...         total = np.bincount(training.action, training.reward, minlength=len(training.actions))
    ...         self.mean = (total + training.reward.mean()) / (n + 1)
    ...         return self
    ...
    ...     def expected_reward(self, context):
    ...         return np.tile(self.mean, (len(context), 1))
    >>> isinstance(MeanOfAction(), RewardLearner)
    True
    """

    def fit(self, training: TrainingSet) -> Any:
        """Learn from logged decisions whose rewards are known."""

    def expected_reward(self, context: pd.DataFrame) -> Floats:
        """Expected reward of every action, shape (n, n_actions), in the order of ``training.actions.to_frame()``."""


@runtime_checkable
class PropensityLearner(Protocol):
    """What ``evaluate_policy(propensity_model=...)`` takes: a model of the logging policy.

    Context columns are those of :class:`RewardLearner`. Ineligible actions are masked and rows normalised afterwards.
    """

    def fit(self, training: TrainingSet) -> Any:
        """Learn which action was chosen for whom."""

    def action_probabilities(self, context: pd.DataFrame) -> Floats:
        """Probability of every action, shape (n, n_actions)."""
