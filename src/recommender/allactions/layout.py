"""Where each action's score is accumulated, so that adding a leaf to its box takes few steps.

Along a *lane* factor every level has its own lane of a vector, and a leaf adds to the lanes of its levels. Along a
*run* factor the cells hold differences: a leaf adds where a run of its levels begins and subtracts where it ends, and
one prefix sum turns differences into scores. Which factor is better off as which depends on the model: the cheapest
split is chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANES", "CellLayout", "choose_layout"]

LANES = 8  # of 64 bits: one AVX-512 register, two of AVX2

_MOST_FACTORS_TRIED = 8


@dataclass(frozen=True)
class CellLayout:
    """Run factors first, then the lanes, padded to whole vectors; the idle action has a cell after them.

    Attributes
    ----------
    shape : tuple of int
        Levels of each factor of the action space.
    lane_factors : tuple of int
    """

    shape: tuple[int, ...]
    lane_factors: tuple[int, ...]

    @cached_property
    def run_factors(self) -> tuple[int, ...]:
        """Factors kept as differences."""
        return tuple(factor for factor in range(len(self.shape)) if factor not in self.lane_factors)

    @property
    def run_shape(self) -> tuple[int, ...]:
        """Levels of each run factor."""
        return tuple(self.shape[factor] for factor in self.run_factors)

    @cached_property
    def n_vectors(self) -> int:
        """Vectors that one combination of run levels takes."""
        return -(-int(np.prod([self.shape[factor] for factor in self.lane_factors], dtype=np.int64)) // LANES)

    @property
    def n_cells(self) -> int:
        """Number of cells without that of the idle action."""
        return int(np.prod(self.run_shape, dtype=np.int64)) * self.n_vectors * LANES

    def cell_of_action(self) -> NDArray[np.int64]:
        """Cell of each action but the idle action, in the order of the action space."""
        codes = np.indices(self.shape).reshape(len(self.shape), -1)
        lane, row = np.zeros((2, codes.shape[1]), dtype=np.int64)
        for factor in self.lane_factors:
            lane = lane * self.shape[factor] + codes[factor]
        for factor in self.run_factors:
            row = row * self.shape[factor] + codes[factor]
        return row * (self.n_vectors * LANES) + lane

    def ends(self, levels: tuple[int, ...]) -> list[tuple[int, int]]:
        """First cell of each combination of run levels where a box begins or ends, and its sign.

        Parameters
        ----------
        levels : tuple of int
            Bit set of the levels of each factor.

        Returns
        -------
        list of (int, int)
        """
        bounds = []
        for corner in product(*(_ends(levels[factor], self.shape[factor]) for factor in self.run_factors)):
            row, sign = 0, 1
            for factor, (level, one) in zip(self.run_factors, corner, strict=True):
                row, sign = row * self.shape[factor] + level, sign * one
            bounds.append((row * self.n_vectors * LANES, sign))
        return bounds

    def lanes(self, levels: tuple[int, ...]) -> NDArray[np.uint8]:
        """Lanes of a box, a bit each, shape (n_vectors,)."""
        inside = np.ones(1, dtype=bool)
        for factor in self.lane_factors:
            here = np.array([(levels[factor] >> level) & 1 for level in range(self.shape[factor])], dtype=bool)
            inside = (inside[:, None] & here[None, :]).ravel()
        padded = np.zeros(self.n_vectors * LANES, dtype=bool)
        padded[: len(inside)] = inside
        return np.packbits(padded, bitorder="little")


def choose_layout(shape: tuple[int, ...], boxes: Iterable[tuple[int, ...]], n_trees: int) -> CellLayout:
    """Choose the split into lane and run factors that costs least for the boxes of a model.

    Parameters
    ----------
    shape : tuple of int
    boxes : iterable of tuple of int
        Level bit sets of the leaves.
    n_trees : int

    Returns
    -------
    CellLayout
    """
    factors = range(len(shape))
    if len(shape) > _MOST_FACTORS_TRIED:
        factors = range(len(shape) - _MOST_FACTORS_TRIED, len(shape))
    counted = Counter(boxes)
    total = max(1, sum(counted.values()))

    def cost(lane_factors: tuple[int, ...]) -> float:
        layout = CellLayout(shape, lane_factors)
        steps = 0
        for levels, times in counted.items():
            runs = 1
            for factor in layout.run_factors:
                runs *= len(_ends(levels[factor], shape[factor]))
            steps += times * runs
        a_leaf = steps / total * layout.n_vectors
        return 2.0 * n_trees * a_leaf + (1 + len(layout.run_factors)) * layout.n_cells / LANES

    choices = chain.from_iterable(combinations(factors, size) for size in range(len(shape) + 1))
    return CellLayout(shape, min(choices, key=cost))


def _ends(bits: int, size: int) -> list[tuple[int, int]]:
    """Where runs of set bits begin (+1) and end (-1)."""
    turns = bits ^ (bits << 1)
    return [(level, 1 if (bits >> level) & 1 else -1) for level in range(size) if (turns >> level) & 1]
