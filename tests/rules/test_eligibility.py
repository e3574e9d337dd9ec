"""The mask of a portfolio: shapes, unknown facts, reasons, decisions of the past."""

# ruff: noqa: DTZ001 - naive instants are what is refused here
from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.errors import InvalidInput
from recommender.messages import default_catalogue
from recommender.rules import FLAGS, PackError, check_case, eligibility

SPACE = ActionSpace(
    {"tone": ["friendly", "firm"], "hour": range(6, 22, 3), "channel": ["sms", "call", "email", "fax"]}, no_contact=True
)
AS_OF = dt.datetime(2026, 11, 17, 11, 30, tzinfo=dt.UTC)
NOTHING = pd.DataFrame({"account_id": [], "sent_at": []})


def accounts(n: int = 1, **columns: object) -> pd.DataFrame:
    """Accounts that are fine but for what is said."""
    base = {
        "account_id": [f"A{i}" for i in range(n)], "debtor_id": [f"D{i}" for i in range(n)], "country": "CO",
        "timezone": "America/Bogota", "due_date": "2026-11-01", "balance_minor": 100, "party": "debtor",
        "consented_channels": "sms;call;email", "flags": "", "language": "es",
    }  # fmt: skip
    frame = pd.DataFrame(base | columns)
    return frame.drop(columns=[name for name, value in columns.items() if isinstance(value, str) and value == "drop"])


def judge(frame: pd.DataFrame, **kwargs: object):
    """Judge under Colombia."""
    given = {"as_of": AS_OF, "packs": ["CO"], "contacts": NOTHING} | kwargs
    return eligibility(frame, kwargs.pop("space", SPACE), **{k: v for k, v in given.items() if k != "space"})


def test_every_cell_says_what_the_single_check_says():
    """Any order of factors: the cell of an action is the check at its own instant and channel."""
    frame = accounts()
    contacts = pd.DataFrame({"account_id": ["A0"], "sent_at": [AS_OF - dt.timedelta(days=1)], "channel": ["sms"],
                             "outcome": ["delivered"], "initiated_by": ["creditor"], "status": ["sent"]})  # fmt: skip
    found = judge(frame, contacts=contacts)
    table = SPACE.to_frame()
    for action in range(len(SPACE) - 1):
        channel, hour = table.loc[action, "channel"], list(SPACE.factors["hour"]).index(table.loc[action, "hour"])
        verdict = check_case({
            "packs": ["CO"], "at": f"{found.contact_at[0, hour]}+00:00", "channel": channel,
            "account": frame.iloc[0].to_dict() | {"consented_channels": ["sms", "call", "email"], "flags": []},
            "contacts": [{"sent_at": (AS_OF - dt.timedelta(days=1)).isoformat(), "channel": "sms", "account_id": "A0",
                          "outcome": "delivered", "initiated_by": "creditor", "status": "sent"}],
        })  # fmt: skip
        assert found.mask[0, action] == verdict["allowed"]
        assert set(found.rules(0, action)) == set(verdict["rules"])
        assert (found.next_allowed_at(0, action) is None) == (verdict["next_allowed_at"] is None)
    assert found.mask[0].sum() == 1 + 2 * 4, "sms at 9, 12, 15, 18 in two tones, and NO_CONTACT"


def test_reasons_add_up():
    """Every removed pair has a reason, every allowed one none, and the counts are those of the reasons."""
    frame = accounts(
        4, flags=["", "disputed", "", ""], balance_minor=[1, 1, 0, 1], party=["debtor"] * 3 + ["reference"]
    )
    found = judge(frame)
    counted: dict[str, int] = {}
    for row in range(4):
        for action in range(len(SPACE)):
            reasons = found.rules(row, action)
            assert (reasons == ()) == found.mask[row, action]
            for rule in reasons:
                counted[rule] = counted.get(rule, 0) + 1
    assert found.counts() == counted
    assert found.citations(0, SPACE.index_of({"tone": ["firm"], "hour": [21], "channel": ["sms"]})[0]) == (
        "Ley 2300 de 2023, 3",
    )


@pytest.mark.parametrize("column", ["flags", "party", "consented_channels", "country", "balance_minor"])
def test_a_missing_column_denies(column):
    """What nobody knows about anybody denies everybody; NO_CONTACT stays."""
    mask = judge(accounts(2, **{column: "drop"})).mask
    assert mask[:, -1].all()
    assert not mask[:, :-1].any()


def test_unknown_contacts_deny_and_an_empty_history_does_not():
    """None is not the same as an empty table."""
    assert not judge(accounts(), contacts=None).mask[:, :-1].any()
    assert judge(accounts(), contacts=NOTHING).mask[:, :-1].any()


@pytest.mark.parametrize("column", ["timezone", "due_date", "debtor_id", "subdivision"])
def test_what_has_a_safe_default_does_not_deny(column):
    """Colombia has one zone, an unknown due date is overdue, an account without debtor is its own."""
    frame = accounts()
    assert judge(frame.drop(columns=column, errors="ignore")).mask[:, :-1].any()


