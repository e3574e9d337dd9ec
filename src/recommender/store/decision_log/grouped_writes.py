"""Writes of many threads in one transaction: one commit, one synchronised disk, and nobody answered before it.

SQLite lets one writer in at a time, and those that wait look again after pauses that grow: with thirty clients some
wait for seconds. Here the threads of a process queue up instead. Whoever comes first writes for all that wait by then,
each in a savepoint of its own, commits once, and hands the next turn to the first that came meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

__all__ = ["GroupedWrites"]

T = TypeVar("T")
_MOST = 64  # writes in one transaction


class _Write:
    """One thread's wish, and what came of it."""

    def __init__(self, work: Callable[[sa.Connection], Any]) -> None:
        self.work = work
        self.turn = threading.Event()
        self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None


class GroupedWrites:
    """Turns of the threads of one process at one database.

    Parameters
    ----------
    transact : callable
        Runs a function on a connection in one transaction, and raises what the database raises.
    """

    def __init__(self, transact: Callable[[Callable[[sa.Connection], Any]], Any]) -> None:
        self._transact = transact
        self._lock = threading.Lock()
        self._waiting: deque[_Write] = deque()
        self._is_writing = False

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work`` in a transaction; returns when it is committed.

        ``work`` must be idempotent: where one of a group is at fault, each is tried again alone. Where the database is,
        all are told at once: one after the other they would wait for as long as there are writes.
        """
        own = _Write(work)
        with self._lock:
            self._waiting.append(own)
            leads = not self._is_writing
            self._is_writing = True
        if not leads:
            own.turn.wait()
        if not own.is_done:
            self._lead()
        if own.error is not None:
            raise own.error
        return cast("T", own.result)

    def _lead(self) -> None:
        """Write for all that wait, then give the turn on."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
        try:
            self._write_group(group)
        finally:
            for one in group:
                one.is_done = True
                one.turn.set()
            with self._lock:
                heir = self._waiting[0] if self._waiting else None
                self._is_writing = heir is not None
            if heir is not None:
                heir.turn.set()

    def _write_group(self, group: list[_Write]) -> None:
        if len(group) > 1:
            try:
                self._transact(partial(_in_savepoints, group))
            except OperationalError as error:  # locked, full, gone: nobody of them would fare better alone
                for one in group:
                    one.error = error
                return
            except DBAPIError:
                pass  # one of them is at fault: alone, each gets its own answer
            except BaseException as error:
                for one in group:  # nothing was committed, so nobody may believe it was
                    one.error = error
                raise
            else:
                return
        for one in group:
            try:
                one.result, one.error = self._transact(one.work), None
            except BaseException as error:  # noqa: BLE001 - it is the other thread's to handle
                one.error = error


def _in_savepoints(group: list[_Write], connection: sa.Connection) -> None:
    """Do the writes of a group; what one refuses by itself leaves the others alone."""
    for one in group:
        one.result, one.error = None, None
        try:
            with connection.begin_nested():
                one.result = one.work(connection)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the other thread's to handle
            one.error = error
