"""Two linear predictors as one reward: does anything happen, and if so, how much (a hurdle model)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["Hurdle"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hurdle:
    """How the margins of the parts ``event`` (log-odds) and ``amount`` become an expected reward; either may be absent.

    Attributes
    ----------
    usual : ndarray of shape (n_actions,)
        Reward of each action where nothing happens.
    unit : float
        What an event is worth where there is no amount model, else what the amount's margin is multiplied by (on the
        log: Duan's smearing factor).
    log_amount : bool
        Whether the amount's margin is a logarithm.
    """

    usual: Floats
    unit: float = 1.0
    log_amount: bool = False

    def reward_of(self, margins: Mapping[str, Floats]) -> Floats:
        """Expected reward of every action from margins of shape (n, n_actions)."""
        return self.above_usual(margins) + self.usual

    def above_usual(self, margins: Mapping[str, Floats]) -> Floats:
        """Expected reward beyond the usual one, for margins of any one shape."""
        answer: Floats = np.full(np.shape(next(iter(margins.values()))), self.unit)
        if "event" in margins:
            answer *= expit(margins["event"])
        if "amount" in margins:
            answer *= np.exp(margins["amount"]) if self.log_amount else margins["amount"]
        return answer

    def slopes(self, margins: Mapping[str, Floats]) -> dict[str, Floats]:
        """Derivative of :meth:`above_usual` by the margin of each part."""
        whole = self.above_usual(margins)
        slopes = {}
        if "event" in margins:
            slopes["event"] = whole * expit(-margins["event"])
        if "amount" in margins:
            slopes["amount"] = (
                whole if self.log_amount else self.above_usual({**margins, "amount": np.ones_like(whole)})
            )
        return slopes
