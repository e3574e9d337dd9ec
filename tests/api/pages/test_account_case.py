"""An account is judged on its page by the packs that decided about it: those of its law and those of the house."""

import json

import pandas as pd
import pytest

from api.pages.account_case import AccountCase
from api.pages.page_data import Portfolio
from api.service.serving import Serving
from recommender.rules import HOUSE_PACKS, named_packs, rule_citations
from recommender.settings import Settings

HOUSE_RULES = set(rule_citations(list(HOUSE_PACKS))) - set(rule_citations(["CO", "MX"]))


@pytest.fixture
def opened(demo_site):
    """A portfolio of the demo site, with settings changed."""
    held = []

    def open_with(**changes):
        told = json.loads((demo_site / "site.json").read_text())["environment"]
        values = {name.removeprefix("RECOMMENDER_").lower(): value for name, value in told.items()}
        settings = Settings(**values, **changes)
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
