"""Which cells of a column are text, and which of them are not written in the usual way."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.intake.encodings import wrongly_encoded

__all__ = ["flat_cell", "is_text", "odd_texts", "undecoded"]


def flat_cell(value: Any) -> Any:
    """What a cell holds as one value: lists of texts joined by semicolons, whatever else holds values as JSON text.

    Examples
    --------
    >>> flat_cell(["a", "b"]), flat_cell({"n": 1}), flat_cell(b"x"), flat_cell(2.5)
    ('a;b', '{"n": 1}', 'x', 2.5)
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ";".join(value)
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list | tuple) else value


def undecoded(cells: pd.Series) -> NDArray[np.bool_]:
    """Where ids hold what is no text."""
    return wrongly_encoded(cells) if is_text(cells) else np.zeros(len(cells), dtype=bool)


def is_text(cells: pd.Series) -> bool:
    """Whether cells are text, or whatever an object may be."""
    return cells.dtype == object or isinstance(cells.dtype, pd.StringDtype)


def odd_texts(cells: pd.Series, usual: str) -> list[str]:
    """Distinct texts of a column that are not written in the usual way."""
    text = cells.dropna()
    if text.dtype == object:
        text = text[text.map(lambda value: isinstance(value, str))]
    text = text.astype("str")
    odd = text[~text.str.match(usual).to_numpy(dtype=bool)]
    return [value for value in odd.unique().tolist() if value.strip()]
