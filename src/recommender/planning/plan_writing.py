"""From finished chunks to one plan file in the order of the accounts, in bounded memory."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.planning.chunk_spill import ChunkSpill, read_spilled
from recommender.planning.plan_folder import PlanFolder, written_whole
from recommender.planning.plan_rows import RECORD

__all__ = ["write_plan"]

_GROUP_ROWS = 131_072
_ACCOUNTS_A_BUCKET = 100_000


def write_plan(folder: PlanFolder, chunks: list[int], *, in_order: bool, out: Path) -> int:
    """Write the plan whole or not at all.

    The bytes depend on the decisions only, not on how they were cut into chunks nor on how often the run was killed.

    Parameters
    ----------
    folder : PlanFolder
    chunks : list of int
        Finished chunks, ascending.
    in_order : bool
        Whether each chunk's rows come before the next one's.
    out : Path
        Parquet, CSV or gzipped CSV by its ending.

    Returns
    -------
    int
        Ranked actions written.
    """
    tables: Iterable[pa.Table] = (_without_records(folder.ranked(chunk)) for chunk in chunks)
    schema = _without_records(folder.schema(chunks[0]).empty_table()).schema
    if not in_order:
        tables = _sorted_by_row(tables, schema, folder.folder / "ordered")
    with written_whole(out) as path:
        if out.name.endswith((".csv", ".csv.gz")):
            written = _write_csv(tables, path, zipped=out.name.endswith(".gz"))
        else:
            written = _write_parquet(tables, path, schema)
    return written


def _without_records(table: pa.Table) -> pa.Table:
    if RECORD not in table.column_names:
        return table
    noted = dict(table.schema.metadata or {})
    if b"pandas" in noted:
        described = json.loads(noted[b"pandas"])
        described["columns"] = [one for one in described["columns"] if one["name"] != RECORD]
        noted[b"pandas"] = json.dumps(described).encode()
    return table.drop_columns([RECORD]).replace_schema_metadata(noted)


def _sorted_by_row(tables: Iterable[pa.Table], schema: pa.Schema, folder: Path) -> Iterator[pa.Table]:
    """Sort by row through buckets of rows on disk."""
    if folder.exists():
        shutil.rmtree(folder)
    spill = ChunkSpill(folder)
    last = -1
    for table in tables:
        bucket = table.column("row").to_numpy() // _ACCOUNTS_A_BUCKET
        spill.add(table.replace_schema_metadata(None), bucket)
        last = max(last, int(bucket[-1]))
    spill.close()
    for bucket in range(last + 1):
        table = read_spilled(folder, bucket, schema.remove_metadata())
        order = np.lexsort((table.column("rank").to_numpy(), table.column("row").to_numpy()))
        yield table.take(pa.array(order)).replace_schema_metadata(schema.metadata)
    shutil.rmtree(folder)


def _write_parquet(tables: Iterable[pa.Table], path: Path, schema: pa.Schema) -> int:
    pending: list[pa.Table] = []
    waiting = written = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            pending.append(table)
            waiting += len(table)
            while waiting >= _GROUP_ROWS:
                together = pa.concat_tables(pending)
                writer.write_table(together.slice(0, _GROUP_ROWS).combine_chunks())
                pending, waiting, written = [together.slice(_GROUP_ROWS)], waiting - _GROUP_ROWS, written + _GROUP_ROWS
        if waiting or not written:
            writer.write_table(pa.concat_tables(pending).combine_chunks())
    return written + waiting


def _write_csv(tables: Iterable[pa.Table], path: Path, *, zipped: bool) -> int:
    written = 0
    # no time and no name in the gzip header: the same plan, the same bytes
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) if zipped else raw as file:
        for table in tables:
            table.to_pandas().to_csv(file, index=False, header=not written)
            written += len(table)
    return written
