"""The working folder of a plan: a manifest and a file for each finished chunk, so that a kill loses only the last.

Every file appears whole under its name or not at all: written beside, forced to disk, renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recommender.errors import RecommenderError
from recommender.planning.chunk_spill import sync_folder
from recommender.planning.plan_chunk import PlannedChunk

__all__ = ["ROWS_TOGETHER", "OtherInputs", "PlanBusy", "PlanFolder", "file_digest", "written_whole"]

_SUMMARY = b"plan-chunk"
_RUN = b"plan-run"
_GROUPS = b"plan-groups"
_ENDING, _ENDING_BEFORE = ".arrow", ".parquet"
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
FORMAT = 2
ROWS_TOGETHER = 100_000
"""Rows of the portfolio that lie together in each part, so that a plan is put in order group by group."""


class OtherInputs(RecommenderError, ValueError):
    """A half-finished plan was made from other inputs.

    Attributes
    ----------
    differing : tuple of str
        What differs, as paths into the manifest.
    """

    def __init__(self, folder: Path, differing: Mapping[str, tuple[Any, Any]]) -> None:
        self.differing = tuple(differing)
        differences = "; ".join(f"{name} was {was!r}, is {now!r}" for name, (was, now) in differing.items())
        super().__init__(
            f"{folder} holds a half-finished plan from other inputs: {differences}. Give the same inputs to resume it, "
            "another --out to keep it, or --restart to throw it away."
        )


class PlanBusy(RecommenderError):
    """Another process is making this very plan."""


class PlanFolder:
    """Finished chunks of one plan.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = folder / "inputs"
        self._parts = folder / "parts"
        self._manifest = folder / "manifest.json"
        self._run = b""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the lock ends with the process, however it ends.

        Raises
        ------
        PlanBusy
            When another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise PlanBusy(f"Another process is working in {self.folder}. Wait for it, or stop it.") from error
            yield

    def begin(self, inputs: Mapping[str, Any]) -> bool:
        """Resume the plan made from these inputs, or start one.

        Parameters
        ----------
        inputs : mapping
            JSON-ready; everything the plan depends on.

        Returns
        -------
        bool
            Whether there is something to resume.

        Raises
        ------
        OtherInputs
            When finished chunks of other inputs lie here.
        """
        manifest = {"format": FORMAT, "inputs": json.loads(json.dumps(inputs))}
        self._run = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest().encode()
        if self._manifest.is_file():
            stored = json.loads(self._manifest.read_text(encoding="utf-8"))
            if stored == manifest:
                return True
            if any(path.suffix in (_ENDING, _ENDING_BEFORE) for path in self._parts.glob("*")):
                raise OtherInputs(self.folder, dict(_differences(stored, manifest)))
        self.clear()
        self._parts.mkdir(parents=True)
        with written_whole(self._manifest) as path:
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        return False

    def clear(self) -> None:
        """Throw everything away but the lock."""
        for entry in self.folder.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def gone_if_nothing_is_done(self) -> Iterator[None]:
        """Leave no folder behind an input that cannot be used."""
        try:
            yield
        except RecommenderError:
            if not any(self._parts.glob(f"*{_ENDING}")):
                self.remove()
            raise

    @contextlib.contextmanager
    def preparing(self) -> Iterator[Path]:
        """Folder to prepare the inputs in; they count as prepared once this ends well."""
        waiting = self.folder / "inputs.part"
        if waiting.exists():
            shutil.rmtree(waiting)
        yield waiting
        waiting.rename(self.inputs)
        sync_folder(self.folder)

    # -- parts ---------------------------------------------------------------------------------------------------
    def part(self, chunk: int) -> Path:
        """Where the plan of a chunk is kept."""
        return self._parts / f"{chunk:08d}{_ENDING}"

    def is_planned(self, chunk: int) -> bool:
        """Whether a chunk is finished."""
        return self.part(chunk).is_file()

    def keep(self, chunk: int, planned: PlannedChunk) -> None:
        """Keep the plan of a chunk."""
        ranked = planned.ranked.combine_chunks()
        group = ranked.column("row").to_numpy() // ROWS_TOGETHER
        starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])) if len(group) else np.zeros(0, dtype=np.int64)
        groups = json.dumps(group[starts].tolist()).encode()
        noted = {_SUMMARY: planned.described(), _RUN: self._run, _GROUPS: groups}
        schema = ranked.schema.with_metadata(dict(ranked.schema.metadata or {}) | noted)
        with (
            written_whole(self.part(chunk)) as path,
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, schema, options=_LZ4) as writer,
        ):
            for start, end in pairwise([*starts.tolist(), len(ranked)]):
                writer.write_table(ranked.slice(start, end - start).replace_schema_metadata(schema.metadata))

    def summary(self, chunk: int) -> dict[str, Any]:
        """What was told about a finished chunk."""
        with self._opened(chunk) as part:
            noted = part.schema.metadata
        if noted.get(_RUN) != self._run:
            raise RecommenderError(f"{self.part(chunk)} belongs to another plan. Score again with --restart.")
        summary: dict[str, Any] = json.loads(noted[_SUMMARY])
        return summary

    def schema(self, chunk: int) -> pa.Schema:
        """Columns of the plan of a finished chunk."""
        with self._opened(chunk) as part:
            return _without_notes(part.schema)

    def groups(self, chunk: int) -> list[int]:
        """Groups of :data:`ROWS_TOGETHER` rows of the portfolio that a finished chunk has a part of."""
        with self._opened(chunk) as part:
            return [int(group) for group in json.loads(part.schema.metadata[_GROUPS])]

    def ranked(self, chunk: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The plan of a finished chunk; some columns of it, in the order of the plan."""
        with self._opened(chunk, columns) as part:
            table = part.read_all()
        return table.replace_schema_metadata(_without_notes(table.schema).metadata)

    def ranked_of_group(self, chunk: int, group: int) -> pa.Table:
        """Of the plan of a finished chunk what stands in one group of rows."""
        with self._opened(chunk) as part:
            groups = json.loads(part.schema.metadata[_GROUPS])
            batches = [part.get_batch(groups.index(group))] if group in groups else []
            table = pa.Table.from_batches(batches, schema=part.schema)
        return table.replace_schema_metadata(_without_notes(table.schema).metadata)

    @contextlib.contextmanager
    def _opened(self, chunk: int, columns: Sequence[str] | None = None) -> Iterator[pa.ipc.RecordBatchFileReader]:
        with pa.memory_map(str(self.part(chunk))) as file:
            options = None
            if columns is not None:
                names = pa.ipc.open_file(file).schema.names
                options = pa.ipc.IpcReadOptions(included_fields=[names.index(c) for c in columns], use_threads=False)
            yield pa.ipc.open_file(file, options=options or pa.ipc.IpcReadOptions(use_threads=False))


def _without_notes(schema: pa.Schema) -> pa.Schema:
    noted = {name: value for name, value in (schema.metadata or {}).items() if name not in (_SUMMARY, _RUN, _GROUPS)}
    return schema.with_metadata(noted)


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A place to write to that becomes ``target``, on disk, once the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    waiting = target.with_name(f".{target.name}.part")
    try:
        yield waiting
        with waiting.open("rb+") as file:
            os.fsync(file.fileno())
        waiting.replace(target)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _differences(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Leaves that differ, with the way to them."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif was != now:
        yield path.removeprefix("inputs."), (was, now)
