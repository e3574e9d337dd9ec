"""A day or a week from portfolio to plan: read, plan, and ask again for further contacts where they are allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.messages import default_catalogue
from recommender.planning.appointments import Appointments
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_plan import InfeasiblePlan
from recommender.planning.confirmed_contacts import unlawful, with_expectations
from recommender.planning.earlier_contacts import EARLIER, EarlierContacts
from recommender.planning.idle_queues import idle_queues
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_money import priced_rules
from recommender.planning.plan_objective import check_plan_objective, unit_of_values, with_minimum_shares
from recommender.planning.portfolio_read import PortfolioValues
from recommender.planning.portfolio_values import read_portfolio
from recommender.planning.sent_today import SentToday
from recommender.planning.tomorrow import Tomorrow, plan_tomorrow, with_later_round
from recommender.planning.unknown_facts import refuse_unknowns
from recommender.planning.week_parts import parts_of_week
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
    days: int = 1,
    sent: SentToday | None = None,
) -> tuple[Tomorrow, PortfolioValues]:
    """Plan a day, or several of which the first is to be carried out.

    The first round gives each debtor one contact at most. Where ``contacts_per_debtor`` is more, every account is
    judged again with what is planned already in its history, so that the law counts it, and what is left of the
    capacity is planned. So a further contact of one debtor never takes the place of a first one of another.

    Several days are planned part by part (:func:`parts_of_week`): within a part each debtor's contact lies where it
    brings most after the prices of its days, under the calendar that is known ahead (pay days, weekdays, stages).
    A last round over all days may lie before or after what is planned; a contact that would make a later one unlawful
    is closed and the round asked again.
    Tomorrow the days are planned anew with what was heard until then.

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
    days : int, default=1
    sent : SentToday, optional
        What is kept of a plan in force, the rest of whose day is planned again; for one day only.

    Returns
    -------
    Tomorrow
    PortfolioValues
        Of the first round.
    """
    check_plan_objective(order.objective, strategy)
    capacity = with_minimum_shares(capacity, order.objective)
    if sent is not None and days > 1:
        raise InvalidInput(
            "A plan in force is replaced for the rest of its day only.", column="days", mend="Plan without --days."
        )
    parts = parts_of_week(days, capacity)
    most = _most_rounds(days, capacity)
    # what a debtor may have beyond one contact a part is asked for over all days, in what capacity is left
    ahead = [*parts, *[range(days)] * (most - 1 if len(parts) == 1 else min(most - 1, 1))]
    rounds = len(ahead)

    def progress_of(before: int) -> Callable[[int, int], None]:
        def tell(done: int, every: int) -> None:
            if on_progress is not None:
                on_progress(before * every + done, rounds * every)

        return tell

    read = read_portfolio(inputs, strategy, order, capacity, folder, appointments, progress_of(0), days=days, sent=sent,
                          ahead=ahead[0])  # fmt: skip
    refuse_unknowns(read.removed, read.shut_out, inputs, strategy.actions_.n_contact_actions, purpose=order.purpose)
    try:
        made = plan_tomorrow(read, order, capacity, gap=gap, sent=sent)
    except InfeasiblePlan as error:
        others = capacity.arms.explore + capacity.arms.usual > 0 or len(read.placed) > 0
        why = ["Of what callbacks and the other arms leave to the policy:"] if others else []
        why += [error.problem, *([f"{read.shut_out_text()}."] if read.shut_out else [])]
        raise InfeasiblePlan(" ".join(why), column=error.column, mend=error.mend) from error
    read.aside_path.unlink()
    for number in range(2, rounds + 1):
        earlier = EarlierContacts(made.contacts[[one for one in EARLIER if one in made.contacts]], number)
        more = read_portfolio(
            inputs, strategy, order, capacity, folder, Appointments.none(), progress_of(number - 1), earlier=earlier,
            days=days, sent=sent, ahead=ahead[number - 1],
        )  # fmt: skip
        more.aside_path.unlink()
        guard = _guard(inputs, strategy, order, capacity) if days > 1 else None
        read.open_sets |= more.open_sets
        made = with_later_round(made, more, order, capacity, earlier, gap=gap, forbids=guard)
    expected = with_expectations(made.contacts, inputs, strategy, order, capacity, sent)
    return replace(made, contacts=expected), read


def _most_rounds(days: int, capacity: CapacityOrder) -> int:
    """Most contacts of a debtor that a plan of some days may hold."""
    return capacity.contacts_per_debtor if days == 1 else capacity.week_of(days).contacts_per_debtor


def _guard(
    inputs: PlanInputs, strategy: ContactStrategy | SeedStrategy, order: PlanOrder, capacity: CapacityOrder
) -> Callable[[pd.DataFrame], NDArray[np.bool_]]:
    """Which contacts of the last round are unlawful, or would make one that is planned after them so.

    A contact of the round was judged with all that is planned for its debtor: what lies after it may have opened it (a
    call that only a message before it allows).
    """

    def forbids(contacts: pd.DataFrame) -> NDArray[np.bool_]:
        new = (contacts["round"] == contacts["round"].max()).to_numpy()
        at = contacts.loc[new].set_index("debtor")["contact_at"]
        after = (contacts["contact_at"] > contacts["debtor"].map(at)).to_numpy()
        broken = unlawful(contacts, after | new, inputs, strategy, order, capacity)
        return np.asarray(contacts.loc[new, "debtor"].isin(contacts.loc[broken, "debtor"]))

    return forbids


def about_plan(
    made: Tomorrow,
    read: PortfolioValues,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    sent: SentToday | None = None,
) -> dict[str, Any]:
    """What a plan was made from and what it says, JSON-ready: for ``about.json`` and whoever shows the plan."""
    capacity = read.kinds.order  # with the minimum shares of the levers
    names, limit, used = made.whole.names, made.whole.limit.tolist(), made.used.tolist()
    prices = made.prices.tolist()
    capacities = [
        {"name": name, "limit": most, "used": has, "price": price}
        for name, most, has, price in zip(names, limit, used, prices, strict=True)
    ]
    shut_out = read.shut_out_text()
    first: dict[str, Any] = {"run": order.run} if order.run else {}
    if sent is not None:
        first |= {"ends": sent.ends.isoformat(), "replaced": sent.changes(made.contacts)}
    return first | {
        "as_of": order.as_of.isoformat(),
        "strategy": order.objective.version_of(strategy.version_),
        "objective": order.objective.model_dump(mode="json"),
        "seed": order.seed,
        "days": read.kinds.days,
        "purpose": order.purpose,
        "house": list(order.house),
        "switched_off": list(order.switched_off),
        "segments_digest": order.segmentation.digest,
        "messages_digest": (order.catalogue or default_catalogue()).digest,
        "offers_digest": None if order.prices is None else order.prices.digest,
        "offers": None if order.offers is None else {"list": order.offers[1], "authority": order.authority},
        "unit": unit_of_values(order.objective, capacity, strategy),
        "money": capacity.currency_told,
        "capacity": capacity.model_dump(mode="json"),
        "capacities": capacities,
        "accounts": len(made.arms),
        "shut_out": read.shut_out,
        "gap": made.plan.gap,
        "unplaced": made.unplaced,
        "rules_in_money": priced_rules(read, made),
        "rule_details": read.rules.details,
        "notes": [*made.notes, *idle_queues(read.kinds), *([shut_out] if shut_out else [])],
    }
