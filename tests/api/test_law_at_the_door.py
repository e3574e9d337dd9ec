"""The boundary cases of the rule packs, asked over HTTP: the answers of the service are those of the library."""

from __future__ import annotations

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.deciding import decide
from recommender.deciding.decide import default_actions
from recommender.rules import check_cases, load_pack, pack_ids
from recommender.settings import Settings
from recommender.strategy import SeedStrategy
from tests.rules.boundary_cases import probes

LAWS = [name for name in pack_ids() if load_pack(name).time.zones]
CONTACT_COLUMNS = ["account_id", "debtor_id", "sent_at", "channel", "initiated_by", "outcome", "status"]
AWAY = ("place",)


@pytest.fixture(scope="module")
def client():
    settings = Settings(model_path=None, without_packs=("HOUSE", "TRADE"))  # the law alone
    with TestClient(create_app(settings)) as client:
        client.hours = settings.contact_hours
        yield client


def sample(name, size):
    """Some probes of a pack, spread over its numbers; those at a workplace are no business of these routes."""
    found = [p for p in probes(load_pack(name)) if p.at.year > 2000 and not p.account["place"] and not p.readings]
    return found[:: max(1, len(found) // size)]


@pytest.mark.parametrize("name", LAWS)
def test_a_check_over_http_is_the_check(client, name):
    """The same verdict, rules and next instant; one request a case."""
    for probe in sample(name, 12):
        account = {key: value for key, value in probe.account.items() if key not in AWAY}
        contacts = probe.contacts and [{k: v for k, v in one.items() if k not in AWAY} for one in probe.contacts]
        case = {
            "packs": [name], "at": probe.at.isoformat(), "channel": probe.channel, "purpose": probe.purpose,
            "account": account, "contacts": None if probe.contacts is None else list(contacts or ()),
        }  # fmt: skip
        answer = client.post("/v1/check", json=case)
        assert answer.status_code == 200, answer.text
        (want,) = check_cases([case], every_event=True)
        told = answer.json()
        assert (told["allowed"], sorted(told["rules"])) == (want["allowed"], sorted(want["rules"])), case
        assert (told["next_allowed_at"] is None) == (want["next_allowed_at"] is None)
        if want["next_allowed_at"]:
            assert pd.Timestamp(told["next_allowed_at"]) == pd.Timestamp(want["next_allowed_at"])


@pytest.mark.parametrize("name", LAWS)
def test_recommendations_over_http_are_those_of_decide(client, name):
    """Ranks, instants, propensities and messages of accounts at the boundaries of their law."""
    for probe in sample(name, 5):
        if probe.purpose != "collection" or probe.contacts is None or probe.account["account_id"] is None:
            continue
        if any(one["channel"] is None for one in probe.contacts):  # this route takes no contact of unknown channel
            continue
        account = {key: value for key, value in probe.account.items() if key not in AWAY}
        contacts = [
            {key: one[key] for key in CONTACT_COLUMNS if key in one} | {"account_id": one["account_id"] or "A1"}
            for one in probe.contacts
        ]
        body = {
            "accounts": [account | {"packs": [name], "contacts": contacts}],
            "as_of": probe.at.isoformat(),
            "top_k": 20,
        }
        answer = client.post("/v1/recommendations", json=body)
        assert answer.status_code == 200, answer.text
        (told,) = answer.json()["recommendations"]
        frame = pd.DataFrame(contacts, columns=CONTACT_COLUMNS).assign(debtor_id=account["debtor_id"])
        want = decide(
            pd.DataFrame([account | {"packs": [name]}], dtype=object),
            strategy=SeedStrategy(default_actions(client.hours)),
            as_of=probe.at,
            packs=["CO"],
            contacts=frame.assign(sent_at=pd.to_datetime(frame["sent_at"], utc=True, format="ISO8601")),
            top_k=20,
        )
        ranked = want.ranked
        assert told["eligible_actions"] == int(want.eligibility.mask.sum())
        assert [one["propensity"] for one in told["actions"]] == ranked["propensity"].tolist()
        assert [one["template_id"] for one in told["actions"]] == [
            None if pd.isna(text) else text for text in ranked["template_id"]
        ]
        for one, (_, row) in zip(told["actions"], ranked.iterrows(), strict=True):
            assert one["no_contact"] == pd.isna(row["channel"])
            if not one["no_contact"]:
                assert one["factors"] == {key: row[key] for key in ("channel", "hour", "tone")}
                assert pd.Timestamp(one["contact_at"]) == row["contact_at"]
