"""A plain account, and how a service is asked about it."""

from __future__ import annotations

__all__ = ["AS_OF", "KEY", "account", "ask"]

AS_OF = "2026-11-23T08:00:00-05:00"
KEY = "a-key-that-is-long-enough"


def account(account_id="A1", **changed):
    facts = {
        "account_id": account_id,
        "debtor_id": "D1",
        "country": "CO",
        "timezone": "America/Bogota",
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms", "whatsapp", "email", "call"],
        "flags": [],
        "party": "debtor",
        "contacts": [],
        "features": {"product": "credit_card"},
    }
    return facts | changed


def ask(client, *accounts, status=200, **request):
    answer = client.post("/v1/recommendations", json={"accounts": list(accounts), "as_of": AS_OF} | request)
    assert answer.status_code == status, answer.text
    return answer.json()
