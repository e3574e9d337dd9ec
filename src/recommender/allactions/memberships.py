"""Memberships of latent profiles: for each profile a naive-Bayes posterior from coded columns, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .machine_code import compiled

__all__ = ["ProfileTable", "codes_of", "memberships"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ProfileTable(NamedTuple):
    """Columns as codes, and profiles as tables of log-probabilities of the codes.

    Attributes
    ----------
    kind : ndarray of shape (n_coded,)
        0 a number cut into bins, 1 a category code, 2 a shrunken rate (``source`` trials, ``other`` successes) in bins.
    source, other : ndarray of shape (n_coded,)
        Encoded columns; for a category ``other`` is its last code with a place of its own.
    centre, scale : ndarray of shape (n_coded,)
        Prior rate and its strength in trials.
    cut_ends : ndarray of shape (n_coded + 1,)
        Where the cuts of each column begin in ``cuts``.
    cuts : ndarray
    profile_ends : ndarray of shape (n_profiles + 1,)
        Where the columns of each profile begin in ``member`` and ``offset``.
    member, offset : ndarray
        Coded column, and where its table begins in ``log_tables`` (code by code, class by class).
    n_classes : ndarray of shape (n_profiles,)
    log_share : ndarray of shape (sum of n_classes,)
    log_tables : ndarray
    """

    kind: Ints
    source: Ints
    other: Ints
    centre: Floats
    scale: Floats
    cut_ends: Ints
    cuts: Floats
    profile_ends: Ints
    member: Ints
    offset: Ints
    n_classes: Ints
    log_share: Floats
    log_tables: Floats


def codes_of(X: Floats, table: ProfileTable) -> Ints:
    """Codes of encoded context, shape (n, n_coded): 0 is missing."""
    coded = table[:7]
    return np.asarray(_codes(np.ascontiguousarray(X, dtype=np.float64), *coded))


def memberships(X: Floats, table: ProfileTable) -> Floats:
    """Posterior probability of every class of every profile, shape (n, sum of n_classes).

    Parameters
    ----------
    X : ndarray of shape (n, n_columns)
        Encoded context.
    """
    return np.asarray(_memberships(codes_of(X, table), *table[7:]))


@compiled
def _codes(X: Floats, kind: Ints, source: Ints, other: Ints, centre: Floats, scale: Floats, ends: Ints, cuts: Floats):  # type: ignore[no-untyped-def]
    n, n_coded = X.shape[0], kind.shape[0]
    codes = np.empty((n, n_coded), np.int64)
    for i in range(n):
        for j in range(n_coded):
            x = X[i, source[j]]
            if kind[j] == 2:
                trials = 0.0 if x != x else x
                successes = X[i, other[j]]
                successes = min(0.0 if successes != successes else successes, trials)
                x = (successes + centre[j] * scale[j]) / (trials + scale[j])
            if x != x:
                codes[i, j] = 0
            elif kind[j] == 1:
                codes[i, j] = 1 + np.int64(x) if 1.0 <= x <= other[j] else 1
            else:
                code = ends[j]
                while code < ends[j + 1] and cuts[code] <= x:
                    code += 1
                codes[i, j] = 1 + code - ends[j]
    return codes


@compiled
def _memberships(  # type: ignore[no-untyped-def]
    codes: Ints,
    profile_ends: Ints,
    member: Ints,
    offset: Ints,
    n_classes: Ints,
    log_share: Floats,
    log_tables: Floats,
):
    n = codes.shape[0]
    share = np.empty((n, log_share.shape[0]))
    for i in range(n):
        first = 0
        for p in range(n_classes.shape[0]):
            size = n_classes[p]
            for k in range(size):
                share[i, first + k] = log_share[first + k]
            for m in range(profile_ends[p], profile_ends[p + 1]):
                at = offset[m] + codes[i, member[m]] * size
                for k in range(size):
                    share[i, first + k] += log_tables[at + k]
            top = share[i, first]
            for k in range(1, size):
                top = max(top, share[i, first + k])
            total = 0.0
            for k in range(size):
                share[i, first + k] = np.exp(share[i, first + k] - top)
                total += share[i, first + k]
            for k in range(size):
                share[i, first + k] /= total
            first += size
    return share
