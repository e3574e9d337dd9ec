"""Accounts and their history, cut into chunks on disk such that the accounts of a debtor are never apart.

Caps count per debtor, so a chunk must hold all accounts of its debtors and all their contacts. Which row goes where is
settled by DuckDB on hashed keys (joins and sorts that spill to disk); the rows themselves are streamed once. Nothing
here grows with the portfolio except files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.intake import Stated, id_keys, padded
from recommender.planning.chunk_offers import ChunkOffers
from recommender.planning.chunk_spill import ChunkSpill, read_spilled, sync_folder
from recommender.planning.plan_intake import open_tables
from recommender.planning.plan_routing import currencies_of, settle_accounts, settle_contacts, settle_events
from recommender.planning.plan_standing import ChunkStanding, read_chunk_standing
from recommender.planning.plan_tables import StreamedTable
from recommender.store.decision_log import DecisionLog

__all__ = ["ChunkInputs", "PlanInputs"]

_REFERENCES = (
    ("contacts", "account_id", "accounts"),
    ("contacts", "debtor_id", "accounts"),
    ("payments", "account_id", "accounts"),
    ("outcomes", "contact_id", "contacts"),
    ("outcomes", "account_id", "accounts"),
)
_MEMORY = "384MB"
_ROW = "__row"


@dataclass(frozen=True)
class ChunkInputs:
    """What one chunk is planned from.

    Attributes
    ----------
    chunk : int
    row : ndarray of shape (n_accounts,), dtype int64
        Number of each account in the portfolio, ascending.
    accounts : DataFrame of shape (n_accounts, ...)
        The state of each account that is in force.
    states : DataFrame or None
        Every state of these accounts, where the table is a change history.
    contacts, outcomes, payments : DataFrame or None
        Those of these accounts and their debtors; None where the table was not given.
    standing : ChunkStanding
        What the decision log knows of the debtors; nothing where none was named.
    offers : ChunkOffers
        What its debtors were offered before, and what of the budget its accounts were granted.
    """

    chunk: int
    row: NDArray[np.int64]
    accounts: pd.DataFrame
    states: pd.DataFrame | None
    contacts: pd.DataFrame | None
    outcomes: pd.DataFrame | None
    payments: pd.DataFrame | None
    standing: ChunkStanding = field(default_factory=ChunkStanding)
    offers: ChunkOffers = field(default_factory=ChunkOffers)


@dataclass(frozen=True)
class PlanInputs:
    """Chunks on disk.

    Attributes
    ----------
    folder : Path
    sizes : list of int
        Accounts of each chunk; some may be 0.
    in_order : bool
        Chunks hold consecutive rows, so their plans need no sorting.
    notes : list of str
        What was left out on the way.
    currencies : dict of str to int
        Amounts in each currency.
    tables : dict of str to StreamedTable
    """

    folder: Path
    sizes: list[int]
    in_order: bool
    notes: list[str]
    currencies: dict[str, int]
    tables: dict[str, StreamedTable]

    @property
    def n_accounts(self) -> int:
        """Accounts to plan for."""
        return sum(self.sizes)

    @property
    def chunks(self) -> list[int]:
        """Chunks that hold an account."""
        return [chunk for chunk, size in enumerate(self.sizes) if size]

    @property
    def columns(self) -> list[str]:
        """Columns of the accounts."""
        return self.tables["accounts"].columns

    def read(self, chunk: int) -> ChunkInputs:
        """Read one chunk."""
        rows = self._table("accounts", chunk)
        row = rows.column(_ROW).to_numpy()
        states = self.tables["accounts"].frame(rows.drop_columns([_ROW]))
        if "account_id" not in states.columns:
            states.insert(0, "account_id", [f"row-{number}" for number in row])
        now = np.flatnonzero(row >= 0)
        now = now[np.argsort(row[now], kind="stable")]
        others: dict[str, pd.DataFrame | None] = dict.fromkeys(("contacts", "outcomes", "payments"))
        for name in others.keys() & self.tables.keys():
            others[name] = self.tables[name].frame(self._table(name, chunk))
        for name, column, of in _REFERENCES:
            if (rows := others.get(name)) is not None and column in rows:
                known = states if of == "accounts" else others.get(of)
                if known is not None and column in known:
                    others[name] = rows.assign(**{column: _as_spelt(rows[column], known[column])})
        if "debtor_id" in states:
            states = states.assign(debtor_id=_as_spelt(states["debtor_id"], states["debtor_id"]))
        return ChunkInputs(
            chunk=chunk,
            row=row[now],
            accounts=states.iloc[now].reset_index(drop=True),
            states=states if "valid_from" in states.columns else None,
            standing=ChunkStanding.load(path) if (path := self._standing(chunk)).is_file() else ChunkStanding(),
            offers=ChunkOffers.load(made) if (made := self.offers_path(chunk)).is_file() else ChunkOffers(),
            **others,
        )

    def _standing(self, chunk: int) -> Path:
        return self.folder / f"standing-{chunk}.json"

    def noted(self, notes: Iterable[str]) -> None:
        """Add notes for whoever reads the plan."""
        self.notes.extend(notes)
        (self.folder / "inputs.json").write_text(json.dumps(self.to_dict()), encoding="utf-8")

    def offers_path(self, chunk: int) -> Path:
        """File beside a chunk with its :class:`ChunkOffers`."""
        return self.folder / f"offers-{chunk}.json"

    def ask(self, log: DecisionLog, as_of: datetime, own: Callable[[pd.DataFrame], Iterable[str]]) -> None:
        """Keep beside each chunk what a decision log knows of its debtors.

        Parameters
        ----------
        log : DecisionLog
        as_of : aware datetime
        own : callable
            Ids that decisions about some accounts will have.
        """
        for chunk in self.chunks:
            part = self.read(chunk)
            standing = read_chunk_standing(log, part.accounts, part.contacts, as_of, own(part.accounts))
            standing.save(self._standing(chunk))

    def _table(self, name: str, chunk: int) -> pa.Table:
        schema = self.tables[name].schema
        if name == "accounts":
            schema = schema.append(pa.field(_ROW, pa.int64()))
        return read_spilled(self.folder / name, chunk, schema)

    # -- make and keep -------------------------------------------------------------------------------------------
    @classmethod
    def prepare(
        cls,
        folder: Path,
        *,
        accounts: Path,
        contacts: Path | None,
        outcomes: Path | None,
        payments: Path | None,
        as_of: datetime,
        chunk_rows: int,
        stated: Stated | None = None,
        other_accounts: bool = False,
        channels: Sequence[Any] = (),
        no_contacts_yet: bool = False,
    ) -> PlanInputs:
        """Cut the tables into chunks.

        Parameters
        ----------
        folder : Path
            New; holds the chunks when this returns.
        accounts, contacts, outcomes, payments : Path or None
            Parquet or CSV.
        as_of : aware datetime
            Picks the state of each account from a change history (``valid_from``).
        chunk_rows : int
            Accounts a chunk, about: the accounts of a debtor stay together.
        stated : Stated, optional
            What the tables do not tell about their own spelling.
        other_accounts : bool
            The contacts hold those of accounts that are not planned for, too.
        channels : sequence
            Of the model's action space: those that no rule knows are channels all the same.
        no_contacts_yet : bool
            Somebody states that no account was ever contacted: accounts that tell a contact are refused.

        Raises
        ------
        InvalidInput
            A table that cannot be used, no account at all, or accounts without an id.
        """
        folder.mkdir(parents=True)
        given = {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}
        stated = replace(stated or Stated(), channels=tuple(channels), no_contacts_yet=no_contacts_yet)
        tables, faults = open_tables(given, folder / "read", stated, as_of)
        (folder / "sort").mkdir()
        limits: dict[str, Any] = {"memory_limit": _MEMORY, "threads": "1", "temp_directory": str(folder / "sort")}
        with closing(duckdb.connect(config=limits)) as book:
            sizes, in_order, notes = settle_accounts(book, tables["accounts"], folder, as_of, chunk_rows, str(accounts))
            notes = [*faults, *notes]
            _spill(tables["accounts"], folder, book, "SELECT pos, chunk, row FROM placed ORDER BY pos")
            if "contacts" in tables:
                notes += settle_contacts(book, tables, folder, other_accounts=other_accounts)
                _spill(tables["contacts"], folder, book, "SELECT pos, chunk FROM routed ORDER BY pos, chunk")
            for name in ("outcomes", "payments"):
                if name in tables:
                    routes, told = settle_events(
                        book, tables[name], folder, with_contacts="contacts" in tables, other_accounts=other_accounts
                    )
                    _spill(tables[name], folder, book, routes)
                    notes += told
            currencies = currencies_of(book, tables)
        inputs = cls(folder, sizes, in_order, notes, currencies, tables)
        for aside in ("sort", "read"):
            shutil.rmtree(folder / aside, ignore_errors=True)
        (folder / "inputs.json").write_text(json.dumps(inputs.to_dict()), encoding="utf-8")
        sync_folder(folder)
        return inputs

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description."""
        return {
            "sizes": self.sizes,
            "in_order": self.in_order,
            "notes": self.notes,
            "currencies": self.currencies,
            "tables": {name: table.to_dict() for name, table in self.tables.items()},
        }

    @classmethod
    def load(cls, folder: Path) -> PlanInputs:
        """Find the chunks that :meth:`prepare` left."""
        stored = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
        tables = {name: StreamedTable.from_dict(table) for name, table in stored.pop("tables").items()}
        return cls(folder, tables=tables, **stored)


