"""Listing, giving out and erasing what the log holds, and decisions that reached nobody."""

from __future__ import annotations

import json
import socket
import time

import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.store.decision_log import DecisionLog
from tests.api.served import Served
from tests.api.test_dispatches import AS_OF, Sender, account


@pytest.fixture
def sender(empty_url):
    sender = Sender(empty_url)
    with sender.client:
        yield sender


def test_decisions_are_listed_by_account_debtor_and_time_a_page_at_a_time(sender):
    for minute in range(5):
        body = {"accounts": [account(f"L{one}", debtor_id=f"LD{one % 2}") for one in range(3)]}
        body["as_of"] = AS_OF.replace(minute=minute).isoformat()
        assert sender.client.post("/v1/recommendations", json=body).status_code == 200
    seen, cursor = [], None
    while True:
        page = sender.client.get("/v1/decisions", params={"limit": 4} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["decisions"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 15 == len({one["decision_id"] for one in seen})
    assert [one["decided_at"] for one in seen] == sorted((one["decided_at"] for one in seen), reverse=True)

    def count(**asked):
        answer = sender.client.get("/v1/decisions", params=asked)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["decisions"])

    assert (count(account_id="L1"), count(debtor_id="LD0"), count(debtor_id="nobody")) == (5, 10, 0)
    assert count(since=AS_OF.replace(minute=3).isoformat()) == 6
    assert count(until=AS_OF.replace(minute=3).isoformat(), account_id="L0") == 3
    for wrong in ({"cursor": "x"}, {"cursor": "AAAA"}, {"limit": 0}, {"since": "0001-01-01T00:00:00Z"}, {"since": "1"}):
        assert sender.client.get("/v1/decisions", params=wrong).status_code == 422, wrong


def test_what_is_held_about_a_debtor_is_given_out_and_erased(sender):
    """Also what was decided before anybody said whose account it is; other debtors stay."""
    sender.decide({name: value for name, value in account("E1").items() if name != "debtor_id"})
    body = {"accounts": [account("E1", debtor_id="E"), account("E2", debtor_id="E"), account("F1", debtor_id="F")]}
    body["as_of"] = AS_OF.replace(minute=9).isoformat()
    made = sender.client.post("/v1/recommendations", json=body).json()["recommendations"]
    sender.send(made[1], state="cancelled")
    held = sender.client.get("/v1/debtors/E").json()
    assert {one["account_id"] for one in held["decisions"]} == {"E1", "E2"} and len(held["decisions"]) == 3
    assert [one["state"] for one in held["decisions"]].count("cancelled") == 1
    printed = CliRunner().invoke(build_app(), ["export-debtor", "E", "--log", sender.url])
    assert json.loads(printed.stdout) == held
    assert sender.client.delete("/v1/debtors/E").status_code == 422
    gone = sender.client.delete("/v1/debtors/E", params={"requested_by": "privacy-desk"})
    assert gone.json() == {"decisions": 3, "outcomes": 0}
    assert sender.client.get("/v1/debtors/E").json()["decisions"] == []
    result = CliRunner().invoke(build_app(), ["forget", "F", "--log", sender.url, "--requested-by", "desk"])
    assert result.exit_code == 0 and "1 decisions" in result.stdout
    with DecisionLog(sender.url) as log:
        assert log.count() == (0, 0)
        assert [one.requested_by for one in log.removals()] == ["privacy-desk", "desk"]


def test_whoever_is_erased_goes_from_what_the_pages_keep(sender, tmp_path, monkeypatch):
    """Route and verbs delete the copies of the log beside the portfolio; locks and the portfolio itself stay."""
    kept = [
        tmp_path / "kept" / name for name in ("facts/part-000000.parquet", "facts/state.json", "tables/log/a.arrow")
    ]
    left = [tmp_path / name for name in ("accounts.parquet", "kept/facts/lock", "kept/tables/.log.lock")]

    def none_kept(ask):
        for place in (*kept, *left):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("E1")
        ask()
        return not any(place.exists() for place in kept) and all(place.exists() for place in left)

    settings = sender.client.app.state.settings.model_copy(update={"portfolio_path": tmp_path})
    monkeypatch.setattr(sender.client.app.state, "settings", settings)
    assert none_kept(lambda: sender.client.delete("/v1/debtors/E", params={"requested_by": "desk"}).raise_for_status())
    for verb in (["forget", "E"], ["retain", "--days", "9"]):
        told = [*verb, "--log", sender.url, "--requested-by", "desk"]
        assert none_kept(lambda told=told: CliRunner().invoke(build_app(), [*told, "--portfolio", str(tmp_path)]))


def test_a_decision_whose_caller_left_plans_no_contact(empty_url):
    """The caller closes its connection before the answer; asked again, it gets the same decision, which then counts."""
    one = account("U1", debtor_id="U")
    body = {"accounts": [one, *(account(f"V{n}", debtor_id=f"V{n}") for n in range(400))], "as_of": AS_OF.isoformat()}
    with Served(empty_url) as served, DecisionLog(empty_url) as log:
        text = json.dumps(body).encode()
        head = f"POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n"
        with socket.create_connection(("127.0.0.1", served.ports[0])) as caller:
            caller.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + text)
            time.sleep(0.05)
        deadline = time.monotonic() + 60
        while not log.standing(["U"], AS_OF).taken_back and time.monotonic() < deadline:
            time.sleep(0.1)
        standing = log.standing(["U"], AS_OF)
        assert set(standing.taken_back.values()) == {"undelivered"} and not standing.contacts
        status, again = served.ask("POST", "/v1/recommendations", body)
        assert status == 200, again
        assert not log.standing(["U"], AS_OF).taken_back
        told = again["recommendations"][0]
        contacts = log.standing(["U"], AS_OF).contacts
        assert bool(contacts) == (not told["actions"][0]["no_contact"])
