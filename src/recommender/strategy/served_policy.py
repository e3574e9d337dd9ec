"""The policy that a strategy serves: expected rewards, mask and support in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.strategy.policy import epsilon_greedy, softmax, thompson
from recommender.support import NeverTried

__all__ = ["PolicyKind", "ServedPolicy", "Unsupported", "check_parameters", "tried_of"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

Unsupported = Literal["abstain", "explore", "allow"]
PolicyKind = Literal["softmax", "epsilon", "thompson", "greedy"]
_UNSUPPORTED = ("abstain", "explore", "allow")
_POLICIES = ("softmax", "epsilon", "thompson", "greedy")
_THOMPSON_DRAWS = 64


class DrawsRewards(Protocol):
    """What a policy asks of a reward model: encoded accounts, and draws of the expected rewards."""

    @property
    def encoder(self) -> Any:
        """Turns context into numbers."""

    def reward_draws(self, context: Any, rng: np.random.Generator, n_draws: int) -> Iterable[Floats]:
        """Draw the expected rewards from what is believed of them together."""


def check_parameters(policy: str, epsilon: float, temperature: float | None, unsupported: str) -> None:
    """Raise where a parameter of the policy is out of range."""
    if policy not in _POLICIES:
        raise InvalidInput(
            f"policy must be one of {_POLICIES}; got {policy!r}.", column="policy", mend="Use one of them."
        )
    if not isinstance(epsilon, Real) or not 0.0 <= epsilon < 1.0:
        raise InvalidInput(
            f"epsilon must lie in [0, 1); got {epsilon!r}.", column="epsilon", mend="0.05 is a good start."
        )
    if unsupported not in _UNSUPPORTED:
        raise InvalidInput(
            f"unsupported must be one of {_UNSUPPORTED}; got {unsupported!r}.",
            column="unsupported",
            mend="Use one of them.",
        )
    if temperature is not None and not (isinstance(temperature, Real) and temperature > 0):
        raise InvalidInput(
            f"temperature must be positive or None; got {temperature!r}.",
            column="temperature",
            mend="Leave it None to have it chosen from the data.",
        )


def tried_of(eligible: Mask, never_tried: Mask) -> Mask:
    """Eligible actions without those never tried; a row that keeps nothing keeps all its eligible ones."""
    tried = eligible & ~never_tried
    return np.where(tried.any(axis=1, keepdims=True), tried, eligible)


@dataclass(frozen=True)
class ServedPolicy:
    """How expected rewards become the probabilities with which actions are dispatched.

    Attributes
    ----------
    kind : {"softmax", "epsilon", "thompson", "greedy"}
    epsilon : float
        Share of the decisions spread over the eligible actions.
    temperature : float
        Of the softmax, in units of reward.
    unsupported : {"abstain", "explore", "allow"}
        What becomes of actions that the log never tried in an account's region.
    never_tried : NeverTried
    seed : int
        Of Thompson's draws.
    """

    kind: PolicyKind
    epsilon: float
    temperature: float
    unsupported: Unsupported
    never_tried: NeverTried
    seed: int

    def probabilities(
        self, rewards: Floats, eligible: Mask, context: pd.DataFrame | Floats, reward_model: DrawsRewards
    ) -> Floats:
        """Probabilities of every action, shape (n, n_actions); the context may be encoded already."""
        tried = eligible
        if not self._takes_all:
            X = context if isinstance(context, np.ndarray) else reward_model.encoder.transform(context)
            tried = tried_of(eligible, self.never_tried.cells(X))
        if self.kind == "thompson":
            rng = np.random.default_rng(self.seed)
            draws = reward_model.reward_draws(context, rng, _THOMPSON_DRAWS)
            chosen = thompson(draws, tried, self.epsilon)
        elif self.kind == "softmax":
            chosen = softmax(rewards, tried, self.temperature, self.epsilon)
        else:
            chosen = epsilon_greedy(rewards, tried, self.epsilon if self.kind == "epsilon" else 0.0)
        return self._exploring(chosen, eligible)

    @property
    def _takes_all(self) -> bool:
        """Whether no action needs to be kept back for want of support."""
        return self.unsupported == "allow" or not self.never_tried

    def _exploring(self, probabilities: Floats, eligible: Mask) -> Floats:
        """Give what the log never tried its part of the exploring share, where that is wanted."""
        if self._takes_all or self.unsupported != "explore" or self.kind == "greedy":
            return probabilities
        even = eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1)
        return np.asarray((1.0 - self.epsilon) * probabilities + self.epsilon * even)
