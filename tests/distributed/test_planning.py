"""Plans on a cluster of two processes: the bytes of one process, also when a worker is killed on the way."""

import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recommender.deciding.decide import default_actions
from recommender.distributed import cluster, planner_on, prices_on
from recommender.errors import InvalidInput, RecommenderError
from recommender.planning import ArrayValues, dual_bound, solve_capacity
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_run import PlanFiles, make_plan
from recommender.strategy.cold_start import SeedStrategy
from tests.planning.instances import random_problem
from tests.store.plan_portfolio import AS_OF, portfolio, small_strategy, write
from tests.store.test_plan_run import SEED

ORDER = PlanOrder(AS_OF, packs=("CO",), other_accounts=True)
MODEL = SeedStrategy(default_actions((9, 12, 16)))


@pytest.fixture(scope="module")
def client():
    """Two worker processes."""
    with cluster("local", n_workers=2) as connected:
        yield connected


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A portfolio whose debtors stand anywhere in the file."""
    return PlanFiles(*write(tmp_path_factory.mktemp("portfolio"), *portfolio(80)))


def test_prices_found_by_workers_are_those_of_one(client):
    """Three parts on two workers, one part, and the whole in this process: one bound, which proves the plan's gap."""
    whole = random_problem(5, 1_200, share=0.4, budget=True)
    values = whole.values.values
    parts = []
    for rows in np.array_split(np.arange(1_200), 3):
        debtor = np.arange(len(rows))
        parts.append(replace(whole, values=ArrayValues(values[rows]), debtor=debtor, kind=whole.kind[rows]))
    prices, bound = prices_on(client, parts)
    alone, _ = prices_on(client, [whole])
    np.testing.assert_allclose(prices, alone, rtol=1e-6, atol=1e-9)
    assert bound == pytest.approx(dual_bound(whole, prices), rel=1e-12)
    plan = solve_capacity(whole)
    assert plan.total <= bound * (1 + 1e-12) and bound <= plan.bound * 1.001
    with pytest.raises(InvalidInput, match="share their limits"):
        prices_on(client, [parts[0], replace(parts[1], rows=whole.rows.with_limit(whole.rows.limit + 1))])


def test_a_worker_killed_on_the_way_changes_nothing(client, files, tmp_path):
    """SIGKILL one of two workers after the first chunk: the plan is, to the byte, the one of a single process."""
    make_plan(files, tmp_path / "here.parquet", MODEL, ORDER, chunk_rows=1_000)
    killed = []

    def kill_one(finished, before, total):
        if finished and not killed:
            killed.append(client.run(os.getpid).popitem()[1])
            os.kill(killed[0], signal.SIGKILL)

    make_plan(
        files, tmp_path / "there.parquet", MODEL, ORDER, chunk_rows=8, planner=planner_on(client), on_progress=kill_one
    )
    assert killed
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def test_limits_per_debtor_hold_over_the_cluster(client, tmp_path):
    """Accounts of a debtor are planned by one worker: nobody is contacted twice a day."""
    accounts, contacts = portfolio(60, seed=5)
    files = PlanFiles(*write(tmp_path, accounts, contacts))
    make_plan(files, tmp_path / "plan.parquet", MODEL, ORDER, chunk_rows=6, planner=planner_on(client))
    plan = pd.read_parquet(tmp_path / "plan.parquet")
    sent = plan[(plan["rank"] == 1) & plan["channel"].notna()]
    debtor = accounts["debtor_id"].take(sent["row"]).fillna(accounts["account_id"].take(sent["row"]))
    day = sent["contact_at"].dt.tz_convert("America/Bogota").dt.date
    assert not pd.DataFrame({"debtor": debtor.to_numpy(), "day": day.to_numpy()}).duplicated().any()
    assert len(sent) > 10


def test_a_learnt_strategy_travels_as_plain_files(client, files, tmp_path, made_once):
    """Features and scores of a worker equal those here to the bit: the same files, the same functions."""
    accounts = pd.read_parquet(files.accounts).assign(valid_from=pd.Timestamp("2026-01-01", tz="UTC"))
    accounts.to_parquet(tmp_path / "accounts.parquet")
    files = PlanFiles(tmp_path / "accounts.parquet", files.contacts)
    strategy = small_strategy(SEED.actions_, made_once)
    make_plan(files, tmp_path / "here.parquet", strategy, ORDER)
    make_plan(files, tmp_path / "there.parquet", strategy, ORDER, chunk_rows=20, planner=planner_on(client))
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert pd.read_parquet(tmp_path / "there.parquet")["expected_reward"].nunique() > 20


def test_no_scheduler_is_one_clear_message():
    """Nobody listens there: the error says how to start somebody."""
    with pytest.raises(RecommenderError, match="dask scheduler"), cluster("nonsense://nowhere"):
        pass
