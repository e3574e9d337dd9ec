"""Five operations that numba has no function for, as vector instructions of the machine at hand.

Only compiled functions can use them; offsets count elements from the start of each (contiguous) array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .machine_code import instruction

__all__ = ["add_line", "add_to_lanes", "and_lines", "count_bits", "lowest_bit"]


@instruction
def lowest_bit(word: np.uint64) -> int:  # type: ignore[empty-body]
    """Position of the lowest set bit."""


@instruction
def count_bits(word: np.uint64) -> int:  # type: ignore[empty-body]
    """Number of set bits."""


@instruction
def and_lines(
    words: NDArray[np.uint64],
    line_of_row: NDArray[np.int32],
    line_offset: int,
    rows: NDArray[np.int32],
    row_offset: int,
    column: NDArray[np.int64],
    begin: int,
    end: int,
    out: NDArray[np.uint64],
    out_offset: int,
) -> None:
    """``out[out_offset:][:8] = AND over position in [begin, end) of words[line_of_row[rows[column[position]]]]``."""


@instruction
def add_line(cells: NDArray[np.int64], target: int, source: int) -> None:
    """``cells[target:][:8] += cells[source:][:8]``."""


@instruction
def add_to_lanes(cells: NDArray[np.int64], offset: int, lanes: np.uint8, amount: np.int64) -> None:
    """``cells[offset + lane] += amount`` for the lanes whose bit is set."""
