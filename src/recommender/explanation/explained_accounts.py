"""Accounts with the contributions behind their ranked actions: arrays, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.explanation.attribution import PartAttribution
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.factors import factor_effects
from recommender.explanation.reward_units import reward_slopes
from recommender.explanation.served import ServedModel

__all__ = ["ExplainedAccounts"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExplainedAccounts:
    """Contributions to the served margins of ranked actions, as arrays.

    Attributes
    ----------
    served : ServedModel
    groups : ConceptGroups
    features : tuple of str
        Context columns, factors of the action, contact or not, and what could not be attributed.
    feature_groups : tuple of str
        Concept of each feature.
    rows : ndarray of shape (n,)
        Position of each explained account in the frame that was given.
    account : ndarray of shape (n,)
        Account ids, or positions where the accounts have none.
    context : DataFrame of shape (n, n_columns)
        What was known, history included.
    X : ndarray of shape (n, n_columns)
        The same, encoded.
    action : ndarray of shape (n, k)
        Explained actions by rank; -1 = none.
    parts : dict of str to PartAttribution
    margins : dict of str to ndarray of shape (n, n_actions)
        Served margin of every action by part.
    rewards : ndarray of shape (n, n_actions)
        Expected reward of every action.
    eligible : ndarray of bool of shape (n, n_actions)
    means : dict
        The account that contributions are held against, by part and design.
    language : str
        Of texts and charts, unless asked otherwise.
    notes : tuple of str
        What was left out, and why.
    """

    served: ServedModel
    groups: ConceptGroups
    features: tuple[str, ...]
    feature_groups: tuple[str, ...]
    rows: NDArray[np.int64]
    account: NDArray[Any]
    context: pd.DataFrame
    X: Floats
    action: NDArray[np.int64]
    parts: Mapping[str, PartAttribution]
    margins: Mapping[str, Floats]
    rewards: Floats
    eligible: NDArray[np.bool_]
    means: Mapping[str, dict[str, Floats]]
    language: str = "es"
    notes: tuple[str, ...] = field(default=())

    # -- what it knows -------------------------------------------------------------------------------------------
    @property
    def actions(self) -> ActionSpace:
        """The action space."""
        return self.served.actions

    def __len__(self) -> int:
        """Count the explained accounts."""
        return len(self.rows)

    @cached_property
    def baseline_reward(self) -> float:
        """Reward of the mean account, averaged over the contact actions on the margin."""
        start = {name: np.asarray(part.baseline) for name, part in self.parts.items()}
        return float(self.served.response(start)) + factor_effects(self.served.usual, self.actions)[0]

    @cached_property
    def reward_contributions(self) -> dict[str, Floats]:
        """Contributions in units of reward by part, each of shape (n, k, n_features).

        ``baseline_reward`` and all of them sum to the expected reward of the action.
        """
        safe = np.maximum(self.action, 0)
        end = {name: np.take_along_axis(margin, safe, axis=1) for name, margin in self.margins.items()}
        start = {name: np.full(safe.shape, self.parts[name].baseline) for name in end}
        slopes = reward_slopes(self.served, start, end)
        answer = {name: self.parts[name].contributions * slopes[name][:, :, None] for name in end}
        _, effects, contact = factor_effects(self.served.usual, self.actions)
        first = next(iter(answer))
        n_factors = len(self.actions.factors)
        answer[first][:, :, -2 - n_factors : -2] += effects[safe]
        answer[first][:, :, -2] += contact[safe]
        return answer

    def position_of(self, row: int) -> int:
        """Place of the account at ``row`` of the given frame among the explained ones."""
        positions = np.flatnonzero(self.rows == row)
        if not positions.size:
            raise InvalidInput.in_column(
                "row",
                "was not explained",
                values=[row],
                mend=f"Explained are {len(self)} rows, e.g. {self.rows[:5].tolist()}.",
            )
        return int(positions[0])

    def action_index(self, action: int | Mapping[str, Any]) -> int:
        """Index of an action given as such or by its factors."""
        if isinstance(action, Mapping):
            return int(self.actions.index_of({name: [level] for name, level in action.items()})[0])
        if not isinstance(action, Integral):
            raise InvalidInput.in_column(
                "action",
                "is neither an index nor a mapping of factor to level",
                values=[action],
                mend=f"Write e.g. {self.actions.to_frame().iloc[0].to_dict()}.",
            )
        if not 0 <= int(action) < len(self.actions):
            raise InvalidInput.in_column(
                "action", f"must lie in 0..{len(self.actions) - 1}", values=[action], mend="See actions.to_frame()."
            )
        return int(action)

    def group_contributions(self) -> tuple[tuple[str, ...], Floats]:
        """Concepts, and the contributions in units of reward summed over parts by concept, shape (n, k, n_groups)."""
        names = tuple(dict.fromkeys(self.feature_groups))
        total = np.sum(list(self.reward_contributions.values()), axis=0)
        member = np.array([[group == name for name in names] for group in self.feature_groups], dtype=np.float64)
        return names, total @ member

    def explained_action(self, row: int, rank: int) -> int:
        """Index of the explained action of that rank."""
        account_index = self.position_of(row)
        if not 1 <= rank <= self.action.shape[1] or self.action[account_index, rank - 1] < 0:
            raise InvalidInput.in_column(
                "rank", f"was not explained for row {row}", values=[rank], mend="Ask explain for a larger top_k."
            )
        return int(self.action[account_index, rank - 1])
