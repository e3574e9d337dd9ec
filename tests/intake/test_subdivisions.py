"""A part of a country is one part, however it is written: the same column in a log and in a plan, the same law."""

# ruff: noqa: E501 - a table of spellings is read by its lines
from __future__ import annotations

import pandas as pd
import pytest

from recommender.history.contract_check import check_table
from recommender.intake import TableReading, subdivision_code
from recommender.rules import packs_of_place
from recommender.tables import CONTRACTS

SPELT = {
    ("US", "MA"): "US-MA", ("US", "us-ma"): "US-MA", ("US", "Massachusetts"): "US-MA", ("US", " US-MA "): "US-MA",
    ("USA", "massachusetts"): "US-MA", ("Brasil", "SP"): "BR-SP", ("BR", "são paulo"): "BR-SP", ("BR", "Sao Paulo"): "BR-SP",
    ("BR", "Alagoas"): "BR-AL", ("UK", "SCT"): "GB-SCT", ("GB", "UK-SCT"): "GB-SCT", ("UK", "Scotland"): "GB-SCT",
    ("CL", "AP"): "CL-AP", ("CL", "Arica y Parinacota"): "CL-AP", (None, "US-NY"): "US-NY", (None, "NY"): "NY",
    ("CO", "Antioquia "): "Antioquia", ("US", "Masachusets"): "Masachusets", ("CO", "US-MA"): "US-MA",
    ("AR", "C"): "AR-C", ("US", ""): None, ("US", None): None, ("Atlantis", "MA"): "MA",
}  # fmt: skip


@pytest.mark.parametrize(("place", "code"), SPELT.items(), ids=[f"{c}-{t}" for c, t in SPELT])
def test_a_part_is_read_by_its_code(place, code):
    """By code and by name; what is neither stays as it is."""
    assert subdivision_code(*place) == code


def test_a_log_and_a_plan_read_the_same_part():
    """Both by the account's own country, which may stand behind it."""
    frame = pd.DataFrame(
        {"account_id": [f"A{n}" for n in range(len(SPELT))], "subdivision": [text for _, text in SPELT],
         "country": [country for country, _ in SPELT]}, dtype=object,
    ).iloc[:-1]  # fmt: skip
    frame = frame.assign(valid_from="2026-01-01T00:00:00Z")
    in_a_log = check_table(frame, CONTRACTS["accounts"], as_of=pd.Timestamp("2026-11-25T00:00Z")).frame["subdivision"]
    in_a_plan = TableReading("accounts").read(frame)["subdivision"]
    assert [None if pd.isna(one) else one for one in in_a_log] == [None if pd.isna(one) else one for one in in_a_plan]
    assert in_a_plan.iloc[0] == "US-MA"


@pytest.mark.parametrize("text", ["MA", "us-ma", "Massachusetts", "US-MA", "Masachusets"])
def test_the_law_of_a_part_holds_in_whatever_spelling(text):
    """Under a part that nobody knows the law of each part holds."""
    assert packs_of_place("US", text, ()) == ["US-MA", "US"]


def test_a_part_without_a_law_of_its_own_has_its_country_s():
    """Known, and none of those with a pack."""
    assert packs_of_place("US", "NY", ()) == packs_of_place("US", None, ()) == ["US"]
    assert packs_of_place("BR", "Alagoas", ()) == ["BR-AL", "BR"]
    assert packs_of_place("BR", "Nenhures", ()) == ["BR-AL", "BR-SP", "BR"]
    assert packs_of_place("CO", "Antioquia", ()) == ["CO"]
