"""The straight-line part of a blend: design columns of raw context and their products with the weights, compiled.

A stack of regressions over columns of context (numbers, logs, levels, shrunken rates, bends, memberships) is one table
of terms and one matrix of weights by action, whatever the number of members. Rows are worked off one by one in a fixed
order of sums, so an account has the same bits alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .machine_code import compiled

__all__ = [
    "ClassTable",
    "TermTable",
    "class_scores",
    "design_columns",
    "fuse_designs",
    "products_of_ranked",
    "row_sums",
]

Floats = NDArray[np.float64]

_KINDS = {"one": 0, "number": 1, "log": 2, "missing": 3, "level": 4, "rate": 5, "bend": 6, "profile": 1, "wave": 7}
_CLIP = 4.0
_WIDE = 264  # actions of a pass: sums of four rows stay in the first cache, no two of them 4 KiB apart


class Term(Protocol):
    """What is needed of a term: its kind, the columns it reads, where it is centred and its scale."""

    @property
    def kind(self) -> str: ...
    @property
    def source(self) -> int: ...
    @property
    def other(self) -> int: ...
    @property
    def centre(self) -> float: ...
    @property
    def scale(self) -> float: ...


class TermTable(NamedTuple):
    """Terms as arrays; a bend names its term by position."""

    kind: NDArray[np.int64]
    source: NDArray[np.int64]
    other: NDArray[np.int64]
    centre: Floats
    scale: Floats


class ClassTable(NamedTuple):
    """Soft classes of accounts with effects of their own, of several models joined.

    Attributes
    ----------
    gates : ndarray of shape (n_terms, n_facets * n_classes)
        Logits of the memberships, facet after facet.
    main : ndarray of shape (n_terms,)
    effects : ndarray of shape (1 + n_facets * n_classes, n_actions)
        Of the constant and of every class.
    n_classes : int
        Classes a facet.
    """

    gates: Floats
    main: Floats
    effects: Floats
    n_classes: int


def fuse_designs(designs: Mapping[str, Sequence[Term]]) -> tuple[TermTable, dict[str, NDArray[np.int64]]] | None:
    """One table for several designs; terms that designs share are computed once.

    Parameters
    ----------
    designs : mapping of str to sequence of terms

    Returns
    -------
    table : TermTable
    positions : dict of str to ndarray
        Place of each design's terms in the table.
    None
        When a term is of a kind that this module does not know.
    """
    places: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[int, int, int, float, float]] = []
    positions: dict[str, NDArray[np.int64]] = {}
    own: list[int]
    for name, terms in designs.items():
        own = []
        for term in terms:
            if term.kind not in _KINDS:
                return None
            other = own[term.other] if term.kind == "bend" else term.other
            described = (_KINDS[term.kind], term.source, other, float(term.centre), float(term.scale))
            if described not in places:
                places[described] = len(rows)
                rows.append(described)
            own.append(places[described])
        positions[name] = np.array(own, dtype=np.int64)
    table = TermTable(
        kind=np.array([row[0] for row in rows], dtype=np.int64),
        source=np.array([row[1] for row in rows], dtype=np.int64),
        other=np.array([row[2] for row in rows], dtype=np.int64),
        centre=np.array([row[3] for row in rows]),
        scale=np.array([row[4] for row in rows]),
    )
    return table, positions


def design_columns(X: Floats, table: TermTable) -> Floats:
    """Columns of the terms, shape (n, n_terms), from encoded context, memberships behind it where there are any."""
    return np.asarray(_design(np.ascontiguousarray(X, dtype=np.float64), *table))


def row_sums(U: Floats, weights: Floats) -> Floats:
    """``U @ weights``, each row summed term by term; four rows share each pass over the weights.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
    weights : ndarray of shape (n_terms, n_actions), C order
    """
    return np.asarray(_row_sums(U, weights))


def class_scores(U: Floats, table: ClassTable) -> Floats:
    """Scores of every action from soft memberships (less their even share), shape (n, n_actions)."""
    return np.asarray(_class_scores(np.ascontiguousarray(U), *table))


def products_of_ranked(U: Floats, by_action: Floats, ranked: NDArray[np.int64]) -> Floats:
    """Scores of some actions only, under several matrices of weights.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
    by_action : ndarray of shape (n_members, n_actions, n_terms), C order
    ranked : ndarray of shape (n, k)
        Actions.

    Returns
    -------
    ndarray of shape (n_members, n, k)
    """
    return np.asarray(_ranked(U, by_action, np.ascontiguousarray(ranked)))


def add_disagreement(
    U: Floats,
    by_action: Floats,
    levels: Floats,
    shares: Floats,
    ranked: NDArray[np.int64],
    mean: Floats,
    square: Floats,
) -> None:
    """Add up members' scores of some actions, each less its own level, and their squares, weighted by share.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
    by_action : ndarray of shape (n_members, n_actions, n_terms)
    levels : ndarray of shape (n_members, n_terms)
        Weights of each member's mean over actions.
    shares : ndarray of shape (n_members,)
    ranked : ndarray of shape (n, k)
    mean, square : ndarray of shape (n, k)
        Added to, in place.
    """
    _disagreement(U, by_action, levels, shares, np.ascontiguousarray(ranked), mean, square)


@compiled
def _design(
    X: NDArray[np.float64],
    kind: NDArray[np.int64],
    source: NDArray[np.int64],
    other: NDArray[np.int64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    n, n_terms = X.shape[0], kind.shape[0]
    U = np.empty((n, n_terms))
    for i in range(n):
        for j in range(n_terms):
            what = kind[j]
            if what == 0:
                U[i, j] = 1.0
                continue
            if what == 6:
                U[i, j] = np.tanh(2.0 * (U[i, other[j]] - centre[j])) - scale[j]
                continue
            x = X[i, source[j]]
            if what == 3:
                U[i, j] = (1.0 if x != x else 0.0) - centre[j]
            elif what == 4:
                U[i, j] = 1.0 if x == other[j] else 0.0
            elif what == 5:
                trials = 0.0 if x != x else x
                successes = X[i, other[j]]
                successes = min(0.0 if successes != successes else successes, trials)
                rate = (successes + centre[j] * scale[j]) / (trials + scale[j])
                rate = min(max(rate, 1e-6), 1.0 - 1e-6)
                U[i, j] = np.log(rate / (1.0 - rate)) - np.log(centre[j] / (1.0 - centre[j]))
            elif what == 7:
                U[i, j] = 0.0
                if 0.0 <= x <= scale[j]:
                    angle = 2.0 * np.pi * abs(other[j]) / scale[j] * x
                    U[i, j] = (np.cos(angle) if other[j] > 0 else np.sin(angle)) - centre[j]
            else:
                if what == 2:
                    x = np.sign(x) * np.log1p(np.abs(x))
                scaled = (x - centre[j]) / scale[j]
                U[i, j] = 0.0 if scaled != scaled else min(max(scaled, -_CLIP), _CLIP)
    return U


@compiled
def _row_sums(U: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    # Four rows take four terms at once, so a weight is loaded once for four sums; places are unsigned, or numba asks of
    # each whether it counts from the end and nothing is done eight at a time. Each sum is made term by term all the
    # same, also where less than four rows are left and each goes its own way.
    n, n_terms = U.shape
    n_actions = weights.shape[1]
    out = np.empty((n, n_actions))
    flat = weights.reshape(-1)
    live = np.empty(n_terms + 3, dtype=np.int64)
    factor = np.empty((n_terms + 3, 4))
    total = np.empty(4 * _WIDE)
    row_1, row_2, row_3 = np.uint64(_WIDE), np.uint64(2 * _WIDE), np.uint64(3 * _WIDE)
    for start in range(0, n, 4):
        rows = min(4, n - start)
        m = _live_terms(U, start, rows, live, factor)
        for begin in range(0, n_actions, _WIDE):
            width = np.uint64(min(_WIDE, n_actions - begin))
            total[:] = 0.0
            for first in range(0, m, 4):
                k0 = np.uint64(live[first] * n_actions + begin)
                k1 = np.uint64(live[first + 1] * n_actions + begin)
                k2 = np.uint64(live[first + 2] * n_actions + begin)
                k3 = np.uint64(live[first + 3] * n_actions + begin)
                if rows < 4:
                    for r in range(rows):
                        at = np.uint64(r * _WIDE)
                        f0, f1, f2, f3 = (
                            factor[first, r],
                            factor[first + 1, r],
                            factor[first + 2, r],
                            factor[first + 3, r],
                        )
                        for j in range(width):
                            one = total[at + j] + f0 * flat[k0 + j] + f1 * flat[k1 + j]
                            total[at + j] = one + f2 * flat[k2 + j] + f3 * flat[k3 + j]
                    continue
                a0, b0, c0, d0 = factor[first, 0], factor[first, 1], factor[first, 2], factor[first, 3]
                a1, b1, c1, d1 = factor[first + 1, 0], factor[first + 1, 1], factor[first + 1, 2], factor[first + 1, 3]
                a2, b2, c2, d2 = factor[first + 2, 0], factor[first + 2, 1], factor[first + 2, 2], factor[first + 2, 3]
                a3, b3, c3, d3 = factor[first + 3, 0], factor[first + 3, 1], factor[first + 3, 2], factor[first + 3, 3]
                for j in range(width):
                    w0, w1, w2, w3 = flat[k0 + j], flat[k1 + j], flat[k2 + j], flat[k3 + j]
                    total[j] = total[j] + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                    total[row_1 + j] = total[row_1 + j] + b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                    total[row_2 + j] = total[row_2 + j] + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                    total[row_3 + j] = total[row_3 + j] + d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
            for r in range(rows):
                for j in range(width):
                    out[start + r, begin + np.int64(j)] = total[r * _WIDE + np.int64(j)]
    return out


@compiled
def _live_terms(
    U: NDArray[np.float64], start: int, rows: int, live: NDArray[np.int64], factor: NDArray[np.float64]
) -> int:
    """Terms that some of the rows have, and what each row has of them; three spare ones behind."""
    m = 0
    for k in range(U.shape[1]):
        # a zero term adds nothing, so rows may share a pass without changing each other's bits
        used = False
        for r in range(rows):
            used |= U[start + r, k] != 0.0
        if used:
            live[m] = k
            for r in range(rows):
                factor[m, r] = U[start + r, k]
            m += 1
    live[m : m + 3] = 0  # terms go four at a time; the spare ones count nothing
    factor[m : m + 3] = 0.0
    return m


@compiled
def _ranked(U: NDArray[np.float64], by_action: NDArray[np.float64], ranked: NDArray[np.int64]) -> NDArray[np.float64]:
    n, k = ranked.shape
    n_members, _, n_terms = by_action.shape
    out = np.empty((n_members, n, k))
    for member in range(n_members):
        for i in range(n):
            for position in range(k):
                total = 0.0
                action = ranked[i, position]
                for term in range(n_terms):
                    total += U[i, term] * by_action[member, action, term]
                out[member, i, position] = total
    return out


@compiled
def _class_scores(
    U: NDArray[np.float64],
    gates: NDArray[np.float64],
    main: NDArray[np.float64],
    effects: NDArray[np.float64],
    n_classes: int,
) -> NDArray[np.float64]:
    n, n_terms = U.shape
    n_gates, n_actions = gates.shape[1], effects.shape[1]
    out = np.empty((n, n_actions))
    logit = np.empty(n_gates)
    for i in range(n):
        logit[:] = 0.0
        level = 0.0
        for term in range(n_terms):
            factor = U[i, term]
            if factor != 0.0:
                level += factor * main[term]
                for gate in range(n_gates):
                    logit[gate] += factor * gates[term, gate]
        for action in range(n_actions):
            out[i, action] = level + effects[0, action]
        for facet in range(0, n_gates, n_classes):
            top = logit[facet]
            for one in range(facet + 1, facet + n_classes):
                top = max(top, logit[one])
            total = 0.0
            for one in range(facet, facet + n_classes):
                logit[one] = np.exp(logit[one] - top)
                total += logit[one]
            for one in range(facet, facet + n_classes):
                membership = logit[one] / total - 1.0 / n_classes
                for action in range(n_actions):
                    out[i, action] += membership * effects[1 + one, action]
    return out


@compiled
def _disagreement(
    U: NDArray[np.float64],
    by_action: NDArray[np.float64],
    levels: NDArray[np.float64],
    shares: NDArray[np.float64],
    ranked: NDArray[np.int64],
    mean: NDArray[np.float64],
    square: NDArray[np.float64],
) -> None:
    # Five sums at a time, each term by term: an addition waits for the one before it, those of other sums do not.
    n, k = ranked.shape
    n_members, _, n_terms = by_action.shape
    for i in range(n):
        for member in range(n_members):
            for first in range(0, k, 4):
                one = by_action[member, ranked[i, first]]
                two = by_action[member, ranked[i, min(first + 1, k - 1)]]
                three = by_action[member, ranked[i, min(first + 2, k - 1)]]
                four = by_action[member, ranked[i, min(first + 3, k - 1)]]
                level = score_1 = score_2 = score_3 = score_4 = 0.0
                for term in range(n_terms):
                    x = U[i, term]
                    level += x * levels[member, term]
                    score_1 += x * one[term]
                    score_2 += x * two[term]
                    score_3 += x * three[term]
                    score_4 += x * four[term]
                scores = (score_1, score_2, score_3, score_4)
                for position in range(first, min(first + 4, k)):
                    score = scores[position - first] - level
                    mean[i, position] += shares[member] * score
                    square[i, position] += shares[member] * score * score
