"""Portfolios that no demo has: empty, of one account, in three currencies, with long names and signs of any script."""

import re
from datetime import UTC, datetime

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages.passwords import hash_password
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog

PASSWORD = "correct horse battery"
PAGES = ("", "tomorrow", "results", "policy-value", "explorer", "drivers", "accounts", "rule-costs", "approvals",
         "model-card", "audit", "glossary")  # fmt: skip
ODD = ("A1", "ñandú-Ω-客户-007", "حساب ١٢٣", "x" * 120, "<b>&\"'</b>", "  inner  space ", "=1+1")


def frame_of(ids):
    n = len(ids)
    return pd.DataFrame(
        {
            "account_id": ids,
            "debtor_id": [f"D {one}" for one in ids],
            "country": (["CO", "MX", "PE"] * n)[:n],
            "currency": (["COP", "MXN", "PEN"] * n)[:n],
            "timezone": (["America/Bogota", "America/Mexico_City", "America/Lima"] * n)[:n],
            "due_date": "2026-10-01",
            "balance_minor": [123_456_789 + one for one in range(n)],
            "consented_channels": "sms;whatsapp;email;call",
            "flags": ["hardship" if one == "A1" else "" for one in ids],
            "party": "debtor",
            "product": "tarjeta de crédito de nombre muy largo " * 3,
        }
    )


@pytest.fixture
def opened(tmp_path):
    """Open the pages over a portfolio of some accounts, with a log that is empty or not there."""
    clients = []

    def open_(ids, *, log=True):
        folder = tmp_path / f"p{len(clients)}"
        folder.mkdir()
        frame_of(list(ids)).to_parquet(folder / "accounts.parquet", index=False)
        url = f"sqlite:///{folder}/log.db" if log else None
        if log:
            DecisionLog.create(url).close()
        settings = Settings(
            model_path=None, decision_log_url=url, portfolio_path=folder, managers={"ana": hash_password(PASSWORD)}
        )
        now = datetime(2026, 11, 23, 13, tzinfo=UTC)
        client = TestClient(create_app(settings, clock=lambda: now), headers={"accept": "text/html"})
        clients.append(client.__enter__())
        token = re.search(r'name="token" value="([^"]+)"', client.get("/es/login").text)[1]
        client.post("/es/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        return client

    yield open_
    for client in clients:
        client.__exit__(None, None, None)


@pytest.mark.parametrize("ids", [(), ("only",), ODD], ids=["empty", "one", "odd"])
@pytest.mark.parametrize("log", [True, False], ids=["empty log", "no log"])
def test_every_page_answers(opened, ids, log):
    """No page fails, none shows a bare name of a program's value, and each account can be opened by its link."""
    client = opened(ids, log=log)
    for slug in PAGES:
        answer = client.get(f"/es/{slug}")
        assert answer.status_code == 200, (slug, answer.text[:300])
        assert not re.search(r">\s*(?:nan|None|NaT|inf)\b", answer.text), slug
    listed = client.get("/es/accounts").text
    links = re.findall(r'<th scope="row"[^>]*><a href="([^"]+)"', listed)
    assert len(links) == len(ids)
    for link in links:
        account = client.get(link.replace("&amp;", "&"))
        assert account.status_code == 200, link
        (hours,) = re.findall(r'href="(/es/best-hours[^"]+)"', account.text)
        answer = client.get(hours.replace("&amp;", "&"))
        assert answer.status_code == 200, hours
        assert not re.search(r">\s*(?:nan|None|NaT|inf)\b", answer.text), hours
        what_if = link.replace("&amp;", "&").replace("/account?id=", "/what-if?account=")
        assert client.get(what_if).status_code == 200, what_if
    assert "<b>&" not in listed
    for suffix in ("csv", "xlsx"):
        assert client.get(f"/es/accounts.{suffix}").status_code == 200


def test_a_spreadsheet_runs_no_account_id(opened):
    """What begins like a formula leaves as text."""
    content = opened(ODD).get("/es/accounts.csv").text
    assert "=1+1" in content
    assert not re.search(r"(?m)^=1\+1", content)
