"""``best-hour``: one debtor, one channel, the week ahead, on the command line."""

from __future__ import annotations

import pandas as pd
from typer.testing import CliRunner

from pipelines.__main__ import build_app

ROW = {"country": "CO", "timezone": "America/Bogota", "currency": "COP", "consented_channels": "sms;email",
       "flags": "none", "party": "debtor", "language": "es", "balance_minor": 9, "due_date": "2026-11-20"}  # fmt: skip


def test_the_verb_names_slots_and_rules(tmp_path):
    """A week with a holiday: five slots in the law's hours, closed hours counted by rule, every hour in the table."""
    accounts, out = tmp_path / "accounts.csv", tmp_path / "week.csv"
    pd.DataFrame([ROW | {"account_id": name, "debtor_id": name} for name in ("007", "8")]).to_csv(accounts, index=False)
    asked = ["best-hour", str(accounts), "--account", "007", "--channel", "sms", "--strategy", str(tmp_path / "none"),
             "--as-of", "2026-12-07T06:00:00-05:00", "--no-contacts-yet", "--out", str(out)]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    assert "best 5 slots over sms" in result.output
    assert "closed by co-holiday" in result.output
    week = pd.read_csv(out)
    assert len(week) % 7 == 0
    assert not week.loc[week["date"] == "2026-12-08", "legal"].any()
    assert week["legal"].any()
    unknown = CliRunner().invoke(build_app(), [*asked[:3], "9", *asked[4:]])
    assert unknown.exit_code != 0
