"""Migrations: from nothing, from the revision before, and refused from the future."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from recommender.errors import InvalidInput
from recommender.store.decision_log import OutcomeRecord, migration, migration_turns
from recommender.store.decision_log.database import DatabaseUnavailable, open_engine, write
from recommender.store.decision_log.decisions import DecisionLog, SchemaMismatch
from recommender.store.decision_log.schema import SCHEMA_REVISION, metadata
from tests.store.conftest import NOON


def _schema(engine: sa.Engine) -> dict[str, object]:
    """What a database says of its tables; the order of columns and of what hangs on a table means nothing."""
    told: dict[str, object] = {}
    inspector = sa.inspect(engine)
    for name in inspector.get_table_names():
        kinds = ("columns", "indexes", "unique_constraints", "check_constraints", "foreign_keys")
        parts = {kind: sorted(map(_words, getattr(inspector, f"get_{kind}")(name))) for kind in kinds}
        told[name] = parts | {"key": _words(inspector.get_pk_constraint(name))}
    return told


def _words(told: Mapping[str, object]) -> str:
    return str({name: _words(one) if isinstance(one, Mapping) else str(one) for name, one in told.items()})


def test_the_migrations_build_exactly_the_tables_that_the_code_uses(empty_url: str) -> None:
    """A new log, made at once, and one that was migrated step by step are one schema and one revision."""
    engine = open_engine(empty_url)
    migration.upgrade(engine, SCHEMA_REVISION)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated = _schema(engine)
    assert migration.current_revision(engine) == SCHEMA_REVISION
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    engine.dispose()
    with DecisionLog.create(empty_url) as log:
        assert _schema(log.engine) == migrated
        assert migration.current_revision(log.engine) == SCHEMA_REVISION


def test_a_log_of_the_revision_before_is_upgraded_with_its_rows(empty_url: str, decide) -> None:
    """The old database is refused with the way out, then upgraded without loss; upgrading again changes nothing."""
    with DecisionLog.create(empty_url) as log:
        log.record([decide(0)])
    engine = open_engine(empty_url)
    migration.downgrade(engine, "0001")
    with pytest.raises(SchemaMismatch, match=r"revision 0001.*DecisionLog\.upgrade"):
        DecisionLog(empty_url)
    DecisionLog.upgrade(empty_url)
    DecisionLog.upgrade(empty_url)
    with DecisionLog(empty_url) as log:
        assert log.count() == (1, 0)
        assert log.removals() == []
    engine.dispose()


def test_each_revision_can_be_reached_from_the_one_before_it(empty_url: str) -> None:
    """Stepwise migration ends at the same schema as migration at once."""
    engine = open_engine(empty_url)
    assert migration.current_revision(engine) is None
    for number in range(1, int(SCHEMA_REVISION) + 1):
        revision = f"{number:04}"
        migration.upgrade(engine, revision)
        assert migration.current_revision(engine) == revision
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_an_empty_database_is_no_log_until_it_is_created(empty_url: str) -> None:
    """Opening does not create silently, so that a mistyped URL is noticed."""
    with pytest.raises(SchemaMismatch, match=r"DecisionLog\.create"):
        DecisionLog(empty_url)


def test_a_log_of_a_newer_version_is_refused(empty_url: str) -> None:
    """Neither opened nor 'upgraded': the mend is a newer program."""
    DecisionLog.create(empty_url).close()
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (DecisionLog, DecisionLog.upgrade):
        with pytest.raises(SchemaMismatch, match="9999"):
            attempt(empty_url)
    engine.dispose()


def test_several_processes_may_create_the_log_at_once(empty_url: str) -> None:
    """The workers of one service all call create at start."""
    failures: list[BaseException] = []

    def create() -> None:
        try:
            DecisionLog.create(empty_url).close()
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_workers_that_start_at_once_upgrade_a_log_with_rows_once(empty_url: str, decide) -> None:
    """All of them serve afterwards, however long the database itself lets a statement take."""
    with DecisionLog.create(empty_url) as log:
        log.record([decide(0)])
        log.record_outcomes([OutcomeRecord(decision_id="gone", occurred_at=NOON, outcome="opt_out")])
    engine = open_engine(empty_url)
    migration.downgrade(engine, "0011")
    engine.dispose()
    start = threading.Barrier(4)

    def begin(_number: int) -> tuple[int, int]:
        start.wait(30)
        DecisionLog.upgrade(empty_url)
        with DecisionLog(empty_url) as log:
            return log.count()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(begin, range(4))) == [(1, 1)] * 4


def older(url: str) -> str:
    """A log of the revision before: there is something to migrate."""
    engine = open_engine(url)
    migration.upgrade(engine, f"{int(SCHEMA_REVISION) - 1:04}")
    engine.dispose()
    return url


class SlowMigration:
    """Lets one migration wait in the middle, and counts those that began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.may_go_on, self.count = threading.Event(), threading.Event(), 0
        self._upgrade = migration.command.upgrade
        monkeypatch.setattr(migration.command, "upgrade", self)

    def __call__(self, config, revision) -> None:
        self.count += 1
        self.began.set()
        assert self.may_go_on.wait(30)
        connection = config.attributes["connection"]
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_sleep(0.2)")
        self._upgrade(config, revision)


