"""Blocks of an action space: which actions share an effect, and how the levels of an ordered factor teach each other.

A block is a basis over the actions. It is kept as two sparse steps, never as a dense matrix over the actions: a few
cells (the levels of a factor, the pairs of levels of two factors) are made of the block's columns, and every action
reads its cell. Crossed with hundreds of context terms this is a tenth of the work of the dense product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recommender.actions import ActionSpace
from recommender.learning.regression.linear_design import LinearDesign

__all__ = ["ActionBlock", "CrossedBlocks", "Crossing", "action_blocks", "crossed_blocks"]

Floats = NDArray[Any]  # float32 while conjugate gradients run, float64 elsewhere
Ints = NDArray[np.int64]
Crossing = Literal["pairs", "factors", "none"]

_SMOOTH_FROM = 6  # levels of an ordered factor from which neighbours teach each other
_MOST_PARAMETERS = 60_000  # a block; beyond, context crosses its factors one by one only


@dataclass(frozen=True, eq=False)
class ActionBlock:
    """A basis over the actions.

    Attributes
    ----------
    name : str
    root : sparse array of shape (n_cells, n_columns)
        What each cell is made of.
    cell : ndarray of int64 of shape (n_actions,)
        Cell of each action, -1 where the block says nothing of it.
    with_context : bool
        Whether context terms cross it, or the constant alone.
    """

    name: str
    root: sparse.csr_array
    cell: Ints
    with_context: bool = True

    @property
    def gather(self) -> sparse.csr_array:
        """One where an action reads a cell, shape (n_actions, n_cells)."""
        here = np.flatnonzero(self.cell >= 0)
        shape = (len(self.cell), self.root.shape[0])
        return sparse.csr_array((np.ones(len(here)), (here, self.cell[here])), shape=shape)

    @property
    def basis(self) -> NDArray[np.float64]:
        """The dense basis, shape (n_actions, n_columns)."""
        return np.asarray((self.gather @ self.root).toarray())


def action_blocks(actions: ActionSpace, n_terms: int, *, crossing: Crossing = "pairs") -> list[ActionBlock]:
    """Blocks of an action space: all, contact or not, each factor, each pair of factors, the whole action.

    Parameters
    ----------
    crossing : {"pairs", "factors", "none"}
        What context terms cross: pairs of factors too, single factors, or nothing (a scorecard: context and action
        add up, so every account gets the same ranking).
    """
    n_actions = len(actions)
    blocks = [ActionBlock("all", _identity(1), np.zeros(n_actions, dtype=np.int64))]
    if actions.no_contact and n_actions > 1:
        contact = np.full(n_actions, -1)
        contact[-1] = 0
        blocks.append(ActionBlock("no contact", _identity(1), contact, crossing != "none"))
    roots = [_level_basis(levels) for levels in actions.factors.values()]
    codes = np.asarray(actions.codes, dtype=np.int64)
    varying = [i for i, size in enumerate(actions.shape) if size > 1]
    names = actions.factor_names
    blocks += [ActionBlock(names[i], roots[i], codes[:, i], crossing != "none") for i in varying]
    for i, j in combinations(varying, 2):
        cross = sparse.csr_array(sparse.kron(roots[i], roots[j]))
        both = (codes[:, i] >= 0) & (codes[:, j] >= 0)
        cell = np.where(both, codes[:, i] * roots[j].shape[0] + codes[:, j], -1)
        with_context = crossing == "pairs" and n_terms * cross.shape[1] <= _MOST_PARAMETERS
        blocks.append(ActionBlock(f"{names[i]} x {names[j]}", cross, cell, with_context))
    if len(varying) > 2 and n_actions <= 5_000:
        n_contact = actions.n_contact_actions
        cell = np.where(np.arange(n_actions) < n_contact, np.arange(n_actions), -1)
        blocks.append(ActionBlock("action", _identity(n_contact), cell, with_context=False))
    return blocks


def _identity(size: int) -> sparse.csr_array:
    return sparse.csr_array(sparse.eye_array(size))


def _level_basis(levels: tuple[object, ...]) -> sparse.csr_array:
    """Identity, or for many ordered levels the root of a smooth kernel with a little identity left free."""
    numbers = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    if not numbers or len(levels) < _SMOOTH_FROM:
        return _identity(len(levels))
    position = np.asarray(levels, dtype=np.float64)
    spacing = float(np.median(np.diff(np.sort(position)))) or 1.0
    kernel = np.exp(-0.5 * ((position[:, None] - position[None]) / (1.5 * spacing)) ** 2)
    kernel = 0.85 * kernel + 0.15 * np.eye(len(levels))
    values, vectors = np.linalg.eigh(kernel)
    return sparse.csr_array((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


@dataclass(frozen=True, eq=False)
class CrossedBlocks:
    """Blocks that the same terms cross, side by side: their weights are one matrix of shape (n_columns, n_terms).

    Attributes
    ----------
    terms : ndarray of int64
        Terms of the design that cross them.
    blocks : tuple of ActionBlock
    number : ndarray of int64 of shape (n_columns,)
        Which of all blocks each column belongs to.
    """

    terms: Ints
    blocks: tuple[ActionBlock, ...]
    number: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and terms."""
        return len(self.number), len(self.terms)

    def weights(self, theta: Floats, *, squared: bool = False) -> Floats:
        """Sum the blocks, (n_columns, k) to (n_actions, k)."""
        gather, root, *_ = self._steps(theta.dtype.name, squared=squared)
        return np.asarray(gather @ (root @ theta))

    def collect(self, S: Floats, *, squared: bool = False) -> Floats:
        """Adjoint of :meth:`weights`, (n_actions, k) to (n_columns, k)."""
        *_, gather, root = self._steps(S.dtype.name, squared=squared)
        return np.asarray(root @ (gather @ S))

    def _steps(self, dtype: str, *, squared: bool) -> tuple[sparse.csr_array, ...]:
        """Actions from cells, cells from columns, and the transposes of both."""
        return self._all_steps[dtype, squared]

    @cached_property
    def _all_steps(self) -> dict[tuple[str, bool], tuple[sparse.csr_array, ...]]:
        gather = sparse.csr_array(sparse.hstack([block.gather for block in self.blocks]))
        root = sparse.csr_array(sparse.block_diag([block.root for block in self.blocks]))
        steps = {}
        for dtype in ("float32", "float64"):
            for squared in (False, True):
                pair = [one.astype(dtype) for one in (gather, root.power(2) if squared else root)]
                steps[dtype, squared] = (*pair, *(sparse.csr_array(one.T) for one in pair))
        return steps


def crossed_blocks(blocks: Sequence[ActionBlock], design: LinearDesign) -> list[CrossedBlocks]:
    """Blocks by the terms that cross them: all of them, those that actions may differ in, or the constant alone."""
    every = tuple(range(len(design.terms)))
    crossed = tuple(np.flatnonzero([term.crossed for term in design.terms]).tolist())
    members: dict[tuple[int, ...], list[int]] = {}
    for number, block in enumerate(blocks):
        terms = (0,) if not block.with_context else every if block.name == "all" else crossed
        members.setdefault(terms, []).append(number)
    return [
        CrossedBlocks(
            np.array(terms, dtype=np.int64),
            tuple(blocks[number] for number in numbers),
            np.repeat(numbers, [blocks[number].root.shape[1] for number in numbers]).astype(np.int64),
        )
        for terms, numbers in members.items()
    ]
