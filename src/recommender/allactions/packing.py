"""All tables of a scorer in one array, so that a call hands over one argument instead of twenty-six.

Each array argument of a compiled function is checked and wrapped anew at every call, a quarter of a microsecond apiece
inside tuples: for one account that would cost more than its scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coding import FeatureCoding
from .compilation import CompiledEnsemble, LeafTables, WordTables
from .machine_code import compiled

__all__ = ["on_cache_lines", "pack", "unit_of", "unpack_coding", "unpack_leaves", "unpack_words"]

_WORDS_PER_LINE = 8  # each table begins on a cache line of its own

# A table has a place in the head: first word, number of rows, length of a row.
_HEAD = 3
_CODING, _WORDS, _LEAVES = 1, 1 + len(FeatureCoding._fields), 1 + len(FeatureCoding._fields + WordTables._fields)


def pack(ensemble: CompiledEnsemble, unit: float) -> NDArray[np.int64]:
    """Write the tables behind each other.

    Parameters
    ----------
    ensemble : CompiledEnsemble
    unit : float
        Value of one fixed-point unit.

    Returns
    -------
    ndarray of 64-bit words
        A head that says where each table lies, then the tables.
    """
    tables = [np.asarray(table) for table in (unit, *ensemble.coding, *ensemble.words, *ensemble.leaves)]
    start = _lines(_HEAD * len(tables))
    head: list[int] = []
    for table in tables:
        head += [start, table.shape[0] if table.ndim else 1, table.shape[1] if table.ndim > 1 else 1]
        start += _lines(-(-table.nbytes // 8))
    packed = on_cache_lines(np.zeros(start, dtype=np.int64))
    packed[: len(head)] = head
    for first, table in zip(head[::_HEAD], tables, strict=True):
        flat = np.ascontiguousarray(table).ravel()
        packed[first:].view(flat.dtype)[: flat.size] = flat
    return packed


def on_cache_lines(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the words, copied where they do not begin a cache line or may not be written.

    A vector across two lines is read at twice the cost; to numba an array that is read-only is another type, worth
    another compilation.
    """
    line = 8 * _WORDS_PER_LINE
    if packed.flags.carray and packed.ctypes.data % line == 0:
        return packed
    room = np.empty(len(packed) + _WORDS_PER_LINE, dtype=np.int64)
    first = -(room.ctypes.data // 8) % _WORDS_PER_LINE
    room[first : first + len(packed)] = packed
    return room[first : first + len(packed)]


def _lines(n_words: int) -> int:
    return -(-n_words // _WORDS_PER_LINE) * _WORDS_PER_LINE


@compiled
def unit_of(packed: NDArray[np.int64]) -> Any:
    """Value of one fixed-point unit."""
    return packed[packed[0] :].view(np.float64)[0]


@compiled
def _shape(packed: NDArray[np.int64], index: int) -> Any:
    return packed[_HEAD * index + 1], packed[_HEAD * index + 2]


@compiled
def _int64(packed: NDArray[np.int64], index: int) -> Any:
    first = packed[_HEAD * index]
    return packed[first : first + packed[_HEAD * index + 1]]


@compiled
def _float64(packed: NDArray[np.int64], index: int) -> Any:
    return _int64(packed, index).view(np.float64)


@compiled
def _int32(packed: NDArray[np.int64], index: int) -> Any:
    return packed[packed[_HEAD * index] :].view(np.int32)[: packed[_HEAD * index + 1]]


@compiled
def _int32_rows(packed: NDArray[np.int64], index: int) -> Any:
    n, width = _shape(packed, index)
    return packed[packed[_HEAD * index] :].view(np.int32)[: n * width].reshape((n, width))


@compiled
def _int64_rows(packed: NDArray[np.int64], index: int) -> Any:
    n, width = _shape(packed, index)
    return packed[packed[_HEAD * index] :][: n * width].reshape((n, width))


@compiled
def _uint64_rows(packed: NDArray[np.int64], index: int) -> Any:
    n, width = _shape(packed, index)
    return packed[packed[_HEAD * index] :].view(np.uint64)[: n * width].reshape((n, width))


@compiled
def _uint8_rows(packed: NDArray[np.int64], index: int) -> Any:
    n, width = _shape(packed, index)
    return packed[packed[_HEAD * index] :].view(np.uint8)[: n * width].reshape((n, width))


@compiled
def unpack_coding(packed: NDArray[np.int64]) -> Any:
    """Return the coding of context features as views."""
    at = _CODING
    return FeatureCoding(
        _int64(packed, at),
        _int64(packed, at + 1),
        _int64(packed, at + 2),
        _float64(packed, at + 3),
        _int64(packed, at + 4),
        _int64(packed, at + 5),
        _int64(packed, at + 6),
        _int64(packed, at + 7),
        _int64(packed, at + 8),
        _int64(packed, at + 9),
        _int32(packed, at + 10),
        _int64(packed, at + 11),
    )


@compiled
def unpack_words(packed: NDArray[np.int64]) -> Any:
    """Return the tables of surviving leaves as views."""
    at = _WORDS
    return WordTables(
        _int64(packed, at), _int64(packed, at + 1), _int32_rows(packed, at + 2), _uint64_rows(packed, at + 3)
    )


@compiled
def unpack_leaves(packed: NDArray[np.int64]) -> Any:
    """Return what leaves add as views."""
    at = _LEAVES
    return LeafTables(
        _int64_rows(packed, at),
        _int64(packed, at + 1),
        _int64_rows(packed, at + 2),
        _uint8_rows(packed, at + 3),
        _int64(packed, at + 4),
        _int64(packed, at + 5),
        _int64(packed, at + 6),
        _int64(packed, at + 7)[0],
        _int64(packed, at + 8)[0],
        _int64(packed, at + 9)[0],
    )
