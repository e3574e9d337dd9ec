"""From raw tables to a log."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.history import build_feedback, context_as_of

T0 = pd.Timestamp("2026-03-01T10:00:00Z")
AS_OF = "2026-06-01T00:00:00Z"
SPACE = ActionSpace({"channel": ["call", "sms"], "hour": range(8, 21)}, no_contact=True)


def at(days, hours=0):
    return (T0 + pd.Timedelta(days=days, hours=hours)).isoformat()


def small():
    """Two accounts of one debtor, three decisions, one of them to leave alone."""
    accounts = pd.DataFrame(
        {
            "account_id": ["a1", "a1", "a2"],
            "debtor_id": ["d1", "d1", "d1"],
            "valid_from": [at(-30), at(1), at(-30)],
            "timezone": ["America/Bogota"] * 3,
            "balance_minor": [1000, 900, 50],
            "due_date": ["2026-02-25"] * 3,
            "currency": ["COP"] * 3,
        }
    )
    decisions = pd.DataFrame(
        {
            "decision_id": ["x1", "x2", "x3"],
            "account_id": ["a1", "a1", "a2"],
            "decided_at": [at(0), at(20), at(0)],
            "channel": ["call", "NO_CONTACT", "sms"],
            "hour": [9, None, 18],
            "propensity": [0.5, 0.5, 0.25],
        }
    )
    contacts = pd.DataFrame(
        {
            "contact_id": ["c1", "c3"],
            "account_id": ["a1", "a2"],
            "decision_id": ["x1", "x3"],
            "sent_at": [at(0, 1), at(0, 2)],
            "channel": ["call", "sms"],
            "status": ["sent", "sent"],
            "cost_minor": [7, 1],
        }
    )
    outcomes = pd.DataFrame(
        {"contact_id": ["c1", "c3"], "occurred_at": [at(0, 1), at(0, 5)], "outcome": ["promise_to_pay", "delivered"]}
    )
    payments = pd.DataFrame(
        {
            "account_id": ["a1", "a1", "a2"],
            "paid_at": [at(5), at(25), at(14)],
            "amount_minor": [100, 300, 20],
            "currency": ["COP"] * 3,
        }
    )
    return [accounts, decisions, contacts, outcomes, payments]


def build(tables=None, **options):
    return build_feedback(*(tables or small()), **({"actions": SPACE, "as_of": AS_OF} | options))


def rewards(built):
    return dict(zip(built.frame["decision_id"], built.frame["reward"], strict=True))


@pytest.mark.parametrize(
    ("reward", "want"),
    [
        ("right_party_contact", {"x1": 1.0, "x2": 0.0, "x3": 0.0}),
        ("promise_to_pay", {"x1": 1.0, "x2": 0.0, "x3": 0.0}),
        ("promise_kept", {"x1": 0.0, "x2": 0.0, "x3": 0.0}),
        ("delivered", {"x1": 1.0, "x2": 0.0, "x3": 1.0}),
        ("paid", {"x1": 1.0, "x2": 1.0, "x3": 0.0}),
        ("amount_gross", {"x1": 100.0, "x2": 300.0, "x3": 0.0}),
        ("amount", {"x1": 93.0, "x2": 300.0, "x3": -1.0}),
    ],
)
def test_reward_of_each_rung_and_of_money(reward, want):
    """A rung is reached by itself or a higher one; money is net of cost; leaving alone earns the self-cure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if reward == "promise_kept":
            assert rewards(build(reward=reward)) == want
        else:
            assert rewards(build(reward=reward)) == want


def test_window_excludes_its_end():
    """A payment exactly at the end of the window (day 14) is outside; a microsecond more of window lets it in."""
    assert rewards(build(reward="paid", window_days=14))["x3"] == 0.0
    assert rewards(build(reward="paid", window_days=14 + 1e-9))["x3"] == 1.0


@pytest.mark.parametrize(
    ("attribution", "want"),
    [
        ("account", {"x1": 400.0, "x2": 300.0, "x3": 20.0}),
        ("debtor", {"x1": 420.0, "x2": 300.0, "x3": 420.0}),
        ("last_contact", {"x1": 400.0, "x2": 0.0, "x3": 20.0}),
    ],
)
def test_attribution_of_payments(attribution, want):
    """Windows overlap (account), reach over a debtor's accounts (debtor), or count once (last_contact)."""
    assert rewards(build(reward="amount_gross", window_days=30, attribution=attribution)) == want


