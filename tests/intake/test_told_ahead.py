"""What is dated after the moment of a decision, and what is stated against the tables: a stop that is told acts."""

from __future__ import annotations

import json
import time

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.intake import acts_when_told
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.rules import check_case
from tests.intake.test_front_door import ACCOUNTS, AS_OF, CONTACTS, IDS, SEED, contacted, plan_of, write

TOMORROW, NEXT_YEAR = "2026-11-26T09:00:00-05:00", "2027-11-26T09:00:00-05:00"
#: Days after the moment of the plan, which nobody brought up to date, and before today.
SINCE = "2026-11-29T09:00:00-05:00"
OUTCOMES = pd.DataFrame({"contact_id": CONTACTS["contact_id"], "occurred_at": TOMORROW, "outcome": "delivered"})


def heard(word, at=TOMORROW, **more):
    """Of the first five contacts."""
    return OUTCOMES.assign(outcome=[word] * 5 + ["delivered"] * 5, occurred_at=at, **more)


@pytest.mark.parametrize("at", [TOMORROW, SINCE, NEXT_YEAR])
@pytest.mark.parametrize(
    "word",
    ["opt_out", "complaint", "dispute", "deceased", "wrong_party", "promise_to_pay", "paid_in_full"],
)
def test_a_stop_dated_ahead_stops_today(tmp_path, word, at):
    """In outcomes and beside the contacts; the other five are contacted."""
    assert contacted(plan_of(tmp_path / "a", contacts=CONTACTS, outcomes=heard(word, at))) == 5
    beside = CONTACTS.assign(
        outcome=[word] * 5 + ["delivered"] * 5, sent_at=[at] * 5 + CONTACTS["sent_at"].tolist()[5:]
    )
    assert contacted(plan_of(tmp_path / "b", contacts=beside)) == 5


def test_what_frees_or_counts_does_not_act_before_its_time(tmp_path):
    """Consent of tomorrow frees nobody today, and what will be delivered stops nobody."""
    stopped = CONTACTS.assign(outcome=["opt_out"] * 5 + ["delivered"] * 5)
    assert contacted(plan_of(tmp_path / "a", contacts=stopped, outcomes=heard("opt_in"))) == 5
    assert contacted(plan_of(tmp_path / "b", contacts=CONTACTS, outcomes=OUTCOMES)) == 10
    assert not any(acts_when_told(word) for word in ("opt_in", "delivered", "bounced", "contact_resumed", None))


def test_a_payment_dated_ahead_was_told(tmp_path):
    """In full it leaves nothing to collect; what will be taken back has not been."""
    paid = pd.DataFrame({"account_id": IDS[:5], "paid_at": TOMORROW, "amount_minor": 100_000, "currency": "COP"})
    assert contacted(plan_of(tmp_path / "a", contacts=CONTACTS, payments=paid)) == 5
    both = pd.concat([paid.assign(paid_at="2026-11-24T09:00:00-05:00"), paid.assign(amount_minor=-100_000)])
    assert contacted(plan_of(tmp_path / "b", contacts=CONTACTS, payments=both)) == 5


def test_a_check_and_a_plan_agree_about_what_is_dated_ahead():
    """The case format tells contacts with what came of them; the same words act."""
    case = {
        "id": "1", "packs": ["CO"], "at": "2026-11-25T10:00:00-05:00", "channel": "sms", "purpose": "collection",
        "account": {"account_id": "A1", "country": "CO", "timezone": "America/Bogota", "balance_minor": 100_000,
                    "due_date": "2026-10-01", "consented_channels": ["sms"], "flags": [], "party": "debtor"},
    }  # fmt: skip
    contact = {"account_id": "A1", "channel": "sms", "initiated_by": "creditor"}
    earlier = contact | {"sent_at": "2026-11-10T09:00:00-05:00", "outcome": "delivered"}
    for word, at, rule in (
        ("opt_out", TOMORROW, "floor-opt-out"), ("opt_out", SINCE, "floor-opt-out"),
        ("complaint", NEXT_YEAR, "floor-stop-complaint-open"),
        ("promise_to_pay", TOMORROW, "floor-stop-promise-open"), ("dispute", TOMORROW, "floor-stop-disputed"),
    ):  # fmt: skip
        told = check_case(case | {"contacts": [earlier, contact | {"outcome": word, "sent_at": at}]})
        assert rule in told["rules"], (word, told)
    freed = [earlier | {"outcome": "opt_out"}, contact | {"outcome": "opt_in", "sent_at": TOMORROW}]
    assert "floor-opt-out" in check_case(case | {"contacts": freed})["rules"]
    assert check_case(case | {"contacts": [earlier]})["allowed"]


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_no_clock_of_the_machine_loses_a_stop(tmp_path, monkeypatch, days):
    """A plan with the ``--as-of`` of last week is sent today, and a machine may have any clock."""
    told = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: told + days * 86_400 * 10**9)
    assert contacted(plan_of(tmp_path, contacts=CONTACTS, outcomes=heard("opt_out", SINCE))) == 5
    paid = pd.DataFrame({"account_id": IDS[:5], "paid_at": SINCE, "amount_minor": 100_000, "currency": "COP"})
    assert contacted(plan_of(tmp_path / "paid", contacts=CONTACTS, payments=paid)) == 5


