"""Offers: ranges, authority, one open offer a debtor, waiting never pays, and a budget that is never broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.columns import Columns
from recommender.messages import STAGES
from recommender.offers import Offer, OfferDesk, PriceList, PriceListError

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
LIST = """
schema = 1
currency = "COP"
budget_minor = 100_000
capital_percent_month = 1.0

[[offers]]
id = "d20"
kind = "discount"
percent = 20
stages = ["extrajudicial", "judicial"]
min_balance_minor = 50_000
authority = "agent"

[[offers]]
id = "d10"
kind = "discount"
percent = 10
stages = ["extrajudicial", "judicial"]
min_balance_minor = 50_000

[[offers]]
id = "six"
kind = "instalments"
instalments = 6
stages = ["administrative", "extrajudicial", "judicial"]
max_balance_minor = 49_999
valid_days = 5
"""


def accounts(*rows: dict[str, object]) -> Columns:
    """Accounts as columns."""
    return Columns.of(
        [{"account_id": f"A{at}", "debtor_id": None, "balance_minor": None, **one} for at, one in enumerate(rows)]
    )


def allowed(desk: OfferDesk, table: Columns, days: list[int], at: datetime = NOW, **more: object) -> list[set[str]]:
    """Ids that each account may be offered."""
    ruled = desk.rules(table, as_of=at, days_past_due=np.array(days), **more)  # type: ignore[arg-type]
    return [{name for name, open_ in zip(desk.prices.ids, row, strict=True) if open_} for row in ruled.allowed]


def test_the_list_is_a_range_of_stage_balance_and_authority() -> None:
    """Outside its stage, balance or authority an offer is not made; at the edges it is."""
    prices = PriceList.from_toml(LIST)
    table = accounts({"balance_minor": 50_000}, {"balance_minor": 49_999}, {"balance_minor": None})
    assert allowed(OfferDesk(prices), table, [31, 31, 31]) == [{"d10"}, {"six"}, set()]
    assert allowed(OfferDesk(prices), table, [30, 30, 30]) == [set(), {"six"}, set()]
    assert allowed(OfferDesk(prices), table, [0, 0, 0]) == [set(), set(), set()]
    assert allowed(OfferDesk(prices, authority="agent"), table, [91, 91, 91])[0] == {"d10", "d20"}
    assert allowed(OfferDesk(prices), accounts({"balance_minor": 60_000, "currency": "USD"}), [31]) == [set()]


def test_the_range_of_a_rule_pack_holds() -> None:
    """A pack that allows 0 to 5 % from 60 days past due takes out the rest, by its name."""
    desk = OfferDesk(PriceList.from_toml(LIST))
    table = accounts({"balance_minor": 60_000}, {"balance_minor": 40_000}, {"balance_minor": 40_000})
    limits = [("x-incentive", *(np.array([value] * 3, dtype=float) for value in (0, 5, 60)))]
    ruled = desk.rules(table, as_of=NOW, days_past_due=np.array([70, 70, 59]), ranges=limits)
    assert ruled.allowed.sum() == 1
    assert ruled.allowed[1, 2]
    assert ruled.removed["x-incentive"][0, 1]
    assert ruled.removed["x-incentive"][2].all()


def test_what_an_offer_costs() -> None:
    """A discount costs its part of the balance; six instalments two and a half months of capital."""
    prices = PriceList.from_toml(LIST)
    assert prices.costs(np.array([40_000.0]))[0].tolist() == [8_000.0, 4_000.0, 1_000.0]
    assert [offer.message_kind for offer in prices.offers] == ["incentive", "incentive", "flexible_offer"]


def test_one_open_offer_a_debtor() -> None:
    """While an offer runs it may be repeated, for its account only; afterwards nothing better follows."""
    prices = PriceList.from_toml(LIST)
    desk = OfferDesk(prices, authority="supervisor")
    table = accounts({"debtor_id": "D", "balance_minor": 60_000}, {"debtor_id": "D", "balance_minor": 40_000})
    assert allowed(desk, table, [40, 40]) == [{"d20", "d10"}, set()]  # the second account of a debtor waits
    desk.make("A0", "d10", at=NOW, balance_minor=60_000, debtor_id="D")
    assert allowed(desk, table, [40, 40]) == [{"d10"}, set()]
    later = NOW + timedelta(days=11)
    assert allowed(desk, table, [51, 51], later) == [{"d10"}, set()]
    refused = [{"account_id": "A0", "debtor_id": "D", "offer_id": "six", "offered_at": NOW, "status": "refused"}]
    assert allowed(OfferDesk(prices, refused), table, [40, 40]) == [set(), {"six"}]


def test_an_offer_runs_for_its_days_and_no_longer() -> None:
    """Five days: one second before the end it binds the debtor's other account, at the end it does not."""
    desk = OfferDesk(PriceList.from_toml(LIST))
    desk.make("A9", "six", at=NOW, balance_minor=40_000, debtor_id="D")
    other = accounts({"debtor_id": "D", "balance_minor": 40_000})
    end = NOW + timedelta(days=5)
    assert allowed(desk, other, [45], end - timedelta(seconds=1)) == [set()]
    assert allowed(desk, other, [45], end) == [{"six"}]
    assert desk.committed(end - timedelta(microseconds=1)) == 1_000.0  # nor does it hold its money any longer
    assert desk.committed(end) == 0.0


