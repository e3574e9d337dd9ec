"""The tools answer what the HTTP API answers, say what is wrong, and cannot write: in memory and over stdio."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from mcp import Client, StdioServerParameters

from api.main import create_app
from api.mcp.reading import Reading
from api.mcp.server import create_server
from recommender.errors import RecommenderError
from recommender.rules import pack_ids
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests import own_loop
from tests.api.test_dispatches import AS_OF, account
from tests.databases import empty_url, postgres_server  # noqa: F401
from tests.store.small_strategy import saved_strategy

REPORT = {
    "made_at": "2026-11-20T03:00:00+00:00",
    "policy_version": "v1",
    "confidence": 0.95,
    "reward_kind": "binary",
    "log": {"n_decisions": 900},
    "logging_value": 0.2,
    "gate": {"accepted": False, "reasons": ["not proven"], "checks": {}},
    "policies": [
        {
            "name": "strategy",
            "role": "served",
            "report": {
                "verdict": "not proven",
                "reasons": ["the interval holds zero"],
                "difference": {"value": 0.01, "low": -0.02, "high": 0.04},
                "estimates": [
                    {"estimator": "dm", "value": 0.9, "ci_low": 0.8, "ci_high": 1.0, "default": False},
                    {"estimator": "sndr", "value": 0.21, "ci_low": 0.18, "ci_high": 0.24, "default": True},
                ],
            },
        }
    ],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    return saved_strategy(tmp_path_factory.mktemp("model") / "strategy", made_once)


@pytest.fixture(scope="module")
def settings(tmp_path_factory, model):
    """A log with three decisions, one with an outcome; a stored report; the model that decided."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "evaluation.json").write_text(json.dumps(REPORT), encoding="utf-8")
    chosen = Settings(
        model_path=model, pages=False, decision_log_url=f"sqlite:///{folder / 'd.db'}", portfolio_path=folder
    )
    with TestClient(create_app(chosen, clock=lambda: AS_OF)) as client:
        facts = [account(f"A{n}", debtor_id=f"D{n}", features={"stage": "early", "overdue": 0.4 * n}) for n in range(3)]
        asked = {"accounts": facts, "as_of": AS_OF.isoformat()}
        made = client.post("/v1/recommendations", json=asked).json()["recommendations"]
        told = {"decision_id": made[0]["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "delivered"}
        assert client.post("/v1/outcomes", json={"outcomes": [told]}).status_code == 200
    return chosen


@pytest.fixture
def reading(settings):
    held = Reading(settings)
    yield held
    held.close()


def ask(server, name, **arguments):
    """Call one tool; the answer's structure, or what went wrong."""

    async def call():
        async with Client(server) as client:
            return await client.call_tool(name, arguments)

    answer = own_loop.run(call)
    text = "".join(one.text for one in answer.content)
    return (answer.is_error, text) if answer.is_error else (False, answer.structured_content)


def good(server, name, **arguments):
    failed, answer = ask(server, name, **arguments)
    assert not failed, answer
    return answer


def digest(settings):
    path = settings.decision_log_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as book:
        return hashlib.sha256("\n".join(book.iterdump()).encode()).hexdigest()


def test_each_answer_is_the_one_of_the_api(settings, reading):
    server = create_server(reading)
    listed = good(server, "list_decisions", account_id="A1")["decisions"]
    assert [one["account_id"] for one in listed] == ["A1"]
    key = listed[0]["decision_id"]
    with TestClient(create_app(settings)) as client:
        path = f"/v1/decisions/{key}"
        whole = client.get(path).json()
        whole["n_eligible"] = len(whole.pop("eligible"))
        assert good(server, "get_decision", decision_id=key) == whole
        explained = client.get(f"{path}/explanation", params={"language": "en"}).json()
        assert good(server, "explain_decision", decision_id=key) == explained
        against = client.get(f"{path}/contrast", params={"language": "es", "against": "none"}).json()
        assert good(server, "contrast_actions", decision_id=key, against="none", language="es") == against
    assert explained["reasons"] and explained["actions"]


def test_pages_of_decisions_are_followed_to_the_end(reading):
    server, seen, cursor = create_server(reading), [], None
    for _ in range(5):
        page = good(server, "list_decisions", limit=1, **({} if cursor is None else {"cursor": cursor}))
        seen += [one["account_id"] for one in page["decisions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == ["A0", "A1", "A2"]
    assert good(server, "list_decisions", until=AS_OF.isoformat())["decisions"] == []
    assert len(good(server, "list_decisions", since=AS_OF.isoformat())["decisions"]) == 3


def test_a_contact_is_judged_by_the_law_and_the_rule_is_cited(reading):
    server = create_server(reading)
    stranger = account("A9", debtor_id="D9")  # of the others something is planned that day
    facts = {name: value for name, value in stranger.items() if name not in ("features", "contacts")}
    asked = {"packs": ["CO"], "channel": "sms", "account": facts, "contacts": []}
    assert good(server, "check_contact", at="2026-11-23T10:00:00-05:00", **asked)["allowed"]
    night = good(server, "check_contact", at="2026-11-23T23:00:00-05:00", **asked)
    assert not night["allowed"] and night["citations"]["co-window"]
    assert datetime.fromisoformat(night["next_allowed_at"]) > datetime(2026, 11, 24, 4, tzinfo=UTC)
    unknown = good(server, "check_contact", packs=["CO"], at="2026-11-23T10:00:00-05:00", channel="sms")
    assert not unknown["allowed"]


def test_packs_have_citations_and_grades(reading):
    server = create_server(reading)
    packs = {one["id"]: one for one in good(server, "list_rule_packs")["packs"]}
    assert set(packs) == set(pack_ids())
    assert packs["CO"]["legal_status"] == "draft-not-legal-advice"
    assert all(source["grade"] and source["law"] for source in packs["CO"]["sources"])
    shown = good(server, "show_rule_pack", pack_id="CO")["result"]
    assert "co-window" in shown and "grade" in shown


def test_the_report_has_interval_and_verdict_and_the_ages_are_true(reading):
    server = create_server(reading)
    (policy,) = good(server, "evaluation_report")["policies"]
    assert (policy["verdict"], policy["estimator"], policy["ci_low"]) == ("not proven", "sndr", 0.18)
    ages = good(server, "data_age")
    for name in ("last_decision", "last_outcome"):
        assert datetime.fromisoformat(ages[name]["at"]) == AS_OF
        days = (datetime.fromisoformat(ages["now"]) - AS_OF).total_seconds() / 86_400
        assert ages[name]["days_ago"] == pytest.approx(days, abs=0.006)
    assert ages["evaluation_made"]["at"] == REPORT["made_at"]
    assert ages["served_policy_version"] != ages["evaluated_policy_version"] == "v1"


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_decision", {"decision_id": "nobody"}, "holds no decision"),
        ("get_decision", {"decision_id": "x" * 500}, "at most 128"),
        ("list_decisions", {"cursor": "zzz"}, "next_cursor"),
        ("list_decisions", {"limit": 100_000}, "1 to 200"),
        ("list_decisions", {"since": "2026-11-23T10:00:00"}, "timezone"),
        ("check_contact", {"packs": ["XX"], "at": "2026-11-23T10:00:00Z", "channel": "sms"}, "no rule pack 'XX'"),
        ("check_contact", {"packs": ["CO"], "at": "2026-11-23T10:00:00Z", "channel": "fax"}, "channel"),
        ("show_rule_pack", {"pack_id": "../../etc/passwd"}, "is no rule pack"),
    ],
)
def test_what_cannot_be_answered_is_said(reading, tool, arguments, says):
    failed, text = ask(create_server(reading), tool, **arguments)
    assert failed and says in text, text


def test_a_phone_is_refused_and_not_repeated(reading):
    for facts in ({"phone": "+573001234567"}, {"account_id": "+573001234567"}, {"timezone": "+573001234567"}):
        asked = {"packs": ["CO"], "at": "2026-11-23T10:00:00Z", "channel": "sms", "account": facts}
        failed, text = ask(create_server(reading), "check_contact", **asked)
        assert failed and "3001234567" not in text, (facts, text)


def test_another_model_explains_nothing(settings, tmp_path):
    other = Reading(settings.model_copy(update={"model_path": tmp_path / "none"}))
    key = other.decisions("A1", None, None, None, None, 1)["decisions"][0]["decision_id"]
    failed, text = ask(create_server(other), "explain_decision", decision_id=key)
    other.close()
    assert failed and "another model cannot say why" in text


def test_every_tool_is_marked_as_reading_and_none_changes_a_byte(settings, reading):
    server = create_server(reading)
    before = digest(settings)

    async def listed():
        async with Client(server) as client:
            return (await client.list_tools()).tools

    tools = own_loop.run(listed)
    assert len(tools) == 9 and all(one.annotations.read_only_hint and one.description for one in tools)
    good(server, "list_decisions")
    good(server, "data_age")
    assert digest(settings) == before


def test_the_database_itself_refuses_writes(empty_url):  # noqa: F811
    """On SQLite and PostgreSQL: whatever a later hand calls, nothing is written."""
    with DecisionLog.create(empty_url):
        pass
    with DecisionLog(empty_url, read_only=True) as log:
        assert log.count() == (0, 0)
        with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
            log.prove_writable("w", datetime.now(UTC))
        with log.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
            connection.execute(sa.text("DELETE FROM decisions"))


def test_a_log_that_is_not_there_is_not_made(tmp_path):
    place = tmp_path / "deep" / "none.db"
    with pytest.raises(RecommenderError, match="no decision log"):
        Reading(Settings(decision_log_url=f"sqlite:///{place}", pages=False))
    assert not place.parent.exists()
    without = Reading(Settings(decision_log_url=None, model_path=None, pages=False))
    failed, text = ask(create_server(without), "list_decisions")
    assert failed and "keeps no decision log" in text
    assert ask(create_server(without), "data_age")[1]["last_decision"] is None
    without.close()


def test_over_standard_input_and_output(settings, tmp_path):
    """As a client starts it: the settings from the environment, nothing but the protocol on standard output."""
    told = {
        "RECOMMENDER_DECISION_LOG_URL": settings.decision_log_url,
        "RECOMMENDER_PORTFOLIO_PATH": str(settings.portfolio_path),
        "RECOMMENDER_MODEL_PATH": str(settings.model_path),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECOMMENDER_")}
    command = StdioServerParameters(command=sys.executable, args=["-m", "api.mcp"], env=kept | told)

    async def walk():
        async with Client(command, read_timeout_seconds=120) as client:
            tools = {one.name for one in (await client.list_tools()).tools}
            answer = await client.call_tool("list_decisions", {"debtor_id": "D2"})
            key = answer.structured_content["decisions"][0]["decision_id"]
            why = await client.call_tool("explain_decision", {"decision_id": key, "language": "es"})
            return tools, why

    tools, why = own_loop.run(walk)
    assert {"list_decisions", "check_contact", "data_age"} <= tools
    assert not why.is_error and why.structured_content["reasons"]
