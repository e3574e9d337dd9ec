"""What the booster reads in its factor columns for every action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.allactions.boxes import ActionGrid
from recommender.allactions.model_text import TreeEnsemble
from recommender.errors import InvalidInput

__all__ = ["action_grid"]


def action_grid(
    actions: ActionSpace,
    ensemble: TreeEnsemble,
    factor_columns: Mapping[str, int | str],
    factor_values: Mapping[str, Sequence[float]],
    no_contact_values: Mapping[str, float],
) -> ActionGrid:
    """Check and complete how factors appear in the booster; see :meth:`ActionScorer.from_booster`."""
    for given, argument in ((factor_values, "factor_values"), (no_contact_values, "no_contact_values")):
        unknown = [name for name in given if name not in actions.factors]
        if unknown:
            raise InvalidInput.in_column(
                argument, "names no factor", values=unknown, mend=f"The factors are {list(actions.factors)!r}."
            )
    if set(factor_columns) != set(actions.factors):
        raise InvalidInput(
            f"factor_columns must name every factor once; got {list(factor_columns)!r}.",
            column="factor_columns",
            mend=f"The factors are {list(actions.factors)!r}.",
        )
    columns = tuple(_column(ensemble, name, factor_columns[name]) for name in actions.factors)
    if len(set(columns)) < len(columns):
        raise InvalidInput(
            f"Two factors share a column: {dict(factor_columns)!r}.", column="factor_columns", mend="Give each its own."
        )
    values = tuple(_values(name, levels, factor_values.get(name)) for name, levels in actions.factors.items())
    for (name, levels), column, read in zip(actions.factors.items(), columns, values, strict=True):
        if name not in factor_values:
            _agree_with_frame(ensemble, name, levels, column, read)
    none = tuple(float(no_contact_values.get(name, math.nan)) for name in actions.factors)
    return ActionGrid(columns, values, none if actions.no_contact else None)


def _column(ensemble: TreeEnsemble, name: str, column: int | str) -> int:
    if isinstance(column, str) and column in ensemble.column_names:
        return ensemble.column_names.index(column)
    whole = not isinstance(column, str | bool) and column == int(column)
    if not whole or not 0 <= int(column) < ensemble.n_columns:
        raise InvalidInput.in_column(
            "factor_columns",
            f"sends factor {name!r} to a column that the booster does not have",
            values=[column],
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
        raise InvalidInput(
            f"factor_values[{name!r}] holds what is no number: {error}.",
            column=name,
            mend="List what the booster reads for each level.",
        ) from error
    if values.shape != (len(levels),):
        raise InvalidInput(
            f"factor_values[{name!r}] must hold one number a level ({len(levels)}); got shape {values.shape}.",
            column=name,
            mend="List them in the order of the levels.",
        )
    return values


def _agree_with_frame(
    ensemble: TreeEnsemble, name: str, levels: Sequence[Any], column: int, values: NDArray[np.float64]
) -> None:
    """Refuse to read positions in the action space where the training frame had its categories in another order."""
    if not any(bool(tree.categorical[tree.feature == column].any()) for tree in ensemble.trees):
        return
    holding = [categories for categories in ensemble.pandas_categories if set(levels) <= set(categories)]
    positions = [[float(categories.index(level)) for level in levels] for categories in holding]
    if positions and values.tolist() not in positions:
        raise InvalidInput(
            f"The booster was trained on a frame with the categories {list(holding[0])!r}, whose positions it reads; "
            f"the levels of factor {name!r} are {list(levels)!r}, which would be read as {values.tolist()!r}.",
            column=name,
            mend=f"Pass factor_values={{{name!r}: {positions[0]!r}}}, or train on codes in the order of the levels.",
        )
