"""What the booster reads in its factor columns for every action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.scoring.boxes import ActionGrid
from recommender.scoring.model_text import TreeEnsemble

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
    none = tuple(float(no_contact_values.get(name, math.nan)) for name in actions.factors)
    return ActionGrid(columns, values, none if actions.no_contact else None)


def _column(ensemble: TreeEnsemble, name: str, column: int | str) -> int:
    if isinstance(column, str) and column in ensemble.column_names:
        return ensemble.column_names.index(column)
    if isinstance(column, str) or not 0 <= column < ensemble.n_columns:
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
    values = np.array(given, dtype=np.float64)
    if values.shape != (len(levels),):
        raise InvalidInput(
            f"factor_values[{name!r}] must hold one number a level ({len(levels)}); got shape {values.shape}.",
            column=name,
            mend="List them in the order of the levels.",
        )
    return values
