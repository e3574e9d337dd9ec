"""Turns a tree ensemble into the tables that the kernel reads.

For every (feature, code, tree) the tables hold the 64-bit set of leaves that survive all nodes of that tree on that
feature. Missing values, default directions and category sets are decided here, once; scoring is left with ANDs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .boxes import ActionGrid, Leaf, reach_leaves
from .coding import CodedColumns, FeatureCoding, code_columns, left_rows
from .errors import KernelError
from .layout import LANES, CellLayout, choose_layout
from .model_text import Tree, TreeEnsemble

__all__ = ["COPIES", "CompiledEnsemble", "LeafTables", "WordTables", "compile_ensemble"]

WORDS_PER_BLOCK = 8  # one cache line, one AVX-512 register
_LEAVES_PER_WORD = 64
_CELL_BITS = 24  # of a cell's number where two share a word; the kernel knows it too
_WORTH_GATHERING = 0.75  # steps of boxes over steps of leaves below which summing by box is faster
COPIES = 4  # of the two busiest rows of cells: steps that wait for the store of the one before would come one by one
_EVERY_LEAF = (1 << _LEAVES_PER_WORD) - 1


class WordTables(NamedTuple):
    """Surviving leaves of eight trees at a time.

    A row of the coding is mapped to a line of the block, since eight trees tell far fewer values apart than all do.
    """

    column_start: NDArray[np.int64]  # (n_blocks + 1,) into `column`
    column: NDArray[np.int64]  # coded columns that the block looks at
    line_of_row: NDArray[np.int32]  # (n_blocks, n_rows), absolute line
    words: NDArray[np.uint64]  # (n_lines, 8)


class LeafTables(NamedTuple):
    """What surviving leaves add to the scores, in fixed point."""

    step: NDArray[np.int64]  # (n_words * 64, 2): all that most leaves need, side by side; see `_step`, or its box
    further: NDArray[np.int64]  # (n_words * 64,): first row of `pair` times 2**32, and how many
    pair: NDArray[np.int64]  # (n_pairs, 2): leaf (or box), and where its box begins and ends once more (or at all)
    lanes: NDArray[np.uint8]  # (n_words * 64 or n_boxes, n_vectors): a bit a lane
    initial: NDArray[np.int64]  # (n_cells + spare and copied rows + the idle action,): what holds for every account
    run_shape: NDArray[np.int64]  # levels of each run factor
    cell_of_action: NDArray[np.int64]  # (n_actions,)
    n_whole: int  # leading words that hold a whole tree: exactly one leaf survives for each action
    n_words: int
    n_boxes: int  # boxes whose survivors are summed before they are added to the cells; 0: each leaf is added alone


@dataclass(frozen=True)
class CompiledEnsemble:
    """Tables of one ensemble over one action grid.

    Attributes
    ----------
    coding : FeatureCoding
    words : WordTables
    leaves : LeafTables
    exponent : int
        Scores are integers times ``2**-exponent``.
    scale : float
        Largest absolute score that the leaf values allow.
    error_bound : float
        Largest absolute difference to ``Booster.predict(raw_score=True)``.
    """

    coding: FeatureCoding
    words: WordTables
    leaves: LeafTables
    exponent: int
    scale: float
    error_bound: float


@dataclass(frozen=True)
class _Word:
    """Up to 64 leaves of one tree."""

    tree: Tree
    leaves: list[Leaf]


def compile_ensemble(ensemble: TreeEnsemble, grid: ActionGrid) -> CompiledEnsemble:
    """Compile the trees for the actions of ``grid``.

    Parameters
    ----------
    ensemble : TreeEnsemble
    grid : ActionGrid

    Returns
    -------
    CompiledEnsemble
    """
    source = {c: i for i, c in enumerate(c for c in range(ensemble.n_columns) if c not in grid.columns)}
    exponent, scale, bound = _fixed_point(ensemble.trees)
    reached = [reach_leaves(tree, grid) for tree in ensemble.trees]
    boxes = [leaf.levels for leaves in reached for leaf in leaves]
    layout = choose_layout(grid.shape, boxes, len(ensemble.trees))
    n_spare = (2 * COPIES - 1) * LANES * layout.n_vectors
    if layout.n_cells + n_spare >= 1 << _CELL_BITS:
        raise KernelError(
            f"There are {grid.n_cells:,} actions; at most some {(1 << _CELL_BITS) // LANES:,} can be scored.",
            column="actions",
            mend="Use fewer levels.",
        )
    initial = np.zeros(layout.n_cells + n_spare + 1, dtype=np.int64)
    whole: list[_Word] = []
    pieces: list[_Word] = []
    for tree, leaves in zip(ensemble.trees, reached, strict=True):
        if len(leaves) > _LEAVES_PER_WORD or not any(leaf.path for leaf in leaves):
            for leaf in leaves:
                if not leaf.path:  # holds for every account
                    _add_box(initial, layout, leaf, _fixed(tree.leaf_value[leaf.number], exponent))
            conditional = [leaf for leaf in leaves if leaf.path]
            pieces += [
                _Word(tree, conditional[start : start + _LEAVES_PER_WORD])
                for start in range(0, len(conditional), _LEAVES_PER_WORD)
            ]
        else:
            # The lowest survivor is added to all actions at once: let it be the one that would need most steps.
            whole.append(_Word(tree, sorted(leaves, key=lambda leaf: -len(layout.ends(leaf.levels)))))
    words = [*whole, *pieces]
    coded = code_columns([word.tree for word in words], source)
    return CompiledEnsemble(
        coded.coding,
        _word_tables(words, coded),
        _leaf_tables(words, len(whole), initial, exponent, layout, grid.idle is not None),
        exponent,
        scale,
        bound,
    )


def _fixed(value: float, exponent: int) -> int:
    return round(math.ldexp(float(value), exponent))


def _fixed_point(trees: Sequence[Tree]) -> tuple[int, float, float]:
    """Exponent, scale and error bound.

    Every sum of leaf values stays below 2**53 in magnitude, so it is exact as an integer and as a float64; what remains
    is the rounding of each leaf (half a unit) and the rounding of the booster's own float64 sum.
    """
    scale = math.fsum(float(np.abs(tree.leaf_value).max()) for tree in trees)
    if scale == 0.0:
        return 0, 0.0, 0.0
    if not math.isfinite(scale * (len(trees) + 4)):
        raise KernelError(
            f"The leaf values add up to {scale!r}: too large for exact sums.",
            column="booster",
            mend="Rescale the target.",
        )
    exponent = min(52 - math.frexp(scale)[1], 1000)  # frexp: scale < 2**e, which leaves one bit for the half units
    leaf_rounding = len(trees) * math.ldexp(0.5, -exponent)
    float_sum = 1.01 * (len(trees) + 6) * 2.0**-53 * scale  # the sum and its weight
    return exponent, scale, leaf_rounding + float_sum


def _word_tables(words: Sequence[_Word], coded: CodedColumns) -> WordTables:
    n_blocks = -(-len(words) // WORDS_PER_BLOCK)
    n_rows = int(coded.n_rows.sum())
    line_of_row = np.zeros((n_blocks, n_rows), dtype=np.int32)
    column_start, columns = [0], []
    lines: list[NDArray[np.uint64]] = []
    n_lines = 0
    for block in range(n_blocks):
        inside = words[block * WORDS_PER_BLOCK : (block + 1) * WORDS_PER_BLOCK]
        per_column: dict[int, NDArray[np.uint64]] = {}
        padding = np.full(WORDS_PER_BLOCK, _EVERY_LEAF, dtype=np.uint64)
        padding[len(inside) :] = 0  # no leaf, no contribution
        for slot, word in enumerate(inside):
            padding[slot] = (1 << len(word.leaves)) - 1
            for node, (left, right) in _sides(word).items():
                feature = int(word.tree.feature[node])
                at = coded.position[feature, bool(word.tree.categorical[node])]
                if at not in per_column:
                    per_column[at] = np.full((int(coded.n_rows[at]), WORDS_PER_BLOCK), _EVERY_LEAF, dtype=np.uint64)
                goes = left_rows(word.tree, node, coded.values[at])
                per_column[at][:, slot] &= np.where(goes, np.uint64(_EVERY_LEAF ^ right), np.uint64(_EVERY_LEAF ^ left))
        for rank, at in enumerate(sorted(per_column)):
            rows = per_column[at] & padding if rank == 0 else per_column[at]
            distinct, line = _distinct_rows(rows)
            first = int(coded.first_row[at])
            line_of_row[block, first : first + len(rows)] = n_lines + line
            lines.append(distinct)
            columns.append(at)
            n_lines += len(distinct)
        column_start.append(len(columns))
    return WordTables(
        np.array(column_start, dtype=np.int64),
        np.array(columns, dtype=np.int64),
        line_of_row,
        np.concatenate([np.zeros((0, WORDS_PER_BLOCK), dtype=np.uint64), *lines]),
    )


def _sides(word: _Word) -> dict[int, tuple[int, int]]:
    """Context node -> bit sets of the word's leaves under its left and right child."""
    sides: dict[int, tuple[int, int]] = {}
    for bit, leaf in enumerate(word.leaves):
        for node, went_left in leaf.path:
            left, right = sides.get(node, (0, 0))
            sides[node] = (left | 1 << bit, right) if went_left else (left, right | 1 << bit)
    return sides


