"""Which context columns moved an account's memberships of latent profiles, and by how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import codes_of
from recommender.learning import LatentProfiles

__all__ = ["membership_moves"]

Floats = NDArray[np.float64]

_NODES = 32


def membership_moves(profiles: LatentProfiles, X: Floats) -> Floats:
    """Split the way from the usual memberships to each account's among encoded columns.

    Aumann-Shapley values on the straight line between what every sign says on average and what it says of the account
    (a membership is a softmax of the sum). They add up exactly: what the quadrature misses is dealt out in proportion.

    Parameters
    ----------
    profiles : LatentProfiles
    X : ndarray of shape (n, n_columns)
        Encoded context.

    Returns
    -------
    ndarray of shape (n, sum of n_classes, n_columns)
        Sums over columns are ``memberships(X) - usual()``. A rate of two counts speaks of its successes.
    """
    n, n_columns = X.shape
    moves = np.zeros((n, sum(profiles.n_classes), n_columns))
    if not profiles.profiles:
        return moves
    codes, away = codes_of(X, profiles.table), profiles.memberships(X) - profiles.usual()
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    first = 0
    for profile in profiles.profiles:
        share = np.exp(profile.log_share)
        start = profile.log_share.copy()
        says = np.empty((n, len(profile.columns), len(share)))
        for sign, (j, table) in enumerate(zip(profile.columns, profile.log_tables, strict=True)):
            usual = (np.exp(table) @ share) @ table
            start += usual
            says[:, sign] = table[codes[:, j]] - usual
        logits = start + 0.5 * (nodes[:, None, None] + 1.0) * says.sum(axis=1)
        member = np.exp(logits - logits.max(axis=2, keepdims=True))
        member /= member.sum(axis=2, keepdims=True)
        mean = np.einsum("q,qik->ik", 0.5 * weights, member)
        square = np.einsum("q,qik,qil->ikl", 0.5 * weights, member, member)
        moved = says * mean[:, None] - np.einsum("ijl,ikl->ijk", says, square)
        part = slice(first, first + len(share))
        missed = away[:, None, part] - moved.sum(axis=1, keepdims=True)
        size = np.abs(moved)
        total = size.sum(axis=1, keepdims=True)
        moved += missed * np.where(total > 0.0, size / np.where(total > 0.0, total, 1.0), 1.0 / moved.shape[1])
        for sign, j in enumerate(profile.columns):
            moves[:, part, profiles.columns[j].sources[-1]] += moved[:, sign]
        first += len(share)
    return moves
