"""The whole loop once: the API decides, debtors answer, the log is learnt from, the new version serves."""

import json
import time

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.main import create_app
from pipelines.__main__ import build_app
from recommender.settings import Settings
from recommender.simulation import DebtorWorld
from recommender.store.decision_log import LogWarning
from recommender.tables import REACHED_BY

N_ACCOUNTS = 900
FACTS = ("account_id", "debtor_id", "country", "subdivision", "timezone", "party", "balance_minor")
LEFT_OUT = ("consented_channels", "flags", "due_date", "currency", "debtor_type")


def as_request(accounts, context):
    """Accounts of the world as a campaign engine would send them."""
    told = []
    for row in accounts.astype(object).where(accounts.notna(), None).to_dict(orient="records"):
        facts = {name: row[name] for name in FACTS if row.get(name) is not None}
        facts["due_date"] = str(row["due_date"])
        for name in ("consented_channels", "flags"):
            facts[name] = [word for word in row[name].split(";") if word]
        told.append(facts | {"contacts": [], "features": {name: row[name] for name in context}})
    return json.loads(json.dumps(told, default=lambda value: value.item()))


def test_the_loop_closes(registry, tmp_path):
    """Seed rules decide, outcomes come back, a strategy is trained from the log, promoted, and served at once."""
    world = DebtorWorld(N_ACCOUNTS, seed=3)
    world.advance(1)  # its first day is a holiday
    accounts = world.accounts()
    as_of = world.as_of
    context = [name for name in accounts.columns if name not in (*FACTS, *LEFT_OUT)]
    url = f"sqlite:///{tmp_path / 'decisions.db'}"
    settings = Settings(
        decision_log_url=url,
        registry_uri=registry.tracking_uri,
        registry_cache=tmp_path / "cache",
        registry_poll_seconds=0.1,
        contact_hours=tuple(range(8, 21)),
    )
    with TestClient(create_app(settings)) as client:
        body = {"accounts": as_request(accounts, context), "as_of": as_of.isoformat(), "top_k": 1}
        answer = client.post("/v1/recommendations", json=body)
        assert answer.status_code == 200, answer.text
        answers = answer.json()["recommendations"]
        waiting = [one for one in answers if one["needs_human"] and not one["actions"][0]["no_contact"]]
        decided = [
            {"account_id": one["account_id"], "decision_id": one["decision_id"], **one["actions"][0]["factors"]}
            | {"contact_at": one["actions"][0]["contact_at"]}
            for one in answers
            if one["policy"] == "seed_rules" and not one["actions"][0]["no_contact"] and one not in waiting
        ]
        assert len(decided) > N_ACCOUNTS / 3

        sent = [
            {"dispatch_id": f"x{row['decision_id']}", "decision_id": row["decision_id"], "state": "sent"}
            | {"at": row["contact_at"]}
            for row in decided
        ]
        for first in range(0, len(sent), 100):
            answer = client.post("/v1/dispatches", json={"dispatches": sent[first : first + 100]})
            assert answer.status_code == 200, answer.text

        at_once = world.respond(pd.DataFrame(decided)).outcomes
        outcomes = pd.concat([at_once, world.advance(10).outcomes], ignore_index=True)
        told = [
            {"decision_id": row.contact_id, "occurred_at": row.occurred_at.isoformat(), "outcome": row.outcome}
            | ({"amount_minor": 1_000, "currency": "COP"} if row.outcome == "paid" else {})
            for row in outcomes.itertuples()
        ]
        receipt = client.post("/v1/outcomes", json={"outcomes": told}).json()
        assert receipt["stored"] > 0 and not receipt["orphans"]

        run = CliRunner().invoke
        app = build_app()
        log, model = tmp_path / "own.parquet", tmp_path / "model"
        where = ["--registry-uri", registry.tracking_uri, "--artifacts", str(tmp_path / "artefacts")]
        later = (as_of + pd.Timedelta(days=8)).isoformat()
        with pytest.warns(LogWarning, match=f"{len(waiting)} decisions waited for a person"):  # and nobody sent them
            read = run(
                app,
                ["ingest", "--from-log", url, "--out", str(log), "--reward", "delivered"]
                + ["--window-days", "7", "--as-of", later],
            )
        assert read.exit_code == 0, read.output
        frame = pd.read_parquet(log)
        assert len(frame) == len(accounts) - len(waiting)
        within = outcomes[outcomes["outcome"].isin(REACHED_BY["delivered"])]
        assert frame["reward"].sum() == within["contact_id"].nunique() > 20

        trained = run(app, ["train", str(log), "--out", str(model), "--jobs", "1", "--register", *where])
        assert trained.exit_code == 0, trained.output
        assert "challenger" in trained.output
        client_run = registry._client.get_run(registry.versions()[0].run_id)
        assert 0.0 < client_run.data.metrics["base_rate"] < 1.0
        assert any(name.startswith("loss_out_of_fold.") for name in client_run.data.metrics)
        card = registry._client.get_model_version(registry.model_name, "1").description
        wanted = ["## Details", "## Intended use", "## Not for", "## Data", "## Metrics", "## Limits"]
        assert sorted(wanted, key=card.index) == wanted

        promoted = run(app, ["promote", "--by", "ana", "--reason", "the first one", *where])
        assert promoted.exit_code == 0, promoted.output
        version = json.loads((model / "strategy.json").read_text())["version"]
        until = time.monotonic() + 60
        while client.get("/readyz").json()["policy_version"] != version:
            assert time.monotonic() < until, client.get("/readyz").json()
            time.sleep(0.1)
        today = world.accounts().head(20)
        body = {"accounts": as_request(today, context), "as_of": world.as_of.isoformat()}
        served = client.post("/v1/recommendations", json=body).json()
        assert served["policy_version"] == version
        assert {one["policy"] for one in served["recommendations"]} == {"model"}
        held = client.get(f"/v1/decisions/{served['recommendations'][0]['decision_id']}").json()
        assert held["provenance"]["policy_version"] == version
        assert set(context) <= set(held["context"])