def test_contacts_reach_every_account_of_the_debtor():
    """A contact about one account counts for the debtor's other ones; text and number ids are the same account."""
    frame = accounts(3, account_id=[1, 2, 3], debtor_id=["D", "D", "E"])
    contacts = pd.DataFrame({"account_id": ["2"], "sent_at": [AS_OF + dt.timedelta(hours=1)], "channel": ["sms"]})
    found = judge(frame, contacts=contacts)
    calls = SPACE.to_frame()["channel"].eq("call").to_numpy()
    assert found.mask[:, calls].any(axis=1).tolist() == [False, False, True]
    strange = judge(frame, contacts=contacts.assign(account_id="99"))
    assert any("1 contacts belong to no account" in warning for warning in strange.provenance.warnings)
    by_debtor = judge(frame, contacts=contacts.assign(account_id="99", debtor_id="D"))
    assert by_debtor.mask[:, calls].any(axis=1).tolist() == [False, False, True]


def test_a_decision_of_the_past_sees_no_later_contact():
    """With one instant an account, contacts from that instant on are not known yet."""
    frame = accounts(3, account_id=["A", "A", "A"], debtor_id="D")
    sent = dt.datetime(2026, 11, 17, 15, tzinfo=dt.UTC)
    contacts = pd.DataFrame({"account_id": ["A"], "sent_at": [sent], "channel": ["email"], "outcome": ["delivered"]})
    decided = pd.Series([sent - dt.timedelta(hours=2), sent, sent + dt.timedelta(hours=1)])
    found = eligibility(
        frame, ActionSpace({"channel": ["email", "sms"]}), as_of=decided, packs=["CO"], contacts=contacts
    )
    assert found.mask.tolist() == [[True, True], [True, True], [False, False]]


def test_packs_may_differ_by_account_and_none_denies():
    """The column ``packs`` decides the law of each account."""
    frame = accounts(4, packs=["CO", ["PE", "CO"], "", None])
    mask = eligibility(frame, SPACE, as_of=AS_OF, contacts=NOTHING).mask[:, :-1]
    assert mask.any(axis=1).tolist() == [True, True, False, False]


def test_accounts_of_several_laws_are_told_what_each_is_told_alone():
    """Whatever an eligibility tells of a table under many laws is what it tells of each account by itself."""
    frame = accounts(
        7, packs=["CO", "CL", ["CO", "TRADE"], "CO", ["CL", "TRADE"], "MX", "CL"],
        timezone=["America/Bogota", "America/Santiago", "America/Bogota", "America/New_York", "America/Santiago",
                  "America/Mexico_City", "Asia/Tokyo"],
        due_date=[f"2026-{month:02}-01" for month in (11, 10, 9, 8, 12, 1, 7)],
        consented_channels=["sms", "call", "email", "sms;call", "call;email", "", "sms;call;email"],
        flags=["", "hardship", "", "dispute", "", "", "hardship"], country=["CO", "CL", "CO", "CO", "CL", "MX", "CL"],
    )  # fmt: skip
    whole = eligibility(frame, SPACE, as_of=AS_OF, contacts=NOTHING)
    reasons, since = whole.human_reasons()
    ranges = {rule: limits for rule, *limits in whole.incentive_ranges()}
    for row in range(len(frame)):
        alone = eligibility(frame.iloc[[row]], SPACE, as_of=AS_OF, contacts=NOTHING)
        for told in ("mask", "contact_at", "needs_human"):
            np.testing.assert_array_equal(getattr(whole, told)[[row]], getattr(alone, told))
        np.testing.assert_array_equal(whole.days_past_due()[[row]], alone.days_past_due())
        np.testing.assert_array_equal(whole.open_channels()[[row]], alone.open_channels())
        of_one, since_one = alone.human_reasons()
        assert [reasons[row]] == of_one
        np.testing.assert_array_equal(since[[row]], since_one)
        own = {rule: [one[0] for one in limits] for rule, *limits in alone.incentive_ranges()}
        for rule, limits in ranges.items():
            np.testing.assert_array_equal([one[row] for one in limits], own.get(rule, [np.nan] * 3))
        assert whole.next_contact_at(row) == alone.next_contact_at(0)
    assert len(np.unique(whole.days_past_due())) > len(frame) - 1 and any(reasons) and ranges


def test_preferences_tighten():
    """A debtor's wish for hours and channels holds for that debtor only."""
    frame = accounts(2, preferences=[{"hours": ["09:00", "10:00"], "channels": ["email"]}, None])
    found = judge(frame)
    kept = SPACE.to_frame()[:-1][found.mask[0, :-1]]
    assert set(kept["channel"]) == {"email"}
    assert set(kept["hour"]) == {9}
    assert found.mask[1].sum() > found.mask[0].sum()


