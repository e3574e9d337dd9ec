"""Any classifier or regressor of scikit-learn as a reward model, any classifier as a model of the logging policy."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.learning.calibration import Calibration, calibrate
from recommender.learning.encoding import ContextEncoder
from recommender.learning.own.protocols import PropensityLearner, RewardLearner
from recommender.learning.regression import Family, LinearDesign
from recommender.learning.stacking import group_folds
from recommender.learning.training_set import TrainingSet

__all__ = ["SklearnPropensity", "SklearnReward", "as_propensity_learner", "as_reward_learner"]

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 100_000  # account x action rows predicted at once: memory stays flat
_PANEL_ROWS = 2_000_000  # account x action rows predicted to calibrate
_FOLDS = 3  # as the built-in stack on more than 3,000 rows


def as_reward_learner(given: Any) -> RewardLearner:
    """The object itself where it fits the protocol, else scikit-learn's behind :class:`SklearnReward`.

    Raises
    ------
    InvalidInput
        When it is neither.
    """
    if not isinstance(given, type):
        if isinstance(given, RewardLearner):
            return given
        if _is_estimator(given) and (is_classifier(given) or is_regressor(given)):
            return SklearnReward(given)
    raise InvalidInput(
        f"reward_model must have fit(training) and expected_reward(context), or be a scikit-learn classifier or "
        f"regressor; got {given!r}.",
        column="reward_model",
        mend="See recommender.learning.RewardLearner.",
    )


def as_propensity_learner(given: Any) -> PropensityLearner:
    """The object itself where it fits the protocol, else a classifier behind :class:`SklearnPropensity`."""
    if not isinstance(given, type):
        if isinstance(given, PropensityLearner):
            return given
        if _is_estimator(given) and is_classifier(given) and hasattr(given, "predict_proba"):
            return SklearnPropensity(given)
    raise InvalidInput(
        f"propensity_model must have fit(training) and action_probabilities(context), or be a scikit-learn classifier "
        f"with predict_proba; got {given!r}.",
        column="propensity_model",
        mend="See recommender.learning.PropensityLearner.",
    )


def _is_estimator(given: Any) -> bool:
    return hasattr(given, "fit") and hasattr(given, "__sklearn_tags__")


class _ContextColumns:
    """Context as columns: numbers standardised (logs where skewed), categories one-hot, missing values marked."""

    def __init__(self, training: TrainingSet) -> None:
        self.encoder = ContextEncoder.fit(training.context, training.categorical)
        X = self.encoder.transform(training.context)
        self.design = LinearDesign.fit(self.encoder, X, (), training.actions)

    def of(self, context: pd.DataFrame) -> Floats:
        """Columns, shape (n, n_columns); the constant is left out."""
        return self.design.transform(self.encoder.transform(context))[:, 1:]


def _factor_columns(actions: ActionSpace) -> Floats:
    """One-hot of the levels of every factor, shape (n_actions, sum of levels); ``NO_CONTACT`` holds none."""
    codes = actions.codes
    parts = [codes[:, [f]] == np.arange(size)[None] for f, size in enumerate(actions.shape)]
    return np.hstack(parts).astype(np.float64)


class SklearnReward(BaseEstimator):  # type: ignore[misc]
    """A classifier or regressor over context and action as a reward model.

    It sees one row a decision: context columns, then one column a level of every factor. Its answers are calibrated on
    held-out clusters, with slopes of their own for the level of an account and the advantage of an action.

    Parameters
    ----------
    estimator : scikit-learn classifier or regressor
        A classifier (with ``predict_proba``) for 0/1 rewards, a regressor for those or amounts. A copy is fitted.
    crossed : bool or None, default=None
        Whether it is given the products of context columns and factor levels too (as a sparse matrix), without which
        straight lines rank the actions of every account alike. None = for estimators of ``sklearn.linear_model``, alone
        or last in a pipeline.
    random_state : int, default=0
        Of the folds.
    """

    def __init__(self, estimator: Any, crossed: bool | None = None, random_state: int = 0) -> None:
        self.estimator = estimator
        self.crossed = crossed
        self.random_state = random_state

    def fit(self, training: TrainingSet) -> Self:
        """Fit on every row; calibrate on rows that copies of the estimator did not see."""
        self._check(training)
        self.actions_ = training.actions
        self.family_: Family = "binomial" if training.reward_kind == "binary" else "gaussian"
        self.columns_ = _ContextColumns(training)
        self.factors_ = _factor_columns(self.actions_)
        self.least_ = 0.5 / len(training)  # half a row: a pure leaf knows no more of 0 and 1 than that
        self.share_ = np.bincount(training.action, minlength=len(self.actions_)) / len(training)
        C = self.columns_.of(training.context)
        self.calibration_ = self._calibration(C, training)
        self.estimator_ = self._fitted(C, training, np.arange(len(training)))
        return self

    def expected_reward(self, context: pd.DataFrame) -> Floats:
        """Calibrated expected reward of every action, shape (n, n_actions)."""
        eta = self.calibration_.apply(self._margins(self.estimator_, self.columns_.of(context)), self.share_)
        return np.asarray(expit(eta) if self.family_ == "binomial" else eta, dtype=np.float64)

    def _check(self, training: TrainingSet) -> None:
        if is_regressor(self.estimator):
            return
        if training.reward_kind != "binary" or not hasattr(self.estimator, "predict_proba"):
            raise InvalidInput(
                f"{type(self.estimator).__name__} gives no probability of an amount: rewards are "
                f"{training.reward_kind!r} and a classifier needs predict_proba.",
                column="reward_model",
                mend="Pass a regressor for amounts, a classifier with predict_proba for 0/1 rewards.",
            )

    def _rows(self, C: Floats, levels: Floats) -> Any:
        """One row a decision: context, levels of its action, and their products where they are wanted."""
        if not self._is_crossed():
            return np.hstack([C, levels])
        right = sparse.csr_array(levels)
        products = [sparse.csr_array(C).multiply(right[:, [j]]) for j in range(levels.shape[1])]
        return sparse.hstack([sparse.csr_array(C), right, *products], format="csr")

    def _is_crossed(self) -> bool:
        last = self.estimator.steps[-1][1] if hasattr(self.estimator, "steps") else self.estimator
        return self.crossed if self.crossed is not None else type(last).__module__.startswith("sklearn.linear_model")

    def _fitted(self, C: Floats, training: TrainingSet, rows: NDArray[np.int64]) -> Any:
        levels = self.factors_[training.action[rows]]
        target = training.reward[rows]
        target = target.astype(np.int64) if is_classifier(self.estimator) else target
        return clone(self.estimator).fit(self._rows(C[rows], levels), target)

    def _margins(self, fitted: Any, C: Floats) -> Floats:
        """Answers on the scale of the link, shape (n, n_actions)."""
        n_actions = len(self.actions_)
        answer = np.empty((len(C), n_actions))
        step = max(1, _ROWS_AT_ONCE // n_actions)
        for start in range(0, len(C), step):
            part = C[start : start + step]
            rows = self._rows(np.repeat(part, n_actions, axis=0), np.tile(self.factors_, (len(part), 1)))
            answer[start : start + step] = self._predict(fitted, rows).reshape(-1, n_actions)
        return answer

    def _predict(self, fitted: Any, rows: Any) -> Floats:
        if is_classifier(self.estimator):
            classes = list(fitted.classes_)
            prediction = fitted.predict_proba(rows)
            prediction = prediction[:, classes.index(1)] if 1 in classes else np.zeros(rows.shape[0])
        else:
            prediction = np.asarray(fitted.predict(rows), dtype=np.float64)
        return np.asarray(
            logit(np.clip(prediction, self.least_, 1 - self.least_)) if self.family_ == "binomial" else prediction
        )

    def _calibration(self, C: Floats, training: TrainingSet) -> Calibration:
        folds = group_folds(training.groups, _FOLDS, self.random_state)
        order = np.random.default_rng(self.random_state).permutation(len(training))
        panel = np.zeros(len(training), dtype=bool)
        panel[order[: max(1, _PANEL_ROWS // len(self.actions_))]] = True
        level, advantage = np.empty(len(training)), np.empty(len(training))
        for fold in range(_FOLDS):
            rest, out_of_fit = np.flatnonzero(folds != fold), np.flatnonzero((folds == fold) & panel)
            if len(rest) == 0 or len(out_of_fit) == 0 or np.ptp(training.reward[rest]) == 0:
                panel[out_of_fit] = False
                continue
            eta = self._margins(self._fitted(C, training, rest), C[out_of_fit])
            level[out_of_fit] = eta @ self.share_
            advantage[out_of_fit] = eta[np.arange(len(out_of_fit)), training.action[out_of_fit]] - level[out_of_fit]
        if not panel.any():
            return Calibration(0.0, 1.0, 1.0)
        return calibrate(level[panel], advantage[panel], training.reward[panel], self.family_)


class SklearnPropensity(BaseEstimator):  # type: ignore[misc]
    """A classifier of the logged action from the context, as a model of the logging policy.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba``
        A copy is fitted. Actions that training never saw get probability 0.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, training: TrainingSet) -> Self:
        """Learn which action was chosen for whom."""
        self.actions_ = training.actions
        self.columns_ = _ContextColumns(training)
        self.estimator_ = clone(self.estimator).fit(self.columns_.of(training.context), training.action)
        return self

    def action_probabilities(self, context: pd.DataFrame) -> Floats:
        """Probability of every action, shape (n, n_actions)."""
        answer = np.zeros((len(context), len(self.actions_)))
        answer[:, self.estimator_.classes_] = self.estimator_.predict_proba(self.columns_.of(context))
        return cast("Floats", answer)
