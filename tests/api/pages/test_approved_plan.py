"""An approved plan is a state: service, `score`, `plan` and the next page plan know its contacts, on both databases."""

from __future__ import annotations

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.main import create_app
from api.pages.passwords import hash_password
from pipelines.__main__ import build_app
from recommender.planning import PlanInputs, let_out, verify_folder
from recommender.settings import Settings
from recommender.store.decision_log import ContactEvent, DecisionLog, OutcomeRecord, decisions, stop_contact

PASSWORD = "correct horse battery"
NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
NOON = "2026-11-24T12:00:00-05:00"  # of the day that is planned for
CAPACITY = """timezone = "America/Bogota"
[[queue]]
name = "texts"
channels = ["sms", "whatsapp", "email"]
quota = {quota}
[arms]
explore = 0.3
"""


def accounts_of(n=12):
    """Accounts of which two share a debtor."""
    debtors = [f"D{max(one, 1)}" for one in range(n)]
    return pd.DataFrame(
        {
            "account_id": [f"A{one}" for one in range(n)], "debtor_id": debtors, "country": "CO", "currency": "COP",
            "timezone": "America/Bogota", "due_date": "2026-10-01", "balance_minor": 90_000_000,
            "consented_channels": "sms;whatsapp;email", "flags": "none", "party": "debtor",
        }
    )  # fmt: skip


