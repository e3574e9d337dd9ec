"""Tomorrow's plan: appointments, then the arms of the experiment, then the policy under what capacity is left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_plan import CapacityPlan, solve_capacity, uses_of
from recommender.planning.capacity_prices import action_prices
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.capacity_tables import AccountKinds, capacity_rows
from recommender.planning.certificate import Certificate, certify
from recommender.planning.contact_rows import contact_table, with_priority
from recommender.planning.earlier_contacts import EarlierContacts
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.portfolio_read import PortfolioValues
from recommender.planning.reserved_contacts import Chosen, appointments_kept, random_arm, use_of, usual_arm
from recommender.planning.sent_today import SentToday
from recommender.planning.week_parts import part_of_rows, parts_of_week

__all__ = ["LaterRound", "Tomorrow", "beyond_prices", "later_decision_id", "plan_tomorrow", "with_later_round"]

_ATTEMPTS = 4


@dataclass(frozen=True)
class Tomorrow:
    """A finished plan.

    Attributes
    ----------
    contacts : DataFrame
        One row a contact, in order of queue, time and priority.
    arms : DataFrame
        ``row``, ``account_id``, ``debtor``, ``decision_id``, ``arm``, and of accounts of the random arm the
        ``propensity`` of what was drawn for them, contact or not.
    problem : PlanProblem
        What the policy was asked: everybody else's use is taken off the limits.
    plan : CapacityPlan
    certificate : Certificate
    whole : CapacityRows
        The limits before anything was taken off.
    used : ndarray of shape (n_rows,)
        Use by all contacts.
    kinds : AccountKinds
        Queues and clocks of the accounts.
    unplaced : list of dict
        Appointments that could not be kept, each with its reason.
    notes : list of str
    later : tuple of LaterRound
        Where capacity.toml allows several contacts of a debtor.
    """

    contacts: pd.DataFrame
    arms: pd.DataFrame
    problem: PlanProblem
    plan: CapacityPlan
    certificate: Certificate
    whole: CapacityRows
    used: NDArray[np.float64]
    kinds: AccountKinds
    unplaced: list[dict[str, object]]
    notes: list[str]
    later: tuple[LaterRound, ...] = ()

    @property
    def prices(self) -> NDArray[np.float64]:
        """Price of each limit, by the round that first asked for what it limits; shape (n_rows,)."""
        rounds = np.stack([self.plan.prices, *(one.plan.prices for one in self.later)])
        days = self.kinds.days
        part = part_of_rows(self.whole, days, parts_of_week(days, self.kinds.order))
        return np.asarray(rounds[part, np.arange(len(part))])


@dataclass(frozen=True)
class LaterRound:
    """A further contact of debtors who have one: asked when everything before is known, under what is left.

    Attributes
    ----------
    problem : PlanProblem
    plan : CapacityPlan
    certificate : Certificate
        Proves the round, given the rounds before.
    """

    problem: PlanProblem
    plan: CapacityPlan
    certificate: Certificate


def plan_tomorrow(
    read: PortfolioValues,
    order: PlanOrder,
    capacity: CapacityOrder,
    *,
    gap: float = 2e-4,
    sent: SentToday | None = None,
) -> Tomorrow:
    """Plan the first contact of each debtor, on whichever of the days that were read.

    Appointments come first, in order of time. The arms get capacity in proportion to their share of the debtors: the
    random arm by thinning, business as usual first come first served by days past due. The policy gets the rest, and
    what they leave.

    Parameters
    ----------
    read : PortfolioValues
    order : PlanOrder
    capacity : CapacityOrder
    gap : float, default=2e-4
        Gap to aim at.
    sent : SentToday, optional
        What was used of the day's quotas and budget already.

    Returns
    -------
    Tomorrow

    Raises
    ------
    InfeasiblePlan
        When minimums and capacities contradict each other.
    InvalidInput
        When random contacts do not fit in what there is for them, so that their propensities would be untrue.
    """
    rows = capacity_rows(read.kinds)
    if sent is not None:
        rows = _less_sent(rows, sent, capacity)
    caps = ~rows.is_minimum
    n_actions = rows.use.shape[1]
    kind = read.facts["kind"].to_numpy(dtype=np.int64)
    left = rows.limit.copy()
    fixed, unplaced = appointments_kept(read, rows, kind, left)
    aside = np.fromfile(read.aside_path, dtype="<f4").reshape(-1, n_actions)
    arm = read.facts["arm"].to_numpy()[read.aside]
    drawn, chance = random_arm(read, aside[arm == "explore"], rows, left, capacity, order)
    usual = usual_arm(read, aside[arm == "usual"], rows, left, capacity)
    codes, debtor = np.unique(read.facts["debtor"].to_numpy(), return_inverse=True)
    del codes
    problem = PlanProblem(
        FileValues(read.policy_path, n_actions),
        rows.with_limit(np.where(caps, np.maximum(left, 0.0), np.minimum(left, 0.0))),
        debtor.reshape(-1).astype(np.int64),
        kind,
        np.full(n_actions, -1, dtype=np.int64),
    )
    plan = solve_capacity(problem, gap=gap, seed=order.seed)
    bought = beyond_prices(problem, plan.prices, plan.account, plan.action, plan.value)
    below = plan.value < 0  # loses money: only a minimum asks for it
    policy = Chosen(
        plan.account,
        plan.action,
        plan.value,
        np.where(below, "minimum", "value").astype(object),
        np.ones(len(plan.account)),
    )
    every = [fixed, drawn, usual, policy]
    rank = np.concatenate([np.full(len(part.position), np.inf if part is fixed else -np.inf) for part in every])
    rank[len(rank) - len(plan.account) :] = bought
    chosen = Chosen(*(np.concatenate([getattr(part, name) for part in every]) for name in Chosen.__dataclass_fields__))
    contacts = contact_table(read, chosen.position, chosen.action, capacity, order).assign(
        value=chosen.value,
        reason=pd.array(chosen.reason, dtype="str"),
        propensity=chosen.propensity,
        deterministic=chosen.reason != "explore",
        round=1,
        _rank=np.where(np.isneginf(rank), chosen.value, rank),
    )
    contacts = with_priority(contacts)
    return Tomorrow(
        contacts=contacts,
        arms=read.facts[["row", "account_id", "debtor", "decision_id", "arm"]].assign(propensity=chance),
        problem=problem,
        plan=plan,
        certificate=certify(problem, plan),
        whole=rows,
        used=use_of(rows, kind, chosen.position, chosen.action),
        kinds=read.kinds,
        unplaced=[*read.unplaced, *unplaced],
        notes=read.notes,
    )


def with_later_round(
    made: Tomorrow,
    read: PortfolioValues,
    order: PlanOrder,
    capacity: CapacityOrder,
    earlier: EarlierContacts,
    *,
    gap: float = 2e-4,
    forbids: Callable[[pd.DataFrame], NDArray[np.bool_]] | None = None,
) -> Tomorrow:
    """Add a round: at most one further contact a debtor, under the capacity that is left.

    Parameters
    ----------
    made : Tomorrow
        The rounds before; what they hold was counted when ``read`` was judged.
    read : PortfolioValues
    order : PlanOrder
    capacity : CapacityOrder
    earlier : EarlierContacts
        The contacts of the rounds before, and the number of this one.
    gap : float
    forbids : callable, optional
        Given all contacts with the new ones last, which of the new ones must not be: such a contact is closed, and the
        round is asked again.

    Returns
    -------
    Tomorrow
    """
    caps = ~made.whole.is_minimum
    left = made.whole.limit - made.used
    kind = read.facts["kind"].to_numpy(dtype=np.int64)
    rows = made.whole.with_limit(np.where(caps, np.maximum(left, 0.0), np.minimum(left, 0.0)))
    n_actions = rows.use.shape[1]
    problem = replace(made.problem, values=FileValues(read.policy_path, n_actions), rows=rows)
    for attempt in range(_ATTEMPTS):
        plan = solve_capacity(problem, gap=gap, seed=order.seed)
        contacts = _of_round(problem, plan, read, order, capacity, earlier)
        wrong = np.zeros(len(contacts), dtype=bool)
        if forbids is not None and len(contacts):
            wrong = forbids(pd.concat([made.contacts, contacts.drop(columns="_rank")], ignore_index=True))
        if not wrong.any() or attempt == _ATTEMPTS - 1:
            break
        _close(read, contacts["place"].to_numpy()[wrong], contacts["day"].to_numpy()[wrong])
    if wrong.any():
        plan = _without(problem, plan, contacts["place"].to_numpy()[wrong])
        contacts = contacts.loc[~wrong]
    every = pd.concat([made.contacts, with_priority(contacts)], ignore_index=True)
    every = every.sort_values(["queue", "contact_at", "round", "priority"], kind="stable", ignore_index=True)
    every["priority"] = every.groupby(["queue", "contact_at"], sort=False).cumcount().to_numpy(dtype=np.int64) + 1
    return replace(
        made,
        contacts=every,
        used=made.used + use_of(made.whole, kind, plan.account, plan.action),
        later=(*made.later, LaterRound(problem, plan, certify(problem, plan))),
    )


def _of_round(
    problem: PlanProblem,
    plan: CapacityPlan,
    read: PortfolioValues,
    order: PlanOrder,
    capacity: CapacityOrder,
    earlier: EarlierContacts,
) -> pd.DataFrame:
    contacts = contact_table(read, plan.account, plan.action, capacity, order)
    return contacts.assign(
        value=plan.value,
        reason=pd.array(np.where(plan.value < 0, "minimum", "value").astype(object), dtype="str"),
        propensity=1.0,
        deterministic=True,
        round=earlier.round,
        decision_id=pd.array([later_decision_id(one, earlier.round) for one in contacts["decision_id"]], dtype="str"),
        _rank=beyond_prices(problem, plan.prices, plan.account, plan.action, plan.value),
    )


def _close(read: PortfolioValues, position: NDArray[np.int64], day: NDArray[np.int64]) -> None:
    """Deny contacts of accounts on a day, where the round reads its values."""
    days, n = read.kinds.days, read.kinds.actions.n_contact_actions
    values = np.memmap(read.policy_path, dtype="<f4", mode="r+", shape=(len(read.facts), days, n))
    values[position, day - 1] = -np.inf
    values.flush()


def _without(problem: PlanProblem, plan: CapacityPlan, position: NDArray[np.int64]) -> CapacityPlan:
    """The plan without the contacts of some accounts; its bound holds all the same."""
    kept = ~np.isin(plan.account, position)
    account, action = plan.account[kept], plan.action[kept]
    return replace(plan, account=account, action=action, value=plan.value[kept], used=uses_of(problem, account, action))


def _less_sent(rows: CapacityRows, sent: SentToday, capacity: CapacityOrder) -> CapacityRows:
    """Limits of the rest of the day; what was sent counts towards minimums, too."""
    used = sent.used({queue.name: queue.cost_per_contact for queue in capacity.queue})
    limit = rows.limit.copy()
    for row, name in enumerate(rows.names):
        if rows.limit[row] >= 0:
            limit[row] = max(limit[row] - used.get(name, 0.0), 0.0)
    for least in capacity.minimum:
        row = rows.names.index(f"minimum {least.name}")
        mine = np.ones(len(sent.kept), dtype=bool)
        for column, value in (({} if least.queue is None else {"queue": least.queue}) | least.level).items():
            mine &= (sent.kept[column].astype("str") == value).to_numpy()
        # whom a minimum of some accounts counts is not known of the old contacts: only one of all is lowered
        limit[row] = min(limit[row] + (0.0 if least.only else float(mine.sum())), 0.0)
    return rows.with_limit(limit)


def later_decision_id(decision_id: str, number: int) -> str:
    """Id of an account's decision in a later round."""
    return hashlib.sha256(f"{decision_id}|{number}".encode()).hexdigest()[:32]


def beyond_prices(
    problem: PlanProblem,
    prices: NDArray[np.float64],
    account: NDArray[np.int64],
    action: NDArray[np.int64],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each contact brings beyond the price of what it uses: who of a queue and hour comes first."""
    unlimited = problem.rows.with_limit(np.full(len(problem.rows.names), 1e300))
    priced = action_prices(replace(problem, rows=unlimited), prices)
    return np.asarray(value - priced[problem.kind[account], action])
