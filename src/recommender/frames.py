"""Tables of any kind as pandas frames with one dtype for each kind of cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.errors import InvalidInput
from recommender.quiet import warnings_ignored

__all__ = ["as_arrow", "as_frame", "on_numpy", "texts_at"]

_EXACT_INTEGERS = 2**53  # up to here a float holds every whole number


def as_frame(table: Any, *, argument: str) -> pd.DataFrame:
    """A table as a pandas frame with text as column names, rows 0..n-1 and one dtype for each kind of cell.

    Nullable and Arrow-backed columns become what NumPy-backed frames hold, so that what is learnt does not depend on
    the kind of frame; columns that are so already are shared, not copied.

    Parameters
    ----------
    table : DataFrame, sequence of mappings, or anything with the Arrow interface (Polars, Arrow, DuckDB)
        A lazy frame is collected.
    argument : str
        What the caller calls it, for the error.

    Raises
    ------
    InvalidInput
        For anything else, and where two columns have one name as text.
    """
    if hasattr(table, "collect") and not hasattr(table, "__arrow_c_stream__"):  # a lazy frame
        table = table.collect()
    if isinstance(table, pd.DataFrame):
        frame = _frame_on_numpy(table.reset_index(drop=True))
    elif hasattr(table, "__arrow_c_stream__"):
        frame = pd.DataFrame.from_arrow(table)
    elif isinstance(table, list | tuple) and table and all(isinstance(one, Mapping) for one in table):
        frame = Columns.of(table).to_frame()
    else:
        raise InvalidInput(
            f"{argument} must be a table; got {type(table).__name__}.",
            column=argument,
            mend="Pass a pandas, Polars or Arrow frame, or a list of mappings of column to value.",
        )
    if all(isinstance(name, str) for name in frame.columns):
        return frame
    frame = frame.rename(columns=str)
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise InvalidInput(
            f"{argument} has several columns that are called {twice[0]!r} as text.",
            column=twice[0],
            mend="Rename one of them.",
        )
    return frame


def _frame_on_numpy(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its nullable and Arrow-backed columns as NumPy-backed frames hold them."""
    if not any(map(_is_nullable, frame.dtypes)):
        return frame
    columns = [on_numpy(frame.iloc[:, position]) for position in range(frame.shape[1])]
    return pd.concat(columns, axis=1)


def _is_nullable(dtype: Any) -> bool:
    """Whether a dtype marks what is missing beside its values: of pandas' own, or of Arrow."""
    if isinstance(dtype, pd.StringDtype):
        return dtype.na_value is pd.NA
    return isinstance(dtype, pd.ArrowDtype) or hasattr(dtype, "numpy_dtype")


def on_numpy(column: pd.Series) -> pd.Series:
    """A nullable or Arrow-backed column as a NumPy-backed frame holds it, any other as it is.

    Whole numbers that no float can hold beside a null stay as they are.
    """
    dtype: Any = column.dtype
    if not _is_nullable(dtype):
        return column
    if isinstance(dtype, pd.StringDtype):
        return column.astype("str")
    if dtype.kind in "biuf" and not column.hasnans:
        return column.astype(dtype.numpy_dtype)
    if dtype.kind in "iu" and column.dropna().abs().gt(_EXACT_INTEGERS).any():
        return column
    if dtype.kind in "iuf":
        numbers = column.to_numpy(dtype=np.float32 if dtype.numpy_dtype == np.float32 else np.float64, na_value=np.nan)
        return pd.Series(numbers, index=column.index, name=column.name)
    if dtype.kind == "b":
        return pd.Series(
            column.to_numpy(dtype=object, na_value=None), dtype=object, index=column.index, name=column.name
        )
    plain = pa.chunked_array(pa.array(column)).to_pandas()
    return plain.set_axis(column.index).rename(column.name)


def as_arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """A frame as an Arrow table without its index.

    Parameters
    ----------
    frame : DataFrame
    schema : Schema, optional
        Default: as the columns are.
    """
    # pyarrow 25 asks instants for Series.values, which pandas 3.1 is about to change; nothing is lost by it.
    with warnings_ignored(DeprecationWarning, "Series.values returning"):
        return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)


def texts_at(texts: Sequence[str | None], codes: NDArray[np.integer[Any]]) -> pd.api.extensions.ExtensionArray:
    """Texts by their position, missing at -1: a column of few texts and many rows, without an object a row.

    Parameters
    ----------
    texts : sequence of str or None
    codes : ndarray of int of shape (n,)

    Returns
    -------
    ExtensionArray of dtype str, shape (n,)

    Examples
    --------
    >>> texts_at(["call", None], np.array([0, 0, 1, -1])).tolist()
    ['call', 'call', nan, nan]
    """
    return pd.array(pa.array(texts, type=pa.large_string()), dtype="str").take(codes, allow_fill=True)
