"""How far each decision climbed the outcome ladder, what was paid and what it cost: the labels of the value ladder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["NO_RUNG", "RUNGS", "Climbed", "climbed_of", "rung_column"]

RUNGS: dict[str, str] = {
    "delivered": "delivered",
    "reached": "response",
    "promise_to_pay": "promise_to_pay",
    "promise_kept": "promise_kept",
    "paid": "paid",
}
"""Rungs from the lowest to the highest -> the reward that tells them. A rung is reached by it or by any higher one."""
NO_RUNG = "none"
_WORDS = (NO_RUNG, *RUNGS)


@dataclass(frozen=True, eq=False)
class Climbed:
    """Labels of the value ladder, one a decision.

    Attributes
    ----------
    rung : ndarray of int8 of shape (n_decisions,)
        Highest rung reached in the attribution window: 0 for none, then the order of :data:`RUNGS`; -1 = unknown.
    paid : ndarray of float64 of shape (n_decisions,) or None
        Money that came in within the window, in minor units; NaN = unknown.
    cost : ndarray of float64 of shape (n_decisions,) or None
        What the contacts of the decision cost, in minor units; NaN = unknown.
    """

    rung: NDArray[np.int8]
    paid: NDArray[np.float64] | None = None
    cost: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Labels of some decisions."""
        paid, cost = (None if one is None else one[rows] for one in (self.paid, self.cost))
        return type(self)(self.rung[rows], paid, cost)

    @classmethod
    def of_rungs(
        cls, reached: NDArray[np.float64], paid: NDArray[np.float64] | None, cost: NDArray[np.float64] | None
    ) -> Self:
        """Labels from one column of 0, 1 or NaN a rung, shape (n_decisions, n_rungs); NaN in any leaves it unknown."""
        unknown = np.isnan(reached).any(axis=1)
        places = np.arange(1, reached.shape[1] + 1)
        highest = np.where(unknown, -1, ((reached > 0) * places).max(axis=1, initial=0)).astype(np.int8)
        return cls(highest, paid, cost)

    def words(self) -> pd.Categorical:
        """Highest rungs by name; null where unknown."""
        return pd.Categorical.from_codes(self.rung, list(_WORDS))

    @property
    def arrays(self) -> tuple[NDArray[Any] | None, ...]:
        """What the labels are made of, for digests."""
        return self.rung, self.paid, self.cost


def rung_column(column: pd.Series, name: str) -> NDArray[np.int8]:
    """Highest rungs of a column that names them.

    Raises
    ------
    InvalidInput
        For a word that is no rung.
    """
    texts = column.astype(object)
    known = texts.notna().to_numpy(dtype=bool)
    codes = pd.Index(_WORDS).get_indexer(pd.Index(texts))
    wrong = np.flatnonzero(known & (codes < 0))
    if len(wrong):
        raise InvalidInput.in_column(
            name, "is no rung of the ladder", values=texts.iloc[wrong].tolist(), rows=wrong.tolist(),
            mend=f"Use one of {', '.join(_WORDS)}, or leave it empty where it is unknown.",
        )  # fmt: skip
    return np.asarray(codes, dtype=np.int8)


def climbed_of(
    reward_of: Callable[[str], NDArray[np.float64]],
    contacts: pd.DataFrame,
    contact_decision: NDArray[np.int64],
    n_decisions: int,
    *,
    with_payments: bool,
) -> Climbed:
    """Labels of decisions from what each rung would be rewarded with, so that a rung means what the reward means.

    Parameters
    ----------
    reward_of : callable of str
        Rewards of shape (n_decisions,), NaN where unknown, of a reward by its name.
    contacts : DataFrame
        Clean contacts that were sent.
    contact_decision : ndarray of shape (n_contacts,)
        Row of the decision that each carried out, -1 for none.
    n_decisions : int
    with_payments : bool
        Whether there is a table of payments.
    """
    reached = np.column_stack([reward_of(reward) for reward in RUNGS.values()])
    paid = reward_of("amount_gross") if with_payments else None
    cost = None
    if "cost_minor" in contacts and contacts["cost_minor"].notna().any():
        linked = contact_decision >= 0
        each = contacts["cost_minor"].to_numpy(dtype=np.float64)[linked]  # NaN: unknown, and so is the sum
        cost = np.bincount(contact_decision[linked], weights=each, minlength=n_decisions).astype(np.float64)
    return Climbed.of_rungs(reached, paid, cost)
