"""Latent profiles: kinds of accounts that show in several context columns at once, found without looking at rewards.

Rewards are rare, context is plenty. Columns that depend on each other (three signs of when somebody is at home, say)
are taken to be signs of one hidden trait; a latent class model of them gives every account its posterior over the
classes of that trait. Those memberships are what an action's effect really depends on, and there are few of them, so a
regression on them needs fewer rewards than one on the signs.

Numbers are cut into bins, missing is a bin of its own, count pairs enter as their shrunken rate. Columns are grouped
by average linkage of their mutual information.

References
----------
Lazarsfeld & Henry (1968), "Latent Structure Analysis"; Linzer & Lewis (2011), "poLCA: an R package for polytomous
variable latent class analysis"; Zhang (2004), "Hierarchical latent class models for cluster analysis".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from recommender.allactions import ProfileTable, codes_of, memberships
from recommender.learning.encoding import ContextEncoder
from recommender.learning.jobs import run_jobs
from recommender.learning.regression.coded_columns import CodedColumn, coded_columns
from recommender.learning.regression.count_pairs import CountPair
from recommender.learning.regression.latent_classes import choose_classes, one_hot

__all__ = ["LatentProfiles", "Profile"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS, _FEWEST_ROWS = 20_000, 300  # accounts looked at; below, classes are noise
_MANY_COLUMNS, _MOST_COLUMNS = 120, 500  # from there on fewer rows, or none: pairs grow as the square
_COPIES = 0.8  # two columns that say nearly the same are one sign, not two
_LINKED = 0.04  # mean dependence (as a correlation) from which columns are signs of one trait
_FEWEST_SIGNS, _MOST_SIGNS = 3, 40  # classes cannot be told from fewer than three columns
_KINDS = {"number": 0, "level": 1, "rate": 2}  # as the kernel numbers them


@dataclass(frozen=True)
class Profile:
    """One hidden trait.

    Attributes
    ----------
    columns : tuple of int
        Its signs, as positions in :attr:`LatentProfiles.columns`.
    log_share : ndarray of shape (n_classes,)
    log_tables : tuple of ndarray of shape (n_codes, n_classes)
        Log-probability of each code of each sign within a class.
    """

    columns: tuple[int, ...]
    log_share: Floats
    log_tables: tuple[Floats, ...]


class LatentProfiles:
    """Classes of accounts by hidden trait, and the memberships of any account.

    Parameters
    ----------
    columns : sequence of CodedColumn
    profiles : sequence of Profile
        None of them where the context shows none.
    """

    def __init__(self, columns: Sequence[CodedColumn], profiles: Sequence[Profile]) -> None:
        self.columns = tuple(columns)
        self.profiles = tuple(profiles)

    @classmethod
    def fit(
        cls,
        encoder: ContextEncoder,
        X: Floats,
        groups: Ints,
        pairs: Sequence[CountPair] = (),
        *,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> Self:
        """Find traits and their classes.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)
            Encoded context.
        groups : ndarray of int64 of shape (n,)
            An account counts once, however many decisions it has.
        pairs : sequence of CountPair
            Counts that enter as a rate.
        n_jobs : int
            Threads; the result does not depend on it.
        """
        rng = np.random.default_rng(random_state)
        shuffled = rng.permutation(len(X))
        rows = shuffled[np.unique(groups[shuffled], return_index=True)[1]]
        rows = rows[rng.permutation(len(rows))[:_ROWS]]
        if len(rows) < _FEWEST_ROWS or X.shape[1] > _MOST_COLUMNS:
            return cls((), ())
        columns = coded_columns(encoder, X[rows], pairs)
        if len(columns) < _FEWEST_SIGNS:
            return cls((), ())
        if len(columns) > _MANY_COLUMNS:
            rows = rows[: _ROWS // 4]
        table = cls(columns, ()).table
        codes = codes_of(X[rows], table)
        widths = [column.n_codes for column in columns]
        signs = _signs_of_traits(_dependence(codes, widths))
        jobs = [
            _class_job(codes[:, members], [widths[j] for j in members], random_state + position)
            for position, members in enumerate(signs)
        ]
        profiles = []
        for members, fitted in zip(signs, run_jobs(jobs, n_jobs), strict=True):
            if len(fitted.share) > 1:
                ends = np.cumsum([widths[j] for j in members])[:-1]
                tables = np.split(np.log(fitted.probabilities), ends)
                profiles.append(Profile(tuple(members), np.log(fitted.share), tuple(tables)))
        return cls(columns, profiles)

    @property
    def n_classes(self) -> tuple[int, ...]:
        """Classes of each profile."""
        return tuple(len(profile.log_share) for profile in self.profiles)

    @property
    def signs(self) -> tuple[frozenset[int], ...]:
        """Encoded columns that each profile is read from."""
        return tuple(
            frozenset(source for j in profile.columns for source in self.columns[j].sources)
            for profile in self.profiles
        )

    def memberships(self, X: Floats) -> Floats:
        """Posterior of every class of every profile for encoded context, shape (n, sum of n_classes)."""
        return memberships(X, self.table)

    def widen(self, X: Floats) -> Floats:
        """Encoded context followed by memberships."""
        return np.hstack([X, self.memberships(X)]) if self.profiles else X

    def usual(self) -> Floats:
        """Memberships of an account whose every sign speaks as it does on average, shape (sum of n_classes,)."""
        memberships = []
        for profile in self.profiles:
            logits = profile.log_share.copy()
            for by_code in profile.log_tables:
                logits += (np.exp(by_code) @ np.exp(profile.log_share)) @ by_code
            memberships.append(_softmax(logits))
        return np.concatenate(memberships) if memberships else np.empty(0)

    @cached_property
    def table(self) -> ProfileTable:
        """Everything as flat arrays for the kernel."""
        cuts = [np.asarray(column.cuts, dtype=np.float64) for column in self.columns]
        parts = [part.ravel() for profile in self.profiles for part in profile.log_tables]
        sizes = np.array([len(part) for part in parts], dtype=np.int64)

        def of_columns(name: str, kind: type) -> NDArray[Any]:
            return np.array([getattr(column, name) for column in self.columns], dtype=kind)

        return ProfileTable(
            kind=np.array([_KINDS[column.kind] for column in self.columns], dtype=np.int64),
            source=of_columns("source", np.int64),
            other=of_columns("other", np.int64),
            centre=of_columns("centre", np.float64),
            scale=of_columns("scale", np.float64),
            cut_ends=_ends(cuts),
            cuts=np.concatenate([*cuts, np.empty(0)]),
            profile_ends=_ends([profile.columns for profile in self.profiles]),
            member=np.array([j for profile in self.profiles for j in profile.columns], dtype=np.int64),
            offset=np.cumsum(sizes) - sizes,
            n_classes=np.array(self.n_classes, dtype=np.int64),
            log_share=np.concatenate([*(profile.log_share for profile in self.profiles), np.empty(0)]),
            log_tables=np.concatenate([*parts, np.empty(0)]),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description; :meth:`from_dict` is its inverse, to the bit."""
        return {
            "columns": [{**vars(column), "cuts": list(column.cuts)} for column in self.columns],
            "profiles": [
                {
                    "columns": list(profile.columns),
                    "log_share": profile.log_share.tolist(),
                    "log_tables": [part.tolist() for part in profile.log_tables],
                }
                for profile in self.profiles
            ],
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`."""
        return cls(
            [CodedColumn(**{**column, "cuts": tuple(column["cuts"])}) for column in described["columns"]],
            [
                Profile(
                    tuple(profile["columns"]),
                    np.asarray(profile["log_share"], dtype=np.float64),
                    tuple(np.asarray(part, dtype=np.float64) for part in profile["log_tables"]),
                )
                for profile in described["profiles"]
            ],
        )


def _ends(parts: Sequence[Any]) -> Ints:
    """Where each part begins in all of them joined, and where the last one ends."""
    return np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)


def _class_job(codes: Ints, widths: list[int], random_state: int) -> Callable[[], Any]:
    return lambda: choose_classes(codes, widths, np.random.default_rng(random_state))


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


def _dependence(codes: Ints, widths: Sequence[int]) -> Floats:
    """Mutual information of every two columns as a correlation, 0 where it may be chance, shape (n_coded, n_coded)."""
    n, size = len(codes), len(widths)
    B = one_hot(codes, widths)
    both = (B.T @ B).astype(np.float64)
    ends = np.cumsum([0, *widths])
    dependence = np.zeros((size, size))
    for i in range(size):
        for j in range(i):
            table = both[ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
            rows, columns = table.sum(axis=1), table.sum(axis=0)
            free = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
            if free < 1:
                continue
            seen = table > 0
            gain = float((table[seen] * np.log(table[seen] * n / np.outer(rows, columns)[seen])).sum())
            if 2.0 * gain > free + 4.0 * np.sqrt(2.0 * free):
                dependence[i, j] = dependence[j, i] = np.sqrt(1.0 - np.exp(-2.0 * max(gain - free / 2.0, 0.0) / n))
    return dependence


def _signs_of_traits(dependence: Floats) -> list[list[int]]:
    """Groups of columns that are signs of one trait."""
    weak = np.where(dependence < _COPIES, dependence, 0.0).sum(axis=1)
    kept = np.ones(len(dependence), dtype=bool)
    for i, j in zip(*np.nonzero(np.tril(dependence >= _COPIES)), strict=True):
        if kept[i] and kept[j]:
            kept[i if weak[i] < weak[j] else j] = False
    alive = np.flatnonzero(kept)
    if len(alive) < _FEWEST_SIGNS:
        return []
    part = dependence[np.ix_(alive, alive)]
    np.fill_diagonal(part, 1.0)
    from scipy.cluster.hierarchy import fcluster, linkage  # its import is dear, and only a fit asks

    tree = linkage(squareform(1.0 - part, checks=False), "average")
    label = fcluster(tree, 1.0 - _LINKED, "distance")
    groups = []
    for value in np.unique(label):
        members = alive[label == value]
        if len(members) >= _FEWEST_SIGNS:
            strongest = np.argsort(-weak[members], kind="stable")[:_MOST_SIGNS]
            groups.append(sorted(int(j) for j in members[strongest]))
    return groups
