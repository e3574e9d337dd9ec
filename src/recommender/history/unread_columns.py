"""Columns of a raw table that tell stops and that nobody reads: a log without them would teach something else."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput, shorten
from recommender.history.quarantine import Faults
from recommender.intake import Stated, column_word, distinct_cells, unread_stops

__all__ = ["refuse_unread_stops"]


def refuse_unread_stops(given: pd.DataFrame, faults: Faults, stated: Stated) -> None:
    """Refuse a table as a plan does: who asked to be left alone would be one who did not answer.

    A payment that says that it did not come is none, and goes to quarantine.

    Parameters
    ----------
    given : DataFrame
        Columns that are no factor of the action.
    faults : Faults
        Of the table.
    stated : Stated

    Raises
    ------
    InvalidInput
        Names every such column with its cells and rows.
    """
    quiet = {column_word(name) for name in stated.no_stop_in}
    told = {
        name: given[name].isin(tells).to_numpy(dtype=bool)
        for name, tells in unread_stops(distinct_cells(given, faults.table), faults.table).items()
        if column_word(name) not in quiet
    }
    if faults.table == "payments":
        for name, where in told.items():
            faults.add(
                where, name, "no_payment", "says that the money did not come, or went back",
                "Leave such rows out, or write what was taken back as a negative amount (--no-stop-in where it says no "
                "such thing).", given[name],
            )  # fmt: skip
    elif told:
        sentences = [_sentence(name, given[name], where) for name, where in told.items()]
        first, where = next(iter(told.items()))
        raise InvalidInput(
            f"Table {faults.table!r} cannot be used: {'; '.join(sentences)}.",
            column=str(first),
            rows=np.flatnonzero(where)[:5].tolist(),
            mend="Name each as what it is (outcome in contacts; flags, do_not_contact, disputed, deceased ... in "
            "accounts: data/README.md), map the export (pipelines map), or state that it says no such thing: "
            + " ".join(f"--no-stop-in '{name}'" for name in told),
        )


def _sentence(name: str, cells: pd.Series, where: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(where)
    return (
        f"{name} says what stops a contact, and no column of that name is read ({rows.size:,} of {len(cells):,} rows; "
        f"{shorten(cells[where].unique()[:3].tolist())} in row {shorten(rows[:3].tolist())})"
    )
