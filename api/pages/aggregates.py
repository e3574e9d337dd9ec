"""Aggregates of the log that pages show: kept on disk, and made anew beside the requests where that takes long."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import structlog

__all__ = ["Aggregates", "BeingMade", "KeptTables", "write_json"]

_log = structlog.get_logger(__name__)

Values: TypeAlias = dict[str, Any]
"""Frames, tables and plain values. Tables are of a row a decision or an account: they are not read but mapped."""

_PATIENCE_SECONDS = 2.0
"""What takes longer than this to make is made beside the requests, which get what was made before."""

_MANY_DECISIONS = 50_000
"""A log of more is not read while somebody waits, where an earlier aggregate is there."""

_N_GROWING = 3
"""Numbers of decisions, outcomes and events may grow; the number of removals behind them may not."""

_ABANDONED_SECONDS = 3_600

_REST = 9.0
"""So many times as long as making took, nothing is made anew: at most a tenth of a core goes into it."""


class BeingMade(Exception):
    """There is nothing to show yet: it is being made, which takes longer than anybody is to wait."""


@dataclass(frozen=True)
class _Made:
    """Values with what they were made from."""

    key: str
    log: str
    at: str
    seconds: float
    values: Values | None

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


class KeptTables:
    """Values kept on disk by name, frames as Parquet, tables as Arrow files of which only what is looked at is read.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, name: str) -> tuple[dict[str, Any], Values] | None:
        """What was kept under a name: what it was made from, and the values."""
        path = None if self.folder is None else self.folder / name
        if path is None or not (path / "about.json").is_file():
            return None
        try:
            text = (path / "about.json").read_text(encoding="utf-8")
            about = json.loads(text)
            frames = {one: pd.read_parquet(path / f"{one}.parquet") for one in about["frames"]}
            tables = {one: _mapped(path / f"{one}.arrow") for one in about["tables"]}
            if (path / "about.json").read_text(encoding="utf-8") != text:  # put in its place meanwhile
                return None
            return about["made_from"], {**about["plain"], **frames, **tables}
        except (OSError, ValueError, KeyError):  # half written or of another version: made anew
            return None

    def put(self, name: str, made_from: dict[str, Any], values: Values) -> None:
        """Keep values in place of those of before."""
        if self.folder is None:
            return
        path = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f".{name}.new-*"):  # of a process that was ended
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}.new-", dir=self.folder))  # other workers keep the same
        try:
            self._write(fresh, made_from, values)
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):  # another worker kept the same meanwhile
                fresh.replace(path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @staticmethod
    def _write(fresh: Path, made_from: dict[str, Any], values: Values) -> None:
        frames = [one for one, value in values.items() if isinstance(value, pd.DataFrame)]
        for one in frames:
            values[one].to_parquet(fresh / f"{one}.parquet", index=False)
        tables = [one for one, value in values.items() if isinstance(value, pa.Table)]
        for one in tables:
            with (
                pa.OSFile(str(fresh / f"{one}.arrow"), "wb") as out,
                pa.ipc.new_file(out, values[one].schema) as writer,
            ):
                writer.write_table(values[one])
        plain = {one: value for one, value in values.items() if one not in {*frames, *tables}}
        about = {"made_from": made_from, "frames": frames, "tables": tables, "plain": plain}
        about["put"] = fresh.name  # no two alike: a reader tells that what it began to read is still in its place
        write_json(fresh / "about.json", about)


class Aggregates:
    """Aggregates by name, each of the log as it was and of a key.

    While the log only grows, one that took long to make is given as it is and a newer one is made in a thread, by one
    worker of the machine; after another key, or when something was taken out of the log (somebody was erased), it is
    made at once.

    Parameters
    ----------
    folder : Path or None
        None: kept in memory only.
    patience : float or None
        Seconds that a reader waits for what is made of a long log for the first time, before :class:`BeingMade` says to
        come back; None = until it is there.
    """

    def __init__(self, folder: Path | None, patience: float | None = None) -> None:
        self._tables, self._patience = KeptTables(folder), patience
        self._first: dict[str, Future[_Made]] = {}
        self._made: dict[str, _Made] = {}
        self._behind: dict[str, datetime] = {}
        self._renewing: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def of(
        self,
        name: str,
        key: str,
        log: str,
        make: Callable[[], Values | None],
        outlives: Callable[[str, str], bool] = str.__eq__,
    ) -> Values | None:
        """The aggregate of a name; one caller at a time for each.

        Parameters
        ----------
        name, key : str
        log : str
            JSON list of the numbers of decisions, outcomes, events and, beyond them, removals.
        make : callable
        outlives : callable
            Whether what was made for a key may be shown for another one while that is made.

        Raises
        ------
        BeingMade
        """
        made = self._made.get(name)
        if made is None or (made.key, made.log) != (key, log):
            made = self._stored(name) or made
        if made is not None and (made.key, made.log) == (key, log):
            self._behind.pop(name, None)
        elif made is not None and outlives(made.key, key) and _takes_long(made, log) and _only_grew(made.log, log):
            self._behind[name] = made.moment
            self._renew(name, made, key, log, make)
        else:
            if self._patience is None or _n_decisions(log) <= _MANY_DECISIONS:
                made = self._made_alone(name, key, log, make)
            else:
                made = self._within_patience(name, key, log, make)
                if not (outlives(made.key, key) and _only_grew(made.log, log)):
                    raise BeingMade(name)  # begun before a file changed, or of more than there is now
            self._behind.pop(name, None)
            if (made.key, made.log) != (key, log):  # the log grew while it was made
                self._behind[name] = made.moment
        self._made[name] = made
        return made.values

    def _made_alone(self, name: str, key: str, log: str, make: Callable[[], Values | None]) -> _Made:
        """Make it, unless another worker has while this one waited."""
        with self._alone(name, wait=True):
            made = self._stored(name)
            return made if made is not None and (made.key, made.log) == (key, log) else self._make(name, key, log, make)

    def _within_patience(self, name: str, key: str, log: str, make: Callable[[], Values | None]) -> _Made:
        """Make it in a thread that goes on when the reader is sent away."""
        with self._lock:
            first = self._first.get(name)
            if first is None:
                first = self._first[name] = Future()
                made = first

                def work() -> None:
                    try:
                        made.set_result(self._made_alone(name, key, log, make))
                    except BaseException as error:  # noqa: BLE001 - for whoever asks next
                        made.set_exception(error)

                threading.Thread(target=work, daemon=True).start()
        try:
            done = first.result(timeout=self._patience)
        except TimeoutError:
            if not first.done():
                raise BeingMade(name) from None
            raise  # of the work itself
        finally:
            with self._lock:
                if first.done() and self._first.get(name) is first:
                    del self._first[name]
        return done

    def behind_since(self) -> datetime | None:
        """When the oldest aggregate that is behind the log was made; None where all are up to date."""
        return min(self._behind.values(), default=None)

    def close(self) -> None:
        """Wait for what is being made."""
        for thread in [*self._renewing.values()]:
            thread.join(timeout=60)
        wait([*self._first.values()], timeout=60)

    def _stored(self, name: str) -> _Made | None:
        stored = self._tables.get(name)
        if stored is None:
            return None
        try:
            return _Made(values=stored[1], **stored[0])
        except TypeError:  # of another version
            return None

    def _make(self, name: str, key: str, log: str, make: Callable[[], Values | None]) -> _Made:
        began, at = time.monotonic(), datetime.now(UTC).isoformat()
        values = make()
        made = _Made(key, log, at, round(time.monotonic() - began, 3), values)
        if values is not None:
            about = {"key": key, "log": log, "at": at, "seconds": made.seconds}
            try:
                self._tables.put(name, about, values)
            except OSError as error:  # a full disk, or a folder of another owner: shown all the same
                _log.warning("an aggregate could not be kept", name=name, error=type(error).__name__)
        return made

    def _renew(self, name: str, made: _Made, key: str, log: str, make: Callable[[], Values | None]) -> None:
        """Begin to make a newer one, unless somebody does or has just done."""
        age = (datetime.now(UTC) - made.moment).total_seconds()
        with self._lock:
            working = self._renewing.get(name)
            if age < _REST * made.seconds or (working is not None and working.is_alive()):
                return

            def work() -> None:
                with self._alone(name, wait=False) as alone:
                    if alone:
                        try:
                            self._made[name] = self._make(name, key, log, make)
                        except Exception as error:  # noqa: BLE001 - told to the log, and tried again later
                            _log.exception("an aggregate could not be made", name=name, error=type(error).__name__)

            self._renewing[name] = threading.Thread(target=work, daemon=True)
            self._renewing[name].start()

    @contextlib.contextmanager
    def _alone(self, name: str, *, wait: bool) -> Any:
        """Whether no other worker makes the same; with ``wait`` none does any more."""
        if self._tables.folder is None:
            yield True
            return
        self._tables.folder.mkdir(parents=True, exist_ok=True)
        with (self._tables.folder / f".{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError:
                yield False
                return
            yield True


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _takes_long(made: _Made, log: str) -> bool:
    """Whether a reader is not to wait for a newer one: what it was made from may have been at hand that time."""
    return made.seconds > _PATIENCE_SECONDS or _n_decisions(log) > _MANY_DECISIONS


def _n_decisions(log: str) -> int:
    try:
        return int(json.loads(log)[0])
    except (ValueError, LookupError, TypeError):
        return 0


def _only_grew(before: str, now: str) -> bool:
    """Whether no number of the log became smaller, and nothing was removed: more may have come in at the same time."""
    try:
        old, new = json.loads(before), json.loads(now)
    except ValueError:
        return False
    if len(old) != len(new) or old[_N_GROWING:] != new[_N_GROWING:]:
        return False
    return all(a <= b for a, b in zip(old, new, strict=True))


def write_json(path: Path, content: Any) -> None:
    """Write a document; it is there as a whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    fresh.replace(path)
