"""Gradient-boosted trees over context and action columns (an S-learner), scored for every action at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.allactions import ActionGrid, ActionScorer, KernelError, TreeShapley
from recommender.errors import InvalidInput

__all__ = ["ActionTrees", "TreeSettings", "factor_levels"]


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


@contextmanager
def kernel_refusals() -> Iterator[None]:
    """Turn what the kernel refuses into this library's own error."""
    try:
        yield
    except KernelError as error:
        raise InvalidInput(error.problem, column=error.column, mend=error.mend) from error


def _is_ordered(levels: Sequence[object]) -> bool:
    return len(levels) > 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in levels)


def _level_values(levels: Sequence[object]) -> NDArray[np.float64]:
    return np.asarray(levels if _is_ordered(levels) else range(len(levels)), dtype=np.float64)


def factor_levels(actions: ActionSpace) -> list[tuple[str, NDArray[np.float64], bool]]:
    """Columns that describe an action to the trees.

    Returns
    -------
    list of (factor, values of shape (n_actions,), whether they are category codes)
        Factors of numbers give their values, others their level codes; ``NO_CONTACT`` is missing.
    """
    columns = []
    for position, (name, levels) in enumerate(actions.factors.items()):
        codes = actions.codes[:, position]
        values = np.where(codes < 0, np.nan, _level_values(levels)[np.maximum(codes, 0)])
        columns.append((name, values, not _is_ordered(levels)))
    return columns


class ActionTrees:
    """Boosted ensembles over encoded context columns followed by one column a factor; their mean is the score.

    Parameters
    ----------
    boosters : sequence of lightgbm.Booster
    actions : ActionSpace
    """

    def __init__(self, boosters: Sequence[lgb.Booster], actions: ActionSpace) -> None:
        self.boosters = tuple(boosters)
        self.actions = actions
        self._described = factor_levels(actions)
        self._levels = np.stack([values for _, values, _ in self._described], axis=1)
        self._scorer: ActionScorer | None = None
        self._shapley: TreeShapley | None = None

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
        stop_early: bool = True,
        n_jobs: int,
        random_state: int,
    ) -> ActionTrees:
        """Boost on the rows that are not held out; stop early on those that are, or go on to ``max_rounds``."""
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
                params={"max_bin": parameters["max_bin"], "verbosity": -1, "num_threads": n_jobs},
                reference=reference,
                free_raw_data=True,
            )

        out_of_fit = np.zeros(len(target), dtype=bool) if held_out is None else held_out
        watched = stop_early and out_of_fit.any()
        training = dataset(~out_of_fit)
        booster = lgb.train(
            parameters,
            training,
            num_boost_round=settings.max_rounds,
            valid_sets=[dataset(out_of_fit, training)] if watched else [],
            callbacks=[lgb.early_stopping(settings.patience, verbose=False)] if watched else [],
        )
        # keep only the rounds of the best iteration, as a loaded model would
        rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        return cls([lgb.Booster(model_str=booster.model_to_string(num_iteration=rounds))], actions)

    @classmethod
    def mean_of(cls, members: Sequence[ActionTrees]) -> ActionTrees:
        """Average several ensembles, e.g. one a fold."""
        return cls([booster for member in members for booster in member.boosters], members[0].actions)

    @cached_property
    def apart(self) -> tuple[ActionTrees, ...]:
        """Each ensemble that this is the mean of."""
        return tuple(ActionTrees([booster], self.actions) for booster in self.boosters)

    @property
    def rounds(self) -> int:
        """Rounds kept, over all boosters."""
        return int(sum(booster.current_iteration() for booster in self.boosters))

    def logged_scores(
        self, X: NDArray[np.float64], action: NDArray[np.int64], *, n_jobs: int = 1
    ) -> NDArray[np.float64]:
        """Raw score of one action a row."""
        design = np.column_stack([X, self._levels[action]])
        parts = [booster.predict(design, raw_score=True, num_threads=n_jobs) for booster in self.boosters]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def raw_scores(self, X: NDArray[np.float64], *, n_jobs: int = 1) -> NDArray[np.float64]:
        """Raw scores of every action, shape (n, n_actions)."""
        return np.asarray(self._compiled(n_jobs).raw_scores(X, n_threads=n_jobs), dtype=np.float64)

    def scores_of(self, X: NDArray[np.float64], actions: NDArray[np.int64], *, n_jobs: int = 1) -> NDArray[np.float64]:
        """Raw scores of some actions of every row, ``actions`` and answer of shape (n, k).

        As :meth:`logged_scores` within 1e-12, by the compiled trees: for models that are served.
        """
        return self._compiled(n_jobs).scores_of(X, actions, n_threads=n_jobs)

    def _compiled(self, n_jobs: int) -> ActionScorer:
        """The trees compiled, at the first call."""
        if self._scorer is None:
            n_columns = self.boosters[0].num_feature() - len(self._described)
            members: list[tuple[Any, float]] = [(booster, 1.0 / len(self.boosters)) for booster in self.boosters]
            with kernel_refusals():
                self._scorer = ActionScorer.from_boosters(
                    members,
                    self.actions.factors,
                    factor_columns={name: n_columns + i for i, (name, _, _) in enumerate(self._described)},
                    factor_values={
                        name: _level_values(levels).tolist() for name, levels in self.actions.factors.items()
                    },
                    idle_values={} if self.actions.no_contact else None,
                    n_threads=n_jobs,
                )
        return self._scorer

    def shapley_values(
        self, X: NDArray[np.float64], action: NDArray[np.int64], share: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """TreeSHAP values of given actions, of the mean over all actions, and the score that both start from.

        See :meth:`recommender.allactions.tree_shapley.TreeShapley.values`; features are the columns of X, then the
        factors.
        """
        if self._shapley is None:
            n_columns = self.boosters[0].num_feature() - len(self._described)
            idle = self.actions.no_contact_index
            grid = ActionGrid(
                tuple(range(n_columns, n_columns + len(self._described))),
                tuple(_level_values(levels) for levels in self.actions.factors.values()),
                None if idle is None else (np.nan,) * len(self._described),
            )
            with kernel_refusals():
                self._shapley = TreeShapley(self.to_texts(), grid, self.actions.codes)
        values, mean = self._shapley.values(X, action, share)
        return values, mean, self._shapley.expected_value

    def to_texts(self) -> list[str]:
        """LightGBM's own text form of each booster."""
        return [str(booster.model_to_string()) for booster in self.boosters]

    @classmethod
    def from_texts(cls, texts: Sequence[str], actions: ActionSpace) -> ActionTrees:
        """Rebuild from :meth:`to_texts`; runs no code."""
        return cls([lgb.Booster(model_str=text) for text in texts], actions)
