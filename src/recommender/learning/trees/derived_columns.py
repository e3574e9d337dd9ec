"""Columns that trees cannot make of others in few splits: ratios, differences and products, and the time until an hour.

A tree cuts along its columns. Where debt over income decides, or how long after somebody's usual hour a contact comes,
it needs a staircase of cuts for what is one cut of the right column. Which of these columns exist is known from the
kinds and ranges of the columns alone; whether they are worth having is told by rows that the trees never saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace

__all__ = ["Clock", "DerivedColumns", "PairColumn"]

Floats = NDArray[np.float64]
PairKind = Literal["ratio", "difference", "product"]

_MOST_PAIRED = 8  # columns: 28 pairs
_FEWEST_VALUES = 5  # of a column that is paired: fewer are levels
_FEWEST_HOURS = 3  # values of a column that is a time
_LEVELS_OF_A_CLOCK = 6  # of a factor: fewer are told apart by cuts of their own
_PERIODS = (7.0, 24.0, 31.0)  # weekdays, hours, days of a month
_ALIKE = 5.0  # spreads further apart than this make no difference worth having
_FLOOR = 1e-3  # of a column's spread: keeps ratios finite
_SAMPLE = 20_000  # rows that kinds and ranges are told from


@dataclass(frozen=True)
class PairColumn:
    """A function of two context columns; missing where either is.

    Attributes
    ----------
    kind : {"ratio", "difference", "product"}
    one, other : int
        Encoded columns.
    shifts, scales : tuple of float
        ``ratio``: what is added to each. ``product``: each is centred and scaled, after ``log1p`` where ``logged``.
    logged : tuple of bool
    """

    kind: PairKind
    one: int
    other: int
    shifts: tuple[float, float] = (0.0, 0.0)
    scales: tuple[float, float] = (1.0, 1.0)
    logged: tuple[bool, bool] = (False, False)

    def of(self, X: Floats) -> Floats:
        """Its values, shape (n,)."""
        with np.errstate(invalid="ignore", over="ignore"):  # infinite less infinite is missing
            return self._of(X)

    def _of(self, X: Floats) -> Floats:
        a, b = X[:, self.one], X[:, self.other]
        if self.kind == "difference":
            return np.asarray(a - b)
        if self.kind == "ratio":
            # new accounts may lie below what was seen: a ratio is of what is not negative
            a, b = np.maximum(a, 0.0) + self.shifts[0], np.maximum(b, 0.0) + self.shifts[1]
            return np.asarray(a / b)
        a, b = ((np.log1p(np.maximum(x, 0.0)) if logged else x) for x, logged in zip((a, b), self.logged, strict=True))
        return np.asarray((a - self.shifts[0]) / self.scales[0] * ((b - self.shifts[1]) / self.scales[1]))


@dataclass(frozen=True)
class Clock:
    """From a context column to the level of an ordered factor, round the clock.

    Attributes
    ----------
    column : int
    period : float
    """

    column: int
    period: float


@dataclass(frozen=True)
class DerivedColumns:
    """Columns that follow the encoded ones in the design of boosted trees.

    Attributes
    ----------
    pairs : tuple of PairColumn
    clocks : tuple of Clock
    factor : int or None
        Position of the factor that clocks run to; None where there is no clock.
    """

    pairs: tuple[PairColumn, ...] = ()
    clocks: tuple[Clock, ...] = ()
    factor: int | None = None

    def __len__(self) -> int:
        """Count the columns."""
        return len(self.pairs) + len(self.clocks)

    @classmethod
    def fit(cls, X: Floats, categorical: Sequence[int], actions: ActionSpace, relevance: Floats) -> DerivedColumns:
        """Find pairs among the numbers that trees split most on, and clocks among all numbers.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)
        categorical : sequence of int
        actions : ActionSpace
        relevance : ndarray of shape (n_columns,)
            What trees gained by splitting on each column.
        """
        sample = X[:: max(1, len(X) // _SAMPLE)]
        numbers = [j for j in range(X.shape[1]) if j not in set(categorical) and np.isfinite(sample[:, j]).any()]
        many = [j for j in numbers if _n_values(sample[:, j]) >= _FEWEST_VALUES and relevance[j] > 0]
        paired = sorted(many, key=lambda j: -relevance[j])[:_MOST_PAIRED]
        factor, clocks = _clocks(sample, numbers, actions)
        return cls(tuple(one for a, b in combinations(paired, 2) for one in _pairs(sample, a, b)), clocks, factor)

    def of_context(self, X: Floats) -> Floats:
        """Encoded context followed by the pairs, shape (n, n_columns + n_pairs)."""
        return np.column_stack([X, *(pair.of(X) for pair in self.pairs)]) if self.pairs else X

    def of_level(self, X: Floats, level: Floats | float) -> Floats:
        """How far a level of the factor lies after each clock's column, shape (n, n_clocks)."""
        with np.errstate(invalid="ignore"):  # an infinite time is none
            return np.stack([np.mod(level - X[:, one.column], one.period) for one in self.clocks], axis=1)

    def fold_back(self, values: Floats, n_columns: int, n_factors: int) -> Floats:
        """Hand what was paid to derived columns back to what they are made of, half each.

        Parameters
        ----------
        values : ndarray of shape (..., n_columns + n_pairs + n_clocks + n_factors)

        Returns
        -------
        ndarray of shape (..., n_columns + n_factors)
        """
        own = np.concatenate([values[..., :n_columns], values[..., values.shape[-1] - n_factors :]], axis=-1)
        for position, pair in enumerate(self.pairs, start=n_columns):
            for column in (pair.one, pair.other):
                own[..., column] += 0.5 * values[..., position]
        if self.factor is not None:
            for position, clock in enumerate(self.clocks, start=n_columns + len(self.pairs)):
                for column in (clock.column, n_columns + self.factor):
                    own[..., column] += 0.5 * values[..., position]
        return own

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description; :meth:`from_dict` is its inverse."""
        return {
            "pairs": [
                [p.kind, p.one, p.other, list(p.shifts), list(p.scales), [bool(x) for x in p.logged]]
                for p in self.pairs
            ],
            "clocks": [[c.column, c.period] for c in self.clocks],
            "factor": self.factor,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> DerivedColumns:
        """Rebuild from :meth:`to_dict`."""
        return cls(
            tuple(
                PairColumn(kind, one, other, tuple(shifts), tuple(scales), tuple(logged))
                for kind, one, other, shifts, scales, logged in described["pairs"]
            ),
            tuple(Clock(column, period) for column, period in described["clocks"]),
            described["factor"],
        )


def _n_values(values: Floats) -> int:
    return len(np.unique(values[np.isfinite(values)]))


def _pairs(X: Floats, a: int, b: int) -> list[PairColumn]:
    """Ratio of what is not negative, difference of what has a spread alike, and the product."""
    one, other = (X[np.isfinite(X[:, j]), j] for j in (a, b))
    spread = float(one.std()), float(other.std())
    if min(spread) == 0.0:
        return []
    found = []
    positive = one.min() >= 0.0, other.min() >= 0.0
    if all(positive):
        found.append(PairColumn("ratio", a, b, (_FLOOR * spread[0], _FLOOR * spread[1])))
    if 1 / _ALIKE < spread[0] / spread[1] < _ALIKE:
        found.append(PairColumn("difference", a, b))
    skewed = [bool(x.min() >= 0.0 and x.std() > x.mean()) for x in (one, other)]
    straight = [np.log1p(x) if logged else x for x, logged in zip((one, other), skewed, strict=True)]
    shifts, scales = [float(x.mean()) for x in straight], [float(x.std()) or 1.0 for x in straight]
    found.append(PairColumn("product", a, b, (shifts[0], shifts[1]), (scales[0], scales[1]), (skewed[0], skewed[1])))
    return found


def _clocks(X: Floats, numbers: Sequence[int], actions: ActionSpace) -> tuple[int | None, tuple[Clock, ...]]:
    """Clocks to the ordered factor with most levels, from columns that could be read on its dial."""
    ordered = [(len(levels), -at) for at, levels in enumerate(actions.factors.values()) if _is_dial(levels)]
    if not ordered or len(actions.factors) < 2:
        return None, ()
    factor = -max(ordered)[1]
    levels = np.asarray(list(actions.factors.values())[factor], dtype=np.float64)
    from_zero = levels - min(float(levels.min()), 1.0)  # weekdays are counted from 0 or from 1
    period = next(p for p in _PERIODS if from_zero.max() < p or p == _PERIODS[-1])
    found = [j for j in numbers if _on_dial(X[np.isfinite(X[:, j]), j], float(levels.min()), period)]
    return (factor, tuple(Clock(j, period) for j in found)) if found else (None, ())


def _is_dial(levels: Sequence[object]) -> bool:
    """Whether a factor counts hours, weekdays or days."""
    numbers = [x for x in levels if isinstance(x, int | float) and not isinstance(x, bool)]
    return len(levels) >= _LEVELS_OF_A_CLOCK and len(numbers) == len(levels) and _in_period(numbers)


def _in_period(numbers: Sequence[float]) -> bool:
    return min(numbers) >= 0 and max(numbers) <= _PERIODS[-1]


def _on_dial(values: Floats, first: float, period: float) -> bool:
    """Whether a column could be read on the dial: not negative, not beyond it, not mostly before half its first level.

    Counts are mostly small.
    """
    within = values.min() >= 0.0 and first / 2 < np.median(values) and values.max() <= period
    return bool(within and _n_values(values) >= _FEWEST_HOURS)