# -- stated against the tables ------------------------------------------------------------------------------------
TOLD = {
    "last_contact_date": "2026-11-20", "fecha_ultima_gestion": "20/11/2026", "LastCallDate": "1764000000000",
    "Last Contacted": "2026-11-20 10:00", "UltimoContacto": "2026-11-20", "called_count": "3", "contactado": "SI",
    "dias_desde_ultimo_contacto": "2", "resultado_gestion": "NO CONTESTA", "ultimo_canal_contacto": "sms",
}  # fmt: skip
UNTOLD = {
    "last_contact_date": "", "fecha_ultima_gestion": "Nunca", "called_count": "0", "contactado": "NO",
    "last_payment_date": "2026-10-01", "contact_channel": "sms", "dias_desde_ultimo_contacto": "999",
    "last_local_call_time": "2008-01-01 00:00:00", "resultado_gestion": "SIN GESTION", "next_call_date": "2026-12-01",
    "calls_180d": "4", "ultima_visita_sucursal": "2026-10-01", "lastInteractionWeb": "2026-11-01",
    "ultimo_correo_valido": "SI",
    "last_email_open_rate": "0.3", "last_statement_email": "2026-11-01", "correo_ultimo_extracto": "SI",
}  # fmt: skip


def never_contacted(folder, accounts):
    folder.mkdir(parents=True, exist_ok=True)
    files = PlanFiles(accounts=write(accounts, folder / "accounts.csv"), contacts=None, outcomes=None, payments=None)
    out = folder / "plan.parquet"
    make_plan(files, out, SEED, PlanOrder(AS_OF, no_contacts_yet=True))
    return contacted(pd.read_parquet(out))


@pytest.mark.parametrize("name", TOLD)
def test_no_contacts_yet_is_held_against_the_accounts(tmp_path, name):
    """Column, value, row and mend; with the contacts in its place the same table is planned."""
    accounts = ACCOUNTS.assign(**{name: [""] * 3 + [TOLD[name]] + [""] * 6})
    with pytest.raises(InvalidInput, match="--no-contacts-yet states that there was none") as refused:
        never_contacted(tmp_path, accounts)
    assert refused.value.column == name and refused.value.rows == (3,) and TOLD[name] in str(refused.value)
    assert contacted(plan_of(tmp_path / "with", accounts=accounts, contacts=CONTACTS)) == 10


@pytest.mark.parametrize("name", UNTOLD)
def test_a_column_that_tells_no_contact_contradicts_nothing(tmp_path, name):
    """Never, nothing, zero, and days of other things."""
    assert never_contacted(tmp_path, ACCOUNTS.assign(**{name: UNTOLD[name]})) == 10


def test_a_check_is_held_against_its_account_too(tmp_path):
    """The statement and the fact in one case contradict each other."""
    facts = ACCOUNTS.iloc[0].drop("language").to_dict() | {"lastContactDate": "2026-11-20"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(facts), encoding="utf-8")
    command = ["check", "--pack", "CO", "--channel", "sms", "--at", "2026-11-25T10:00:00-05:00", "--account", str(path)]
    told = CliRunner().invoke(build_app(), [*command, "--no-contacts-yet"])
    assert told.exit_code == 2 and "lastContactDate" in told.output
    quiet = CliRunner().invoke(build_app(), [*command, "--no-contacts-yet", "--no-stop-in", "lastContactDate"])
    assert quiet.exit_code == 0, quiet.output


def test_an_account_that_is_over_is_asked_about_unless_nothing_is_owed(tmp_path):
    """A balance of zero stops by itself, and says what the status says; with a balance nobody knows which is meant."""
    over = ACCOUNTS.assign(loan_status=["Fully Paid"] * 5 + ["Late (31-120 days)"] * 5)
    assert plan_of(tmp_path / "a", accounts=over, contacts=CONTACTS) is None
    settled = over.assign(balance_minor=[0] * 5 + [100_000] * 5)
    assert contacted(plan_of(tmp_path / "b", accounts=settled, contacts=CONTACTS)) == 5


def test_names_in_humps_are_those_of_the_contract(tmp_path, right_plan):
    """``DebtorId`` and ``callbackAt`` are read: a debtor nobody reads is contacted once an account."""

    def humps(table):
        return table.rename(columns=lambda name: "".join(word.capitalize() for word in name.split("_")))

    told = plan_of(tmp_path, accounts=humps(ACCOUNTS), contacts=humps(CONTACTS))
    pd.testing.assert_frame_equal(told.astype(str), right_plan.astype(str))
    asked = CONTACTS.assign(callbackAt=["2026-12-05T10:00:00-05:00"] * 5 + [None] * 5)
    assert contacted(plan_of(tmp_path / "b", contacts=asked)) == 5


@pytest.fixture(scope="module")
def right_plan(tmp_path_factory):
    return plan_of(tmp_path_factory.mktemp("right"), contacts=CONTACTS)
