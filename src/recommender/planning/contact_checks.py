"""What a table of contacts must agree with: clocks, queues, order, arms, limits of all arms, contacts of a debtor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.messages import default_catalogue
from recommender.planning.arms import draw_arms, drawn_by
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_problem import PlanProblem
from recommender.planning.capacity_tables import AccountKinds
from recommender.planning.certificate import Certificate
from recommender.planning.tomorrow import beyond_prices, later_decision_id
from recommender.strategy import is_value

__all__ = [
    "POLICY_REASONS",
    "TOLERANCE",
    "not_as_drawn",
    "not_as_laid_out",
    "not_in_order",
    "not_of_clock",
    "of_all_arms",
    "too_many",
]

POLICY_REASONS = ("value", "minimum")
TOLERANCE = 1e-6
_COLUMNS = (
    "priority", "decision_id", "row", "account_id", "debtor", "arm", "queue", "contact_at", "stage", "needs_human",
    "human_reason", "segment", "template_id", "day", "place", "action", "value", "reason", "propensity",
    "deterministic", "round", "expected", "expected_low", "expected_high",
)  # fmt: skip


def not_of_clock(
    contacts: pd.DataFrame,
    kinds: AccountKinds,
    problem: PlanProblem,
    position: NDArray[np.int64],
    action: NDArray[np.int64],
) -> list[str]:
    """Instants, days, queues and priorities against kinds and clocks."""
    wrong = []
    kind = problem.kind[position]
    clock = np.array([one[1] for one in kinds.kinds], dtype=np.int64)
    if len(kinds.clocks) and not np.array_equal(
        kinds.instant_of(clock[kind], action), contacts["contact_at"].dt.tz_convert(None).to_numpy("datetime64[us]"),
        equal_nan=True,
    ):  # fmt: skip
        wrong.append("contact_at: not the instant of the action on the account's clock")
    if not np.array_equal(kinds.day_of_action()[action] + 1, contacts["day"].to_numpy()):
        wrong.append("day: not that of the action")
    queue = kinds.queue_of(kind)[np.arange(len(action)), action]
    names = [kinds.order.queue[one].name if one >= 0 else "" for one in queue]
    if names != contacts["queue"].tolist():
        wrong.append("queue: not the one that serves the account's channel")
    known = contacts[["expected_low", "expected", "expected_high"]] if "expected" in contacts else None
    if known is not None:
        complete = known.dropna()
        if len(complete) not in (0, len(known)) or not (complete["expected_low"] <= complete["expected"]).all() or not (
            complete["expected"] <= complete["expected_high"]
        ).all():  # fmt: skip
            wrong.append("expected: missing, or outside its own interval")
    return wrong


def not_in_order(
    contacts: pd.DataFrame, rounds: Sequence[tuple[PlanProblem, Certificate]], position: NDArray[np.int64]
) -> list[str]:
    """Priorities: callbacks and promises, then by what a contact brings beyond its prices, round after round."""
    turn, reason = contacts["round"].to_numpy(dtype=np.int64), contacts["reason"]
    action, rank = contacts["action"].to_numpy(dtype=np.int64), contacts["value"].to_numpy(dtype=np.float64).copy()
    by_policy = reason.isin(POLICY_REASONS).to_numpy()
    for number, (problem, certificate) in enumerate(rounds, start=1):
        mine = by_policy & (turn == number)
        prices = np.array([certificate.prices.get(name, np.nan) for name in problem.rows.names])
        rank[mine] = beyond_prices(problem, prices, position[mine], action[mine], rank[mine])
    rank[reason.isin(["callback", "promise"]).to_numpy()] = np.inf
    due = contacts.assign(_rank=rank).sort_values(
        ["queue", "contact_at", "round", "_rank", "row"], ascending=[True, True, True, False, True], kind="stable"
    )
    turn_in_slot = due.groupby(["queue", "contact_at"], sort=False, dropna=False).cumcount() + 1
    if (turn_in_slot != due["priority"]).any():
        return ["priority: not callbacks and promises first, then what brings most beyond the prices"]
    listed = contacts.sort_values(["queue", "contact_at", "priority"], kind="stable").index
    return [] if (listed == contacts.index).all() else ["order: not by queue, instant and priority"]


def not_as_laid_out(contacts: pd.DataFrame, factors: Sequence[str], purpose: str, *, packaged: bool) -> list[str]:
    """Columns that a plan has, reasons that its values bear out, and packaged templates that fit what they are for."""
    wrong = []
    fixed = {*_COLUMNS, *factors}
    if strangers := sorted(name for name in set(contacts.columns) - fixed if not is_value(str(name))):
        wrong.append(f"columns: {', '.join(map(str, strangers))} is none of a plan")
    if lost := sorted(fixed - set(contacts.columns)):
        return [*wrong, f"columns: {', '.join(lost)} is missing"]
    by_policy = contacts["reason"].isin(POLICY_REASONS)
    if (contacts.loc[by_policy, "reason"].eq("minimum") != (contacts.loc[by_policy, "value"] < 0)).any():
        wrong.append("reason: a contact for a minimum is one that loses money, and only that")
    if packaged and {"channel", "tone"} <= set(factors):
        known = {name: default_catalogue().get(str(name)) for name in contacts["template_id"].dropna().unique()}
        for channel, tone, name in zip(contacts["channel"], contacts["tone"], contacts["template_id"], strict=True):
            template = known.get(name)
            if pd.notna(name) and (
                template is None or channel not in template.channels or tone != template.tone
                or purpose not in template.purposes
            ):  # fmt: skip
                wrong.append(f"template_id: {name} is not approved for {channel}, {tone} and this purpose")
                break
    return wrong


def too_many(contacts: pd.DataFrame, capacity: CapacityOrder, days: int) -> list[str]:
    """Contacts of a debtor a day and in the week, and the hours between those of a day."""
    wrong, week = [], capacity.week_of(days)
    by_day = contacts.sort_values("contact_at", kind="stable").groupby(["debtor", "day"])
    if by_day.size().max() > capacity.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {capacity.contacts_per_debtor} contacts a day")
    if week is not None and contacts.groupby("debtor").size().max() > week.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {week.contacts_per_debtor} contacts in the week")
    if (by_day["contact_at"].diff().dropna() < pd.Timedelta(hours=capacity.hours_between)).any():
        wrong.append(f"debtor: contacts of one are less than {capacity.hours_between:g} hours apart")
    return wrong


def not_as_drawn(arms: pd.DataFrame, problem: PlanProblem, capacity: CapacityOrder) -> list[str]:
    """Whether accounts are of the debtors that the problem counts, and each of the arm that its debtor draws."""
    wrong = []
    if not np.array_equal(np.unique(arms["debtor"].to_numpy(), return_inverse=True)[1].reshape(-1), problem.debtor):
        wrong.append("debtor: accounts are not of the debtors that the limits counted")
    if arms["account_id"].duplicated().any() or arms["row"].duplicated().any():
        wrong.append("arms: an account is there twice")
    if draw_arms([drawn_by(name) for name in arms["debtor"]], capacity.arms).tolist() != arms["arm"].tolist():
        wrong.append("arm: not the one that the debtor draws in this experiment")
    return wrong


def of_all_arms(
    contacts: pd.DataFrame,
    arms: pd.DataFrame,
    problem: PlanProblem,
    whole: NDArray[np.float64],
    position: NDArray[np.int64],
    action: NDArray[np.int64],
    days: int,
) -> list[str]:
    """Limits, debtors, arms and propensities over the contacts of all arms."""
    wrong = []
    use = problem.rows.use[problem.kind[position], action]
    over = use.sum(axis=0) > whole + TOLERANCE * np.maximum(1.0, np.abs(whole))
    wrong += [f"limit: {problem.rows.names[row]} is exceeded by all arms together" for row in np.flatnonzero(over)]
    turn, debtor = contacts["round"].to_numpy(dtype=np.int64), problem.debtor[position]
    if len(np.unique(np.stack([debtor, turn]), axis=1).T) != len(contacts):
        wrong.append("debtor: one has contacts of several arms, or two of one round")
    instants = pd.DataFrame({"debtor": debtor, "at": contacts["contact_at"]})
    if instants.loc[contacts["contact_at"].notna().to_numpy()].duplicated().any():
        wrong.append("debtor: one is in two queues at once")
    turns = instants.assign(turn=turn).sort_values(["debtor", "turn"], kind="stable")
    # within a week whoever planned judged again what a contact precedes
    if days == 1 and (turns.groupby("debtor")["at"].diff().dropna() < pd.Timedelta(0)).any():
        wrong.append("debtor: a contact of a later round comes before an earlier one, which was judged without it")
    for name in ("account_id", "row", "decision_id", "arm", "debtor"):
        ids_of_first = arms[name].to_numpy()[position]
        if name == "decision_id":
            ids = zip(ids_of_first, turn.tolist(), strict=True)
            ids_of_first = np.array(
                [one if number == 1 else later_decision_id(one, number) for one, number in ids], dtype=object
            )
        if not np.array_equal(contacts[name].to_numpy(), ids_of_first):
            wrong.append(f"contacts: {name} is not that of the account")
    reason, arm = contacts["reason"].to_numpy(), contacts["arm"].to_numpy()
    wanted = {"value": "policy", "minimum": "policy", "explore": "explore", "usual": "usual"}
    known = np.isin(reason, [*wanted, "callback", "promise"])
    if not known.all() or any((arm[reason == one] != name).any() for one, name in wanted.items()):
        wrong.append("arm: a contact is not of the arm that its reason says")
    chance = contacts["propensity"].to_numpy(dtype=np.float64)
    drawn = reason == "explore"
    logged = arms["propensity"].to_numpy(dtype=np.float64)[position]
    if not ((chance > 0) & (chance <= 1)).all() or (chance[~drawn] != 1).any() or (chance != logged)[drawn].any():
        wrong.append("propensity: not that of the draw, or not 1 where nothing was drawn")
    if (contacts["deterministic"].to_numpy(dtype=bool) != ~drawn).any():
        wrong.append("deterministic: flag and reason disagree")
    return wrong
