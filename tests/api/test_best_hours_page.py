"""The page of best hours: its grid is the answer of ``/v1/best-hours``, its words are whole in every language."""

import csv
import io
import re
from datetime import UTC, date, datetime
from html import unescape

import pandas as pd
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages.page_data import Portfolio
from api.pages.passwords import hash_password
from pipelines.demo_weeks import live_through
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, decisions, stop_contact
from recommender.store.files import write_frame

PASSWORD = "correct horse battery"
#: A Monday; Thursday the 7th is a holiday of Colombia.
MONDAY = datetime(2025, 8, 4, 12, tzinfo=UTC)
FACTS = (
    "account_id", "debtor_id", "country", "subdivision", "timezone", "due_date", "balance_minor", "party", "packs",
)  # fmt: skip


TOLD = ("account_id", "channel", "initiated_by", "outcome", "status", "hour", "tone", "reward")
PRESENT = Portfolio.present


@pytest.fixture(scope="module")
def lived(tmp_path_factory, strategy, saved_strategy):
    """Settings of a folder with a week of some accounts, and what they lived through."""
    folder = tmp_path_factory.mktemp("hours")
    with DecisionLog.create(f"sqlite:///{folder}/decisions.db") as log:
        told = live_through(strategy, log, n_accounts=45, weeks=1, seed=5, tell=lambda _: None)
    write_frame(told.accounts, folder / "accounts.parquet")
    write_frame(told.contacts, folder / "contacts.parquet")
    settings = Settings(
        model_path=saved_strategy,
        decision_log_url=f"sqlite:///{folder}/decisions.db",
        portfolio_path=folder,
        managers={"ana": hash_password(PASSWORD)},
    )
    return settings, told


def opened(settings):
    """Pages for a manager who is logged in."""
    client = TestClient(create_app(settings)).__enter__()
    token = re.search(r'name="token" value="([^"]+)"', client.get("/en/login").text).group(1)
    client.post("/en/login", data={"token": token, "manager": "ana", "password": PASSWORD, "next": ""})
    return client


