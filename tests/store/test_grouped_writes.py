"""Threads that write at once share transactions: each gets its own answer, and none before it is committed."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import DecisionLog
from recommender.store.decision_log.database import open_engine, write
from recommender.store.decision_log.grouped_writes import GroupedWrites


@pytest.fixture
def engine(tmp_path):
    made = open_engine(f"sqlite:///{tmp_path / 'd.db'}")
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (name TEXT PRIMARY KEY)"))
    yield made
    made.dispose()


def insert(name, then=None):
    def work(connection):
        connection.execute(sa.text("INSERT INTO t VALUES (:name)"), {"name": name})
        if then is not None:
            raise then
        return name

    return work


def names(engine):
    with engine.connect() as connection:
        return set(connection.execute(sa.text("SELECT name FROM t")).scalars())


class Together:
    """Transactions whose first waits until others queue behind it, so that these are written as one group."""

    def __init__(self, engine, n):
        self.engine, self.n = engine, n
        self.commits = 0
        self.groups = GroupedWrites(self._transact)

    def _transact(self, work):
        if self.commits == 0:
            while len(self.groups._waiting) < self.n:
                threading.Event().wait(0.01)
        self.commits += 1
        with self.engine.begin() as connection:
            return work(connection)

    def run(self, works):
        with ThreadPoolExecutor(len(works)) as pool:
            return [pool.submit(self.groups.write, work) for work in works]


def test_a_group_is_one_transaction_and_each_gets_its_own_result(engine):
    together = Together(engine, 9)
    told = together.run([insert(str(number)) for number in range(10)])
    assert sorted(one.result() for one in told) == sorted(map(str, range(10)))
    assert together.commits == 2  # the first one, and the nine that waited
    assert names(engine) == set(map(str, range(10)))


def test_what_one_of_a_group_refuses_leaves_the_others_alone(engine):
    works = [insert("a"), insert("b", ValueError("stale")), insert("c"), insert("d", ValueError("stale"))]
    told = Together(engine, 3).run(works)
    assert [one.exception() is None for one in told] == [True, False, True, False]
    assert names(engine) == {"a", "c"}


def test_an_error_of_the_database_is_answered_to_the_one_at_fault(engine):
    """A statement that fails may end the whole transaction: then each is tried alone."""
    write(engine, insert("taken"))
    told = Together(engine, 3).run([insert("a"), insert("taken"), insert("c"), insert("d")])
    assert [type(one.exception()).__name__ for one in told] == ["NoneType", "IntegrityError", "NoneType", "NoneType"]
    assert names(engine) == {"taken", "a", "c", "d"}


def test_where_the_commit_fails_nobody_is_told_that_it_was_written(engine):
    class Full(Together):
        def _transact(self, work):
            def undone(connection):
                work(connection)
                raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

            return super()._transact(undone)

    told = Full(engine, 3).run([insert(str(number)) for number in range(4)])
    assert all(isinstance(one.exception(), sa.exc.OperationalError) for one in told)
    assert names(engine) == set()


def test_an_interrupted_group_tells_nobody_that_it_was_written(engine):
    class Interrupted(Together):
        def _transact(self, work):
            def broken(connection):
                result = work(connection)
                if result is None:  # a group
                    raise SystemExit
                return result

            return super()._transact(broken)

    told = Interrupted(engine, 3).run([insert(str(number)) for number in range(4)])
    written = [one for one in told if one.exception() is None]
    assert len(names(engine)) == len(written) == 1


def test_many_threads_write_through_one_engine(engine):
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda number: write(engine, insert(str(number))), range(200)))
    assert told == [str(number) for number in range(200)] and len(names(engine)) == 200


@pytest.mark.parametrize(("there", "page"), [(None, 8_192), (4_096, 4_096)])
def test_a_new_file_has_large_pages_and_one_that_is_there_keeps_its_own(tmp_path, there, page):
    """The write-ahead file is folded in at the same size either way."""
    path = tmp_path / "log.db"
    if there is not None:
        with closing(sqlite3.connect(path)) as old:
            old.execute(f"PRAGMA page_size={there}")
            old.execute("VACUUM")
    with DecisionLog.create(f"sqlite:///{path}") as log, log.engine.connect() as connection:
        asked = [connection.exec_driver_sql(f"PRAGMA {one}").scalar_one()
                 for one in ("page_size", "wal_autocheckpoint", "journal_mode")]  # fmt: skip
    assert asked == [page, 16 * 2**20 // page, "wal"]
