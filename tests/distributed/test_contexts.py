"""Point-in-time features on a cluster of two processes: the log of one process, also when a worker is killed."""

import os
import signal

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.distributed import cluster, contexts_on
from recommender.history.prepared_log import prepare_log
from recommender.simulation import simulate_tables

NAMES = ("accounts", "decisions", "contacts", "outcomes", "payments")


@pytest.fixture(scope="module")
def simulated():
    """Raw tables in which every third account shares its debtor with another and some states come late."""
    stored = simulate_tables(500, days=40, seed=3, n_accounts=80)
    accounts = stored.accounts
    number = pd.factorize(accounts["account_id"])[0]
    accounts["debtor_id"] = [f"D{one // 2 if one % 3 == 0 else one + 1000}" for one in number]
    return stored


def prepared(simulated):
    """A log in pieces of sixty rows."""
    entries = {"actions": simulated.actions, "as_of": simulated.as_of, "reward": "response", "window_days": 14}
    entries |= {"attribution": "account", "naive_timezone": None, "default_timezone": "UTC", "currency": None}
    entries |= {"rates": None, "snapshot": "leave_out", "static": (), "keep": ()}
    return prepare_log({name: getattr(simulated, name).copy() for name in NAMES}, **entries, chunk_rows=60)


def test_a_worker_killed_on_the_way_changes_no_bit(simulated):
    """SIGKILL one of two workers between two pieces: rows, order, types and values are those of one process."""
    here = [frame for frame, _ in prepared(simulated).parts()]
    log = prepared(simulated)
    assert len(here) > 3
    with cluster("local", n_workers=2) as client:
        there = []
        for frame, _ in log.parts(context_of=contexts_on(client, log, n_parts=3)):
            there.append(frame)
            if len(there) == 1:
                os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
    for one, other in zip(here, there, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert any(name.startswith("debtor_") for name in log.roles["context"])


def test_ingest_on_a_cluster_writes_the_same_file(simulated, tmp_path):
    """The verb with --dask local writes, to the byte, what it writes without."""
    entries = ["--as-of", simulated.as_of.isoformat(), "--reward", "response"]
    for name in NAMES:
        getattr(simulated, name).to_parquet(tmp_path / f"{name}.parquet")
        entries += [f"--{name}", str(tmp_path / f"{name}.parquet")]
    app = build_app()
    for out, more in (("here", []), ("there", ["--dask", "local"])):
        done = CliRunner().invoke(app, ["ingest", *entries, "--out", str(tmp_path / f"{out}.parquet"), *more])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
