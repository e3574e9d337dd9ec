"""Cells written in another way are read or caught; a table of which nothing is left is an error, not a quarantine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.history import build_feedback
from recommender.history.leakage import named_after_the_fact
from recommender.simulation import simulate_tables


@pytest.fixture(scope="module")
def simulated():
    return simulate_tables(400, days=40, seed=9)


def build(simulated, reward="response", **changed):
    tables = simulated.to_dict()
    for name, change in changed.items():
        tables[name] = change(tables[name].copy())
    return build_feedback(*tables.values(), actions=simulated.actions, as_of=simulated.as_of, reward=reward)


def set_cells(column, *values):
    """A change of the first cells of a column."""

    def change(frame):
        frame[column] = frame[column].astype(object)
        frame.iloc[: len(values), frame.columns.get_loc(column)] = list(values)
        return frame

    return change


def each(column, how):
    return lambda frame: frame.assign(**{column: how(frame[column])})


def padded(ids):
    return ids.map({name: f"{place:06d}" for place, name in enumerate(sorted(ids.unique()), 1)})


SAME = {
    "blanks around ids": {"payments": each("account_id", lambda ids: " " + ids + "  ")},
    "blanks and capitals of levels": {
        "contacts": each("channel", lambda names: names.str.upper() + "  "),
        "outcomes": each("outcome", lambda names: names.str.title()),
    },
    "currency in small letters": {"payments": each("currency", lambda codes: " " + codes.str.lower())},
    "day first": {"accounts": each("due_date", lambda at: at.dt.strftime("%d/%m/%Y"))},
    "zone after a blank": {"accounts": each("timezone", lambda zones: zones + " ")},
    "instants in words": {"outcomes": each("occurred_at", lambda at: at.dt.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))},
    "instants in several offsets": {
        "outcomes": each(
            "occurred_at",
            lambda at: [
                moment.tz_convert(zone).isoformat()
                for moment, zone in zip(at, ["UTC", "America/Bogota", "Asia/Kolkata"] * len(at), strict=False)
            ],
        )
    },
    "flags of a spreadsheet": {
        "accounts": each("disputed", lambda flags: flags.map({True: "VERDADERO", False: "FALSO"}))
    },
    "arrays of a database": {
        "accounts": each("channels_reachable", lambda text: "{" + text.str.replace("|", ",") + "}")
    },
    "names in capitals": {"outcomes": lambda frame: frame.rename(columns=str.upper)},
    "left alone in small letters": {
        "decisions": lambda frame: frame.assign(
            channel=frame["channel"].fillna("no_contact"), tone=frame["tone"].fillna("no_contact")
        )
    },
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_in_another_spelling_is_the_same_log(simulated, how):
    """What can be meant in one way only is read so."""
    straight, told = build(simulated), build(simulated, **SAME[how])
    assert not len(told.quarantine)
    pd.testing.assert_frame_equal(told.frame, straight.frame)


def test_whole_ids_that_a_program_wrote_as_fractions(simulated):
    """A column of integers with a gap becomes 12.0 in many programs; in the other tables it is 12 or "12"."""
    number = {name: place for place, name in enumerate(sorted(simulated.accounts["account_id"].unique()), 1)}

    def as_number(kind):
        return each("account_id", lambda ids: ids.map(number).astype(kind))

    whole = build(simulated, **dict.fromkeys(("accounts", "decisions", "contacts", "payments"), as_number("int64")))
    mixed = build(
        simulated,
        accounts=as_number("int64"),
        decisions=lambda frame: as_number("float64")(frame).assign(
            account_id=lambda held: held["account_id"].astype("str")  # "12.0"
        ),
        contacts=as_number("float64"),
        payments=as_number("str"),
    )
    assert not len(mixed.quarantine)
    np.testing.assert_array_equal(mixed.feedback.reward, whole.feedback.reward)
    assert set(mixed.frame["account_id"].astype("int64")) == set(whole.frame["account_id"])


CAUGHT = {
    "dates that stand for none": (
        "accounts", "due_date", ["9999-12-31", "1900-01-01", "0001-01-01"], {"unlikely_date"},
    ),
    "a fraction or a thousand": ("payments", "amount_minor", ["900.000", "12.500"], {"ambiguous_number"}),
    "local writing of numbers": ("payments", "amount_minor", ["1.2.3", "n/a", "5 or 6", "inf"], {"not_a_number"}),
    "no channels": ("accounts", "channels_reachable", ["[call", "{call;!}"], {"unreadable_list"}),
    "an unknown currency": ("payments", "currency", ["pesos", "fichas"], {"unknown_currency"}),
    "two sets that cannot be read": ("decisions", "eligible", ["yes", "2" * 10], {"unreadable_set"}),
}  # fmt: skip


@pytest.mark.parametrize("what", CAUGHT)
def test_what_may_mean_anything_is_set_aside(simulated, what):
    """Row by row, each with the rule, the rest used."""
    table, column, values, rules = CAUGHT[what]
    as_text = each(column, lambda cells: cells.astype("str"))
    built = build(simulated, **{table: lambda frame: set_cells(column, *values)(as_text(frame))})
    own = built.quarantine[built.quarantine["rule"] != "cascade"]
    assert set(own["rule"]) == rules
    assert own["row"].tolist() == list(range(len(values)))
    assert own["mend"].str.len().min() > 5
    counts = built.report.counts
    assert (counts["given"] == counts["clean"] + counts["quarantined"]).all()


REFUSED = {
    "decimal commas": ("payments", each("amount_minor", lambda n: (n / 100).map("{:.2f}".format).str.replace(".", ",")),
                       "amount_minor.*'payments' holds a fraction"),
    "day or month first": ("accounts", each("due_date", lambda at: at.dt.strftime("05/%m/%Y")),
                           "due_date is not a date"),
    "a word of another list": ("contacts", each("channel", lambda _: "paloma"), "channel is not a known channel"),
    "other ids": ("payments", each("account_id", lambda ids: "x" + ids), "account_id is not in table 'accounts'"),
    "small letters in ids": ("payments", each("account_id", lambda ids: ids.str.lower()), "lower case differ"),
    "percentages": ("decisions", each("propensity", lambda p: p * 1000), "perhaps a percentage"),
    "half in dollars": ("payments", each("currency", lambda c: ["USD", "COP"] * (len(c) // 2) + ["COP"] * (len(c) % 2)),
                        "mixes currencies"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_in_another_writing_is_refused(simulated, what):
    """Going on would call everyone unpaid or unanswered: one message names table, column, values and mend."""
    table, change, match = REFUSED[what]

    def many(frame):  # tables of a few rows are left to the quarantine
        times = 1 + 40 // len(frame)
        more = pd.concat([frame] * times, ignore_index=True)
        if times > 1:
            more["amount_minor"] += np.arange(len(more))
        return change(more)

    with pytest.raises(InvalidInput, match=match) as error:
        build(simulated, **{table: many})
    assert error.value.mend


def test_lost_zeros_are_no_other_id(simulated):
    """Ids that a spreadsheet made numbers of are those that kept their zeros: the same log."""
    whole = each("account_id", lambda ids: padded(ids).astype("int64"))
    told = dict.fromkeys(("decisions", "contacts", "payments"), each("account_id", padded))
    padded_log = build(simulated, accounts=each("account_id", padded), **told)
    built = build(simulated, accounts=whole, **told)
    assert not len(built.quarantine.query("rule == 'unknown_account'"))
    np.testing.assert_array_equal(built.frame["reward"], padded_log.frame["reward"])


def test_a_currency_that_no_row_has_is_refused(simulated):
    """Asking for a currency that is not there would set every account aside."""
    with pytest.raises(InvalidInput, match="'USD' in no row"):
        build_feedback(
            *simulated.to_dict().values(),
            actions=simulated.actions, as_of=simulated.as_of, reward="response", currency="USD",
        )  # fmt: skip


def test_decisions_before_the_first_state_are_counted(simulated):
    """What was known of an account before its change history begins is nothing, and the report says of how many."""

    def late(frame):
        return frame.assign(valid_from=frame["valid_from"].where(frame["account_id"] != who, simulated.as_of))

    who = simulated.decisions["account_id"].iloc[0]
    built = build(simulated, accounts=lambda frame: late(frame).drop_duplicates(["account_id", "valid_from"]))
    n = int((simulated.decisions["account_id"] == who).sum())
    assert f"{n:,} decisions lie before the first valid_from of their account" in " ".join(built.report.notes)
    assert built.frame.loc[built.frame["account_id"] == who, "balance_minor"].isna().all()


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("paid_next_30d", True),
        ("promise_within_7d", True),
        ("pagos_proximos_30d", True),
        ("paid_last_30d", False),
        ("next_payment_due_minor", False),
        ("days_after_due", False),
        ("months_since_last_payment", False),
    ],
)
def test_names_that_look_ahead(name, leak):
    """A window after the decision gives a column away; a payment that is due is known before."""
    assert named_after_the_fact(name) == leak


@pytest.mark.parametrize("as_of", ["soon", "", None, "2026-06-01"])
def test_no_instant_is_no_as_of(simulated, as_of):
    """Words, nothing and instants without an offset are refused alike."""
    with pytest.raises(InvalidInput, match="as_of"):
        build_feedback(*simulated.to_dict().values(), actions=simulated.actions, as_of=as_of, reward="response")
