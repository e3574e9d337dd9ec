"""The compiled inner loops. Only integers are added up, so neither the order of a sum nor the threads can matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .coding import FeatureCoding
from .compilation import COPIES, LeafTables, WordTables
from .machine_code import compiled
from .packing import unit_of, unpack_coding, unpack_leaves, unpack_words
from .vector import add_line, add_to_lanes, and_lines, count_bits, lowest_bit

__all__ = ["ROWS_PER_PASS", "score_rows"]

ROWS_PER_PASS = 256  # what is kept between the stages for so many rows stays in the L2 cache

_ONE = np.uint64(1)
_CELL = np.int64((1 << 24) - 1)  # a cell's number, of the two in a word


@compiled
def score_rows(
    X: NDArray[np.float64],
    packed: NDArray[np.int64],
    mask: NDArray[np.bool_],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    given: bool,
) -> None:
    """Score every action of every row.

    Parameters
    ----------
    X : ndarray of shape (n, n_context_columns)
    packed : ndarray
        The tables, from :func:`~.packing.pack`.
    mask : ndarray of shape (n, n_actions), (1, n_actions) or (0, n_actions), dtype bool
        Allowed actions; one row holds for all, no row allows all.
    ids : ndarray of shape (n, k)
        Best actions (out); k = 0 asks for all scores instead.
    scores : ndarray of shape (n, k) or (n, n_actions)
        Their scores (out).
    given : bool
        ``ids`` are the actions asked about, and not those to be chosen.
    """
    unit = unit_of(packed)
    coding, tables, leaves = unpack_coding(packed), unpack_words(packed), unpack_leaves(packed)
    n = X.shape[0]
    n_columns = coding.numeric_source.shape[0] + coding.category_source.shape[0]
    k = ids.shape[1]
    n_actions = mask.shape[1]
    size = min(n, ROWS_PER_PASS)
    rows = np.empty((size, n_columns), np.int32)
    alive = _aligned(size * leaves.n_words).view(np.uint64).reshape((size, leaves.n_words))
    base = np.empty(leaves.n_words, np.int64)
    listed = np.empty(64 * leaves.n_words + 8, np.int32)
    further = np.empty(64 * leaves.n_words + 1, np.int32)
    pairs = np.empty(leaves.pair.shape[0] + 4, np.int32)
    gathered = np.empty(leaves.n_boxes, np.int64)
    cells = _aligned(leaves.initial.shape[0])
    best = np.empty(k, np.int64)
    for start in range(0, n, ROWS_PER_PASS):
        stop = min(start + ROWS_PER_PASS, n)
        _code(X, start, stop, coding, rows)
        _survive(stop - start, tables, rows, alive)
        for at in range(start, stop):
            _add_up(alive[at - start], leaves, base, listed, further, pairs, gathered, cells)
            if k == 0:
                for action in range(n_actions):
                    scores[at, action] = cells[leaves.cell_of_action[action]] * unit
            elif given:
                for position in range(k):
                    scores[at, position] = cells[leaves.cell_of_action[ids[at, position]]] * unit
            else:
                _select(cells, leaves.cell_of_action, mask, at, unit, best, ids[at], scores[at])


@compiled
def _aligned(n: int) -> NDArray[np.int64]:
    """Room for n words from the beginning of a cache line on: a vector across two lines costs several times as much."""
    room = np.empty(n + 8, np.int64)
    first = -(room.ctypes.data >> 3) & 7
    return room[first : first + n]


@compiled
def _code(X: NDArray[np.float64], start: int, stop: int, coding: FeatureCoding, rows: NDArray[np.int32]) -> None:
    """Turn raw values into rows of the coding."""
    tiny = np.float64(np.float32(1e-35))
    n_numeric = coding.numeric_source.shape[0]
    for column in range(n_numeric):
        source = coding.numeric_source[column]
        offset = coding.threshold_start[column] - 1
        top = coding.threshold_half[column]
        first = coding.numeric_first_row[column]
        zero = coding.numeric_zero_row[column]
        missing = coding.numeric_nan_row[column]
        for at in range(start, stop):
            x = X[at, source]
            below = 0
            half = top
            while half > 0:
                below += half * np.int64(coding.threshold[offset + below + half] < x)
                half >>= 1
            row = first + below
            if abs(x) <= tiny:
                row = zero
            if x != x:
                row = missing
            rows[at - start, column] = row
    for column in range(coding.category_source.shape[0]):
        source = coding.category_source[column]
        offset = coding.category_start[column]
        length = coding.category_length[column]
        other = coding.category_other_row[column]
        for at in range(start, stop):
            x = X[at, source]
            row = other
            if x > -1.0 and x < length:  # NaN fails both; truncation makes -0.5 category 0, as LightGBM does
                row = np.int64(coding.category_row[offset + np.int64(x)])
            rows[at - start, n_numeric + column] = row


@compiled
def _survive(n: int, tables: WordTables, rows: NDArray[np.int32], alive: NDArray[np.uint64]) -> None:
    """Leaves that the context leaves alive: blocks outside, accounts inside, eight trees in one register."""
    n_rows = tables.line_of_row.shape[1]
    for block in range(tables.column_start.shape[0] - 1):
        begin = tables.column_start[block]
        end = tables.column_start[block + 1]
        for at in range(n):
            and_lines(
                tables.words,
                tables.line_of_row,
                block * n_rows,
                rows,
                at * rows.shape[1],
                tables.column,
                begin,
                end,
                alive,
                at * alive.shape[1] + 8 * block,
            )


@compiled
def _list_leaves(
    alive: NDArray[np.uint64], leaves: LeafTables, base: NDArray[np.int64], listed: NDArray[np.int32]
) -> tuple[np.int64, np.int64]:
    """List the survivors but the lowest of each whole tree; return the sum of those, and how many are listed.

    How many leaves survive is as good as random, and a wrong guess of the processor costs more than writing eight
    places every time, of which the next word overwrites those in excess.
    """
    every = np.int64(0)
    n_listed = np.int64(0)
    for word in range(leaves.n_words):
        left = alive[word]
        common = np.int64(0)
        if word < leaves.n_whole:
            common = leaves.step[64 * word + lowest_bit(left), 0]
            left &= left - _ONE
        every += common
        base[word] = common
        n = count_bits(left)
        for at in range(8):
            listed[n_listed + at] = 64 * word + lowest_bit(left)
            left &= left - _ONE
        for at in range(8, n):
            listed[n_listed + at] = 64 * word + lowest_bit(left)
            left &= left - _ONE
        n_listed += np.int64(n)
    return every, n_listed


@compiled
def _list_pairs(n_further: int, leaves: LeafTables, further: NDArray[np.int32], pairs: NDArray[np.int32]) -> int:
    """List further beginnings and ends of boxes, four at a time, in the same way; return how many there are."""
    n_pairs = 0
    for which in range(n_further):
        span = leaves.further[further[which]]
        first, n = span >> 32, span & 0xFFFFFFFF
        for at in range(4):
            pairs[n_pairs + at] = first + at
        for at in range(4, n):
            pairs[n_pairs + at] = first + at
        n_pairs += n
    return n_pairs


@compiled
def _add_leaves(
    leaves: LeafTables,
    n_listed: np.int64,
    base: NDArray[np.int64],
    listed: NDArray[np.int32],
    further: NDArray[np.int32],
    pairs: NDArray[np.int32],
    cells: NDArray[np.int64],
) -> np.int64:
    """Add every listed leaf to the cells of its box; return what they add to the idle action."""
    step, pair, lanes = leaves.step, leaves.pair, leaves.lanes
    none = np.int64(0)
    n_further = 0
    for at in range(n_listed):
        leaf = np.int64(listed[at])
        more = step[leaf, 0] - base[leaf >> 6]
        where = step[leaf, 1]
        none += more & (where >> 63)
        bits = np.uint8((where >> 48) & 255)
        add_to_lanes(cells, where & _CELL, bits, more)
        add_to_lanes(cells, (where >> 24) & _CELL, bits, -more)
        further[n_further] = leaf
        n_further += (where >> 56) & 1
    n_pairs = _list_pairs(n_further, leaves, further, pairs)
    for at in range(n_pairs):
        leaf, where = pair[pairs[at], 0], pair[pairs[at], 1]
        more = step[leaf, 0] - base[leaf >> 6]
        add_to_lanes(cells, where & _CELL, lanes[leaf, 0], more)
        add_to_lanes(cells, where >> 24, lanes[leaf, 0], -more)
    for vector in range(1, lanes.shape[1]):
        for at in range(n_listed):
            leaf = np.int64(listed[at])
            more = step[leaf, 0] - base[leaf >> 6]
            where = step[leaf, 1]
            add_to_lanes(cells, (where & _CELL) + 8 * vector, lanes[leaf, vector], more)
            add_to_lanes(cells, ((where >> 24) & _CELL) + 8 * vector, lanes[leaf, vector], -more)
        for at in range(n_pairs):
            leaf, where = pair[pairs[at], 0], pair[pairs[at], 1]
            more = step[leaf, 0] - base[leaf >> 6]
            add_to_lanes(cells, (where & _CELL) + 8 * vector, lanes[leaf, vector], more)
            add_to_lanes(cells, (where >> 24) + 8 * vector, lanes[leaf, vector], -more)
    return none


@compiled
def _add_boxes(
    leaves: LeafTables,
    n_listed: np.int64,
    base: NDArray[np.int64],
    listed: NDArray[np.int32],
    gathered: NDArray[np.int64],
    cells: NDArray[np.int64],
) -> np.int64:
    """Sum the listed leaves by box, then add each box to its cells; return what they add to the idle action."""
    step, pair, lanes = leaves.step, leaves.pair, leaves.lanes
    none = np.int64(0)
    gathered[:] = 0
    for at in range(n_listed):
        leaf = np.int64(listed[at])
        more = step[leaf, 0] - base[leaf >> 6]
        where = step[leaf, 1]
        none += more & (where >> 63)
        gathered[where & _CELL] += more
    for at in range(pair.shape[0]):
        box, where = pair[at, 0], pair[at, 1]
        more = gathered[box]
        for vector in range(lanes.shape[1]):
            add_to_lanes(cells, (where & _CELL) + 8 * vector, lanes[box, vector], more)
            add_to_lanes(cells, (where >> 24) + 8 * vector, lanes[box, vector], -more)
    return none


@compiled
def _add_up(
    alive: NDArray[np.uint64],
    leaves: LeafTables,
    base: NDArray[np.int64],
    listed: NDArray[np.int32],
    further: NDArray[np.int32],
    pairs: NDArray[np.int32],
    gathered: NDArray[np.int64],
    cells: NDArray[np.int64],
) -> None:
    """Sum the surviving leaves into one score a cell."""
    row = 8 * leaves.lanes.shape[1]
    n_cells = cells.shape[0] - (2 * COPIES - 1) * row - 1
    every, n_listed = _list_leaves(alive, leaves, base, listed)
    cells[:] = leaves.initial
    if gathered.shape[0] > 0:
        none = _add_boxes(leaves, n_listed, base, listed, gathered, cells)
    else:
        none = _add_leaves(leaves, n_listed, base, listed, further, pairs, cells)
    for copy in range(n_cells + COPIES * row, cells.shape[0] - 1, row):
        for cell in range(0, row, 8):
            add_line(cells, cell, copy + cell)
    for cell in range(row):
        cells[cell] += every
    cells[-1] += every + none
    inner = n_cells
    for factor in range(leaves.run_shape.shape[0]):
        span = inner
        inner = span // leaves.run_shape[factor]
        for outer in range(0, n_cells, span):
            for cell in range(outer + inner, outer + span, 8):
                add_line(cells, cell, cell - inner)


@compiled
def _select(
    cells: NDArray[np.int64],
    cell_of_action: NDArray[np.int64],
    mask: NDArray[np.bool_],
    at: int,
    unit: float,
    best: NDArray[np.int64],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None:
    """Best allowed actions, the lowest index first among equals."""
    k = ids.shape[0]
    masked = mask.shape[0] > 0
    mask_row = at if mask.shape[0] > 1 else 0
    n_filled = 0
    for action in range(cell_of_action.shape[0]):
        if masked and not mask[mask_row, action]:
            continue
        score = cells[cell_of_action[action]]
        if n_filled == k:
            if score <= best[k - 1]:
                continue
            position = k - 1
        else:
            position = n_filled
            n_filled += 1
        while position > 0 and best[position - 1] < score:
            best[position] = best[position - 1]
            ids[position] = ids[position - 1]
            position -= 1
        best[position] = score
        ids[position] = action
    for position in range(k):
        if position < n_filled:
            scores[position] = best[position] * unit
        else:
            ids[position] = -1
            scores[position] = np.nan
