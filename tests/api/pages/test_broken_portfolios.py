"""Portfolios that are broken or beyond what anybody meant: no page fails, tells of the server or speaks English."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages.aggregates import BeingMade
from api.pages.page_data import Portfolio
from api.pages.passwords import hash_password
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, OutcomeRecord
from tests.store.conftest import decide, provenance, space  # noqa: F401

PASSWORD = "correct horse battery"
HASHED = hash_password(PASSWORD)
NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
PAGES = ("", "tomorrow", "results", "policy-value", "explorer", "drivers", "accounts", "rule-costs", "approvals",
         "model-card", "audit", "glossary", "account?id=A1", "what-if?account=A1", "decision?account=A1",
         "best-hours?account=A1")  # fmt: skip
ABOUT_ACCOUNTS = [page for page in PAGES if "=" in page or page in ("", "tomorrow", "accounts", "approvals")]
CONTACTS = pd.DataFrame(
    {"account_id": ["A2"], "debtor_id": ["D2"], "sent_at": ["2026-11-02T15:00:00Z"], "channel": ["sms"]}
)
ENGLISH = re.compile(r"\b(?:the|could|cannot|portfolio|unreadable|read|file|There|is no|error|Error|must|Traceback)\b")


def accounts(**changes):
    """Two accounts of two currencies."""
    frame = pd.DataFrame(
        {
            "account_id": ["A1", "A2"], "debtor_id": ["D1", "D2"], "country": ["CO", "MX"], "currency": ["COP", "MXN"],
            "timezone": ["America/Bogota", "America/Mexico_City"], "due_date": "2026-10-01",
            "balance_minor": [250_000.0, 90_000.0], "consented_channels": "sms;whatsapp;email;call", "flags": "",
            "party": "debtor", "product": "card",
        }
    )  # fmt: skip
    return frame.assign(**changes)


@contextmanager
def pages_of(folder, *, told=(), records=(), model_path=None):
    """Pages over a folder, for a manager who is logged in; nobody hears of an exception but by its answer."""
    folder.mkdir()
    accounts().to_parquet(folder / "accounts.parquet", index=False)
    url = f"sqlite:///{folder}/log.db"
    with DecisionLog.create(url) as log:
        log.record([*records])
        log.record_outcomes([*told])
    settings = Settings(model_path=model_path, decision_log_url=url, portfolio_path=folder, managers={"ana": HASHED})
    app = create_app(settings, clock=lambda: NOW)
    with TestClient(app, headers={"accept": "text/html"}, raise_server_exceptions=False) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/es/login").text)[1]
        client.post("/es/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        yield client


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """One application whose folder the tests change: files are read again when they change."""
    folder = tmp_path_factory.mktemp("broken") / "portfolio"
    with pages_of(folder) as client:
        yield client, folder


@pytest.fixture
def changed(opened):
    """Put files into the folder for the time of a test."""
    client, folder = opened
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".db"}

    def put(name, content):
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content.to_parquet(folder / name, index=False)
        return client, folder

    yield put
    for path in folder.iterdir():
        if path.is_file() and ".db" not in path.name and path.name not in before:
            path.unlink()
    for name, content in before.items():
        (folder / name).write_bytes(content)


def faults(client, folder, pages=PAGES, fine=(200, 404, 422, 503)):
    """What is wrong with the answers."""
    wrong = []
    for page in pages:
        answer = client.get(f"/es/{page}")
        visible = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
        if answer.status_code not in fine:
            wrong.append((page, answer.status_code))
        if str(folder) in answer.text or re.search(r"\.parquet|\.jsonl?\b|\.db\b|site-packages|sqlite", visible):
            wrong.append((page, "names a file of the server"))
        if (english := ENGLISH.search(visible)) is not None:
            wrong.append((page, english[0], visible[max(0, english.start() - 60) : english.end() + 60]))
        if re.search(r">\s*[+\N{MINUS SIGN}-]?(?:nan|None|NaT|inf|Infinity)\b", answer.text):
            wrong.append((page, "shows a value of a program"))
    return wrong


BROKEN = {
    "accounts.parquet": [b"PAR1 broken", b"", b"account_id\nA1\n"],
    "contacts.parquet": [b"PAR1 broken", b""],
    "payments.parquet": [b"PAR1 broken"],
    "evaluation.json": [b"{", b"[]", b"{}", b"null", b'"text"', b"\xff\xfe", b'{"version": 99, "about": {}}'],
    "drivers.json": [b"{", b"[]", b"{}", b"null", b'{"cells": [], "about": {}}'],
    "rule_costs.json": [b"{", b"[]", b"{}", b"null"],
    "costs.json": [b"{", b"[]", b'{"COP": 5}', b'{"COP": {"sms": "much"}}'],
    "segments.toml": [b"not toml [", b"schema = 99\n", b"\xff"],
    "capacity.toml": [b"not toml [", b"schema = 99\n"],
    "reviews.jsonl": [b"{\n[]\nnull\n{}\n"],
    "comments.jsonl": [b"{\n[]\nnull\n{}\n"],
    "views.jsonl": [b"{\n[]\nnull\n{}\n"],
    "audit.jsonl": [b"{\n[]\nnull\n{}\n"],
    "plans": [b"a file where a folder is meant"],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_fails_no_page(changed, name):
    """The page that needs the file says that it cannot; it is no error of the server, and no path or English shows."""
    assert [(content, found) for content in BROKEN[name] if (found := faults(*changed(name, content)))] == []


@pytest.mark.parametrize(
    "balance",
    [[9e18, 1.0], [-5_000.0, -0.0], [float("nan"), None], [float("inf"), float("-inf")], [0.4, 0.6], ["12.5", "much"]],
    ids=["huge", "negative", "missing", "infinite", "fractions", "text"],
)
def test_any_amount_of_money_is_shown_or_left_out(changed, balance):
    """What no debt can be is no failure of a page."""
    assert faults(*changed("accounts.parquet", accounts(balance_minor=balance)), ABOUT_ACCOUNTS) == []


@pytest.mark.parametrize("column", ["debtor_id", "country", "currency", "timezone", "due_date", "party", "product"])
def test_any_value_of_a_fact_is_shown_or_left_out(changed, column):
    """A column that is not there, says nothing, or something else than it should."""
    wrong = faults(*changed("accounts.parquet", accounts().drop(columns=column)), ABOUT_ACCOUNTS)
    for value in (None, "", "??", 7):
        frame = accounts(**{column: pd.Series([value, value], dtype=object)})
        wrong += [(value, *one) for one in faults(*changed("accounts.parquet", frame), ABOUT_ACCOUNTS)]
    assert wrong == []


IDS = ("../../etc/passwd", "x" * 5000, "%00", "A1%00", "<script>", "' or 1=1 --", "%F0%9F%98%80", "%ff", " A1 ", "0")
LINKS = [
    *(f"{page}={one}" for page in ("account?id", "what-if?account", "decision?id", "decision?account",
                                   "best-hours?account", "accounts?q") for one in IDS),
    "account?id=A1&a=99999&b=-1", "account?id=A1&a=%E0%A5%AB", "account?id=A1&a=x", "best-hours?account=A1&purpose=x",
    "best-hours?account=A1&channel=fax", "accounts?page=0", "accounts?page=-3", "accounts?page=99999999999999999999",
    "accounts?page=x", "accounts?sort=nothing", "accounts?order=up", "approvals?page=%E0%A5%AB", "approvals?page=x",
    "approvals?page=99999999999999999999", "results?since=yesterday", "results?since=2026-13-45",
    "results?since=2026-11-05&until=2026-11-01", "results?since=0001-01-01&until=9999-12-31", "results?stage=none",
    "results?country=ZZ&segment=x&product=%00", "explorer?situation=never", "drivers?detail=x&country=ZZ",
    "tomorrow?plan=../../x", "tomorrow?source=ZZ", "what-if?account=A1&explore=1&fact.balance_minor=-1e999",
    "results/tables/none.csv", "results/tables/figures.exe", "results/pictures/none.png", "decision.json?id=none",
    "accounts.csv?q=%00", "home/tables/none.xlsx", "nowhere", "results/",
]  # fmt: skip


def test_no_link_fails(opened):
    """Whatever stands in an address: an answer in Spanish, never a failure."""
    assert faults(*opened, LINKS) == []


def test_outcomes_before_their_decision_and_of_the_future_are_no_failure(tmp_path, decide):  # noqa: F811
    """Clocks differ: what was heard before it was decided, or years ahead, shows and breaks nothing."""
    records = [
        decide(n, account_id="A1", debtor_id="D1", decided_at=NOW + timedelta(hours=n), contact_at=NOW)
        for n in range(3)
    ]
    told = [
        OutcomeRecord(decision_id=one.decision_id, occurred_at=one.decided_at + timedelta(days=days), outcome="paid",
                      amount_minor=10**15, currency="COP")
        for one, days in zip(records, (-400, 0, 4000), strict=True)
    ]  # fmt: skip
    with pages_of(tmp_path / "portfolio", records=records, told=told) as client:
        assert faults(client, tmp_path) == []
        page = client.get("/es/account?id=A1").text
        section = page[page.index('id="payments"') :].partition("</section>")[0]
        assert "Hay 2 pagos registrados" in section, "what is dated after the decision is no fact of it"


def test_payments_of_the_folder_are_shown_and_act(changed):
    """A payment in the table stands on the account's page, and opens hours to confirm it that were closed before."""
    client, _ = changed("contacts.parquet", CONTACTS)
    asked = "/en/best-hours/tables/hours.csv?account=A1&channel=sms&purpose=payment_confirmation"
    assert "open" not in {row.split(",")[1] for row in client.get(asked).text.splitlines()[1:]}
    paid = pd.DataFrame(
        {"account_id": ["A1", "A1", "A2"], "paid_at": [f"2026-11-{day}T15:00:00Z" for day in (20, 21, 22)],
         "amount_minor": [100_000, -20_000, 5], "currency": "COP"}
    )  # fmt: skip
    client, folder = changed("payments.parquet", paid)
    page = client.get("/es/account?id=A1").text
    section = page[page.index('id="payments"') :].partition("</section>")[0]
    assert "Hay 2 pagos registrados" in section
    assert re.search(r"COP\s1\.000", section)
    rows = client.get("/es/account/tables/payments.csv?id=A1").text.splitlines()
    assert len(rows) == 3
    assert "1000" in rows[2]
    assert "-200" in rows[1]
    assert "open" in {row.split(",")[1] for row in client.get(asked).text.splitlines()[1:]}
    assert faults(client, folder, ABOUT_ACCOUNTS) == []


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [("en;q=0.2, es-MX;q=0.9", "es-MX"), ("pt-PT", "pt-BR"), ("ES-cl", "es-CL"), ("*", "es-CO"), ("", "es-CO"),
     ("zz, en-US;q=0.5", "en-GB"), ("es;q=x", "es-CO"), ("en;q=0, pt;q=0.1", "pt-BR"), ("es-419", "es-CO")],
)  # fmt: skip
def test_the_browsers_wish_is_weighed(opened, accepted, lang):
    """By its weights, whatever the order; what cannot be read is no wish."""
    client, _ = opened
    assert re.search(r'<html lang="([\w-]+)"', client.get("/", headers={"accept-language": accepted}).text)[1] == lang


