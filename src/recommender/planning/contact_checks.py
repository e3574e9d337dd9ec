"""What a table of contacts must agree with: clocks, queues, order, arms, limits of all arms, contacts of a debtor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import RUNGS
from recommender.messages import Catalogue
from recommender.planning.arms import draw_arms, drawn_by
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_problem import PlanProblem
from recommender.planning.capacity_tables import AccountKinds
from recommender.planning.certificate import Certificate
from recommender.planning.plan_rows import OFFER_TERMS
from recommender.planning.tomorrow import beyond_prices, later_decision_id
from recommender.rules import kind_of
from recommender.strategy import is_value

__all__ = [
    "POLICY_REASONS",
    "TOLERANCE",
    "not_a_ladder",
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


def not_as_laid_out(contacts: pd.DataFrame, factors: Sequence[str], purpose: str, texts: Catalogue | None) -> list[str]:
    """Columns that a plan has, reasons that its values bear out, and templates that fit what they are for."""
    wrong = []
    fixed = {*_COLUMNS, *factors}
    known_too = fixed | ({*OFFER_TERMS} if "offer" in factors else set())
    if strangers := sorted(name for name in set(contacts.columns) - known_too if not is_value(str(name))):
        wrong.append(f"columns: {', '.join(map(str, strangers))} is none of a plan")
    if lost := sorted(fixed - set(contacts.columns)):
        return [*wrong, f"columns: {', '.join(lost)} is missing"]
    by_policy = contacts["reason"].isin(POLICY_REASONS)
    if (contacts.loc[by_policy, "reason"].eq("minimum") != (contacts.loc[by_policy, "value"] < 0)).any():
        wrong.append("reason: a contact for a minimum is one that loses money, and only that")
    if texts is not None and {"channel", "tone"} <= set(factors):
        known = {name: texts.get(str(name)) for name in contacts["template_id"].dropna().unique()}
        kinds = contacts["message_kind"] if "message_kind" in factors else [None] * len(contacts)
        each = zip(contacts["channel"], contacts["tone"], kinds, contacts["template_id"], strict=True)
        for channel, tone, kind, name in each:
            template = known.get(name)
            if pd.isna(name):
                wrong.append(f"template_id: a contact over {channel} has no text, and there are approved ones")
                break
            if (
                template is None or channel not in template.channels or tone != template.tone
                or purpose not in template.purposes or (kind is not None and template.kind != kind_of(str(kind)))
            ):  # fmt: skip
                wrong.append(f"template_id: {name} is not approved for {channel}, {tone} and this purpose")
                break
    return wrong


def not_a_ladder(contacts: pd.DataFrame) -> list[str]:
    """Rungs of the value ladder that contradict each other, or lie outside their own interval."""
    wrong = []
    rungs = [f"p_{one}" for one in RUNGS if f"p_{one}" in contacts.columns]
    for lower, higher in pairwise(rungs):
        if (contacts[higher] > contacts[lower] + TOLERANCE).any():
            wrong.append(f"values: {higher} is likelier than {lower}, which it includes")
    for name in (one for one in contacts.columns if f"{one}_lo" in contacts.columns):
        middle, low, high = (contacts[one].to_numpy(dtype=np.float64) for one in (name, f"{name}_lo", f"{name}_hi"))
        close = TOLERANCE * (1.0 + np.abs(np.nan_to_num(middle)))
        if ((middle < low - close) | (middle > high + close)).any():
            wrong.append(f"values: {name} is outside its own interval")
    return wrong


def too_many(contacts: pd.DataFrame, capacity: CapacityOrder, days: int) -> list[str]:
    """Contacts of a debtor a day and in the week, and the hours between those of a day."""
    wrong, week = [], capacity.week_of(days)
    by_day = contacts.sort_values("contact_at", kind="stable").groupby(["debtor", "day"])
    if by_day.size().max() > capacity.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {capacity.contacts_per_debtor} contacts a day")
    if contacts.groupby("debtor").size().max() > week.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {week.contacts_per_debtor} contacts in the week")
    days_of = contacts[["debtor", "day"]].drop_duplicates().sort_values(["debtor", "day"])
    if (days_of.groupby("debtor")["day"].diff().dropna() < week.days_between).any():
        wrong.append(f"debtor: contacts of one are less than {week.days_between} days apart")
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
