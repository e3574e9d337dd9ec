"""Gradient-boosted trees over context and action columns (an S-learner), scored for every action at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace

__all__ = ["ActionTrees", "TreeSettings", "factor_levels"]

_CELLS_PER_CHUNK = 2_000_000


@dataclass(frozen=True)
class TreeSettings:
    """Settings of one boosted ensemble; defaults suit rare rewards.

    Parameters
    ----------
    objective : {"binary", "regression", "gamma"}
    n_leaves, learning_rate, l2, min_leaf, feature_fraction, row_fraction
        LightGBM's ``num_leaves``, ``learning_rate``, ``lambda_l2``, ``min_data_in_leaf``, ``feature_fraction`` and
        ``bagging_fraction``.
    max_rounds : int
        Ceiling for early stopping.
    patience : int
        Rounds without improvement after which boosting stops.
    """

    objective: str = "binary"
    n_leaves: int = 15
    learning_rate: float = 0.05
    l2: float = 20.0
    min_leaf: int = 50
    feature_fraction: float = 0.6
    row_fraction: float = 0.8
    max_rounds: int = 600
    patience: int = 40

    def parameters(self, *, n_jobs: int, random_state: int) -> dict[str, Any]:
        """LightGBM's parameters; results do not depend on ``n_jobs``."""
        return {
            "objective": self.objective,
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "lambda_l2": self.l2,
            "min_data_in_leaf": self.min_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1 if self.row_fraction < 1 else 0,
            "max_bin": 127,
            "min_data_per_group": 20,
            "cat_smooth": 20.0,
            "seed": random_state,
            "num_threads": n_jobs,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }


def factor_levels(actions: ActionSpace) -> list[tuple[str, NDArray[np.float64], bool]]:
    """Columns that describe an action to the trees.

    Returns
    -------
    list of (factor, values of shape (n_actions,), whether they are category codes)
        Factors of numbers give their values, others their level codes; ``NO_CONTACT`` is missing.
    """
    columns = []
    for position, (name, levels) in enumerate(actions.factors.items()):
        ordered = len(levels) > 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in levels)
        values = np.asarray(levels, dtype=np.float64) if ordered else np.arange(len(levels), dtype=np.float64)
        codes = actions.codes[:, position]
        columns.append((name, np.where(codes < 0, np.nan, values[np.maximum(codes, 0)]), not ordered))
    return columns


class ActionTrees:
    """One boosted ensemble over encoded context columns followed by one column a factor.

    Parameters
    ----------
    booster : lightgbm.Booster
    actions : ActionSpace
    """

    def __init__(self, booster: lgb.Booster, actions: ActionSpace) -> None:
        self.booster = booster
        self.actions = actions
        self._levels = np.stack([values for _, values, _ in factor_levels(actions)], axis=1)

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float64],
        categorical: list[int],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        *,
        settings: TreeSettings,
        weight: NDArray[np.float64] | None = None,
        held_out: NDArray[np.bool_] | None = None,
        rounds: int | None = None,
        n_jobs: int,
        random_state: int,
    ) -> ActionTrees:
        """Boost; stop early on the held-out rows when given, else run ``rounds`` rounds."""
        described = factor_levels(actions)
        design = np.column_stack([X] + [values[action] for _, values, _ in described])
        coded = categorical + [X.shape[1] + i for i, (_, _, is_code) in enumerate(described) if is_code]
        parameters = settings.parameters(n_jobs=n_jobs, random_state=random_state)

        def dataset(rows: NDArray[np.bool_], reference: lgb.Dataset | None = None) -> lgb.Dataset:
            return lgb.Dataset(
                design[rows],
                target[rows],
                weight=None if weight is None else weight[rows],
                categorical_feature=coded,
                params={"max_bin": parameters["max_bin"], "verbosity": -1},
                reference=reference,
                free_raw_data=True,
            )

        if held_out is None:
            booster = lgb.train(
                parameters, dataset(np.ones(len(target), dtype=bool)), num_boost_round=rounds or settings.max_rounds
            )
            return cls(booster, actions)
        training = dataset(~held_out)
        booster = lgb.train(
            parameters,
            training,
            num_boost_round=settings.max_rounds,
            valid_sets=[dataset(held_out, training)],
            callbacks=[lgb.early_stopping(settings.patience, verbose=False)],
        )
        return cls(booster, actions)

    @property
    def rounds(self) -> int:
        """Rounds kept."""
        return int(self.booster.best_iteration if self.booster.best_iteration > 0 else self.booster.current_iteration())

    def logged_scores(
        self, X: NDArray[np.float64], action: NDArray[np.int64], *, n_jobs: int = 1
    ) -> NDArray[np.float64]:
        """Raw score of one action a row."""
        design = np.column_stack([X, self._levels[action]])
        return np.asarray(self.booster.predict(design, raw_score=True, num_threads=n_jobs), dtype=np.float64)

    def raw_scores(self, X: NDArray[np.float64], *, n_jobs: int = 1) -> NDArray[np.float64]:
        """Raw scores of every action, shape (n, n_actions)."""
        n, n_actions = len(X), len(self.actions)
        scores = np.empty((n, n_actions), dtype=np.float64)
        step = max(1, _CELLS_PER_CHUNK // max(1, n_actions * (X.shape[1] + self._levels.shape[1]) // 8))
        for start in range(0, n, step):
            part = X[start : start + step]
            cross = np.empty((len(part) * n_actions, X.shape[1] + self._levels.shape[1]))
            cross[:, : X.shape[1]] = np.repeat(part, n_actions, axis=0)
            cross[:, X.shape[1] :] = np.tile(self._levels, (len(part), 1))
            scores[start : start + step] = np.reshape(
                self.booster.predict(cross, raw_score=True, num_threads=n_jobs), (len(part), n_actions)
            )
        return scores

    def to_text(self) -> str:
        """LightGBM's own text form."""
        return str(self.booster.model_to_string(num_iteration=self.rounds))

    @classmethod
    def from_text(cls, text: str, actions: ActionSpace) -> ActionTrees:
        """Rebuild from :meth:`to_text`; runs no code."""
        return cls(lgb.Booster(model_str=text), actions)
