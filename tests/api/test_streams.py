"""Large batches as NDJSON: a line an account, caps kept over the chunks, nothing planned that was not given."""

from __future__ import annotations

import json

import pytest

import api.service.streaming as streaming
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, Sender, account

LINES = {"accept": "application/x-ndjson"}


@pytest.fixture
def sender(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_CHUNK", 7)
    sender = Sender(f"sqlite:///{tmp_path / 'log.db'}")
    with sender.client:
        yield sender


def asked(count, **more):
    accounts = [account(f"A{n}", debtor_id=f"D{n // 2}", consented_channels=["sms"]) for n in range(count)]
    return {"accounts": accounts, "as_of": AS_OF.isoformat(), "top_k": 1, "explore": False} | more


def lines(sender, body, status=200):
    answer = sender.client.post("/v1/recommendations", json=body, headers=LINES)
    assert answer.status_code == status, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_stream_decides_what_the_plain_answer_would(sender):
    """Line by line the same decisions, in order; the last line sums up, and the log holds them."""
    body = asked(20)
    *given, last = lines(sender, body)
    assert [one["position"] for one in given] == list(range(20))
    assert last["summary"]["recorded"] is True
    assert (last["summary"]["answered"], last["summary"]["refused"]) == (20, 0)
    plain = sender.client.post("/v1/recommendations", json=body).json()
    assert [one["recommendation"]["decision_id"] for one in given] == [
        one["decision_id"] for one in plain["recommendations"]
    ]
    days = {}
    for number, one in enumerate(given):
        when = one["recommendation"]["actions"][0]["contact_at"]
        if when is not None:
            assert days.setdefault((number // 2, when[:10]), number) == number  # a debtor's cap, over chunks too
    assert days


def test_a_capacity_is_shared_by_the_chunks_and_a_key_answers_again(sender):
    """Five contacts for everybody, not for each chunk; the same request key, the same lines."""
    body = asked(30, constraints={"capacity": {"sms": 5}}, request_key="run-1")
    *given, _ = lines(sender, body)
    contacted = [one for one in given if not one["recommendation"]["actions"][0]["no_contact"]]
    assert len(contacted) == 5
    *again, _ = lines(sender, body)
    assert again == given
    assert lines(sender, body | {"seed": 3}, status=409)[0]["status"] == 409


def test_bad_accounts_are_lines_and_a_stream_that_breaks_says_so(sender, monkeypatch):
    """Unreadable and refused accounts keep their positions; an outage ends the stream without a summary."""
    body = asked(12)
    body["accounts"][3]["balance_minor"] = "much"
    body["accounts"][8]["account_id"] = "573001234567"
    *given, last = lines(sender, body)
    errors = {one["position"]: one["error"]["status"] for one in given if "error" in one}
    assert errors == {3: 422, 8: 422}
    assert (last["summary"]["answered"], last["summary"]["refused"]) == (10, 2)
    recorder = sender.client.app.state.recorder
    write, calls = recorder.write, []

    def failing(*args):
        calls.append(1)
        if len(calls) > 1:
            raise streaming.RecommenderError("The decision log cannot be written.")
        return write(*args)

    monkeypatch.setattr(recorder, "write", failing)
    *given, last = lines(sender, asked(20) | {"as_of": "2026-12-14T08:00:00-05:00"})
    assert last["problem"]["status"] == 503
    assert len(given) == 7
    assert not any("summary" in one for one in given)


def test_what_a_caller_did_not_get_is_not_planned(sender):
    """The chunk whose lines could not be handed over is taken back, and no further one is decided."""
    app = sender.client.app
    failed = []
    app.state.delivery.failed = failed.extend

    async def leave_at_once():
        from api.service.answering import RecommendationService
        from api.service.item_problems import UnreadItems
        from api.service.schemas import RecommendationRequest

        class Gone:
            headers = LINES

            def __init__(self):
                self.app = app

            async def is_disconnected(self):
                return True

        request = Gone()
        body = RecommendationRequest.model_validate_json(json.dumps(asked(20)))
        answer = await streaming.streamed(request, RecommendationService.of(request), body, UnreadItems())
        return [one async for one in answer.body_iterator]

    sent = sender.client.portal.call(leave_at_once)
    assert len(sent) == 1
    assert len(failed) == 7
    with DecisionLog(sender.url) as log:
        assert log.count()[0] == 7
