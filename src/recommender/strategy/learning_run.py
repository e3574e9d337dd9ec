"""What a strategy learns from a log: expected rewards, what was never tried, the value ladder, its own rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.features import AccountHistory
from recommender.history import LoggedFeedback
from recommender.learning import (
    BoostTrees,
    LadderModel,
    OwnReward,
    RewardModel,
    TrainingSet,
    WholeLog,
    as_reward_learner,
    learn_memory,
    mature_sample,
    training_set_of,
    tree_settings,
)
from recommender.strategy.fitting import drawn_by_weight
from recommender.strategy.inputs import without_autologging
from recommender.strategy.own_rows import OwnRows
from recommender.strategy.serving import brought_columns
from recommender.strategy.trained_on import check_learnable, describe_log
from recommender.strategy.values import money_of
from recommender.support import find_never_tried

__all__ = ["Learning", "Learnt", "learn"]

_logger = logging.getLogger("recommender")


@dataclass(frozen=True)
class Learning:
    """How to learn.

    Attributes
    ----------
    reward_model : object or None
        One of your own; None = the built-in stack.
    tree_settings : dict of str to float or None
    max_rows : int or None
    n_jobs : int
        Threads.
    seed : int
    """

    reward_model: Any | None
    tree_settings: dict[str, float] | None
    max_rows: int | None
    n_jobs: int
    seed: int

    @property
    def is_built_in(self) -> bool:
        """Whether the built-in stack learns."""
        return self.reward_model is None or isinstance(self.reward_model, RewardModel)


@dataclass(frozen=True)
class Learnt:
    """What was learnt.

    Attributes
    ----------
    attributes : dict of str to object
        Of the strategy, by name.
    context : DataFrame
        Rows that taught, with the accounts' histories.
    eligible : ndarray of bool or None
        Actions that were eligible there.
    """

    attributes: dict[str, Any]
    context: pd.DataFrame
    eligible: NDArray[np.bool_] | None


def learn(
    log: LoggedFeedback, how: Learning, *, weight: NDArray[np.float64] | None, boost: BoostTrees | None
) -> Learnt:
    """Learn everything but how much to explore.

    Parameters
    ----------
    log : LoggedFeedback
    how : Learning
    weight : ndarray of shape (n_decisions,) or None
    boost : BoostTrees or None
        Grows the boosted members on every decision, beyond ``max_rows`` too.

    Raises
    ------
    InvalidInput
        When the log holds one action only, or a constant reward.
    """
    rows = log.sample_rows(np.flatnonzero(log.mature), how.max_rows, how.seed)
    mature = log.take(rows)
    taught = mature if weight is None else log.take(drawn_by_weight(rows, weight, how.seed))
    check_learnable(taught)
    history = AccountHistory.from_log(log) if log.has_account_history else None
    if history is not None and how.is_built_in:
        history = history.remembering(learn_memory(history, random_state=how.seed))
    training = training_set_of(taught, history)
    whole = None
    if boost is not None:
        whole = WholeLog(training_set_of(mature_sample(log, None, how.seed), history), boost)
    _logger.info("learning expected rewards of %d actions from %d decisions", len(log.actions), len(training))
    with without_autologging():
        model = _fitted_rewards(training, whole, how)
    _logger.info("looking for what the log never tried")
    never_tried = find_never_tried(
        training.context if weight is None else training_set_of(mature, history).context,
        model.encoder,
        log.actions,
        mature.action,
        mature.groups,
        eligible=mature.eligible,
        propensity=mature.propensity,
        random_state=how.seed,
    )
    names = np.array(log.context.columns, dtype=object)
    about = describe_log(log, mature) | ({} if whole is None else {"n_boosted": len(whole.training)})
    attributes = {
        "actions_": log.actions,
        "feature_names_in_": names,
        "categorical_": log.categorical,
        "names_": dict(log.names),
        "reward_kind_": log.reward_kind,
        "history_": history,
        "action_counts_": np.bincount(log.action[log.mature], minlength=len(log.actions)).astype(np.int64),
        "reward_model_": model,
        "never_tried_": never_tried,
        "ladder_": _fitted_ladder(training, taught, model, how),
        "money_": money_of(taught),
        "trained_on_": about if weight is None else about | {"weighted": True},
        "own_rows_": OwnRows.of(log, brought_columns(model.encoder, names)),
    }
    return Learnt(attributes, training.context, taught.eligible)


def _fitted_rewards(training: TrainingSet, whole: WholeLog | None, how: Learning) -> RewardModel | OwnReward:
    if not how.is_built_in:
        return OwnReward(as_reward_learner(how.reward_model)).fit(training, random_state=how.seed)
    trees = None if how.tree_settings is None else tree_settings(how.tree_settings, len(training))
    return RewardModel().fit(training, n_jobs=how.n_jobs, random_state=how.seed, tree_settings=trees, whole=whole)


def _fitted_ladder(
    training: TrainingSet, taught: LoggedFeedback, model: RewardModel | OwnReward, how: Learning
) -> LadderModel | None:
    """The value ladder, where the log tells how far its decisions climbed."""
    if taught.climbed is None:
        return None
    return LadderModel.fit(
        model.encoder.transform(training.context),
        [at for at, column in enumerate(model.encoder.columns) if column.kind == "category"],
        taught.actions,
        taught.action,
        taught.climbed,
        taught.groups,
        n_jobs=how.n_jobs,
        random_state=how.seed,
    )
