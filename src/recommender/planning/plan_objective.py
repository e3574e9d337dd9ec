"""What a contact of a plan is worth by what the run is after: the rung that ``score`` maximises, with its costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.currencies import minor_digits
from recommender.deciding import Accounts, Objective, Opinions, check_objective
from recommender.planning.capacity_file import CapacityOrder, Minimum
from recommender.planning.contact_worth import values_in_money
from recommender.planning.plan_case import PlanCase
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["check_plan_objective", "contact_values", "unit_of_values", "with_minimum_shares"]

_OF_REWARD = ("reward", "gain")


def check_plan_objective(objective: Objective, strategy: ContactStrategy | SeedStrategy) -> None:
    """Refuse an objective that cannot be planned for.

    Raises
    ------
    InvalidInput
        For what the strategy does not know.
    """
    check_objective(objective, strategy)


def with_minimum_shares(capacity: CapacityOrder, objective: Objective) -> CapacityOrder:
    """Capacities in which the minimum shares of the levers are minimums, each with its price.

    Where decisions are drawn, a least share is a least probability of a level wherever it is eligible. A plan draws
    nothing: of the debtors whom the policy may contact by that level, the share is contacted so.
    """
    shares = tuple(
        Minimum(name=f"lever {one.factor} {one.level}", level={one.factor: one.level}, share=one.minimum_share)
        for one in objective.levers
        if one.minimum_share > 0
    )
    return capacity.model_copy(update={"minimum": (*capacity.minimum, *shares)}) if shares else capacity


def unit_of_values(objective: Objective, capacity: CapacityOrder, strategy: ContactStrategy | SeedStrategy) -> str:
    """Points of the seed rules, a currency, ``money`` where it is not told, or the chance that is summed."""
    if isinstance(strategy, SeedStrategy):
        return "points"
    return objective.name if objective.name.startswith("p_") else capacity.currency or "money"


def contact_values(
    case: PlanCase,
    share: NDArray[np.float64],
    queue: NDArray[np.int64],
    capacity: CapacityOrder,
    strategy: ContactStrategy | SeedStrategy,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Value of each contact above leaving alone, whether a queue serves it, and what no floor of a lever closes.

    ``reward`` and ``gain`` are turned into money and the costs of capacity.toml taken off. ``net_value`` and
    ``net_gain`` are net of the costs that the log tells, ``expected_amount`` of none, and chances know no money: with
    these the costs of capacity.toml count against the budget only.

    Parameters
    ----------
    case : PlanCase
        Of n accounts.
    share : ndarray of shape (n,)
        Part of its worth that other contacts leave to one; costs are not shared.
    queue : ndarray of shape (n, n_contact_actions)
        -1 where none serves.
    capacity : CapacityOrder
    strategy : ContactStrategy or SeedStrategy

    Returns
    -------
    values, served : ndarray of shape (n, n_contact_actions)
    kept : ndarray of bool of shape (n, n_actions)
    """
    objective, actions = case.order.objective, strategy.actions_
    costs = case.offer_costs()
    if objective.is_plain:
        rewards = case.rewards()
        if (share != 1.0).any():
            rewards = rewards * share[:, None]
        values, served = values_in_money(case.frame, rewards, queue, capacity, strategy, offer_costs=costs)
        return values, served, np.ones((len(share), len(actions)), dtype=bool)
    history = None if case.history is None else Columns.of(case.history)
    led = Opinions(strategy, objective, case.offers).led(Accounts.of(case.frame), history, case.order.as_of)
    idle = actions.no_contact_index
    above = led.values
    if idle is not None and not isinstance(strategy, SeedStrategy):  # points are not above anything
        above = above - above[:, [idle]]
    shared = above * share[:, None]
    if objective.name in _OF_REWARD:
        if objective.name == "reward" and not isinstance(strategy, SeedStrategy) and strategy.money_ != "other":
            costs = None  # in what is maximised already
        values, served = values_in_money(case.frame, shared, queue, capacity, strategy, offer_costs=costs)
        return values, served, led.kept
    cost = led.cost if idle is None else led.cost - led.cost[:, [idle]]
    values = (shared - (1.0 - share[:, None]) * cost)[:, : queue.shape[1]]
    if not objective.name.startswith("p_") and capacity.currency is not None:
        values = values * 10.0 ** -minor_digits(capacity.currency)
    return values, queue >= 0, led.kept
