"""Why no plan keeps all minimum shares: the smallest set of rows that contradict each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.planning.capacity_exact import solve_rows
from recommender.planning.capacity_prices import Candidates, collect
from recommender.planning.capacity_problem import PlanProblem

__all__ = ["conflict_message", "conflicting_rows"]

_MOST_GROUPS = 200_000
_UNLIMITED = 1e300


def conflict_message(problem: PlanProblem) -> str:
    """Say which limits cannot be kept together."""
    rows = conflicting_rows(problem)
    if not len(rows):
        return (
            "No plan was found that keeps every minimum, although one with fractions of contacts exists: the limits "
            f"leave no room ({', '.join(name for name, low in _named(problem) if low)})."
        )
    limit, names, low = problem.rows.limit, problem.rows.names, problem.rows.is_minimum
    limits = [f"{names[row]} {'>=' if low[row] else '<='} {abs(limit[row]):g}" for row in rows]
    if len(rows) == 1:
        return (
            f"{limits[0]} cannot be reached: only {_open_debtors(problem, int(rows[0])):,} debtors may be contacted in "
            "this way, by the law and what else is planned for them."
        )
    return f"These limits contradict each other, and without any one of them a plan exists: {'; '.join(limits)}."


def _open_debtors(problem: PlanProblem, row: int) -> int:
    """Debtors with an action that counts for a minimum."""
    candidates = _everything_allowed(problem)
    column = np.where(np.isfinite(candidates.value), candidates.column(problem.n_actions), -1)
    counts = (problem.rows.use[:, :, row] < 0).ravel()
    mine = ((column >= 0) & counts[np.maximum(column, 0)]).any(axis=1)
    return len(np.unique(problem.debtor[candidates.account[mine]]))


def _everything_allowed(problem: PlanProblem) -> Candidates:
    """Every class of actions of each account, those included that a capacity closes."""
    unlimited = replace(problem, rows=problem.rows.with_limit(np.where(problem.rows.is_minimum, 0.0, _UNLIMITED)))
    return collect(unlimited, np.zeros(len(problem.rows.names)), 1 << 14)


def _named(problem: PlanProblem) -> list[tuple[str, bool]]:
    return list(zip(problem.rows.names, problem.rows.is_minimum.tolist(), strict=True))


def conflicting_rows(problem: PlanProblem) -> NDArray[np.int64]:
    """Rows of which none can be left out without the conflict vanishing; the fewest found; empty where there is none.

    Accounts that may be contacted in the same ways are counted together, so that the size of the linear programmes is
    that of the distinct masks. A debtor of several accounts counts by what any of them allows.
    """
    candidates = _everything_allowed(problem)
    column = np.where(np.isfinite(candidates.value), candidates.column(problem.n_actions), -1)
    table = problem.rows.use.reshape(-1, len(problem.rows.names))
    distinct, of_column = np.unique(table, axis=0, return_inverse=True)
    of_column = of_column.ravel()
    size = np.diff(candidates.debtor_start)
    debtor = np.repeat(np.arange(len(size)), size)
    at, rank = np.nonzero(column >= 0)
    allowed = np.zeros((len(size), len(distinct)), dtype=bool)
    allowed[debtor[at], of_column[column[at, rank]]] = True
    masks, group = np.unique(np.packbits(allowed, axis=1), axis=0, return_inverse=True)
    places = np.minimum(size, problem.contacts_per_debtor)
    count = np.bincount(group.ravel(), weights=places)
    open_ = np.unpackbits(masks, axis=1, count=len(distinct)).astype(bool)
    of_group, of_use = np.nonzero(open_)
    if len(of_group) > _MOST_GROUPS:
        return np.zeros(0, dtype=np.int64)
    within = sp.csr_matrix(
        (np.ones(len(of_group)), (of_group, np.arange(len(of_group)))), shape=(len(masks), len(of_group))
    )
    uses = distinct[of_use].T
    # one contact that is more than a capacity holds cannot be made in parts
    too_much = uses > np.maximum(problem.rows.limit, 0.0)[:, None]

    def possible(kept: list[int]) -> bool:
        if not len(of_group):
            return not any(problem.rows.limit[row] < 0 for row in kept)
        every = sp.vstack([sp.csr_matrix(uses[kept]), within]).tocsr() if kept else within
        upper = np.concatenate([problem.rows.limit[kept], count])
        most = np.where(too_much[kept].any(axis=0), 0.0, np.inf)
        return solve_rows(np.zeros(len(of_group)), every, upper, most=most) is not None

    low = np.flatnonzero(problem.rows.is_minimum).tolist()
    caps = np.flatnonzero(~problem.rows.is_minimum).tolist()
    fewest: list[int] | None = None
    for first in [[row] for row in low] + [low]:
        if possible([*first, *caps]):
            continue
        kept = [*first, *caps]
        for row in [*caps, *first]:
            rest = [other for other in kept if other != row]
            if not possible(rest):
                kept = rest
        if fewest is None or len(kept) < len(fewest):
            fewest = kept
        if len(first) == 1 and len(fewest) <= 2:
            break
    return np.array(sorted(fewest or []), dtype=np.int64)
