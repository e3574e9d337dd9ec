"""The JSON-lines format: every line gets one verdict line, and what cannot be read is denied."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines import check as check_verb
from pipelines import messages as messages_verb
from pipelines import packs as packs_verb
from recommender.reports import GENERATED_FROM_HERE, describe_packs
from recommender.rules import check_case, check_lines
from tests.rules.test_tricky_cases import contact

FINE = {
    "id": "c-1", "packs": ["CO"], "at": "2026-11-17T10:00:00-05:00", "channel": "sms", "purpose": "collection",
    "account": {"account_id": "A1", "debtor_id": "D1", "country": "CO", "subdivision": None,
                "timezone": "America/Bogota", "phone": "+573001234567", "due_date": "2026-10-01", "balance_minor": 100,
                "consented_channels": ["sms"], "flags": [], "party": "debtor"},
    "contacts": [],
}  # fmt: skip
BAD = {"allowed": False, "rules": ["input"], "next_allowed_at": None}


def with_account(**facts: object) -> dict:
    """The fine case with other facts."""
    return FINE | {"account": FINE["account"] | facts}


def test_a_fine_case_is_allowed_at_its_own_instant():
    """``next_allowed_at`` is ``at`` in UTC when allowed."""
    assert check_case(FINE) == {
        "id": "c-1", "allowed": True, "rules": [], "next_allowed_at": "2026-11-17T15:00:00Z",
    }  # fmt: skip
    assert check_case(with_account(phone_timezones=["America/Bogota"], phone=None))["allowed"]
    assert check_case({name: value for name, value in FINE.items() if name != "purpose"})["allowed"]


@pytest.mark.parametrize(
    "case",
    [
        None, [], "x", 7, {}, {"id": "c-1"},
        FINE | {"at": "2026-11-17T10:00:00"}, FINE | {"at": "2026-11-17"}, FINE | {"at": 1_700_000_000},
        FINE | {"at": "0001-01-01T00:00:00+00:00"}, FINE | {"at": "9999-12-31T23:59:59-05:00"}, FINE | {"at": None},
        FINE | {"packs": "CO"}, FINE | {"packs": []}, FINE | {"packs": ["co"]}, FINE | {"packs": ["CO", "XX"]},
        FINE | {"packs": None}, FINE | {"channel": "fax"}, FINE | {"channel": ["sms"]}, FINE | {"channel": None},
        FINE | {"purpose": "marketing"}, FINE | {"purpose": ["collection"]}, FINE | {"account": []},
        FINE | {"contacts": {}}, FINE | {"contacts": [1]}, FINE | {"contacts": [{}]},
        FINE | {"contacts": [contact("2026-11-17T10:00:00")]},
        FINE | {"contacts": [contact("2026-11-17T10:00:00Z", "fax")]},
        FINE | {"contacts": [contact("2026-11-17T10:00:00Z", outcome=3)]},
        FINE | {"contacts": [contact("2026-11-17T10:00:00Z", status="lost")]},
        FINE | {"contacts": [contact("2026-11-17T10:00:00Z", initiated_by="robot")]},
        with_account(timezone="Etc/Unknown"), with_account(timezone=5), with_account(phone="123"),
        with_account(phone_timezones=["Etc/Unknown"]), with_account(phone_timezones="America/Bogota"),
        with_account(flags="disputed"), with_account(flags=["a;b"]), with_account(flags=[None]),
        with_account(consented_channels="sms"), with_account(balance_minor="100"), with_account(balance_minor=True),
        with_account(balance_minor=10**400), with_account(balance_minor=float("nan")), with_account(party=1),
        with_account(due_date="31/12/2026"), with_account(due_date=20261231), with_account(country=["CO"]),
        with_account(preferences={"hour": [1, 2]}), with_account(preferences={"hours": ["18:00", "09:00"]}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_denied(case):
    """The rule ``input``, no instant, nothing raised."""
    verdict = check_case(case)
    assert {name: verdict[name] for name in BAD} == BAD
    assert verdict["id"] == (case.get("id") if isinstance(case, dict) else None)


@pytest.mark.parametrize("name", ["flags", "party", "consented_channels", "balance_minor", "country", "contacts"])
def test_a_missing_key_is_an_unknown_fact_and_denies(name):
    """Missing and null are the same; the reason is named and is not ``input``."""
    for gone in (True, False):
        case = json.loads(json.dumps(FINE))
        home = case if name == "contacts" else case["account"]
        home.pop(name) if gone else home.update({name: None})
        verdict = check_case(case)
        assert not verdict["allowed"]
        assert "input" not in verdict["rules"]
        assert verdict["next_allowed_at"] is None


def test_every_line_gets_one_line_in_order():
    """Blank lines, broken bytes, deep nesting, repeated keys, odd separators: one verdict each."""
    lines = [
        json.dumps(FINE).encode(), b"", b"\xff\xfe", b"{", b"[" * 100_000, b"NaN", b'{"id": 1, "id": 2}',
        json.dumps(FINE | {"id": "a\u2028b"}, ensure_ascii=False).encode(), (json.dumps(FINE) + "\r\n").encode(),
        json.dumps(FINE | {"id": "\ud800"}).encode(), json.dumps(FINE).encode("utf-16"),
        b'{"id": 3, "at": ' + b"9" * 5_000 + b"}",
    ]  # fmt: skip
    verdicts = [json.loads(line) for line in check_lines(lines)]
    assert [verdict["allowed"] for verdict in verdicts] == [
        True, False, False, False, False, False, False, True, True, True, False, False]  # fmt: skip
    assert verdicts[7]["id"] == "a\u2028b"


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["CO", "sms", "debtor"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*FINE, *FINE["account"], "sent_at"]), inner, max_size=5)
        ),
        max_leaves=12,
    )
)
def test_no_object_whatever_raises_or_passes(thing):
    """Random JSON in place of any part is denied, never an exception."""
    assert not check_case(thing)["allowed"]
    for name in ("packs", "at", "channel", "account"):
        assert isinstance(check_case(FINE | {name: thing})["allowed"], bool)


@pytest.fixture
def app() -> typer.Typer:
    """The verbs of this module alone."""
    made = typer.Typer()
    for verb in (check_verb, packs_verb, messages_verb):
        verb.register(made)
    return made


def test_the_bulk_command_writes_a_line_a_line(app, tmp_path):
    """Exit 0 whatever the verdicts; as many lines out as in."""
    source, sink = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join([json.dumps(FINE).encode(), b"oops", b"", json.dumps(FINE).encode()]) + b"\n")
    result = CliRunner().invoke(app, ["check", "--cases", str(source), "--out", str(sink)])
    assert result.exit_code == 0
    assert [json.loads(line)["allowed"] for line in sink.read_text().splitlines()] == [True, False, False, True]


def test_the_single_command_says_why_and_when(app, tmp_path):
    """Exit 0 allowed, 3 denied with rules, citations and the next instant."""
    account, history = tmp_path / "a.json", tmp_path / "c.csv"
    account.write_text(json.dumps(FINE["account"]))
    history.write_text("sent_at,channel,account_id,initiated_by,outcome,status\n2026-11-17T08:00:00-05:00,sms,A1,,,\n")
    asked = ["check", "--pack", "CO", "--channel", "sms", "--account", str(account), "--history", str(history)]
    fine = CliRunner().invoke(app, [*asked, "--at", "2026-11-18T10:00:00-05:00"])
    assert fine.exit_code == 0
    denied = CliRunner().invoke(app, [*asked, "--at", "2026-11-17T10:00:00-05:00"])
    assert denied.exit_code == 3
    assert "co-day  (Ley 2300 de 2023, 3)" in denied.output
    assert "2026-11-18T12:00:00Z" in denied.output
    assert CliRunner().invoke(app, [*asked, "--at", "2026-11-18T10:00:00"]).exit_code == 3


def test_the_packs_commands(app):
    """List, show, compare and test answer; every packaged example agrees."""
    runner = CliRunner()
    assert "CO " in runner.invoke(app, ["packs", "list"]).output
    assert "co-one-channel-week" in runner.invoke(app, ["packs", "show", "CO"]).output
    assert "+" in runner.invoke(app, ["packs", "diff", "US", "US-MA"]).output
    tested = runner.invoke(app, ["packs", "test", "CO", "EC"])
    assert tested.exit_code == 0
    assert runner.invoke(app, ["packs", "show", "XX"]).exit_code == 2
    assert runner.invoke(app, ["messages", "lint"]).exit_code == 0


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_is_written_from_the_packs(app, tmp_path, language):
    """docs/guardrails.md and its Spanish hold what the packs say today, and the verb writes either."""
    page = next(page for page in packs_verb.PAGES if page.name.endswith(".es.md") == (language == "es"))
    kept = page.read_text(encoding="utf-8")
    assert kept.split(GENERATED_FROM_HERE)[1].strip() == describe_packs(language=language).strip()
    copy = tmp_path / page.name
    copy.write_text(kept.split(GENERATED_FROM_HERE)[0], encoding="utf-8")
    assert CliRunner().invoke(app, ["packs", "docs", "--page", str(copy)]).exit_code == 0
    assert copy.read_text(encoding="utf-8") == kept


def test_the_readme_case_of_the_issue():
    """A Sunday in Colombia: denied, and Monday at seven is the next legal instant."""
    verdict = check_case(FINE | {"at": "2026-11-22T10:00:00-05:00"})
    assert verdict["rules"] == ["co-window"]
    assert dt.datetime.fromisoformat(verdict["next_allowed_at"]) == dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
