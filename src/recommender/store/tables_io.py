"""Raw tables from Parquet, CSV or a database, and the quarantine on its way out."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["read_table", "write_quarantine"]

_SEPARATORS = (",", ";", "\t", "|")
_CSV_ENDINGS = (".csv", ".csv.gz", ".txt", ".tsv", ".tsv.gz")
_SNIFFED_BYTES = 1 << 16
_MOST_UNDECODED = 0.05
_LONG_AND_FEW = ("eligible",)
"""Columns of long texts that repeat: read as categories."""


def read_table(
    source: str | Path, *, table: str, encoding: str | None = None, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Read one raw table.

    Parameters
    ----------
    source : str or Path
        A Parquet file or folder, a CSV file (``.csv``, ``.tsv``, also ``.gz``), or ``<SQLAlchemy URL>#<table>``, e.g.
        ``sqlite:///crm.db#payments``; without ``#`` the database table is called like the raw table.
    table : str
        Name of the raw table, for messages and as the default database table.
    encoding : str or None
        Of a CSV file; None = UTF-8, UTF-16 by its byte order mark. Few rows in another encoding (up to one in
        twenty, or beside others that read well) are kept as far as they can be told, so that the contract check puts
        them into quarantine; a file in another encoding is refused, with the encoding that it is likely in.

    columns : collection of str or None
        Read these only, as far as they exist; None = all.

    Returns
    -------
    DataFrame
        CSV cells as text: the contracts read them.

    Raises
    ------
    InvalidInput
        When nothing can be read; names the source and the mend.
    """
    text = str(source)
    if "://" in text:
        frame = _read_sql(text, table)
        return frame if columns is None else frame[[name for name in frame.columns if name in columns]]
    place = Path(text)
    if not place.exists():
        raise InvalidInput(f"Table {table!r}: there is no file {place}.", column=table, mend="Check the path.")
    if place.is_file() and place.stat().st_size == 0:
        raise InvalidInput(f"Table {table!r}: {place} is empty.", column=table, mend="Export it again, with a header.")
    try:
        if place.name.lower().endswith(_CSV_ENDINGS):
            frame = _read_csv(place, table, encoding, columns)
        else:
            frame = _read_parquet(place, columns)
    except InvalidInput:
        raise
    except (OSError, ValueError, EOFError, UnicodeError, pd.errors.ParserError) as error:
        raise InvalidInput(
            f"Table {table!r}: {place} cannot be read ({_first_line(error)}).",
            column=table,
            mend="Give a Parquet file, or a CSV file with a header line.",
        ) from error
    return frame


def write_quarantine(quarantine: pd.DataFrame, report: dict[str, Any], folder: Path | str) -> list[Path]:
    """Write one CSV a table (UTF-8) and the counts as JSON; earlier files of the folder are replaced.

    Returns
    -------
    list of Path
        What was written; a table without bad rows has no file.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.quarantine.csv"):
        old.unlink()
    written = []
    for table, rows in quarantine.groupby("table", sort=True):
        path = place / f"{table}.quarantine.csv"
        rows.to_csv(path, index=False, encoding="utf-8")
        written.append(path)
    counts = place / "report.json"
    counts.write_text(json.dumps(report, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    return [*written, counts]


def _read_parquet(place: Path, columns: Collection[str] | None) -> pd.DataFrame:
    """Read a Parquet file or folder, each column by itself, so that a reader can let go of one after the other."""
    data = pq.ParquetDataset(place, read_dictionary=list(_LONG_AND_FEW))
    wanted = None if columns is None else [name for name in data.schema.names if name in columns]
    if not place.is_dir():
        kept: dict[str, Any] = {"split_blocks": True, "self_destruct": True}
        return pd.read_parquet(place, columns=wanted, to_pandas_kwargs=kept, read_dictionary=list(_LONG_AND_FEW))
    return pd.read_parquet(place, columns=wanted)


def _read_csv(place: Path, table: str, encoding: str | None, columns: Collection[str] | None) -> pd.DataFrame:
    raw = _head(place)
    told = encoding or _encoding_of(raw)
    if told.lower().replace("_", "-") in ("utf-8", "utf8") and raw.startswith(codecs.BOM_UTF8):
        told = "utf-8-sig"
    try:
        codecs.lookup(told)
    except LookupError as error:
        raise InvalidInput(
            f"Table {table!r}: there is no encoding {told!r}.", column="encoding", mend="Use e.g. utf-8 or latin-1."
        ) from error
    header = raw.decode(told, errors="replace").splitlines()[0] if raw else ""
    if "\x00" in header:
        raise InvalidInput(
            f"Table {table!r}: {place} holds binary data or is in another encoding than {told}.",
            column=table,
            mend="Export it as UTF-8, or state its encoding (utf-16-le, utf-16-be ...).",
        )
    separator = max(_SEPARATORS, key=header.count)
    if "\ufffd" in header:
        raise _wrong_encoding(place, table, told, raw, "its header line")
    # An undecodable byte becomes U+FFFD: the row is found by the contract check, the rest of the file is used.
    frame = pd.read_csv(
        place,
        sep=separator,
        encoding=told,
        encoding_errors="replace",
        dtype="str",
        usecols=None if columns is None else lambda name: name in columns,
        keep_default_na=False,
        na_values=[""],
    )
    for name in _LONG_AND_FEW:
        if name in frame.columns:  # not by dtype="category", which reads digits as numbers
            frame[name] = frame[name].astype("category")
    lost, foreign = _undecoded(frame)
    # A few such rows are faults of their own, whole files are another encoding: then no accent at all could be read.
    if lost.sum() > _MOST_UNDECODED * len(frame) and not (foreign & ~lost).any():
        raise _wrong_encoding(place, table, told, raw, f"{int(lost.sum()):,} of {len(frame):,} rows")
    return frame


def _undecoded(frame: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows with a byte that could not be decoded, and rows with any sign beyond ASCII."""
    lost, foreign = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            continue
        text = pa.array(frame[name], type=pa.large_string(), from_pandas=True)
        ascii_only = pc.fill_null(pc.string_is_ascii(text), fill_value=True).to_numpy(zero_copy_only=False)
        if not ascii_only.all():
            foreign |= ~ascii_only
            marks = pc.fill_null(pc.match_substring(text, "\ufffd"), fill_value=False)
            lost |= marks.to_numpy(zero_copy_only=False)
    return lost, foreign


