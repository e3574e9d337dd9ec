"""Backup and restore, as docs/operations.md says: taken while the log is written, restored, and every digest right."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import DecisionLog
from tests import machine


class Writing:
    """A thread that logs decisions until it is told to stop."""

    def __init__(self, log, decide):
        self.written, self._log, self._decide, self._stop = [], log, decide, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set():
            record = self._decide(len(self.written))
            self._log.record([record])
            self.written.append(record)

    def __enter__(self):
        self._thread.start()
        while len(self.written) < 20:
            self._stop.wait(0.01)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def restored(url, before, decide):
    """What was acknowledged before the backup is in the restored log, as it was written, and the log goes on."""
    with DecisionLog.create(url) as log:
        assert [log.get(one.decision_id).decision for one in before] == before
        again = log.record([*before, decide(99_999)])
        assert (again.stored, again.repeated) == (1, len(before))


def test_a_backup_of_sqlite_taken_while_it_is_written(tmp_path, decide):
    place = tmp_path / "d.db"
    with DecisionLog.create(f"sqlite:///{place}") as log, Writing(log, decide) as writing:
        before = list(writing.written)
        with closing(sqlite3.connect(place, timeout=30)) as connection:  # by itself it ends its transaction only
            connection.execute(f"VACUUM INTO '{tmp_path / 'backup.db'}'")
    restored(f"sqlite:///{tmp_path / 'backup.db'}", before, decide)


@pytest.mark.postgres
def test_a_backup_of_postgresql_taken_while_it_is_written(postgres_server, tmp_path, decide):
    programs = machine.postgres()
    for name in ("pg_dump", "pg_restore"):
        if not (programs / name).exists():
            machine.missing(name, "apt-get install -y postgresql-client")
    server = sa.make_url(postgres_server)
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    urls = {name: server.set(database=name) for name in ("drill_source", "drill_target")}
    with admin.connect() as connection:
        for name in urls:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        plain = {name: str(url.set(drivername="postgresql")) for name, url in urls.items()}
        dump = tmp_path / "backup.dump"
        with DecisionLog.create(str(urls["drill_source"])) as log, Writing(log, decide) as writing:
            before = list(writing.written)
            subprocess.run(
                [programs / "pg_dump", "--format=custom", f"--file={dump}", plain["drill_source"]], check=True
            )
        subprocess.run(
            [programs / "pg_restore", "--clean", "--if-exists", f"--dbname={plain['drill_target']}", dump], check=True
        )
        restored(str(urls["drill_target"]), before, decide)
    finally:
        with admin.connect() as connection:
            for name in urls:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
