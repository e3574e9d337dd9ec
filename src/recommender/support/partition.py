"""A small tree over binned context that looks for parts where one choice (a level, an action) is hardly ever made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BinnedContext", "Condition", "bin_context", "leaves"]

_MOST_BINS = 200
_MOST_LEAVES = 24
_MOST_DEPTH = 4
_LEAST_ROWS = 25  # fewer rows cannot show that a choice in two is never made
_LEAST_GAIN = 8.0  # log-likelihood; below it a split is noise (a chi-square of 16)
_MOST_LISTED = 32  # values of a number column that may be listed, where no interval tells them apart
_PRICE_OF_A_VALUE = 0.5  # log-likelihood that the best list gains by chance: 1 / pi a value, and its scatter
_CROSSED_BINS = 8
_CROSSED_ROWS = 6_000

Bins = NDArray[np.int64]


@dataclass(frozen=True)
class Condition:
    """One side of a split of one column of the encoded context.

    Attributes
    ----------
    position : int
        Column of the encoded context.
    low, high : float
        ``low < value <= high``; for a category ``values`` says which codes.
    values : tuple of float or None
    missing : bool
        Whether rows without a value belong to it.
    """

    position: int
    low: float
    high: float
    values: tuple[float, ...] | None
    missing: bool

    def holds(self, X: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Rows of the encoded context that meet the condition."""
        column = X[:, self.position]
        inside = (column > self.low) & (column <= self.high)
        if self.values is not None:
            inside = np.isin(column, self.values)
        return np.asarray(np.where(np.isnan(column), self.missing, inside), dtype=bool)


@dataclass(frozen=True)
class BinnedContext:
    """Encoded context in bins; bins of all columns are numbered through.

    Attributes
    ----------
    codes : ndarray of shape (n, n_columns)
    first : ndarray of shape (n_columns + 1,)
        First bin of each column; the last bin of a column holds the rows without a value.
    upper : list of ndarray
        Upper end of each bin but the one for missing values (numbers), or its code (categories).
    is_category, has_missing : ndarray of bool of shape (n_columns,)
    """

    codes: Bins
    first: Bins
    upper: list[NDArray[np.float64]]
    is_category: NDArray[np.bool_]
    has_missing: NDArray[np.bool_]


def bin_context(X: NDArray[np.float64], categorical: Sequence[int]) -> BinnedContext:
    """Bin each column: exactly where it takes few values, else by quantiles."""
    columns, upper, first = [], [], [0]
    is_category = np.isin(np.arange(X.shape[1]), np.asarray(categorical, dtype=np.int64))
    for position in range(X.shape[1]):
        values = X[:, position]
        known = values[~np.isnan(values)]
        edges = np.unique(known)
        if len(edges) > _MOST_BINS and not is_category[position]:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, _MOST_BINS + 1)[1:], method="higher"))
        code = np.where(np.isnan(values), len(edges), np.searchsorted(edges, values, side="left"))
        columns.append(code + first[-1])
        upper.append(edges)
        first.append(first[-1] + len(edges) + 1)
    codes = np.column_stack(columns) if columns else np.zeros((len(X), 0), dtype=np.int64)
    has_missing = np.array([bool(np.isnan(X[:, position]).any()) for position in range(X.shape[1])], dtype=bool)
    return BinnedContext(codes.astype(np.int64), np.asarray(first, dtype=np.int64), upper, is_category, has_missing)


