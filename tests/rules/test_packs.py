"""Rule packs: strict to load, and true to the examples that they carry."""

from __future__ import annotations

import datetime as dt
import tomllib
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.rules import (
    PackError,
    eligibility,
    load_pack,
    named_packs,
    pack_digest,
    pack_ids,
    pack_warnings,
    packs_of_place,
    parse_pack,
    under_house,
    with_house,
)
from recommender.rules import provenance as provenances
from recommender.rules.examples import run_examples

LAWS = ["AR", "BR", "BR-AL", "BR-SP", "CL", "CO", "EC", "ES", "MX", "PE", "UK", "US", "US-MA"]


def raw(pack: str) -> dict:
    """TOML of a packaged pack."""
    return tomllib.loads((resources.files("recommender.rules") / "packs" / f"{pack}.toml").read_text("utf-8"))


def test_every_promised_pack_is_there():
    """All jurisdictions ship, and the four packs of the house beside them."""
    assert set(pack_ids()) == {*LAWS, "FLOOR", "HOUSE", "TRADE", "PURPOSE"}


@pytest.mark.parametrize("pack", [*LAWS, "HOUSE", "TRADE"])
def test_a_pack_agrees_with_its_own_examples(pack):
    """Each pack carries allowed and denied examples and the engine says the same, for the same reasons."""
    results = run_examples(load_pack(pack))
    assert {result.case.allowed for result in results} == {True, False}
    assert [f"{r.case.name}: {r.allowed} {r.rules}" for r in results if not r.agrees] == []


@pytest.mark.parametrize("pack", LAWS)
def test_house_policy_claims_no_law(pack):
    """Only packs that rest on a law seen say so."""
    assert (load_pack(pack).kind == "house_policy") == (pack in {"ES", "UK"})
    grades = {source.grade for source in load_pack(pack).sources}
    assert not grades & {"C", "D"}, "a rule shipped by default rests on evidence of grade B at least"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"windoes": []}, "windoes"),
        ({"valid_to": dt.date(2020, 1, 1)}, "valid_to"),
        ({"sources": []}, "citations"),
        ({"legal_status": "fine"}, "legal_status"),
        ({"schema": 2}, "schema"),
        ({"reviewed_on": "soon"}, "reviewed_on"),
        ({"windows": [{"id": "w", "days": ["mon"], "from": "20:00", "to": "07:00", "cite": "art3"}]}, "midnight"),
        ({"windows": [{"id": "w", "days": ["lun"], "from": "07:00", "to": "20:00", "cite": "art3"}]}, "days"),
        ({"windows": [{"id": "w", "days": ["mon"], "from": "7", "to": "20:00", "cite": "art3", "x": 1}]}, "x"),
        ({"caps": [{"id": "c", "max": 1, "per": {"kind": "rolling_days"}, "scope": "all_channels", "cite": "art3"}]},
         "rolling_days"),
        ({"caps": [{"id": "c", "max": 1, "per": {"kind": "week"}, "scope": ["fax"], "cite": "art3"}]}, "scope"),
        ({"exempt": [{"purposes": ["marketing"], "from": ["windows"], "cite": "art8"}]}, "purposes"),
    ],
)  # fmt: skip
def test_a_pack_that_breaks_the_schema_does_not_load(change, says):
    """The vocabulary is closed: a word nobody knows, a lost citation or a window across midnight stop the load."""
    with pytest.raises(PackError, match=says):
        parse_pack(raw("CO") | change)


def test_an_overlay_cannot_loosen():
    """An overlay that exempts a purpose or brings an alternative window is refused."""
    with pytest.raises(PackError, match="only tightens"):
        parse_pack(raw("CO") | {"kind": "overlay", "id": "X"})


def test_text_that_is_no_toml_names_the_line():
    """A syntax error is a PackError that says where."""
    with pytest.raises(PackError, match="line 1"):
        parse_pack("schema = = 1")


def test_an_unknown_pack_lists_the_known_ones():
    """A misspelt id is refused with the list."""
    with pytest.raises(PackError, match="CO"):
        load_pack("COL")


