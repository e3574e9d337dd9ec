"""What a reward model is trained on: checked once, on birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput

__all__ = ["RewardKind", "TrainingSet"]

RewardKind = Literal["binary", "amount"]


@dataclass(frozen=True)
class TrainingSet:
    """Logged decisions with mature rewards, in the form every learner shares.

    Parameters
    ----------
    context : DataFrame of shape (n, n_features)
        Raw columns as known at the decision (numbers, text, categories, booleans, dates; missing anywhere), history
        columns included.
    categorical : tuple of str
        Columns of ``context`` to take as categories whatever their dtype.
    actions : ActionSpace
    action : ndarray of int64 of shape (n,)
        Logged action index.
    reward : ndarray of float64 of shape (n,)
        Without NaN: rewards that are not mature yet are left out by the caller.
    reward_kind : {"binary", "amount"}
    propensity : ndarray of float64 of shape (n,), in (0, 1], optional
        Probability with which the logging policy chose ``action``.
    groups : ndarray of int64 of shape (n,)
        Cluster codes (account, household ...): rows of one group never sit on both sides of a fold.
    order : ndarray of float64 of shape (n,), optional
        Time order, for forward validation; None when the log has no time.
    eligible : ndarray of bool of shape (n, n_actions), optional
        What the logging policy could have chosen.
    history_columns : mapping of str to (factor, level, "trials" | "successes")
        Count columns of the account's own history; factor and level are None for the total over all levels.
    loadings : mapping of str to ndarray of shape (n_actions,)
        Columns whose meaning for each action is known up to one factor for all: see :class:`PersonalMemory`.

    Raises
    ------
    InvalidInput
        When lengths disagree, an action is out of range, a reward is not finite (or not 0/1 when binary), or a
        propensity lies outside (0, 1].
    """

    context: pd.DataFrame
    categorical: tuple[str, ...]
    actions: ActionSpace
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    reward_kind: RewardKind
    propensity: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    order: NDArray[np.float64] | None = None
    eligible: NDArray[np.bool_] | None = None
    history_columns: Mapping[str, tuple[str | None, object, str]] = field(default_factory=dict)
    loadings: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    known_order: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check lengths and ranges."""
        for name, kind in (
            ("action", np.int64),
            ("reward", np.float64),
            ("propensity", np.float64),
            ("groups", np.int64),
            ("order", np.float64),
            ("eligible", np.bool_),
        ):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, dtype=kind))
        n = len(self.context)
        if n == 0:
            raise InvalidInput("A training set needs at least one row; got none.", mend="Give a log with mature rows.")
        for name in ("action", "reward", "groups", "propensity", "order", "eligible"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise InvalidInput.in_column(
                    name, f"must have one entry a row of context ({n:,})", values=[len(value)], mend="Align it."
                )
        rows = np.flatnonzero((self.action < 0) | (self.action >= len(self.actions)))
        if rows.size:
            raise InvalidInput.in_column(
                "action",
                f"must be an index into the action space of {len(self.actions)} actions",
                values=self.action[rows].tolist(),
                rows=rows.tolist(),
                mend="Use ActionSpace.index_of.",
            )
        bad = ~np.isfinite(self.reward)
        rule = "must be finite"
        if self.reward_kind == "binary":
            bad |= (self.reward != 0) & (self.reward != 1)
            rule = "must be 0 or 1 when reward_kind is 'binary'"
        rows = np.flatnonzero(bad)
        if rows.size:
            raise InvalidInput.in_column(
                "reward",
                rule,
                values=self.reward[rows].tolist(),
                rows=rows.tolist(),
                mend="Leave immature rows out, or use reward_kind='amount'.",
            )
        if self.propensity is not None:
            rows = np.flatnonzero(~((self.propensity > 0) & (self.propensity <= 1)))
            if rows.size:
                raise InvalidInput.in_column(
                    "propensity",
                    "must lie in (0, 1]",
                    values=self.propensity[rows].tolist(),
                    rows=rows.tolist(),
                    mend="Log the probability of the dispatched action, or pass None.",
                )

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.context)

    def take(self, rows: NDArray[np.int64]) -> TrainingSet:
        """Return the given rows as a training set of their own."""
        return TrainingSet(
            context=self.context.iloc[rows].reset_index(drop=True),
            categorical=self.categorical,
            actions=self.actions,
            action=self.action[rows],
            reward=self.reward[rows],
            reward_kind=self.reward_kind,
            propensity=None if self.propensity is None else self.propensity[rows],
            groups=self.groups[rows],
            order=None if self.order is None else self.order[rows],
            eligible=None if self.eligible is None else self.eligible[rows],
            history_columns=self.history_columns,
            loadings=self.loadings,
            known_order=self.known_order,
        )
