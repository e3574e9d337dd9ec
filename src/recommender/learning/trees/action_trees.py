"""Gradient-boosted trees over context and action columns (an S-learner), scored for every action at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from recommender.learning.trees.derived_columns import DerivedColumns
from recommender.learning.trees.tree_columns import TreeColumns, level_values

__all__ = ["ActionTrees", "TreeSettings"]


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


class ActionTrees:
    """Boosted ensembles over encoded context, what is derived from it, and a column a factor; their mean is the score.

    Parameters
    ----------
    boosters : sequence of lightgbm.Booster
    actions : ActionSpace
    derived : DerivedColumns, optional
        Columns that trees read besides; those who call know nothing of them.
    """

    def __init__(
        self, boosters: Sequence[lgb.Booster], actions: ActionSpace, derived: DerivedColumns | None = None
    ) -> None:
        self.boosters = tuple(boosters)
        self.actions = actions
        self.derived = DerivedColumns() if derived is None else derived
        self._columns = TreeColumns(actions, self.derived)
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
        derived: DerivedColumns | None = None,
        n_jobs: int,
        random_state: int,
    ) -> ActionTrees:
        """Boost on the rows that are not held out; stop early on those that are, or go on to ``max_rounds``."""
        columns = TreeColumns(actions, DerivedColumns() if derived is None else derived)
        design, codes = columns.design(X, action), columns.codes(X.shape[1])
        parameters = settings.parameters(n_jobs=n_jobs, random_state=random_state)

        def dataset(rows: NDArray[np.bool_], reference: lgb.Dataset | None = None) -> lgb.Dataset:
            return lgb.Dataset(
                design[rows],
                target[rows],
                weight=None if weight is None else weight[rows],
                categorical_feature=categorical + codes,
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
        return cls([lgb.Booster(model_str=booster.model_to_string(num_iteration=rounds))], actions, derived)

    @classmethod
    def mean_of(cls, members: Sequence[ActionTrees]) -> ActionTrees:
        """Average several ensembles over the same columns, e.g. one a fold."""
        boosters = [booster for member in members for booster in member.boosters]
        return cls(boosters, members[0].actions, members[0].derived)

    @cached_property
    def apart(self) -> tuple[ActionTrees, ...]:
        """Each ensemble that this is the mean of."""
        return tuple(ActionTrees([booster], self.actions, self.derived) for booster in self.boosters)

    @property
    def rounds(self) -> int:
        """Rounds kept, over all boosters."""
        return int(sum(booster.current_iteration() for booster in self.boosters))

    def gains(self) -> NDArray[np.float64]:
        """What splits on each encoded context column gained, shape (n_columns,)."""
        return self._gains()[: self._n_columns]

    def pair_gains(self) -> NDArray[np.float64]:
        """What splits on each derived pair gained, shape (n_pairs,)."""
        return self._gains()[self._n_columns :][: len(self.derived.pairs)]

    def _gains(self) -> NDArray[np.float64]:
        gained = np.sum([booster.feature_importance("gain") for booster in self.boosters], axis=0)
        return np.asarray(gained, dtype=np.float64)

    @property
    def _n_columns(self) -> int:
        """Encoded context columns."""
        return int(self.boosters[0].num_feature()) - len(self.derived) - len(self.actions.factors)

    def logged_scores(
        self, X: NDArray[np.float64], action: NDArray[np.int64], *, n_jobs: int = 1
    ) -> NDArray[np.float64]:
        """Raw score of one action a row."""
        design = self._columns.design(X, action)
        parts = [booster.predict(design, raw_score=True, num_threads=n_jobs) for booster in self.boosters]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def raw_scores(self, X: NDArray[np.float64], *, n_jobs: int = 1) -> NDArray[np.float64]:
        """Raw scores of every action, shape (n, n_actions)."""
        scorer, wide = self._compiled(n_jobs), self.derived.of_context(X)
        if self.derived.factor is None:
            return np.asarray(scorer.raw_scores(wide, n_threads=n_jobs), dtype=np.float64)
        scores = np.empty((len(X), len(self.actions)))
        for level, of_all, of_level in self._columns.by_level():
            scores[:, of_all] = scorer.raw_scores(self._columns.at_level(wide, level), n_threads=n_jobs)[:, of_level]
        return scores

    def scores_of(self, X: NDArray[np.float64], actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Raw scores of some actions of every row, ``actions`` and answer of shape (n, k).

        As :meth:`logged_scores` within 1e-12, by the compiled trees: for models that are served.
        """
        if self.derived.factor is not None:
            return np.take_along_axis(self.raw_scores(X), actions, axis=1)
        return self._compiled(1).scores_of(self.derived.of_context(X), actions, n_threads=1)

    def _compiled(self, n_jobs: int) -> ActionScorer:
        """The trees compiled, at the first call."""
        if self._scorer is None:
            first = self._n_columns + len(self.derived)
            members: list[tuple[Any, float]] = [(booster, 1.0 / len(self.boosters)) for booster in self.boosters]
            factors = self._columns.scored_factors
            with kernel_refusals():
                self._scorer = ActionScorer.from_boosters(
                    members,
                    factors,
                    factor_columns={name: first + self._columns.names.index(name) for name in factors},
                    factor_values={name: level_values(levels).tolist() for name, levels in factors.items()},
                    idle_values={} if self.actions.no_contact else None,
                    n_threads=n_jobs,
                )
        return self._scorer

    def shapley_values(
        self, X: NDArray[np.float64], action: NDArray[np.int64], share: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """TreeSHAP values of given actions, of the mean over all actions, and the score that both start from.

        See :meth:`recommender.allactions.tree_shapley.TreeShapley.values`; features are the columns of X, then the
        factors. What a derived column is paid goes to what it is made of, half each.
        """
        if self._shapley is None:
            factors = self._columns.scored_factors
            first = int(self.boosters[0].num_feature()) - len(factors)
            grid = ActionGrid(
                tuple(range(first, first + len(factors))),
                tuple(level_values(levels) for levels in factors.values()),
                None if self.actions.no_contact_index is None else (np.nan,) * len(factors),
            )
            with kernel_refusals():
                self._shapley = TreeShapley(self.to_texts(), grid, self._columns.scored_codes())
        wide = self.derived.of_context(X)
        if self.derived.factor is None:
            values, mean = self._shapley.values(wide, action, share)
        else:
            values, mean = self._shapley_by_level(self._shapley, wide, action, share)
        own = self.derived.fold_back(values, X.shape[1], len(self.actions.factors))
        of_mean = self.derived.fold_back(mean, X.shape[1], len(self.actions.factors))
        return own, of_mean, self._shapley.expected_value

    def _shapley_by_level(
        self,
        shapley: TreeShapley,
        wide: NDArray[np.float64],
        action: NDArray[np.int64],
        share: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shapley values where the factor of the clocks is read as context: level by level, in the order of factors."""
        width = wide.shape[1] + len(self.derived.clocks) + len(self.actions.factors)
        values, mean = np.zeros((*action.shape, width)), np.zeros((len(wide), width))
        place = self._columns.back_in_order(width)
        for level, of_all, of_level in self._columns.by_level():
            asked = np.isin(action, of_all)
            rows = np.arange(len(wide)) if share is not None else np.flatnonzero(asked.any(axis=1))
            within = np.zeros(len(self.actions), dtype=np.int64)
            within[of_all] = of_level
            shares = None
            if share is not None:
                shares = np.zeros(len(self._columns.scored_codes()))
                shares[of_level] = share[of_all]
            part, of_mean = shapley.values(self._columns.at_level(wide[rows], level), within[action[rows]], shares)
            values[rows] = np.where(asked[rows][:, :, None], part[:, :, place], values[rows])
            if share is not None:
                mean[rows] += of_mean[:, place]  # linear in the shares
        return values, mean

    def to_texts(self) -> list[str]:
        """LightGBM's own text form of each booster."""
        return [str(booster.model_to_string()) for booster in self.boosters]

    @classmethod
    def from_texts(
        cls, texts: Sequence[str], actions: ActionSpace, derived: Mapping[str, Any] | None = None
    ) -> ActionTrees:
        """Rebuild from :meth:`to_texts` and the description of derived columns; runs no code."""
        columns = None if derived is None else DerivedColumns.from_dict(derived)
        return cls([lgb.Booster(model_str=text) for text in texts], actions, columns)
