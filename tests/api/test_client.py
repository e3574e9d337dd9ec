"""The client against the service and against its description: neither can change without the other."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.main import create_app
from api.service.client_types import client_types
from recommender.client import ApiError, Client
from recommender.client.calls import Sent
from recommender.settings import Settings
from tests.api.served import free_port
from tests.api.test_dispatches import AS_OF, account

BODIES = Path(__file__).parents[2] / "src/recommender/client/bodies.py"


def test_the_types_are_those_of_the_description():
    """Written anew they are the same; else run ``python -m api.service.client_types`` and put it there."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    command = [ruff, "format", "--stdin-filename", str(BODIES), "-"]
    formatted = subprocess.run(command, input=client_types(), capture_output=True, text=True, check=True).stdout
    assert formatted == BODIES.read_text(encoding="utf-8")


def test_every_route_has_a_method_and_every_method_a_route():
    paths = create_app(Settings(model_path=None, pages=False)).openapi()["paths"]
    described = {(method.upper(), path) for path, some in paths.items() if path.startswith("/v1/") for method in some}
    called = set()

    def send(method, target, headers, body):
        called.add((method, re.sub(r"/XX(?=/|$)", "/{}", urlsplit(target).path)))
        return Sent(200, {}, b'{"decisions": [], "next_cursor": null}')

    client = Client("http://x", send=send)
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_"):
            continue
        wanted = [one for one in inspect.signature(method).parameters.values() if one.default is one.empty]
        given = ["XX" if one.annotation == "str" else {} for one in wanted if one.kind is one.POSITIONAL_OR_KEYWORD]
        more = {one.name: "me" for one in wanted if one.kind is one.KEYWORD_ONLY}
        told = method(*given, **more)
        if inspect.isgenerator(told):
            list(told)
    assert called == {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in described}


def test_every_page_is_of_what_was_asked_for():
    """Whose decisions, since when and until when: the cursor says where to go on, and changes none of it."""
    asked = {"account_id": "A 1", "debtor_id": None, "since": "2026-11-01T00:00:00+00:00", "limit": 2}
    queries = []

    def send(method, target, headers, body):
        queries.append(dict(parse_qsl(urlsplit(target).query)))
        at = len(queries)
        return Sent(
            200, {}, json.dumps({"decisions": [{"n": at}], "next_cursor": f"c{at}" if at < 4 else None}).encode()
        )

    assert [one["n"] for one in Client("http://x", send=send).decisions(**asked)] == [1, 2, 3, 4]
    plain = {name: str(value) for name, value in asked.items() if value is not None}
    assert queries == [plain, *(plain | {"cursor": f"c{at}"} for at in (1, 2, 3))]


def through(app, failures=()):
    """A client whose requests go through a test client, after some failures."""
    waiting = list(failures)

    def send(method, target, headers, body):
        if waiting:
            failure = waiting.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        answer = app.request(method, target, headers=headers, content=body)
        return Sent(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)

    return Client("http://x", send=send)


@pytest.fixture
def app(tmp_path):
    settings = Settings(model_path=None, pages=False, decision_log_url=f"sqlite:///{tmp_path / 'd.db'}")
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_decision_through_its_life(app):
    client = through(app)
    accounts = [account(f"A{number}", debtor_id=f"D{number}") for number in range(3)]
    answer = client.recommend(accounts, as_of=AS_OF, top_k=2)
    assert len(answer["recommendations"]) == 3 and answer["recorded"]
    first = answer["recommendations"][0]["decision_id"]
    assert client.decision(first)["state"] == "decided" and client.replay(first)["result"] == "same"
    assert client.explanation(first, language="en")["policy"] == "seed_rules"
    assert (
        client.tell([{"decision_id": first, "occurred_at": AS_OF.isoformat(), "outcome": "delivered"}])["stored"] == 1
    )
    given_up = {"dispatch_id": "x", "decision_id": first, "state": "cancelled"}
    assert client.dispatch([given_up])["results"][0]["state"] == "cancelled"
    assert [one["decision_id"] for one in client.decisions(debtor_id="D0", limit=1)] == [first]
    assert len(list(client.decisions(limit=2))) == 3
    assert len(client.debtor("D0")["decisions"]) == 1
    assert client.forget("D0", requested_by="me")["decisions"] == 1
    assert client.features()["open"]


