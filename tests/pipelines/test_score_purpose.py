"""``score --purpose``: one table of accounts, another run for each purpose."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app

ROW = {"country": "CO", "timezone": "America/Bogota", "currency": "COP", "consented_channels": "sms;email",
       "flags": "none", "party": "debtor", "language": "es"}  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "kinds"),
    [
        ("collection", {"early": "due-reminder", "late": "overdue-notice"}),
        ("pre_due_reminder", {"early": "due-reminder"}),
        ("payment_confirmation", {"late": "thanks", "paid": "thanks"}),
    ],
)
def test_a_run_contacts_those_whom_its_purpose_is_for(tmp_path, purpose, kinds):
    """Before the due date, late with a payment, and owing nothing any more; dates as a Spanish export writes them."""
    told = [("early", "2026-11-19", 900, ""), ("late", "2026-11-01", 900, "16/11/2026"),
            ("paid", "2026-11-01", 0, "15/11/2026")]  # fmt: skip
    rows = [{"account_id": name, "debtor_id": name, "due_date": due, "balance_minor": owed, "Fecha último pago": paid}
            | ROW for name, due, owed, paid in told]  # fmt: skip
    accounts, plan = tmp_path / "accounts.csv", tmp_path / "plan.csv"
    pd.DataFrame(rows).to_csv(accounts, index=False)
    asked = ["score", str(accounts), "--as-of", "2026-11-17T08:00:00-05:00", "--out", str(plan), "--strategy",
             str(tmp_path / "none"), "--no-contacts-yet", "--no-explore", "--purpose", purpose]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(plan).query("rank == 1").set_index("account")["template_id"].dropna()
    assert found.str.split(".").str[1].to_dict() == kinds


def test_a_run_thanks_each_payment_once_and_says_what_it_was_judged_by(tmp_path):
    """Payments from their own table; the second day knows of the first day's thanks by the contacts and by the log."""
    due, accounts = "2026-11-01", tmp_path / "accounts.csv"
    rows = [{"account_id": name, "debtor_id": name, "due_date": due, "balance_minor": 900} | ROW
            for name in ("paid", "old", "never")]  # fmt: skip
    pd.DataFrame(rows).to_csv(accounts, index=False)
    paid = [("paid", "2026-11-16T12:00:00-05:00", 100), ("old", "2026-11-02T12:00:00-05:00", 100)]
    pd.DataFrame(paid, columns=["account_id", "paid_at", "amount_minor"]).to_csv(tmp_path / "p.csv", index=False)
    log = f"sqlite:///{tmp_path}/log.db"

    def run(day, *more):
        asked = ["score", str(accounts), "--as-of", f"2026-11-{day}T08:00:00-05:00", "--out", str(tmp_path / day),
                 "--strategy", str(tmp_path / "none"), "--no-explore", "--payments", str(tmp_path / "p.csv"),
                 "--purpose", "payment_confirmation", *more]  # fmt: skip
        result = CliRunner().invoke(build_app(), asked)
        assert result.exit_code == 0, result.output
        plan = pd.read_parquet(tmp_path / day) if (tmp_path / day).exists() else None
        first = plan.query("rank == 1").set_index("account")
        return set(first.index[first["channel"].notna()]), first, result.output

    thanked, first, output = run("17", "--no-contacts-yet", "--decision-log", log)
    assert thanked == {"paid"}
    assert "purpose-payment-unknown" in output and "purpose-payment" in output
    assert run("18", "--no-contacts-yet", "--decision-log", log)[0] == set()
    told = {"contact_id": ["c"], "account_id": ["paid"], "channel": [first.loc["paid", "channel"]],
            "sent_at": [first.loc["paid", "contact_at"].isoformat()], "outcome": ["delivered"]}  # fmt: skip
    pd.DataFrame(told).to_csv(tmp_path / "c.csv", index=False)
    assert (
        run("18", "--contacts", str(tmp_path / "c.csv"), "--decision-log", log)[0] == set()
    )  # the log knows its purpose
    assert run("18", "--contacts", str(tmp_path / "c.csv"))[0] == {"paid"}  # nobody knows it
    pd.DataFrame(told | {"Finalidad": ["agradecimiento"]}).to_csv(tmp_path / "c.csv", index=False)
    assert run("18", "--contacts", str(tmp_path / "c.csv"))[0] == set()
    assert "switched off by name: PURPOSE" in run("19", "--no-contacts-yet", "--without", "PURPOSE")[2]


@pytest.mark.parametrize(
    ("purpose", "contacted"), [("collection", {"none", "broken"}), ("payment_confirmation", set())]
)
def test_an_amount_is_no_day_and_a_state_is_read_as_it_is_written(tmp_path, purpose, contacted):
    """``ultimo_pago`` is an amount here, of which one would be a day of Excel's; promises in an agency's own words."""
    told = [("none", "", "Sin promesa", 0), ("broken", "2026-11-10", "No cumplida", 46_341),
            ("open", "2026-11-20", "Pendiente", 1_500_000)]  # fmt: skip
    rows = [{"account_id": name, "debtor_id": name, "due_date": "2026-11-01", "balance_minor": 900, "promise_on": day,
             "estado_promesa": state, "ultimo_pago": paid} | ROW for name, day, state, paid in told]  # fmt: skip
    accounts, plan = tmp_path / "accounts.csv", tmp_path / "plan.csv"
    pd.DataFrame(rows).to_csv(accounts, index=False)
    asked = ["score", str(accounts), "--as-of", "2026-11-17T08:00:00-05:00", "--out", str(plan), "--strategy",
             str(tmp_path / "none"), "--no-contacts-yet", "--no-explore", "--purpose", purpose]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(plan).query("rank == 1").set_index("account")["channel"].dropna()
    assert set(found.index) == contacted
