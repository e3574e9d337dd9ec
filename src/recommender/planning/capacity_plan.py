"""Solve a plan under limited capacity: prices from a sample, few actions kept an account, repair, a proven gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.planning.capacity_conflict import conflict_message
from recommender.planning.capacity_exact import core_candidates, exact_choice, nearest_candidates
from recommender.planning.capacity_moves import choose_best, make_moves, proposed_moves
from recommender.planning.capacity_prices import (
    Candidates,
    action_prices,
    collect,
    dual_bound,
    find_prices,
)
from recommender.planning.capacity_problem import PlanProblem

__all__ = ["CapacityPlan", "InfeasiblePlan", "relative_gap", "solve_capacity", "uses_of"]

_SAMPLE = 12_000
_DEPTH = 3  # actions kept an account at first
_FINE = (0.01, 0.003, 0.001, 0.0003)
_ROUNDS = 6
_EXACT_CANDIDATES = 30_000
_TOLERANCE = 1e-9


class InfeasiblePlan(InvalidInput):
    """Minimum shares and capacities that no plan can keep; names the rows in conflict."""


@dataclass(frozen=True)
class CapacityPlan:
    """Contacts, and what proves how good they are.

    Attributes
    ----------
    account, action : ndarray of shape (n_contacts,), dtype int64
        By account.
    value : ndarray of shape (n_contacts,)
        Value of each contact, in money.
    used : ndarray of shape (n_rows,)
    prices : ndarray of shape (n_rows,)
        What one more unit of each capacity brings (for a minimum: what one unit less would).
    bound : float
        No plan within the limits is worth more.
    """

    account: NDArray[np.int64]
    action: NDArray[np.int64]
    value: NDArray[np.float64]
    used: NDArray[np.float64]
    prices: NDArray[np.float64]
    bound: float

    @property
    def total(self) -> float:
        """Value of the plan."""
        return float(self.value.sum())

    @property
    def gap(self) -> float:
        """How much of the best plan's value this one may lack, at most: (bound - value) / bound."""
        return relative_gap(self.total, self.bound)


def relative_gap(value: float, bound: float) -> float:
    """(bound - value) as a part of the bound's size; 0 where both are 0."""
    return max(bound - value, 0.0) / max(abs(bound), 1e-12) if bound != value else 0.0


def uses_of(problem: PlanProblem, account: NDArray[np.int64], action: NDArray[np.int64]) -> NDArray[np.float64]:
    """Use of each row by the given contacts."""
    code = problem.kind[account] * problem.n_actions + action
    table = problem.rows.use.reshape(-1, len(problem.rows.names))
    return np.bincount(code, minlength=len(table)).astype(np.float64) @ table


def solve_capacity(problem: PlanProblem, *, gap: float = 2e-4, seed: int = 0) -> CapacityPlan:
    """Plan contacts to the greatest value within the limits.

    Parameters
    ----------
    problem : PlanProblem
    gap : float, default=2e-4
        Proven gap that is aimed at; more actions an account are kept until it is reached or all that matter are kept.
    seed : int, default=0
        Draws the debtors whose sample gives the first prices.

    Returns
    -------
    CapacityPlan

    Raises
    ------
    InfeasiblePlan
        When minimum shares cannot be kept within the capacities; names the smallest set in conflict.
    """
    rows = problem.rows
    closed_by_nature = rows.limit < -_TOLERANCE
    if problem.n_accounts == 0 and closed_by_nature.any():
        raise InfeasiblePlan("There is no account, but a minimum to reach.", column="minimum", mend="Leave it out.")
    n_classes = int(problem.column_class.max(initial=0)) + 1
    small = problem.n_accounts <= _SAMPLE
    prices = np.zeros(len(rows.names)) if small else _sampled_prices(problem, seed)
    width = n_classes if small else min(_DEPTH, n_classes)
    best: CapacityPlan | None = None
    bound, bound_prices = np.inf, prices
    while True:
        candidates = collect(problem, prices, width)
        new_prices = (
            find_prices(problem, candidates, rows.limit, prices)
            if small
            else find_prices(problem, candidates, rows.limit, prices, _FINE)
        )
        reached = dual_bound(problem, new_prices)
        if reached < bound:
            bound, bound_prices = reached, new_prices
        choice = _feasible_choice(problem, candidates, new_prices)
        if choice is not None:
            plan = _as_plan(problem, candidates, choice, bound_prices, bound)
            best = plan if best is None or plan.total > best.total else best
        if best is not None and relative_gap(best.total, bound) <= gap:
            break
        if width >= n_classes:
            break
        prices, width = new_prices, min(3 * width, n_classes)
    if best is None or relative_gap(best.total, bound) > gap:
        core = candidates
        if best is not None:
            slack = bound - best.total + _TOLERANCE * max(1.0, abs(bound))
            core = core_candidates(problem, candidates, bound_prices, slack)
        elif int((candidates.action >= 0).sum()) > _EXACT_CANDIDATES:
            core = nearest_candidates(problem, candidates, bound_prices, _EXACT_CANDIDATES)
        n_kept = int((core.action >= 0).sum())
        exact = exact_choice(problem, core) if n_kept <= _EXACT_CANDIDATES else None
        if exact is not None:
            plan = _as_plan(problem, candidates, exact, bound_prices, bound)
            best = plan if best is None or plan.total > best.total else best
    if best is None:
        raise InfeasiblePlan(
            conflict_message(problem),
            column="minimum",
            mend="Lower one of them, or raise the capacity it needs.",
        )
    return CapacityPlan(best.account, best.action, best.value, best.used, bound_prices, bound)


