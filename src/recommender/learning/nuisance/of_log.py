"""Nuisance models of a logged sample: expected rewards, and propensities where they were not logged.

Everything that estimates a policy's value from a log goes through here, so that a score, a report and a gate see the
same confounders.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.evaluation import time_blocks
from recommender.history import LoggedFeedback
from recommender.learning.nuisance.own import cross_fit_own_propensities, cross_fit_own_rewards
from recommender.learning.nuisance.propensities import PropensityEstimate, cross_fit_propensities
from recommender.learning.nuisance.rewards import cross_fit_rewards
from recommender.learning.own.protocols import PropensityLearner, RewardLearner
from recommender.learning.training_log import training_set_of
from recommender.learning.training_set import TrainingSet

__all__ = ["LogNuisance", "dated_context"]

_DAYS = 7.0  # of a period: weekdays stay comparable within it

Floats = NDArray[np.float64]


def dated_context(log: LoggedFeedback) -> pd.DataFrame:
    """Context with the period of each decision, by which ways to choose and habits of debtors change.

    Weekday and hour are often part of the action: instants count in whole weeks, other times in up to thirty blocks of
    about equal size.
    """
    name = log.names.get("time") or "time"
    if log.time is None or log.order is None or name in log.context.columns:
        return log.context
    time = np.asarray(log.time)
    if np.issubdtype(time.dtype, np.datetime64):
        name = f"weeks since the first {name}"
        period = np.floor((log.order - log.order.min()) / _DAYS)
    else:
        period = time_blocks(log.order).astype(np.float64)
        if np.issubdtype(time.dtype, np.number):  # named by the first of each block
            period = pd.Series(log.order).groupby(period).transform("min").to_numpy(dtype=np.float64)
        else:
            name = f"thirtieths of the log by {name}"
    if period.min() == period.max() or name in log.context.columns:
        return log.context
    return log.context.assign(**{name: period})


class LogNuisance:
    """Cross-fitted nuisance models of a log, each fitted when it is first needed.

    Parameters
    ----------
    log : LoggedFeedback
        Decisions with known rewards only.
    n_folds : int, default=5
    random_state : int, default=0
    reward_model : RewardLearner or None
        None = the built-in bilinear model.
    propensity_model : PropensityLearner or None
        None = the built-in chain of factor models.
    """

    def __init__(
        self,
        log: LoggedFeedback,
        *,
        n_folds: int = 5,
        random_state: int = 0,
        reward_model: RewardLearner | None = None,
        propensity_model: PropensityLearner | None = None,
    ) -> None:
        self.log = log
        self.n_folds = n_folds
        self.random_state = random_state
        self.reward_model = reward_model
        self.propensity_model = propensity_model

    @cached_property
    def dated_context(self) -> pd.DataFrame:
        """Context with the period, see :func:`dated_context`."""
        return dated_context(self.log)

    @property
    def confounders(self) -> pd.DataFrame:
        """What the models see: the period too, where it may have moved choice and reward alike."""
        logged = self.log.propensity
        return self.log.context if logged is not None and not np.isnan(logged).any() else self.dated_context

    def _training_set(self) -> TrainingSet:
        return replace(training_set_of(self.log, None), context=self.confounders)

    @cached_property
    def expected_reward(self) -> Floats:
        """Expected reward of every action, of shape (n_decisions, n_actions)."""
        log = self.log
        if self.reward_model is not None:
            return cross_fit_own_rewards(
                self._training_set(), self.reward_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_rewards(
            self.confounders,
            log.categorical,
            log.actions,
            log.action,
            log.reward,
            log.groups,
            n_folds=self.n_folds,
            random_state=self.random_state,
            reward_kind=log.reward_kind,
        )

    @cached_property
    def estimate(self) -> PropensityEstimate:
        """The whole logging policy, which no log holds."""
        log = self.log
        if self.propensity_model is not None:
            return cross_fit_own_propensities(
                self._training_set(), self.propensity_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_propensities(
            self.confounders,
            log.categorical,
            log.actions,
            log.action,
            log.groups,
            eligible=log.eligible,
            n_folds=self.n_folds,
            random_state=self.random_state,
        )

    @cached_property
    def propensities(self) -> tuple[Floats, NDArray[np.bool_], PropensityEstimate | None]:
        """Logged propensities where there are any, cross-fitted ones elsewhere; which are logged; the estimate."""
        logged = self.log.propensity
        if logged is None:
            return self.estimate.logged, np.zeros(len(self.log), dtype=bool), self.estimate
        known = ~np.isnan(logged)
        if known.all():
            return logged, known, None
        return np.where(known, logged, self.estimate.logged), known, self.estimate
