"""What the booster reads in its factor columns for every action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import ActionGrid
from .errors import KernelError
from .model_text import TreeEnsemble

__all__ = ["action_grid"]


def action_grid(
    factors: Mapping[str, Sequence[Any]],
    ensemble: TreeEnsemble,
    factor_columns: Mapping[str, int | str],
    factor_values: Mapping[str, Sequence[float]],
    idle_values: Mapping[str, float] | None,
) -> ActionGrid:
    """Check and complete how factors appear in the booster; see :meth:`ActionScorer.from_booster`."""
    if not factors or not all(len(levels) for levels in factors.values()):
        raise KernelError(
            "There is no action: a factor has no level.", column="factors", mend="Name factors and levels."
        )
    for given, argument in ((factor_values, "factor_values"), (idle_values or {}, "idle_values")):
        unknown = [name for name in given if name not in factors]
        if unknown:
            raise KernelError(
                f"{argument!r} names no factor; got {unknown!r}.",
                column=argument,
                mend=f"The factors are {list(factors)!r}.",
            )
    if set(factor_columns) != set(factors):
        raise KernelError(
            f"factor_columns must name every factor once; got {list(factor_columns)!r}.",
            column="factor_columns",
            mend=f"The factors are {list(factors)!r}.",
        )
    columns = tuple(_column(ensemble, name, factor_columns[name]) for name in factors)
    if len(set(columns)) < len(columns):
        raise KernelError(
            f"Two factors share a column: {dict(factor_columns)!r}.", column="factor_columns", mend="Give each its own."
        )
    values = tuple(_values(name, levels, factor_values.get(name)) for name, levels in factors.items())
    for (name, levels), column, read in zip(factors.items(), columns, values, strict=True):
        if name not in factor_values:
            _agree_with_frame(ensemble, name, levels, column, read)
    idle = None if idle_values is None else tuple(float(idle_values.get(name, math.nan)) for name in factors)
    return ActionGrid(columns, values, idle)


def _column(ensemble: TreeEnsemble, name: str, column: int | str) -> int:
    if isinstance(column, str) and column in ensemble.column_names:
        return ensemble.column_names.index(column)
    whole = not isinstance(column, str | bool) and column == int(column)
    if not whole or not 0 <= int(column) < ensemble.n_columns:
        raise KernelError(
            f"'factor_columns' sends factor {name!r} to a column that the booster does not have; got {column!r}.",
            column="factor_columns",
            mend=f"It has {ensemble.n_columns} columns, named {list(ensemble.column_names)[:12]!r}.",
        )
    return int(column)


def _values(name: str, levels: Sequence[Any], given: Sequence[float] | None) -> NDArray[np.float64]:
    if given is None:
        numeric = all(isinstance(level, int | float) for level in levels)
        return np.array(levels if numeric else range(len(levels)), dtype=np.float64)
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise KernelError(
            f"factor_values[{name!r}] holds what is no number: {error}.",
            column=name,
            mend="List what the booster reads for each level.",
        ) from error
    if values.shape != (len(levels),):
        raise KernelError(
            f"factor_values[{name!r}] must hold one number a level ({len(levels)}); got shape {values.shape}.",
            column=name,
            mend="List them in the order of the levels.",
        )
    return values


def _agree_with_frame(
    ensemble: TreeEnsemble, name: str, levels: Sequence[Any], column: int, values: NDArray[np.float64]
) -> None:
    """Refuse to read positions among the levels where the training frame had its categories in another order."""
    if not any(bool(tree.categorical[tree.feature == column].any()) for tree in ensemble.trees):
        return
    holding = [categories for categories in ensemble.pandas_categories if set(levels) <= set(categories)]
    positions = [[float(categories.index(level)) for level in levels] for categories in holding]
    if positions and values.tolist() not in positions:
        raise KernelError(
            f"The booster was trained on a frame with the categories {list(holding[0])!r}, whose positions it reads; "
            f"the levels of factor {name!r} are {list(levels)!r}, which would be read as {values.tolist()!r}.",
            column=name,
            mend=f"Pass factor_values={{{name!r}: {positions[0]!r}}}, or train on codes in the order of the levels.",
        )
