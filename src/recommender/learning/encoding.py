"""Context columns as numbers: kinds and category lists are frozen at training and never inferred from a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import NUMBERS, Columns, as_floats
from recommender.errors import InvalidInput

__all__ = ["ColumnCode", "ContextEncoder"]

_MOST_CATEGORIES = 250  # trees read them as bit sets of 256


@dataclass(frozen=True)
class ColumnCode:
    """How one context column becomes a number.

    Attributes
    ----------
    name : str
    kind : {"number", "category"}
    categories : tuple of str
        Kept categories, most frequent first: code 1, 2, ...; code 0 is every other value, seen or not. Missing is NaN.
    range : (float, float) or None
        Smallest and largest finite number learnt from; None for categories, and where nothing was finite.
    """

    name: str
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()
    range: tuple[float, float] | None = None

    @cached_property
    def _code_of(self) -> dict[str, float]:
        return {category: float(code) for code, category in enumerate(self.categories, start=1)}

    def code(self, value: Any) -> float:
        """Code of a single value, as :class:`~recommender.columns.Coded` holds it."""
        if value is None:
            return np.nan
        return self._code_of.get(value if type(value) is str else _text(value), 0.0)


class ContextEncoder:
    """Turn context frames into a float64 matrix, one column a context column.

    Numbers stay as they are (booleans 0/1, dates days since 1970), categories become codes, missing is NaN.
    """

    def __init__(self, columns: tuple[ColumnCode, ...]) -> None:
        self.columns = columns

    @classmethod
    def fit(cls, context: pd.DataFrame, categorical: tuple[str, ...]) -> ContextEncoder:
        """Freeze the kind of each column and the categories frequent enough to learn from."""
        codes = []
        rare = 3 + len(context) // 20_000
        for name in context.columns:
            series = context[name]
            if name in categorical or not _is_number_like(series):
                counts = pd.Series(_as_text(series)).value_counts()
                # ties are broken by name, so that the coding does not depend on the order of the rows
                ranked = sorted(counts[counts >= rare].items(), key=lambda item: (-item[1], str(item[0])))
                kept = tuple(str(value) for value, _ in ranked[:_MOST_CATEGORIES])
                codes.append(ColumnCode(str(name), "category", kept))
            else:
                codes.append(ColumnCode(str(name), "number", range=_range(_numbers(series))))
        return cls(tuple(codes))

    @property
    def names(self) -> tuple[str, ...]:
        """Context columns, in the order of the matrix."""
        return tuple(column.name for column in self.columns)

    @property
    def categorical_positions(self) -> list[int]:
        """Positions of the matrix columns that hold category codes."""
        return [position for position, column in enumerate(self.columns) if column.kind == "category"]

    def transform(self, context: pd.DataFrame) -> NDArray[np.float64]:
        """Encode a frame.

        Parameters
        ----------
        context : DataFrame of shape (n, >= n_columns)
            Further columns are ignored.

        Returns
        -------
        ndarray of shape (n, n_columns)

        Raises
        ------
        InvalidInput
            When a column is missing, or a number column holds text that is not a number.
        """
        missing = [column.name for column in self.columns if column.name not in context]
        if missing:
            raise InvalidInput.missing_columns(missing, list(context.columns), role="context")
        matrix = np.empty((len(context), len(self.columns)), dtype=np.float64)
        columns = Columns({column.name: context[column.name] for column in self.columns}, len(context))
        self.fill(matrix, columns, range(len(self.columns)))
        return matrix

    def fill(self, matrix: NDArray[np.float64], columns: Columns, positions: Iterable[int]) -> None:
        """Encode some columns of a table that has them into their places of ``matrix``, shape (n, n_columns)."""
        listed = []
        read: Any = columns.value if len(columns) == 1 else columns.read  # numpy spreads a value as it takes an array
        for position in positions:
            column = self.columns[position]
            if column.kind == "category":
                matrix[:, position] = read(column.name, column.code, np.float64)
                continue
            source = columns.source(column.name)
            if isinstance(source, list):
                listed.append((position, source))
            elif isinstance(source, np.ndarray) and source.dtype == np.float64:
                matrix[:, position] = source
            else:
                matrix[:, position] = _numbers(pd.Series(source, name=column.name))
        if set(map(type, chain.from_iterable(values for _, values in listed))) <= NUMBERS:
            matrix[:, [position for position, _ in listed]] = as_floats([values for _, values in listed]).T
            return
        for position, values in listed:
            matrix[:, position] = _numbers(pd.Series(values, dtype=object, name=self.columns[position].name))

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON-ready description; :meth:`from_dict` is its inverse."""
        return [
            {"name": c.name, "kind": c.kind, "categories": list(c.categories)}
            | ({} if c.range is None else {"range": list(c.range)})
            for c in self.columns
        ]

    @classmethod
    def from_dict(cls, described: list[dict[str, Any]]) -> ContextEncoder:
        """Rebuild an encoder from :meth:`to_dict`."""
        return cls(
            tuple(
                ColumnCode(
                    c["name"],
                    c["kind"],
                    tuple(c["categories"]),
                    (float(c["range"][0]), float(c["range"][1])) if "range" in c else None,
                )
                for c in described
            )
        )


def _range(values: NDArray[np.float64]) -> tuple[float, float] | None:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


def _is_number_like(series: pd.Series) -> bool:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return not pd.api.types.is_complex_dtype(dtype)
    # an object column of numbers or booleans with None among them
    kind = pd.api.types.infer_dtype(series, skipna=True)
    return kind in {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"}


def _numbers(series: pd.Series) -> NDArray[np.float64]:
    dtype = series.dtype
    # A log refuses these, so no number was learnt from them.
    if _is_instant(dtype) or pd.api.types.is_complex_dtype(dtype):
        rows = np.flatnonzero(series.notna().to_numpy())
        if rows.size:
            raise _no_number(series, rows)
        return np.full(len(series), np.nan)
    if pd.api.types.is_object_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype | pd.StringDtype):
        numbers = pd.to_numeric(series.astype(object), errors="coerce")
        rows = np.flatnonzero(numbers.isna().to_numpy() & series.notna().to_numpy())
        if rows.size:
            raise _no_number(series, rows)
        series = numbers
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _is_instant(dtype: Any) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype))


def _no_number(series: pd.Series, rows: NDArray[np.int64]) -> InvalidInput:
    return InvalidInput.in_column(
        str(series.name),
        "was a number when the model was trained",
        values=series.iloc[rows].tolist(),
        rows=rows.tolist(),
        mend="Send numbers (or nothing) in this column, or train with it as categorical.",
    )


def _as_text(series: pd.Series) -> NDArray[np.object_]:
    """Text of each distinct value; whole floats as integers, so that 9 and 9.0 are one category; missing is None."""
    positions, uniques = pd.factorize(series)
    texts = np.empty(len(uniques) + 1, dtype=object)
    for index, value in enumerate(uniques):
        texts[index] = _text(value)
    texts[-1] = None
    return np.asarray(texts[positions], dtype=object)


def _text(value: Any) -> str:
    item = value.item() if isinstance(value, np.generic) else value
    if isinstance(item, list | tuple):
        return ";".join(map(str, item))
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
