"""``plan --purpose``: a day under capacity for those whom the purpose is for, and for nobody twice."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.planning import verify_folder
from recommender.store.decision_log import DecisionLog

CAPACITY = """
timezone = "America/Bogota"
[[queue]]
name = "mensajes"
channels = ["sms", "whatsapp", "email"]
quota = 50
"""
ROW = {
    "country": "CO", "timezone": "America/Bogota", "currency": "COP", "consented_channels": "sms;email",
    "flags": "none",
    "party": "debtor", "language": "es", "due_date": "2026-11-01", "balance_minor": 900,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Twenty accounts, of which some paid: lately, long ago, and back again."""
    rows = [{"account_id": f"A{n}", "debtor_id": f"D{n}"} | ROW for n in range(20)]
    pd.DataFrame(rows).to_csv(tmp_path / "accounts.csv", index=False)
    paid = [
        ("A0", "2026-11-16", 100),
        ("A1", "2026-11-14", 100),
        ("A4", "2026-11-02", 100),
        ("A6", "2026-11-15", 100),
        ("A8", "2026-11-17", 900),
    ]
    told = pd.DataFrame(paid, columns=["account_id", "paid_at", "amount_minor"])
    told["paid_at"] += "T12:00:00-05:00"
    told.to_csv(tmp_path / "payments.csv", index=False)
    heard = {"contact_id": ["x"], "account_id": ["A6"], "occurred_at": ["2026-11-16T12:00:00-05:00"],
             "outcome": ["payment_reversed"]}  # fmt: skip
    pd.DataFrame(heard).to_csv(tmp_path / "outcomes.csv", index=False)
    (tmp_path / "capacity.toml").write_text(CAPACITY)
    return tmp_path


def planned(folder, day, *more):
    """Contacts of a day, what its folder says of it, and what the console said."""
    out = folder / f"{day}{len(more)}"
    asked = ["plan", str(folder / "accounts.csv"), "--as-of", f"2026-11-{day}T07:00:00-05:00", "--no-contacts-yet",
             "--payments", str(folder / "payments.csv"), "--outcomes", str(folder / "outcomes.csv"),
             "--capacity", str(folder / "capacity.toml"), "--strategy", str(folder / "none"),
             "--out", str(out), *more]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    assert verify_folder(out) == []
    return pd.read_parquet(out / "plan.parquet"), json.loads((out / "about.json").read_text()), result.output


def test_a_plan_thanks_who_paid_once_and_counts_why_the_others_are_left_alone(folder):
    """The day after, those who were thanked are known by the log alone; without the pack everybody is thanked."""
    thanks = ("--purpose", "payment_confirmation", "--decision-log", f"sqlite:///{folder}/log.db")
    contacts, about, _ = planned(folder, "18", *thanks)
    assert set(contacts["account_id"]) == {"A0", "A1", "A8"}
    assert set(contacts["template_id"].str.split(".").str[1]) == {"thanks"}
    assert {"purpose-payment", "purpose-payment-unknown"} <= set(about["rule_details"])
    with DecisionLog(f"sqlite:///{folder}/log.db") as log:
        record = log.get(str(contacts["decision_id"].iloc[0])).decision
    assert record.purpose == "payment_confirmation"
    assert "PURPOSE" in record.provenance.rule_packs
    after, _, _ = planned(folder, "19", *thanks)
    assert set(after["account_id"]) == set()


def test_a_plan_without_the_pack_says_so(folder):
    """Switched off by name, thanks go to whoever the law lets be thanked."""
    contacts, about, output = planned(folder, "18", "--purpose", "payment_confirmation", "--without", "PURPOSE")
    assert len(contacts) == 20
    assert about["switched_off"] == ["PURPOSE"]
    assert "switched off by name: PURPOSE" in output
