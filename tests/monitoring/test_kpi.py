"""Figures of collection managers: definitions, intervals by debtor, and when nothing is compared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recommender.errors import InvalidInput
from recommender.monitoring.kpi import (
    FEWEST_ACCOUNTS,
    KPIS,
    compare_arms,
    split_p_value,
    weekly_trend,
)
from recommender.monitoring.units import EVENTS, account_units, units_of

START = pd.Timestamp("2026-03-02", tz="UTC")  # a Monday
COSTS = {"COP": {"call": 100.0, "sms": 10.0}, "MXN": {"call": 5.0, "sms": 1.0}}


def portfolio(n_debtors=400, seed=0, effect=0.0, accounts_each=2, currencies=("COP",)):
    """Decisions and outcomes of a portfolio whose debtors differ; ``effect`` raises the paying probability."""
    rng = np.random.default_rng(seed)
    decisions, outcomes = [], []
    arm = np.where(rng.random(n_debtors) < 0.5, "policy", "holdout")
    arms = []
    for debtor in range(n_debtors):
        willing = rng.beta(1.0, 2.0)
        for account in range(accounts_each):
            name = f"A{debtor}-{account}"
            currency = currencies[debtor % len(currencies)]
            pays = rng.random() < min(1.0, willing + (effect if arm[debtor] == "policy" else 0.0))
            for turn in range(2):
                key = f"{name}-{turn}"
                channel = ["call", "sms", None][rng.integers(3)]
                at = START + pd.Timedelta(days=7 * turn, hours=9)
                decisions.append((key, name, f"D{debtor}", at, channel, 1_000.0, currency))
                arms.append(arm[debtor])
                if channel == "call":
                    outcomes.append((key, at, "right_party_contact", None, None))
                if pays and turn == 1:
                    outcomes.append((key, at + pd.Timedelta(days=3), "paid", 500, currency))
                    outcomes.append((key, at, "promise_kept", None, None))
    told = ["decision_id", "account_id", "debtor_id", "decided_at", "channel", "balance_minor", "currency"]
    log = ["decision_id", "occurred_at", "outcome", "amount_minor", "currency"]
    return pd.DataFrame(decisions, columns=told), pd.DataFrame(outcomes, columns=log), np.array(arms)


def naive(decisions, outcomes, arms, kpi, arm, currency):
    """The figure of one arm, account by account in plain loops."""
    sums = {"over": 0.0, "under": 0.0}
    keys = dict(zip(decisions["decision_id"], decisions["account_id"], strict=True))
    for account, rows in decisions.assign(arm=arms).groupby("account_id"):
        if rows["arm"].iloc[0] != arm or (currency is not None and rows["currency"].iloc[0] != currency):
            continue
        own = outcomes.loc[outcomes["decision_id"].map(keys) == account]
        has = set(own["outcome"])
        cost = sum(COSTS[row.currency][row.channel] for row in rows.itertuples() if isinstance(row.channel, str))
        value = {
            "accounts": 1.0,
            "contacts": float(rows["channel"].notna().sum()),
            "cost_minor": cost,
            "paid_minor": float(own.loc[own["outcome"] == "paid", "amount_minor"].sum()),
            "balance_minor": float(rows["balance_minor"].iloc[0]),
            "reached": float(bool(has & {"right_party_contact", "promise_kept", "delivered", "read", "replied"})),
            "right_party_contact": float(bool(has & {"right_party_contact", "promise_kept"})),
            "promise": float("promise_kept" in has or "promise_to_pay" in has),
            "promise_kept": float("promise_kept" in has),
            "payment": float("paid" in has),
            "opt_out": float("opt_out" in has),
            "complaint": float("complaint" in has),
        }
        sums["over"] += value[kpi.numerator]
        sums["under"] += value[kpi.denominator]
    return sums["over"] / sums["under"] if sums["under"] else np.nan


def test_every_figure_is_what_its_definition_says():
    """As a naive account-by-account count, for each arm and currency."""
    decisions, outcomes, arms = portfolio(70, currencies=("COP", "MXN"))
    table = compare_arms(account_units(decisions, outcomes, arms, COSTS))
    by_name = {kpi.name: kpi for kpi in KPIS}
    for row in table.itertuples(index=False):
        currency = row.currency if isinstance(row.currency, str) else None
        for arm in ("policy", "holdout"):
            expected = naive(decisions, outcomes, arms, by_name[row.kpi], arm, currency)
            assert getattr(row, arm) == pytest.approx(expected, nan_ok=True)


def test_amounts_of_different_currencies_are_never_added():
    """Money has a row a currency, everything else one row."""
    decisions, outcomes, arms = portfolio(60, currencies=("COP", "MXN"))
    table = compare_arms(account_units(decisions, outcomes, arms, COSTS))
    assert set(table.loc[table["kpi"] == "recovery", "currency"]) == {"COP", "MXN"}
    assert len(table.loc[table["kpi"] == "payment"]) == 1


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    """With no effect, 95 % intervals miss zero in about one of twenty portfolios of dependent accounts."""
    missed = 0
    for seed in range(40):
        decisions, outcomes, arms = portfolio(160, seed=seed, accounts_each=2)
        row = compare_arms(account_units(decisions, outcomes, arms)).set_index("kpi").loc["payment"]
        missed += not row["low"] <= 0.0 <= row["high"]
    assert missed <= 7  # 40 x 5 % = 2; more than 7 has a probability below 0.1 %


def test_accounts_of_one_debtor_are_not_taken_for_independent():
    """The same accounts copied under the same debtors do not narrow the interval."""
    decisions, outcomes, arms = portfolio(400, accounts_each=1)
    twice, told = [decisions], [outcomes]
    for copy in range(3):
        again = decisions.assign(
            decision_id=decisions["decision_id"] + f"c{copy}", account_id=decisions["account_id"] + f"c{copy}"
        )
        twice.append(again)
        told.append(outcomes.assign(decision_id=outcomes["decision_id"] + f"c{copy}"))
    one = compare_arms(account_units(decisions, outcomes, arms)).set_index("kpi").loc["payment"]
    four = compare_arms(account_units(pd.concat(twice), pd.concat(told), np.tile(arms, 4))).set_index("kpi")
    assert four.loc["payment", "high"] - four.loc["payment", "low"] == pytest.approx(one["high"] - one["low"])


def test_a_real_effect_is_found():
    """A policy under which more debtors pay is shown with an interval above zero."""
    decisions, outcomes, arms = portfolio(800, effect=0.3)
    row = compare_arms(account_units(decisions, outcomes, arms)).set_index("kpi").loc["payment"]
    assert row["low"] > 0.1


def test_few_accounts_or_events_are_not_compared():
    """Below the least numbers there is a state and no difference."""
    decisions, outcomes, arms = portfolio(30)
    table = compare_arms(account_units(decisions, outcomes, arms)).set_index("kpi")
    assert (table["state"] == "few accounts").all()
    assert table["difference"].isna().all()
    decisions, outcomes, arms = portfolio(300)
    table = compare_arms(account_units(decisions, outcomes, arms)).set_index("kpi")
    assert table.loc["complaint", "state"] == "few events"
    assert table.loc["cost_per_unit", "state"] == "unknown"  # no costs were given
    assert table.loc["payment", "n_policy"] >= FEWEST_ACCOUNTS


def test_a_week_counts_what_happened_within_its_window():
    """An outcome after the window is left out, and a week whose window is still open says so."""
    decisions, outcomes, arms = portfolio(300)
    late = outcomes.loc[outcomes["outcome"] == "paid"].assign(
        occurred_at=lambda frame: frame["occurred_at"] + pd.Timedelta(days=20)
    )
    moved = pd.concat([outcomes.loc[outcomes["outcome"] != "paid"], late])
    trend = weekly_trend(decisions, moved, arms, window_days=14).set_index(["week", "kpi"])
    second = pd.Timestamp("2026-03-09")
    assert trend.loc[(second, "payment"), "policy"] == 0.0
    assert trend["complete"].all()
    trend = weekly_trend(decisions, outcomes, arms, window_days=14).set_index(["week", "kpi"])
    assert trend.loc[(second, "payment"), "policy"] > 0.0
    assert not trend.loc[(second, "payment"), "complete"]


def test_a_broken_split_is_seen():
    """A holdout of a tenth where a half was planned has a tiny p value."""
    decisions, outcomes, arms = portfolio(400)
    units = account_units(decisions, outcomes, arms)
    assert split_p_value(units, 0.5) > 0.001
    assert split_p_value(units, 0.9) < 0.001


def test_a_column_that_is_not_there_is_named():
    """Decisions without a column that the figures need are an error that names it."""
    decisions, outcomes, arms = portfolio(10)
    with pytest.raises(InvalidInput, match="balance_minor"):
        account_units(decisions.drop(columns="balance_minor"), outcomes, arms)


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_swapping_the_arms_turns_every_difference_round(seed):
    """Policy minus control is minus (control minus policy), interval included."""
    decisions, outcomes, arms = portfolio(160, seed=seed, accounts_each=2)
    there = compare_arms(account_units(decisions, outcomes, arms, COSTS))
    other = np.where(arms == "policy", "holdout", "policy")
    back = compare_arms(account_units(decisions, outcomes, other, COSTS))
    np.testing.assert_allclose(there["difference"].astype(float), -back["difference"].astype(float))
    np.testing.assert_allclose(there["low"].astype(float), -back["high"].astype(float))


@pytest.mark.parametrize(("late", "complete"), [((14, 0), False), ((18, -1), False), ((18, 0), True)])
def test_a_week_is_complete_once_the_window_of_its_last_decision_has_passed(late, complete):
    """Monday's is over days before Friday's; at its end, not a microsecond before, nothing more can come."""
    decisions, outcomes, arms = portfolio(60)
    friday = decisions["decided_at"].eq(START + pd.Timedelta(hours=9)) & (np.arange(len(decisions)) % 4 == 0)
    decisions["decided_at"] += pd.to_timedelta(np.where(friday, 4, 0), unit="D")
    last = START + pd.Timedelta(days=late[0], hours=9, microseconds=late[1])
    outcomes = outcomes.loc[outcomes["occurred_at"] < last]
    outcomes = outcomes.assign(occurred_at=outcomes["occurred_at"].where(np.arange(len(outcomes)) > 0, last))
    trend = weekly_trend(decisions, outcomes, arms, window_days=14)
    assert set(trend.loc[trend["week"] == START.tz_localize(None), "complete"]) == {complete}
    assert friday.any() and set(trend["week"].dt.day_of_week) == {0}


@pytest.mark.parametrize(("early", "counts"), [(0, False), (1, True)])
def test_an_outcome_at_the_end_of_its_window_is_out(early, counts):
    """A microsecond before it counts."""
    decisions, outcomes, arms = portfolio(60)
    paid = outcomes.loc[outcomes["outcome"] == "paid"]
    end = paid["decision_id"].map(decisions.set_index("decision_id")["decided_at"]) + pd.Timedelta(days=14)
    paid = paid.assign(occurred_at=end - pd.Timedelta(microseconds=early))
    trend = weekly_trend(decisions, paid, arms, window_days=14).set_index(["week", "kpi"])
    assert (trend.loc[(pd.Timestamp("2026-03-09"), "payment"), "policy"] > 0) == counts


@pytest.mark.parametrize("few", ["policy", "holdout"])
@pytest.mark.parametrize(("accounts", "is_few"), [(FEWEST_ACCOUNTS - 1, True), (FEWEST_ACCOUNTS, False)])
def test_the_smaller_arm_says_whether_there_are_enough_accounts(few, accounts, is_few):
    """However large the other one is."""
    decisions, outcomes, _ = portfolio(3 * FEWEST_ACCOUNTS, accounts_each=1)
    small = decisions["debtor_id"].str.removeprefix("D").astype(int).to_numpy() < accounts
    other = "holdout" if few == "policy" else "policy"
    table = compare_arms(account_units(decisions, outcomes, np.where(small, few, other))).set_index("kpi")
    assert table.loc["payment", f"n_{few}"] == accounts
    assert (table.loc["payment", "state"] == "few accounts") == is_few
    # Of promises those who made one are counted: all of the other arm, so many of this one, which is large enough.
    debtor = decisions["debtor_id"].str.removeprefix("D").astype(int).to_numpy()
    arms = np.where(debtor % 2 == 0, few, other)
    promised = (arms == other) | (debtor < 2 * accounts)
    told = decisions.loc[promised & ~decisions["account_id"].duplicated()]
    kept = pd.DataFrame({"decision_id": told["decision_id"], "occurred_at": told["decided_at"],
                         "outcome": np.where(np.arange(len(told)) % 3 == 0, "promise_kept", "promise_to_pay"),
                         "amount_minor": None, "currency": None})  # fmt: skip
    table = compare_arms(account_units(decisions, kept, arms)).set_index("kpi")
    assert table.loc["promise", "state"] == "ok" and table.loc["promise_kept", f"n_{few}"] == accounts
    assert (table.loc["promise_kept", "state"] == "few accounts") == is_few


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("name", ["payment", "recovery", "promise_kept", "contacts"])
def test_an_interval_is_that_of_two_ratios_over_debtors(name, confidence):
    """Welch's, each arm's variance from what its debtors pull its ratio by, in plain loops."""
    decisions, outcomes, arms = portfolio(400, seed=3)
    kept = np.flatnonzero(outcomes["outcome"] == "promise_kept")
    outcomes.iloc[kept[::3], outcomes.columns.get_loc("outcome")] = "promise_to_pay"  # and not kept
    units = account_units(decisions, outcomes, arms, COSTS)
    kpi = next(one for one in KPIS if one.name == name)
    table = compare_arms(units, confidence=confidence).set_index("kpi").loc[name]
    value, variance, freedom = {}, {}, {}
    for arm in ("policy", "holdout"):
        own = units.loc[units["arm"] == arm]
        if name == "promise_kept":  # of those who promised
            own = own.loc[own["promise"] > 0]
        total = own[kpi.denominator].sum()
        value[arm] = own[kpi.numerator].sum() / total
        pulls = [
            (part[kpi.numerator] - value[arm] * part[kpi.denominator]).sum() / total
            for _, part in own.groupby("debtor_id")
        ]
        n = len(pulls)
        variance[arm], freedom[arm] = n / (n - 1) * sum(pull**2 for pull in pulls), n - 1
    both = sum(variance.values())
    degrees = both**2 / sum(variance[arm] ** 2 / freedom[arm] for arm in variance)
    half = stats.t.ppf(0.5 + confidence / 2, degrees) * both**0.5
    difference = value["policy"] - value["holdout"]
    assert table["state"] == "ok"
    told = [float(table[column]) for column in ("difference", "low", "high")]
    assert told == pytest.approx([difference, difference - half, difference + half])


@pytest.mark.parametrize("seed", range(3))
def test_an_account_is_what_its_decisions_add_up_to(seed):
    """In plain loops, in any order of the rows: sums of what is known, and what was known first of the rest."""
    rng = np.random.default_rng(seed)
    n = 80
    at = START + pd.to_timedelta(rng.permutation(n), unit="h")
    account = rng.integers(0, 25, n)
    gap = rng.random((2, n)) < 0.3
    decided = pd.DataFrame({
        "account_id": [f"A{one}" for one in account], "debtor_id": [f"D{one // 2}" for one in account],
        "decided_at": at, "arm": "policy", "currency": np.where(gap[0], None, rng.choice(["COP", "MXN"], n)),
        "balance_minor": np.where(gap[1], np.nan, rng.integers(1, 10**6, n)), "contacts": rng.integers(0, 2, n),
        "cost_minor": np.where(rng.random(n) < 0.4, np.nan, rng.integers(1, 50, n)),
        "paid_minor": np.where(rng.random(n) < 0.7, np.nan, rng.integers(1, 900, n)),
        **{name: (rng.random(n) < 0.3).astype(float) for name in EVENTS},
    })  # fmt: skip
    units = units_of(decided).set_index("account_id")
    assert set(units.index) == set(decided["account_id"])
    for name, unit in units.iterrows():
        own = decided.loc[decided["account_id"] == name].sort_values("decided_at")
        for column in ("currency", "balance_minor"):
            known = [one for one in own[column] if not pd.isna(one)]
            assert unit[column] == known[0] if known else pd.isna(unit[column]), column
        for column in ("contacts", "cost_minor", "paid_minor"):
            known = [one for one in own[column] if not pd.isna(one)]
            expected = sum(known) if known or column == "paid_minor" else np.nan  # nothing paid is nothing
            assert unit[column] == pytest.approx(expected, nan_ok=True), column
        assert all(unit[name] == float(own[name].any()) for name in EVENTS)
        same = units.loc[units["debtor_id"] == unit["debtor_id"], "debtor"]
        assert unit["accounts"] == 1.0 and len({*same}) == 1
    assert units["debtor"].nunique() == units["debtor_id"].nunique()
