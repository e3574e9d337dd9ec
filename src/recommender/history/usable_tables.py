"""Whether tables can be used at all: a table of which no row is left is an error, not a quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.errors import InvalidInput, shorten
from recommender.history.contract_check import CheckedTable
from recommender.history.id_codes import IdCodes
from recommender.local_time import is_timezone

__all__ = ["check_currency", "check_zone", "id_hint", "refuse_unusable"]

_FEW_ROWS = 10
_CLEAR_MAJORITY = 0.75
_LOOKED_AT = 1000
#: Share of a table's rows that may be in quarantine by faults of their own before the table is refused.
_MOST_LOST = 0.5
_CONSEQUENCES = ("cascade", "duplicate_row")  # of another table's fault, or of a row that is there before


def refuse_unusable(tables: Iterable[CheckedTable]) -> None:
    """Raise for a table of which no row is left: a separator, a date format or an id is written in another way.

    Going on without it would call every account of it unpaid, or unanswered. Tables of a few rows, and rows that only
    hang on another table's, are left to the quarantine.

    Raises
    ------
    InvalidInput
        Names table, column, values, the reason and the mend.
    """
    for checked in tables:
        if checked.n_given < _FEW_ROWS or checked.faults.bad.mean() <= _MOST_LOST:
            continue
        faults = checked.faults.frame()
        causes = faults.loc[~faults["rule"].isin(_CONSEQUENCES)]
        if 2 * len(causes) < len(faults.loc[faults["rule"] != "duplicate_row"]) or not len(causes):
            continue
        if len(causes) <= _MOST_LOST * checked.n_given:
            continue
        reasons = causes.groupby(["column", "rule", "reason"], sort=False)
        column, rule, reason = max(reasons.groups, key=lambda group: len(reasons.groups[group]))
        rows = faults.loc[(faults["column"] == column) & (faults["rule"] == rule) & (faults["reason"] == reason)]
        values = shorten(rows["value"].dropna().head(3))
        shown = f" (e.g. {values})" if values else ""
        raise InvalidInput(
            f"Table {checked.contract.table!r} cannot be used: {_kept(checked)} of its {checked.n_given:,} rows "
            f"{'keeps' if _kept(checked) == 'none' else 'keep'} the contract. In {len(rows):,} of them {column} "
            f"{reason.removeprefix('the text ')}{shown}.{_further(reasons, (column, rule, reason))}",
            column=str(column),
            rows=rows["row"].tolist()[:5],
            mend=str(rows["mend"].iloc[0]),
        )


def _kept(checked: CheckedTable) -> str:
    """How many rows are left, in words."""
    left = int((~checked.faults.bad).sum())
    return f"only {left:,}" if left else "none"


def _further(reasons: Any, main: tuple[Any, ...]) -> str:
    """The other faults of the table, each with its rows."""
    others = [f"{group[0]} {group[2]} in {len(rows):,} rows" for group, rows in reasons.groups.items() if group != main]
    return f" Further faults: {'; '.join(others)}." if others else ""


def check_zone(naive_timezone: str | None) -> None:
    """Raise where the zone of instants without an offset is none, before they are read in it."""
    if naive_timezone is not None and not is_timezone(naive_timezone):
        raise InvalidInput.in_column(
            "naive_timezone", "is no IANA time zone", values=[naive_timezone], mend="Write e.g. America/Bogota."
        )


def check_currency(counts: Mapping[str, pd.Series], currency: str | None, rates: Mapping[str, float]) -> str | None:
    """Currency of the strategy: the one asked for, or the one of three rows in four, in every table that is not tiny.

    Parameters
    ----------
    counts : mapping of table name to Series
        Rows of each currency.
    currency : str or None
    rates : mapping of currency to float
        Currencies that can be converted.

    Raises
    ------
    InvalidInput
        Where currencies are really mixed, or no row is in the one asked for.
    """
    rows_of = pd.concat(list(counts.values()), axis=1).fillna(0).sum(axis=1).sort_values(ascending=False, kind="stable")
    if not len(rows_of):
        return currency
    main = currency or str(rows_of.index[0])
    if main not in rows_of.index and not any(code in rates for code in rows_of.index):
        raise InvalidInput.in_column(
            "currency",
            f"is {main!r} in no row",
            values=[f"{code}: {int(count):,} rows" for code, count in rows_of.items()],
            mend="Name one of these, or pass rates={...} to convert them.",
        )
    for of_table in [rows_of, *(given for given in counts.values() if given.sum() >= 2 * _FEW_ROWS)]:
        others = {code: int(count) for code, count in of_table.items() if code != main and code not in rates}
        if currency is None and of_table.get(main, 0) < _CLEAR_MAJORITY * (
            of_table.get(main, 0) + sum(others.values())
        ):
            raise InvalidInput.in_column(
                "currency",
                "mixes currencies, and amounts of different currencies cannot be added",
                values=[
                    f"{code}: {count:,} rows" for code, count in [(main, int(of_table.get(main, 0))), *others.items()]
                ],
                mend="Pass currency=... to keep one, rates={...} to convert, or train one strategy a currency.",
            )
    return main


def id_hint(unknown: NDArray[Any], known: NDArray[np.bool_], ids: IdCodes, target: str) -> str:
    """What tells most ids that a table does not hold from those that it does: leading zeros, or letter case.

    Parameters
    ----------
    unknown : ndarray of int
        Codes of ids that the target table does not hold.
    known : ndarray of bool of shape (n_ids,)
        Which ids it holds.
    ids : IdCodes
    target : str
        Name of the table.
    """
    if pd.api.types.is_integer_dtype(ids.ids.dtype):
        return ""
    asked = np.unique(unknown[unknown >= 0])[:_LOOKED_AT]
    mine = pa.array(ids.ids.take(asked), type=pa.large_string())
    theirs = pa.array(ids.ids[known], type=pa.large_string())
    for what, plain in (
        ("leading zeros were lost in one of them", lambda words: pc.utf8_ltrim(words, characters="0")),
        ("upper and lower case differ", pc.utf8_lower),
    ):
        positions = pc.index_in(plain(mine), value_set=plain(theirs), skip_nulls=True)
        at = np.flatnonzero(pc.is_valid(positions).to_numpy(zero_copy_only=False))
        if len(at) > len(asked) // 2:
            first = int(at[0])
            one, other = mine[first].as_py(), theirs[positions[first].as_py()].as_py()
            return f" {target} has {other!r} where this table has {one!r}: {what}. Export ids as the same text."
    return ""