def _wrong_encoding(place: Path, table: str, told: str, raw: bytes, what: str) -> InvalidInput:
    """Error that shows how the text reads in the encoding that it is likely in."""
    lines = [line for line in raw.splitlines() if not line.isascii()]
    likely, shown = "cp1252", ""
    for name in ("utf-8", "cp1252", "latin-1") if lines else ():
        try:
            likely, shown = name, lines[0].decode(name)
            break
        except UnicodeDecodeError:
            continue
    sample = f" In {likely} one reads {shown[:60]!r}." if shown else ""
    return InvalidInput(
        f"Table {table!r}: {place} is not {told}: {what} cannot be decoded.{sample}",
        column="encoding",
        mend=f"State its encoding, e.g. --encoding {likely}, or export it as UTF-8.",
    )


def _head(place: Path) -> bytes:
    if place.name.lower().endswith(".gz"):
        import gzip

        with gzip.open(place) as stream:
            return bytes(stream.read(_SNIFFED_BYTES))
    with place.open("rb") as stream:
        return stream.read(_SNIFFED_BYTES)


def _encoding_of(head: bytes) -> str:
    """UTF-8 unless a byte order mark, or zero bytes at every other place, say UTF-16."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    line = head[:200]
    if len(line) >= 4:
        if not any(line[0::2]) or line[0::2].count(0) > 0.4 * len(line[0::2]):
            return "utf-16-be"
        if line[1::2].count(0) > 0.4 * len(line[1::2]):
            return "utf-16-le"
    return "utf-8"


def _read_sql(source: str, table: str) -> pd.DataFrame:
    url, _, name = source.partition("#")
    name = name or table
    schema, _, bare = name.rpartition(".")
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise InvalidInput(
            f"Table {table!r}: the database address cannot be used ({_first_line(error)}).",
            column=table,
            mend="Write e.g. sqlite:///crm.db#payments or postgresql+psycopg://host/db#payments.",
        ) from error
    if engine.dialect.name == "sqlite" and engine.url.database and not Path(engine.url.database).is_file():
        raise InvalidInput(
            f"Table {table!r}: there is no database file {engine.url.database}.", column=table, mend="Check the path."
        )
    try:
        with engine.connect() as connection:
            described = sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=connection)
            frame = pd.read_sql(sa.select(described), connection)
    except sa.exc.NoSuchTableError as error:
        held: Sequence[str] = sa.inspect(engine).get_table_names()
        raise InvalidInput(
            f"Table {table!r}: the database has no table {name!r}.",
            column=table,
            mend=f"It has {', '.join(held) or 'no tables'}; name one after '#'.",
        ) from error
    except sa.exc.SQLAlchemyError as error:
        # The address may hold a password: say what failed, not where.
        raise InvalidInput(
            f"Table {table!r}: the database cannot be read ({type(error).__name__}).",
            column=table,
            mend="Check the address, the rights of the user and that the server is up.",
        ) from error
    finally:
        engine.dispose()
    return frame


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
