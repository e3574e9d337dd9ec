"""The set of actions that reaches each leaf: a product of factor levels, written as difference updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.model_text import Tree, goes_left

__all__ = ["ActionGrid", "Leaf", "Updates", "reach_leaves"]

Updates = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ActionGrid:
    """The actions as the booster sees them.

    Attributes
    ----------
    columns : tuple of int
        Booster column of each factor.
    values : tuple of ndarray
        What the booster reads in that column for each level.
    no_contact : tuple of float or None
        What it reads for ``NO_CONTACT``, a value a factor; None without that action.
    """

    columns: tuple[int, ...]
    values: tuple[NDArray[np.float64], ...]
    no_contact: tuple[float, ...] | None
    _updates: dict[tuple[tuple[int, ...], bool], Updates] = field(default_factory=dict, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(values) for values in self.values)

    @property
    def n_cells(self) -> int:
        """Number of actions without ``NO_CONTACT``."""
        return int(np.prod(self.shape, dtype=np.int64))

    def rows(self) -> NDArray[np.float64]:
        """Factor values of every action, shape (n_actions, n_factors), in the order of the action space."""
        mesh = np.stack([axis.ravel() for axis in np.meshgrid(*self.values, indexing="ij")], axis=1)
        return mesh if self.no_contact is None else np.vstack([mesh, np.array([self.no_contact])])

    def updates(self, levels: tuple[int, ...], no_contact: bool) -> Updates:
        """Cells and signs whose prefix sum over all factors is the indicator of a box.

        Parameters
        ----------
        levels : tuple of int
            Bit set of the levels allowed, one a factor.
        no_contact : bool
            Whether ``NO_CONTACT`` (kept in the cell after the grid, outside the prefix sum) belongs to it.

        Returns
        -------
        tuple of (cell, sign)
        """
        key = (levels, no_contact)
        known = self._updates.get(key)
        if known is not None:
            return known
        ends = [_ends(bits, size) for bits, size in zip(levels, self.shape, strict=True)]
        strides = np.cumprod([1, *self.shape[:0:-1]])[::-1].tolist()
        found = [
            (sum(at * stride for (at, _), stride in zip(corner, strides, strict=True)), _sign(corner))
            for corner in product(*ends)
        ]
        if no_contact:
            found.append((self.n_cells, 1))
        self._updates[key] = tuple(found)
        return self._updates[key]


@dataclass(frozen=True)
class Leaf:
    """A leaf that some action can reach: its number, the context nodes on its way, and its box."""

    number: int
    path: tuple[tuple[int, bool], ...]
    updates: Updates


def reach_leaves(tree: Tree, grid: ActionGrid) -> list[Leaf]:
    """Leaves that at least one action may reach, left to right.

    Parameters
    ----------
    tree : Tree
    grid : ActionGrid

    Returns
    -------
    list of Leaf
        ``path`` holds (context node, went left).
    """
    full = tuple((1 << size) - 1 for size in grid.shape)
    sides = _factor_sides(tree, grid)
    found: list[Leaf] = []
    start = 0 if len(tree.feature) else -1
    stack: list[tuple[int, tuple[int, ...], bool, tuple[tuple[int, bool], ...]]] = [
        (start, full, grid.no_contact is not None, ())
    ]
    while stack:
        node, levels, no_contact, path = stack.pop()
        if 0 in levels and not no_contact:
            continue
        if node < 0:
            found.append(Leaf(~node, path, grid.updates(levels, no_contact)))
            continue
        left, right = int(tree.left[node]), int(tree.right[node])
        if node not in sides:
            stack.append((right, levels, no_contact, (*path, (node, False))))
            stack.append((left, levels, no_contact, (*path, (node, True))))
            continue
        factor, bits, none_left = sides[node]
        others = levels[:factor], levels[factor + 1 :]
        stack.append((right, (*others[0], levels[factor] & ~bits, *others[1]), no_contact and not none_left, path))
        stack.append((left, (*others[0], levels[factor] & bits, *others[1]), no_contact and none_left, path))
    return found


def _factor_sides(tree: Tree, grid: ActionGrid) -> dict[int, tuple[int, int, bool]]:
    """Node -> (factor, bit set of the levels that go left, whether NO_CONTACT does), for nodes on a factor."""
    factor_of = {column: factor for factor, column in enumerate(grid.columns)}
    sides = {}
    for node, feature in enumerate(tree.feature.tolist()):
        factor = factor_of.get(feature)
        if factor is None:
            continue
        none = np.nan if grid.no_contact is None else grid.no_contact[factor]
        left = goes_left(tree, node, np.append(grid.values[factor], none))
        bits = sum(1 << level for level in np.flatnonzero(left[:-1]).tolist())
        sides[node] = (factor, bits, bool(left[-1]))
    return sides


def _ends(bits: int, size: int) -> list[tuple[int, int]]:
    """Where runs of set bits begin (+1) and end (-1)."""
    ends = []
    before = 0
    for level in range(size):
        now = (bits >> level) & 1
        if now != before:
            ends.append((level, now - before))
        before = now
    return ends


def _sign(corner: Sequence[tuple[int, int]]) -> int:
    sign = 1
    for _, one in corner:
        sign *= one
    return sign