def test_a_call_is_repeated_where_that_helps_and_decides_once(app, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    busy = Sent(503, {"retry-after": "1"}, b"{}")
    answer = through(app, [ConnectionResetError(), busy]).recommend([account()])
    again = through(app).recommend([account()], request_key="k")
    repeated = through(app).recommend([account()], request_key="k")
    assert answer["recommendations"] and again["recommendations"] == repeated["recommendations"]
    with pytest.raises(ApiError) as told:
        through(app, [ConnectionResetError()] * 4).features()
    assert told.value.status == 0
    with pytest.raises(ApiError) as told:
        through(app, [busy] * 4).features()
    assert told.value.status == 503


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("7", [7.0] * 3),
        ("900", [30.0] * 3),
        (None, [0.4, 0.8, 1.6]),
        ("Wed, 21 Oct 2026 07:28:00 GMT", [0.4, 0.8, 1.6]),
    ],
)
@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_call_waits_as_long_as_the_service_asks(monkeypatch, status, asked, waits):
    """Half a minute at most; where it says nothing, twice as long each time. What is refused is not repeated."""
    slept, called = [], []
    monkeypatch.setattr("time.sleep", slept.append)

    def send(*request):
        called.append(request)
        return Sent(status, {} if asked is None else {"retry-after": asked}, b"{}")

    with pytest.raises(ApiError):
        Client("http://x", send=send).features()
    assert slept == pytest.approx(waits) and len(called) == 4
    with pytest.raises(ApiError):
        Client("http://x", send=lambda *_: Sent(422, {"retry-after": "7"}, b"{}")).features()
    assert len(slept) == 3


def test_an_error_names_the_field_and_the_request(app):
    with pytest.raises(ApiError) as told:
        through(app).recommend([account("573001234567")])
    assert (told.value.status, told.value.column) == (422, "account_id") and told.value.request_id
    with pytest.raises(ApiError) as told:
        through(app, [Sent(403, {}, b"<html>")]).features()
    assert "proxy" in told.value.detail
    with pytest.raises(ValueError, match="http"):
        Client("file:///etc/passwd")


def test_over_a_real_connection():
    port = free_port()
    config = uvicorn.Config(create_app(Settings(model_path=None, pages=False)), port=port, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        client = Client(f"http://127.0.0.1:{port}", attempts=8)
        assert client.features()["source"] == "none"
        with pytest.raises(ApiError) as told:
            client.recommend([{"account_id": "A1", "unknown": 1}])
        assert told.value.status == 422
    finally:
        server.should_exit = True
        thread.join()


def test_rows_of_data_frames_are_sent_as_they_are_meant():
    """Numpy's scalars and arrays, days, instants, decimals; an empty cell is null, what is none of it is named."""
    sent = []

    def send(method, target, headers, body):
        sent.append(json.loads(body, parse_constant=lambda name: pytest.fail(name)))
        return Sent(200, {}, b"{}")

    client = Client("http://nowhere", send=send)
    row = {
        "account_id": np.str_("007"), "balance_minor": np.int64(5), "due_date": pd.Timestamp("2026-11-01").date(),
        "consented_channels": np.array(["sms"]), "flags": ("none",), "timezone": pd.NA, "country": np.nan,
        "party": None, "promise_on": pd.NaT, "contacts": [{"sent_at": np.datetime64("2026-11-02T10:00:00", "ns")}],
        "features": {"a": np.float64(0.5), "b": np.bool_(True), "c": Decimal(3), "d": np.float32("nan")},
    }  # fmt: skip
    client.recommend([row], as_of=pd.Timestamp("2026-11-23T08:00:00-05:00"), request_key="k")
    assert sent[0]["as_of"] == "2026-11-23T08:00:00-05:00"
    assert sent[0]["accounts"][0] == {
        "account_id": "007", "balance_minor": 5, "due_date": "2026-11-01", "consented_channels": ["sms"],
        "flags": ["none"], "timezone": None, "country": None, "party": None, "promise_on": None,
        "contacts": [{"sent_at": "2026-11-02T10:00:00.000000"}], "features": {"a": 0.5, "b": True, "c": 3, "d": None},
    }  # fmt: skip
    with pytest.raises(TypeError, match="object cannot be sent"):
        client.recommend([{"account_id": object()}])
