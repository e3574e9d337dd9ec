"""Frames of other libraries as pandas frames."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from recommender.errors import InvalidInput
from recommender.frames import on_numpy

__all__ = ["as_frame"]


def as_frame(table: Any) -> pd.DataFrame:
    """A pandas frame of a table of another library: Polars, Arrow, DuckDB, whatever speaks the Arrow C stream.

    Raises
    ------
    InvalidInput
        For an object that is no table.
    """
    if isinstance(table, pd.DataFrame):
        return _off_arrow(table)
    if hasattr(table, "collect") and not hasattr(table, "__arrow_c_stream__"):  # a lazy frame
        table = table.collect()
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table).to_pandas()
    if hasattr(table, "to_pandas"):
        return table.to_pandas()
    raise InvalidInput(
        f"A table must be a frame of pandas, Polars, Arrow or DuckDB; got {type(table).__name__}.",
        column="table",
        mend="Read it first, e.g. pd.read_parquet(path).",
    )


def _off_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its Arrow-backed columns as pandas' own; whole numbers beside nulls keep their digits."""
    if not any(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes):
        return frame
    columns = []
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if isinstance(column.dtype, pd.ArrowDtype):
            whole = column.dtype.kind in "iu" and column.hasnans
            column = column.astype("UInt64" if column.dtype.kind == "u" else "Int64") if whole else on_numpy(column)
        columns.append(column)
    return pd.concat(columns, axis=1)
