"""Clean tables that refer to each other, what was set aside of them, and how their ids are read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history.contract_check import CheckedTable
from recommender.history.id_codes import IdCodes
from recommender.history.lost_rows import LostRows
from recommender.history.quarantine import join_quarantines

__all__ = ["RawTable", "RawTables"]

RawTable: TypeAlias = pd.DataFrame | Callable[[], pd.DataFrame]
"""A raw table, or a function that reads it when its turn has come."""


@dataclass
class RawTables:
    """Clean tables that refer to each other, and what was set aside.

    Attributes
    ----------
    tables : dict of str to CheckedTable
        Those that were given. Id columns hold codes (-1 where missing), an account without a debtor its own.
    ids : dict of str to IdCodes
        Id column -> what its codes stand for; accounts and debtors share theirs.
    raw_codes : dict of (table, column) to ndarray
        Codes of every row as it was given, quarantined ones included; only while the tables are checked.
    lost : LostRows or None
        Payments and outcomes in quarantine, once the tables are checked.
    whole : frozenset of str
        Id columns that hold whole numbers in every table.
    currency : str or None
    notes : list of str
    """

    tables: dict[str, CheckedTable]
    ids: dict[str, IdCodes] = field(default_factory=dict)
    raw_codes: dict[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict)
    lost: LostRows | None = None
    whole: frozenset[str] = frozenset()
    currency: str | None = None
    notes: list[str] = field(default_factory=list)

    def frame(self, table: str) -> pd.DataFrame | None:
        """Clean rows of a table, None where it was not given."""
        return self.tables[table].frame if table in self.tables else None

    def let_go(self, table: str) -> None:
        """Drop the rows of a table that is not needed any more; what was set aside stays."""
        if table in self.tables:
            self.tables[table].frame = self.tables[table].frame[[]].iloc[:0]

    def reader(self, column: str) -> Callable[[Any], pd.Series]:
        """Function that gives the ids behind codes, as they were given."""
        ids = self.ids.get(column, self.ids["account_id"])
        return partial(ids.original, whole=(column if column in self.ids else "account_id") in self.whole)

    @property
    def quarantine(self) -> pd.DataFrame:
        """Rows in quarantine of all tables."""
        return join_quarantines(checked.faults.frame() for checked in self.tables.values())

    def counts(self) -> pd.DataFrame:
        """Rows given, used and in quarantine, a line a table."""
        rows = [
            (name, checked.n_given, checked.n_given - int(checked.faults.bad.sum()), int(checked.faults.bad.sum()))
            for name, checked in self.tables.items()
        ]
        return pd.DataFrame(rows, columns=["table", "given", "clean", "quarantined"])
