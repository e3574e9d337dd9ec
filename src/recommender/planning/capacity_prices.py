"""Prices of scarce capacity: the dual of the plan, smoothed and minimised by a damped Newton method.

A price is what one more unit of a capacity would bring. For any prices >= 0 the plan cannot be worth more than what
all accounts earn after paying them plus the capacities at these prices, so how the prices were found needs no trust.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.planning.capacity_problem import PlanProblem
from recommender.planning.price_kernels import best_at_prices, best_candidates, smoothed_dual

__all__ = [
    "Candidates",
    "DualPart",
    "action_prices",
    "best_of_accounts",
    "collect",
    "dual_bound",
    "find_prices",
    "minimise_dual",
    "top_per_debtor",
]

_COOLING = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
_MOST_STEPS = 25


@dataclass(frozen=True)
class Candidates:
    """The actions kept of some accounts, in order of their debtors.

    Attributes
    ----------
    account : ndarray of shape (m,)
        Accounts, ordered by debtor.
    debtor_start : ndarray of shape (n_debtors + 1,)
        Where each debtor's accounts start.
    action : ndarray of shape (m, depth), dtype int16
        -1 where there are fewer.
    value : ndarray of shape (m, depth), dtype float32
    kind : ndarray of shape (m,)
    """

    account: NDArray[np.int64]
    debtor_start: NDArray[np.int64]
    action: NDArray[np.int16]
    value: NDArray[np.float32]
    kind: NDArray[np.int64]

    def column(self, n_actions: int) -> NDArray[np.int32]:
        """``kind * n_actions + action`` of each candidate, -1 for none."""
        code = self.kind[:, None].astype(np.int32) * np.int32(n_actions) + self.action
        return np.where(self.action >= 0, code, np.int32(-1)).astype(np.int32)


def action_prices(problem: PlanProblem, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each action costs at given prices of the rows, inf where it is closed; shape (n_kinds, n_actions)."""
    return np.where(problem.closed, np.inf, problem.rows.use @ prices)


def top_per_debtor(problem: PlanProblem, best: NDArray[np.float64]) -> float:
    """Sum over debtors of their greatest ``contacts_per_debtor`` values (none below 0)."""
    if problem.one_account_each:
        return float(best.sum())
    order, start = problem.by_debtor
    if problem.contacts_per_debtor == 1:
        some = np.flatnonzero(np.diff(start))
        return float(np.maximum.reduceat(best[order], start[some]).sum()) if len(some) else 0.0
    debtor = problem.debtor[order]
    ranked = np.lexsort((-best[order], debtor))
    rank = np.arange(len(order)) - start[debtor]
    return float(best[order][ranked][rank < problem.contacts_per_debtor].sum())


