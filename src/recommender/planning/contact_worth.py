"""What a reward is worth in money, and what a contact is worth less its cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.currencies import minor_digits
from recommender.errors import InvalidInput
from recommender.planning.capacity_file import CapacityOrder
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["values_in_money", "worth_of_reward"]

_ROWS = 256


def values_in_money(
    frame: pd.DataFrame,
    rewards: NDArray[np.float64],
    queue: NDArray[np.int64],
    capacity: CapacityOrder,
    strategy: ContactStrategy | SeedStrategy,
    offer_costs: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Value less cost of each contact in money, and whether a queue serves it.

    Parameters
    ----------
    frame : DataFrame of n accounts
    rewards : ndarray of shape (n, n_actions)
    queue : ndarray of shape (n, n_contact_actions)
        -1 where none serves.
    capacity : CapacityOrder
    strategy : ContactStrategy or SeedStrategy
    offer_costs : ndarray of shape (n, n_actions), optional
        What offers are expected to cost beyond the reward, in minor units.

    Returns
    -------
    values, served : ndarray of shape (n, n_contact_actions)
    """
    in_points = isinstance(strategy, SeedStrategy)  # a cost in money cannot be taken off points
    cost = np.array([0.0 if in_points else entry.cost_per_contact for entry in capacity.queue])
    worth = worth_of_reward(frame, strategy, capacity)
    values = np.empty(queue.shape)
    for start in range(0, len(values), _ROWS):  # what is multiplied is still in the cache when costs are taken off
        rows = slice(start, start + _ROWS)
        part = np.multiply(rewards[rows, : queue.shape[1]], worth[rows, None], out=values[rows])
        part -= cost[np.maximum(queue[rows], 0)]
    if offer_costs is not None:
        minor = 10.0 ** -minor_digits(capacity.currency) if capacity.currency is not None else 1.0
        values -= offer_costs[:, : queue.shape[1]] * minor
    return values, queue >= 0


def worth_of_reward(
    frame: pd.DataFrame, strategy: ContactStrategy | SeedStrategy, capacity: CapacityOrder
) -> NDArray[np.float64]:
    """Money that a reward of 1 is worth, by account, in the currency of capacity.toml (not in its minor unit)."""
    worth = capacity.worth
    minor = 10.0 ** -minor_digits(capacity.currency) if capacity.currency is not None else 1.0
    if worth.column is not None:
        if worth.column not in frame.columns:
            raise InvalidInput.missing_columns([worth.column], list(frame.columns), role="worth of a response")
        amounts = pd.to_numeric(frame[worth.column], errors="coerce").fillna(0.0).to_numpy(dtype=np.float64)
        return np.asarray(np.maximum(amounts, 0.0) * worth.share * (minor if worth.column.endswith("_minor") else 1.0))
    if isinstance(strategy, SeedStrategy):
        return np.ones(len(frame))
    if worth.per_response is not None:
        return np.full(len(frame), worth.per_response)
    if strategy.reward_kind_ != "amount":
        raise InvalidInput(
            "The strategy learnt responses, and capacity.toml does not say what one is worth in money.",
            column="worth",
            mend="Add e.g. [worth] with per_response = 12000, or column = 'balance_minor' and share = 0.05.",
        )
    return np.full(len(frame), minor)