def impatient(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database gives up on a statement and on a lock after a tenth of a second."""
    monkeypatch.setattr("recommender.store.decision_log.database._BUSY_SECONDS", 0.1)
    monkeypatch.setattr("recommender.store.decision_log.database._GIVE_UP_SECONDS", 0.1)
    url = sa.make_url(empty_url)
    if url.get_backend_name() == "postgresql":
        hasty = f"{url.query['options']} -c statement_timeout=100ms -c lock_timeout=100ms"
        url = url.update_query_dict({"options": hasty})
    return url.render_as_string(hide_password=False)


def test_a_migration_may_take_longer_than_a_request_and_others_wait_for_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """An index of millions of rows takes minutes: the limits of requests do not hold for it, and who waits says so."""
    url = impatient(older(empty_url), monkeypatch)
    slow = SlowMigration(monkeypatch)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(DecisionLog.upgrade, url)
        assert slow.began.wait(30)
        others = [pool.submit(DecisionLog.upgrade, url) for _ in range(2)]
        until = time.monotonic() + 30
        while len(waiting := [one.getMessage() for one in caplog.records]) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)  # longer than any limit of a request
        assert not any(one.done() for one in (first, *others))
        slow.may_go_on.set()
        for one in (first, *others):
            one.result(30)
    assert len(waiting) == 2 and all("another process migrates the decision log" in one for one in waiting)
    is_sqlite = empty_url.startswith("sqlite")
    assert slow.count == 3, "nobody was cut off and tried again"
    DecisionLog(empty_url).close()
    DecisionLog.upgrade(url)
    assert slow.count == 3, "a log that is up to date is left alone"
    assert not is_sqlite or [one.name for one in tmp_path.glob("*migration*")] == []


def test_who_waits_for_a_migration_too_long_is_told_what_to_do(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done twice, and the migration itself goes on."""
    url = impatient(older(empty_url), monkeypatch)
    slow = SlowMigration(monkeypatch)
    monkeypatch.setattr("recommender.store.decision_log.migration_turns._LONGEST_SECONDS", 0.2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(DecisionLog.upgrade, url)
        assert slow.began.wait(30)
        with pytest.raises(DatabaseUnavailable, match=r"has been migrating .* Wait until it has ended, or end it"):
            DecisionLog.upgrade(url)
        slow.may_go_on.set()
        first.result(30)
    DecisionLog(empty_url).close()


def test_a_migration_that_was_killed_holds_nobody(tmp_path: Path) -> None:
    """Its lock ends with its process, and the file that it left is in nobody's way."""
    path = tmp_path / "decisions.db"
    older(f"sqlite:///{path}")
    killed = (
        "import os, sys\n"
        "from recommender.store.decision_log import migration\n"
        "from recommender.store.decision_log.decisions import DecisionLog\n"
        "migration.command.upgrade = lambda *_: os._exit(9)\n"
        "DecisionLog.upgrade(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, f"sqlite:///{path}"], check=False, timeout=60)
    assert done.returncode == 9 and [one.name for one in tmp_path.glob("*migration*")] == ["decisions.db-migration"]
    DecisionLog.create(f"sqlite:///{path}").close()
    assert list(tmp_path.glob("*migration*")) == []


def test_a_log_has_one_lock_whatever_it_is_called_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link, a relative path and a file URI lead to the same file, and so to the same turn."""
    monkeypatch.setattr(migration_turns, "_LONGEST_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to(tmp_path / "d.db")
    with migration_turns.migration_file(open_engine(f"sqlite:///{tmp_path}/d.db")):
        for name in ("d.db", "link.db", f"file:{tmp_path}/d.db?uri=true"):
            with (
                pytest.raises(DatabaseUnavailable, match="Another process"),
                migration_turns.migration_file(sa.create_engine(f"sqlite:///{name}")),
            ):
                pass
    assert not list(tmp_path.glob("*-migration"))


def test_a_log_that_cannot_be_locked_says_so(tmp_path: Path) -> None:
    (tmp_path / "d.db-migration").mkdir()
    with pytest.raises(DatabaseUnavailable, match=r"d\.db-migration cannot be made and locked .*Free the name"):
        DecisionLog.create(f"sqlite:///{tmp_path}/d.db")


def test_a_log_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    """Looking for a log leaves no empty file; a server that is down is named without its password."""
    path = tmp_path / "none.db"
    with pytest.raises(SchemaMismatch, match="no decision log"):
        DecisionLog(f"sqlite:///{path}")
    assert not path.exists()
    with pytest.raises(DatabaseUnavailable, match="cannot be read") as error:
        DecisionLog("postgresql+psycopg://ana:hunter2@127.0.0.1:1/decisions")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "no url"])
def test_a_url_that_cannot_hold_a_log_is_refused(url: str) -> None:
    """In memory it would forget; other databases are untested. No password is shown."""
    with pytest.raises(InvalidInput) as caught:
        open_engine(url)
    assert caught.value.column == "url"
    assert "secret" not in str(caught.value)


def test_sqlite_waits_for_other_writers_and_survives_power_cuts(tmp_path: Path) -> None:
    """Write-ahead log, full synchronisation, busy timeout, and erased rows are overwritten."""
    with DecisionLog.create(f"sqlite:///{tmp_path / 'new' / 'd.db'}") as log, log.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "secure_delete", "foreign_keys")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 8_000,
        "secure_delete": 1,
        "foreign_keys": 1,
    }


def test_a_lost_or_busy_database_is_tried_again_and_other_errors_are_not(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transient failure costs a pause; a real one is raised at once."""
    monkeypatch.setattr("recommender.store.decision_log.database._PAUSE_SECONDS", 0.0)
    engine = open_engine(empty_url)
    calls: list[int] = []

    def busy_twice(connection: sa.Connection) -> str:
        calls.append(1)
        if len(calls) < 3:
            raise sa.exc.OperationalError("INSERT", {}, Exception("database is locked"))
        return "done"

    assert write(engine, busy_twice) == "done"
    assert len(calls) == 3

    def always_wrong(connection: sa.Connection) -> None:
        calls.append(1)
        connection.execute(sa.text("SELECT * FROM not_there"))

    with pytest.raises(sa.exc.DBAPIError):
        write(engine, always_wrong)
    assert len(calls) == 4
    engine.dispose()