class Site:
    """The pages over a portfolio, and what a manager does there."""

    def __init__(self, folder, url, quota=8):
        self.folder, self.url = folder, url
        accounts_of().to_parquet(folder / "accounts.parquet", index=False)
        (folder / "capacity.toml").write_text(CAPACITY.format(quota=quota), encoding="utf-8")
        self.settings = Settings(
            model_path=None, decision_log_url=url, portfolio_path=folder, managers={"ana": hash_password(PASSWORD)}
        )
        self.client = TestClient(create_app(self.settings, clock=lambda: NOW), headers={"accept": "text/html"})

    def __enter__(self):
        self.client.__enter__()
        token = self.token(self.client.get("/en/login").text)
        self.client.post("/en/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        return self

    def __exit__(self, *error):
        self.client.__exit__(*error)

    @staticmethod
    def token(text):
        return re.search(r'name="token" value="([^"]+)"', text)[1]

    def plan(self, **fields):
        """Plan; give the id."""
        token = self.token(self.client.get("/en/tomorrow").text)
        form = {"token": token, "source": "CO", "no_contacts_yet": "1"} | fields
        answer = self.client.post("/en/tomorrow", data=form, follow_redirects=False)
        plan_id = answer.headers["location"].partition("plan=")[2].partition("&")[0]
        desk = self.client.app.state.plan_desk
        for _ in range(400):
            status = desk.status(plan_id)
            if status["state"] != "working":
                break
            time.sleep(0.05)
        assert status["state"] == "done", status
        return plan_id

    def approve(self, plan_id):
        """Approve; give the page that is shown."""
        token = self.token(self.client.get(f"/en/tomorrow?plan={plan_id}").text)
        return self.client.post("/en/tomorrow/approve", data={"token": token, "plan": plan_id}).text

    def contacts(self, plan_id):
        """Contacts as they were planned."""
        return pd.read_parquet(self.folder / "plans" / plan_id / "plan.parquet")

    def sent(self, plan_id):
        """Account ids in the campaign files."""
        token = self.token(self.client.get(f"/en/tomorrow?plan={plan_id}").text)
        answer = self.client.post("/en/tomorrow/campaigns", data={"token": token, "plan": plan_id})
        return answer

    def logged(self):
        """Rows of the log."""
        with DecisionLog(self.url) as log, log.engine.connect() as connection:
            return pd.DataFrame(connection.execute(sa.select(decisions)).mappings().all())


@pytest.fixture
def opened(tmp_path):
    """Open a site over a log."""
    with ExitStack() as stack:

        def open_(url, folder="site", **more):
            (tmp_path / folder).mkdir()
            if url is not None:
                DecisionLog.create(url).close()
            return stack.enter_context(Site(tmp_path / folder, url, **more))

        yield open_


def test_everybody_counts_what_was_approved(opened, empty_url, tmp_path):
    """The log holds each contact and each account left alone, once; who decides next contacts none of them that day."""
    site = opened(empty_url)
    plan_id = site.plan()
    planned = site.contacts(plan_id)
    assert 4 <= len(planned) <= 8
    local = planned["contact_at"].dt.tz_convert("America/Bogota")
    assert set(local.dt.date) == {datetime.fromisoformat(NOON).date()}
    assert verify_folder(site.folder / "plans" / plan_id) == []
    with DecisionLog(empty_url) as log:
        assert log.count()[0] == 0  # a plan that nobody approved is nothing
    told = site.approve(plan_id)
    assert f"{len(planned)} contacts were written to the decision log" in told
    rows = site.logged()
    assert len(rows) == 12
    contacted = rows.loc[rows["contact_at"].notna()]
    assert set(contacted["decision_id"]) == set(planned["decision_id"])
    assert dict(zip(contacted["decision_id"], contacted["contact_at"], strict=True)) == dict(
        zip(planned["decision_id"], planned["contact_at"], strict=True)
    )
    # twice, and by another process that read no approval yet: nothing new, one approval
    site.approve(plan_id)
    with DecisionLog(empty_url) as log:
        assert let_out(log, site.folder / "plans" / plan_id / "decisions.jsonl.gz").new == 0
    assert len((site.folder / "plans" / "approvals.jsonl").read_text().splitlines()) == 1
    debtors = set(planned["debtor"])
    # the next page plan, of the same moment
    second = site.contacts(site.plan())
    assert not debtors & set(second["debtor"])
    # the service
    name = planned["account_id"].iloc[0]
    asked = accounts_of().set_index("account_id").loc[name].to_dict() | {
        "account_id": name, "consented_channels": ["sms", "whatsapp", "email"], "flags": [], "contacts": [],
        "features": {},
    }  # fmt: skip
    del asked["currency"]
    asked["balance_minor"] = int(asked["balance_minor"])
    answer = site.client.post("/v1/recommendations", json={"accounts": [asked], "as_of": NOON}).json()
    at = answer["recommendations"][0].get("contact_at")
    assert at is None or not at.startswith("2026-11-24"), answer
    # the verbs
    accounts_of().to_csv(tmp_path / "a.csv", index=False)
    for verb, at in (("score", "2026-11-24T12:10:00-05:00"), ("plan", "2026-11-24T12:20:00-05:00")):
        out = tmp_path / f"{verb}.parquet"
        order = [verb, tmp_path / "a.csv", "--as-of", at, "--strategy", "none", "--no-contacts-yet", "--out", out,
                 "--decision-log", empty_url]  # fmt: skip
        limits = ["--capacity", site.folder / "capacity.toml"] if verb == "plan" else []
        done = CliRunner().invoke(build_app(), [str(one) for one in [*order, *limits]])
        assert done.exit_code == 0, (done.output, done.exception)
        made = pd.read_parquet(out / "plan.parquet" if verb == "plan" else out)
        mine = made.loc[made["contact_at"].notna()]
        if verb == "score":
            mine = mine.loc[mine["rank"] == 1].assign(debtor="debtor " + mine["debtor"].astype(str))
        today = mine["contact_at"].dt.tz_convert("America/Bogota").dt.date == datetime.fromisoformat(NOON).date()
        assert not debtors & set(mine.loc[today, "debtor"]), verb


def test_what_was_decided_since_refuses_the_approval(opened, empty_url):
    """Two plans of one moment: the second one is stale when the first is approved, whoever planned it; planned again,
    it goes out.
    """
    site = opened(empty_url)
    first, second = site.plan(), site.plan()
    assert set(site.contacts(first)["debtor"]) & set(site.contacts(second)["debtor"])
    with ThreadPoolExecutor(2) as both:
        told = list(both.map(site.approve, [first, second]))
    refused = [("could be contacted twice" in text, "Plan again and approve the new plan" in text) for text in told]
    assert sorted(refused) == [(False, False), (True, True)]
    rows = site.logged()
    assert len(rows) == 12
    loser = (first, second)[refused.index((True, True))]
    assert site.sent(loser).status_code == 409
    again = site.plan()
    assert "decision log" in site.approve(again)
    contacts = site.logged().dropna(subset="contact_at")
    assert contacts["debtor_id"].is_unique


def test_whom_a_person_stopped_or_who_was_heard_from_is_left_out(opened, empty_url):
    """Not written, not in the files, and told; that an earlier contact was delivered leaves nobody out."""
    site = opened(empty_url, quota=12)
    base = site.plan()
    site.approve(base)
    with DecisionLog(empty_url) as log:  # so that something can be heard of; none of it is planned any more
        before = site.logged()
        gone = before.dropna(subset="contact_at")
        log.record_events(
            [ContactEvent(decision_id=row.decision_id, debtor_id=row.debtor_id, kind="cancelled", at=row.contact_at)
             for row in gone.itertuples()]
        )  # fmt: skip
    site.client.app.state.plan_desk.read_now(base)
    assert f"{len(gone)} contacts of this plan do not take place" in site.client.get(f"/en/tomorrow?plan={base}").text
    plan_id = site.plan()
    planned = site.contacts(plan_id)
    stopped, opted, delivered = planned["debtor"].str.removeprefix("debtor ").unique()[:3]
    decision = before.drop_duplicates("debtor_id").set_index("debtor_id")["decision_id"]
    with DecisionLog(empty_url) as log:
        stop_contact(log, decision[stopped], at=NOW)
        log.record_outcomes(
            OutcomeRecord(decision_id=decision[who], occurred_at=NOW - timedelta(hours=1), outcome=word)
            for who, word in ((opted, "opt_out_all"), (delivered, "delivered"))
        )
    told = site.approve(plan_id)
    out = planned["debtor"].isin([f"debtor {stopped}", f"debtor {opted}"])
    written = site.logged()
    mine = set(written["decision_id"]) & set(planned["decision_id"])
    assert mine == set(planned.loc[~out, "decision_id"])
    assert f"{(~out).sum()} contacts were written" in told
    archive = site.sent(plan_id)
    assert archive.status_code == 200
    shown = site.client.app.state.plan_desk.read_now(plan_id).contacts
    assert set(shown["decision_id"]) == mine


def test_without_a_log_the_page_says_so(opened, tmp_path):
    """Approved all the same; a plan that was made without the log is refused where there is one now."""
    site = opened(None)
    plan_id = site.plan()
    page = site.client.get(f"/es/tomorrow?plan={plan_id}").text
    assert "No hay registro de decisiones" in page
    kept = shutil.copytree(site.folder / "plans", tmp_path / "kept")
    assert "This plan is in no decision log" in site.approve(plan_id)
    assert site.sent(plan_id).status_code == 200
    other = opened(f"sqlite:///{tmp_path}/log.db", folder="other")
    shutil.copytree(kept, other.folder / "plans")
    assert "does not know what the decision log knows" in other.approve(plan_id)
    assert other.logged().empty
    assert other.sent(plan_id).status_code == 409


def test_payments_of_the_portfolio_act_on_the_plan(opened, monkeypatch):
    """Who paid everything is contacted no more; accounts that are uploaded have no payments of ours."""
    given, prepare = [], PlanInputs.prepare

    def prepared(*args, **more):
        given.append(more["payments"])
        return prepare(*args, **more)

    monkeypatch.setattr(PlanInputs, "prepare", prepared)
    site = opened(None)
    before = site.contacts(site.plan())
    assert given == [None]
    everybody = pd.read_parquet(site.folder / "accounts.parquet")
    paid = before["account_id"].iloc[0]
    balance = everybody.set_index("account_id").loc[paid, "balance_minor"]
    pd.DataFrame(
        {"account_id": [paid], "paid_at": [(NOW - timedelta(days=1)).isoformat()], "amount_minor": [int(balance)]}
    ).to_parquet(site.folder / "payments.parquet", index=False)
    after = site.contacts(site.plan())
    assert given[1] == site.folder / "payments.parquet"
    assert paid not in set(after["account_id"]) and len(after)
