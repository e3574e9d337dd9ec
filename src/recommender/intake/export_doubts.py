"""What the mapping of an export leaves in doubt: columns that tell stops and are left out, figures hard to believe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from recommender.errors import shorten
from recommender.intake.ended_accounts import end_has_come, names_end_day
from recommender.intake.faults import Stated
from recommender.intake.unread_stops import distinct_cells, unread_stops
from recommender.spelling import column_forms, column_word

__all__ = ["odd_figures", "unread_columns"]

#: Amounts in minor units between which the median of a currency's debts is believable (a hundredth of a peso, a cent).
_BELIEVABLE = {
    "COP": (1e6, 5e10),
    "MXN": (1e4, 1e9),
    "PEN": (1e3, 1e8),
    "USD": (1e3, 1e8),
    "CLP": (1e3, 5e8),
    "ARS": (1e5, 1e11),
}


def unread_columns(frame: pd.DataFrame, profile: str, tables: Mapping[str, Any], stated: Stated) -> Iterator[str]:
    """Columns of the export that the profile leaves out and that say what stops a contact."""
    used = {form for name in (*_named_in(tables), *stated.no_stop_in) for form in column_forms(name)}
    left = frame[[name for name in frame.columns if used.isdisjoint(column_forms(name))]]
    table = next((name for name in ("contacts", "outcomes", "accounts", "payments") if name in tables), None)
    for name, cells in unread_stops(distinct_cells(left, table), table).items() if table else ():
        where = np.flatnonzero(left[name].isin(cells).to_numpy(dtype=bool))
        yield (
            f"{name} says what stops a contact, and profile {profile!r} does not read it ({where.size:,} of "
            f"{len(frame):,} rows; {shorten(cells[:3])} in row {shorten(where[:3].tolist())}). Add it to a profile of "
            f"your own, or state --no-stop-in '{name}'."
        )

    for name in left.columns if table == "accounts" else ():
        if names_end_day(column_word(str(name))):
            ends = left[name].map(lambda cell: end_has_come(cell, None, stated.dates) is not False).to_numpy(dtype=bool)
            if ends.any():
                yield (
                    f"{name} may tell that an account is prescribed, closed or sold, and profile {profile!r} does not "
                    f"read it ({int(ends.sum()):,} of {len(frame):,} rows). Leave out those that are over, then state "
                    f"--no-stop-in '{name}'."
                )


def _named_in(spec: Any) -> Iterator[str]:
    """Columns that a profile takes cells from, or looks into."""
    if isinstance(spec, str):
        yield spec
    for key, value in spec.items() if isinstance(spec, Mapping) else ():
        if key not in ("value", "row", "words", "split", "is", "not"):
            yield from _named_in(value)
    for one in spec if isinstance(spec, list | tuple) else ():
        yield from _named_in(one)


def odd_figures(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Figures that are hard to believe: units of money, instants before the contact, dates of another century."""
    medians: dict[str, float] = {}
    for table, column in (("accounts", "balance_minor"), ("payments", "amount_minor")):
        frame = tables.get(table)
        if frame is None or column not in frame:
            continue
        amounts = pd.to_numeric(frame[column], errors="coerce")
        amounts = amounts[amounts > 0]
        if not len(amounts):
            continue
        medians[table] = float(amounts.median())
        codes = frame["currency"].dropna().unique().tolist() if "currency" in frame else []
        low, high = _BELIEVABLE.get(codes[0], (0.0, float("inf"))) if len(codes) == 1 else (0.0, float("inf"))
        if not low <= medians[table] <= high:
            hint = "whole units taken for hundredths?" if medians[table] < low else "hundredths multiplied once more?"
            yield (
                f"{table}.{column}: the median is {medians[table] / 100:,.2f} {codes[0]} ({hint} e.g. "
                f"{shorten(amounts.head(3))}). State --scale 100 (whole units) or --scale 1 (hundredths already)."
            )
    if len(medians) == 2 and not 1 / 500 <= medians["payments"] / medians["accounts"] <= 20:
        yield (
            f"payments are {medians['payments'] / medians['accounts']:.4g} times the balances in the middle: one "
            "of the two is in another unit."
        )
