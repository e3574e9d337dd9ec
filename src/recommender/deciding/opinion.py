"""What a policy makes of some accounts: rewards, probabilities, and how sure it is of ranked actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.deciding.accounts import Accounts
from recommender.deciding.context import ModelContext
from recommender.deciding.objective import OBJECTIVES, Objective
from recommender.deciding.offer_choice import OfferChoice
from recommender.errors import InvalidInput
from recommender.strategy import (
    Belief,
    ContactStrategy,
    SeedStrategy,
    epsilon_greedy,
    nothing_learnt,
    scores_by_stage,
    stages_of,
)

__all__ = ["Led", "Opinion", "Opinions", "check_objective", "row_chunks"]

_CHUNK = 2_048  # accounts scored together: what all their actions take stays in the caches

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


@dataclass(frozen=True)
class Led:
    """What an objective makes of ``n`` accounts; arrays of shape (n, n_actions).

    Attributes
    ----------
    values : ndarray of float64
        Of what is maximised, with the weights of the levers.
    kept : ndarray of bool
        What no floor closes, and whose value is known.
    cost : ndarray of float64
        What the log says that an action costs, where the values are net of it; else 0.
    """

    values: Floats
    kept: Mask
    cost: Floats


def check_objective(objective: Objective, strategy: ContactStrategy | SeedStrategy) -> None:
    """Refuse an objective that a strategy does not know, or levers that its actions do not have.

    Raises
    ------
    InvalidInput
    """
    objective.check(strategy.actions_)
    known = ("reward",) if isinstance(strategy, SeedStrategy) else ("reward", *strategy.value_names_)
    if objective.name not in known:
        learnt = ", ".join(name for name in known if name in OBJECTIVES)
        raise InvalidInput.in_column(
            "objective",
            "is nothing that this strategy learnt",
            values=[objective.name],
            mend=f"It knows {learnt}; the ladder is learnt from logs that tell rungs and payments.",
        )


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

    def context(self, accounts: Accounts, contacts: Columns | None, as_of: datetime) -> Floats | None:
        """Accounts as the model takes them, shape (n, n_columns); None: the seed rules ask for none.

        Made once for all of them, so that each distinct cell is read once and the contacts are gone through once.
        """
        return None if isinstance(self.strategy, SeedStrategy) else self._contexts.of(accounts, contacts, as_of)

    def of(self, accounts: Accounts, context: Floats | None, rows: slice, mask: Mask) -> Opinion:
        """What is made of some rows of accounts, of :meth:`context`, and of their eligible actions."""
        strategy = self.strategy
        rewards, priced, believe, X = self._plain(accounts, context, rows)
        mask = mask[rows]
        if isinstance(strategy, SeedStrategy) or X is None:
            chances = epsilon_greedy(priced, mask, strategy.epsilon)
        else:
            chances = strategy.served_probabilities(priced, mask, X)
        plain = Opinion(rewards, priced, chances, believe)
        return plain if self.objective.is_plain else self._led(plain, mask, X)

    def led(self, accounts: Accounts, contacts: Columns | None, as_of: datetime) -> Led:
        """What is maximised, of every action whether eligible or not: for a plan, which has to choose among accounts.

        The numbers are those by which :meth:`of` ranks.
        """
        parts = []
        context = self.context(accounts, contacts, as_of)
        for rows in row_chunks(len(accounts)):
            _, priced, believe, _ = self._plain(accounts, context, rows)
            values, cost = self._values(priced, believe)
            led, kept = self.objective.leaned(values, self.actions)
            parts.append(Led(led, kept, cost))
        return Led(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("values", "kept", "cost")))

    def _plain(
        self, accounts: Accounts, context: Floats | None, rows: slice
    ) -> tuple[Floats, Floats, Callable[[NDArray[np.int64]], Belief], Floats | None]:
        """Rewards, the same less what offers cost, beliefs, and the encoded context (None: the seed rules)."""
        strategy = self.strategy
        if isinstance(strategy, SeedStrategy) or context is None:
            scores = self._by_stage[stages_of(_some(accounts, rows))]
            return scores, scores, nothing_learnt, None
        X = context[rows]
        scored = strategy.reward_model_.compiled.score(X)
        rewards = strategy.served_rewards(scored)
        later = self._offers.paid_later(strategy, _some(accounts, rows), X) if self._offers.has_prices else None

        def believe(ranked: NDArray[np.int64]) -> Belief:
            belief = strategy.belief(scored, ranked, X)
            if later is None:
                return belief
            less = np.take_along_axis(later, ranked, axis=1)
            net = {name: values - less for name, values in belief.values.items() if name.startswith("net_")}
            return replace(belief, values=belief.values | net)

        priced = rewards if later is None or strategy.money_ == "other" else rewards - later
        return rewards, priced, believe, X

    def _values(self, priced: Floats, believe: Callable[[NDArray[np.int64]], Belief]) -> tuple[Floats, Floats]:
        """What is maximised before any lever, and the cost that it is net of; shape (n, n_actions)."""
        if self.objective.name == "reward":
            return priced, np.zeros(priced.shape)
        every = np.ascontiguousarray(np.broadcast_to(np.arange(len(self.actions)), priced.shape))
        ladder = believe(every).values
        is_net = self.objective.name.startswith("net_")
        return ladder[self.objective.name], np.nan_to_num(ladder["cost"]) if is_net else np.zeros(priced.shape)

    def _led(self, plain: Opinion, mask: Mask, X: Floats | None) -> Opinion:
        """The same by what is maximised instead of the reward: values, probabilities, and what no floor closes."""
        lead, strategy = self.objective, self.strategy
        led, kept = lead.leaned(self._values(plain.priced, plain.believe)[0], self.actions)
        kept |= ~(kept & mask).any(axis=1, keepdims=True)  # without NO_CONTACT something must be done
        open_ = mask & kept
        if isinstance(strategy, SeedStrategy) or X is None:
            chances = epsilon_greedy(led, open_, strategy.epsilon)
        else:
            chances = strategy.objective_probabilities(led, open_, X)
        return replace(plain, priced=led, probabilities=lead.shared(chances, open_, self.actions), kept=kept)


def row_chunks(n: int) -> Iterator[slice]:
    """Rows that are scored together."""
    for start in range(0, n, _CHUNK):
        yield slice(start, min(start + _CHUNK, n))


def _some(accounts: Accounts, rows: slice) -> Accounts:
    """Some rows in a run."""
    is_all = rows == slice(0, len(accounts))
    return accounts if is_all else accounts.take(np.arange(rows.start, rows.stop))
