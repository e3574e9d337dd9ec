"""Tomorrow's plan: appointments, then the arms of the experiment, then the policy under what capacity is left."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.messages import default_catalogue
from recommender.planning.arms import explore, uniform_of
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_plan import CapacityPlan, solve_capacity
from recommender.planning.capacity_prices import action_prices
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.capacity_tables import AccountKinds, capacity_rows
from recommender.planning.certificate import Certificate, certify
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.portfolio_values import PortfolioValues
from recommender.strategy import STAGES, stage_of

__all__ = ["LaterRound", "Tomorrow", "contact_table", "later_decision_id", "plan_tomorrow", "with_later_round"]

_REDRAWS = 20
_SLACK = 1e-9


@dataclass(frozen=True)
class Tomorrow:
    """A finished plan.

    Attributes
    ----------
    contacts : DataFrame
        One row a contact, in order of queue, time and priority.
    arms : DataFrame
        ``row``, ``account_id``, ``decision_id``, ``arm``, and of accounts of the random arm the ``propensity`` of what
        was drawn for them, contact or not.
    problem : PlanProblem
        What the policy was asked: everybody else's use is taken off the limits.
    plan : CapacityPlan
    certificate : Certificate
    whole : CapacityRows
        The limits before anything was taken off.
    used : ndarray of shape (n_rows,)
        Use by all contacts.
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
    unplaced: list[dict[str, object]]
    notes: list[str]
    later: tuple[LaterRound, ...] = ()


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


@dataclass(frozen=True)
class _Chosen:
    """Contacts of one arm or of the appointments."""

    place: NDArray[np.int64]
    action: NDArray[np.int64]
    value: NDArray[np.float64]
    reason: NDArray[np.object_]
    propensity: NDArray[np.float64]


def plan_tomorrow(read: PortfolioValues, order: PlanOrder, capacity: CapacityOrder, *, gap: float = 2e-4) -> Tomorrow:
    """Plan the contacts of a day.

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
    caps = ~rows.is_minimum
    n_actions = rows.use.shape[1]
    kind = read.facts["kind"].to_numpy(dtype=np.int64)
    left = rows.limit.copy()
    fixed, unplaced = _appointments(read, rows, kind, left)
    aside = np.fromfile(read.aside_path, dtype="<f4").reshape(-1, n_actions)
    arm = read.facts["arm"].to_numpy()[read.aside]
    drawn, chance = _random_arm(read, aside[arm == "explore"], rows, left, capacity, order)
    usual = _usual_arm(read, aside[arm == "usual"], rows, left, capacity)
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
    bought = _beyond_prices(problem, plan)
    below = plan.value < 0  # loses money: only a minimum asks for it
    policy = _Chosen(
        plan.account,
        plan.action,
        plan.value,
        np.where(below, "minimum", "value").astype(object),
        np.ones(len(plan.account)),
    )
    every = [fixed, drawn, usual, policy]
    rank = np.concatenate([np.full(len(part.place), np.inf if part is fixed else -np.inf) for part in every])
    rank[len(rank) - len(plan.account) :] = bought
    chosen = _Chosen(
        *(np.concatenate([getattr(part, name) for part in every]) for name in _Chosen.__dataclass_fields__)
    )
    contacts = contact_table(read, chosen.place, chosen.action, capacity, read.kinds).assign(
        value=chosen.value,
        reason=pd.array(chosen.reason, dtype="str"),
        propensity=chosen.propensity,
        deterministic=chosen.reason != "explore",
        round=1,
        _rank=np.where(np.isneginf(rank), chosen.value, rank),
    )
    contacts = _with_priority(contacts)
    return Tomorrow(
        contacts=contacts,
        arms=read.facts[["row", "account_id", "decision_id", "arm"]].assign(propensity=chance),
        problem=problem,
        plan=plan,
        certificate=certify(problem, plan),
        whole=rows,
        used=_used(rows, kind, chosen.place, chosen.action),
        unplaced=[*read.unplaced, *unplaced],
        notes=read.notes,
    )


def with_later_round(
    made: Tomorrow,
    read: PortfolioValues,
    order: PlanOrder,
    capacity: CapacityOrder,
    number: int,
    *,
    gap: float = 2e-4,
) -> Tomorrow:
    """Add a round: at most one further contact a debtor, under the capacity that is left.

    Parameters
    ----------
    made : Tomorrow
        The rounds before; what they hold was counted when ``read`` was judged.
    read : PortfolioValues
    order : PlanOrder
    capacity : CapacityOrder
    number : int
        From 2 on.
    gap : float

    Returns
    -------
    Tomorrow
    """
    caps = ~made.whole.is_minimum
    left = made.whole.limit - made.used
    kind = read.facts["kind"].to_numpy(dtype=np.int64)
    rows = made.whole.with_limit(np.where(caps, np.maximum(left, 0.0), np.minimum(left, 0.0)))
    problem = replace(made.problem, values=FileValues(read.policy_path, rows.use.shape[1]), rows=rows)
    plan = solve_capacity(problem, gap=gap, seed=order.seed)
    contacts = contact_table(read, plan.account, plan.action, capacity, read.kinds)
    contacts = contacts.assign(
        value=plan.value,
        reason=pd.array(np.where(plan.value < 0, "minimum", "value").astype(object), dtype="str"),
        propensity=1.0,
        deterministic=True,
        round=number,
        decision_id=pd.array([later_decision_id(one, number) for one in contacts["decision_id"]], dtype="str"),
        _rank=_beyond_prices(problem, plan),
    )
    every = pd.concat([made.contacts, _with_priority(contacts)], ignore_index=True)
    every = every.sort_values(["queue", "contact_at", "round", "priority"], kind="stable", ignore_index=True)
    every["priority"] = every.groupby(["queue", "contact_at"], sort=False).cumcount().to_numpy(dtype=np.int64) + 1
    return replace(
        made,
        contacts=every,
        used=made.used + _used(made.whole, kind, plan.account, plan.action),
        later=(*made.later, LaterRound(problem, plan, certify(problem, plan))),
    )


def later_decision_id(decision_id: str, number: int) -> str:
    """Id of an account's decision in a later round."""
    return hashlib.sha256(f"{decision_id}|{number}".encode()).hexdigest()[:32]


