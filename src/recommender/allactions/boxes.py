"""The set of actions that reaches each leaf: a product of factor levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.allactions.model_text import Tree, goes_left

__all__ = ["ActionGrid", "Leaf", "reach_leaves"]


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


@dataclass(frozen=True)
class Leaf:
    """A leaf that some action can reach.

    Attributes
    ----------
    number : int
    path : tuple of (int, bool)
        The context nodes on its way, and whether it lies to the left of each.
    levels : tuple of int
        Bit set of the levels of each factor that reach it; their product is its box.
    no_contact : bool
        Whether ``NO_CONTACT`` reaches it.
    """

    number: int
    path: tuple[tuple[int, bool], ...]
    levels: tuple[int, ...]
    no_contact: bool


def reach_leaves(tree: Tree, grid: ActionGrid) -> list[Leaf]:
    """Leaves that at least one action may reach, left to right.

    Parameters
    ----------
    tree : Tree
    grid : ActionGrid

    Returns
    -------
    list of Leaf
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
            found.append(Leaf(~node, path, levels, no_contact))
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
