"""The scale on which amounts are learnt: on the log where every one is positive, else as they are with tails cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TAIL", "AmountScale"]

TAIL = 0.005


@dataclass(frozen=True)
class AmountScale:
    """How amounts become targets.

    Attributes
    ----------
    log : bool
    low, high : float
        Amounts beyond are taken as these. On the log that is none of those the scale was made from, but it may be one
        of the longer log that they are a sample of, and not even positive.
    unit : float
        Targets are divided by it.
    """

    log: bool
    low: float
    high: float
    unit: float = 1.0

    @classmethod
    def of(cls, amount: NDArray[np.float64]) -> AmountScale:
        """Choose the scale for amounts of shape (n,)."""
        if (amount > 0).all():
            return cls(True, float(amount.min()), np.inf)
        low, high = np.quantile(amount, [TAIL, 1 - TAIL])
        return cls(False, float(low), float(high), float(np.clip(amount, low, high).std()) or 1.0)

    def target(self, amount: NDArray[np.float64]) -> NDArray[np.float64]:
        """Targets of amounts, same shape."""
        cut = np.clip(amount, self.low, self.high)
        return np.asarray((np.log(cut) if self.log else cut) / self.unit)
