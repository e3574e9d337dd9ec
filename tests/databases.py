"""Databases for tests: SQLite in a fresh file, PostgreSQL in a fresh schema of one private server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests import machine

__all__ = ["empty_url", "postgres_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a private PostgreSQL server on a free loopback port, stopped at the end."""
    binaries = machine.postgres()
    if binaries is None:
        machine.missing("a PostgreSQL server", "apt-get install -y postgresql")
    as_server = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="decisions-pg-"))
    if as_server:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    initdb = ["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run([*as_server, binaries / "initdb", "-D", folder / "data", *initdb], **run)
    options = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
    control = [*as_server, binaries / "pg_ctl", "-D", folder / "data", "-w", "-s"]
    try:
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **run)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **(run | {"check": False}))
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'decisions.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    # A schema of its own: a database of its own takes half a second to make and to drop.
    name = f"test_{uuid4().hex[:12]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    url = sa.make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
    yield url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.schema.DropSchema(name, cascade=True))