def leaves(
    binned: BinnedContext, rows: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> list[tuple[tuple[Condition, ...], NDArray[np.bool_]]]:
    """Leaves of a tree grown on ``rows`` where the choice is rare, each with its members among **all** rows.

    Parameters
    ----------
    binned : BinnedContext
    rows : ndarray of int
        Rows the tree may see.
    chosen : ndarray of bool of shape (n,)
        Whether the choice was made.

    Returns
    -------
    list of (conditions, members)
        Where the choice is less than half as frequent as over all ``rows``.
    """
    grown = _grow(binned, rows, chosen, None) + _grow(binned, rows, chosen, None, peeling=True)
    first = _crossed_split(binned, rows, chosen)
    return grown if first is None else grown + _grow(binned, rows, chosen, first)


def _grow(
    binned: BinnedContext,
    rows: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    first: tuple[int, Bins] | None,
    *,
    peeling: bool = False,
) -> list[tuple[tuple[Condition, ...], NDArray[np.bool_]]]:
    """Grow one tree; its first split is the given one, or like all others the one that gains most.

    What gains most describes the choice; small parts without it are cut in pieces by splits that describe more. A
    ``peeling`` tree takes off the part in which the choice is rarest instead, whatever it leaves behind.
    """
    usual = float(chosen[rows].mean()) if len(rows) else 0.0
    everyone = np.ones(len(binned.codes), dtype=bool)
    grown: list[tuple[float, tuple[Condition, ...], NDArray[np.bool_]]] = []
    open_nodes: list[tuple[tuple[Condition, ...], NDArray[np.bool_]]] = [((), everyone)]
    while open_nodes:
        conditions, members = open_nodes.pop(0)
        inside = rows[members[rows]]
        rate = float(chosen[inside].mean()) if len(inside) else 1.0
        split = None
        if len(conditions) < _MOST_DEPTH and len(grown) + len(open_nodes) < _MOST_LEAVES and rate > 0:
            split = _best_split(binned, inside, chosen, peeling) if conditions or first is None else first
        if split is None:
            grown.append((rate, conditions, members))
            continue
        position, left = split
        goes = np.zeros(int(binned.first[-1]), dtype=bool)
        goes[left] = True
        to_left = members & goes[binned.codes[:, position]]
        offset = int(binned.first[position])
        n_bins = int(binned.first[position + 1]) - offset
        right = np.setdiff1d(np.arange(offset, offset + n_bins), left)
        for bins, part in ((left, to_left), (right, members & ~to_left)):
            open_nodes.append(((*conditions, _condition(binned, position, bins - offset)), part))
    return [(conditions, members) for rate, conditions, members in grown if conditions and rate < 0.5 * usual]


def _condition(binned: BinnedContext, position: int, bins: Bins) -> Condition:
    upper = binned.upper[position]
    missing = bool((bins == len(upper)).any()) and bool(binned.has_missing[position])
    known = np.sort(bins[bins < len(upper)])
    if binned.is_category[position]:
        return Condition(position, -np.inf, np.inf, tuple(upper[known].tolist()), missing)
    if not len(known):
        return Condition(position, np.inf, -np.inf, None, missing)
    if known[-1] - known[0] >= len(known):
        return Condition(position, -np.inf, np.inf, tuple(upper[known].tolist()), missing)
    low = -np.inf if known[0] == 0 else float(upper[known[0] - 1])
    high = np.inf if known[-1] == len(upper) - 1 else float(upper[known[-1]])
    return Condition(position, low, high, None, missing)


def _best_split(
    binned: BinnedContext, rows: NDArray[np.int64], chosen: NDArray[np.bool_], peeling: bool
) -> tuple[int, Bins] | None:
    """Column and left bins with the largest gain in log-likelihood; None where no split gains enough."""
    if len(rows) < 2 * _LEAST_ROWS or not binned.codes.shape[1]:
        return None
    size = int(binned.first[-1])
    total = np.bincount(binned.codes[rows].ravel(), minlength=size).astype(np.float64)
    hits = np.bincount(binned.codes[rows[chosen[rows]]].ravel(), minlength=size).astype(np.float64)
    n, k = float(len(rows)), float(chosen[rows].sum())
    best: tuple[int, Bins] | None = None
    most = _LEAST_GAIN
    for position in range(binned.codes.shape[1]):
        span = np.arange(int(binned.first[position]), int(binned.first[position + 1]))
        span = span[total[span] > 0]
        if len(span) < 2:
            continue
        orders = [span]
        if binned.is_category[position] or len(span) <= _MOST_LISTED:
            orders.append(span[np.argsort(hits[span] / total[span], kind="stable")])
        for order in orders:
            listed = order is not span
            left_n, left_k = np.cumsum(total[order])[:-1], np.cumsum(hits[order])[:-1]
            if peeling:
                gain = np.maximum(_rarer(left_k, left_n, k / n), _rarer(k - left_k, n - left_n, k / n))
            else:
                gain = _log_likelihood(left_k, left_n) + _log_likelihood(k - left_k, n - left_n)
                gain -= _log_likelihood(np.array([k]), np.array([n]))
            if listed:
                gain -= _PRICE_OF_A_VALUE * (len(span) - 2)  # a list of values fits chance, too
            gain[(left_n < _LEAST_ROWS) | (n - left_n < _LEAST_ROWS)] = -np.inf
            at = int(np.argmax(gain))
            if gain[at] > most:
                most, left = float(gain[at]), order[: at + 1]
                if not listed and not binned.is_category[position]:
                    # Bins nobody is in go with their neighbours, so that an interval stays one.
                    whole = np.arange(int(binned.first[position]), int(binned.first[position + 1]))
                    left = whole[whole <= left.max()]
                best = position, left
    return best


def _crossed_split(
    binned: BinnedContext, rows: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> tuple[int, Bins] | None:
    """First split of a rule that two columns make together and neither of them shows, e.g. either, but not both.

    Of all cells of any two columns, coarsely binned, the one where the choice is rarest against what either column says
    alone; split is one of its columns, at the bins where the other one's rule is the same.
    """
    rows = rows[:: max(1, len(rows) // _CROSSED_ROWS)]
    if len(rows) < 4 * _LEAST_ROWS or binned.codes.shape[1] < 2:
        return None
    coarse = [_coarse(binned, position) for position in range(binned.codes.shape[1])]
    starts = np.cumsum([0, *[int(bins.max()) + 1 for bins in coarse]])
    member = np.zeros((len(rows), int(starts[-1])), dtype=np.float32)
    for position, bins in enumerate(coarse):
        code = bins[binned.codes[rows, position] - int(binned.first[position])]
        member[np.arange(len(rows)), starts[position] + code] = 1.0
    n = (member.T @ member).astype(np.float64)
    hit = member[chosen[rows]]
    k = (hit.T @ hit).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.nan_to_num(np.diag(k) / np.diag(n))
    alone = np.minimum(rate[:, None], rate[None, :])
    gain = np.where(k < alone * n, _log_likelihood(k, n) - _log_likelihood_at(k, n, alone), 0.0)
    own = np.repeat(np.arange(len(coarse)), np.diff(starts))
    gain[own[:, None] == own[None, :]] = 0.0
    i, j = np.unravel_index(int(np.argmax(gain)), gain.shape)
    if not gain[i, j] > _LEAST_GAIN + np.log(gain.size):
        return None
    position = int(own[i])
    span = np.arange(starts[position], starts[position + 1])
    alike = k[span, j] <= 0.25 * alone[i, j] * n[span, j]
    if not binned.is_category[position]:
        at = int(i - starts[position])
        low = at - int(np.argmin(np.append(alike[at::-1], False))) + 1
        high = at + int(np.argmin(np.append(alike[at:], False)))
        alike = (np.arange(len(span)) >= low) & (np.arange(len(span)) < high)
    left = int(binned.first[position]) + np.flatnonzero(alike[coarse[position]])
    return None if len(left) == len(coarse[position]) else (position, left)


def _coarse(binned: BinnedContext, position: int) -> Bins:
    """Coarse bin of each bin of a column: the commonest categories, or quantiles of numbers; missing ones apart."""
    first, last = int(binned.first[position]), int(binned.first[position + 1])
    count = np.bincount(binned.codes[:, position] - first, minlength=last - first)
    values = count[:-1]
    if len(values) <= _CROSSED_BINS:
        bins = np.arange(len(values))
    elif binned.is_category[position]:
        rank = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
        bins = np.minimum(rank, _CROSSED_BINS - 1)
    else:
        middle = np.cumsum(values) - 0.5 * values
        bins = np.minimum((middle / max(values.sum(), 1) * _CROSSED_BINS).astype(np.int64), _CROSSED_BINS - 1)
        bins = np.unique(bins, return_inverse=True)[1].reshape(-1)
    return np.append(bins, bins.max(initial=-1) + 1).astype(np.int64)


def _rarer(k: NDArray[np.float64], n: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Log-likelihood that a part gains by a rate of its own, where that is below the usual one; else 0."""
    at = _log_likelihood_at(k, n, np.full(len(k), usual))
    return np.asarray(np.where(k < usual * n, _log_likelihood(k, n) - at, 0.0))


def _log_likelihood_at(k: NDArray[np.float64], n: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of k hits among n under a given rate strictly inside (0, 1); 0 elsewhere."""
    inside = (p > 0) & (p < 1)
    safe = np.where(inside, p, 0.5)
    return np.asarray(np.where(inside, k * np.log(safe) + (n - k) * np.log1p(-safe), 0.0))


def _log_likelihood(k: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(k > 0, k * np.log(k / n), 0.0) + np.where(n - k > 0, (n - k) * np.log((n - k) / n), 0.0)
    return np.asarray(inside)
