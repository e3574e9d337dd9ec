"""What is learnt once of a log that policies are judged on: reward model, propensities, and what was never tried."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.evaluation import time_blocks
from recommender.history import LoggedFeedback
from recommender.learning import (
    ContextEncoder,
    PropensityEstimate,
    TrainingSet,
    as_propensity_learner,
    as_reward_learner,
    cross_fit_own_propensities,
    cross_fit_own_rewards,
    cross_fit_propensities,
    cross_fit_rewards,
    training_set_of,
)
from recommender.strategy import checked_log
from recommender.support import NeverTried, find_least_likely, find_never_tried

__all__ = ["JudgedLog"]

_MOST_CELLS = 60_000_000  # decisions x actions held at once; a larger log is sampled by cluster
_DAYS = 7.0


class JudgedLog:
    """A log and its nuisance models, each fitted when it is first needed.

    Parameters
    ----------
    log : LoggedFeedback
    n_folds : int, default=5
    random_state : int, default=0
    reward_model, propensity_model
        As for :func:`recommender.proof.evaluate_policy`.
    """

    def __init__(
        self,
        log: LoggedFeedback,
        *,
        n_folds: int = 5,
        random_state: int = 0,
        reward_model: Any | None = None,
        propensity_model: Any | None = None,
    ) -> None:
        if n_folds < 2:
            raise InvalidInput.in_column(
                "n_folds",
                "must be at least 2: nuisance models must not see the rows they predict",
                values=[n_folds],
                mend="Pass e.g. 5.",
            )
        self.log = checked_log(log)
        self.n_folds = n_folds
        self.random_state = random_state
        self.reward_model = None if reward_model is None else as_reward_learner(reward_model)
        self.propensity_model = None if propensity_model is None else as_propensity_learner(propensity_model)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Positions of the decisions that are evaluated."""
        most = max(1, _MOST_CELLS // self.log.n_actions)
        return self.log.sample_rows(np.flatnonzero(self.log.mature), most, self.random_state)

    @cached_property
    def part(self) -> LoggedFeedback:
        """The decisions that are evaluated."""
        return self.log.take(self.rows)

    @cached_property
    def dated_context(self) -> pd.DataFrame:
        """Context with the period of each decision, by which ways to choose and habits of debtors change.

        Weekday and hour are often part of the action: instants count in whole weeks, other times in up to thirty
        blocks of about equal size.
        """
        part = self.part
        name = part.names.get("time") or "time"
        if part.time is None or part.order is None or name in part.context.columns:
            return part.context
        time = np.asarray(part.time)
        if np.issubdtype(time.dtype, np.datetime64):
            name = f"weeks since the first {name}"
            period = np.floor((part.order - part.order.min()) / _DAYS)
        else:
            period = time_blocks(part.order).astype(np.float64)
            if np.issubdtype(time.dtype, np.number):  # named by the first of each block
                period = pd.Series(part.order).groupby(period).transform("min").to_numpy(dtype=np.float64)
            else:
                name = f"thirtieths of the log by {name}"
        if period.min() == period.max() or name in part.context.columns:
            return part.context
        return part.context.assign(**{name: period})

    @property
    def _confounded(self) -> pd.DataFrame:
        """What the nuisance models see: the period too, where it may have moved choice and reward alike."""
        logged = self.part.propensity
        return self.part.context if logged is not None and not np.isnan(logged).any() else self.dated_context

    def _training_set(self) -> TrainingSet:
        return replace(training_set_of(self.part, None), context=self._confounded)

    @cached_property
    def expected_reward(self) -> NDArray[np.float64]:
        """Cross-fitted expected reward of every action, of shape (n_evaluated, n_actions)."""
        part = self.part
        if self.reward_model is not None:
            return cross_fit_own_rewards(
                self._training_set(), self.reward_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_rewards(
            self._confounded,
            part.categorical,
            part.actions,
            part.action,
            part.reward,
            part.groups,
            n_folds=self.n_folds,
            random_state=self.random_state,
            reward_kind=part.reward_kind,
        )

    @cached_property
    def estimate(self) -> PropensityEstimate:
        """The whole logging policy, which no log holds: the marginalised estimators weight whole cells of actions."""
        part = self.part
        if self.propensity_model is not None:
            return cross_fit_own_propensities(
                self._training_set(), self.propensity_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_propensities(
            self._confounded,
            part.categorical,
            part.actions,
            part.action,
            part.groups,
            eligible=part.eligible,
            n_folds=self.n_folds,
            random_state=self.random_state,
        )

    @cached_property
    def propensities(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], PropensityEstimate | None]:
        """Logged propensities where there are any, cross-fitted ones elsewhere; which are logged; the estimate."""
        logged = self.part.propensity
        if logged is None:
            return self.estimate.logged, np.zeros(len(self.part), dtype=bool), self.estimate
        known = ~np.isnan(logged)
        if known.all():
            return logged, known, None
        return np.where(known, logged, self.estimate.logged), known, self.estimate

    @cached_property
    def never_tried(self) -> NeverTried:
        """Where, and when, the evaluated decisions never show an action."""
        part = self.part
        return find_never_tried(
            self._encoded,
            self._encoder,
            part.actions,
            part.action,
            part.groups,
            eligible=part.eligible,
            propensity=part.propensity,
            random_state=self.random_state,
        )

    @cached_property
    def unshown(self) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
        """Cells that the log never shows, of shape (n_evaluated, n_actions) or None, and the regions in words."""
        part = self.part
        cells = self.never_tried.cells(self._encoded) if self.never_tried else None
        named = tuple(str(region) for region in self.never_tried.regions)
        if part.propensity is None:
            # Propensities are estimated anyway, and their order shows rules that end at no single column.
            more, why = find_least_likely(self.estimate.all, part.actions, part.action, part.eligible)
            if why:
                cells = more if cells is None else cells | more
        else:
            why = ()
        return cells, named + why

    @cached_property
    def _encoder(self) -> ContextEncoder:
        return ContextEncoder.fit(self.dated_context, self.part.categorical)

    @property
    def _encoded(self) -> NDArray[np.float64]:
        return self._encoder.transform(self.dated_context)