def best_of_accounts(problem: PlanProblem, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greatest value minus price of each account, at least 0; one pass over all values."""
    cost = action_prices(problem, prices)
    best = np.empty(problem.n_accounts)
    for first, block in problem.values.blocks():
        rows = slice(first, first + len(block))
        best_at_prices(block, cost, problem.kind[rows], best[rows])
    return best


def dual_bound(problem: PlanProblem, prices: NDArray[np.float64]) -> float:
    """Value that no plan within the limits exceeds, for any prices >= 0; one pass over all values."""
    return top_per_debtor(problem, best_of_accounts(problem, prices)) + float(prices @ problem.rows.limit)


def collect(
    problem: PlanProblem, prices: NDArray[np.float64], depth: int, debtors: NDArray[np.bool_] | None = None
) -> Candidates:
    """Keep the ``depth`` best actions of each account at given prices.

    Parameters
    ----------
    problem : PlanProblem
    prices : ndarray of shape (n_rows,)
    depth : int
        At most the number of classes of like use, which keeps everything that can matter.
    debtors : ndarray of bool, optional
        Take these debtors only.
    """
    classes = problem.column_class
    n_classes = int(classes.max(initial=-1)) + 1
    depth = max(1, min(depth, n_classes))
    cost = action_prices(problem, prices)
    wanted = None if debtors is None else debtors[problem.debtor]
    account: NDArray[np.int64] = np.arange(problem.n_accounts) if wanted is None else np.flatnonzero(wanted)
    action = np.empty((len(account), depth), dtype=np.int16)
    value = np.empty((len(account), depth), dtype=np.float32)
    done = 0
    for first, block in problem.values.blocks():
        kind = problem.kind[first : first + len(block)]
        if wanted is not None:
            inside = wanted[first : first + len(block)]
            block, kind = block[inside], kind[inside]
        end = done + len(block)
        best_candidates(block, cost, kind, classes, n_classes, action[done:end], value[done:end])
        done = end
    kind, debtor = problem.kind[account], problem.debtor[account]
    if len(debtor) and (np.diff(debtor) < 0).any():
        order = np.argsort(debtor, kind="stable")
        account, kind, debtor = account[order], kind[order], debtor[order]
        action, value = action[order], value[order]
    start = np.append(np.flatnonzero(np.diff(debtor, prepend=-1)), len(debtor)).astype(np.int64)
    return Candidates(account, start, action, value, kind)


def find_prices(
    problem: PlanProblem,
    candidates: Candidates,
    limit: NDArray[np.float64],
    begin: NDArray[np.float64],
    cooling: Sequence[float] = _COOLING,
) -> NDArray[np.float64]:
    """Prices that (nearly) minimise the bound over the kept actions.

    Parameters
    ----------
    problem : PlanProblem
    candidates : Candidates
    limit : ndarray of shape (n_rows,)
        Limits for the accounts of the candidates.
    begin : ndarray of shape (n_rows,)
    cooling : sequence of float
        Temperatures, as parts of the mean value of an account's best action.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    part = DualPart.of(problem, candidates)
    total, count = part.typical()

    def settle(price: NDArray[np.float64]) -> bool:
        return part.settle(problem, candidates, price)

    return minimise_dual(part.at, part.scale, limit, begin, total / max(count, 1) or 1.0, cooling, settle)


def minimise_dual(
    dual_of: Callable[[NDArray[np.float64], float], tuple[float, NDArray[np.float64], NDArray[np.float64]]],
    scale: NDArray[np.float64],
    limit: NDArray[np.float64],
    begin: NDArray[np.float64],
    typical: float,
    cooling: Sequence[float] = _COOLING,
    settle: Callable[[NDArray[np.float64]], bool] | None = None,
) -> NDArray[np.float64]:
    """Prices at which the dual of all debtors, wherever it is summed, is least.

    Parameters
    ----------
    dual_of : callable
        Given scaled prices and a temperature: sum over debtors, expected use and its covariance, see
        :meth:`DualPart.at`.
    scale : ndarray of shape (n_rows,)
        Mean use of each row by what uses it.
    limit, begin : ndarray of shape (n_rows,)
    typical : float
        Mean value of an account's best action.
    cooling : sequence of float
    settle : callable, optional
        Told the scaled prices before each temperature; True where the smoothed sum leaves something out.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    price, goal = begin * scale, limit / scale
    best, best_price = np.inf, price

    def dual(trial: NDArray[np.float64], temperature: float) -> Any:
        total, use, spread = dual_of(trial, temperature)
        return total + float(trial @ goal), goal - use, spread / temperature

    for part in cooling:
        rough = settle is not None and settle(price)
        price = _newton(dual, price, part * typical)
        if rough:  # the smoothed value leaves debtors' limits out
            best_price = price
            continue
        total = dual(price, 1e-6 * typical)[0]
        if total < best:
            best, best_price = total, price
    return np.asarray(np.maximum(best_price / scale, 0.0), dtype=np.float64)


class DualPart:
    """The smoothed dual of some debtors over their kept actions: what one process holds, or one worker of many.

    Attributes
    ----------
    scale : ndarray of shape (n_rows,)
    """

    def __init__(
        self, scale: NDArray[np.float64], start: NDArray[np.int64], handicap: NDArray[np.float64], **arrays: Any
    ) -> None:
        self.scale, self._start, self._handicap, self._arrays = scale, start, handicap, arrays

    @classmethod
    def of(cls, problem: PlanProblem, candidates: Candidates) -> DualPart:
        """Of the debtors whose candidates are held, before any price is known."""
        table = problem.rows.use.reshape(-1, len(problem.rows.names))
        used = np.abs(table).sum(axis=0)
        scale = used / np.maximum((table != 0).sum(axis=0), 1)
        scale[scale == 0] = 1.0  # a row that nothing uses
        at, row = np.nonzero(table)
        use_start = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(table)))]).astype(np.int64)
        start, handicap = _choosers(problem, candidates, action_prices(problem, np.zeros(len(scale))))
        best = np.where(np.isfinite(candidates.value), candidates.value, 0.0).max(axis=1, initial=0.0)
        return cls(
            scale, start, handicap, column=candidates.column(problem.n_actions).ravel(), value=candidates.value.ravel(),
            most=best, table=table / scale,
            open_price=np.where(problem.closed.ravel(), np.inf, 0.0), use_start=use_start, row=row.astype(np.int64),
            amount=table[at, row] / scale[row],
        )  # fmt: skip

    def settle(self, problem: PlanProblem, candidates: Candidates, price: NDArray[np.float64]) -> bool:
        """Set the debtors' own prices, where each may have several contacts; whether there are any."""
        if problem.contacts_per_debtor > 1:
            self._start, self._handicap = _choosers(problem, candidates, action_prices(problem, price / self.scale))
        return bool(np.any(self._handicap))

    def typical(self) -> tuple[float, int]:
        """Sum and number of the accounts' best values above 0."""
        most = self._arrays["most"]
        return float(most[most > 0].sum(dtype=np.float64)), int((most > 0).sum())

    def at(
        self, price: NDArray[np.float64], temperature: float
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Sum over debtors, expected scaled use and its covariance, at scaled prices."""
        arrays = self._arrays
        cost = arrays["table"] @ price + arrays["open_price"]
        total, use, covariance = smoothed_dual(
            self._start, arrays["column"], arrays["value"], self._handicap, cost, arrays["use_start"],
            arrays["row"], arrays["amount"], len(price), temperature,
        )  # fmt: skip
        return float(total), use, covariance


def _choosers(
    problem: PlanProblem, candidates: Candidates, cost: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Who chooses one of which candidates: a debtor, or (several contacts) each account against its debtor's price."""
    depth = candidates.action.shape[1]
    if problem.contacts_per_debtor == 1:
        return candidates.debtor_start * depth, np.zeros(len(candidates.debtor_start) - 1)
    alone = np.arange(len(candidates.account) + 1, dtype=np.int64) * depth
    size = np.diff(candidates.debtor_start)
    if (size <= problem.contacts_per_debtor).all():
        return alone, np.zeros(len(candidates.account))
    paid = np.where(
        candidates.action >= 0,
        candidates.value - cost[candidates.kind[:, None], np.maximum(candidates.action, 0)],
        -np.inf,
    )
    best = np.maximum(paid.max(axis=1), 0.0)
    debtor = np.repeat(np.arange(len(size)), size)
    ranked = np.lexsort((-best, debtor))
    rank = np.arange(len(best)) - candidates.debtor_start[debtor]
    left_out = np.zeros(len(size))
    first = ranked[rank == problem.contacts_per_debtor]
    left_out[debtor[first]] = best[first]  # the best that finds no place sets the debtor's own price
    return alone, left_out[debtor]


def _newton(dual: Any, price: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Minimise a smooth convex function over prices >= 0."""
    damping = 1e-4
    total, slope, curve = dual(price, temperature)
    for _ in range(_MOST_STEPS):
        free = (price > 0) | (slope < 0)
        if not free.any():
            break
        diagonal = np.diag(curve)
        floor = diagonal[free].max(initial=0.0)
        floor = floor if floor > 0 else 1.0
        moved = False
        for _ in range(12):
            inside = curve[np.ix_(free, free)] + np.diag(damping * (diagonal[free] + 1e-3 * floor) + 1e-12 * floor)
            trial = price.copy()
            trial[free] -= np.linalg.solve(inside, slope[free])
            trial = np.maximum(trial, 0.0)
            promised = float(slope @ (trial - price))
            if promised > -1e-9 * max(abs(total), 1.0):
                # cut off at 0 a Newton step may lead nowhere; damped enough it is a gradient step, which does not
                damping = max(damping * 10, 1e-3)
                continue
            result = dual(trial, temperature)
            if result[0] <= total + 1e-3 * promised:
                moved = True
                break
            damping = max(damping * 10, 1e-3)
        if not moved:
            break
        damping = max(damping / 10, 1e-6)
        price, (total, slope, curve) = trial, result
    return price