def test_an_account_that_comes_twice_keeps_the_dearer_offer_reserved() -> None:
    """The budget of 11,000 pays 6,000 for the first account, however small its second row is, and no second 6,000."""
    desk = OfferDesk(PriceList.from_toml(LIST.replace("budget_minor = 100_000", "budget_minor = 11_000")))
    first, again = {"account_id": "A0", "balance_minor": 60_000}, {"account_id": "A0", "balance_minor": 50_000}
    assert allowed(desk, accounts(first, again, {"balance_minor": 60_000}), [40] * 3) == [{"d10"}, {"d10"}, set()]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, "D"])), min_size=1, max_size=12),
    st.integers(0, 60_000),
)
@settings(max_examples=60)
def test_an_account_that_comes_again_costs_nothing_more(rows: list[tuple[int, str | None]], budget: int) -> None:
    """Named once or several times, wherever its rows stand: everybody may be offered what they may be offered then."""
    prices = PriceList.from_toml(LIST.replace("budget_minor = 100_000", f"budget_minor = {budget}"))
    whose = dict(reversed(rows))
    told = [{"account_id": f"A{number}", "debtor_id": whose[number], "balance_minor": 50_000 + 9_000 * number}
            for number, _ in rows]  # fmt: skip
    once = list({str(one["account_id"]): one for one in told}.values())
    desk = OfferDesk(prices, authority="supervisor")
    alone = dict(
        zip((one["account_id"] for one in once), allowed(desk, accounts(*once), [40] * len(once)), strict=True)
    )
    assert allowed(desk, accounts(*told), [40] * len(told)) == [alone[one["account_id"]] for one in told]


def test_a_list_that_rewards_waiting_is_refused() -> None:
    """More at a later stage, for some balance, is an error that names both offers."""
    worse = LIST.replace('percent = 20\nstages = ["extrajudicial", "judicial"]', 'percent = 20\nstages = ["judicial"]')
    with pytest.raises(PriceListError, match=r"'d20' gives 20 % .* more than 'd10'"):
        PriceList.from_toml(worse)
    with pytest.raises(PriceListError, match="percent above 0"):
        PriceList.from_toml(LIST.replace("percent = 10", "percent = 0"))


