"""Ids of several tables as whole numbers: text ids of millions of rows are compared and held as their rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake import id_keys

__all__ = ["IdCodes", "code_ids"]


@dataclass(frozen=True, eq=False)
class IdCodes:
    """Distinct ids, sorted; an id's code is its position.

    Attributes
    ----------
    ids : Index
        Integers, or text.
    """

    ids: pd.Index

    def original(self, codes: Any, *, whole: bool = False) -> pd.Series:
        """Ids of the given codes; null where a code is -1 or null; ``whole`` reads them as integers."""
        at = codes.to_numpy(dtype=np.int64, na_value=-1) if isinstance(codes, pd.Series) else np.asarray(codes)
        at = at.astype(np.int64, copy=False)
        missing = at < 0
        if not len(self.ids):
            return pd.Series([None] * len(at), dtype="str")
        taken = pd.Series(self.ids.take(np.maximum(at, 0))).reset_index(drop=True)
        taken = taken.astype("int64") if whole and not missing.any() else taken
        return taken.mask(missing) if missing.any() else taken

    def find(self, values: pd.Series) -> NDArray[np.int64]:
        """Code of each id, -1 where it is unknown."""
        if pd.api.types.is_integer_dtype(self.ids.dtype):
            numbers = pd.to_numeric(values, errors="coerce").astype("float64")
            values = numbers.where(numbers == numbers.round()).astype("Int64")
        else:
            values = values.astype("str").where(values.notna())
        # Arrow again: pandas would make an object of every id to look one up.
        positions = pc.index_in(pa.array(values, from_pandas=True), value_set=pa.array(self.ids), skip_nulls=True)
        return np.asarray(pc.fill_null(positions, -1).to_numpy(), dtype=np.int64)


def code_ids(columns: Sequence[pd.Series]) -> tuple[IdCodes, list[NDArray[np.int64]]]:
    """Code the ids of several columns together.

    Parameters
    ----------
    columns : sequence of Series
        All of integers (nullable or not), or all of text.

    Returns
    -------
    IdCodes
    list of ndarray of int64
        Codes of each column, -1 where an id is missing.
    """
    whole = all(pd.api.types.is_integer_dtype(column.dtype) for column in columns)
    kind = pa.int64() if whole else pa.large_string()
    pieces = [_chunks(column, kind) for column in columns]
    # Arrow hashes the bytes themselves: no Python object is made of an id. One table of the distinct ids, then one of
    # their ranks: a dictionary for every chunk of every column, unified afterwards, took four times the memory.
    distinct = pc.unique(pa.chunked_array([chunk for piece in pieces for chunk in piece], type=kind)).drop_null()
    one_spelling = None if whole else _one_spelling(distinct, pieces)
    if one_spelling is not None:
        pieces = [[one_spelling(chunk) for chunk in piece] for piece in pieces]
        distinct = pc.unique(one_spelling(distinct))
    distinct = distinct.take(pc.array_sort_indices(distinct))
    codes = [_ranks(piece, distinct) for piece in pieces]
    return IdCodes(pd.Index(pa.chunked_array([distinct]).to_pandas())), codes


def _one_spelling(distinct: pa.Array, pieces: Sequence[Sequence[pa.Array]]) -> Callable[[pa.Array], pa.Array] | None:
    """Function that writes ids with the zeros that any table has, where tables differ in them; None where none does.

    A table that itself tells ``7`` from ``007`` means two things: then ids stay as they are.
    """
    keys = pa.array(id_keys(distinct.to_pandas()), type=distinct.type)
    first = pc.unique(keys)
    if len(first) == len(distinct):
        return None
    at = pc.index_in(keys, value_set=first).to_numpy()
    for piece in pieces:
        pairs = np.unique(
            pc.index_in(
                pc.unique(pa.chunked_array(piece, type=distinct.type)).drop_null(), value_set=distinct
            ).to_numpy()
        )
        if len(np.unique(at[pairs])) < len(pairs):
            return None
    longest = np.argsort(-pc.utf8_length(distinct).to_numpy(zero_copy_only=False), kind="stable")
    of_key = longest[np.unique(at[longest], return_index=True)[1]]
    written = distinct.take(pa.array(of_key[at]))
    return lambda ids: written.take(pc.index_in(ids, value_set=distinct, skip_nulls=True))


def _ranks(chunks: Sequence[pa.Array], distinct: pa.Array) -> NDArray[np.int64]:
    """Position of each id among the distinct ones, -1 where an id is missing."""
    values = pa.chunked_array(chunks, type=distinct.type)
    positions = pc.index_in(values, value_set=distinct, skip_nulls=True)
    return np.asarray(pc.fill_null(positions, -1).to_numpy(), dtype=np.int64)


def _chunks(column: pd.Series, kind: pa.DataType) -> list[pa.Array]:
    chunk = pa.array(column, from_pandas=True)
    chunk = chunk.cast(kind) if chunk.type != kind else chunk
    return list(chunk.chunks) if isinstance(chunk, pa.ChunkedArray) else [chunk]
