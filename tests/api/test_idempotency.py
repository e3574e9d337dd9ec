"""The ``Idempotency-Key`` header: the same body is answered again, another one is refused and both are named."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.service.idempotency import Idempotency, sha256_of_body
from api.service.metrics import Metrics
from api.service.recording import Recorder
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests import own_loop
from tests.api.test_dispatches import AS_OF, Sender, account

KEY = {"Idempotency-Key": '"7f1c-4d"'}


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


def ask(sender, body, path="/v1/recommendations", headers=KEY):
    return sender.client.post(path, json=body, headers=headers)


def test_the_same_body_is_answered_from_the_log_and_another_is_refused_with_both_digests(sender):
    """Later too, and however the names are ordered; other accounts, facts, moments and more accounts are others."""
    body = {"accounts": [account()], "top_k": 2}
    first = ask(sender, body).json()
    sender.now += timedelta(hours=3)
    again = sender.client.post(
        "/v1/recommendations", content=json.dumps(dict(reversed(body.items())), indent=1),
        headers=KEY | {"content-type": "application/json"},
    ).json()  # fmt: skip
    assert again["recommendations"] == first["recommendations"]
    assert datetime.fromisoformat(again["as_of"]) == AS_OF
    others = [
        {"accounts": [account("A2")], "top_k": 2},
        {"accounts": [account(balance_minor=5)], "top_k": 2},
        {"accounts": [account(), account("A2")], "top_k": 2},
        body | {"as_of": AS_OF.isoformat()},
    ]
    for other in others:
        refused = ask(sender, other)
        assert refused.status_code == 422, refused.text
        assert re.findall(r"[0-9a-f]{64}", refused.json()["detail"]) == [
            sha256_of_body(json.dumps(body).encode()), sha256_of_body(json.dumps(other).encode()),
        ]  # fmt: skip
    with DecisionLog(sender.url) as log:
        assert log.count() == (1, 0)


def test_a_key_of_one_route_is_none_of_another_and_what_failed_gives_it_back(sender):
    """Outcomes and dispatches are guarded as well; a refused body is mended under its key."""
    told, _ = sender.contacting()
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "delivered"}
    assert ask(sender, {"outcomes": [heard | {"outcome": "nonsense"}]}, "/v1/outcomes").status_code == 422
    stored = [ask(sender, {"outcomes": [heard]}, "/v1/outcomes").json()["stored"] for _ in range(2)]
    assert stored == [1, 0]
    assert ask(sender, {"outcomes": [heard | {"outcome": "read"}]}, "/v1/outcomes").status_code == 422
    given_up = {"dispatch_id": "x", "decision_id": told["decision_id"], "state": "cancelled"}
    assert ask(sender, {"dispatches": [given_up]}, "/v1/dispatches").status_code == 200
    assert ask(sender, {"dispatches": [given_up | {"dispatch_id": "y"}]}, "/v1/dispatches").status_code == 422
    assert len(sender.client.get(f"/v1/decisions/{told['decision_id']}").json()["events"]) == 1


@pytest.mark.parametrize("key", ["", '""', "with blank", "x" * 129, "ñ".encode().decode("latin-1")])
def test_a_header_that_is_no_key_is_refused(sender, key):
    answer = sender.client.post(
        "/v1/recommendations", json={"accounts": [account()]}, headers=[(b"idempotency-key", key.encode("latin-1"))]
    )
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["detail"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "key", ["", " ", "a b", " a", "a\n", "ñ", "٣", "a\u200b", "x" * 129, 5, 5.0, True, [], {}, ["a"]]
)
def test_a_key_in_the_body_is_as_strict_as_one_in_the_header(sender, key, stream):
    """Text of the same letters and length; nothing is converted, cut or taken for no key. Nothing is decided."""
    headers = {"accept": "application/x-ndjson"} if stream else {}
    for accounts in ([account()], [account(), {"account_id": "A2", "unknown": 1}]):
        refused = ask(sender, {"accounts": accounts, "request_key": key}, headers=headers)
        assert refused.status_code == 422 and "request_key" in refused.json()["detail"]
    with DecisionLog(sender.url) as log:
        assert log.count() == (0, 0)


def test_two_keys_of_one_request_are_refused_and_one_named_twice_is_taken(sender):
    assert ask(sender, {"accounts": [account()], "request_key": "other"}).status_code == 422
    assert ask(sender, {"accounts": [account()], "request_key": "7f1c-4d"}).status_code == 200


def test_of_two_bodies_under_one_key_at_once_one_is_decided(sender):
    """The claim is the database's."""
    bodies = [{"accounts": [account(f"R{n}", debtor_id=f"R{n}")], "as_of": AS_OF.isoformat()} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda body: ask(sender, body).status_code, bodies))
    assert statuses == [200, 422, 422, 422, 422, 422]
    with DecisionLog(sender.url) as log:
        assert log.count() == (1, 0)


