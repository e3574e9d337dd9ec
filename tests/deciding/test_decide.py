"""Decisions about a portfolio: the message of a contact that falls on another day, and what counts for siblings."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from recommender import ActionSpace
from recommender.columns import Columns
from recommender.deciding import after_planned, debtor_rounds, decide, planned_contact, planned_contacts
from recommender.deciding.decide import default_actions
from recommender.messages import default_catalogue
from recommender.strategy import SeedStrategy

BOGOTA = dt.timezone(dt.timedelta(hours=-5))
LATE = dt.datetime(2026, 11, 17, 21, 30, tzinfo=BOGOTA)  # Tuesday; nothing is legal before tomorrow
STRATEGY = SeedStrategy(default_actions(range(7, 20)))
NOBODY = pd.DataFrame(columns=["account_id", "sent_at", "channel"])


def accounts(n=1, **columns):
    """Accounts that nothing stops."""
    base = {
        "account_id": [f"A{i}" for i in range(n)], "debtor_id": [f"D{i}" for i in range(n)], "country": "CO",
        "timezone": "America/Bogota", "due_date": "2026-11-01", "balance_minor": 100_000, "party": "debtor",
        "consented_channels": "sms;call;email;whatsapp", "flags": "", "language": "es",
    }  # fmt: skip
    return pd.DataFrame(base | columns)


def test_every_ranked_contact_has_a_message_also_where_the_stage_turns_before_it():
    """Due today, contacted tomorrow: tones that are only approved past the due date have their template too."""
    turning = ["2026-11-17", "2026-10-18", "2026-08-19"]  # tomorrow each stands in another stage
    decided = decide(
        accounts(3, due_date=turning), strategy=STRATEGY, as_of=LATE, packs=["CO"], contacts=NOBODY, top_k=300
    )
    ranked = decided.ranked
    contacts = ranked[ranked["channel"].notna()]
    assert contacts["template_id"].notna().all()
    assert set(contacts["row"]) == {0, 1, 2}
    catalogue = default_catalogue()
    tomorrow = dict(enumerate(["administrative", "extrajudicial", "judicial"]))
    today = dict(enumerate(["preventive", "administrative", "extrajudicial"]))
    only_tomorrow = 0
    for contact in contacts.itertuples():
        template = catalogue.get(contact.template_id)
        assert template.tone == contact.tone and contact.channel in template.channels
        assert {today[contact.row], tomorrow[contact.row]} & set(template.stages)
        only_tomorrow += today[contact.row] not in template.stages
    assert only_tomorrow > 20
    assert ranked.loc[ranked["channel"].isna(), "template_id"].isna().all()


def test_a_planned_contact_counts_as_planned():
    """It lies ahead, so it tries nothing: under the rules of the trade it opens no dearer channel."""
    frame = accounts(2)
    decided = decide(frame, strategy=STRATEGY, as_of=LATE, packs=["CO"], contacts=NOBODY, explore=False)
    planned = pd.DataFrame(planned_contacts(decided))
    first = decided.ranked[decided.ranked["rank"] == 1]
    assert planned["account_id"].tolist() == frame["account_id"].tolist()
    assert planned["debtor_id"].tolist() == frame["debtor_id"].tolist()
    assert planned["channel"].tolist() == first["channel"].tolist()
    assert planned["sent_at"].tolist() == first["contact_at"].tolist()
    assert set(planned["status"]) == {"planned"} and set(planned["initiated_by"]) == {"creditor"}
    assert planned["outcome"].isna().all()


def test_no_debtor_has_two_accounts_in_one_round_and_strangers_wait_for_nobody():
    """Accounts without a debtor are people of their own: all in the first round."""
    frame = pd.DataFrame({"debtor_id": ["D", None, "E", "D", None, "D", "E", None]})
    assert debtor_rounds(frame).tolist() == [0, 0, 0, 1, 0, 2, 1, 0]
    assert debtor_rounds(frame.drop(columns="debtor_id")).tolist() == [0] * 8
    assert np.array_equal(debtor_rounds(frame.set_axis(list("hgfedcba"))), debtor_rounds(frame))


def test_a_further_contact_lies_before_nothing_that_is_planned():
    """What is planned was judged without a contact before it; the same instant is not before."""
    decided = decide(accounts(2), strategy=STRATEGY, as_of=LATE, packs=["CO"], contacts=NOBODY)
    ten = dt.datetime(2026, 11, 18, 10, tzinfo=BOGOTA)
    planned = [planned_contact("A9", "D0", "sms", when) for when in (ten - dt.timedelta(hours=2), ten)]
    mask = after_planned(STRATEGY.actions_, decided.eligibility, [planned, []])
    table = STRATEGY.actions_.to_frame()
    contact = table["hour"].notna().to_numpy()
    assert (mask[0] == (~contact | (table["hour"].fillna(0) >= 10).to_numpy())).all()
    assert mask[1].all()


def test_without_hours_a_debtors_second_account_shares_the_moment():
    """All contacts of such a space are made at the decision: none lies before another."""
    strategy = SeedStrategy(ActionSpace({"channel": ["sms", "email"], "tone": ["neutral"]}, no_contact=True))
    noon = dt.datetime(2026, 11, 17, 12, tzinfo=BOGOTA)
    decided = decide(accounts(1), strategy=strategy, as_of=noon, packs=["CO"], contacts=NOBODY)
    planned = [planned_contact("A9", "D0", "sms", noon)]
    assert after_planned(strategy.actions_, decided.eligibility, [planned]).all()
    later = [planned_contact("A9", "D0", "sms", noon + dt.timedelta(minutes=1))]
    assert after_planned(strategy.actions_, decided.eligibility, [later])[0].tolist() == [False, False, True]


def test_outcomes_of_the_contacts_act_as_in_a_plan():
    """An opt-out stops, three failures rest a contact point; whatever kind of table tells it, whatever its labels."""
    frame = accounts(3).set_axis([7, 8, 9])
    rows = [("A0", 220 + hour, "sms", "not_connected") for hour in range(3)] + [("A1", 50, "call", "opt_out_all")]
    told = pd.DataFrame(rows, columns=["account_id", "hours", "channel", "outcome"])
    told["sent_at"] = pd.Timestamp(LATE) - pd.to_timedelta(told.pop("hours"), unit="h")
    told = told.assign(initiated_by="creditor", status="sent").set_axis([3, 1, 4, 2])
    kinds = {
        "frame": (frame, told),
        "arrow": (pa.table(frame.to_dict("list")), pa.table(told.to_dict("list"))),
        "objects": (frame.to_dict("records"), told.assign(sent_at=told["sent_at"].map(str)).to_dict("records")),
    }
    for people, contacts in kinds.values():
        asked = {"strategy": STRATEGY, "as_of": LATE, "packs": ["CO"], "contacts": contacts, "top_k": 300}
        ranked = decide(people, **asked).ranked
        used = ranked.groupby("account")["channel"].agg(lambda channels: set(channels.dropna()))
        assert "sms" in used["A2"]
        assert used["A0"] and "sms" not in used["A0"]
        assert not used["A1"]


def test_what_is_planned_for_those_who_are_decided_later():
    """Of all planned contacts, those whose debtor has an account left to decide; instants are the same."""
    frame = accounts(40, debtor_id=[None if i % 7 == 0 else f"D{i}" for i in range(40)])
    decided = decide(frame, strategy=STRATEGY, as_of=LATE, packs=["CO"], contacts=NOBODY, seed=3)
    everything = planned_contacts(decided)
    assert len(everything) > 32, "more than are looked at one by one"
    assert [one["sent_at"] for one in everything] == [
        decided.contact_at(row, action) or decided.as_of
        for row, action in enumerate(decided.action.tolist())
        if decided.channels[action] is not None
    ]
    waiting = {everything[1]["debtor_id"], everything[-1]["debtor_id"]}
    later = Columns.of([{"account_id": f"other {one}", "debtor_id": one} for one in [*waiting, "nobody", None]])
    assert planned_contacts(decided, later) == [one for one in everything if one["debtor_id"] in waiting]
