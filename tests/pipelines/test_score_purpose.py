"""``score --purpose``: one table of accounts, another run for each purpose."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app

ROW = {
    "country": "CO",
    "timezone": "America/Bogota",
    "currency": "COP",
    "consented_channels": "sms;email",
    "flags": "none",
    "party": "debtor",
    "language": "es",
}


@pytest.mark.parametrize(
    ("purpose", "kinds"),
    [
        ("collection", {"early": "due-reminder", "late": "overdue-notice"}),
        ("pre_due_reminder", {"early": "due-reminder"}),
        ("payment_confirmation", {"early": "thanks", "late": "thanks", "paid": "thanks"}),
    ],
)
def test_a_run_contacts_those_whom_its_purpose_has_a_text_for(tmp_path, purpose, kinds):
    """Before the due date, late, and owing nothing any more."""
    told = [("early", "2026-11-30", 900), ("late", "2026-11-01", 900), ("paid", "2026-11-01", 0)]
    rows = [{"account_id": name, "debtor_id": name, "due_date": due, "balance_minor": owed} | ROW
            for name, due, owed in told]  # fmt: skip
    accounts, plan = tmp_path / "accounts.csv", tmp_path / "plan.csv"
    pd.DataFrame(rows).to_csv(accounts, index=False)
    asked = ["score", str(accounts), "--as-of", "2026-11-17T08:00:00-05:00", "--out", str(plan), "--strategy",
             str(tmp_path / "none"), "--no-contacts-yet", "--no-explore", "--purpose", purpose]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(plan).query("rank == 1").set_index("account")["template_id"].dropna()
    assert found.str.split(".").str[1].to_dict() == kinds
