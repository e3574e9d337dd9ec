"""One process migrates a decision log; those that start meanwhile wait for it, and say so."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import sqlalchemy as sa

from recommender.store.decision_log.database import DatabaseUnavailable

__all__ = ["hold_migration", "migration_file"]

_LOCK = 7_306_341_902_114  # any constant; PostgreSQL's advisory lock that serialises migrations of this log
_LONGEST_SECONDS = 1_800.0  # indexes of hundreds of millions of rows are built by then
_LOOK_SECONDS = 0.1
_logger = logging.getLogger("recommender")


@contextmanager
def migration_file(engine: sa.Engine) -> Iterator[None]:
    """Be the only process that migrates this SQLite log; on PostgreSQL :func:`hold_migration` sees to it.

    Not the database's own lock, which a request waits for: that one is given up after seconds, and does not tell a
    migration from a program that holds the file. The lock ends with the process, however it ends.

    Raises
    ------
    DatabaseUnavailable
        When another process has been migrating for half an hour, or no file can be locked beside the log.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    path = _file_of(engine)
    lock = -1

    def try_once() -> bool:
        nonlocal lock
        try:
            lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            if _is_locked(lock, path):
                return True
        except OSError as error:
            if lock >= 0:
                os.close(lock)
            raise DatabaseUnavailable(
                f"No process can be the only one that migrates the decision log: {path} cannot be made and locked "
                f"({error.strerror}). Free the name, or let this user write the folder, and start again."
            ) from error
        os.close(lock)
        lock = -1
        return False

    _wait(try_once, engine)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _is_locked(lock: int, path: Path) -> bool:
    """Whether we hold the file, and it is not one that the process before took away with its end."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def hold_migration(connection: sa.Connection) -> None:
    """Hold the migration of a PostgreSQL log until the transaction ends."""
    if connection.dialect.name != "postgresql":
        return
    taken = sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))
    _wait(lambda: bool(connection.scalar(taken)), connection.engine)


def _wait(try_once: Callable[[], bool], engine: sa.Engine) -> None:
    """Look again until it is our turn."""
    shown = engine.url.render_as_string(hide_password=True)
    began, told = time.monotonic(), False
    while not try_once():
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise DatabaseUnavailable(
                f"Another process has been migrating the decision log at {shown} for {_LONGEST_SECONDS / 60:.0f} "
                "minutes. Wait until it has ended, or end it (what it did is rolled back), and start again."
            )
        if not told:
            _logger.warning("another process migrates the decision log at %s: waiting for it", shown)
            told = True
        time.sleep(_LOOK_SECONDS)


def _file_of(engine: sa.Engine) -> Path:
    name = str(engine.url.database)
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:").split("?")[0])
    return Path(f"{Path(name).resolve()}-migration")  # one file, whatever the log is called by
