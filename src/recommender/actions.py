"""The action space: every cell of channel x hour x tone (or any other factors)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.facts_table import facts_table

__all__ = ["NO_CONTACT", "ActionSpace"]

NO_CONTACT = "NO_CONTACT"

_MOST_ACTIONS = 2_000  # of a space guessed from columns; more is a date, an id or an amount taken for a choice

Level = str | int | float | bool


class ActionSpace:
    """A finite set of actions, the product of one or more factors.

    Its row order is the order of every ``(n, n_actions)`` array of this library: C order (the last factor varies
    fastest) with ``NO_CONTACT``, when there is one, as the last row.

    Parameters
    ----------
    factors : mapping of str to iterable of levels
        Factor name -> its levels. Level types are kept: hours given as integers stay integers.
    no_contact : bool, default=False
        Whether leaving the account alone is an action too. Its factors are null.

    Raises
    ------
    InvalidInput
        When there is no factor, a factor has no level, a level is null or repeated, or a level is not a scalar.

    Examples
    --------
    >>> space = ActionSpace({"channel": ["call", "sms"], "hour": range(9, 11)}, no_contact=True)
    >>> len(space)
    5
    >>> space.to_frame().iloc[1].to_dict()
    {'channel': 'call', 'hour': 10}
    """

    def __init__(self, factors: Mapping[str, Iterable[Level]], no_contact: bool = False) -> None:
        if not isinstance(factors, Mapping):
            raise InvalidInput(
                f"factors must be a mapping of factor to levels; got {type(factors).__name__}.",
                column="factors",
                mend="Pass e.g. ActionSpace({'channel': ['call', 'sms']}).",
            )
        if not factors:
            raise InvalidInput(
                "An action space needs at least one factor; got none.",
                column="factors",
                mend="Pass e.g. ActionSpace({'channel': ['call', 'sms']}).",
            )
        self.factors: dict[str, tuple[Level, ...]] = {
            str(name): _checked_levels(str(name), levels) for name, levels in factors.items()
        }
        self.no_contact = bool(no_contact)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, factors: Sequence[str]) -> ActionSpace:
        """Build the space of the levels that columns of a log hold, in order.

        Parameters
        ----------
        frame : DataFrame
        factors : sequence of str
            Columns, each a factor. Where a row has none of them, ``NO_CONTACT`` is an action.

        Raises
        ------
        InvalidInput
            A column that is missing or empty, or levels that are too many for a choice (a date, an id, an amount).

        Examples
        --------
        >>> log = pd.DataFrame({"channel": ["sms", "call", None], "hour": [9, 18, None]})
        >>> ActionSpace.from_frame(log, ["channel", "hour"])
        ActionSpace({channel: 2, hour: 2}, no_contact=True) of 5 actions
        """
        names = [factors] if isinstance(factors, str) else [str(name) for name in factors]
        if missing := [name for name in names if name not in frame.columns]:
            raise InvalidInput.missing_columns(missing, [str(name) for name in frame.columns], role="action factors")
        for name in names:
            if not frame[name].notna().any():
                raise InvalidInput.in_column(
                    name,
                    "holds no level in any row" if len(frame) else "holds no level: the log has no rows",
                    mend="Name a column that says what was done." if len(frame) else "Give a log of past contacts.",
                )
        space = cls(
            {name: _levels_of(frame[name]) for name in names}, no_contact=bool(frame[names].isna().all(axis=1).any())
        )
        if len(space) > _MOST_ACTIONS:
            counts = " x ".join(f"{name} {size:,}" for name, size in zip(names, space.shape, strict=True))
            raise InvalidInput(
                f"The action would have {len(space):,} values ({counts}).",
                column=names[int(np.argmax(space.shape))],
                mend=f"At most {_MOST_ACTIONS:,}: name coarser columns (blocks of hours), or give an ActionSpace.",
            )
        return space

    # -- shape ---------------------------------------------------------------------------------------------------
    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors, in order."""
        return tuple(self.factors)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(levels) for levels in self.factors.values())

    @cached_property
    def n_contact_actions(self) -> int:
        """Number of actions without ``NO_CONTACT``."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        """Count the actions, ``NO_CONTACT`` included."""
        return self.n_contact_actions + int(self.no_contact)

    @property
    def no_contact_index(self) -> int | None:
        """Index of ``NO_CONTACT``, the last action, or None where there is none."""
        return self.n_contact_actions if self.no_contact else None

    @cached_property
    def _codes_by_factor(self) -> dict[str, list[int]]:
        return {name: self.codes[:, place].tolist() for place, name in enumerate(self.factors)}

    def codes_of(self, factor: str) -> list[int]:
        """Level code of each action; -1 for ``NO_CONTACT``, and for all where there is no such factor."""
        return self._codes_by_factor.get(factor) or [-1] * len(self)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """Level codes of each action.

        Returns
        -------
        ndarray of shape (n_actions, n_factors)
            Position of the level within its factor; ``NO_CONTACT`` holds -1.
        """
        codes = np.stack(np.unravel_index(np.arange(self.n_contact_actions), self.shape), axis=1).astype(np.int64)
        if self.no_contact:
            codes = np.vstack([codes, np.full((1, len(self.factors)), -1, dtype=np.int64)])
        codes.setflags(write=False)
        return codes

    def to_frame(self) -> pd.DataFrame:
        """One row an action, one column a factor, in the order of every ``(n, n_actions)`` array."""
        return self.describe(np.arange(len(self)))

    # -- encode and decode ---------------------------------------------------------------------------------------
    def describe(self, action: Iterable[int] | NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Factor columns of the given actions; null where the action is ``NO_CONTACT`` or -1 (none).

        Parameters
        ----------
        action : array-like of int of shape (n,)

        Returns
        -------
        DataFrame of shape (n, n_factors)
            Integer levels stay integers (nullable where a row has none).
        """
        index = np.asarray(action, dtype=np.int64)
        codes = np.where((index < 0)[:, None], -1, self.codes[np.maximum(index, 0)])
        columns = {
            name: _take_levels(levels, codes[:, position])
            for position, (name, levels) in enumerate(self.factors.items())
        }
        return pd.DataFrame(columns)

    def label(self, action: int, separator: str = " ") -> str:
        """Short text of one action, e.g. ``'sms 18 friendly'``."""
        if action == self.no_contact_index:
            return NO_CONTACT
        codes = self.codes[action]
        return separator.join(
            str(levels[code]) for levels, code in zip(self.factors.values(), codes.tolist(), strict=True)
        )

    def index_of(self, frame: pd.DataFrame | Mapping[str, Sequence[Any]]) -> NDArray[np.int64]:
        """Action index of each row.

        Parameters
        ----------
        frame : DataFrame or mapping of sequences
            Must hold one column a factor. A row whose factors are all null is ``NO_CONTACT``.

        Returns
        -------
        ndarray of shape (n,), dtype int64

        Raises
        ------
        InvalidInput
            Names the column, the value and the rows of a level that is unknown or missing.
        """
        missing = [name for name in self.factors if name not in frame]
        if missing:
            raise InvalidInput.missing_columns(missing, list(frame), role="action factors")
        per_factor = []
        for name in self.factors:
            codes, null = self._level_codes(name, frame[name])
            per_factor.append((name, codes, null))
        all_null = np.logical_and.reduce([null for _, _, null in per_factor])
        for name, _, null in per_factor:
            rows = np.flatnonzero(null & ~(all_null if self.no_contact else np.zeros_like(all_null)))
            if rows.size:
                raise InvalidInput.in_column(
                    name,
                    "has no level",
                    values=[None],
                    rows=rows.tolist(),
                    mend="Fill or drop these rows"
                    + (
                        "; only a row with every factor null is NO_CONTACT."
                        if self.no_contact
                        else ", or build the ActionSpace with no_contact=True if they mean 'left alone'."
                    ),
                )
        safe = [np.where(null, 0, codes) for _, codes, null in per_factor]
        index = np.ravel_multi_index(tuple(safe), self.shape).astype(np.int64)
        if self.no_contact:
            index[all_null] = self.n_contact_actions
        return index

    def _level_codes(self, name: str, values: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Level code of each value, and where it is null."""
        levels = self.factors[name]
        series = pd.Series(values).reset_index(drop=True)
        positions, uniques = pd.factorize(series)
        lookup = {level: code for code, level in enumerate(levels)}
        code_of = np.array([lookup.get(_scalar(value), -1) for value in uniques], dtype=np.int64)
        unknown = np.flatnonzero(code_of < 0)
        if unknown.size:
            rows = np.flatnonzero(np.isin(positions, unknown))
            values_shown = [_scalar(uniques[i]) for i in unknown]
            kinds = {type(level).__name__ for level in levels}
            wrong_kind = {type(value).__name__ for value in values_shown} - kinds
            hint = (
                f" The levels are of type {'/'.join(sorted(kinds))}, these values of type "
                f"{'/'.join(sorted(wrong_kind))}: convert the column."
                if wrong_kind and {str(level) for level in levels} & {str(value) for value in values_shown}
                else ""
            )
            raise InvalidInput.in_column(
                name,
                "holds a level that the ActionSpace does not know",
                values=values_shown,
                rows=rows.tolist(),
                mend=f"Known levels are {list(levels)!r}; add the level to the ActionSpace or mend the rows.{hint}",
            )
        null = positions < 0
        codes = code_of[positions] if code_of.size else np.zeros(len(positions), dtype=np.int64)
        return codes.astype(np.int64), np.asarray(null, dtype=bool)

    # -- serialise -----------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description; :meth:`from_dict` is its inverse."""
        return {
            "factors": [{"name": name, "levels": list(levels)} for name, levels in self.factors.items()],
            "no_contact": self.no_contact,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> ActionSpace:
        """Rebuild a space from :meth:`to_dict`."""
        return cls(
            {factor["name"]: factor["levels"] for factor in described["factors"]},
            no_contact=bool(described["no_contact"]),
        )

    def __eq__(self, other: object) -> bool:
        """Spaces are equal when factors, level order and ``NO_CONTACT`` are."""
        if not isinstance(other, ActionSpace):
            return NotImplemented
        return list(self.factors.items()) == list(other.factors.items()) and self.no_contact == other.no_contact

    def __hash__(self) -> int:
        """Hash of what equality compares."""
        return hash((tuple(self.factors.items()), self.no_contact))

    def __repr__(self) -> str:
        """Show factors with their number of levels."""
        sizes = ", ".join(f"{name}: {len(levels)}" for name, levels in self.factors.items())
        return f"ActionSpace({{{sizes}}}, no_contact={self.no_contact}) of {len(self)} actions"

    def _repr_html_(self) -> str:
        facts = {name: ", ".join(map(str, levels)) for name, levels in self.factors.items()}
        return facts_table(f"ActionSpace of {len(self)} actions", facts | {"no contact": self.no_contact})


def _scalar(value: Any) -> Any:
    """Python value of a numpy scalar, whole floats as integers (a CSV with a gap turns 9 into 9.0)."""
    item = value.item() if isinstance(value, np.generic) else value
    return int(item) if isinstance(item, float) and item.is_integer() else item


def _levels_of(column: pd.Series) -> list[Any]:
    """Levels in order: of a categorical as it declares them, else sorted; kinds that do not compare by their text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.dropna().unique())
        return [_scalar(level) for level in column.cat.categories if level in present]
    distinct = list(dict.fromkeys(_scalar(value) for value in column.dropna().unique()))
    return sorted(distinct) if len({type(level) for level in distinct}) == 1 else sorted(distinct, key=str)


def _checked_levels(name: str, levels: Iterable[Level]) -> tuple[Level, ...]:
    if isinstance(levels, str):
        raise InvalidInput.in_column(
            name, "needs a list of levels", values=[levels], mend=f"Write {{{name!r}: [{levels!r}]}}."
        )
    checked = tuple(level.item() if isinstance(level, np.generic) else level for level in levels)
    if not checked:
        raise InvalidInput.in_column(name, "has no level", mend="Give the factor at least one level.")
    for position, level in enumerate(checked):
        if not isinstance(level, str | int | float | bool) or (isinstance(level, float) and not np.isfinite(level)):
            raise InvalidInput.in_column(
                name,
                "needs levels that are text, numbers or booleans, and not null",
                values=[level],
                rows=[position],
                mend="Replace the level.",
            )
    repeated = [level for position, level in enumerate(checked) if level in checked[:position]]
    if repeated:
        raise InvalidInput.in_column(name, "repeats a level", values=repeated, mend="List each level once.")
    return checked


def _take_levels(levels: tuple[Level, ...], codes: NDArray[np.int64]) -> pd.api.extensions.ExtensionArray | Any:
    """Levels at ``codes`` with -1 as null, in the narrowest dtype that keeps the level type."""
    none = codes < 0
    if all(isinstance(level, bool) for level in levels):
        kind: Any = "boolean" if none.any() else bool
    elif all(isinstance(level, int) and not isinstance(level, bool) for level in levels):
        kind = "Int64" if none.any() else np.int64
    elif all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        kind = np.float64
    elif all(isinstance(level, str) for level in levels):
        kind = "str"
    else:
        kind = object
    if kind is not object:  # each level is converted once, not once a row
        return pd.array(list(levels), dtype=kind).take(np.where(none, -1, codes), allow_fill=bool(none.any()))
    held = np.empty(len(levels) + 1, dtype=object)  # the last is where -1 points
    held[:-1] = levels
    return pd.Series(held[np.where(none, -1, codes)], dtype=object).array