class Work:
    """Behind the middleware: requests that end when and as they are told."""

    def __init__(self, recorder):
        self.ends, self.begun = {}, {}
        self.middleware = Idempotency(self, lambda: AS_OF)
        self.app = SimpleNamespace(state=SimpleNamespace(recorder=recorder))

    async def __call__(self, scope, receive, send):
        await receive()
        name = scope["name"]
        self.begun[name].set()
        end = await self.ends[name]
        if isinstance(end, Exception):
            raise end
        await send({"type": "http.response.start", "status": end, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, name, body):
        """Send a request under the key; its status, or 500 where it raises."""
        self.ends[name], self.begun[name] = asyncio.get_running_loop().create_future(), asyncio.Event()
        scope = {
            "type": "http", "method": "POST", "path": "/v1/outcomes", "name": name, "app": self.app,
            "headers": [(b"idempotency-key", b"k")], "state": {}, "query_string": b"",
        }  # fmt: skip
        statuses = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                self.begun[name].set()

        try:
            await self.middleware(scope, receive, send)
        except ValueError:
            return 500
        return statuses[0]

    async def begin(self, name, body):
        task = asyncio.create_task(self.ask(name, body))
        await asyncio.sleep(0)
        await self.begun[name].wait()
        return task


def test_a_repetition_after_an_update_of_the_service_is_answered_and_other_facts_are_not(sender, monkeypatch):
    """What was decided by other versions of the programs from the same facts is the answer; the log keeps theirs."""
    accounts = [account(f"A{number}", debtor_id=f"D{number}") for number in range(3)]
    told = sender.decide(*accounts)
    logged = sender.client.get(f"/v1/decisions/{told[0]['decision_id']}").json()
    monkeypatch.setattr("api.service.decided_records.__version__", "99.0")
    later = Sender(sender.url)
    with later.client:
        later.client.app.state.serving.current().provenances.clear()
        assert later.decide(*accounts) == told
        kept = later.client.get(f"/v1/decisions/{told[0]['decision_id']}").json()
        assert kept | {"events": []} == logged | {"events": []}
        changed = later.client.post(
            "/v1/recommendations", json={"accounts": [accounts[0] | {"balance_minor": 7}], "as_of": AS_OF.isoformat()}
        )
        assert changed.status_code == 409, changed.text
        (new,) = later.decide(account("A9", debtor_id="D9"))
        version = later.client.get(f"/v1/decisions/{new['decision_id']}").json()["provenance"]["code_version"]
    assert version == "99.0" != logged["provenance"]["code_version"]


@pytest.mark.parametrize("end", [503, 422, ValueError("fault")])
def test_a_request_that_fails_takes_no_key_from_the_same_request_at_work_or_done(empty_url, end):
    """A and B of one body, A fails first: another body is refused while B works and when it has succeeded. Where B
    fails as well the key is free; who is cut off keeps it, since nobody knows what its thread still does.
    """

    async def race(recorder):
        work = Work(recorder)
        first, second = [await work.begin(name, b'{"a": 1}') for name in ("A", "B")]
        work.ends["A"].set_result(end)
        assert await first == (500 if isinstance(end, Exception) else end)
        assert await (await work.begin("C", b'{"a": 2}')) == 422
        work.ends["B"].set_result(200)
        assert await second == 200
        assert await (await work.begin("D", b'{"a": 2}')) == 422

    async def both_fail(recorder):
        work = Work(recorder)
        tasks = [await work.begin(name, b'{"a": 1}') for name in ("A", "B")]
        for name in ("B", "A"):
            work.ends[name].set_result(end)
        await asyncio.gather(*tasks)
        other = await work.begin("C", b'{"a": 2}')
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert await (await work.begin("D", b'{"a": 3}')) == 422

    for scene in (both_fail, race):
        recorder = Recorder(empty_url, Metrics())
        own_loop.run(partial(scene, recorder))
        recorder.close()
        with DecisionLog(empty_url) as log:
            log.purge(AS_OF + timedelta(days=1), requested_by="test", at=AS_OF + timedelta(days=1))


@pytest.mark.parametrize(("status", "is_free"), [(200, False), (399, False), (400, True), (404, True), (500, True)])
def test_a_key_is_given_back_from_the_first_status_that_refuses(empty_url, status, is_free):
    """Of a request that was taken the key stays with its body."""

    async def scene(recorder):
        work = Work(recorder)
        first = await work.begin("A", b'{"a": 1}')
        work.ends["A"].set_result(status)
        assert await first == status
        other = await work.begin("B", b'{"a": 2}')
        work.ends["B"].set_result(204)
        assert await other == (204 if is_free else 422)

    recorder = Recorder(empty_url, Metrics())
    own_loop.run(partial(scene, recorder))
    recorder.close()


def test_without_a_log_a_key_cannot_be_honoured_and_that_is_said():
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        answer = client.post("/v1/recommendations", json={"accounts": [account()]}, headers=KEY)
    assert answer.status_code == 503 and "no decision log" in answer.json()["detail"]


def test_a_body_under_a_key_is_parsed_off_the_event_loop(sender, monkeypatch):
    """A body of megabytes keeps nobody else waiting: no thread that parses it runs a loop."""
    loops = []

    def parsed(body):
        try:
            loops.append(asyncio.get_running_loop())
        except RuntimeError:
            loops.append(None)
        return sha256_of_body(body)

    monkeypatch.setattr("api.service.idempotency.sha256_of_body", parsed)
    assert ask(sender, {"accounts": [account()]}).status_code == 200
    assert ask(sender, {"accounts": [account("A2")]}).status_code == 422
    assert loops == [None, None]
