"""The property of the front door over HTTP: an account in any spelling is the decision of its plain facts, or a 422."""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.main import create_app
from recommender.rules import check_case
from recommender.settings import Settings

AS_OF = datetime.fromisoformat("2026-11-25T07:30:00-05:00")
MONTHS = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
CHANNELS = {"sms": ["SMS", "mensaje de texto", " Mensaje "], "call": ["LLAMADA", "Call"], "whatsapp": ["WSP", "WhatsApp"],
            "email": ["Correo electrónico", "E-MAIL"]}  # fmt: skip
OUTCOMES = {"opt_out": ["BAJA", "Stop"], "delivered": ["ENTREGADO"], "not_connected": ["NO CONTESTA", "buzón"],
            "promise_to_pay": ["Promesa de pago", "PTP"], "complaint": ["Queja"], "wrong_party": ["Número equivocado"],
            "paid_in_full": ["Paz y salvo"]}  # fmt: skip


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(model_path=None))) as served:
        yield served


def instants(at):
    """One instant in many spellings; local ones are on the clock of the account."""
    return [at.isoformat(), (at + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ"), int(at.timestamp()),
            str(int(at.timestamp()) * 1000), at.strftime("%Y-%m-%d %H:%M:%S"), at.strftime("%Y%m%d%H%M%S"),
            f"{at.day} de {MONTHS[at.month - 1]} de {at.year} {at:%H:%M:%S}",
            at.strftime("%d/%m/%Y %I:%M:%S ") + ("a. m." if at.hour < 12 else "p. m.")]  # fmt: skip


def days(text):
    year, month, day = text.split("-")
    return [text, f"{day}-{MONTHS[int(month) - 1][:3]}-{year}", f"{text} 00:00:00", f"{year}{month}{day}",
            f"{day}/{month}/{year}", f"{year}-{MONTHS[int(month) - 1]}-{day}"]  # fmt: skip


@st.composite
def cases(draw):
    """Plain facts of an account with its contacts, and the same in other words and types."""
    contacts, spelt_contacts = [], []
    for _ in range(draw(st.integers(0, 4))):
        at = AS_OF.replace(hour=draw(st.integers(8, 17)), minute=draw(st.integers(0, 59)))
        at -= timedelta(days=draw(st.integers(1, 20)))
        channel, outcome = draw(st.sampled_from(sorted(CHANNELS))), draw(st.sampled_from([None, *sorted(OUTCOMES)]))
        plain = {"account_id": "00107", "sent_at": at.isoformat(), "channel": channel, "initiated_by": "creditor"}
        spelt = {
            "account_id": draw(st.sampled_from(["00107", " 00107 ", "'00107"])),
            "sent_at": draw(st.sampled_from(instants(at))),
            "channel": draw(st.sampled_from([channel, *CHANNELS[channel]])),
            "initiated_by": draw(st.sampled_from(["creditor", "Agencia", "outbound", "collector"])),
        }
        if outcome is not None:
            plain["outcome"], spelt["outcome"] = outcome, draw(st.sampled_from([outcome, *OUTCOMES[outcome]]))
        contacts.append(plain)
        spelt_contacts.append(spelt)
    order = draw(st.permutations(range(len(contacts))))
    consented = draw(st.lists(st.sampled_from(sorted(CHANNELS)), min_size=1, max_size=3, unique=True))
    due = f"2026-{draw(st.sampled_from(['09', '10']))}-{draw(st.integers(13, 28)):02d}"
    balance = draw(st.integers(2, 900)) * 10_000
    plain = {
        "account_id": "00107", "debtor_id": "D7", "country": "CO", "timezone": "America/Bogota", "due_date": due,
        "balance_minor": balance, "consented_channels": sorted(consented), "flags": [], "party": "debtor",
        "contacts": contacts,
    }  # fmt: skip
    words = [draw(st.sampled_from([name, *CHANNELS[name]])) for name in consented]
    spelt = {
        "account_id": draw(st.sampled_from(["00107", " 00107 ", "'00107"])),
        "debtor_id": draw(st.sampled_from(["D7", " D7 "])),
        "country": draw(st.sampled_from(["CO", "COLOMBIA", "co", "Col", "170", "República de Colombia"])),
        "timezone": draw(st.sampled_from(["America/Bogota", "america/bogota", "SA Pacific Standard Time", "Bogotá"])),
        "due_date": draw(st.sampled_from(days(due))),
        "balance_minor": draw(st.sampled_from([balance, float(balance), str(balance), f"$ {balance:,}.00".replace(",", "_")
                                               .replace(".", ",").replace("_", "."), f"{balance},00", f"COP {balance:,}.00"])),
        "consented_channels": draw(st.sampled_from([words, ";".join(words), " | ".join(words)])),
        "flags": draw(st.sampled_from([[], ["none"], "ninguno"])),
        "party": draw(st.sampled_from(["debtor", "DEUDOR", "titular"])),
        "contacts": [spelt_contacts[position] for position in order],
    }  # fmt: skip
    return plain, spelt


def asked(client, account):
    return client.post(
        "/v1/recommendations", json={"accounts": [account], "as_of": AS_OF.isoformat(), "explore": False}
    )


def contacted(answer):
    return [
        {name: action[name] for name in ("factors", "propensity", "contact_at", "template_id")}
        for action in answer.json()["recommendations"][0]["actions"]
    ]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_any_spelling_is_the_same_decision_or_a_422(client, case):
    """And no ranked contact is one that the check forbids under the plain facts."""
    plain, spelt = case
    right, answer = asked(client, plain), asked(client, spelt)
    assert right.status_code == 200, right.text
    if answer.status_code != 200:
        assert answer.status_code == 422, answer.text
        assert "accounts" in answer.text
    else:
        assert contacted(answer) == contacted(right), spelt
    facts = {name: value for name, value in plain.items() if name != "contacts"}
    history = []
    for contact in copy.deepcopy(plain["contacts"]):  # what was heard is an event of its own, not of a cap
        outcome = contact.pop("outcome", None)
        history.append(contact)
        if outcome is not None:
            history.append(contact | {"initiated_by": "debtor", "outcome": outcome})
    for action in contacted(right):
        if action["contact_at"] is None:
            continue
        verdict = check_case(
            json.loads(json.dumps({
                "id": "x", "packs": ["CO"], "at": action["contact_at"], "channel": action["factors"]["channel"],
                "purpose": "collection", "account": facts, "contacts": history,
            })), every_event=True,
        )  # fmt: skip
        assert verdict["allowed"], (verdict, action, plain)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), data=st.data())
def test_a_fact_that_cannot_be_read_names_its_field(client, case, data):
    """One field of the account or of a contact spoilt: 422 with its name, or it is as if the fact were not known."""
    spelt = case[0]
    field, value = data.draw(
        st.sampled_from(
            [("country", "Atlantis"), ("timezone", "UTC-5"), ("due_date", "31/02/2026"), ("balance_minor", "mucho"),
             ("consented_channels", ["telegrama"]), ("flags", ["quien sabe"]), ("party", "vecino")]
        )
    )  # fmt: skip
    spelt[field] = value
    answer = asked(client, spelt)
    if answer.status_code == 200:
        assert all(action["factors"]["channel"] is None for action in answer.json()["recommendations"][0]["actions"])
    else:
        assert answer.status_code == 422, answer.text
        assert field in answer.text
