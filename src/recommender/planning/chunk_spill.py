"""Rows of a table too large for memory, sorted into chunks on disk: one append-only Arrow file a chunk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["READ_SOON", "ChunkSpill", "read_spilled", "sync_folder", "table_batches"]

#: How Parquet is written that this run reads once or twice and throws away: nothing is looked for that repeats.
READ_SOON: dict[str, Any] = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}

_BUDGET = 64 << 20
_BATCH_ROWS = 65_536
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


class ChunkSpill:
    """Writes rows to the file of their chunk; within a chunk they keep the order in which they came.

    Parameters
    ----------
    folder : Path
        Created; one file a chunk that gets a row.
    budget : int
        Bytes held in memory before everything is appended to the files.
    """

    def __init__(self, folder: Path, *, budget: int = _BUDGET) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._budget = budget
        self._held: dict[int, list[pa.Table]] = {}
        self._bytes = 0

    def add(self, rows: pa.Table, chunk: NDArray[np.integer[Any]]) -> None:
        """Append rows to their chunks.

        Parameters
        ----------
        rows : Table of shape (n, ...)
        chunk : ndarray of int of shape (n,)
        """
        if not len(chunk):
            return
        if (chunk[1:] < chunk[:-1]).any():
            order = np.argsort(chunk, kind="stable")
            rows, chunk = rows.take(pa.array(order)), chunk[order]
        starts = np.flatnonzero(np.append(True, chunk[1:] != chunk[:-1])).tolist()
        for start, end in zip(starts, [*starts[1:], len(chunk)], strict=True):
            self._held.setdefault(int(chunk[start]), []).append(rows.slice(start, end - start))
        self._bytes += rows.nbytes
        if self._bytes > self._budget:
            self._flush()

    def close(self) -> None:
        """Write what is held and force everything to disk."""
        self._flush()
        sync_folder(self._folder)

    def _flush(self) -> None:
        for chunk, parts in self._held.items():
            table = pa.concat_tables(parts).combine_chunks()
            with (
                (self._folder / _name(chunk)).open("ab") as file,
                pa.ipc.new_stream(file, table.schema, options=_LZ4) as writer,
            ):
                writer.write_table(table)
        self._held.clear()
        self._bytes = 0


def read_spilled(folder: Path, chunk: int, schema: pa.Schema) -> pa.Table:
    """Rows of one chunk, in the order in which they were added; none if the chunk got none."""
    path = folder / _name(chunk)
    if not path.exists():
        return schema.empty_table()
    tables = []
    with pa.OSFile(str(path)) as file:
        size = file.size()
        while file.tell() < size:
            with pa.ipc.open_stream(file) as stream:
                tables.append(stream.read_all())
    return pa.concat_tables(tables)


def table_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Stream a Parquet file in pieces of bounded size, dictionary columns as plain values.

    Raises
    ------
    InvalidInput
        When the file cannot be read.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            names = None if columns is None else list(columns)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False):
                yield plain(pa.Table.from_batches([batch]))
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}", column="path", mend="Give a Parquet file, or a UTF-8 CSV with a header."
        ) from error


def plain(table: pa.Table) -> pa.Table:
    """The table without dictionary columns and without what pandas noted about its index."""
    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = pc.cast(table.column(position), field.type.value_type)
            table = table.set_column(position, field.name, values)
    return table.replace_schema_metadata(None)


def sync_folder(folder: Path) -> None:
    """Force the files of a folder, and their names, to disk."""
    for entry in [*sorted(path for path in folder.iterdir() if path.is_file()), folder]:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _name(chunk: int) -> str:
    return f"{chunk:08d}.arrows"
