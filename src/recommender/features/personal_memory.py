"""What an account's own answers say of all actions: a few personal factors, a posterior that events update.

The logit of a response to action ``a`` is ``bias[a] + d + u . loadings[a]``, where ``u`` and ``d`` are the account's
own and standard normal (``d`` with a small variance) before any answer. Their posterior is Laplace's, one Newton step
from the prior: each contact adds ``w v v'`` to its precision and ``-p v`` to its slope, each response adds ``v``, with
``v`` the action's loadings and ``p``, ``w = p (1 - p)`` its usual response. So an answer at 18:00 speaks of 19:00 and
of other channels, as far as the loadings say, and the state is a sum over events: the same whatever their order.

The sums are kept in fixed point, exact in float64, so that batch and event by event agree to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["PersonalMemory"]

Floats = NDArray[np.float64]

LEVEL_VARIANCE = 0.1  # of d before any answer
_FIXED_POINT = 2.0**24  # sums of thousands of events stay exact


@dataclass(frozen=True, eq=False)
class PersonalMemory:
    """What actions mean to personal factors.

    Attributes
    ----------
    loadings : ndarray of shape (n_actions, n_factors)
    bias : ndarray of shape (n_actions,)
        Usual logit of a response.
    trust : tuple of two floats
        What bias and loadings are worth on debtors they were not learnt from: slopes, 1 where they hold what they say.
    """

    loadings: Floats
    bias: Floats
    trust: tuple[float, float] = (1.0, 1.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the feature columns: the posterior mean of each factor."""
        return tuple(f"history.habit.{k}" for k in range(1, self.loadings.shape[1] + 1))

    @property
    def by_column(self) -> dict[str, Floats]:
        """What one unit of each column means for each action, beyond the mean of all actions."""
        return dict(zip(self.columns, self.trust[1] * (self.loadings - self.loadings.mean(axis=0)).T, strict=True))

    @property
    def order(self) -> Floats:
        """What each action means to everybody, beyond their mean, shape (n_actions,)."""
        return np.asarray(self.trust[0] * (self.bias - self.bias.mean()))

    @cached_property
    def increments(self) -> Floats:
        """What a contact (0) and a response (1) add to a state, shape (2, n_actions, n_state).

        A state is the lower triangle of the precision, row by row, then the slope; ``d`` comes last.
        """
        v = np.column_stack([self.loadings, np.ones(len(self.loadings))])
        p = expit(self.bias)
        rows, columns = np.tril_indices(v.shape[1])
        table = np.zeros((2, len(v), len(rows) + v.shape[1]))
        table[0, :, : len(rows)] = (p * (1.0 - p))[:, None] * v[:, rows] * v[:, columns]
        table[0, :, len(rows) :] = -p[:, None] * v
        table[1, :, len(rows) :] = v
        return np.round(table * _FIXED_POINT) / _FIXED_POINT

    @cached_property
    def precision(self) -> Floats:
        """Of the factors and ``d`` before any answer, shape (n_factors + 1,)."""
        return np.append(np.ones(self.loadings.shape[1]), 1.0 / LEVEL_VARIANCE)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learnt; :meth:`from_arrays` is its inverse."""
        return {
            "memory_loadings": self.loadings,
            "memory_bias": self.bias,
            "memory_trust": np.array(self.trust),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PersonalMemory | None:
        """Rebuild; None where there was none."""
        if "memory_loadings" not in arrays:
            return None
        trust = np.asarray(arrays.get("memory_trust", np.ones(2)), dtype=np.float64).tolist()
        loadings, bias = (arrays[f"memory_{name}"].astype(np.float64) for name in ("loadings", "bias"))
        return cls(loadings, bias, (trust[0], trust[1]))
