"""Plant the faults that real exports have, and keep the list: what a contract check must find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.simulation.raw_tables import SimulatedTables

__all__ = ["FAULT_KINDS", "FaultyTables", "plant_faults"]

_INSTANT = {
    "accounts": "valid_from",
    "decisions": "decided_at",
    "contacts": "sent_at",
    "outcomes": "occurred_at",
    "payments": "paid_at",
}
_AMOUNT = {"accounts": "balance_minor", "contacts": "cost_minor", "payments": "amount_minor"}
_LEVEL = {
    "decisions": ("channel", "pigeon"),
    "contacts": ("channel", "telegraph"),
    "outcomes": ("outcome", "smoke_signal"),
}
_TEXT = {
    "accounts": ("product", "crÃ©dito"),
    "decisions": ("policy_version", "versiÃ³n-1"),
    "contacts": ("template_id", "atenciÃ³n-gestiÃ³n"),
}
_CURRENCY = {"accounts": "currency", "payments": "currency"}
_KEY = {"accounts": "account_id", "decisions": "decision_id", "contacts": "contact_id"}

FAULT_KINDS: tuple[str, ...] = (
    "unknown_level",
    "missing_instant",
    "duplicate_row",
    "duplicate_id",
    "future_instant",
    "negative_amount",
    "naive_timestamp",
    "wrong_encoding",
    "mixed_currency",
)


@dataclass(frozen=True, eq=False)
class FaultyTables:
    """Tables with faults and the list of them.

    Attributes
    ----------
    tables : dict of str to DataFrame
        Instants are ISO 8601 text with an offset, as in a CSV; naive ones lack it.
    planted : DataFrame
        One line a faulty row: ``table``, ``row`` (position), ``column``, ``kind``. A duplicated id names every row that
        shares it (``duplicate_id``: the copy differs, nobody can tell which is right); an exact repeat
        (``duplicate_row``) names the repeat only.
    """

    tables: dict[str, pd.DataFrame]
    planted: pd.DataFrame


def plant_faults(tables: SimulatedTables, share: float = 0.03, seed: int = 0) -> FaultyTables:
    """Spoil a share of the rows of every table, with every kind of fault that the table can have.

    Parameters
    ----------
    tables : SimulatedTables
    share : float, default=0.03
        Share of faulty rows a table, in (0, 0.3]; a row has at most one fault.
    seed : int, default=0

    Returns
    -------
    FaultyTables

    Raises
    ------
    InvalidInput
        When ``share`` lies outside (0, 0.3].
    """
    if not 0.0 < share <= 0.3:
        raise InvalidInput.in_column("share", "must lie in (0, 0.3]", values=[share], mend="Pass e.g. 0.03.")
    rng = np.random.default_rng([seed, 23])
    faulty: dict[str, pd.DataFrame] = {}
    planted: list[pd.DataFrame] = []
    for name, frame in tables.to_dict().items():
        spoiler = _Spoiler(name, frame, tables.as_of)
        kinds = [kind for kind in FAULT_KINDS if spoiler.can(kind)]
        rows = rng.permutation(len(frame))[: max(1, round(share * len(frame)))]
        for kind, at in zip(kinds, np.array_split(rows, len(kinds)), strict=True):
            if len(at):
                spoiler.plant(kind, np.sort(at))
        faulty[name] = spoiler.frame
        planted.extend(spoiler.planted)
    listed = pd.concat(planted, ignore_index=True).sort_values(["table", "row"], kind="stable", ignore_index=True)
    return FaultyTables(faulty, listed)


class _Spoiler:
    """One table on its way to the bad."""

    def __init__(self, table: str, frame: pd.DataFrame, as_of: pd.Timestamp) -> None:
        self.table = table
        self.frame = frame.copy()
        self.planted: list[pd.DataFrame] = []
        self._as_of = as_of
        instant = _INSTANT[table]
        self._instants = self.frame[instant]
        text = self._instants.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.frame[instant] = text.astype(object)

    def can(self, kind: str) -> bool:
        """Whether the table can have a fault of this kind."""
        by_kind: dict[str, Any] = {
            "unknown_level": _LEVEL,
            "negative_amount": _AMOUNT,
            "wrong_encoding": _TEXT,
            "mixed_currency": _CURRENCY,
            "duplicate_id": _KEY,
        }
        return kind not in by_kind or self.table in by_kind[kind]

    def plant(self, kind: str, rows: NDArray[np.int64]) -> None:
        """Spoil the given rows and write it down."""
        getattr(self, f"_{kind}")(rows)

    def _set(self, kind: str, column: str, rows: NDArray[np.int64], values: Any) -> None:
        self.frame.iloc[rows, self.frame.columns.get_loc(column)] = values
        self._write(kind, column, rows)

    def _write(self, kind: str, column: str, rows: NDArray[np.int64]) -> None:
        self.planted.append(pd.DataFrame({"table": self.table, "row": rows, "column": column, "kind": kind}))

    def _unknown_level(self, rows: NDArray[np.int64]) -> None:
        column, value = _LEVEL[self.table]
        self._set("unknown_level", column, rows, value)

    def _missing_instant(self, rows: NDArray[np.int64]) -> None:
        self._set("missing_instant", _INSTANT[self.table], rows, None)

    def _future_instant(self, rows: NDArray[np.int64]) -> None:
        ahead = self._as_of + pd.Timedelta(days=400)
        self._set("future_instant", _INSTANT[self.table], rows, ahead.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def _naive_timestamp(self, rows: NDArray[np.int64]) -> None:
        naive = self._instants.iloc[rows].dt.strftime("%Y-%m-%d %H:%M:%S").to_numpy(dtype=object)
        self._set("naive_timestamp", _INSTANT[self.table], rows, naive)

    def _negative_amount(self, rows: NDArray[np.int64]) -> None:
        column = _AMOUNT[self.table]
        self._set("negative_amount", column, rows, -self.frame[column].iloc[rows].to_numpy() - 1)

    def _wrong_encoding(self, rows: NDArray[np.int64]) -> None:
        column, value = _TEXT[self.table]
        self._set("wrong_encoding", column, rows, value)

    def _mixed_currency(self, rows: NDArray[np.int64]) -> None:
        column = _CURRENCY[self.table]
        other = "USD" if (self.frame[column] != "USD").all() else "EUR"
        self._set("mixed_currency", column, rows, other)

    def _duplicate_row(self, rows: NDArray[np.int64]) -> None:
        copies = self._append(self.frame.iloc[rows])
        self._write("duplicate_row", "*", copies)

    def _duplicate_id(self, rows: NDArray[np.int64]) -> None:
        """A second row with the same key and other content."""
        copies = self.frame.iloc[rows].copy()
        if self.table == "accounts":
            copies["balance_minor"] = copies["balance_minor"] + 12_300
        elif self.table == "decisions":
            copies["policy_version"] = "another"
        else:
            copies["template_id"] = "another-template"
        at = self._append(copies)
        self._write("duplicate_id", _KEY[self.table], np.concatenate([rows, at]))

    def _append(self, copies: pd.DataFrame) -> NDArray[np.int64]:
        start = len(self.frame)
        self.frame = pd.concat([self.frame, copies], ignore_index=True)
        return np.arange(start, len(self.frame))