def test_immature_rows_have_no_reward_even_after_an_early_success():
    """A window that has not closed leaves the reward unknown although a success is in already."""
    built = build(as_of=at(6), tables=[small()[0], small()[1].iloc[[0, 2]], *small()[2:4], small()[4].iloc[[0]]],
                  window_days=5.9)  # fmt: skip
    assert rewards(built) == {"x1": 1.0, "x3": 0.0}
    with pytest.raises(InvalidInput, match="no mature reward"):
        build(as_of=at(6), tables=[small()[0], small()[1].iloc[[0, 2]], *small()[2:4], small()[4].iloc[[0]]],
              window_days=14)  # fmt: skip


def test_reward_is_known_at_the_first_success_or_when_the_window_closes():
    """known_at is the instant of the success, else the end of the window."""
    frame = build().frame.set_index("decision_id")["known_at"]
    assert frame["x1"] == T0 + pd.Timedelta(hours=1)
    assert frame["x3"] == T0 + pd.Timedelta(days=14)


def test_context_is_as_of_the_decision():
    """State, events and calendar are those strictly before the decision."""
    frame = build().frame.set_index("decision_id")
    assert frame.loc["x1", ["balance_minor", "contacts_7d", "days_past_due"]].tolist() == [1000.0, 0.0, 4.0]
    assert frame.loc["x2", ["balance_minor", "contacts_30d", "payments_ever"]].tolist() == [900.0, 1.0, 1.0]
    assert frame.loc["x2", "promises_broken"] == 1.0
    assert frame.loc["x2", "debtor_contacts_30d"] == 2.0


def test_from_tables_is_the_feedback_of_build():
    """LoggedFeedback.from_tables gives the log of build_feedback."""
    log = LoggedFeedback.from_tables(*small(), actions=SPACE, as_of=AS_OF, reward="paid")
    assert log.digest == build(reward="paid").feedback.digest
    assert log.action.tolist() == [SPACE.index_of({"channel": ["call"], "hour": [9]})[0],
                                   SPACE.index_of({"channel": ["sms"], "hour": [18]})[0], len(SPACE) - 1]  # fmt: skip


def test_from_tables_says_what_lies_in_quarantine(caplog):
    """A log alone does not show the rows that broke a contract; they are counted in a warning."""
    tables = small()
    LoggedFeedback.from_tables(*tables, actions=SPACE, as_of=AS_OF, reward="promise_to_pay", window_days=7)
    assert not caplog.records
    tables[4] = pd.DataFrame([{"account_id": "a2", "paid_at": at(1), "amount_minor": -5, "currency": "COP"}])
    LoggedFeedback.from_tables(*tables, actions=SPACE, as_of=AS_OF)
    assert "payments 1" in caplog.text
    assert "build_feedback" in caplog.text


def test_contacts_are_the_decisions_where_there_is_no_decisions_table():
    """Without decisions every sent contact is one, at its hour on the debtor's clock, and the report says so."""
    tables = small()
    tables[1] = None
    with pytest.raises(InvalidInput, match="factor 'hour'"):  # 6 and 7 in the morning are no levels of this space
        build(tables)
    tables[2]["sent_at"] = [at(0, 4), at(0, 5)]
    tables[3]["occurred_at"] = [at(0, 4), at(0, 5)]
    built = build(tables)
    assert built.frame["hour"].tolist() == [9, 10]
    assert any(note.startswith("No decisions table") for note in built.report.notes)


def test_columns_of_a_contact_never_become_context():
    """What a call brought back (its duration) stays out when contacts are the decisions."""
    tables = small()
    tables[1] = None
    tables[2]["sent_at"] = [at(0, 4), at(0, 5)]
    tables[3]["occurred_at"] = [at(0, 4), at(0, 5)]
    tables[2]["duration"] = [120, 0]
    assert "duration" not in build(tables).feedback.context


@pytest.mark.parametrize("name", ["duration", "call_result", "was_paid"])
def test_planted_leak_in_decisions_is_left_out_and_reported(name):
    """A decision column named after the fact is no context, with the reason."""
    tables = small()
    tables[1][name] = [1.0, 0.0, 0.5]
    built = build(tables)
    assert name not in built.feedback.context
    assert "after the contact" in built.report.left_out[name]


def test_column_equal_to_the_reward_is_left_out_whatever_its_name():
    """A column that equals the reward is a leak under any name; keep=[...] overrules."""
    tables = small()
    tables[1]["harmless"] = [1.0, 0.0, 0.0]
    built = build(tables)
    assert "equals the reward" in built.report.left_out["harmless"]
    assert "harmless" in build(tables, keep=["harmless"]).feedback.context


