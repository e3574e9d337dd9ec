"""Where encoded context, derived columns and the factors of an action stand in the design of boosted trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.trees.derived_columns import DerivedColumns

__all__ = ["TreeColumns", "factor_levels", "level_values"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _is_ordered(levels: Sequence[object]) -> bool:
    return len(levels) > 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in levels)


def level_values(levels: Sequence[object]) -> Floats:
    """What trees read for each level: numbers as they are, others by their position."""
    return np.asarray(levels if _is_ordered(levels) else range(len(levels)), dtype=np.float64)


def factor_levels(actions: ActionSpace) -> list[tuple[str, Floats, bool]]:
    """Columns that describe an action to the trees.

    Returns
    -------
    list of (factor, values of shape (n_actions,), whether they are category codes)
        Factors of numbers give their values, others their level codes; ``NO_CONTACT`` is missing.
    """
    columns = []
    for position, (name, levels) in enumerate(actions.factors.items()):
        codes = actions.codes[:, position]
        values = np.where(codes < 0, np.nan, level_values(levels)[np.maximum(codes, 0)])
        columns.append((name, values, not _is_ordered(levels)))
    return columns


class TreeColumns:
    """Context, pairs, clocks, then the factors: the one that clocks run to before all others.

    Its level is known before trees are scored: all actions of that level see the same clocks. So trees with clocks are
    scored level by level, and that factor is context to the kernel.

    Parameters
    ----------
    actions : ActionSpace
    derived : DerivedColumns

    Attributes
    ----------
    names : list of str
        Factors in the order of their columns.
    scored_factors : dict of str to tuple
        Those that the kernel knows as factors.
    """

    def __init__(self, actions: ActionSpace, derived: DerivedColumns) -> None:
        self.actions = actions
        self.derived = derived
        described = factor_levels(actions)
        first = derived.factor
        self._order = sorted(range(len(described)), key=lambda position: (position != first, position))
        self._described = [described[position] for position in self._order]
        self.names = [name for name, _, _ in self._described]
        self.scored_factors: Mapping[str, Sequence[object]] = {
            name: levels for position, (name, levels) in enumerate(actions.factors.items()) if position != first
        }

    def design(self, X: Floats, action: Ints) -> Floats:
        """All columns of one action a row."""
        parts = [self.derived.of_context(X)]
        if self.derived.factor is not None:
            parts.append(self.derived.of_level(X, self._described[0][1][action]))
        return np.column_stack([*parts, *(values[action] for _, values, _ in self._described)])

    def codes(self, n_columns: int) -> list[int]:
        """Places of the factors that are category codes, behind ``n_columns`` of context."""
        first = n_columns + len(self.derived)
        return [first + i for i, (_, _, is_code) in enumerate(self._described) if is_code]

    def scored_codes(self) -> Ints:
        """Levels of every action that the kernel scores at once, shape (n_scored, n_scored_factors); -1 is idle."""
        return self.actions.codes[self._of_level(0)][:, self._scored] if self._by_level else self.actions.codes

    def at_level(self, wide: Floats, level: float) -> Floats:
        """Context of the kernel at one level: context and pairs, the clocks, the level itself."""
        return np.column_stack([wide, self.derived.of_level(wide, level), np.full(len(wide), level)])

    def by_level(self) -> Iterator[tuple[float, Ints, Ints]]:
        """Levels of the clocks' factor, the actions that have it, and their places among what the kernel scores."""
        idle = self.actions.no_contact_index
        values = level_values(list(self.actions.factors.values())[self._order[0]])
        for code, value in enumerate(values.tolist()):
            of_all = self._of_level(code)
            of_all = of_all[of_all != idle]
            yield value, of_all, np.arange(len(of_all))
        if idle is not None:
            yield np.nan, np.array([idle]), np.array([len(self._of_level(0)) - 1])

    def back_in_order(self, width: int) -> Ints:
        """Places, in this design of ``width`` columns, of its columns with the factors in their usual order."""
        first = width - len(self._order)
        return np.concatenate([np.arange(first), first + np.argsort(self._order)])

    @property
    def _by_level(self) -> bool:
        return self.derived.factor is not None

    @property
    def _scored(self) -> list[int]:
        return sorted(self._order[1:])

    def _of_level(self, code: int) -> Ints:
        """Actions with one level of the clocks' factor, then the idle one."""
        codes = self.actions.codes[:, self._order[0]]
        return np.flatnonzero((codes == code) | (codes < 0))