def _as_spelt(ids: pd.Series, known: pd.Series) -> pd.Series:
    """Ids in the spelling of the table that owns them: ``7`` where it writes ``007``."""
    if not (padded(ids) or padded(known)):
        return ids.astype("str")
    mine, theirs = id_keys(ids), id_keys(known)
    spelt = pd.Series(known.to_numpy(dtype=object), index=theirs)
    spelt = spelt[spelt.index.notna() & ~spelt.index.duplicated()]
    matched = pd.Series(mine, index=ids.index).map(spelt).astype(object)
    return matched.where(matched.notna(), ids.astype(object)).astype("str")


def _spill(table: StreamedTable, folder: Path, book: duckdb.DuckDBPyConnection, routes: str) -> None:
    """Stream the table into its chunks; the query gives position, chunk and for accounts the row, by position."""
    spill = ChunkSpill(folder / table.name)
    position = 0
    with closing(book.cursor()) as reading:
        waiting = _Routes(reading.sql(routes).to_arrow_reader(65_536))
        for batch in table.watched_batches():
            end = position + len(batch)
            pos, chunk, row = waiting.until(end)
            local = pos - position
            whole = len(local) == len(batch) and bool((np.diff(local) == 1).all())
            part = batch if whole else batch.take(pa.array(local))
            if table.name == "accounts":
                part = part.append_column(_ROW, pa.array(row))
            spill.add(part, chunk)
            position = end
    spill.close()


class _Routes:
    """A stream of (position, chunk, row), asked for ranges of positions in turn."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._held: list[NDArray[np.int64]] | None = None

    def until(self, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Everything before a position that was not yet asked for."""
        while self._held is None or not len(self._held[0]) or self._held[0][-1] < end:
            batch = next(self._batches, None)
            if batch is None:
                break
            columns = [np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64) for column in batch.columns]
            self._held = (
                columns
                if self._held is None
                else [np.concatenate(pair) for pair in zip(self._held, columns, strict=True)]
            )
        if self._held is None:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        cut = int(np.searchsorted(self._held[0], end))
        taken, self._held = [part[:cut] for part in self._held], [part[cut:] for part in self._held]
        return taken[0], taken[1], taken[-1]
