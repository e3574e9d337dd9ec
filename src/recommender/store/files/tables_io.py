"""Raw tables from Parquet, CSV or a database, and the quarantine on its way out."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from recommender.errors import InvalidInput
from recommender.extras import later
from recommender.intake import renamed_columns, with_clock
from recommender.store.files.csv_tables import LONG_AND_FEW, read_csv_table
from recommender.store.files.other_sources import read_arrow, read_duckdb, read_json_lines, read_workbook
from recommender.store.files.packed import TORN, is_packed, kind_of_archive, opened, without_ending
from recommender.tables import CONTRACTS, contracted_names

if TYPE_CHECKING:
    import sqlalchemy as sa
else:
    sa = later("sqlalchemy", "store")

__all__ = ["PLAN_COLUMNS", "one_file", "plan_as_contacts", "read_table", "write_quarantine"]

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
PLAN_COLUMNS = frozenset(("decision_id", "account", "rank", "contact_at", "channel", "propensity"))
"""Columns that a plan is known by: it is read as the contacts that it planned."""
_MOST_UNPACKED = 4 << 30
_NO_CSV = (b"PAR1", b"ARRO", _ZIP, b'{"', b"[{")
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
_ARROW_ENDINGS, _DUCKDB_ENDINGS = (".feather", ".arrow"), (".duckdb", ".ddb")
_NO_TEXT = (*_JSON_ENDINGS, *_ARROW_ENDINGS, *_DUCKDB_ENDINGS)


def read_table(
    source: str | Path, *, table: str, encoding: str | None = None, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Read one raw table.

    Parameters
    ----------
    source : str or Path
        A Parquet file or folder, a CSV file (``.csv``, ``.tsv``), an XLSX workbook (``#sheet``), JSON lines (each also
        packed by gzip, bzip2, xz or zstd, or alone in a ZIP), an Arrow file, a DuckDB file (``#table``), or
        ``<SQLAlchemy URL>#<table>``, e.g. ``sqlite:///crm.db#payments``; without ``#`` the database table is called
        like the raw table.
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
        return _named(_read_sql(text, table), table, columns)
    file, _, inner = text.partition("#")
    path = Path(text) if Path(text).exists() or not inner else Path(file)
    if not path.exists():
        raise InvalidInput(f"Table {table!r}: there is no file {path}.", column=table, mend="Check the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise InvalidInput(f"Table {table!r}: {path} is empty.", column=table, mend="Export it again, with a header.")
    mark = b"" if path.is_dir() else _mark(path)
    if mark.startswith(_OLD_EXCEL) or (mark.startswith(_ZIP) and not zipfile.is_zipfile(path)):
        raise InvalidInput(
            f"Table {table!r}: {path} is a spreadsheet of an old kind, or a broken archive.",
            column=table,
            mend="Save it as XLSX or as CSV (UTF-8).",
        )
    try:
        frame = _read_file(path, inner, table, encoding, columns, mark)
    except InvalidInput:
        raise
    except (OSError, ValueError, UnicodeError, pd.errors.ParserError, pa.ArrowException, *TORN) as error:
        raise InvalidInput(
            f"Table {table!r}: {path} cannot be read ({_first_line(error)}).",
            column=table,
            mend="Give a Parquet file, or a CSV file with a header line.",
        ) from error
    return _named(frame, table, columns)


def _read_file(
    path: Path, inner: str, table: str, encoding: str | None, columns: Collection[str] | None, mark: bytes
) -> pd.DataFrame:
    """A file by what it holds; its name is asked where that does not tell."""
    name = path.name.lower()
    if path.is_dir() or mark == b"PAR1":
        return _without_index(_read_parquet(path, table, columns))
    if mark.startswith(_ZIP):
        with zipfile.ZipFile(path) as archive:
            members = [
                one
                for one in archive.namelist()
                if not (one.endswith("/") or one.startswith("__MACOSX/") or Path(one).name.startswith("."))
            ]
        if "xl/workbook.xml" in members:
            return read_workbook(path, table, inner or None)
        return _read_packed(path, members, inner, table, encoding)
    with opened(path) as stream:
        head = bytes(stream.read(512))
    if other := kind_of_archive(head):
        raise InvalidInput(
            f"Table {table!r}: {path} is packed ({other}).",
            column=table,
            mend="Unpack it, or pack the table alone (ZIP, gzip, xz).",
        )
    inside = without_ending(path.name)
    if is_packed(mark) and (is_packed(head) or head.lstrip().startswith(_NO_CSV) or inside.lower().endswith(_NO_TEXT)):
        with opened(path) as packed, tempfile.TemporaryDirectory() as folder:
            unpacked = Path(folder) / inside
            with unpacked.open("wb") as written:
                shutil.copyfileobj(packed, written)
            return read_table(f"{unpacked}#{inner}" if inner else unpacked, table=table, encoding=encoding)
    if mark == b"ARRO" or name.endswith(_ARROW_ENDINGS):
        return read_arrow(path)
    if name.endswith(_DUCKDB_ENDINGS):
        return read_duckdb(path, inner or table)
    if name.endswith(_JSON_ENDINGS) or mark.lstrip().startswith((b'{"', b"[{", b"[ {", b"[\n", b"[\r")):
        return read_json_lines(path)
    if name.endswith(".parquet"):
        return _without_index(_read_parquet(path, table, columns))
    if mark.lstrip().startswith(b"<"):
        raise InvalidInput(
            f"Table {table!r}: {path} is a web page or XML, whatever its name says.", column=table,
            mend="Open it and save it as XLSX or as CSV (UTF-8).",
        )  # fmt: skip
    return read_csv_table(path, table, encoding)


def _read_packed(path: Path, members: list[str], inner: str, table: str, encoding: str | None) -> pd.DataFrame:
    """The one file (or the named one) of an archive."""
    wanted = [one for one in members if one == inner] if inner else members
    if len(wanted) != 1:
        raise InvalidInput(
            f"Table {table!r}: {path} is an archive of {len(members)} files"
            + (f", none of them {inner!r}." if inner else "."),
            column=table,
            mend=f"Name one after '#': {', '.join(members[:10])}." if members else "Pack the table into it.",
        )
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        if archive.getinfo(wanted[0]).file_size > _MOST_UNPACKED or archive.getinfo(wanted[0]).flag_bits & 1:
            raise InvalidInput(
                f"Table {table!r}: {path} is too large to unpack, or is locked by a password.", column=table,
                mend="Unpack it first.",
            )  # fmt: skip
        unpacked = Path(folder) / Path(wanted[0]).name
        with archive.open(wanted[0]) as packed, unpacked.open("wb") as written:
            shutil.copyfileobj(packed, written)
        return read_table(unpacked, table=table, encoding=encoding)


def write_quarantine(quarantine: pd.DataFrame, report: dict[str, Any], folder: Path | str) -> list[Path]:
    """Write one CSV a table (UTF-8) and the counts as JSON; earlier files of the folder are replaced.

    Returns
    -------
    list of Path
        What was written; a table without bad rows has no file.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.quarantine.csv"):
        old.unlink()
    written = []
    for table, rows in quarantine.groupby("table", sort=True):
        path = target / f"{table}.quarantine.csv"
        rows.to_csv(path, index=False, encoding="utf-8")
        written.append(path)
    counts = target / "report.json"
    counts.write_text(json.dumps(report, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    return [*written, counts]


def _read_parquet(path: Path, table: str, columns: Collection[str] | None) -> pd.DataFrame:
    """Read a Parquet file or folder, each column by itself, so that a reader can let go of one after the other."""
    if path.is_dir() and not any(path.rglob("*.parquet")):
        raise InvalidInput(
            f"Table {table!r}: the folder {path} holds no Parquet file.",
            column=table,
            mend="Check the path, or name the file itself.",
        )
    data = pq.ParquetDataset(path, read_dictionary=list(LONG_AND_FEW))
    names = data.schema.names
    renamed = contracted_names(names, columns or ())
    wanted = None if columns is None else [name for name in names if renamed.get(name, name) in columns]
    if not path.is_dir():
        kept: dict[str, Any] = {"split_blocks": True, "self_destruct": True}
        return pd.read_parquet(path, columns=wanted, to_pandas_kwargs=kept, read_dictionary=list(LONG_AND_FEW))
    return pd.read_parquet(path, columns=wanted)


def one_file(folder: Path, path: Path) -> Path:
    """Write the rows of a folder of Parquet files as one file, a batch at a time.

    Raises
    ------
    InvalidInput
        For a folder that holds none, or files that do not fit together.
    """
    files = sorted(str(file) for file in folder.rglob("*.parquet"))
    if not files:
        raise InvalidInput(f"The folder {folder} holds no Parquet file.", column="path",
                           mend="Check the path, or name the file itself.")  # fmt: skip
    try:
        data = ds.dataset(files, format="parquet", partitioning="hive", partition_base_dir=str(folder))
        with pq.ParquetWriter(path, data.schema) as writer:
            for batch in data.to_batches():
                writer.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"The files of {folder} cannot be read as one table ({_first_line(error)}).", column="path",
                           mend="Give files of the same columns and types.") from error  # fmt: skip
    return path


def _without_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an index that was written under a name as columns again."""
    return frame if set(frame.index.names) == {None} else frame.reset_index()


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
        tables: Sequence[str] = sa.inspect(engine).get_table_names()
        raise InvalidInput(
            f"Table {table!r}: the database has no table {name!r}.",
            column=table,
            mend=f"It has {', '.join(tables) or 'no tables'}; name one after '#'.",
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


def _named(frame: pd.DataFrame, table: str, columns: Collection[str] | None) -> pd.DataFrame:
    """The frame with the contract's names where another spelling is meant, and only the columns that were asked for."""
    if set(frame.columns) >= PLAN_COLUMNS:
        of_plan = {"contacts": plan_as_contacts, "decisions": plan_as_decisions}
        frame = of_plan[table](frame) if table in of_plan else frame
    contract = CONTRACTS.get(table)
    names = [*(contract.names if contract else ()), *(columns or ()), "eligible"]
    if renamed := contracted_names(frame.columns, names):
        frame = frame.rename(columns=renamed)
    if renamed := renamed_columns(frame.columns, table):
        frame = frame.rename(columns=renamed)
    if columns is None:
        frame = with_clock(frame, table)
    return frame if columns is None else frame[[name for name in frame.columns if name in columns]]


def plan_as_contacts(plan: pd.DataFrame) -> pd.DataFrame:
    """The contacts that a plan of ``score`` planned, as a table of contacts: one a dispatched action.

    Parameters
    ----------
    plan : DataFrame
        Columns of a plan: ``decision_id``, ``account``, ``rank``, ``contact_at``, the action factors, ``template_id``.
    """
    sent = plan.loc[(plan["rank"].astype("float64") == 1) & plan["channel"].notna()].reset_index(drop=True)
    columns = {
        "contact_id": sent["decision_id"], "decision_id": sent["decision_id"], "account_id": sent["account"],
        "sent_at": sent["contact_at"], "initiated_by": "creditor", "status": "planned",
    }  # fmt: skip
    kept = {name: sent[name] for name in ("channel", "hour", "tone", "template_id") if name in sent}
    return pd.DataFrame(columns | kept)


def plan_as_decisions(plan: pd.DataFrame) -> pd.DataFrame:
    """The decisions of a plan of ``score``, with eligible set and propensity: one an account, contacted or not."""
    first = plan.loc[plan["rank"].astype("float64") == 1].reset_index(drop=True)
    argmax = first["deterministic"].astype(str).str.lower() == "true"
    columns = {
        "decision_id": first["decision_id"], "account_id": first["account"],
        "propensity": first["propensity"].astype("float64").mask(argmax, 1.0),
    }  # fmt: skip
    kept = ("decided_at", "channel", "hour", "tone", "eligible", "policy_version")
    return pd.DataFrame(columns | {name: first[name] for name in kept if name in first})


def _mark(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
