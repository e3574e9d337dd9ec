"""Text that was decoded in another encoding than it was written in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["text_of_bytes", "wrongly_encoded"]

_MOJIBAKE_SIGNS = "[\u0080-\u009f\u00c2\u00c3\u00e2\ufffd\u0000]"


def text_of_bytes(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with UTF-8 bytes read as the text they are; other bytes stay, and are faults.

    Parquet written without the mark of text (Impala, older Spark) reaches pandas as bytes.
    """
    columns = {
        name: column.map(_decoded)
        for name, column in frame.items()
        if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in ("bytes", "mixed")
    }
    return frame.assign(**columns) if columns else frame


def _decoded(cell: object) -> object:
    if not isinstance(cell, bytes | bytearray):
        return cell
    try:
        return bytes(cell).decode("utf-8")
    except UnicodeDecodeError:
        return cell


def wrongly_encoded(column: pd.Series) -> NDArray[np.bool_]:
    """Where text holds bytes, NULs, replacement characters, or UTF-8 that was read as Latin-1."""
    column = column.reset_index(drop=True)
    nothing = np.zeros(len(column), dtype=bool)
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return nothing
    if column.dtype == object:
        kind = pd.api.types.infer_dtype(column, skipna=True)
        if kind in ("datetime", "date", "decimal", "integer", "floating", "boolean", "empty"):
            return nothing
        if kind != "string":
            is_bytes: NDArray[np.bool_] = column.map(lambda cell: isinstance(cell, bytes | bytearray)).to_numpy(
                dtype=bool
            )
            text = column.where(column.map(lambda cell: isinstance(cell, str)), None)
            return is_bytes | wrongly_encoded(text.astype("str")) if text.notna().any() else is_bytes
    words = pa.array(column, type=pa.large_string(), from_pandas=True)
    suspect = np.asarray(
        pc.fill_null(pc.match_substring_regex(words, _MOJIBAKE_SIGNS), fill_value=False).to_numpy(zero_copy_only=False),
        dtype=bool,
    )
    if suspect.any():
        rows = np.flatnonzero(suspect)
        suspect[rows] = [_is_mojibake(str(text)) for text in column.iloc[rows]]
    return suspect


def _is_mojibake(text: str) -> bool:
    if "\ufffd" in text or "\x00" in text:
        return True
    for codec in ("cp1252", "latin-1"):
        try:
            return text.encode(codec).decode("utf-8") != text
        except UnicodeError:
            continue
    return any("\u0080" <= sign <= "\u009f" for sign in text)
