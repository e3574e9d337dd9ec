"""Accounts that wait for a person: every one on exactly one page of the queue."""

import json
import re

from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import approvals
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
