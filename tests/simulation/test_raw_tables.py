"""Simulated raw tables keep their contracts and the order of cause and effect."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.history import build_feedback
from recommender.simulation import simulate_tables
from recommender.simulation.standing import draw_standing
from recommender.tables import CONTRACTS, OUTCOMES


@pytest.fixture(scope="module")
def tables():
    """Tables of about ten thousand contacts."""
    return simulate_tables(10_000, days=120, seed=4)


def test_same_seed_same_tables():
    """Same arguments give the same tables."""
    one, two = (simulate_tables(1_000, days=40, seed=3).to_dict() for _ in range(2))
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, two[name])


def test_columns_are_those_of_the_contracts(tables):
    """Every contracted column is there, and about as many contacts as asked for."""
    for name, frame in tables.to_dict().items():
        # pay days are told where debtors follow them (test_calendar.py)
        assert set(CONTRACTS[name].names) <= {*frame.columns, "phone", "payday"}, name
    assert len(tables.contacts) == pytest.approx(10_000, rel=0.02)


def test_nothing_lies_after_the_export(tables):
    """Delayed outcomes and payments that have not happened yet are not in the tables."""
    instants = {
        "accounts": "valid_from",
        "decisions": "decided_at",
        "contacts": "sent_at",
        "outcomes": "occurred_at",
        "payments": "paid_at",
    }
    for name, column in instants.items():
        moments = tables.to_dict()[name][column]
        assert str(moments.dtype) == "datetime64[us, UTC]"
        assert moments.max() <= tables.as_of


def test_effects_follow_causes(tables):
    """Decisions precede their contacts, contacts their outcomes; the factors of a contact are those decided."""
    contacts = tables.contacts.merge(tables.decisions, on="decision_id", suffixes=("", "_decided"))
    assert len(contacts) == len(tables.contacts)
    assert (contacts["decided_at"] < contacts["sent_at"]).all()
    assert (contacts["account_id"] == contacts["account_id_decided"]).all()
    assert (contacts["channel"] == contacts["channel_decided"]).all()
    local_hour = contacts["sent_at"].dt.tz_convert("America/Bogota").dt.hour
    assert (local_hour == contacts["hour"]).all()
    outcomes = tables.outcomes.merge(tables.contacts[["contact_id", "sent_at"]], on="contact_id")
    assert len(outcomes) == len(tables.outcomes)
    assert (outcomes["occurred_at"] >= outcomes["sent_at"]).all()


def test_left_alone_is_a_decision_without_a_contact(tables):
    """``NO_CONTACT`` decisions have null factors and no contact."""
    idle = tables.decisions["channel"].isna()
    assert 0.02 < idle.mean() < 0.5
    assert (idle == tables.decisions["hour"].isna()).all()
    assert not tables.decisions.loc[idle, "decision_id"].isin(tables.contacts["decision_id"]).any()


def test_ladder_is_climbed_in_order(tables):
    """Every contact is attempted; promises follow answers, and both rungs of a kept promise follow the promise."""
    first = tables.outcomes.pivot_table(index="contact_id", columns="outcome", values="occurred_at", aggfunc="min")
    assert first["attempted"].notna().all()
    assert set(first.columns) <= set(OUTCOMES)
    answered = first["right_party_contact"].fillna(first["replied"])
    promised = first["promise_to_pay"].dropna()
    assert (answered[promised.index] <= promised).all()
    kept = first["promise_kept"].dropna()
    assert len(kept) > 20
    assert (first["promise_to_pay"][kept.index] < kept).all()
    assert (first["paid"][kept.index] == kept).all()
    assert 0.02 < answered.notna().mean() < 0.1


def test_balances_follow_payments(tables):
    """The change history starts before the first decision, and every payment lowers the balance by its amount."""
    opening = tables.accounts.groupby("account_id")["balance_minor"].first()
    closing = tables.accounts.groupby("account_id")["balance_minor"].last()
    paid = tables.payments.groupby("account_id")["amount_minor"].sum().reindex(opening.index, fill_value=0)
    pd.testing.assert_series_equal(opening - paid, closing, check_names=False)
    assert (closing >= 0).all()
    assert (tables.payments["amount_minor"] > 0).all()
    began = tables.accounts.groupby("account_id")["valid_from"].min()
    decided = tables.decisions.groupby("account_id")["decided_at"].min()
    assert (began[decided.index] < decided).all()


def test_every_state_holds_the_balance_of_its_moment():
    """Each state holds the opening balance less what was paid by then, also after an opt-out on a day of payment."""
    tables = simulate_tables(12_000, n_accounts=600, days=60, seed=5, logger="uniform")
    assert (tables.outcomes["outcome"] == "opt_out").sum() > 15
    states = tables.accounts.sort_values(["account_id", "valid_from"])
    paid = tables.payments.sort_values("paid_at").assign(
        paid=lambda rows: rows.groupby("account_id")["amount_minor"].cumsum()
    )
    known = pd.merge_asof(
        states.sort_values("valid_from"),
        paid[["account_id", "paid_at", "paid"]],
        left_on="valid_from",
        right_on="paid_at",
        by="account_id",
    )
    opening = known.groupby("account_id")["balance_minor"].transform("first")
    assert (opening - known["paid"].fillna(0) == known["balance_minor"]).all()


def test_some_pay_late_in_small_parts_and_unprompted(tables):
    """Payments are heavy-tailed, and many happen without any response."""
    amounts = tables.payments["amount_minor"]
    assert amounts.mean() > 2 * amounts.median()
    prompted = (tables.outcomes["outcome"] == "paid").sum()
    assert 0.15 < prompted / len(tables.payments) < 0.85


def test_debtors_have_several_accounts_and_one_home(tables):
    """Some debtors have several accounts; what belongs to the debtor is the same on all of them."""
    accounts = tables.accounts.drop_duplicates("account_id")
    assert (accounts["debtor_id"].value_counts() > 1).mean() > 0.1
    assert len(accounts.drop_duplicates(["debtor_id", "subdivision"])) == accounts["debtor_id"].unique().size


def test_propensity_is_that_after_masking(tables):
    """Logged actions are eligible, and the inverse propensities sum to about the number of eligible actions."""
    index = tables.actions.index_of(tables.decisions)
    eligible = np.array([[cell == "1" for cell in text] for text in tables.decisions["eligible"]])
    assert eligible[np.arange(len(index)), index].all()
    weights = 1.0 / tables.decisions["propensity"].to_numpy() / eligible.sum(axis=1)
    assert abs(weights.mean() - 1.0) < 4 * weights.std() / np.sqrt(len(weights))
    assert "propensity" not in simulate_tables(200, days=20, propensities="hidden").decisions


def test_nobody_is_contacted_against_their_will(tables):
    """No contact on a channel that the debtor had not consented to at the time, nor after a stop flag."""
    contacts = tables.contacts.sort_values("sent_at")
    states = tables.accounts[["account_id", "valid_from", "channels_consented", "cease_contact", "deceased"]]
    known = pd.merge_asof(
        contacts.merge(tables.decisions[["decision_id", "decided_at"]]).sort_values("decided_at"),
        states.sort_values("valid_from"),
        left_on="decided_at",
        right_on="valid_from",
        by="account_id",
    )
    allowed = [
        channel in text.split("|") for channel, text in zip(known["channel"], known["channels_consented"], strict=True)
    ]
    assert all(allowed)
    assert not known["cease_contact"].any()
    assert not known["deceased"].any()


def test_tables_become_a_log(tables):
    """The raw tables pass the contracts without a row in quarantine and give a log with propensities."""
    built = build_feedback(**tables.to_dict(), actions=tables.actions, as_of=tables.as_of, reward="response")
    assert len(built.quarantine) == 0
    assert len(built.feedback) == len(tables.decisions)
    assert 0.01 < np.nanmean(built.feedback.reward) < 0.1


def test_a_country_sets_the_zone():
    """All debtors live where asked; None gives a mix."""
    chile = simulate_tables(200, days=20, country="CL", currency="CLP")
    assert set(chile.accounts["country"]) == {"CL"}
    assert set(chile.payments["currency"]) <= {"CLP"}
    assert simulate_tables(600, days=20, country=None).accounts["country"].unique().size > 1
    with pytest.raises(InvalidInput, match="not simulated"):
        simulate_tables(200, days=20, country="ZZ")


def test_bad_sizes_are_refused():
    """Zero contacts or days are refused by name."""
    for arguments in ({"n_contacts": 0}, {"days": 0}):
        with pytest.raises(InvalidInput, match="at least 1"):
            simulate_tables(**arguments)


def test_every_debtor_can_be_reached_lawfully_on_some_channel():
    """Whoever drew no consent where they can be reached gets one; about one debtor in ten thousand."""
    standing = draw_standing(60_000, np.random.default_rng(0))
    assert (standing.reachable & standing.consented).any(axis=1).all()
