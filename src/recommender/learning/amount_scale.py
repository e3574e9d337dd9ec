"""What counts as an amount, and the scale on which it is learnt: on the log where every one is positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.learning.training_set import TrainingSet

__all__ = ["TAIL", "AmountScale", "usual_reward"]

TAIL = 0.005  # share of amounts at either end that are cut: one payment must not carry a model


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

    @classmethod
    def of_later(cls, amount: NDArray[np.float64], *, log: bool, unit: float) -> AmountScale:
        """Scale of amounts that came after a fit: on the fit's log or unit, their own tails cut."""
        if log:
            positive = amount[amount > 0]
            return cls(True, float(positive.min()) if positive.size else 1.0, np.inf)
        low, high = np.quantile(amount, [TAIL, 1 - TAIL])
        return cls(False, float(low), float(high), unit)

    def target(self, amount: NDArray[np.float64]) -> NDArray[np.float64]:
        """Targets of amounts, same shape."""
        cut = np.clip(amount, self.low, self.high)
        return np.asarray((np.log(cut) if self.log else cut) / self.unit)


def usual_reward(training: TrainingSet) -> NDArray[np.float64]:
    """Commonest reward of each action: 0 for most amounts, minus the contact cost once costs are taken off."""
    values, codes = np.unique(training.reward, return_inverse=True)
    overall = float(values[np.bincount(codes).argmax()])
    usual = np.full(len(training.actions), overall)
    table = pd.DataFrame({"action": training.action, "code": codes}).value_counts().reset_index()
    for action, code, count in zip(table["action"], table["code"], table["count"], strict=True):
        if count >= 2 and usual[action] == overall and count > (training.action == action).sum() / 2:
            usual[action] = values[code]
    return usual
