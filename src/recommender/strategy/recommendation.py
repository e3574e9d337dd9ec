"""The long frame that a recommendation is: one row an account and rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import utc_moment
from recommender.errors import InvalidInput
from recommender.features import AccountHistory
from recommender.local_time import next_occurrence
from recommender.strategy.ranking import dispatch_numbers, rank_actions

__all__ = ["FEW", "Belief", "Moment", "contact_instants", "nothing_learnt", "recommendation_frame"]

FEW = 5  # logged tries on accounts like this one, under which an action counts as hardly ever tried


class Ranked(Protocol):
    """What a recommendation needs to know of the strategy behind it."""

    policy: Any
    actions_: ActionSpace
    names_: dict[str, str | None]

    @property
    def version_(self) -> str:
        """Policy version, part of the key that draws the dispatched action."""
        ...


@dataclass(frozen=True)
class Belief:
    """How sure the reward model is of ranked actions; every array of shape (n_accounts, top_k).

    Attributes
    ----------
    lo, hi : ndarray
        Ends of the 95 % interval of the expected reward.
    evidence : ndarray
        Logged tries of the action on accounts like this one.
    values : dict of str to ndarray
        The value ladder, see :mod:`recommender.strategy.values`; the same columns for every account of a strategy.
    """

    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    evidence: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def nothing_learnt(ranked: NDArray[np.int64]) -> Belief:
    """Belief of a policy without a model: no interval, no evidence."""
    unknown = np.full(ranked.shape, np.nan)
    return Belief(unknown, unknown, np.zeros(ranked.shape))


@dataclass(frozen=True)
class Moment:
    """When a decision is made.

    Attributes
    ----------
    text : str
        Canonical form, part of the key that draws the dispatched action.
    instant : Timestamp or None
        The same in UTC, where ``as_of`` or the log's time is an instant.
    """

    text: str
    instant: pd.Timestamp | None

    @classmethod
    def of(cls, as_of: Any | None, history: AccountHistory | None, trained_on: dict[str, Any]) -> Moment:
        """Read an ``as_of``; None means the last instant in the log."""
        kind = None if history is None else history.time_kind
        if as_of is not None and kind in (None, "instant"):
            # What is no instant says so: ignored, it would be taken for the log's last moment.
            utc = utc_moment(as_of, "as_of")
            return cls(utc.isoformat(), utc)
        given = trained_on.get("last") if as_of is None else as_of
        if given is None or (isinstance(given, int | float) and history is not None):
            return cls(str(given), None)
        try:
            utc = utc_moment(given, "as_of")
        except InvalidInput:
            return cls(str(given), None)
        if as_of is None and kind not in (None, "instant"):
            return cls(str(given), None)
        return cls(utc.isoformat(), utc)


def contact_instants(accounts: pd.DataFrame, actions: ActionSpace, moment: Moment) -> NDArray[np.datetime64] | None:
    """When each hour level next occurs for each account, debtor-local, within 24 h of the decision.

    Returns
    -------
    ndarray of datetime64[us] of shape (n_accounts, n_hours), UTC, or None
        None without an hour factor of whole hours, or without an instant to count from.
    """
    hours = actions.factors.get("hour")
    if hours is None or moment.instant is None:
        return None
    if not all(isinstance(hour, int) and not isinstance(hour, bool) and 0 <= hour <= 23 for hour in hours):
        return None
    zones = accounts["timezone"] if "timezone" in accounts.columns else pd.Series([None] * len(accounts))
    named = [zone if isinstance(zone, str) and zone else None for zone in zones]
    return next_occurrence([int(hour) for hour in hours], moment.instant.to_pydatetime(), named)


def recommendation_frame(
    strategy: Ranked,
    accounts: pd.DataFrame,
    rewards: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    *,
    first_row: int,
    top_k: int,
    moment: Moment,
    explore: bool,
    seed: int,
    believe: Callable[[NDArray[np.int64]], Belief] | None = None,
) -> pd.DataFrame:
    """Rank the actions of a chunk of accounts; see :meth:`ContactStrategy.recommend` for the columns."""
    actions = strategy.actions_
    # A log without account ids names no column; API, batch and replay still have to draw alike for the same account.
    name = strategy.names_.get("account") or "account_id"
    known = name in accounts.columns
    ids: Any = accounts[name].array if known else np.arange(first_row, first_row + len(accounts))
    draws_nothing = not explore or strategy.policy == "greedy"
    numbers = None if draws_nothing else dispatch_numbers(ids, moment.text, strategy.version_, seed)
    if believe is None:
        believe = nothing_learnt
    ranked = rank_actions(probabilities, rewards, eligible, top_k=top_k, numbers=numbers)
    row, position = np.nonzero(ranked >= 0)
    action = ranked[row, position]
    value = rewards[row, action]
    belief = believe(np.maximum(ranked, 0))
    frame = pd.DataFrame(
        {"row": row + first_row, "account": pd.Series(ids).take(row).array if known else None, "rank": position + 1}
    )
    frame = pd.concat([frame, actions.describe(action)], axis=1)
    frame["expected_reward"] = value
    frame["lo"] = belief.lo[row, position]
    frame["hi"] = belief.hi[row, position]
    frame["propensity"] = probabilities[row, action]
    frame["evidence"] = belief.evidence[row, position]
    frame["support"] = frame["evidence"] >= FEW
    frame["contact_at"] = _contact_at(accounts, actions, moment, row, action)
    frame["deterministic"] = draws_nothing
    for name, values in belief.values.items():
        frame[name] = values[row, position]
    return frame


def _contact_at(
    accounts: pd.DataFrame, actions: ActionSpace, moment: Moment, row: NDArray[np.int64], action: NDArray[np.int64]
) -> Any:
    instants = contact_instants(accounts, actions, moment)
    if instants is None:
        return pd.Series(pd.NaT, index=range(len(row))).dt.tz_localize("UTC").array
    code = actions.codes[action, actions.factor_names.index("hour")]
    when = np.where(code >= 0, instants[row, np.maximum(code, 0)], np.datetime64("NaT", "us"))
    return pd.Series(when.astype("datetime64[us]")).dt.tz_localize("UTC").array