def test_an_action_without_a_template_is_not_eligible():
    """Before the due date nothing firm is approved, and no fax at all."""
    frame = accounts(2, due_date=["2026-12-24", "2026-11-01"])
    found = judge(frame, catalogue=default_catalogue())
    firm = SPACE.to_frame()["tone"].eq("firm").to_numpy()
    assert found.mask[:, firm].any(axis=1).tolist() == [False, True]
    assert found.mask[:, ~firm][:, :-1].any(axis=1).tolist() == [True, True]
    action = int(np.flatnonzero(firm & found.mask[1])[0])
    assert found.rules(0, action) == ("no-template",)


def test_rules_of_the_trade():
    """Kind before the due date, calls only after something cheaper, people for guarantors and late debts."""
    frame = accounts(
        4, due_date=["2026-12-24", "2026-11-01", "2026-11-01", "2026-05-01"],
        party=["debtor", "debtor", "guarantor", "debtor"],
    )  # fmt: skip
    past = pd.DataFrame({"account_id": ["A1"], "sent_at": [AS_OF - dt.timedelta(days=9)], "channel": ["sms"],
                         "outcome": ["delivered"], "status": ["sent"]})  # fmt: skip
    found = judge(frame, packs=["CO", "TRADE"], contacts=past)
    table = SPACE.to_frame()
    firm, call = table["tone"].eq("firm").to_numpy(), table["channel"].eq("call").to_numpy()
    assert found.mask[:, firm].any(axis=1).tolist() == [False, True, True, True]
    assert found.mask[:, call].any(axis=1).tolist() == [False, True, False, False]
    assert found.needs_human.tolist() == [False, False, True, True]


def test_an_hour_that_the_day_skips_is_no_action():
    """New York has no 02:00 on 8 March 2026."""
    space = ActionSpace({"channel": ["sms"], "hour": [2, 10]}, no_contact=True)
    frame = accounts(country="US", timezone="America/New_York")
    found = eligibility(frame, space, as_of=dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC), packs=["US"], contacts=NOTHING)
    assert np.isnat(found.contact_at[0, 0])
    assert "no-such-hour" in found.rules(0, 0)
    assert found.mask[0].tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"as_of": dt.datetime(2026, 11, 17)}, "UTC offset"),
        ({"purpose": "marketing"}, "purpose"),
        ({"packs": ["XX"]}, "XX"),
        ({"packs": None}, "packs"),
        ({"space": ActionSpace({"arm": [1, 2]})}, "channel"),
        ({"contacts": pd.DataFrame({"account_id": ["A"], "sent_at": [dt.datetime(2026, 1, 1)]})}, None),
        ({"contacts": pd.DataFrame({"account_id": ["A0"], "sent_at": [dt.datetime(2026, 1, 1)]})}, "sent_at"),
        ({"contacts": pd.DataFrame({"account_id": ["A0"]})}, "sent_at"),
        ({"contact_at": np.zeros((2, 2), dtype="datetime64[us]")}, "contact_at"),
    ],
)
def test_what_cannot_be_judged_is_refused(change, says):
    """The error names the argument; a naive instant is never guessed at."""
    if says is None:
        assert judge(accounts(), **change).mask.any()
        return
    with pytest.raises(InvalidInput, match=says):
        judge(accounts(), **change)


def test_an_empty_portfolio_has_an_empty_mask():
    """No accounts, no rows."""
    assert judge(accounts(0, account_id=[], debtor_id=[])).mask.shape == (0, len(SPACE))


def test_flags_may_stand_in_columns_of_their_own():
    """A raised column stops; all eight together say what is known, one null among them does not."""
    columns = {flag: [False, flag == "disputed", None if flag == "hardship" else False] for flag in FLAGS}
    mask = judge(accounts(3, flags="drop", **columns)).mask[:, :-1]
    assert mask.any(axis=1).tolist() == [True, False, False]
    both = judge(accounts(2, deceased=[0, 1])).mask[:, :-1]
    assert both.any(axis=1).tolist() == [True, False]


def test_a_reading_that_no_pack_offers_is_refused():
    """A misspelt switch must not be ignored."""
    with pytest.raises(PackError, match="co-days"):
        judge(accounts(), readings=["co-days"])
    with pytest.raises(PackError, match="co-days"):
        check_case({}, readings=["co-days"])


def test_people_decide_about_third_parties_hardship_and_old_debts_under_every_pack():
    """No pack of the trade is needed for it, and what a person must see stays legal or not as it was."""
    frame = accounts(
        6, due_date=["2026-11-01"] * 3 + ["2026-04-25", "2026-08-18", "2026-08-20"],
        party=["debtor", "guarantor", "debtor", "debtor", "debtor", "debtor"],
        flags=["", "", "hardship", "", "", ""],
    )  # fmt: skip
    found = judge(frame, packs=["CO"])
    assert found.needs_human.tolist() == [False, True, True, True, True, False]  # 91 days, and 90 tomorrow
