"""What a policy makes of some accounts: rewards, probabilities, and how sure it is of ranked actions."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.deciding.accounts import Accounts
from recommender.deciding.context import ModelContext
from recommender.deciding.objective import Objective
from recommender.deciding.offer_choice import OfferChoice
from recommender.strategy import (
    STAGES,
    Belief,
    ContactStrategy,
    SeedStrategy,
    epsilon_greedy,
    nothing_learnt,
    scores_by_stage,
    stage_of,
)

__all__ = ["Opinion", "Opinions"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Opinion:
    """Of ``n`` accounts; arrays of shape (n, n_actions).

    Attributes
    ----------
    rewards : ndarray of float64
        Expected rewards.
    priced : ndarray of float64
        The same, less what offers cost beyond the money that comes in: what ranks.
    probabilities : ndarray of float64
    believe : callable
        How sure the policy is of ranked actions, shape (n, k).
    kept : ndarray of bool or None
        What no floor of the objective closes; None = no floor.
    """

    rewards: Floats
    priced: Floats
    probabilities: Floats
    believe: Callable[[NDArray[np.int64]], Belief]
    kept: Mask | None = None


class Opinions:
    """A strategy, asked for what it makes of accounts.

    Parameters
    ----------
    strategy : ContactStrategy or SeedStrategy
    objective : Objective
        What is maximised.
    offers : OfferChoice
    """

    def __init__(self, strategy: ContactStrategy | SeedStrategy, objective: Objective, offers: OfferChoice) -> None:
        self.strategy, self.objective, self._offers = strategy, objective, offers
        self.actions = strategy.actions_
        if isinstance(strategy, SeedStrategy):
            self._by_stage = scores_by_stage(self.actions)
        else:
            self._contexts = ModelContext(strategy)

    def priced_by(self, offers: OfferChoice) -> Opinions:
        """The same with the costs of other offers."""
        other = copy(self)
        vars(other).update(_offers=offers)
        return other

    def of(self, accounts: Accounts, contacts: Columns | None, as_of: datetime, mask: Mask) -> Opinion:
        """What is made of accounts whose eligible actions are ``mask``."""
        strategy = self.strategy
        if isinstance(strategy, SeedStrategy):
            scores = self._by_stage[_stages(accounts)]
            plain = Opinion(scores, scores, epsilon_greedy(scores, mask, strategy.epsilon), nothing_learnt)
            return plain if self.objective.is_plain else self._led(plain, mask, None)
        X = self._contexts.of(accounts, contacts, as_of)
        scored = strategy.reward_model_.compiled.score(X)
        rewards = strategy.served_rewards(scored)
        later = self._offers.paid_later(strategy, accounts, X)

        def believe(ranked: NDArray[np.int64]) -> Belief:
            belief = strategy.belief(scored, ranked, X)
            if later is None:
                return belief
            less = np.take_along_axis(later, ranked, axis=1)
            net = {name: values - less for name, values in belief.values.items() if name.startswith("net_")}
            return replace(belief, values=belief.values | net)

        priced = rewards if later is None or strategy.money_ == "other" else rewards - later
        plain = Opinion(rewards, priced, strategy.served_probabilities(priced, mask, X), believe)
        return plain if self.objective.is_plain else self._led(plain, mask, X)

    def _led(self, plain: Opinion, mask: Mask, X: Floats | None) -> Opinion:
        """The same by what is maximised instead of the reward: values, probabilities, and what no floor closes."""
        lead, strategy = self.objective, self.strategy
        values = plain.priced
        if lead.name != "reward":
            every = np.broadcast_to(np.arange(len(self.actions)), mask.shape)
            values = plain.believe(np.ascontiguousarray(every)).values[lead.name]
        known = ~np.isnan(values)  # what a contact costs that was never logged is not known
        values = np.where(known, values, 0.0)
        kept = lead.above_floors(values, self.actions) & known
        if self.actions.no_contact_index is not None:
            kept[:, self.actions.no_contact_index] = True
        kept |= ~(kept & mask).any(axis=1, keepdims=True)  # without NO_CONTACT something must be done
        led, open_ = lead.weighted(values, self.actions), mask & kept
        if isinstance(strategy, SeedStrategy) or X is None:
            chances = epsilon_greedy(led, open_, strategy.epsilon)
        else:
            chances = strategy.objective_probabilities(led, open_, X)
        return replace(plain, priced=led, probabilities=lead.shared(chances, open_, self.actions), kept=kept)


def _stages(accounts: Accounts) -> NDArray[np.int64]:
    """Stage of each account as the seed rules count it; unknown is the second."""
    if "days_past_due" in accounts:
        return stage_of(accounts.numbers("days_past_due"))
    column = accounts.coded("stage")
    return column.take([STAGES.index(value) if value in STAGES else 1 for value in column.values], np.int64)
