"""From a response probability to a reward: a plain response, or the amount paid."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.simulation.personas import CHANNELS
from recommender.simulation.population import Decisions
from recommender.simulation.signals import Floats

__all__ = ["RewardModel"]

Ints = NDArray[np.int64]

_FULL_PAYMENT = {"call": 0.16, "sms": 0.08, "whatsapp": 0.12, "email": 0.14, "ivr": 0.07}
_FULL_PAYMENT_SELF = 0.25
_PART = (1.2, 6.0)  # shape of the Beta share of a part payment


class RewardModel:
    """Expected and drawn rewards.

    Parameters
    ----------
    actions : ActionSpace
    kind : {"response", "money"}
        ``response``: 1 when the debtor responds in the attribution window. ``money``: the amount paid, in currency
        units (not minor units), 0 without a payment. Who pays, pays everything or a Beta-distributed part; amounts
        are heavy-tailed because balances are.
    """

    def __init__(self, actions: ActionSpace, kind: Literal["response", "money"]) -> None:
        self.actions = actions
        self.kind = kind
        full = [_FULL_PAYMENT[CHANNELS[code]] for code in actions.codes[: actions.n_contact_actions, 0]]
        self._full = np.array(full + [_FULL_PAYMENT_SELF] * int(actions.no_contact))
        part_mean = _PART[0] / (_PART[0] + _PART[1])
        self._mean_share = self._full + (1.0 - self._full) * part_mean

    def paying(self, response: Floats, self_cure: Floats) -> Floats:
        """Probability that the reward is above 0, for every action, from that of every contact action.

        With ``NO_CONTACT`` in the action space who would have paid anyway does so under any action.
        """
        if not self.actions.no_contact:
            return response
        cure = self_cure[:, None]
        return np.hstack([1.0 - (1.0 - response) * (1.0 - cure), cure])

    def paying_of(self, response: Floats, decisions: Decisions, action: Ints) -> Floats:
        """The same for one action a row: (n,) in and out."""
        return self.paying_by_persona(response[:, None], decisions.self_cure, action)[:, 0]

    def paying_by_persona(self, response: Floats, self_cure: Floats, action: Ints) -> Floats:
        """The same for one action a row: (n, n_personas) in and out."""
        if not self.actions.no_contact:
            return response
        idle = action == self.actions.no_contact_index
        return 1.0 - np.where(idle[:, None], 1.0, 1.0 - response) * (1.0 - self_cure[:, None])

    def expected(self, paying: Floats, decisions: Decisions) -> Floats:
        """Expected reward from the probability of a positive one, shape (n, n_actions)."""
        if self.kind == "response":
            return paying
        return paying * self._mean_share * _balance(decisions)[:, None]

    def draw(self, paid: NDArray[np.bool_], action: Ints, decisions: Decisions, rng: np.random.Generator) -> Floats:
        """Rewards of the logged actions, given who responded."""
        if self.kind == "response":
            return paid.astype(np.float64)
        full = rng.random(len(action)) < self._full[action]
        share = np.where(full, 1.0, rng.beta(*_PART, len(action)))
        return np.where(paid, share * _balance(decisions), 0.0)


def _balance(decisions: Decisions) -> Floats:
    return np.asarray(decisions.columns["balance_minor"] / 100.0)
