"""Numbers that are none and ids that no database holds: refused wherever a number or an id stands."""

from __future__ import annotations

import copy
import json

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account
from tests.api.test_malformed import bodies, places

ROUTES = tuple(bodies("d"))
NO_NUMBERS = ("-Infinity", "Infinity", "NaN", "1e999", "-1e999")
MARK = "@@here@@"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A client, and a body of each route that is fine but for its moment."""
    url = f"sqlite:///{tmp_path_factory.mktemp('odd') / 'd.db'}"
    with TestClient(create_app(Settings(model_path=None, pages=False, decision_log_url=url))) as client:
        first = client.post("/v1/recommendations", json={"accounts": [account("A1")], "as_of": AS_OF.isoformat()})
        yield client, bodies(first.json()["recommendations"][0]["decision_id"])


def at(body, path):
    for name in path:
        body = body[name]
    return body


def put(body, path, token):
    """A body as text with a token of JSON in one place."""
    body = copy.deepcopy(body)
    at(body, path[:-1])[path[-1]] = MARK
    return json.dumps(body).replace(f'"{MARK}"', token)


def statuses(client, route, texts, expected=422):
    """What is answered to each, where it is not as expected."""
    found = {}
    for place, text in texts.items():
        answer = client.post(route, content=text, headers={"content-type": "application/json"})
        if answer.status_code != expected or "Traceback" in answer.text:
            found[place] = (answer.status_code, answer.text[:200])
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_no_number_is_refused_where_a_number_stands(asked, route):
    """Also in facts and features, whose names are the caller's."""
    client, every = asked
    body = every[route]
    there = [path for path in places(body) if type(at(body, path)) in (int, float)]
    if route == "/v1/check":
        there += [("account", "balance_minor"), ("account", "days_past_due")]
    elif route == "/v1/outcomes":
        there = [path for path in there if path[-1] == "amount_minor"]
    assert there
    assert (
        statuses(client, route, {(*path, token): put(body, path, token) for path in there for token in NO_NUMBERS})
        == {}
    )


@pytest.mark.parametrize("route", ROUTES)
def test_an_id_that_no_database_holds_is_refused(asked, route):
    """A NUL, which PostgreSQL cannot keep, is a wrong value, and so is half of a character."""
    client, every = asked
    body = every[route]
    there = [path for path in places(body) if path and (str(path[-1]).endswith("_id") or path[-1] == "request_key")]
    there += [("outcomes", 0, "replaces")] if route == "/v1/outcomes" else []
    assert there
    for ids in (("\\u0000A", "A\\u0000"), ("\\ud800", "\\udc00A")):
        texts = {(*path, one): put(body, path, f'"{one}"') for path in there for one in ids}
        assert statuses(client, route, texts, 422) == {}


@pytest.mark.parametrize("name", ["%00A", "A%00", "%ED%A0%80"])
def test_an_id_in_an_address_that_no_database_holds_is_refused(asked, name):
    """Never 5xx: the fault is the caller's."""
    client, _ = asked
    for method, path in (
        ("GET", "/v1/decisions/{}"), ("GET", "/v1/decisions/{}/explanation"),
        ("DELETE", "/v1/debtors/{}?requested_by=x"),
        ("GET", "/v1/debtors/{}"), ("GET", "/v1/decisions?account_id={}"), ("GET", "/v1/decisions?debtor_id={}"),
    ):  # fmt: skip
        assert 400 <= client.request(method, path.format(name)).status_code < 500, (method, path)
