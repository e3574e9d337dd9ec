"""The set of actions that reaches each leaf: a product of factor levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model_text import Tree, goes_left

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
    idle : tuple of float or None
        What it reads for the idle action, a value a factor; None where there is none.
    """

    columns: tuple[int, ...]
    values: tuple[NDArray[np.float64], ...]
    idle: tuple[float, ...] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(values) for values in self.values)

    @property
    def n_actions(self) -> int:
        """Number of actions, the idle one included."""
        return self.n_cells + (self.idle is not None)

    @property
    def n_cells(self) -> int:
        """Number of actions without the idle action."""
        return int(np.prod(self.shape, dtype=np.int64))

    def rows(self) -> NDArray[np.float64]:
        """Factor values of every action, shape (n_actions, n_factors), in the order of the action space."""
        mesh = np.stack([axis.ravel() for axis in np.meshgrid(*self.values, indexing="ij")], axis=1)
        return mesh if self.idle is None else np.vstack([mesh, np.array([self.idle])])


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
    idle : bool
        Whether the idle action reaches it.
    """

    number: int
    path: tuple[tuple[int, bool], ...]
    levels: tuple[int, ...]
    idle: bool


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
    reached: list[Leaf] = []
    start = 0 if len(tree.feature) else -1
    stack: list[tuple[int, tuple[int, ...], bool, tuple[tuple[int, bool], ...]]] = [
        (start, full, grid.idle is not None, ())
    ]
    while stack:
        node, levels, idle, path = stack.pop()
        if 0 in levels and not idle:
            continue
        if node < 0:
            reached.append(Leaf(~node, path, levels, idle))
            continue
        left, right = int(tree.left[node]), int(tree.right[node])
        if node not in sides:
            stack.append((right, levels, idle, (*path, (node, False))))
            stack.append((left, levels, idle, (*path, (node, True))))
            continue
        factor, bits, none_left = sides[node]
        others = levels[:factor], levels[factor + 1 :]
        stack.append((right, (*others[0], levels[factor] & ~bits, *others[1]), idle and not none_left, path))
        stack.append((left, (*others[0], levels[factor] & bits, *others[1]), idle and none_left, path))
    return reached


def _factor_sides(tree: Tree, grid: ActionGrid) -> dict[int, tuple[int, int, bool]]:
    """Node -> (factor, bit set of the levels that go left, whether the idle action does), for nodes on a factor."""
    factor_of = {column: factor for factor, column in enumerate(grid.columns)}
    sides = {}
    for node, feature in enumerate(tree.feature.tolist()):
        factor = factor_of.get(feature)
        if factor is None:
            continue
        none = np.nan if grid.idle is None else grid.idle[factor]
        left = goes_left(tree, node, np.append(grid.values[factor], none))
        bits = sum(1 << level for level in np.flatnonzero(left[:-1]).tolist())
        sides[node] = (factor, bits, bool(left[-1]))
    return sides