def test_protected_attributes_are_left_out():
    """Age in the accounts table does not reach the model."""
    tables = small()
    tables[0]["age"] = [30, 30, 30]
    built = build(tables)
    assert "age" not in built.feedback.context
    assert "protected" in built.report.left_out["age"]


def test_single_snapshot_is_reported():
    """With one row an account the balance is left out and the report says why."""
    tables = small()
    tables[0] = tables[0].iloc[[0, 2]]
    built = build(tables)
    assert built.report.single_snapshot
    assert "balance_minor" not in built.feedback.context
    assert "single snapshot" in built.report.left_out["balance_minor"]
    assert "balance_minor" in build(tables, snapshot="trust").feedback.context


def test_eligible_sets_are_read_and_must_hold_the_action():
    """A text of 0 and 1 is the eligible set; one that excludes the action taken goes to quarantine."""
    tables = small()
    taken = int(SPACE.index_of({"channel": ["call"], "hour": [9]})[0])
    only = ["1" if place == taken else "0" for place in range(len(SPACE))]
    tables[1]["eligible"] = ["".join(only), None, "".join(only)]
    built = build(tables)
    assert built.feedback.eligible.sum(axis=1).tolist() == [1, len(SPACE)]
    assert built.quarantine[["key", "rule"]].to_numpy().tolist() == [["x3", "action_not_eligible"]]


def test_mixed_currencies_are_refused_or_set_aside():
    """Half and half is an error that names both; a few others are quarantined; a rate converts them."""
    tables = small()
    tables[4]["currency"] = ["COP", "USD", "USD"]
    tables[0]["currency"] = ["COP", "USD", "USD"]
    with pytest.raises(InvalidInput, match="mixes currencies") as error:
        build(tables)
    assert "USD" in str(error.value)
    assert "rates" in error.value.mend
    tables = small()
    tables[4]["currency"] = ["COP", "USD", "COP"]
    assert build(tables).quarantine["rule"].tolist() == ["other_currency"]
    assert rewards(build(tables, reward="amount_gross", rates={"USD": 4000.0}))["x2"] == 1_200_000.0


def test_reward_without_its_table_is_an_error():
    """Money needs payments, a response needs outcomes, and the message says which."""
    tables = small()
    tables[4] = None
    with pytest.raises(InvalidInput, match="payments table"):
        build(tables, reward="amount")
    tables = small()
    tables[3] = None
    with pytest.raises(InvalidInput, match="outcomes table"):
        build(tables)


def test_naive_as_of_is_refused():
    """as_of needs an offset."""
    with pytest.raises(InvalidInput, match="offset"):
        build(as_of="2026-06-01")


def test_contacts_without_decision_id_are_linked_by_account_channel_and_time():
    """Where no contact names its decision, the latest one of the account and channel within 48 hours is taken."""
    tables = small()
    tables[2] = tables[2].drop(columns="decision_id")
    built = build(tables)
    assert rewards(built) == {"x1": 1.0, "x2": 0.0, "x3": 0.0}
    assert any("linked by account" in note for note in built.report.notes)


def test_context_for_scoring_equals_context_for_training():
    """context_as_of at the moment of a decision gives what build_feedback gave that decision."""
    tables = small()
    built = build(tables)
    row = built.frame.set_index("decision_id").loc["x2"]
    now = context_as_of(tables[0], *tables[2:], actions=SPACE, as_of=at(20), account_ids=["a1"]).iloc[0]
    for name in built.roles["context"]:
        assert (pd.isna(row[name]) and pd.isna(now[name])) or row[name] == now[name], name


def test_future_rows_change_no_context_and_no_earlier_reward():
    """More history after the windows changes nothing but the counts of the quarantine."""
    before = build(as_of=at(40)).frame
    tables = small()
    tables[4] = pd.concat(
        [tables[4], pd.DataFrame({"account_id": ["a1"], "paid_at": [at(50)], "amount_minor": [9], "currency": ["COP"]})]
    )
    later = build(tables, as_of=at(60)).frame
    pd.testing.assert_frame_equal(before, later)


def test_shuffled_tables_give_the_same_log():
    """Row order of the raw tables plays no part."""
    straight = build(reward="amount")
    mixed = build([frame.sample(frac=1, random_state=4) for frame in small()], reward="amount")
    pd.testing.assert_frame_equal(straight.frame, mixed.frame)
    assert straight.feedback.digest == mixed.feedback.digest


