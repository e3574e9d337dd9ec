"""Inner loops of planning: best actions at given prices, and the smoothed dual with its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["best_at_prices", "best_candidates", "smoothed_dual"]

# Values are never NaN (refused when read) but may be -inf, which stays exact without "ninf".
_ANY_ORDER = {"reassoc", "nnan", "nsz"}


@compiled(fastmath=_ANY_ORDER)
def best_at_prices(
    values: NDArray[np.float32], price: NDArray[np.float64], kind: NDArray[np.int64], best: NDArray[np.float64]
) -> None:
    """Write the greatest value minus price of each account, at least 0 (no contact).

    Parameters
    ----------
    values : ndarray of shape (m, n_actions)
    price : ndarray of shape (n_kinds, n_actions)
        inf closes an action.
    kind : ndarray of shape (m,)
    best : ndarray of shape (m,)
        Filled.
    """
    for i in range(values.shape[0]):
        row, cost = values[i], price[kind[i]]
        most = 0.0
        for a in range(values.shape[1]):
            most = max(most, row[a] - cost[a])
        best[i] = most


@compiled
def best_candidates(
    values: NDArray[np.float32],
    price: NDArray[np.float64],
    kind: NDArray[np.int64],
    column_class: NDArray[np.int64],
    n_classes: int,
    action: NDArray[np.int16],
    value: NDArray[np.float32],
) -> None:
    """Keep the best actions of each account at given prices, at most one a class of like use.

    Parameters
    ----------
    values : ndarray of shape (m, n_actions)
    price : ndarray of shape (n_kinds, n_actions)
    kind : ndarray of shape (m,)
    column_class : ndarray of shape (n_actions,)
    n_classes : int
    action, value : ndarray of shape (m, depth)
        Filled, best first; action -1 where there are fewer.
    """
    depth = action.shape[1]
    class_best = np.empty(n_classes, dtype=np.float64)
    class_action = np.empty(n_classes, dtype=np.int64)
    kept = np.empty(depth, dtype=np.float64)
    for i in range(values.shape[0]):
        row, cost = values[i], price[kind[i]]
        class_best[:] = -np.inf
        for a in range(values.shape[1]):
            reduced = row[a] - cost[a]
            c = column_class[a]
            if reduced > class_best[c]:
                class_best[c] = reduced
                class_action[c] = a
        action[i, :] = -1
        value[i, :] = -np.inf
        kept[:] = -np.inf
        for c in range(n_classes):
            reduced = class_best[c]
            if reduced <= kept[depth - 1]:
                continue
            at = depth - 1
            while at > 0 and kept[at - 1] < reduced:
                kept[at] = kept[at - 1]
                action[i, at] = action[i, at - 1]
                at -= 1
            kept[at] = reduced
            action[i, at] = class_action[c]
        for at in range(depth):
            if action[i, at] >= 0:
                value[i, at] = row[action[i, at]]


@compiled
def smoothed_dual(
    start: NDArray[np.int64],
    column: NDArray[np.int32],
    value: NDArray[np.float32],
    handicap: NDArray[np.float64],
    price: NDArray[np.float64],
    use_start: NDArray[np.int64],
    use_row: NDArray[np.int64],
    use_amount: NDArray[np.float64],
    n_rows: int,
    temperature: float,
) -> Any:
    """Sum over choosers of ``t log(1 + sum of exp((value - price) / t))``, its expected use and the use's covariance.

    Parameters
    ----------
    start : ndarray of shape (n_choosers + 1,)
        Candidates of chooser ``u`` are ``start[u]:start[u + 1]``.
    column, value : ndarray of shape (n_candidates,)
        Column -1 is none.
    handicap : ndarray of shape (n_choosers,)
        Taken off every candidate of a chooser.
    price : ndarray of shape (n_columns,)
    use_start, use_row, use_amount : ndarrays
        Uses of each column, sparse.
    n_rows : int
    temperature : float

    Returns
    -------
    total : float
    use : ndarray of shape (n_rows,)
    covariance : ndarray of shape (n_rows, n_rows)
        Second derivative times the temperature.
    """
    total = 0.0
    use = np.zeros(n_rows)
    covariance = np.zeros((n_rows, n_rows))
    mean = np.zeros(n_rows)
    touched = np.empty(n_rows, dtype=np.int64)
    longest = 0
    for u in range(len(start) - 1):
        longest = max(longest, start[u + 1] - start[u])
    share = np.empty(longest)
    for u in range(len(start) - 1):
        first, end = start[u], start[u + 1]
        most = 0.0
        for j in range(first, end):
            if column[j] >= 0:
                reduced = value[j] - price[column[j]] - handicap[u]
                share[j - first] = reduced
                most = max(most, reduced)
            else:
                share[j - first] = -np.inf
        rest = -most / temperature
        weight = np.exp(rest) if rest > -40.0 else 0.0
        for j in range(end - first):
            scaled = (share[j] - most) / temperature
            share[j] = np.exp(scaled) if scaled > -40.0 else 0.0
            weight += share[j]
        total += most + temperature * np.log(weight)
        n_touched = 0
        for j in range(first, end):
            chance = share[j - first] / weight
            if chance < 1e-9:
                continue
            of = column[j]
            for p in range(use_start[of], use_start[of + 1]):
                r = use_row[p]
                if mean[r] == 0.0:
                    touched[n_touched] = r
                    n_touched += 1
                mean[r] += chance * use_amount[p]
            for p in range(use_start[of], use_start[of + 1]):
                for q in range(use_start[of], use_start[of + 1]):
                    covariance[use_row[p], use_row[q]] += chance * use_amount[p] * use_amount[q]
        for a in range(n_touched):
            r = touched[a]
            use[r] += mean[r]
            for b in range(n_touched):
                covariance[r, touched[b]] -= mean[r] * mean[touched[b]]
        for a in range(n_touched):
            mean[touched[a]] = 0.0
    return total, use, covariance
