"""Bring a decision log to the schema of this code, or say how."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from recommender.store.decision_log.database import refuse_missing_file, write
from recommender.store.decision_log.migration_turns import hold_migration, migration_file
from recommender.store.decision_log.schema import SCHEMA_REVISION, SchemaMismatch, metadata

__all__ = ["check_revision", "current_revision", "downgrade", "upgrade"]


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Migrate to ``revision``, creating the tables in an empty database; safe when several processes do it at once.

    One of them does it, the others wait for as long as it takes, and say so in their log.

    Raises
    ------
    SchemaMismatch
        When the database was written by a newer version of this code.
    DatabaseUnavailable
        When another process has been migrating it for half an hour.
    """

    def migrate(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            # To rebuild an index of millions of rows takes longer than any statement of the service may.
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))  # nobody queues behind a table it cannot get
            hold_migration(connection)
        if revision == "head" and _revision(connection) is None:
            _create(connection)
            return
        _refuse_newer(connection)
        command.upgrade(_config(connection), revision)

    if revision == "head" and _is_current(engine):
        return
    with migration_file(engine):
        write(engine, migrate)


def _is_current(engine: sa.Engine) -> bool:
    """Whether there is nothing to do, as at most starts; a database that cannot be asked is asked again later."""
    try:
        refuse_missing_file(engine.url.render_as_string(hide_password=False))
        return current_revision(engine) == SCHEMA_REVISION
    except (SchemaMismatch, DBAPIError):
        return False


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Go back to an older schema; what only the newer one can hold is lost."""

    def migrate(connection: sa.Connection) -> None:
        command.downgrade(_config(connection), revision)

    write(engine, migrate)


def current_revision(engine: sa.Engine) -> str | None:
    """Revision the database is at; None for one without our tables."""
    with engine.connect() as connection:
        return _revision(connection)


def check_revision(engine: sa.Engine) -> None:
    """Raise unless the database is at this code's revision.

    Raises
    ------
    SchemaMismatch
        Says whether to create or upgrade the database, or the code.
    """
    with engine.connect() as connection:
        revision = _revision(connection)
        if revision == SCHEMA_REVISION:
            return
        _refuse_newer(connection)
    shown = engine.url.render_as_string(hide_password=True)
    if revision is None:
        raise SchemaMismatch(f"There is no decision log at {shown}. Create it once with DecisionLog.create(url).")
    raise SchemaMismatch(
        f"The decision log at {shown} has schema revision {revision}; this version needs {SCHEMA_REVISION}. "
        "Back it up, then run DecisionLog.upgrade(url)."
    )


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _create(connection: sa.Connection) -> None:
    """Build what all migrations together would build: they take several times as long."""
    metadata.create_all(connection, checkfirst=False)
    MigrationContext.configure(connection).stamp(_scripts(), SCHEMA_REVISION)


def _refuse_newer(connection: sa.Connection) -> None:
    revision = _revision(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        shown = connection.engine.url.render_as_string(hide_password=True)
        raise SchemaMismatch(
            f"The decision log at {shown} has schema revision {revision}, which this version does not know "
            f"(its newest is {SCHEMA_REVISION}). Update this software, or restore a backup made before."
        )


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(Path(__file__).parent / "migrations")


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