def _sampled_prices(problem: PlanProblem, seed: int) -> NDArray[np.float64]:
    """Prices of a sample of debtors under limits in proportion."""
    n_debtors = int(problem.debtor.max()) + 1
    share = _SAMPLE / problem.n_accounts
    debtors = np.random.default_rng(seed).random(n_debtors) < share
    begin = np.zeros(len(problem.rows.names))
    candidates = collect(problem, begin, 1 << 14, debtors)
    return find_prices(problem, candidates, problem.rows.limit * (len(candidates.account) / problem.n_accounts), begin)


def _as_plan(
    problem: PlanProblem, candidates: Candidates, choice: NDArray[np.int64], prices: NDArray[np.float64], bound: float
) -> CapacityPlan:
    at = np.flatnonzero(choice >= 0)
    at = at[np.argsort(candidates.account[at], kind="stable")]
    account, action = candidates.account[at], candidates.action[at, choice[at]].astype(np.int64)
    value = candidates.value[at, choice[at]].astype(np.float64)
    return CapacityPlan(account, action, value, uses_of(problem, account, action), prices, bound)


def _feasible_choice(
    problem: PlanProblem, candidates: Candidates, prices: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Best actions at the prices, mended and filled; None where a minimum is not reached."""
    limit, names = problem.rows.limit, problem.rows.names
    use = problem.rows.use.reshape(-1, len(names))
    column = candidates.column(problem.n_actions)
    cost = action_prices(problem, prices).ravel()
    value = np.where(candidates.action >= 0, candidates.value, -np.inf).astype(np.float32)
    reduced = np.where(column >= 0, value - cost[np.maximum(column, 0)], -np.inf)
    column = np.where(np.isfinite(reduced), column, np.int32(-1)).astype(np.int32)
    slot = np.tile(problem.slot, len(problem.rows.use))
    debtor_of = np.repeat(np.arange(len(candidates.debtor_start) - 1), np.diff(candidates.debtor_start))
    choice = np.full(len(column), -1, dtype=np.int64)
    most = problem.contacts_per_debtor
    choose_best(candidates.debtor_start, column, reduced, slot, most, choice)
    minimum = problem.rows.is_minimum

    def used_now() -> NDArray[np.float64]:
        at = np.flatnonzero(choice >= 0)
        return np.asarray(np.bincount(column[at, choice[at]], minlength=len(use)) @ use, dtype=np.float64)

    def excess(used: NDArray[np.float64]) -> NDArray[np.float64]:
        over = used - limit
        return np.where(over > _TOLERANCE * np.maximum(1.0, np.abs(limit)), over, 0.0)

    def move(row: int, ceiling: NDArray[np.float64], used: NDArray[np.float64]) -> int:
        """Moves that lower the use of a row (-1: that gain value), the cheapest first."""
        propose: Any = proposed_moves
        make: Any = make_moves
        debtors = (debtor_of, candidates.debtor_start, column)
        state = (use, ceiling, slot, most, choice, used)
        account, to, regret = propose(max(row, 0), row >= 0, *debtors, value, reduced, *state)
        return int(make(np.argsort(regret, kind="stable"), account, to, row, *debtors, *state))

    def mend(ceiling: NDArray[np.float64]) -> None:
        for _ in range(_ROUNDS):
            over = excess(used_now())
            if not (over[np.isfinite(ceiling)] > 0).any():
                return
            moved = 0
            for row in np.argsort(-over / np.maximum(np.abs(limit), 1.0), kind="stable"):
                used = used_now()
                if np.isfinite(ceiling[row]) and excess(used)[row] > 0:
                    moved += move(int(row), ceiling, used)
            if not moved:
                return

    mend(limit)
    if (excess(used_now())[~minimum] > 0).any():  # capacities before minimum shares
        mend(np.where(minimum, np.inf, limit))
        mend(limit)
    for row in np.flatnonzero(minimum):  # what serves it finds no room: others make room, the cheapest first
        serving = use[use[:, row] < 0]
        for capacity in np.argsort(prices, kind="stable"):
            short = excess(used_now())[row]
            if short <= 0:
                break
            if minimum[capacity] or not (each := serving[:, capacity].max(initial=0.0)) > 0:
                continue
            used = used_now()
            kept = np.where(minimum, np.minimum(np.maximum(limit, used), 0.0), np.maximum(limit, used))
            kept[capacity] = max(used[capacity] - short * each, 0.0)
            move(int(capacity), kept, used)
            move(int(row), limit, used_now())
    for _ in range(_ROUNDS):
        if not move(-1, limit, used_now()):
            break
    return None if excess(used_now()).any() else choice
