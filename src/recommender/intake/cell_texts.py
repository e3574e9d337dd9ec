"""Which cells of a column are text, and which of them are not written in the usual way."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.intake.encodings import wrongly_encoded

__all__ = ["is_text", "odd_texts", "undecoded"]


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
