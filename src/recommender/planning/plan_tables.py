"""The tables a plan is made from, as streams: CSV or Parquet in, keys out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.planning.chunk_spill import plain, table_batches

__all__ = ["StreamedTable", "key_hash", "text_keys"]

_CSV_ROWS = 100_000


@dataclass
class StreamedTable:
    """A table on disk that is never in memory as a whole.

    Attributes
    ----------
    name : str
        What it is called in messages.
    path : Path
        Parquet.
    schema : Schema
        Without dictionary columns.
    holes : set of str
        Columns with a missing value somewhere in the file, known once it was streamed: a whole column of numbers has
        one type, whichever rows a chunk holds.
    """

    name: str
    path: Path
    schema: pa.Schema
    holes: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, name: str, path: Path, folder: Path) -> StreamedTable:
        """Open a Parquet file, or turn a CSV file into one (in ``folder``).

        Raises
        ------
        InvalidInput
            When there is no such file, or it cannot be read.
        """
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.", column="path", mend="Check the path.")
        if path.name.endswith((".csv", ".csv.gz")):
            path = _parquet_of_csv(path, folder / f"{name}.parquet")
        try:
            with pq.ParquetFile(path) as file:
                schema = plain(file.schema_arrow.empty_table()).schema
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInput(
                f"{path} cannot be read: {error}",
                column="path",
                mend="Give a Parquet file, or a comma-separated UTF-8 CSV with a header line.",
            ) from error
        return cls(name, path, schema)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def need(self, *names: str) -> None:
        """Refuse a table that lacks a column."""
        if missing := [name for name in names if name not in self.columns]:
            raise InvalidInput.missing_columns(missing, self.columns, role=f"table {self.name!r}")

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Stream the rows in file order."""
        return table_batches(self.path, columns)

    def watched_batches(self) -> Iterator[pa.Table]:
        """Stream all columns and note in ``holes`` which have missing values."""
        for batch in self.batches():
            self.holes.update(
                name for name, column in zip(batch.column_names, batch.columns, strict=True) if column.null_count
            )
            yield batch

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Rows as a frame with the column types that the whole file has when pandas reads it."""
        frame: pd.DataFrame = table.to_pandas()
        for name in self.holes.intersection(frame.columns):
            kind = self.schema.field(name).type
            if pa.types.is_integer(kind):
                frame[name] = frame[name].astype(np.float64)
            elif pa.types.is_boolean(kind):
                frame[name] = frame[name].astype(object)
        return frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description, for :meth:`from_dict`."""
        return {
            "name": self.name,
            "path": str(self.path),
            "schema": self.schema.serialize().to_pybytes().hex(),
            "holes": sorted(self.holes),
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> StreamedTable:
        """Inverse of :meth:`to_dict`."""
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(told["schema"])))
        return cls(told["name"], Path(told["path"]), schema, set(told["holes"]))


def text_keys(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Identifiers as text, None where there is none, so that 7 and "7" are one account."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
    if pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)
    values = column.to_pandas().astype(object)
    return np.array([None if pd.isna(value) else str(value) for value in values], dtype=object)


def key_hash(texts: NDArray[np.object_], salt: str) -> NDArray[np.uint64]:
    """Keyed 64-bit hash of each text, the same on every machine; missing texts hash like empty ones."""
    known = np.where(pd.isna(texts), "", texts)
    return np.asarray(pd.util.hash_array(known, hash_key=salt, categorize=False), dtype=np.uint64)


def _parquet_of_csv(path: Path, target: Path) -> Path:
    """Read a CSV twice: for the type of each column over the whole file, then for its rows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        kinds: dict[str, str] = {}
        holes: set[str] = set()
        for part in pd.read_csv(path, chunksize=_CSV_ROWS):
            for name, column in part.items():
                found = _kind(column) if column.notna().any() else "nothing"
                kinds[str(name)] = _wider(kinds.get(str(name), "nothing"), found)
                if column.isna().any():
                    holes.add(str(name))
        kinds = {name: "float" if kind == "int" and name in holes else kind for name, kind in kinds.items()}
        types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}
        schema = pa.schema([(name, types.get(kind, pa.float64())) for name, kind in kinds.items()])
        read_as: Any = {name: {"int": "int64", "float": "float64", "str": "str"}.get(k) for name, k in kinds.items()}
        read_as = {name: kind for name, kind in read_as.items() if kind}
        with pq.ParquetWriter(target, schema) as writer:
            for part in pd.read_csv(path, chunksize=_CSV_ROWS, dtype=read_as):
                writer.write_table(pa.Table.from_pandas(part, schema=schema, preserve_index=False))
    except (ValueError, OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}",
            column="path",
            mend="Give a Parquet file, or a comma-separated UTF-8 CSV with a header line.",
        ) from error
    return target


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column.dtype):
        return "bool"
    if pd.api.types.is_integer_dtype(column.dtype):
        return "int"
    if pd.api.types.is_float_dtype(column.dtype):
        return "float"
    return "bool" if set(column.dropna().map(type)) == {bool} else "str"


def _wider(known: str, found: str) -> str:
    """The type that holds both."""
    if known in ("nothing", found):
        return found
    if found == "nothing":
        return known
    return "float" if {known, found} == {"int", "float"} else "str"
