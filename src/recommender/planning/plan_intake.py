"""The tables of a plan in one spelling: read twice in pieces, once for how they are written, once for what they say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.errors import InvalidInput
from recommender.frames import as_arrow
from recommender.intake import (
    Stated,
    TableReading,
    account_zones,
    clock_column,
    decimal_evidence,
    doubt_statuses,
    doubt_told_contacts,
    doubt_unread_stops,
    number_of,
    refuse_faults,
    refuse_no_contacts,
    renamed_columns,
)
from recommender.planning.chunk_spill import READ_SOON, plain, table_batches
from recommender.planning.intake_doubts import doubt_events, doubt_two_spellings
from recommender.planning.plan_tables import StreamedTable
from recommender.planning.table_owners import KnownOwners, Owners
from recommender.store.files import PLAN_COLUMNS, read_table
from recommender.tables import UNREADABLE_ROW

__all__ = ["MOST_FAULTY", "open_tables"]

#: Largest share of a table's rows that one fault may touch before nothing is planned.
MOST_FAULTY = 0.05
#: How far back a contact may count for a rule (the longest window of the packs is 30 days), and some.
_COUNTS = pd.Timedelta(days=32)
_SLICE_ROWS = 100_000
_INSTANT = pa.timestamp("us", tz="UTC")
_REQUIRED = {"contacts": ("account_id", "sent_at"), "payments": ("account_id", "paid_at", "amount_minor"),
             "outcomes": ("occurred_at", "outcome")}  # fmt: skip


def open_tables(
    sources: dict[str, Path | None], folder: Path, stated: Stated | None = None, as_of: datetime | None = None
) -> tuple[dict[str, StreamedTable], list[str]]:
    """Read tables and write each to ``folder`` as Parquet in the one spelling.

    Parameters
    ----------
    sources : dict of table name to Path or None
        ``accounts`` first: local times of the others are on their clocks.
    folder : Path
    stated : Stated, optional
    as_of : aware datetime, optional
        Contacts that may still count then must not be read by a guess.

    Returns
    -------
    dict of str to StreamedTable
    list of str
        Faults that touch too few rows to refuse the plan.

    Raises
    ------
    InvalidInput
        A table that cannot be read or understood: all faults at once, with column, values, rows, share and mend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, StreamedTable] = {}
    readings: list[TableReading] = []
    clocks: dict[str, KnownOwners] = {}
    since = None if as_of is None else pd.Timestamp(as_of).tz_convert("UTC") - _COUNTS
    for name, path in sources.items():
        if path is None:
            continue
        reading = TableReading(name, stated)
        pieces = _Pieces(name, path, reading.stated.encoding)
        if name == "accounts" and sources.get("contacts") is not None and "account_id" not in pieces.columns:
            raise InvalidInput.missing_columns(["account_id"], pieces.columns, role="table 'accounts'")
        n_rows = 0
        for piece in pieces:
            reading.observe(piece.select(pieces.read_here(piece)).to_pandas())
            n_rows += len(piece)
        if name == "contacts":
            refuse_no_contacts(n_rows, path)
        readings.append(reading)
        tables[name] = _write(reading, pieces, folder / f"{name}.parquet", clocks, since)
    return tables, refuse_faults(readings, MOST_FAULTY)


class _Pieces:
    """A table in Arrow pieces, columns under the contract's names; text is read once, a Parquet file streamed."""

    def __init__(self, name: str, path: Path, encoding: str | None = None) -> None:
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.", column="path", mend="Check the path.")
        self.name, self.path = name, path
        self._whole: pa.Table | None = None
        with path.open("rb") as stream:
            parquet = stream.read(4) == b"PAR1"
        if parquet and name == "contacts":  # yesterday's plan, as the contacts that it planned
            parquet = not set(pq.read_schema(path).names) >= PLAN_COLUMNS
        if parquet and name != "accounts":  # a day and a clock time in two columns
            schema = pq.read_schema(path).names
            renamed = renamed_columns(schema, name)
            parquet = clock_column([renamed.get(one, one) for one in schema], name) is None
        if not parquet:
            frame = _read(path, name, encoding)
            if UNREADABLE_ROW in frame.columns:
                wrong = np.flatnonzero(frame[UNREADABLE_ROW].notna())
                if len(wrong) > MOST_FAULTY * len(frame) or name in ("accounts", "contacts"):
                    raise InvalidInput.in_column(
                        "row", f"of table {name!r} does not have one cell for each column of the header",
                        values=frame[UNREADABLE_ROW].iloc[wrong[:3]], rows=wrong.tolist(),
                        mend="Write cells that hold the separator, a line break or a quote between quotes.",
                    )  # fmt: skip
                frame = frame.loc[frame[UNREADABLE_ROW].isna()].drop(columns=UNREADABLE_ROW).reset_index(drop=True)
            self._whole = plain(as_arrow(frame))
            names = self._whole.column_names
        else:
            try:
                names = pq.read_schema(path).names
            except (pa.ArrowInvalid, OSError) as error:
                raise InvalidInput(
                    f"{path} cannot be read: {error}", column="path",
                    mend="Give a Parquet file, or a CSV with a header line.",
                ) from error  # fmt: skip
        self.renamed = renamed_columns(names, name)
        named = self.columns = [self.renamed.get(column, column) for column in names]
        missing = [column for column in _REQUIRED.get(name, ()) if column not in named]
        if missing:
            raise InvalidInput.missing_columns(missing, names, role=f"table {name!r}")
        if self._whole is not None:
            self._whole = _typed(self._whole.rename_columns(named), name)

    def __iter__(self) -> Iterator[pa.Table]:
        """Give the pieces in order."""
        if self._whole is not None:
            for start in range(0, max(len(self._whole), 1), _SLICE_ROWS):
                yield self._whole.slice(start, _SLICE_ROWS)
            return
        empty = True
        for piece in table_batches(self.path):
            empty = False
            yield piece.rename_columns([self.renamed.get(column, column) for column in piece.column_names])
        if empty:
            nothing = plain(pq.read_schema(self.path).empty_table())
            yield nothing.rename_columns([self.renamed.get(column, column) for column in nothing.column_names])

    def read_here(self, piece: pa.Table) -> list[str]:
        """Columns that the contract knows."""
        known = TableReading(self.name).columns
        return [column for column in piece.column_names if column in known]


