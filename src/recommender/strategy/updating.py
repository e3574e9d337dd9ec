"""From one night to the next: a strategy goes on learning from new decisions alone, and says when a fit is due.

Regressions take the posterior of yesterday as their prior, accounts' histories grow, counts add up. What needs every
row (columns, hidden traits, trees, weights of members, regions never tried, how much to explore) stays as the last fit
left it. The lineage of updates is part of the strategy.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import IncompatibleLog, InvalidInput
from recommender.features import AccountHistory
from recommender.history import LoggedFeedback
from recommender.learning import ContextEncoder, OwnReward, RewardModel, training_set_of
from recommender.strategy.inputs import without_autologging
from recommender.strategy.own_rows import OwnRows
from recommender.strategy.serving import brought_columns

__all__ = ["Updatable", "refit_due", "updated"]

_logger = logging.getLogger("recommender")

_SHARE_DUE = 0.5  # new decisions, as a share of those of the last fit: its folds have seen too little of the log
_SURPRISE_DUE = 4.0  # standard errors between outcomes and what was expected of them
_UNSEEN_DUE = 0.1  # of a night's decisions with a category in some column that the last fit knew nothing of


class Updatable(Protocol):
    """What a fitted strategy brings to an update."""

    actions_: ActionSpace
    feature_names_in_: NDArray[Any]
    categorical_: tuple[str, ...]
    names_: dict[str, str]
    reward_kind_: str
    reward_model_: RewardModel | OwnReward
    history_: AccountHistory | None
    action_counts_: NDArray[np.int64]
    own_rows_: OwnRows
    trained_on_: dict[str, Any]
    version_: str


def updated(strategy: Updatable, log: LoggedFeedback) -> dict[str, Any]:
    """Learn from new decisions on top of a strategy; attributes by name, as of a fit.

    Raises
    ------
    IncompatibleLog
        When actions, columns or the kind of reward are not those of the last fit.
    InvalidInput
        When no decision of the log has a known reward, or some were taught already.
    """
    model = _continuable(strategy)
    _check_alike(strategy, log)
    mature = log.take(np.flatnonzero(log.mature))
    if not len(mature):
        raise InvalidInput(
            f"None of the log's {len(log):,} decisions has a known reward yet: there is nothing to learn.",
            column=log.names.get("reward") or "reward",
            mend="Update once outcomes are known.",
        )
    history = _longer_history(strategy, mature)
    training = training_set_of(mature, history)
    with without_autologging():
        further, surprise = model.continued(training)
    brought = brought_columns(model.encoder, strategy.feature_names_in_)
    about = {
        "digest": log.digest,
        "from": strategy.version_,
        "n_mature": len(mature),
        "mean_reward": float(mature.reward.mean()),
        "unseen": _unseen(brought, mature),
    }
    if surprise is not None:
        about |= {"log_loss": surprise.log_loss, "excess": surprise.excess, "variance": surprise.variance}
    if mature.time is not None:
        series = pd.Series(mature.time)
        about["first"], about["last"] = str(series.min()), str(series.max())
    trained_on = dict(strategy.trained_on_)
    trained_on["updates"] = [*trained_on.get("updates", []), about]
    if "last" in about and "last" in trained_on:
        trained_on["last"] = max(trained_on["last"], about["last"])
    _logger.info("learnt from %d new decisions", len(mature))
    return {
        "reward_model_": further,
        "history_": history,
        "action_counts_": strategy.action_counts_ + np.bincount(mature.action, minlength=len(strategy.actions_)),
        "own_rows_": strategy.own_rows_.joined(OwnRows.of(mature, brought)),
        "trained_on_": trained_on,
    }


def refit_due(trained_on: Mapping[str, Any]) -> str | None:
    """Why the strategy should be fitted again on its whole log; None while updates do."""
    updates = trained_on.get("updates", [])
    if not updates:
        return None
    n_new, n_base = sum(one["n_mature"] for one in updates), int(trained_on["n_mature"])
    if n_new > _SHARE_DUE * n_base:
        return f"{n_new:,} decisions came after the {n_base:,} of the last fit"
    excess = sum(one.get("excess", 0.0) for one in updates)
    error = float(np.sqrt(sum(one.get("variance", 0.0) for one in updates)))
    if error > 0 and abs(excess) > _SURPRISE_DUE * error:
        return f"outcomes were {abs(excess) / error:.1f} standard errors from what was expected of them"
    column, share = max(updates[-1]["unseen"].items(), key=lambda item: item[1], default=("", 0.0))
    if share > _UNSEEN_DUE:
        return f"{share:.0%} of the last decisions have a {column} that the last fit never saw"
    return None


def _continuable(strategy: Updatable) -> RewardModel:
    model = strategy.reward_model_
    if not isinstance(model, RewardModel):
        raise InvalidInput(
            "A strategy with a reward model of one's own cannot be updated.",
            column="reward_model",
            mend="Fit it again.",
        )
    if not model.can_continue:
        raise InvalidInput(
            "This strategy was saved before updates were possible: it does not keep what its rows said.",
            column="strategy",
            mend="Fit it once more on its whole log, then update.",
        )
    return model


def _check_alike(strategy: Updatable, log: LoggedFeedback) -> None:
    if log.actions != strategy.actions_:
        raise IncompatibleLog(
            f"The log has {log.actions!r}, the strategy was trained on {strategy.actions_!r}.",
            column="actions",
            mend="Build both with the same ActionSpace; for new levels fit again on the whole log.",
        )
    expected = {str(name) for name in strategy.feature_names_in_}
    given = {str(name) for name in log.context.columns}
    if expected != given:
        raise IncompatibleLog(
            f"Context columns changed: missing {sorted(expected - given)}, new {sorted(given - expected)}.",
            column=min(expected ^ given),
            mend="Give the columns of the last fit, or fit again on the whole log.",
        )
    if log.reward_kind != strategy.reward_kind_:
        raise IncompatibleLog(
            f"The log's rewards are of kind {log.reward_kind!r}, the strategy's {strategy.reward_kind_!r}.",
            column=log.names.get("reward") or "reward",
            mend="Give the same reward, or fit again.",
        )
    if (strategy.history_ is None) == log.has_account_history:
        raise IncompatibleLog(
            "Accounts and times must be given in every log or in none: histories are part of what was learnt.",
            column="account",
            mend="Give both as in the log of the last fit, or fit again.",
        )


def _longer_history(strategy: Updatable, mature: LoggedFeedback) -> AccountHistory | None:
    """Histories with the new contacts in them; contacts whose answer was not known then get it.

    Raises
    ------
    InvalidInput
        When decisions were taught already.
    """
    known = strategy.history_
    if known is None:
        brought = brought_columns(strategy.reward_model_.encoder, strategy.feature_names_in_)
        share, _ = strategy.own_rows_.share_in(mature, brought)
        _refuse_taught(round(share * len(mature)), mature)
        return None
    own = AccountHistory.from_log(mature)
    before, now = _contacts(known, own.account_ids), _contacts(own, own.account_ids)
    again = np.flatnonzero(before.isin(now))
    answered = ~np.isnan(known.events.reward[again])
    _refuse_taught(int(answered.sum()), mature)
    others = np.ones(len(known.events), dtype=bool)
    others[again] = False
    return replace(known, events=known.events.kept(others)).merged(own)


def _refuse_taught(n_taught: int, mature: LoggedFeedback) -> None:
    if n_taught:
        raise InvalidInput(
            f"{n_taught:,} of the log's {len(mature):,} decisions with known rewards were taught already.",
            column=mature.names.get("time") or "time",
            mend="Give the decisions whose outcomes became known since the last fit or update only.",
        )


def _contacts(history: AccountHistory, ids: pd.Index) -> pd.Index:
    """Who, when and how of every contact, as one comparable key; accounts by their place in ``ids``."""
    place = {str(name): at for at, name in enumerate(ids)}
    of = np.array([place.get(str(name), -1) for name in history.account_ids], dtype=np.int64)
    return pd.MultiIndex.from_arrays([of[history.events.owner], history.events.time, history.events.action])


def _unseen(brought: ContextEncoder, mature: LoggedFeedback) -> dict[str, float]:
    """Share of decisions with a category that the encoder has no code for, by column, where there are some."""
    X = brought.transform(mature.context)
    shares = {}
    for at, column in enumerate(brought.columns):
        if column.kind == "category":
            share = float((X[:, at] == 0.0).mean())
            if share > 0:
                shares[column.name] = share
    return shares
