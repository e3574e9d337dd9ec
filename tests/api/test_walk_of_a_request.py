"""The way from a body to its answer that the architecture page tells is the way that a request takes."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.rules.kernel import judge
from recommender.settings import Settings
from tests.store.small_strategy import saved_strategy

ROOT = Path(__file__).parents[2]
TOLD = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## From a request to its answer")[2]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TOLD.splitlines() if re.match(r"\| \d", line)]
FORMS = [row for row in ROWS if re.match(r"`?[\w/]*(\.py|/)`?|$", row[3])]
STAYS = [row for row in ROWS if row not in FORMS]


@pytest.fixture(scope="module")
def walk(tmp_path_factory, made_once) -> list[tuple[str, str]]:
    """Files and functions of ours that one request enters, and kinds that they return, each where it first comes."""
    place = tmp_path_factory.mktemp("walk")
    model = saved_strategy(place / "model", made_once)
    met: dict[tuple[str, str], None] = {}
    is_asked = threading.Event()
    machine_code = type(judge).__call__.__code__

    def place_of(file: str) -> str:
        return file.removeprefix(f"{ROOT}/").removeprefix("src/recommender/")

    def note(frame: FrameType, event: str, answer: Any) -> None:
        file = frame.f_code.co_filename
        if not is_asked.is_set() or not file.startswith(str(ROOT)) or ".venv" in file:
            return
        name = place_of(file)
        if event == "call":
            met.setdefault((name, frame.f_code.co_name))
            if frame.f_code is machine_code:  # from Python 3.12 on a profiler sees no call of what is compiled
                function = frame.f_locals["self"].__wrapped__
                met.setdefault((place_of(function.__code__.co_filename), function.__name__))
        elif event == "return":
            met.setdefault((name, type(answer).__name__))

    account = {
        "account_id": "A1", "country": "CO", "timezone": "America/Bogota", "due_date": "2026-02-01", "party": "debtor",
        "balance_minor": 1_200_000, "consented_channels": ["sms", "call"], "flags": [], "contacts": [],
        "features": {"stage": "early", "overdue": 1.0},
    }  # fmt: skip
    settings = Settings(model_path=model, decision_log_url=f"sqlite:///{place / 'log.db'}", pages=False)
    body = {"as_of": "2026-03-06T10:00:00-05:00"}
    before = sys.getprofile()
    threading.setprofile(note)  # the service answers in threads of its own
    try:
        with TestClient(create_app(settings)) as client:
            client.post("/v1/recommendations", json=body | {"accounts": [account | {"account_id": "A0"}]})
            is_asked.set()
            answer = client.post("/v1/recommendations", json=body | {"accounts": [account]})
            is_asked.clear()
    finally:
        threading.setprofile(before)
    assert answer.status_code == 200
    assert answer.json()["recommendations"][0]["actions"]
    return list(met)


def test_the_stays_are_entered_in_the_order_told(walk):
    """Twenty at most, each by the function that is named, in that order."""
    assert 15 < len(STAYS) <= 20
    places = []
    for _, files, function, _ in STAYS:
        file, name = re.search(r"`([\w/]+\.py)`", files)[1], function.strip("`").rpartition(".")[2]
        assert (file, name) in walk, f"{file} {name} is not entered"
        places.append(walk.index((file, name)))
    assert places == sorted(places)


def test_every_file_of_the_way_is_entered(walk):
    """What stands beside the first file of a stay is on the way too."""
    entered = {file for file, _ in walk}
    for _, files, _, _ in STAYS:
        for file in re.findall(r"`([\w/]+(?:\.py|/))`", files):
            assert any(one.endswith(file) or one.startswith(file) for one in entered), file


def test_the_forms_are_made_in_the_order_told(walk):
    """Each kind that is named is returned by some function of ours, one after the other."""
    kinds = [kind for _, form, _, _ in FORMS for kind in re.findall(r"`([A-Z]\w+)`", form)]
    assert len({row[0] for row in FORMS}) == 6
    assert FORMS[0][0] == FORMS[-1][0] == "1"  # JSON text stands at both ends
    assert len(kinds) >= 8
    returned = [kind for _, kind in walk]
    first = {kind: returned.index(kind) for kind in kinds}
    main = [first[kind] for kind in kinds if kind != "Columns"]  # contacts are columns before the accounts are
    assert main == sorted(main)
