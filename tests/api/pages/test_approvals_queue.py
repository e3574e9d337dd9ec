"""Accounts that wait for a person: every one on exactly one page of the queue."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import approvals
from api.pages.filters import Filters
from api.pages.passwords import hash_password
from recommender.settings import Settings

PASSWORD = "correct horse battery"


def test_every_waiting_account_stands_on_one_page(demo_site, monkeypatch):
    """Three a page: full pages but the last, no account twice, and as many as the home page counts."""
    monkeypatch.setattr(approvals, "_SHOWN", 3)
    told = json.loads((demo_site / "site.json").read_text())["environment"]
    values = {name.removeprefix("RECOMMENDER_").lower(): value for name, value in told.items()}
    settings = Settings(**values, managers={"ana": hash_password(PASSWORD)}, login_rate_limit="100/minute")
    with TestClient(create_app(settings), headers={"accept": "text/html"}) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/en/login").text)[1]
        client.post("/en/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        waiting = approvals.n_waiting(client.app.state.portfolio)
        pages = []
        for number in range(1, -(-waiting // 3) + 1):
            page = client.get(f"/en/approvals?page={number}").text
            section = page[page.index('id="queue"') :].partition("</table>")[0]
            pages.append(re.findall(r"/en/account\?id=([^\"&]+)", section))
    assert waiting > 6
    assert [len(set(page)) for page in pages] == [3] * (waiting // 3) + [waiting % 3] * (waiting % 3 > 0)
    assert len({account for page in pages for account in page}) == waiting


@pytest.mark.parametrize("seed", range(3))
def test_the_queue_is_the_newest_decision_of_each_account_those_that_were_heard_from_first(seed):
    """In plain loops over the decisions, newest first; who was answered about, or agreed to, waits no more."""
    rng = np.random.default_rng(seed)
    n = 60
    account = rng.integers(0, 25, n)
    why = [None if one < 0.5 else "dispute" for one in rng.random(n)]
    names = [f"A{one}" for one in account]
    ids = [f"d{row}" for row in range(n)]
    table = pa.table({"account": account, "decision_id": ids, "account_id": names, "why": why})
    agreed, answered = ("A3", "A7"), dict.fromkeys(rng.choice(ids, 12, replace=False).tolist())
    portfolio = SimpleNamespace(summary=lambda: {"for_people": table}, agreed=lambda: agreed)
    newest = {}
    for row in range(n):
        newest.setdefault(names[row], row)
    waiting = [row for name, row in newest.items() if name not in agreed and ids[row] not in answered]
    expected = [row for row in waiting if why[row] is not None] + [row for row in waiting if why[row] is None]
    assert approvals._open(portfolio, Filters([], ""), answered).tolist() == expected
    assert len(expected) > 5