def test_ids_may_be_numbers_in_one_table_and_text_in_another():
    """An account id that a CSV gap turned into 12.0 still finds account 12."""
    tables = small()
    for position, frame in enumerate(tables):
        if "account_id" in frame:
            codes = frame["account_id"].map({"a1": 1, "a2": 2})
            frame["account_id"] = (
                codes.astype(float) if position == 4 else codes.astype(str) if position == 0 else codes
            )
    assert rewards(build(tables, reward="amount_gross")) == {"x1": 100.0, "x2": 300.0, "x3": 0.0}
    assert np.issubdtype(build(tables).feedback.account.dtype, np.integer)


@pytest.mark.parametrize(
    ("spoil", "unknown"),
    [
        ({"amount_minor": -5}, {"x1"}),  # its day is known: only the window that holds it
        ({"currency": "USD"}, {"x1"}),
        ({"paid_at": None}, {"x1", "x2"}),  # it may lie in any window of the account
        ({"paid_at": "soon"}, {"x1", "x2"}),
        ({"paid_at": at(400)}, {"x1", "x2"}),  # a day to come is no day: it happened some other time
        ({"paid_at": at(5).replace("T", " ").removesuffix("+00:00")}, {"x1"}),  # naive: half a day to either side
        ({"account_id": None}, set()),  # nobody's: counted in the quarantine only
    ],
)
def test_payment_in_quarantine_leaves_unknown_not_unpaid(spoil, unknown):
    """Where a quarantined payment may fall in the window, "not paid" and amounts are NaN, counted and reported."""
    tables = small()
    extra = {"account_id": "a1", "paid_at": at(3), "amount_minor": 70, "currency": "COP"} | spoil
    tables[4] = pd.concat([tables[4].iloc[[2]], pd.DataFrame([extra])], ignore_index=True)
    clean = small()
    clean[4] = clean[4].iloc[[2]]
    for reward in ("paid", "amount_gross"):
        built = build(tables, reward=reward)
        found = rewards(built)
        assert {name for name, value in found.items() if np.isnan(value)} == unknown, reward
        straight = rewards(build(clean, reward=reward))
        assert all(found[name] == straight[name] for name in set(found) - unknown)
        assert built.report.n_unknown_payments == len(unknown)
        assert any("unknown" in note for note in built.report.notes) == bool(unknown)
    assert not np.isnan(list(rewards(build(tables)).values())).any()  # a response does not hang on payments


def test_what_was_paid_for_certain_stays_paid_and_a_repeat_is_no_loss():
    """A clean payment in the window makes 'paid' true whatever else was lost; an exact repeat loses nothing."""
    tables = small()
    lost = tables[4].iloc[[0]].assign(amount_minor=0)
    tables[4] = pd.concat([tables[4], lost], ignore_index=True)
    assert rewards(build(tables, reward="paid")) == {"x1": 1.0, "x2": 1.0, "x3": 0.0}
    assert np.isnan(rewards(build(tables, reward="amount_gross"))["x1"])
    tables = small()
    tables[4] = pd.concat([tables[4], tables[4].iloc[[0]]], ignore_index=True)
    assert rewards(build(tables, reward="amount_gross")) == {"x1": 100.0, "x2": 300.0, "x3": 0.0}


@pytest.mark.parametrize(("back", "paid", "amount"), [(-100, 0.0, 0.0), (-40, 1.0, np.nan), (-101, 1.0, np.nan)])
def test_a_negative_payment_takes_back_the_one_it_equals(back, paid, amount):
    """Then nothing was paid; one that equals none may be a wrong sign, so nobody knows how much was paid."""
    tables = small()
    tables[4] = pd.concat([tables[4], tables[4].iloc[[0]].assign(amount_minor=back)], ignore_index=True)
    assert rewards(build(tables, reward="paid"))["x1"] == paid
    np.testing.assert_equal(rewards(build(tables, reward="amount_gross"))["x1"], amount)


def test_lost_payment_reaches_the_debtors_other_accounts_where_payments_do():
    """With attribution to the debtor, a lost payment of one account makes the other's reward unknown too."""
    tables = small()
    tables[4] = pd.DataFrame([{"account_id": "a2", "paid_at": at(1), "amount_minor": -5, "currency": "COP"}])
    assert [np.isnan(rewards(build(tables, reward="paid"))[name]) for name in ("x1", "x3")] == [False, True]
    by_debtor = rewards(build(tables, reward="paid", attribution="debtor"))
    assert [np.isnan(by_debtor[name]) for name in ("x1", "x3")] == [True, True]
