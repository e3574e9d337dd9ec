"""The API follows the registry: promoted without a restart, outages survived, the challenger asked and never obeyed."""

import time

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from recommender.store.registry import Registry

AS_OF = "2026-11-23T08:00:00-05:00"
ACCOUNT = {
    "account_id": "A1",
    "country": "CO",
    "timezone": "America/Bogota",
    "due_date": "2026-11-01",
    "balance_minor": 1_200_000,
    "consented_channels": ["sms", "whatsapp", "email", "call"],
    "flags": [],
    "party": "debtor",
    "contacts": [],
}


@pytest.fixture
def settings(registry, tmp_path):
    def make(**changed):
        given = {
            "registry_uri": registry.tracking_uri,
            "registry_cache": tmp_path / "cache",
            "registry_poll_seconds": 0.05,
            "decision_log_url": f"sqlite:///{tmp_path / 'decisions.db'}",
        }
        return Settings(**(given | changed))

    return make


@pytest.fixture
def register(registry, strategy, tmp_path):
    """Register the session's strategy with another floor, which makes it another version."""

    def make(epsilon):
        other = type(strategy).from_files(strategy.to_files()).set_params(epsilon=epsilon)
        other.__dict__.pop("version_", None)
        path = other.save(tmp_path / f"strategy-{epsilon}")
        told = {"run_name": "r", "params": {}, "metrics": {}, "model_card": "", "data_digest": "0"}
        return registry.log_training(**told, strategy_dir=path, register=True).version, other.version_

    return make


def promote(registry: Registry, version):
    import pandas as pd

    registry.promote(version, requested_by="ana", decided_at=pd.Timestamp("2026-11-22", tz="UTC").to_pydatetime())


def wait_for(client, condition, seconds=60):
    """Poll the readiness probe until it shows what is waited for."""
    until = time.monotonic() + seconds
    while not condition(ready := client.get("/readyz").json()):
        assert time.monotonic() < until, ready
        time.sleep(0.05)
    return ready


def ask(client, **request):
    accounts = [ACCOUNT | {"account_id": f"A{number}"} for number in range(12)]
    answer = client.post("/v1/recommendations", json={"accounts": accounts, "as_of": AS_OF} | request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_promoted_version_is_served_without_restart_and_an_outage_changes_nothing(
    registry, register, settings, tmp_path
):
    """Seed rules, then each champion in turn; an altered one is refused; without the registry the last one goes on."""
    with TestClient(create_app(settings())) as client:
        ready = client.get("/readyz").json()
        assert ready["policy"] == "seed_rules"
        assert "no champion" in " ".join(ready["warnings"])
        version, first = register(0.1)
        assert client.get("/readyz").json()["policy"] == "seed_rules", "a challenger is not served"
        promote(registry, version)
        ready = wait_for(client, lambda ready: ready["policy_version"] == first)
        assert ready["source"] == "contact-strategy v1" and ready["registry"]["champion"] == 1
        assert not ready["warnings"]
        told = ask(client)["recommendations"][0]
        held = client.get(f"/v1/decisions/{told['decision_id']}").json()
        assert held["provenance"]["policy_version"] == first
        assert held["provenance"]["model_digest"] == client.app.state.serving.current().digest

        version, altered = register(0.2)
        for place in (tmp_path / "artefacts").rglob("policy.json"):
            if b'"epsilon": 0.2' in place.read_bytes():
                place.write_bytes(place.read_bytes() + b" ")
        promote(registry, version)
        ready = wait_for(client, lambda ready: ready["registry"]["trouble"] is not None)
        assert "altered" in ready["warnings"][0]
        assert ready["policy_version"] == first != altered

        version, third = register(0.3)
        promote(registry, version)
        wait_for(client, lambda ready: ready["policy_version"] == third)
        (tmp_path / "mlflow.db").write_bytes(b"the disk is broken" * 1_000)
        ready = wait_for(client, lambda ready: not ready["registry"]["reachable"])
        assert (ready["status"], ready["policy_version"]) == ("ready", third)
        assert "does not answer" in ready["warnings"][0]
        assert ask(client, supersede=True)["policy_version"] == third
    nowhere = settings(registry_uri=f"sqlite:///{tmp_path / 'cache'}")  # a folder: no database can be opened there
    with TestClient(create_app(nowhere)) as client:
        ready = client.get("/readyz").json()
        assert ready["policy_version"] == third, "a restart in an outage serves the last champion"
        assert not ready["registry"]["reachable"]


def test_the_challenger_is_asked_and_logged_and_never_dispatched(registry, register, settings):
    """Its choice and expected reward stand beside the champion's, which alone is answered; agreement is counted."""
    promote(registry, register(0.1)[0])
    _, challenger = register(0.9)
    with TestClient(create_app(settings(shadow=False))) as client:
        alone = ask(client, seed=5)
        told = client.get(f"/v1/decisions/{alone['recommendations'][0]['decision_id']}").json()
        assert told["shadow"] is None
    with TestClient(create_app(settings(shadow=True))) as client:
        answer = ask(client, seed=6, supersede=True)
        match = 0
        for one in answer["recommendations"]:
            held = client.get(f"/v1/decisions/{one['decision_id']}").json()
            assert held["factors"] == one["actions"][0]["factors"]
            assert held["shadow"]["policy_version"] == challenger
            assert 0.0 <= held["shadow"]["expected_reward"] <= 1.0
            match += held["shadow"]["factors"] == held["factors"]
        ready = client.get("/readyz").json()["shadow"]
        assert (ready["compared"], ready["match_share"]) == (12, match / 12)
        assert ready["failed"] == 0
        repeated = ask(client, seed=6, supersede=True)
        assert repeated["recommendations"] == answer["recommendations"], "asked again, the same stands"
        same = client.get("/metrics").text
        assert 'recommender_shadow_choices_total{result="same"}' in same


def test_a_failing_challenger_costs_its_choices_and_nothing_else(registry, register, settings, monkeypatch):
    """An apprentice's mistake is counted; the champion's answer is given and logged."""
    promote(registry, register(0.1)[0])
    register(0.9)
    with TestClient(create_app(settings(shadow=True))) as client:
        broken = client.app.state.serving.challenger().strategy
        monkeypatch.setattr(broken, "served_rewards", lambda *_, **__: 1 / 0)
        answer = ask(client)
        held = client.get(f"/v1/decisions/{answer['recommendations'][0]['decision_id']}").json()
        assert held["shadow"] is None
        assert client.get("/readyz").json()["shadow"]["failed"] == 12