@st.composite
def price_lists(draw: st.DrawFn) -> PriceList | None:
    """A list of a few offers at any stages and balances; None where it would reward waiting."""
    offers = []
    for at in range(draw(st.integers(1, 4))):
        low = draw(st.sampled_from([0, 10_000, 50_000]))
        stages = draw(st.sets(st.sampled_from(STAGES), min_size=1))
        width = draw(st.sampled_from([None, 20_000, 90_000]))
        offers.append(
            Offer(
                id=f"o{at}", kind="discount", percent=draw(st.sampled_from([5, 10, 15, 30])), min_balance_minor=low,
                stages=tuple(name for name in STAGES if name in stages),
                max_balance_minor=None if width is None else low + width, valid_days=draw(st.integers(1, 20)),
            )
        )  # fmt: skip
    try:
        return PriceList(offers, currency="COP", budget_minor=draw(st.sampled_from([None, 0, 3_000, 20_000])))
    except PriceListError:
        return None


@given(
    price_lists(),
    st.lists(
        st.tuples(st.integers(0, 25), st.integers(0, 2), st.integers(0, 5), st.sampled_from([8_000, 30_000, 60_000])),
        max_size=12,
    ),
)
@settings(max_examples=80, deadline=None)
def test_waiting_never_pays_and_the_budget_holds(
    prices: PriceList | None, steps: list[tuple[int, int, int, int]]
) -> None:
    """Over any sequence of days, debtors and choices no debtor is ever offered more than before, nor two at a time."""
    if prices is None:
        return
    desk, day, made = OfferDesk(prices), -20, {}
    held: list[tuple[str, str, datetime, float]] = []
    for wait, who, pick, balance in steps:
        day += wait
        at = NOW + timedelta(days=day)
        table = accounts({"account_id": f"A{who}", "debtor_id": f"D{who}", "balance_minor": balance})
        choice = sorted(allowed(desk, table, [day], at)[0])
        if not choice:
            continue
        offer = prices.get(choice[pick % len(choice)])
        assert offer is not None
        assert offer.percent <= made.get(who, 100)
        running = [one for one in held if one[0] == f"A{who}" and one[2] > at]
        assert all(one[1] == offer.id for one in running)
        if not running:
            held.append((f"A{who}", offer.id, at + timedelta(days=offer.valid_days), balance * offer.percent / 100))
        desk.make(f"A{who}", offer.id, at=at, balance_minor=balance, debtor_id=f"D{who}")
        made[who] = offer.percent
        if prices.budget_minor is not None:
            assert sum(one[3] for one in held if one[2] > at) <= prices.budget_minor + 1e-6