def _distinct_rows(rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Distinct rows and the position of each row among them."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    return rows[first], np.asarray(inverse, dtype=np.int64).ravel()


def _add_box(cells: NDArray[np.int64], layout: CellLayout, leaf: Leaf, value: int) -> None:
    lanes = np.unpackbits(layout.lanes(leaf.levels), bitorder="little").astype(np.int64)
    for cell, sign in layout.ends(leaf.levels):
        cells[cell : cell + len(lanes)] += sign * value * lanes
    if leaf.idle:
        cells[-1] += value


def _leaf_tables(
    words: Sequence[_Word],
    n_whole: int,
    initial: NDArray[np.int64],
    exponent: int,
    layout: CellLayout,
    idle: bool,
) -> LeafTables:
    n_words = -(-len(words) // WORDS_PER_BLOCK) * WORDS_PER_BLOCK
    step = np.zeros((n_words * _LEAVES_PER_WORD, 2), dtype=np.int64)
    further = np.zeros(len(step), dtype=np.int64)
    boxes = {
        levels: number
        for number, levels in enumerate(dict.fromkeys(leaf.levels for word in words for leaf in word.leaves))
    }
    joined = [[_pairs(layout.ends(levels), layout, copy) for copy in range(COPIES)] for levels in boxes]
    lanes = np.array([layout.lanes(levels) for levels in boxes], dtype=np.uint8).reshape(len(boxes), layout.n_vectors)
    gathered = sum(len(copies[0]) for copies in joined) < _WORTH_GATHERING * _further_survivors(words, n_whole)
    pairs: list[tuple[int, int]] = []
    if gathered:
        pairs = [(box, end) for box, copies in enumerate(joined) for end in copies[box % COPIES]]
    box_of_leaf = np.zeros(len(step), dtype=np.int64)
    for index, word in enumerate(words):
        for bit, leaf in enumerate(word.leaves):
            slot, box = index * _LEAVES_PER_WORD + bit, boxes[leaf.levels]
            ends = joined[box][(index + bit) % COPIES]
            where = box if gathered else _step(ends, lanes[box])
            where -= leaf.idle << 63  # the sign, so that a shift makes a mask of it
            step[slot] = _fixed(word.tree.leaf_value[leaf.number], exponent), where
            box_of_leaf[slot] = box
            if not gathered:
                further[slot] = len(pairs) << 32 | len(ends) - 1
                pairs += [(slot, end) for end in ends[1:]]
    cell_of_action = layout.cell_of_action()
    return LeafTables(
        step=step,
        further=further,
        pair=np.array(pairs, dtype=np.int64).reshape(-1, 2),
        lanes=lanes if gathered else lanes[box_of_leaf],
        initial=initial,
        run_shape=np.array(layout.run_shape, dtype=np.int64),
        cell_of_action=np.append(cell_of_action, len(initial) - 1) if idle else cell_of_action,
        n_whole=n_whole,
        n_words=n_words,
        n_boxes=len(boxes) if gathered else 0,
    )


def _further_survivors(words: Sequence[_Word], n_whole: int) -> float:
    """Leaves that survive beside the lowest of each whole tree, if every node of the context parted accounts in two."""
    return sum(2.0 ** -len(leaf.path) for word in words for leaf in word.leaves) - n_whole


def _pairs(ends: list[tuple[int, int]], layout: CellLayout, copy: int) -> list[int]:
    """Beginnings of a box joined with its ends, two in a number; spare cells stand in where there is none.

    Nearly every box has one beginning and one end at most. Adding at both always, the kernel need not guess how many
    there are. Half of the beginnings lie in the first row, and half of the ends nowhere: each has ``COPIES`` rows, of
    which leaves side by side take different ones. First come the cells, then the spare rows, then the further copies
    of the first row.
    """
    row = LANES * layout.n_vectors
    spare = layout.n_cells + copy * row
    first = layout.n_cells + (COPIES + copy - 1) * row if copy else 0
    begins, closes = ([cell or first for cell, sign in ends if sign == wanted] for wanted in (1, -1))
    joined = list(zip_longest(begins, closes, fillvalue=spare)) or [(spare, spare)]
    return [close << _CELL_BITS | begin for begin, close in joined]


def _step(ends: list[int], lanes: NDArray[np.uint8]) -> int:
    """Where a leaf adds: first beginning and end, lanes of the first vector, whether there are more."""
    return ends[0] | int(lanes[0]) << 2 * _CELL_BITS | int(len(ends) > 1) << 2 * _CELL_BITS + LANES
