"""The tables a plan is made from, as streams: Parquet in, keys out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.intake import id_keys
from recommender.planning.chunk_spill import table_batches

__all__ = ["StreamedTable", "key_hash", "text_keys"]


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
    def from_dict(cls, stored: dict[str, Any]) -> StreamedTable:
        """Inverse of :meth:`to_dict`."""
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(stored["schema"])))
        return cls(stored["name"], Path(stored["path"]), schema, set(stored["holes"]))


def text_keys(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """What identifiers are compared by, None where there is none; see :func:`recommender.intake.id_keys`."""
    return id_keys(column.to_pandas())


def key_hash(texts: NDArray[np.object_], salt: str) -> NDArray[np.uint64]:
    """Keyed 64-bit hash of each text, the same on every machine; missing texts hash like empty ones."""
    known = np.where(pd.isna(texts), "", texts)
    return np.asarray(pd.util.hash_array(known, hash_key=salt, categorize=False), dtype=np.uint64)
