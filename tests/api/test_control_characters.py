"""A control character is refused on every route and at every place, and never echoed; text of other kinds passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api.main import create_app
from api.service.control_characters import controlled_place, holds_controls
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account
from tests.api.test_malformed import bodies, places

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    url = f"sqlite:///{tmp_path_factory.mktemp('log') / 'd.db'}"
    with TestClient(create_app(Settings(model_path=None, pages=False, decision_log_url=url))) as opened:
        yield opened


def told(client: TestClient) -> dict[str, Any]:
    first = client.post("/v1/recommendations", json={"accounts": [account("A1")], "as_of": AS_OF.isoformat()})
    return bodies(first.json()["recommendations"][0]["decision_id"])


def is_half(text: str) -> bool:
    """Of a character that takes two in UTF-16; as it is, it is no UTF-8."""
    return "\ud800" <= text <= "\udfff"


def spoilt(body: Any, bad: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The body with one text or one name of it spoilt, each in turn."""
    for place in places(body):
        if not place:
            continue
        for is_name in (False, True):
            other = copy.deepcopy(body)
            parent = other
            for part in place[:-1]:
                parent = parent[part]
            value = parent[place[-1]]
            if is_name and isinstance(parent, dict):
                parent[f"{place[-1]}{bad}"] = parent.pop(place[-1])
            elif not is_name and isinstance(value, str):
                parent[place[-1]] = value + bad
            else:
                continue
            yield place, other


@pytest.mark.parametrize("bad", ["\x00", "\x08", "\x1f", "\x7f", "\x9f", "\ud83d"])
def test_a_control_character_is_refused_wherever_it_stands(client: TestClient, bad: str) -> None:
    """Also in words that are read in any spelling, where it was spelt away, and in an id that is only echoed."""
    count = 0
    for path, body in told(client).items():
        for place, other in spoilt(body, bad):
            for ascii_only in (True,) if is_half(bad) else (True, False):
                text = json.dumps(other, ensure_ascii=ascii_only).encode()
                answer = client.post(path, content=text, headers=JSON)
                assert answer.status_code == 422, (path, place, answer.text)
                assert bad not in answer.text and json.dumps(bad)[1:-1] not in answer.text
                assert "control character" in answer.json()["detail"]
                count += 1
    assert count > 300


def test_of_several_accounts_the_spoilt_one_is_named_and_the_others_are_answered(client: TestClient) -> None:
    """In an answer and in a stream; a request that is spoilt itself is refused as a whole."""
    accounts = [account("G1"), account("G2", features={"product": "credit\x00card"}), account("G3\x00"), account("G4"),
                account("G5\ud83d"), account("G6", features={"product": "\U0001f600"})]  # fmt: skip
    body = {"accounts": accounts, "as_of": AS_OF.isoformat()}
    text = json.dumps(body)
    answer = client.post("/v1/recommendations", content=text, headers=JSON)
    assert answer.status_code == 207
    assert [one["account_id"] for one in answer.json()["recommendations"]] == ["G1", "G4", "G6"]
    named = [(one["position"], one["account_id"], one["status"], one["column"]) for one in answer.json()["errors"]]
    assert named == [(1, "G2", 422, "features"), (2, None, 422, "account_id"), (4, None, 422, "account_id")]
    accept = JSON | {"accept": "application/x-ndjson"}
    lines = client.post("/v1/recommendations", content=text, headers=accept).text.splitlines()
    assert [json.loads(line).get("position") for line in lines] == [1, 2, 4, 0, 3, 5, None]
    whole = client.post("/v1/recommendations", content=json.dumps(body | {"purpose": "collection\x00"}), headers=JSON)
    assert whole.status_code == 422 and whole.json()["column"] in ("product", "purpose")


def test_text_that_only_looks_like_one_passes(client: TestClient) -> None:
    """An escaped backslash before u0000, accents behind escapes, signs of two bytes, line ends of a file."""
    features = {"product": "a\\u0000", "region": "Bogotá N.º 1", "segment": "x\r\n"}
    body = {"accounts": [account("P1", features=features)], "as_of": AS_OF.isoformat()}
    for ascii_only in (True, False):
        answer = client.post(
            "/v1/recommendations", content=json.dumps(body, ensure_ascii=ascii_only).encode(), headers=JSON
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32"])
def test_a_body_in_another_encoding_is_no_way_around(client: TestClient, encoding: str) -> None:
    """Plain letters of UTF-16 are UTF-8, too, and JSON readers guess: what looks at bytes would see another text."""
    for path, body in told(client).items():
        for text in (json.dumps(body), json.dumps(body | {"id": "\x07"}, ensure_ascii=False)):
            answer = client.post(path, content=f" {text}".encode(encoding), headers=JSON)
            assert answer.status_code == 400 and "not UTF-8" in answer.json()["detail"], (path, answer.text)


TEXTS = st.text(st.characters(codec="utf-8", max_codepoint=0x2FF), max_size=6)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)))
def test_what_is_seen_in_the_bytes_is_what_stands_in_the_value(value: Any) -> None:
    """However it is written."""
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert holds_controls(text) == (controlled_place(value) is not None)


HALVES = st.text(st.sampled_from("\ud83d\ude00\udfffa\\u\U0001f600"), max_size=8)


@given(st.recursive(HALVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HALVES, inner, max_size=3)))
def test_halves_are_seen_in_the_bytes_as_in_the_value(value: Any) -> None:
    """Two that stand together are a character again to whoever reads the text."""
    text = json.dumps(value)
    assert holds_controls(text.encode()) == (controlled_place(json.loads(text)) is not None)
