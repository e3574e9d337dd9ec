"""Decisions that wait beside a plan for somebody's word are those that the verb would have written at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa

from recommender import ContactStrategy
from recommender.planning import (
    DECISIONS_KEPT,
    Appointments,
    PlanInputs,
    PlanOrder,
    ask_log,
    budget_in_log,
    keep_tomorrow,
    let_out,
    log_tomorrow,
    logged_offers,
    plan_day,
    read_capacity,
    settle_offers,
)
from recommender.store.decision_log import BudgetSpent, DecisionLog, OutcomeRecord, Seen, decisions, offers_made
from tests.pipelines.offer_world import CAPACITY, OFFERS, offer_accounts, offer_strategy

AS_OF = datetime.fromisoformat("2026-11-24T08:00:00-05:00")


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    """A strategy that learnt offers."""
    folder = tmp_path_factory.mktemp("kept")
    offer_strategy(made_once).save(folder / "strategy")
    return ContactStrategy.load(folder / "strategy")


def planned(model, log, folder, accounts, run, *, at_once=False, budget_minor="400_000"):
    """Plan some accounts; keep the decisions, or write them."""
    folder.mkdir()
    accounts.to_csv(folder / "accounts.csv", index=False)
    (folder / "capacity.toml").write_text(CAPACITY)
    capacity = read_capacity(folder / "capacity.toml")
    text = OFFERS.replace("400_000", budget_minor)
    order = PlanOrder(AS_OF, no_contacts_yet=True, record=True, run=run, offers=("offers.toml", text))
    inputs = PlanInputs.prepare(
        folder / "inputs", accounts=folder / "accounts.csv", contacts=None, outcomes=None, payments=None,
        as_of=AS_OF, chunk_rows=10,
    )  # fmt: skip
    ask_log(log, inputs, order, model)
    logged = logged_offers(log, inputs, order, model)
    inputs.noted(settle_offers(inputs, model, order, logged, packs=capacity.packs))
    (folder / "plan").mkdir()
    made, read = plan_day(inputs, model, order, capacity, folder / "plan", Appointments.none())
    budget = budget_in_log(order.prices, (), logged, AS_OF)
    write = log_tomorrow if at_once else keep_tomorrow
    first = (log,) if at_once else ()
    write(*first, made, read, inputs, order, model, folder / "plan", budget=budget)
    return folder / "plan" / DECISIONS_KEPT


def rows_of(log):
    with log.engine.connect() as connection:
        return {row.decision_id: row.content_digest for row in connection.execute(sa.select(decisions))}


def test_what_is_let_out_is_what_the_verb_writes(model, tmp_path):
    """To the bit: every decision, contact or none, with its offer; a second time it is there."""
    accounts = offer_accounts()
    with (
        DecisionLog.create(f"sqlite:///{tmp_path}/a.db") as now,
        DecisionLog.create(f"sqlite:///{tmp_path}/b.db") as late,
    ):
        planned(model, now, tmp_path / "now", accounts, "r", at_once=True)
        path = planned(model, late, tmp_path / "late", accounts, "r")
        assert late.count()[0] == 0
        done = let_out(late, path)
        assert (done.new, done.left_out) == (now.count()[0], 0) and 0 < done.contacts <= done.new
        assert rows_of(now) == rows_of(late)
        pd.testing.assert_frame_equal(offers_made(now), offers_made(late))
        assert len(offers_made(late))
        again = let_out(late, path)
        assert (again.new, again.contacts) == (0, done.contacts)


def test_offers_that_another_plan_spent_the_budget_for_write_nothing(model, tmp_path, empty_url):
    """Two plans over other people read a free budget; the second one is refused whole, and planned again goes out."""
    accounts = offer_accounts()
    with DecisionLog.create(empty_url) as log:
        paths = [
            planned(model, log, tmp_path / name, part, name, budget_minor="60_000")
            for name, part in (("one", accounts.iloc[:30]), ("two", accounts.iloc[30:]))
        ]
        let_out(log, paths[0])
        before = rows_of(log)
        assert len(offers_made(log))
        with pytest.raises(BudgetSpent):
            let_out(log, paths[1])
        assert rows_of(log) == before
        let_out(log, planned(model, log, tmp_path / "again", accounts.iloc[30:], "again", budget_minor="60_000"))
        assert len(rows_of(log)) > len(before)
        assert offers_made(log)["cost_minor"].sum() <= 60_000 + 1e-6


@pytest.mark.parametrize("heard_since", [None, "opt_out_all", "paid"])
def test_what_was_heard_of_an_account_beside_the_plan_is_of_its_debtor(model, tmp_path, empty_url, heard_since):
    """An account that is in no plan, and answered: it stops nothing by itself, and what is heard since then does."""
    accounts = offer_accounts().iloc[:6].assign(debtor_id=[f"D{number}" for number in range(6)])
    with DecisionLog.create(empty_url) as log, DecisionLog.create(f"sqlite:///{tmp_path}/other.db") as elsewhere:
        let_out(elsewhere, planned(model, elsewhere, tmp_path / "first", accounts, "first"))
        one = elsewhere.get(next(iter(rows_of(elsewhere)))).decision
        before = replace(
            one, decision_id="before", account_id="beside", debtor_id="D0", request_key="before",
            decided_at=AS_OF - timedelta(days=20),
            contact_at=None if one.contact_at is None else one.contact_at - timedelta(days=20),
        )  # fmt: skip
        log.record([before])

        def heard(word, ago, **more):
            log.record_outcomes([OutcomeRecord(decision_id="before", occurred_at=AS_OF - ago, outcome=word, **more)])

        heard("delivered", timedelta(days=19))
        heard("answered", timedelta(days=18))
        path = planned(model, log, tmp_path / "plan", accounts, "plan")
        if heard_since is not None:
            money = {"amount_minor": 100, "currency": "COP"} if heard_since == "paid" else {}
            heard(heard_since, timedelta(hours=1), **money)
        done = let_out(log, path)
        contacted = {
            row.decision.debtor_id for row in map(log.get, rows_of(log)) if row.decision.contact_at is not None
        }
        assert done.contacts + done.left_out == 6
        assert done.left_out == (heard_since is not None)
        assert len(contacted - {"D0"}) == 5


def test_many_debtors_are_held_at_once(tmp_path, empty_url, model):
    """More than a server has locks for: twenty thousand accounts of a chunk, beside somebody who decides about one."""
    with DecisionLog.create(empty_url) as log:
        path = planned(model, log, tmp_path / "few", offer_accounts().iloc[:4], "few")
        names = {f"X{number}": frozenset() for number in range(20_000)}
        let_out(log, path)
        some = next(iter(rows_of(log)))
        record = log.get(some).decision
        assert log.record([record], seen=Seen(names, names)).stored == 0