@pytest.fixture(scope="module")
def browser(lived):
    """Pages and service of the folder, on a Monday."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Portfolio, "present", lambda _self, _now: MONDAY)
        client = opened(lived[0])
        yield client
        client.__exit__(None, None, None)


def asked(lived, strategy, row, channel):
    """The question to the service about an account of the file."""
    history = lived.contacts[lived.contacts["debtor_id"] == row["debtor_id"]]
    contacts = [
        {name: one[name] for name in TOLD} | {"sent_at": one["sent_at"].isoformat()}
        for one in history.astype(object).where(history.notna(), None).to_dict("records")
    ]
    facts = {name: row[name] for name in FACTS if row.get(name) is not None}
    facts |= {name: [one for one in row[name].split(";") if one] for name in ("consented_channels", "flags")}
    facts |= {"packs": facts["packs"].split(";")}
    features = {str(name): row[name] for name in strategy.feature_names_in_ if name not in facts}
    account = facts | {"features": features, "contacts": contacts}
    return {"account": account, "channel": channel, "as_of": MONDAY.isoformat()}


def test_the_grid_is_the_answer_of_the_service(browser, lived, strategy):
    """Same hours open, same rules, same values to the last digit, for two channels of some accounts."""
    accounts = lived[1].accounts
    n_open, words = 0, {(): "open"}
    for row in accounts.astype(object).where(accounts.notna(), None).iloc[[0, -1]].to_dict("records"):
        for channel in ("sms", "call"):
            answer = browser.post("/v1/best-hours", json=asked(lived[1], strategy, row, channel))
            assert answer.status_code == 200, answer.text
            hours = answer.json()["hours"]
            query = f"account={row['account_id']}&channel={channel}"
            table = list(csv.reader(io.StringIO(browser.get(f"/en/best-hours/tables/hours.csv?{query}").text)))
            assert [datetime.fromisoformat(one[0]) for one in table[1:]] == [
                datetime.fromisoformat(one["contact_at"]) for one in hours
            ]
            for shown, told in zip(table[1:], hours, strict=True):
                assert words.setdefault(tuple(told["rules"]), shown[1]) == shown[1]
            for shown, told in zip(table[1:], hours, strict=True):
                if told["legal"]:
                    n_open += 1
                    assert float(shown[2]) / 100 == pytest.approx(told["expected_reward"])
                    assert float(shown[3]) / 100 == pytest.approx(told["lo"])
                    assert float(shown[4]) / 100 == pytest.approx(told["hi"])
            page = unescape(browser.get(f"/en/best-hours?{query}").text)
            best = re.findall(r"<li>(\w+day [^<]*)</li>", page)
            assert len(best) == min(5, sum(one["legal"] for one in hours))
            for line, slot in zip(best, answer.json()["best"], strict=True):
                day = date.fromisoformat(slot["date"])
                assert line.startswith(f"{day:%A} {day.day} {day:%B}, {slot['hour']}:00: ")
    assert n_open > 50
    assert len(set(words.values())) == len(words) > 3  # other rules, other words


@pytest.mark.parametrize(
    ("tag", "holiday", "rule"),
    [
        ("en", '<span lang="en">Battle of Boyacá</span>', "Sundays and public holidays (Colombia)"),
        ("es", '<span lang="es">Batalla de Boyacá</span>', "Domingos y festivos (Colombia)"),
        ("pt", '<span lang="es">Batalla de Boyacá</span>', "Domingos e feriados (Colômbia)"),
    ],
)
def test_holidays_and_rules_are_named(browser, lived, tag, holiday, rule):
    """The holiday by its name in the language of its name, the rules in the reader's words, one channel chosen."""
    accounts = lived[1].accounts
    one = accounts.loc[accounts["country"] == "CO", "account_id"].iloc[0]
    page = unescape(browser.get(f"/{tag}/best-hours?account={one}&channel=sms").text)
    assert holiday in page
    assert len(re.findall('aria-current="page"', page[page.index("<h1") :])) == 1
    assert page.count(" *</abbr>") == 1
    assert rule in page
    assert f"best-hours?account={one}" in unescape(browser.get(f"/{tag}/account?id={one}").text)


def test_who_may_not_be_contacted_has_no_hours(lived, browser):
    """Stopped by a person through the log: no hour of any channel; control accounts and strangers get no grid."""
    settings, told = lived
    with DecisionLog(settings.decision_log_url) as log:
        with log.engine.connect() as connection:
            decision = connection.execute(sa.select(decisions.c.decision_id, decisions.c.account_id)).first()
        stop_contact(log, decision.decision_id, at=MONDAY)
    page = unescape(browser.get(f"/en/best-hours?account={decision.account_id}").text)
    assert "No hour of the coming week is open" in page
    assert "The best next hours" not in page
    assert browser.get(f"/en/best-hours?account={decision.account_id}&channel=fax").status_code == 422
    assert browser.get("/en/best-hours?account=NOBODY").status_code == 404
    assert "Choose an account" in browser.get("/en/best-hours").text
    client = opened(settings.model_copy(update={"holdout_experiment": "all", "holdout_share": 0.999}))
    control = client.get(f"/en/best-hours?account={told.accounts['account_id'].iloc[0]}").text
    client.__exit__(None, None, None)
    assert "Control group: do not touch" in control
    assert "<table" not in control


def test_the_file_and_its_days(lived):
    """The week begins at the end of data that are days old, and now where they are fresh."""
    portfolio = Portfolio(lived[0], None)
    end = portfolio.window()[1]
    assert PRESENT(portfolio, end + pd.Timedelta(days=30)) == end
    fresh = end + pd.Timedelta(hours=30)
    assert PRESENT(portfolio, fresh) == fresh
    portfolio.close()
