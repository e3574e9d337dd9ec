"""A copy of a large Parquet file in the order of a column, made in bounded memory.

Of a file that is in no order every part has to be read for one account; where rows of a value lie together a few are.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["write_ordered"]

_ROWS_TOGETHER = 20_000
_ROWS_READ = 100_000
_ROWS_SORTED = 250_000
_SAMPLED = 20_000
_ABANDONED_SECONDS = 3_600


def write_ordered(path: Path, column: str, place: Path, *, rows_sorted: int = _ROWS_SORTED) -> None:
    """Write the rows of a file in the order of a column; whole or not at all.

    Rows are dealt into spans of the column first, and each span is sorted by itself: about ``rows_sorted`` rows are in
    memory at a time, whatever the file holds. Rows without a value are left out, nobody looks for them by it.

    Parameters
    ----------
    path, place : Path
    column : str
    rows_sorted : int
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{path.stem}-*"):  # of a process that was ended: it holds rows of people
        if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=place.parent))
    try:
        with pq.ParquetFile(path) as file:
            schema = _plain(file.schema_arrow, column)
            ends = _ends_of_spans(file, column, max(1, -(-file.metadata.num_rows // rows_sorted)))
            spans = _dealt(file, column, schema, ends, work)
        with pq.ParquetWriter(work / "whole", schema) as out:
            for span in spans:
                rows = pq.read_table(span)
                out.write_table(rows.take(pc.sort_indices(rows[column])), row_group_size=_ROWS_TOGETHER)
                span.unlink()
        (work / "whole").replace(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _plain(schema: pa.Schema, column: str) -> pa.Schema:
    """The schema with the column itself in place of codes of it."""
    at = schema.get_field_index(column)
    kind = schema.field(at).type
    return schema.set(at, pa.field(column, kind.value_type)) if pa.types.is_dictionary(kind) else schema


def _batches(file: pq.ParquetFile, column: str, names: list[str] | None = None) -> Iterator[pa.Table]:
    for batch in file.iter_batches(_ROWS_READ, columns=names):
        table = pa.Table.from_batches([batch])
        yield table.cast(_plain(table.schema, column))


def _ends_of_spans(file: pq.ParquetFile, column: str, n_spans: int) -> NDArray[Any]:
    """Values at which spans of about as many rows begin, without the first."""
    if n_spans == 1:
        return np.empty(0, dtype=object)
    step = max(1, file.metadata.num_rows // _SAMPLED)
    seen = [one[column].combine_chunks().take(np.arange(0, len(one), step)) for one in _batches(file, column, [column])]
    sample = pa.chunked_array(seen).drop_null()
    values = sample.take(pc.sort_indices(sample)).to_numpy(zero_copy_only=False)
    at = np.arange(1, n_spans) * len(values) // n_spans
    return np.unique(values[at]) if len(values) else np.empty(0, dtype=object)


def _dealt(file: pq.ParquetFile, column: str, schema: pa.Schema, ends: NDArray[Any], work: Path) -> list[Path]:
    """Files of the rows of each span, in the order of the spans."""
    paths = [work / f"{number}" for number in range(len(ends) + 1)]
    with ExitStack() as stack:
        writers = [stack.enter_context(pq.ParquetWriter(path, schema)) for path in paths]
        for batch in _batches(file, column):
            known = batch.filter(pc.is_valid(batch[column]))
            ordered = known.take(pc.sort_indices(known[column]))
            values = ordered[column].to_numpy(zero_copy_only=False)
            cuts = [0, *np.searchsorted(values, ends, side="left").tolist(), len(values)]
            for writer, first, last in zip(writers, cuts[:-1], cuts[1:], strict=True):
                if last > first:
                    writer.write_table(ordered.slice(first, last - first))
    return paths
