"""The exact plan of a small portfolio, by HiGHS: oracle of the tests and last resort where prices leave a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.planning.capacity_prices import Candidates, action_prices
from recommender.planning.capacity_problem import PlanProblem

__all__ = ["core_candidates", "exact_choice", "nearest_candidates", "solve_rows"]

_NODES = 500  # not seconds: a plan must not depend on how fast the machine is


def core_candidates(
    problem: PlanProblem, candidates: Candidates, prices: NDArray[np.float64], slack: float
) -> Candidates:
    """The candidates that a plan better than one already known can hold: often a few in a hundred.

    The bound at the prices is a sum over debtors. A plan with a contact is worth no more than the bound less what that
    contact falls behind the best choice of its debtor, so a contact that falls behind by more than ``slack`` is out.

    Parameters
    ----------
    problem : PlanProblem
    candidates : Candidates
    prices : ndarray of shape (n_rows,)
        Those of the bound.
    slack : float
        Bound less the value of the known plan.
    """
    return _keeping(candidates, _shortfall(problem, candidates, prices) <= slack)


def nearest_candidates(
    problem: PlanProblem, candidates: Candidates, prices: NDArray[np.float64], most: int
) -> Candidates:
    """The candidates that fall least behind the best choice of their debtor at the prices, about ``most`` of them.

    For the case that mending found no plan which keeps every minimum: at good prices the best plan with parts of
    contacts falls behind nowhere, and a whole one near it is made of contacts that fall behind by little.
    """
    behind = _shortfall(problem, candidates, prices)
    kept = np.sort(behind[candidates.action >= 0])
    return _keeping(candidates, behind < kept[most] if kept[most] > kept[0] else behind <= kept[0])


def _keeping(candidates: Candidates, kept: NDArray[np.bool_]) -> Candidates:
    return replace(candidates, action=np.where(kept, candidates.action, -1).astype(candidates.action.dtype))


def _shortfall(problem: PlanProblem, candidates: Candidates, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each candidate's value less its price lies below what its debtor's contacts bring at the prices."""
    cost = action_prices(problem, prices)
    paid = candidates.value - cost[candidates.kind[:, None], np.maximum(candidates.action, 0)]
    paid = np.where(candidates.action >= 0, paid, -np.inf)
    best = np.maximum(paid.max(axis=1), 0.0)
    size = np.diff(candidates.debtor_start)
    debtor = np.repeat(np.arange(len(size)), size)
    ranked = np.lexsort((-best, debtor))
    rank = np.arange(len(best)) - candidates.debtor_start[debtor]
    last = np.zeros(len(size))  # the least that takes one of the debtor's contacts
    at = ranked[rank == np.minimum(problem.contacts_per_debtor, size)[debtor] - 1]
    last[debtor[at]] = best[at]
    behind: NDArray[np.float64] = np.maximum(best, last[debtor])[:, None] - paid
    return behind


def exact_choice(problem: PlanProblem, candidates: Candidates, *, nodes: int = _NODES) -> NDArray[np.int64] | None:
    """Best choice among the kept actions.

    Parameters
    ----------
    problem : PlanProblem
    candidates : Candidates
        With every class of like use kept, the choice is the best plan of all.
    nodes : int
        Branches that HiGHS may try.

    Returns
    -------
    ndarray of shape (m,) or None
        Place of the chosen candidate, -1 for no contact; None where no plan was found.
    """
    column = candidates.column(problem.n_actions)
    closed = problem.closed.ravel()
    at, rank = np.nonzero((column >= 0) & np.isfinite(candidates.value) & ~closed[np.maximum(column, 0)])
    if not len(at):
        return None if (problem.rows.limit < 0).any() else np.full(len(column), -1, dtype=np.int64)
    code = column[at, rank]
    n, m = len(at), len(column)
    debtor = np.repeat(np.arange(len(candidates.debtor_start) - 1), np.diff(candidates.debtor_start))
    blocks = [sp.csr_matrix(problem.rows.use.reshape(-1, len(problem.rows.names))[code].T)]
    upper = [problem.rows.limit]
    if problem.one_account_each or problem.contacts_per_debtor > 1:
        blocks.append(sp.csr_matrix((np.ones(n), (at, np.arange(n))), shape=(m, n)))
        upper.append(np.ones(m))
    if not problem.one_account_each:
        blocks.append(sp.csr_matrix((np.ones(n), (debtor[at], np.arange(n)))))
        upper.append(np.full(blocks[-1].shape[0], float(problem.contacts_per_debtor)))
        slot = problem.slot[candidates.action[at, rank]]
        timed = np.flatnonzero(slot >= 0)
        if problem.contacts_per_debtor > 1 and len(timed):
            pair = np.unique(debtor[at[timed]] * (slot.max() + 1) + slot[timed], return_inverse=True)[1]
            blocks.append(sp.csr_matrix((np.ones(len(timed)), (pair.ravel(), timed)), shape=(pair.max() + 1, n)))
            upper.append(np.ones(blocks[-1].shape[0]))
    worth = candidates.value[at, rank].astype(np.float64)
    answer = solve_rows(worth, sp.vstack(blocks).tocsr(), np.concatenate(upper), nodes=nodes)
    if answer is None:
        return None
    choice = np.full(m, -1, dtype=np.int64)
    taken = answer > 0.5
    choice[at[taken]] = rank[taken]
    return choice


def solve_rows(
    worth: NDArray[np.float64],
    rows: Any,
    upper: NDArray[np.float64],
    *,
    most: NDArray[np.float64] | float = 1.0,
    nodes: int = 0,
) -> NDArray[np.float64] | None:
    """Maximise ``worth @ x`` subject to ``rows @ x <= upper`` and ``0 <= x <= most``; x whole where nodes may be tried.

    Returns
    -------
    ndarray of shape (n,) or None
        None where nothing was found that keeps the rows.
    """
    n = len(worth)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = n, rows.shape[0]
    program.col_cost_ = -worth
    program.col_lower_, program.col_upper_ = np.zeros(n), np.broadcast_to(most, n).astype(np.float64)
    program.row_lower_, program.row_upper_ = np.full(rows.shape[0], -np.inf), np.asarray(upper, dtype=np.float64)
    matrix = sp.csr_matrix(rows)
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
    program.a_matrix_.value_ = matrix.data
    if nodes:
        program.integrality_ = [highspy.HighsVarType.kInteger] * n
    solver: Any = getattr(highspy, "Highs")()  # noqa: B009 - its constructor is untyped
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    if nodes:
        solver.setOptionValue("mip_max_nodes", nodes)
        solver.setOptionValue("mip_rel_gap", 0.0)
    solver.passModel(program)
    solver.run()
    feasible = solver.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return np.asarray(solver.getSolution().col_value) if feasible else None
