"""Rows that break a contract: set aside with the reason and the mend, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history.id_codes import IdCodes

__all__ = ["QUARANTINE_COLUMNS", "Faults", "join_quarantines"]

QUARANTINE_COLUMNS: tuple[str, ...] = ("table", "row", "key", "column", "value", "rule", "reason", "mend")
"""One line a row in quarantine: the first rule it broke. ``rule`` is a code, ``reason`` and ``mend`` are sentences."""

_LONGEST_VALUE = 80


@dataclass
class Faults:
    """Collects the rows of one table that break its contract.

    Attributes
    ----------
    table : str
    keys : Series
        What to name each row by.
    rows : ndarray of int
        Row number of each row in the table as it was given (0 = the first data row).
    bad : ndarray of bool
        Rows in quarantine so far.
    ids : IdCodes or None
        What ``keys`` stand for, once they are codes.
    """

    table: str
    keys: pd.Series
    rows: NDArray[Any]
    bad: NDArray[np.bool_] = field(init=False)
    ids: IdCodes | None = None
    _pieces: list[pd.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.rows), dtype=bool)

    def add(
        self,
        where: NDArray[np.bool_],
        column: str,
        rule: str,
        reason: str,
        mend: str,
        values: pd.Series | NDArray[Any] | None = None,
    ) -> None:
        """Set rows aside; a row that is in quarantine already keeps its first reason."""
        at = np.flatnonzero(where & ~self.bad)
        if not at.size:
            return
        self.bad[at] = True
        keys = self.keys.iloc[at] if self.ids is None else self.ids.original(self.keys.iloc[at])
        shown: Sequence[Any] = [None] * at.size if values is None else pd.Series(values).iloc[at].tolist()
        self._pieces.append(
            pd.DataFrame(
                {
                    "table": self.table,
                    "row": self.rows[at],
                    "key": [str(key) for key in keys],
                    "column": column,
                    "value": [_shown(value) for value in shown],
                    "rule": rule,
                    "reason": reason,
                    "mend": mend,
                }
            )
        )

    def frame(self) -> pd.DataFrame:
        """Quarantined rows of this table, in row order."""
        return join_quarantines(self._pieces)


def join_quarantines(pieces: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put quarantines of several tables together, by table and row."""
    filled = [piece for piece in pieces if len(piece)]
    if not filled:
        return pd.DataFrame({name: pd.Series(dtype="int64" if name == "row" else "str") for name in QUARANTINE_COLUMNS})
    frame = pd.concat(filled, ignore_index=True)
    return frame.sort_values(["table", "row"], kind="stable", ignore_index=True)[list(QUARANTINE_COLUMNS)]


def _shown(value: Any) -> str | None:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    text = ascii(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
