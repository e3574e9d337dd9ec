"""Engines and transactions: SQLite made safe for many threads and processes, PostgreSQL as it is."""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log.grouped_writes import GroupedWrites
from recommender.store.decision_log.record_fields import WrittenJson
from recommender.store.decision_log.schema import SchemaMismatch

__all__ = ["DatabaseUnavailable", "open_engine", "refuse_missing_file", "write"]

T = TypeVar("T")


class DatabaseUnavailable(RecommenderError):
    """A database that does not answer; without its password."""


_BUSY_SECONDS = 8.0  # shorter than a request may take, so that its caller is told
_CONNECT_SECONDS, _LOCK_SECONDS, _STATEMENT_SECONDS = 3, 5, 10
_CACHE_KIB = 16_384
_ATTEMPTS = 5
_GIVE_UP_SECONDS = 12.0  # after this no further attempt begins: who waits is told rather than kept
_PAUSE_SECONDS = 0.05
_BEGIN = "how the next transaction begins"
_RETRIABLE_SQLSTATES = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available


def open_engine(url: str, *, read_only: bool = False) -> sa.Engine:
    """Engine for a SQLAlchemy URL; opens no connection yet.

    SQLite runs in write-ahead mode with ``synchronous=FULL`` (a decision that was answered survives a power cut),
    waits up to 8 s for another writer and overwrites what is deleted.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/decisions.db`` or ``postgresql+psycopg://user@host/database``.
    read_only : bool, default=False
        The database itself refuses every write of this engine; no file and no folder is made.

    Raises
    ------
    InvalidInput
        For a URL that is none, or a SQLite database in memory (a log that forgets).
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "The decision log's URL cannot be read.",
            column="url",
            mend="Use e.g. sqlite:///models/decisions.db or postgresql+psycopg://user@host/database.",
        ) from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise InvalidInput.in_column(
            "url", "names a database that is not supported", values=[backend], mend="Use SQLite or PostgreSQL."
        )
    if backend == "postgresql":
        return _postgres_engine(parsed, read_only=read_only)
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput(
            "A decision log in memory forgets every decision at exit.",
            column="url",
            mend="Name a file, e.g. sqlite:///models/decisions.db.",
        )
    if read_only:
        return _sqlite_reader(parsed)
    Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS}, json_serializer=_json_text)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    # Not as an event: an engine that has one makes every connection look for listeners at every step.
    engine.dialect.do_begin = _begin_sqlite  # type: ignore[assignment]
    return engine


def _json_text(value: Any) -> str:
    return value.text if type(value) is WrittenJson else json.dumps(value)


def _sqlite_reader(url: sa.URL) -> sa.Engine:
    name = str(url.database)
    if not name.startswith("file:"):
        url = url.set(database=f"file:{quote(str(Path(name).absolute()))}")
    return sa.create_engine(
        url.update_query_dict({"mode": "ro", "uri": "true"}), connect_args={"timeout": _BUSY_SECONDS}
    )


def _postgres_engine(url: sa.URL, *, read_only: bool) -> sa.Engine:
    """Engine that gives up on a server that does not answer, and asks the server to give up as well."""
    options = url.query.get("options", "")
    given = " ".join(options) if isinstance(options, tuple) else options
    limits = f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={_LOCK_SECONDS}s"
    always = "-c default_transaction_read_only=on" if read_only else ""
    connect = {
        "options": f"{limits} {given} {always}".strip(),  # what comes last wins
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": 1_000 * _STATEMENT_SECONDS,
    }
    return sa.create_engine(
        url.difference_update_query(["options"]),
        connect_args=connect,
        json_serializer=_json_text,
        pool_pre_ping=True,
        pool_timeout=_LOCK_SECONDS,
        pool_size=10,
        max_overflow=30,
    )


def refuse_missing_file(url: str) -> None:
    """Raise where a SQLite file does not exist: to connect would make an empty one."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        return  # open_engine says so
    name = parsed.database or ":memory:"
    if parsed.get_backend_name() == "sqlite" and not name.startswith((":", "file:")) and not Path(name).exists():
        raise SchemaMismatch(f"There is no decision log at {url}. Create it once with DecisionLog.create(url).")


def write(engine: sa.Engine, work: Callable[[sa.Connection], T], *, may_repeat_lost: bool = True) -> T:
    """Run ``work`` in one transaction; repeat it when the database was busy, deadlocked or went away.

    ``work`` must be idempotent: after a lost connection nobody knows whether the first attempt was committed. What is
    not says so by ``may_repeat_lost``. On SQLite, which has no connection to lose, the threads of a process share
    transactions; each returns when its own is committed.
    """
    if engine.dialect.name != "sqlite":
        return _transact(engine, work, may_repeat_lost=may_repeat_lost)
    with _GROUPS_LOCK:
        group = _GROUPS.get(engine)
        if group is None:
            reference = weakref.ref(engine)  # the writes of an engine must not keep it alive
            group = _GROUPS[engine] = GroupedWrites(lambda some: _transact(_alive(reference), some))
    return group.write(work)


_GROUPS: weakref.WeakKeyDictionary[sa.Engine, GroupedWrites] = weakref.WeakKeyDictionary()
_GROUPS_LOCK = threading.Lock()


def _alive(reference: weakref.ref[sa.Engine]) -> sa.Engine:
    engine = reference()
    assert engine is not None, "whoever writes holds its engine"  # noqa: S101
    return engine


def _transact(engine: sa.Engine, work: Callable[[sa.Connection], T], *, may_repeat_lost: bool = True) -> T:
    began = time.monotonic()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with engine.connect() as connection:
                connection.connection.info[_BEGIN] = "IMMEDIATE"
                with connection.begin():
                    return work(connection)
        except DBAPIError as error:
            late = time.monotonic() - began > _GIVE_UP_SECONDS
            if late or attempt == _ATTEMPTS or not _may_retry(error, may_repeat_lost):
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _may_retry(error: DBAPIError, may_repeat_lost: bool) -> bool:
    if error.connection_invalidated:
        return may_repeat_lost
    if getattr(error.orig, "sqlstate", None) in _RETRIABLE_SQLSTATES:
        return True
    text = str(error.orig)
    return "database is locked" in text or "database is busy" in text


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling starts too late (and DDL outside of one): SQLAlchemy begins, see below.
    connection.isolation_level = None
    cursor = connection.cursor()
    # A new file gets pages that hold several decisions, written in fewer pieces; one that is there keeps its own.
    for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    # A transaction of a thousand decisions fits in memory; the write-ahead file is folded in less often.
    (page,) = cursor.execute("PRAGMA page_size").fetchone()
    for pragma in (f"cache_size=-{_CACHE_KIB}", f"wal_autocheckpoint={_CACHE_KIB * 1_024 // page}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    # A writer takes the write lock at once: upgrading a read lock later fails without waiting.
    connection.cursor().execute(f"BEGIN {connection.info.pop(_BEGIN, 'DEFERRED')}")
