"""Models that are swapped, corrupt or half written, and clocks that jump, while decisions are asked for."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.artefact import MANIFEST
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, account
from tests.store.small_strategy import saved_strategy


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    return saved_strategy(tmp_path_factory.mktemp("model") / "strategy", made_once)


def settings(tmp_path, **more):
    url = f"sqlite:///{tmp_path / 'd.db'}"
    return Settings(pages=False, decision_log_url=url, registry_poll_seconds=1e-6, **more)


def version(client, number):
    """Which policy answers, as the answer says and as readiness says."""
    one = account(f"A{number}", debtor_id=f"D{number}", features={"stage": "early", "overdue": 0.4})
    told = client.post("/v1/recommendations", json={"accounts": [one], "as_of": AS_OF.isoformat()})
    assert told.status_code == 200, told.text
    return told.json()["policy_version"]


def files_of(folder):
    return sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())


def copied(source, place, names):
    """Put some files of a saved model into a folder that is being served."""
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place / name)


def test_a_model_is_taken_whole_or_not_at_all(tmp_path, model):
    """None, half written, whole, corrupt: the last whole one goes on, and readiness says what is wrong."""
    place = tmp_path / "served"
    with TestClient(create_app(settings(tmp_path, model_path=place))) as client:
        seeds = version(client, 0)
        files = [name for name in files_of(model) if name.name != MANIFEST]
        victim = max(files, key=lambda name: (model / name).stat().st_size)
        right = (model / victim).read_bytes()
        copied(model, place, files)
        assert version(client, 1) == seeds  # without its manifest a model is not there yet
        (place / victim).write_bytes(right[: len(right) // 2])
        copied(model, place, [MANIFEST])
        assert version(client, 2) == seeds
        refused(client, "seed_rules", victim)
        (place / victim).write_bytes(right)  # the rest has arrived
        learnt = version(client, 3)
        assert learnt != seeds and client.get("/readyz").json()["policy"] == "model"
        flipped = bytearray(right)
        flipped[len(right) // 3] ^= 1
        (place / victim).write_bytes(bytes(flipped))
        assert version(client, 4) == learnt
        refused(client, "model", victim)
    with DecisionLog(f"sqlite:///{tmp_path / 'd.db'}") as log:
        assert log.count()[0] == 5


def refused(client, policy, victim):
    """What is wrong with a refused model stands in readiness, whatever serves instead."""
    ready = client.get("/readyz").json()
    assert ready["policy"] == policy and any(victim.name in one for one in ready["warnings"]), ready


def test_where_a_model_is_required_nothing_else_decides(tmp_path, model):
    place = tmp_path / "served"
    with TestClient(create_app(settings(tmp_path, model_path=place, require_model=True))) as client:
        told = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF.isoformat()})
        assert told.status_code == 503 and "model" in told.json()["detail"]
        ready = client.get("/readyz")
        assert ready.status_code == 503 and ready.json()["status"] == "not ready"
        copied(model, place, [*(name for name in files_of(model) if name.name != MANIFEST), MANIFEST])
        assert version(client, 1) and client.get("/readyz").status_code == 200


@pytest.mark.parametrize("jump", [timedelta(hours=-3), timedelta(minutes=-1), timedelta(days=-40), timedelta(hours=2)])
def test_a_clock_that_jumps_breaks_no_cap(tmp_path, jump):
    """Accounts of one debtor, one a request and none with an instant, before and after the jump."""
    now = AS_OF
    app = create_app(settings(tmp_path, model_path=None), clock=lambda: now)
    statuses = Counter()
    with TestClient(app) as client:
        for number in range(12):
            now = AS_OF + (jump if 4 <= number < 8 else timedelta()) + timedelta(seconds=number)
            one = account(f"A{number % 6}", debtor_id="D")
            statuses[client.post("/v1/recommendations", json={"accounts": [one]}).status_code] += 1
    assert set(statuses) == {200}
    days = Counter()
    with DecisionLog(f"sqlite:///{tmp_path / 'd.db'}") as log, log.engine.connect() as connection:
        for at, factors in connection.execute(sa.text("SELECT contact_at, action_factors FROM decisions")):
            if at is not None and "null" not in factors:
                days[at[:10]] += 1
    assert days and max(days.values()) == 1
