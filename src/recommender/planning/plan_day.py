"""A day from portfolio to plan: read, plan, and ask again for further contacts where they are allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recommender.planning.appointments import Appointments
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_plan import InfeasiblePlan
from recommender.planning.confirmed_contacts import with_expectations
from recommender.planning.earlier_contacts import EarlierContacts
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_money import priced_rules
from recommender.planning.portfolio_values import PortfolioValues, read_portfolio
from recommender.planning.tomorrow import Tomorrow, plan_tomorrow, with_later_round
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["about_plan", "plan_day"]


def plan_day(
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
    folder: Path,
    appointments: Appointments,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    gap: float = 2e-4,
) -> tuple[Tomorrow, PortfolioValues]:
    """Plan a day.

    The first round gives each debtor one contact at most. Where ``contacts_per_debtor`` is more, every account is
    judged again with what is planned already in its history, so that the law counts it, and what is left of the
    capacity is planned. So a further contact of one debtor never takes the place of a first one of another.

    Parameters
    ----------
    inputs : PlanInputs
    strategy : ContactStrategy or SeedStrategy
    order : PlanOrder
    capacity : CapacityOrder
    folder : Path
        Exists; the values of every round are left in it.
    appointments : Appointments
    on_progress : callable, optional
        Called with (accounts judged, all that will be).
    gap : float

    Returns
    -------
    Tomorrow
    PortfolioValues
        Of the first round.
    """
    rounds = capacity.contacts_per_debtor

    def told(before: int) -> Callable[[int, int], None]:
        def tell(done: int, every: int) -> None:
            if on_progress is not None:
                on_progress(before * every + done, rounds * every)

        return tell

    read = read_portfolio(inputs, strategy, order, capacity, folder, appointments, told(0))
    try:
        made = plan_tomorrow(read, order, capacity, gap=gap)
    except InfeasiblePlan as error:
        others = capacity.arms.explore + capacity.arms.usual > 0 or len(read.placed) > 0
        why = ["Of what callbacks and the other arms leave to the policy:"] if others else []
        why += [error.problem, *([f"{read.shut_out_told()}."] if read.shut_out else [])]
        raise InfeasiblePlan(" ".join(why), column=error.column, mend=error.mend) from error
    read.aside_path.unlink()
    for number in range(2, rounds + 1):
        earlier = EarlierContacts(made.contacts[["account_id", "debtor", "contact_at", "channel"]], number)
        more = read_portfolio(
            inputs, strategy, order, capacity, folder, Appointments.none(), told(number - 1), earlier=earlier
        )
        more.aside_path.unlink()
        made = with_later_round(made, more, order, capacity, number, gap=gap)
    expected = with_expectations(made.contacts, inputs, strategy, order, capacity)
    return replace(made, contacts=expected), read


def about_plan(
    made: Tomorrow,
    read: PortfolioValues,
    order: PlanOrder,
    capacity: CapacityOrder,
    strategy: ContactStrategy | SeedStrategy,
) -> dict[str, Any]:
    """What a plan was made from and what it says, JSON-ready: for ``about.json`` and whoever shows the plan."""
    names, limit, used = made.whole.names, made.whole.limit.tolist(), made.used.tolist()
    prices = made.plan.prices.tolist()
    capacities = [
        {"name": name, "limit": most, "used": has, "price": price}
        for name, most, has, price in zip(names, limit, used, prices, strict=True)
    ]
    shut_out = read.shut_out_told()
    return {
        "as_of": order.as_of.isoformat(),
        "strategy": strategy.version_,
        "seed": order.seed,
        "unit": "points" if isinstance(strategy, SeedStrategy) else capacity.currency or "money",
        "capacity": capacity.model_dump(mode="json"),
        "capacities": capacities,
        "accounts": len(made.arms),
        "shut_out": read.shut_out,
        "gap": made.plan.gap,
        "unplaced": made.unplaced,
        "rules_in_money": priced_rules(read, made),
        "rule_details": read.rules.details,
        "notes": [*made.notes, *([shut_out] if shut_out else [])],
    }
