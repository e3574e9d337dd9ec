"""A database server that hangs, restarts or writes no more: what was acknowledged is kept, nothing is doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import pytest
import sqlalchemy as sa

from tests import machine
from tests.api.served import Served
from tests.faults.traffic import Traffic, count_up, healthy


def server_processes(url):
    """The PostgreSQL server's processes."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        folder = connection.execute(sa.text("SHOW data_directory")).scalar_one()
    with open(f"{folder}/postmaster.pid", encoding="utf-8") as file:  # noqa: PTH123
        postmaster = int(file.readline())
    children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False).stdout
    return [postmaster, *map(int, children.split())]


def run(url, *statements):
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            told = connection.execute(sa.text(statement))
        return told.scalar() if told.returns_rows else None


def wait_for(served, status, seconds=30.0):
    """Until readiness answers with this status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = served.ask("GET", "/readyz", timeout=30)
        if told[0] == status:
            return told[1]
        time.sleep(0.2)
    raise AssertionError(f"readiness did not become {status}: {told}")


def hang(url, served):
    stopped = server_processes(url)
    signal_all(stopped, signal.SIGSTOP)
    try:
        assert wait_for(served, 503)["status"] == "not ready"
        time.sleep(1.0)
    finally:
        signal_all(stopped, signal.SIGCONT)


def signal_all(processes, number):
    """Also where one of them has ended by itself, as the one that was asked for the list does."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def restart(url, served):
    folder = run(url, "SHOW data_directory")
    as_server = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    control = [*as_server, machine.postgres() / "pg_ctl", "-D", folder, "-w", "-s", "-l", f"{folder}/../log"]
    subprocess.run([*control, "-m", "immediate", "restart"], check=True, cwd="/", stdout=subprocess.DEVNULL)


def read_only(url, served):
    try:
        run(url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        assert wait_for(served, 503)["status"] == "not ready"
        time.sleep(0.5)
    finally:
        run(url, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()")  # fmt: skip


def slow(url, served):
    """Somebody holds the table for a while."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE"))
        time.sleep(2.0)


@pytest.mark.postgres
def test_a_database_that_fails_silences_nothing_but_decisions(postgres_server):
    """Health answers throughout, readiness says why not, requests end; afterwards everything is as it was told."""
    url = postgres_server
    with Served(url) as served:
        for name, fault in (("slow", slow), ("read-only", read_only), ("restarted", restart), ("hung", hang)):
            with healthy(served) as told, Traffic(served, name=name) as traffic:
                traffic.wait_for(3)
                fault(url, served)
                wait_for(served, 200)
                traffic.wait_for(3)
            count_up(url, served, traffic, f"{name} PostgreSQL (health {told[0]:.2f} s at most)")
