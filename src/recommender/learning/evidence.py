"""How often an action was tried on accounts like this one."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import row_products

__all__ = ["EvidenceTable"]

Floats = NDArray[np.float64]

_TRIES_WANTED = 20  # an action and segment: a rate of 5 % shows itself once
_MOST_SEGMENTS = 40  # more are told apart by noise
_ROWS_FOR_CENTRES = 20_000  # enough for forty means


class EvidenceTable:
    """Counts of logged tries by segment of alike accounts and action.

    Accounts are alike when the columns that move the ranking of actions are alike: each design column counts by how
    much its weights differ between actions.

    Parameters
    ----------
    importance : ndarray of shape (n_terms,)
    centres : ndarray of shape (n_segments, n_terms)
    counts : ndarray of shape (n_segments, n_actions)
    """

    def __init__(self, importance: Floats, centres: Floats, counts: Floats) -> None:
        self.importance = importance
        self.centres = centres
        self.counts = counts

    @classmethod
    def fit(cls, U: Floats, weights: Floats, action: NDArray[np.int64], share: Floats, *, random_state: int) -> Self:
        """Group accounts so that an action is tried some twenty times a segment on average."""
        n, n_actions = len(U), len(share)
        importance = np.sqrt(((weights - (weights @ share)[:, None]) ** 2) @ share)
        importance[0] = 0.0
        n_segments = int(np.clip(n / (n_actions * _TRIES_WANTED), 1, _MOST_SEGMENTS))
        scaled = U[np.random.default_rng(random_state).permutation(n)[:_ROWS_FOR_CENTRES]] * importance
        n_segments = min(n_segments, len(np.unique(scaled.round(9), axis=0)))
        if n_segments == 1:
            centres = scaled.mean(axis=0, keepdims=True)
        else:
            from sklearn.cluster import KMeans  # half of what importing this package would cost beyond its libraries

            centres = KMeans(n_segments, n_init=1, max_iter=30, random_state=random_state).fit(scaled)
            centres = np.asarray(centres.cluster_centers_)
        table = cls(importance, centres, np.zeros((len(centres), n_actions)))
        np.add.at(table.counts, (table.segments(U), action), 1.0)
        return table

    def joined(self, U: Floats, action: NDArray[np.int64]) -> EvidenceTable:
        """The table with further tries in it, in the segments that it has."""
        counts = self.counts.copy()
        np.add.at(counts, (self.segments(U), action), 1.0)
        return EvidenceTable(self.importance, self.centres, counts)

    def segments(self, U: Floats) -> NDArray[np.int64]:
        """Segment of each row."""
        cross = row_products(U * self.importance, self._centres_by_term)
        return np.asarray((self._half_squares - cross).argmin(axis=1), dtype=np.int64)

    @cached_property
    def _centres_by_term(self) -> Floats:
        return np.ascontiguousarray(self.centres.T)

    @cached_property
    def _half_squares(self) -> Floats:
        return np.asarray(0.5 * (self.centres**2).sum(axis=1)[None])

    def tries(self, U: Floats) -> Floats:
        """Logged tries of every action in the row's segment, shape (n, n_actions)."""
        return np.asarray(self.counts[self.segments(U)], dtype=np.float64)

    def tries_of(self, U: Floats, ranked: NDArray[np.int64]) -> Floats:
        """The same of some actions, of shape (n, k)."""
        return np.asarray(self.counts[self.segments(U)[:, None], ranked], dtype=np.float64)

    def mean_columns(self) -> Floats:
        """Mean of the design columns over the training rows, shape (n_terms,).

        The segments carry it: the mean of their centres, weighted by their rows, is the mean of the (weighted) columns
        they were made from.
        """
        size = self.counts.sum(axis=1)
        scaled = size @ self.centres / max(float(size.sum()), 1.0)
        mean = np.zeros(len(self.importance))
        np.divide(scaled, self.importance, out=mean, where=self.importance > 1e-9)
        mean[0] = 1.0
        return mean

    def to_bytes(self) -> bytes:
        """A file of arrays."""
        buffer = io.BytesIO()
        np.savez(buffer, importance=self.importance, centres=self.centres, counts=self.counts)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, file: bytes) -> Self:
        """Inverse of :meth:`to_bytes`."""
        with np.load(io.BytesIO(file), allow_pickle=False) as stored:
            return cls(stored["importance"], stored["centres"], stored["counts"])
