"""The compiled inner loops. Only integers are added up, so neither the order of a sum nor the threads can matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.coding import FeatureCoding
from recommender.scoring.compilation import LeafTables, WordTables
from recommender.scoring.machine_code import compiled
from recommender.scoring.packing import unit_of, unpack_coding, unpack_leaves, unpack_words
from recommender.scoring.vector import add_to_lanes, and_lines, lowest_bit

__all__ = ["ROWS_PER_PASS", "score_rows"]

ROWS_PER_PASS = 256  # what is kept between the stages for so many rows stays in the L2 cache

_ONE = np.uint64(1)


@compiled
def score_rows(
    X: NDArray[np.float64],
    packed: NDArray[np.int64],
    mask: NDArray[np.bool_],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None:
    """Score every action of every row.

    Parameters
    ----------
    X : ndarray of shape (n, n_context_columns)
    packed : ndarray
        The tables, from :func:`~recommender.scoring.packing.pack`.
    mask : ndarray of shape (n, n_actions), (1, n_actions) or (0, n_actions), dtype bool
        Allowed actions; one row holds for all, no row allows all.
    ids : ndarray of shape (n, k)
        Best actions (out); k = 0 asks for all scores instead.
    scores : ndarray of shape (n, k) or (n, n_actions)
        Their scores (out).
    """
    unit = unit_of(packed)
    coding, tables, leaves = unpack_coding(packed), unpack_words(packed), unpack_leaves(packed)
    n = X.shape[0]
    n_columns = coding.numeric_source.shape[0] + coding.category_source.shape[0]
    n_cells = leaves.initial.shape[0] - 1
    k = ids.shape[1]
    n_actions = mask.shape[1]
    size = min(n, ROWS_PER_PASS)
    rows = np.empty((size, n_columns), np.int32)
    alive = np.empty((size, leaves.n_words), np.uint64)
    cells = np.empty(n_cells + 1, np.int64)
    best = np.empty(k, np.int64)
    for start in range(0, n, ROWS_PER_PASS):
        stop = min(start + ROWS_PER_PASS, n)
        _code(X, start, stop, coding, rows)
        _survive(stop - start, tables, rows, alive)
        for at in range(start, stop):
            _add_up(alive[at - start], leaves, cells)
            if k == 0:
                for action in range(n_actions):
                    scores[at, action] = cells[leaves.cell_of_action[action]] * unit
            else:
                _select(cells, leaves.cell_of_action, mask, at, unit, best, ids[at], scores[at])


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
def _add_up(alive: NDArray[np.uint64], leaves: LeafTables, cells: NDArray[np.int64]) -> None:
    """Sum the surviving leaves into one score a cell."""
    value, no_contact, lanes = leaves.value, leaves.no_contact, leaves.lanes
    end_start, end_cell, end_sign = leaves.end_start, leaves.end_cell, leaves.end_sign
    n_cells = cells.shape[0] - 1
    n_vectors = lanes.shape[1]
    cells[:] = leaves.initial
    every = np.int64(0)
    none = np.int64(0)
    for word in range(leaves.n_words):
        left = alive[word]
        common = np.int64(0)
        if word < leaves.n_whole:
            common = value[64 * word + lowest_bit(left)]
            every += common
            left &= left - _ONE
        while left != 0:
            leaf = 64 * word + lowest_bit(left)
            left &= left - _ONE
            more = value[leaf] - common
            none += more & no_contact[leaf]
            end, stop = end_start[leaf], end_start[leaf + 1]
            bits = lanes[leaf, 0]
            while end < stop:
                first = np.int64(end_cell[end])
                signed = more * end_sign[end]
                end += 1
                add_to_lanes(cells, first, bits, signed)
                for vector in range(1, n_vectors):
                    add_to_lanes(cells, first + 8 * vector, lanes[leaf, vector], signed)
    for cell in range(8 * n_vectors):
        cells[cell] += every
    cells[n_cells] += every + none
    inner = n_cells
    for factor in range(leaves.run_shape.shape[0]):
        span = inner
        inner = span // leaves.run_shape[factor]
        for outer in range(0, n_cells, span):
            for cell in range(outer + inner, outer + span):
                cells[cell] += cells[cell - inner]


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
    found = 0
    for action in range(cell_of_action.shape[0]):
        if masked and not mask[mask_row, action]:
            continue
        score = cells[cell_of_action[action]]
        if found == k:
            if score <= best[k - 1]:
                continue
            place = k - 1
        else:
            place = found
            found += 1
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            ids[place] = ids[place - 1]
            place -= 1
        best[place] = score
        ids[place] = action
    for place in range(k):
        if place < found:
            scores[place] = best[place] * unit
        else:
            ids[place] = -1
            scores[place] = np.nan