def test_the_budget_serves_the_first_and_is_not_broken_by_many() -> None:
    """However many may be offered something at once, all of it taken costs no more than is left."""
    prices = PriceList.from_toml(LIST)
    desk = OfferDesk(prices, authority="agent")
    table = accounts(*({"balance_minor": 60_000 + at} for at in range(40)))
    ruled = desk.rules(table, as_of=NOW, days_past_due=np.full(40, 40))
    costs = prices.costs(table.numbers("balance_minor"))
    assert (costs * ruled.allowed).max(axis=1).sum() <= prices.budget_minor
    assert ruled.allowed[0].sum() == 2
    assert not ruled.allowed[-1].any()
    assert ruled.removed["offer-budget"][-1, 0]
    unknown = OfferDesk(prices, [{"account_id": "B", "offer_id": "gone", "offered_at": NOW}])
    assert not unknown.rules(table, as_of=NOW, days_past_due=np.full(40, 40)).allowed.any()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([8_000, 30_000, 60_000, 90_000])), min_size=1, max_size=14),
    st.sampled_from([0, 3_000, 9_000, 40_000]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_a_budget_that_was_shared_out_holds_in_any_order_and_company(
    people: list[tuple[int, int]], budget: int, random: object
) -> None:
    """Whoever decides about some of the accounts, with any choice among what is allowed: all taken costs no more."""
    prices = PriceList.from_toml(LIST.replace("budget_minor = 100_000", f"budget_minor = {budget}"))
    free = PriceList(prices.offers, currency="COP", capital_percent_month=prices.capital_percent_month)
    rows = [{"debtor_id": f"D{who}", "balance_minor": balance} for who, balance in people]
    table, days = accounts(*rows), np.full(len(rows), 40)
    before = [{"account_id": "A0", "offer_id": "d10", "offered_at": NOW - timedelta(days=1), "cost_minor": 2_000}]
    open_ = OfferDesk(free, before, authority="agent")
    asked = open_.asked_for(table, open_.rules(table, as_of=NOW, days_past_due=days).allowed, NOW)
    whole = OfferDesk(prices, before, authority="agent")
    served = zip(table.values("account_id"), np.nan_to_num(asked, nan=np.inf), strict=True)
    granted = whole.shared_out(((str(name), costs) for name, costs in served), NOW)
    spent, order = 2_000.0, list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for row in order:
        desk = OfferDesk(prices, before, authority="agent", granted=granted)
        alone = accounts(*rows).take(np.array([row]))
        may = sorted(allowed(desk, alone, [40])[0])
        if may and row != 0:
            cost = prices.costs(alone.numbers("balance_minor"))[0]
            spent += max(cost[prices.ids.index(name)] for name in may)
    assert spent <= max(budget, 2_000) + 1e-6


def test_an_offer_is_remembered_by_account_where_nobody_names_its_debtor() -> None:
    """A table of offers without debtors binds the debtor of its accounts, and the other way round."""
    prices = PriceList.from_toml(LIST)
    by_account = OfferDesk(prices, [{"account_id": "A0", "offer_id": "d10", "offered_at": NOW, "cost_minor": 5}])
    assert allowed(by_account, accounts({"debtor_id": "D", "balance_minor": 60_000}), [40]) == [{"d10"}]
    by_debtor = OfferDesk(prices, authority="agent")
    by_debtor.make("A0", "d10", at=NOW, balance_minor=60_000, debtor_id="D")
    assert allowed(by_debtor, accounts({"balance_minor": 60_000}), [40]) == [{"d10"}]
    assert by_debtor.committed(NOW) == 6_000


def test_an_offer_of_unknown_cost_holds_its_part_of_the_balance() -> None:
    """A tenth of 60,000 and two and a half months of 40,000; what is left of the budget may be spent to the last."""
    made = [{"account_id": name, "offer_id": offer, "offered_at": NOW, "balance_minor": balance}
            for name, offer, balance in (("B0", "d10", 60_000), ("B1", "six", 40_000))]  # fmt: skip
    desk = OfferDesk(PriceList.from_toml(LIST.replace("budget_minor = 100_000", "budget_minor = 12_500")), made)
    assert desk.committed(NOW) == 7_000.0
    assert allowed(desk, accounts({"balance_minor": 55_000}), [40]) == [{"d10"}]
    assert allowed(desk, accounts({"balance_minor": 55_010}), [40]) == [set()]
    told = [made[0] | {"cost_minor": 1.0}]
    assert OfferDesk(desk.prices, told).committed(NOW) == 1.0
    assert np.isnan(OfferDesk(desk.prices, [made[0] | {"balance_minor": None}]).committed(NOW))


@pytest.mark.parametrize("told", [None, timedelta(days=3), timedelta(days=9)])
@pytest.mark.parametrize("who", ["account", "debtor"])
def test_an_offer_that_is_repeated_ends_when_it_ends(told: timedelta | None, who: str) -> None:
    """Asked at any moment, it never runs longer than as first said; at its end, and for others, it is a new one."""
    row = {"account_id": "A0", "debtor_id": "D" if who == "debtor" else None, "offer_id": "six", "offered_at": NOW}
    row |= {"valid_until": None if told is None else NOW + told, "cost_minor": 5}
    desk = OfferDesk(PriceList.from_toml(LIST), [row])
    six, d10 = desk.prices.get("six"), desk.prices.get("d10")
    assert six is not None and d10 is not None
    end, tick = NOW + (timedelta(days=5) if told is None else told), timedelta(microseconds=1)

    def until(offer: Offer, at: datetime, account: str = "A0") -> datetime:
        return desk.valid_until(account, offer, at=at, debtor_id=row["debtor_id"])

    for at in (NOW, NOW + timedelta(days=1, hours=7), end - tick):
        assert until(six, at) == min(end, at + timedelta(days=5))
    for at in (end, end + tick):
        assert until(six, at) == at + timedelta(days=5)
    assert until(six, NOW, "A1") == NOW + timedelta(days=5)
    assert until(d10, NOW) == NOW + timedelta(days=d10.valid_days)


@pytest.mark.parametrize("status", ["open", "sent", "accepted", "refused", "expired", "withdrawn"])
def test_what_runs_is_paid_for_and_what_ended_is_not(status: str) -> None:
    """With nothing left of the budget a running offer may be repeated for its account, and no other be made."""
    prices = PriceList.from_toml(LIST.replace("budget_minor = 100_000", "budget_minor = 6_000"))
    table = accounts({"balance_minor": 60_000}, {"balance_minor": 60_000})
    made = {"account_id": "A0", "offer_id": "d10", "cost_minor": 6_000, "status": status}
    now, before = ([made | {"offered_at": NOW - timedelta(days=days)}] for days in (2, 20))
    # Accepted it binds the budget for good, else only while it runs; what is left goes to the first in line.
    runs, binds = status in ("open", "sent"), status == "accepted"
    assert OfferDesk(prices, now).committed(NOW) == (6_000.0 if runs or binds else 0.0)
    assert allowed(OfferDesk(prices, now), table, [40, 40]) == ([{"d10"}, set()] if not binds else [set(), set()])
    assert allowed(OfferDesk(prices, before), table, [40, 40]) == ([{"d10"}, set()] if not binds else [set(), set()])
    granted = OfferDesk(prices, now, granted={})  # shared out before, and nothing to anybody
    assert allowed(granted, table, [40, 40]) == ([{"d10"}, set()] if runs else [set(), set()])


def test_the_same_offer_told_several_times_costs_what_it_costs_once() -> None:
    """Repeated while it ran it is one offer, at the larger cost; of another end, account or list it is another one."""
    told = {"account_id": "A0", "offer_id": "d10", "offered_at": NOW, "valid_until": NOW + timedelta(days=9)}
    rows = [told | {"cost_minor": cost} for cost in (6_000, 7_000, 5_000)]
    desk = OfferDesk(PriceList.from_toml(LIST), rows)
    assert desk.committed(NOW) == 7_000.0
    for other in ({"account_id": "A1"}, {"offer_id": "six"}, {"valid_until": NOW + timedelta(days=8)}):
        assert OfferDesk(desk.prices, [*rows, rows[2] | other]).committed(NOW) == 12_000.0
    assert np.isnan(OfferDesk(desk.prices, [*rows, told | {"cost_minor": None}]).committed(NOW))


@pytest.mark.parametrize("status", ["open", "accepted", "refused", "expired", "withdrawn"])
@pytest.mark.parametrize(
    ("offer", "follows"), [("gone", set()), ("six", {"six"}), ("d10", {"d10"}), ("d20", {"d10", "d20"})]
)
def test_nothing_better_follows_whatever_became_of_the_offer_before(status: str, offer: str, follows: set[str]) -> None:
    """Nor anything after one that left the list, which nobody can compare with; other debtors may be offered all."""
    prices = PriceList.from_toml(LIST.replace("max_balance_minor = 49_999", "").replace("budget_minor = 100_000", ""))
    made = {"account_id": "A0", "offer_id": offer, "offered_at": NOW - timedelta(days=60), "cost_minor": 5}
    desk = OfferDesk(prices, [made | {"status": status}], authority="supervisor")
    table = accounts({"balance_minor": 60_000}, {"balance_minor": 60_000})
    # Six instalments are 2.5 % of capital: less than any discount of the list, so they may follow each.
    own = follows | ({"six"} if offer != "gone" else set())
    assert allowed(desk, table, [40, 40]) == [set() if status == "accepted" else own, {"d10", "d20", "six"}]
