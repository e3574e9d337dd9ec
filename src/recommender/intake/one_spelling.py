"""A column of words in the one spelling of a table's reading."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recommender.intake.canonical import TableReading
from recommender.intake.cell_texts import is_text
from recommender.tables import fields

__all__ = ["one_spelling"]


def one_spelling(cells: pd.Series, table: str, name: str) -> pd.Series:
    """Cells of a column of words in the one spelling of :class:`TableReading`; further text without outer blanks."""
    kind = fields(table)[name].kind if name in fields(table) else None
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(cells.cat.categories.dtype)
    if not is_text(cells) and not (kind == "country" and pd.api.types.is_integer_dtype(cells.dtype)):
        return cells
    if kind in ("country", "zone", "currency", "channels", "flags", "level", "language", "subdivision"):
        return TableReading(table).read(cells.to_frame(name))[name]
    if kind not in (None, "text"):
        return cells
    words = pa.array(cells, type=pa.large_string(), from_pandas=True) if _all_texts(cells) else None
    if words is None or not pc.any(pc.match_substring_regex(words, r"^\s|\s$")).as_py():
        return cells
    return cells.astype("str").str.strip()


def _all_texts(cells: pd.Series) -> bool:
    return isinstance(cells.dtype, pd.StringDtype) or pd.api.types.infer_dtype(cells, skipna=True) == "string"