def _read(source: str | Path, name: str, encoding: str | None) -> pd.DataFrame:
    """The table; a stated encoding is that of the files which are no Unicode."""
    try:
        return read_table(source, table=name)
    except InvalidInput as error:
        if error.column != "encoding" or encoding is None:
            raise
    return read_table(source, table=name, encoding=encoding)


def _write(
    reading: TableReading, pieces: _Pieces, target: Path, known: dict[str, KnownOwners], since: pd.Timestamp | None
) -> StreamedTable:
    schema: pa.Schema | None = None
    writer: pq.ParquetWriter | None = None
    own = KnownOwners()
    try:
        for piece in pieces:
            names = pieces.read_here(piece)
            given = piece.select(names).to_pandas()
            owners: Owners | None = None
            if "account_id" in given and "accounts" in known:
                owners = known["accounts"].of(given["account_id"])
            elif reading.table == "outcomes" and "contacts" in known and "contact_id" in given:
                owners = known["contacts"].of(given["contact_id"])
            zones = None if owners is None else owners.zones
            read = reading.read(given, zones)
            doubt_unread_stops(reading, piece)
            doubt_told_contacts(reading, piece)
            doubt_statuses(reading, piece, read, None if since is None else (since + _COUNTS).date())
            doubt_events(reading, given, read, owners, since)
            for name in names:
                piece = piece.set_column(piece.schema.get_field_index(name), name, _arrow(read[name]))
            if reading.table == "accounts" and "account_id" in read:
                own.add(read["account_id"], account_zones(read))
            elif reading.table == "contacts" and "contact_id" in read and zones is not None:
                own.add(read["contact_id"], zones)
            if writer is None or schema is None:
                schema = piece.schema
                writer = pq.ParquetWriter(target, schema, **READ_SOON)
            writer.write_table(piece.cast(schema))
    finally:
        if writer is not None:
            writer.close()
    own.settle()
    known[reading.table] = own
    for name in ("account_id", "debtor_id") if reading.table == "accounts" else ():
        if schema is not None and name in schema.names:
            doubt_two_spellings(reading, target, name)
    return StreamedTable(reading.table, target, schema or pa.schema([]))


def _arrow(cells: pd.Series) -> pa.ChunkedArray:
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        instants = pa.array(cells.dt.tz_convert(None).to_numpy("datetime64[us]"), mask=cells.isna().to_numpy()).cast(
            pa.timestamp("us")
        )
        return pa.chunked_array(
            [instants.cast(_INSTANT) if instants.null_count < len(instants) else pa.nulls(len(instants), _INSTANT)]
        )
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype):
        return pa.chunked_array([pa.array(cells, from_pandas=True)])
    if isinstance(cells.dtype, pd.StringDtype):
        texts = pa.array(cells, type=pa.string(), from_pandas=True)
        return texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    if pd.api.types.infer_dtype(cells, skipna=True) not in (
        "string",
        "boolean",
    ):  # True is 1 to a factor, a list no value
        return pa.chunked_array(
            [pa.array([None if pd.api.types.is_scalar(v) and pd.isna(v) else str(v) for v in cells], type=pa.string())]
        )
    codes, distinct = pd.factorize(cells)  # few words, many rows
    words = pa.array(distinct.tolist(), type=pa.bool_() if isinstance(distinct[0], bool | np.bool_) else pa.string())
    return pa.chunked_array([words.take(pa.array(codes, mask=codes < 0))])


def _typed(table: pa.Table, name: str) -> pa.Table:
    """Further columns of a text file as the numbers that all their cells are; the contract's stay as written."""
    known = TableReading(name).columns
    for position, column in enumerate(table.column_names):
        kind = table.schema.field(position).type
        if column in known or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        cells = table.column(position).to_pandas()
        table = table.set_column(position, column, pa.chunked_array([_numbers_or_text(cells)]))
    return table


def _numbers_or_text(cells: pd.Series) -> pa.Array:
    filled = cells.notna().to_numpy(dtype=bool)
    text = pa.array(cells.astype("str").where(cells.notna()), type=pa.string(), from_pandas=True)
    if not filled.any():
        return pa.nulls(len(cells), pa.float64())
    words = {str(value).strip().lower() for value in cells[filled].unique()}
    if words <= {"true", "false"}:
        return pa.array(
            [None if not t else str(v).strip().lower() == "true" for v, t in zip(cells, filled, strict=True)]
        )
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers[filled].isna().any():
        distinct = cells[filled].unique().tolist()
        decimal = decimal_evidence(map(str, distinct)).decided
        read = {value: number_of(str(value), decimal) for value in distinct}
        if decimal is None or not all(isinstance(value, float) for value in read.values()):
            return text
        numbers = cells.map(read).astype("float64")
    whole = filled.all() and pd.api.types.is_integer_dtype(numbers.dtype)
    return pa.array(numbers.to_numpy(dtype=np.int64) if whole else numbers.to_numpy(dtype=np.float64), from_pandas=True)
