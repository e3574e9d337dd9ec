"""From finished chunks to one plan file in the order of the accounts, in bounded memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.planning.plan_folder import PlanFolder, written_whole
from recommender.planning.plan_rows import RECORD

__all__ = ["write_plan"]

_GROUP_ROWS = 131_072
#: Columns of which most cells differ: to look for repetitions costs more than it saves.
_DISTINCT = ("decision_id", "row", "account", "debtor")


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
    ranked = (folder.ranked(chunk) for chunk in chunks) if in_order else _in_order(folder, chunks)
    tables = (_without_records(table) for table in ranked)
    schema = _without_records(folder.schema(chunks[0]).empty_table()).schema
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


def _in_order(folder: PlanFolder, chunks: list[int]) -> Iterator[pa.Table]:
    """Group after group of rows, each sorted, whichever chunks they were planned in."""
    of_group: dict[int, list[int]] = {}
    for chunk in chunks:
        for group in folder.groups(chunk):
            of_group.setdefault(group, []).append(chunk)
    for group, there in sorted(of_group.items()):
        table = pa.concat_tables([folder.ranked_of_group(chunk, group) for chunk in there])
        order = np.lexsort((table.column("rank").to_numpy(), table.column("row").to_numpy()))
        yield table.combine_chunks().take(pa.array(order))


def _write_parquet(tables: Iterable[pa.Table], path: Path, schema: pa.Schema) -> int:
    pending: list[pa.Table] = []
    waiting = written = 0
    repeated = [one.name for one in schema if one.name not in _DISTINCT and not pa.types.is_floating(one.type)]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated) as writer:
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