def _beyond_prices(problem: PlanProblem, plan: CapacityPlan) -> NDArray[np.float64]:
    """What each contact brings beyond the price of what it uses."""
    unlimited = problem.rows.with_limit(np.full(len(problem.rows.names), 1e300))
    priced = action_prices(replace(problem, rows=unlimited), plan.prices)
    return np.asarray(plan.value - priced[problem.kind[plan.account], plan.action])


def _used(
    rows: CapacityRows, kind: NDArray[np.int64], place: NDArray[np.int64], action: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.asarray(rows.use[kind[place], action].sum(axis=0))


def _appointments(
    read: PortfolioValues, rows: CapacityRows, kind: NDArray[np.int64], left: NDArray[np.float64]
) -> tuple[_Chosen, list[dict[str, object]]]:
    """Take appointments off what is left, in order of time, as far as it goes."""
    kept: list[int] = []
    unplaced: list[dict[str, object]] = []
    placed = read.placed.sort_values(["at", "place"], kind="stable", ignore_index=True)
    for number, told in enumerate(placed.to_dict("records")):
        use = rows.use[kind[told["place"]], told["action"]]
        short = (use > 0) & (use > left + _SLACK)
        if short.any():
            names = ", ".join(rows.names[row] for row in np.flatnonzero(short))
            account = read.facts["account_id"].iloc[told["place"]]
            why = f"no capacity: {names}"
            unplaced.append({"account_id": account, "at": str(told["at"]), "kind": told["reason"], "why": why})
            continue
        left -= use
        kept.append(number)
    held = placed.iloc[kept]
    return _Chosen(
        held["place"].to_numpy(dtype=np.int64),
        held["action"].to_numpy(dtype=np.int64),
        held["value"].to_numpy(dtype=np.float64),
        held["reason"].to_numpy(dtype=object),
        np.ones(len(held)),
    ), unplaced


def _random_arm(
    read: PortfolioValues,
    values: NDArray[np.float32],
    rows: CapacityRows,
    left: NDArray[np.float64],
    capacity: CapacityOrder,
    order: PlanOrder,
) -> tuple[_Chosen, NDArray[np.float64]]:
    """Draw the contacts of the random arm; propensity of what was drawn for each account of it, else NaN.

    Of a debtor with several accounts one is drawn first, each with the same chance, which is part of the propensity.
    """
    arm = read.facts["arm"].to_numpy()
    place = read.aside[arm[read.aside] == "explore"]
    chance = np.full(len(read.facts), np.nan)
    caps = ~rows.is_minimum
    debtor = read.facts["debtor"].to_numpy()[place]
    account = read.facts["account_id"].to_numpy()[place]
    held = pd.DataFrame({"debtor": debtor, "number": uniform_of(account, "which", order.seed, order.as_of.isoformat())})
    size = held.groupby("debtor")["number"].transform("size").to_numpy(dtype=np.int64)
    mine = (held.groupby("debtor")["number"].rank(method="first") == 1).to_numpy()
    kind = read.facts["kind"].to_numpy(dtype=np.int64)[place]
    room = np.minimum(np.maximum(left, 0.0), capacity.arms.explore * np.maximum(rows.limit, 0.0))[caps]
    use = rows.use[:, :, caps]
    for attempt in range(_REDRAWS):
        numbers = uniform_of(account, "draw", order.seed, order.as_of.isoformat(), attempt)
        action, drawn = explore(np.isfinite(values), use, kind, room, numbers, size, mine)
        sent = action >= 0
        total = _used(rows, kind, np.flatnonzero(sent), action[sent])
        if (total[caps] <= np.maximum(left, 0.0)[caps] + _SLACK).all():
            break
    else:
        raise InvalidInput(
            f"The random arm exceeded a limit in {_REDRAWS} draws.", column="explore", mend="Give arms.explore more."
        )
    chance[place] = drawn
    left -= _used(rows, kind, np.flatnonzero(sent), action[sent])
    told = values[sent, action[sent]].astype(np.float64)
    reason = np.full(int(sent.sum()), "explore", dtype=object)
    return _Chosen(place[sent], action[sent], told, reason, drawn[sent]), chance


def _usual_arm(
    read: PortfolioValues,
    values: NDArray[np.float32],
    rows: CapacityRows,
    left: NDArray[np.float64],
    capacity: CapacityOrder,
) -> _Chosen:
    """Business as usual: the longest overdue first, each the first of the trade's rules that still fits."""
    arm = read.facts["arm"].to_numpy()
    place = read.aside[arm[read.aside] == "usual"]
    caps = ~rows.is_minimum
    room = np.where(caps, np.minimum(left, capacity.arms.usual * rows.limit), np.inf)
    kind = read.facts["kind"].to_numpy(dtype=np.int64)[place]
    debtor = read.facts["debtor"].to_numpy()[place]
    days = read.facts["days_past_due"].to_numpy()[place]
    met: set[str] = set()
    at, action = [], []
    for i in np.argsort(-days, kind="stable").tolist():
        if debtor[i] in met:
            continue
        for wanted in read.usual_choice[i].tolist():
            if wanted >= 0 and (rows.use[kind[i], wanted][caps] <= room[caps] + _SLACK).all():
                room -= rows.use[kind[i], wanted]
                met.add(debtor[i])
                at.append(i)
                action.append(wanted)
                break
    chosen, taken = np.array(at, dtype=np.int64), np.array(action, dtype=np.int64)
    left -= _used(rows, kind, chosen, taken)
    told = values[chosen, taken].astype(np.float64)
    return _Chosen(place[chosen], taken, told, np.full(len(chosen), "usual", dtype=object), np.ones(len(chosen)))


def contact_table(
    read: PortfolioValues,
    place: NDArray[np.int64],
    action: NDArray[np.int64],
    capacity: CapacityOrder,
    kinds: AccountKinds,
) -> pd.DataFrame:
    """Who is contacted how and when, with the approved template."""
    facts = read.facts.iloc[place].reset_index(drop=True)
    actions = kinds.actions
    frame = pd.concat([facts[["decision_id", "row", "account_id", "debtor", "arm"]], actions.describe(action)], axis=1)
    queues = kinds.queue_of(facts["kind"].to_numpy(dtype=np.int64))
    names = np.array([queue.name for queue in capacity.queue], dtype=object)
    frame["queue"] = pd.array(names[queues[np.arange(len(place)), action]], dtype="str")
    clocks = np.array(kinds.clocks).reshape(len(kinds.clocks), -1)
    instant = clocks[facts["clock"].to_numpy(dtype=np.int64), kinds.hour_of_action()[action]]
    frame["contact_at"] = pd.Series(instant.astype("datetime64[us]")).dt.tz_localize("UTC").array
    frame["stage"] = pd.array(np.array(STAGES, dtype=object)[stage_of(facts["days_past_due"].to_numpy())], dtype="str")
    frame["needs_human"] = facts["needs_human"].to_numpy()
    frame["template_id"] = _templates(frame, facts)
    frame["place"], frame["action"] = place, action
    return frame


def _templates(frame: pd.DataFrame, facts: pd.DataFrame) -> list[str | None]:
    if "tone" not in frame.columns:
        return [None] * len(frame)
    days = np.floor(facts["days_past_due"].to_numpy(dtype=np.float64)).astype(np.int64)
    language = [name if isinstance(name, str) else None for name in facts["language"]]
    catalogue = default_catalogue()
    channel, tone = frame["channel"].astype(str).tolist(), frame["tone"].astype(str).tolist()
    today, next_day = (
        catalogue.template_ids(channel=channel, tone=tone, days_past_due=(days + more).tolist(), language=language)
        for more in (0, 1)  # the contact may fall on the next day
    )
    return [now or then for now, then in zip(today, next_day, strict=True)]


def _with_priority(contacts: pd.DataFrame) -> pd.DataFrame:
    """Order by queue, time and what a contact brings beyond the price of its slot; number within queue and time."""
    ordered = contacts.sort_values(
        ["queue", "contact_at", "_rank", "row"], ascending=[True, True, False, True], kind="stable", ignore_index=True
    )
    place = ordered.groupby(["queue", "contact_at"], sort=False).cumcount() + 1
    ordered.insert(0, "priority", place.to_numpy(dtype=np.int64))
    return ordered.drop(columns="_rank")