def test_a_pack_past_its_end_is_an_error_and_one_past_review_a_warning():
    """``valid_to`` passed stops; the age of the review is said."""
    ended = parse_pack(raw("HOUSE") | {"id": "OLD", "valid_to": dt.date(2026, 1, 1), "kind": "overlay"})
    accounts = pd.DataFrame({"account_id": ["A"]})
    with pytest.raises(PackError, match="ended on 2026-01-01"):
        eligibility(
            accounts, ActionSpace({"channel": ["sms"]}), as_of=dt.datetime(2026, 2, 1, tzinfo=dt.UTC), packs=["CO"],
            overlays=[ended],
        )  # fmt: skip
    assert pack_warnings([load_pack("CO")], dt.date(2026, 11, 22)) == []
    assert "CO" in pack_warnings([load_pack("CO")], dt.date(2027, 11, 22))[0]


@pytest.mark.parametrize(
    ("cell", "packs"),
    [
        ("CO", ("CO",)),
        ("US; US-MA", ("US", "US-MA")),
        ("['US', 'US-MA']", ("US", "US-MA")),
        (["US", "US-MA"], ("US", "US-MA")),
        (np.array(["US", "US-MA"]), ("US", "US-MA")),  # a list column of Parquet
        ("", ()),
        (None, ()),
        (float("nan"), ()),
    ],
)
def test_packs_that_a_cell_names(cell, packs):
    """Text or a list; a cell without any is under no law, and the house's packs make it none."""
    assert named_packs(cell) == packs
    assert with_house(packs, ("HOUSE",)) == ([*packs, "HOUSE"] if packs else [])


def test_accounts_are_judged_by_their_law_and_the_house():
    """Named packs count before the place; who has neither stays under no law, which denies."""
    named = pd.DataFrame({"packs": ["CO", ["MX", "HOUSE"], None], "country": ["MX", "CO", "CO"]})
    assert under_house(named, ("HOUSE", "TRADE"))["packs"].tolist() == ["CO;HOUSE;TRADE", "MX;HOUSE;TRADE", ""]
    places = [("MX", None), (None, None), ("ZZ", None), ("US", "US-MA")]
    placed = pd.DataFrame(places, columns=["country", "subdivision"])
    own = [packs_of_place(country, part, ("PE",)) for country, part in places]
    told = under_house(placed, ("HOUSE",), ("PE",))["packs"].tolist()
    assert told == [";".join([*packs, "HOUSE"] if packs else []) for packs in own]
    assert told[1:3] == ["PE;HOUSE", ""]
    nowhere = pd.DataFrame({"account_id": ["a"]})
    assert under_house(nowhere, ("HOUSE",)) is nowhere


def test_a_pack_keeps_its_digest_when_this_code_learns_to_read_more():
    """The digest that this text had before packs could say whom a purpose is for; a rule more is another pack."""
    text = """
schema = 1
id = "TINY"
title = "Nobody on Sundays"
kind = "overlay"
pack_version = "1"
valid_from = 2026-01-01
reviewed_on = 2026-11-01
[[windows]]
id = "tiny-week"
days = ["mon", "tue"]
from = "08:00"
to = "18:00"
cite = "house"
[[sources]]
id = "house"
law = "house policy"
article = "-"
grade = "-"
says = "-"
"""
    spoken = '[[speaks_of]]\nid = "tiny-due"\npurpose = "win_back"\nabout = "cured_on"\ncite = "house"\n'
    tiny = "7a7e4a120dd52af211d051e398b3a3737d62d76e743e5765b7a44ad41f4d22ef"
    assert pack_digest(parse_pack(text)) == tiny
    assert pack_digest(parse_pack(text + spoken)) != tiny


def test_what_is_told_of_packs_is_kept_for_a_few_days_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that decides for months holds no more than it may; what was let go is told again, and alike."""
    monkeypatch.setattr(provenances, "_KEPT", {})
    monkeypatch.setattr(provenances, "_MOST_KEPT", 3)
    packs = (load_pack("CO"), load_pack("CL"))
    days = [dt.date(2026, 11, 23) + dt.timedelta(days=day) for day in range(5)]
    first = [provenances.provenance_of(packs, day) for day in days]
    for day, told in zip(days, first, strict=True):
        assert provenances.provenance_of(packs, day) == told
        assert len(provenances._KEPT) <= 3