def test_while_a_long_log_is_read_the_page_says_so(opened, monkeypatch):
    """A page of its own, with when to look again and the very address, in the reader's language."""

    def being_made(_self):
        raise BeingMade("log")

    monkeypatch.setattr(Portfolio, "summary", being_made)
    answer = opened[0].get("/es/results?stage=judicial")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["refresh"] == answer.headers["retry-after"], "a browser looks again by itself"
    assert "refresh" not in opened[0].get("/es/glossary").headers
    assert "Se están preparando las cifras" in answer.text
    assert 'href="/es/results?stage=judicial"' in answer.text
    assert faults(*opened, ("", "accounts", "approvals"), fine=(503,)) == []


def test_a_model_that_is_newer_than_the_log_fails_no_page(tmp_path, decide, saved_strategy):  # noqa: F811
    """All decisions are of an older version with other actions: what was decided is shown as it was logged then."""
    records = [
        decide(n, account_id=f"A{1 + n % 2}", debtor_id=f"D{1 + n % 2}", decided_at=NOW - timedelta(days=3, hours=n))
        for n in range(12)
    ]
    with pages_of(tmp_path / "portfolio", records=records, model_path=saved_strategy) as client:
        assert client.app.state.portfolio.served.is_model
        assert client.app.state.portfolio.policy_version not in {one.provenance.policy_version for one in records}
        assert faults(client, tmp_path, fine=(200,)) == []
        assert str(saved_strategy) not in client.get("/es/model-card").text
        for one in records[:3]:
            assert client.get(f"/es/decision?id={one.decision_id}").status_code == 200
            told = client.get(f"/v1/decisions/{one.decision_id}/explanation?language=es")
            assert told.status_code < 500, told.text
