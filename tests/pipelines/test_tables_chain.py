"""From raw tables to a plan through the command line: simulate, ingest, doctor, train, score."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app

TABLES = ("accounts", "decisions", "contacts", "outcomes", "payments")
AS_OF = "2025-07-05T05:00:00+00:00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("chain")


def run(*arguments):
    result = CliRunner().invoke(build_app(), [str(part) for part in arguments])
    assert result.exit_code == 0, f"{arguments[0]}: {result.output} {result.exception!r}"
    return result


def test_raw_tables_become_a_legal_plan(folder):
    """Each verb reads what the one before it wrote; the plan names a legal action for the accounts of the tables."""
    run("simulate", "--contacts", 3000, "--accounts", 50, "--tables", "--out", folder)
    given = [part for name in TABLES for part in (f"--{name}", folder / "tables" / f"{name}.parquet")]
    log = folder / "raw.parquet"
    actions = folder / "tables" / "actions.json"
    run("ingest", *given, "--actions", actions, "--reward", "response", "--as-of", AS_OF, "--out", log)
    roles = json.loads((folder / "raw.parquet.roles.json").read_text(encoding="utf-8"))
    decisions = pd.read_parquet(folder / "tables" / "decisions.parquet")
    written = pd.read_parquet(log)
    assert len(written) == len(decisions)
    assert roles["eligible"] == "eligible"
    by_id = decisions.set_index("decision_id")["eligible"].astype("str")
    assert (by_id.loc[written["decision_id"]].to_numpy() == written["eligible"].astype("str").to_numpy()).all()
    told = json.loads(run("doctor", log, "--json").stdout)
    assert told["learn"] != "no"
    run("train", log, "--out", folder / "model", "--jobs", 1)
    history = [part for name in TABLES[2:] for part in (f"--{name}", folder / "tables" / f"{name}.parquet")]
    accounts = folder / "tables" / "accounts.parquet"
    told = ["--strategy", folder / "model", "--party", "debtor", "--as-of", AS_OF, "--out", folder / "plan.parquet"]
    run("score", accounts, *history, *told)
    plan = pd.read_parquet(folder / "plan.parquet")
    first = plan[plan["rank"] == 1]
    ids = set(pd.read_parquet(accounts, columns=["account_id"])["account_id"])
    assert set(first["account"] if "account" in first else first["account_id"]) == ids
    assert first["propensity"].between(0, 1, inclusive="right").all()
    assert np.isfinite(first["expected_reward"]).all()
    contacted = first.dropna(subset=["channel"])
    assert (contacted["contact_at"] > pd.Timestamp(AS_OF)).all()
    flags = pd.read_parquet(accounts).sort_values("valid_from").drop_duplicates("account_id", keep="last")
    barred = set(flags.loc[flags["do_not_contact"] | flags["deceased"] | flags["cease_contact"], "account_id"])
    name = "account" if "account" in first else "account_id"
    assert not barred & set(contacted[name])
