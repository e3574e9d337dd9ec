"""Files of ids become files of pseudonyms that still join, and that nobody without the key can turn back."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.intake import pseudonym
from recommender.store.decision_log import personal_kind

KEY = "k" * 32


def test_a_pseudonym_is_the_same_for_every_spelling_and_another_under_another_key():
    one = pseudonym("3001234567", KEY)
    assert one == pseudonym(3001234567, KEY) == pseudonym(3001234567.0, KEY) == pseudonym(" 3001234567 ", KEY)
    others = {pseudonym("3001234568", KEY), pseudonym("3001234567", "x" * 32), pseudonym("3001234567", KEY, kind="d")}
    assert len(others | {one}) == 4
    assert len(one) == 27 and personal_kind(one) is None
    for wrong in (("1", "short"), ("", KEY), (None, KEY)):
        with pytest.raises(InvalidInput):
            pseudonym(*wrong)


def test_files_still_join_and_nothing_else_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMMENDER_PSEUDONYM_KEY", KEY)
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("account_id,debtor_id,balance\n007,573001234567,1.50\n7,juan.perez,\n,573001234567,3\n")
    contacts = tmp_path / "contacts.parquet"
    told = {"account_id": ["007", "7", "7"], "debtor_id": ["573001234567", "juan.perez", None]}
    pd.DataFrame(told).to_parquet(contacts)
    for file in (accounts, contacts):
        arguments = ["pseudonymise", str(file), "--out", f"{file}.out{file.suffix}"]
        done = CliRunner().invoke(build_app("pseudonymise"), arguments)
        assert done.exit_code == 0, done.output
    one = pd.read_csv(str(accounts) + ".out.csv", dtype="str", keep_default_na=False)
    other = pd.read_parquet(str(contacts) + ".out.parquet")
    assert one["account_id"].nunique() == 3 and one["account_id"][2] == ""  # 007 and 7 are two accounts
    assert one["debtor_id"][0] == one["debtor_id"][2] == other["debtor_id"][0]
    assert set(other["account_id"]) == set(one["account_id"][:2])
    assert one["balance"].tolist() == ["1.50", "", "3"]
    assert not any("juan" in text or "5730" in text for text in one["debtor_id"])


def test_without_a_key_or_a_column_it_says_what_to_do(tmp_path, monkeypatch):
    file = tmp_path / "a.csv"
    file.write_text("account_id\n1\n")
    monkeypatch.delenv("RECOMMENDER_PSEUDONYM_KEY", raising=False)
    arguments = ["pseudonymise", str(file), "--out", str(tmp_path / "b.csv")]
    assert "RECOMMENDER_PSEUDONYM_KEY" in str(CliRunner().invoke(build_app("pseudonymise"), arguments).exception)
    monkeypatch.setenv("RECOMMENDER_PSEUDONYM_KEY", KEY)
    assert "debtor_id" in str(CliRunner().invoke(build_app("pseudonymise"), arguments).exception)
