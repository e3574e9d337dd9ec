"""Facts in other types and words over HTTP: the decision of the plain facts, or 422 that names the field."""

from __future__ import annotations

import copy

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings

AS_OF = "2026-11-25T07:30:00-05:00"
ACCOUNT = {
    "account_id": "00107", "debtor_id": "D7", "country": "CO", "timezone": "America/Bogota", "due_date": "2026-10-13",
    "balance_minor": 123_450_000, "consented_channels": ["sms", "whatsapp"], "flags": [], "party": "debtor",
    "contacts": [
        {"account_id": "00107", "sent_at": "2026-11-18T09:00:00-05:00", "channel": "sms", "outcome": "delivered"},
        {"account_id": "00107", "sent_at": "2026-11-24T17:00:00-05:00", "channel": "whatsapp"},
    ],
}  # fmt: skip
SPELLINGS = {
    "country": ["COLOMBIA", "co", " Colombia ", "Col", 57],
    "timezone": ["america/bogota", " America/Bogota "],
    "due_date": ["13/10/2026", "20261013", 46308, "2026-10-13T00:00:00", 1791849600],
    "balance_minor": ["123450000", 123_450_000.0, "1.234.500,00", "123450000.0"],
    "consented_channels": [["SMS", "WhatsApp"], ["Mensaje de texto", "WSP"], "sms;whatsapp"],
    "flags": ["none", ["none"], ["ninguno"], [""]],
    "party": ["DEUDOR", "titular", "Debtor"],
    "account_id": [107, "107", " 00107 ", 107.0, "'00107"],
    "debtor_id": [7, " D7"],
    "contacts.account_id": [107, "107", " 00107", "00107.0", "OTHER"],
    "contacts.sent_at": ["24/11/2026 17:00", "2026-11-24 17:00:00", "2026-11-24T22:00:00Z", 1795557600,
                         "2026-11-24T17:00:00"],
    "contacts.channel": ["WhatsApp", "WSP", "wa", "sms ", "Mensaje"],
    "contacts.outcome": ["ENTREGADO", "NO CONTESTA", "N/A", ""],
    "contacts.initiated_by": ["DEUDOR", "collector"],
    "contacts.status": ["Enviado", "SENT"],
}  # fmt: skip
CASES = [(field, value) for field, values in SPELLINGS.items() for value in values]


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(model_path=None))) as asked:
        yield asked


def asked(client, account):
    return client.post("/v1/recommendations", json={"accounts": [account], "as_of": AS_OF, "explore": False})


def contacted(answer):
    """What is decided, without the ids that hang on the spelling of the account."""
    return [
        {name: action[name] for name in ("factors", "propensity", "contact_at", "template_id")}
        for action in answer.json()["recommendations"][0]["actions"]
    ]


@pytest.mark.parametrize(("field", "value"), CASES)
def test_another_spelling_is_the_same_decision_or_names_its_field(client, field, value):
    """Never a decision on facts that were read otherwise."""
    told = copy.deepcopy(ACCOUNT)
    head, _, name = field.partition(".")
    if name:
        plain = told["contacts"][1].get(name)
        told["contacts"][1][name] = value
    else:
        plain = told[head]
        told[head] = value
    answer = asked(client, told)
    if answer.status_code == 422:
        assert (name or head) in answer.text, answer.text
        return
    assert answer.status_code == 200, answer.text
    right = copy.deepcopy(ACCOUNT)
    if field == "contacts.outcome":
        right["contacts"][1]["outcome"] = {"ENTREGADO": "delivered", "NO CONTESTA": "not_connected"}.get(value)
    elif field == "contacts.channel" and value in ("sms ", "Mensaje"):
        right["contacts"][1]["channel"] = "sms"
    elif field == "contacts.initiated_by" and value == "DEUDOR":
        right["contacts"][1]["initiated_by"] = "debtor"
    assert contacted(answer) == contacted(asked(client, right)), (field, plain, value)


def test_a_contact_of_an_account_that_is_not_asked_about_counts_for_the_debtor(client):
    """It stands among the contacts of this account's debtor, however its own account is spelt."""
    told = copy.deepcopy(ACCOUNT)
    told["contacts"] = [{"account_id": "00107", "sent_at": "2026-11-25T07:10:00-05:00", "channel": "sms"}]
    right = contacted(asked(client, told))
    for name in ("107", "ANOTHER-ACCOUNT"):
        told["contacts"][0]["account_id"] = name
        assert contacted(asked(client, told)) == right
