"""An account is judged on its page by the packs that decided about it: those of its law and those of the house."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from api.pages.account_case import AccountCase
from api.pages.page_data import Portfolio
from api.service.serving import Serving
from recommender.rules import HOUSE_PACKS, named_packs, rule_citations
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, OutcomeRecord

HOUSE_RULES = set(rule_citations(list(HOUSE_PACKS))) - set(rule_citations(["CO", "MX"]))


@pytest.fixture
def opened(demo_site):
    """A portfolio of the demo site, with settings changed."""
    held = []

    def open_with(**changes):
        told = json.loads((demo_site / "site.json").read_text())["environment"]
        values = {name.removeprefix("RECOMMENDER_").lower(): value for name, value in told.items()}
        settings = Settings(**(values | changes))
        held.append((serving := Serving(settings), portfolio := Portfolio(settings, serving)))
        del serving
        return portfolio

    yield open_with
    for serving, portfolio in held:
        portfolio.close()
        serving.close()


def ids_of(portfolio, n):
    return portfolio.accounts()["account_id"].sample(n, random_state=3).tolist()


def test_the_packs_of_the_house_hold_on_pages_until_they_are_switched_off(opened):
    """Accounts whose file names the law alone are judged by the house too, as the verbs and the service judge."""
    portfolio, without = opened(), opened(without_packs=("HOUSE", "TRADE"))
    assert HOUSE_RULES
    for name in ids_of(portfolio, 5):
        law = named_packs(portfolio.accounts().set_index("account_id").loc[name, "packs"])
        assert named_packs(portfolio.account(name)["packs"].iloc[0]) == (*law, *HOUSE_PACKS)
        assert named_packs(without.account(name)["packs"].iloc[0]) == law


def test_a_logged_decision_is_replayed_by_the_packs_it_was_made_by(opened):
    """Every decision of the demo replays to the very mask that was logged, also once the house is switched off."""
    for portfolio in (opened(), opened(without_packs=("HOUSE", "TRADE"))):
        traces = [case.trace() for name in ids_of(portfolio, 12) if (case := AccountCase.of(portfolio, name)).logged]
        assert len(traces) > 6
        assert {trace.replay for trace in traces} == {"same"}
        assert HOUSE_RULES & {rule.rule for trace in traces for rule in trace.rules}


def test_the_price_of_rules_counts_the_house(demo_site):
    """The stored prices come from the same rules."""
    rules = pd.DataFrame(json.loads((demo_site / "drivers.json").read_text())["rules"])
    assert HOUSE_RULES & set(rules["rule"])


def test_what_the_log_heard_before_a_decision_counts_where_it_is_judged_again(opened, demo_site, tmp_path):
    """An opt-out that the log heard closes every contact; what came later does not reach back; a lift opens."""
    database = tmp_path / "decisions.db"
    told = json.loads((demo_site / "site.json").read_text())["environment"]["RECOMMENDER_DECISION_LOG_URL"]
    logged = told.removeprefix("sqlite:///")
    with closing(sqlite3.connect(logged)) as of, closing(sqlite3.connect(database)) as to:
        of.backup(to)
    portfolio = opened(decision_log_url=f"sqlite:///{database}")
    cases = (AccountCase.of(portfolio, name) for name in ids_of(portfolio, 200))
    case = next(one for one in cases if one.logged and one.eligibility_of(one.facts, one.actions).mask[0].sum() > 1)
    decision = case.logged.decision

    def contacts_open(word, at):
        with DecisionLog(f"sqlite:///{database}") as log:
            log.record_outcomes([OutcomeRecord(decision_id=decision.decision_id, occurred_at=at, outcome=word)])
        again = AccountCase.of(portfolio, case.account_id, case.logged)
        mask = again.eligibility_of(again.facts, again.actions).mask[0]
        assert (again.decided.eligibility.mask[0] == mask).all()
        return int(np.delete(mask, case.actions.no_contact_index).sum())

    before = case.as_of - timedelta(days=1)
    opened_at_first = contacts_open("opt_out_all", case.as_of + timedelta(hours=1))
    assert opened_at_first > 0
    assert contacts_open("opt_out_all", before) == 0
    assert contacts_open("opt_in", before + timedelta(hours=2)) == opened_at_first


def test_a_decision_is_judged_again_for_what_it_was_for(opened):
    """Thanks to one of whom no payment is known: closed by a rule that says so, on the page as in the decision."""
    portfolio = opened()
    case = next(case for name in ids_of(portfolio, 20) if (case := AccountCase.of(portfolio, name)).logged)
    assert case.purpose == "collection"
    before = case.logged.decision
    packs = {**before.provenance.rule_packs, "PURPOSE": "0" * 64}
    thanks = replace(before, purpose="payment_confirmation", provenance=replace(before.provenance, rule_packs=packs))
    told = replace(case, logged=replace(case.logged, decision=thanks))
    assert told.eligibility_of(told.facts, told.actions).counts()["purpose-payment-unknown"] > 0
    assert told.decided.action[0] == told.actions.no_contact_index
    assert "purpose-payment-unknown" in {rule.rule for rule in told.trace().rules}
    paid = told.facts.assign(last_paid_on=[told.as_of.date().isoformat()])
    assert not [rule for rule in told.eligibility_of(paid, told.actions).counts() if rule.startswith("purpose-")]
    assert not [rule for rule in case.eligibility_of(case.facts, case.actions).counts() if rule.startswith("purpose-")]
