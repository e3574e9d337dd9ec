"""What a request tells of one account of a debtor is known for the others, and counts once however often it is told."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(model_path=None, pages=False), clock=lambda: AS_OF)) as client:
        yield client


def contact(hours, of="A", **changed):
    sent_at = (AS_OF - timedelta(hours=hours)).isoformat()
    return {"account_id": of, "channel": "sms", "sent_at": sent_at, "outcome": "delivered"} | changed


def decided(client, *accounts):
    """Eligible actions and the answer of each account."""
    body = {"accounts": accounts, "as_of": AS_OF.isoformat()}
    answer = client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return [(one["eligible_actions"], one["actions"]) for one in answer.json()["recommendations"]]


@pytest.mark.parametrize("outcome", ["opt_out_all", "contact_stopped", "deceased"])
@pytest.mark.parametrize("of", ["A", "Z"], ids=["of A", "of an account that nobody asks about"])
def test_a_stop_told_with_one_account_closes_the_others_of_its_debtor(client, outcome, of):
    stopped = contact(48, of=of, outcome=outcome)
    told = decided(client, account("A", contacts=[stopped]), account("B"), account("C", debtor_id="D2"))
    assert [eligible for eligible, _ in told[:2]] == [1, 1]
    assert told[2][0] > 1


@pytest.mark.parametrize(
    "history", [[contact(30)], [contact(30, outcome="bounced"), contact(60, outcome="bounced")], [contact(2)]]
)
def test_a_history_sent_with_each_account_of_the_debtor_counts_once(client, history):
    """Engines that send a debtor's whole history with every account get the decisions of those that do not."""
    once = decided(client, account("A", contacts=history), account("B"), account("C"))
    assert decided(client, *(account(name, contacts=history) for name in "ABC")) == once
    strangers = [{**one, "account_id": "Z"} for one in history]
    once = decided(client, account("A", contacts=strangers), account("B"))
    assert decided(client, account("A", contacts=strangers), account("B", contacts=strangers)) == once


def test_a_contact_that_its_own_account_tells_twice_was_made_twice(client):
    """Two texts of one second are two; nothing is taken away from what one account tells."""
    twice = [contact(30, outcome="bounced")] * 2
    three = [*twice, contact(60, outcome="bounced")]
    assert decided(client, account("A", contacts=three)) != decided(client, account("A", contacts=three[1:]))
