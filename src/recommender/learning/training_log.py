"""From a log to the training set of the reward model: the account's own history joined, immature rows left out."""

from __future__ import annotations

import numpy as np

from recommender.features import AccountHistory
from recommender.history import LoggedFeedback, log_context
from recommender.learning.training_set import TrainingSet

__all__ = ["mature_sample", "training_set_of"]


def mature_sample(log: LoggedFeedback, max_rows: int | None, random_state: int) -> LoggedFeedback:
    """Decisions whose reward is known; of more than ``max_rows``, whole clusters drawn at random."""
    return log.take(log.sample_rows(np.flatnonzero(log.mature), max_rows, random_state))


def training_set_of(mature: LoggedFeedback, history: AccountHistory | None) -> TrainingSet:
    """Training set of decisions with known rewards.

    Parameters
    ----------
    mature : LoggedFeedback
    history : AccountHistory or None
        Of the whole log: what counts as an earlier contact does not need a known reward.

    Returns
    -------
    TrainingSet
        Propensities are left out unless every row has one.
    """
    propensity = mature.propensity
    return TrainingSet(
        context=log_context(mature, [str(name) for name in mature.context.columns], history),
        categorical=mature.categorical,
        actions=mature.actions,
        action=mature.action,
        reward=mature.reward,
        reward_kind=mature.reward_kind,
        propensity=None if propensity is None or np.isnan(propensity).any() else propensity,
        groups=np.unique(mature.groups, return_inverse=True)[1].astype(np.int64),
        order=mature.order,
        eligible=mature.eligible,
        history_columns={} if history is None else dict(history.level_columns),
        loadings={} if history is None or history.memory is None else history.memory.by_column,
        known_order=None if history is None or history.memory is None else history.memory.order,
    )
