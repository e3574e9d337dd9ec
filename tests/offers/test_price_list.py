"""Price lists: an offer says one thing, what it covers, and no list by which waiting would pay."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recommender.messages import STAGES
from recommender.offers import Offer, PriceList, PriceListError

EVERY = {"stages": STAGES}


@pytest.mark.parametrize("kind", ["discount", "instalments"])
@pytest.mark.parametrize("percent", [-0.1, 0.0, 0.1, 99.9, 100.0])
@pytest.mark.parametrize("instalments", [0, 1, 2, 120, 121])
def test_an_offer_says_one_thing(kind, percent, instalments):
    """A discount is a part of the balance and paid at once; instalments are two or more and the whole of it."""
    is_one = 0 < percent < 100 and instalments == 1 if kind == "discount" else percent == 0 and 2 <= instalments <= 120
    given_ = EVERY | {"id": "a", "kind": kind, "percent": percent, "instalments": instalments}
    if not is_one:
        with pytest.raises(ValidationError):
            Offer(**given_)
        return
    offer = Offer(**given_)
    assert offer.message_kind == ("incentive" if kind == "discount" else "flexible_offer")


@pytest.mark.parametrize(
    ("name", "is_id"), [("none", False), ("none1", True), ("a.b-c_1", True), ("A", False), ("", False)]
)
def test_no_offer_is_called_as_if_none_were_made(name, is_id):
    """That is a level of its own among the actions."""
    if is_id:
        assert Offer(id=name, kind="discount", percent=5, **EVERY).id == name
        return
    with pytest.raises(ValidationError):
        Offer(id=name, kind="discount", percent=5, **EVERY)


@pytest.mark.parametrize(("least", "most"), [(0, None), (0, 0), (10, 10), (10, 20), (11, 10)])
def test_a_range_of_balances_holds_both_its_ends(least, most):
    """One that ends below its begin is none; without an end it goes on."""
    fields = EVERY | {
        "id": "a",
        "kind": "discount",
        "percent": 5,
        "min_balance_minor": least,
        "max_balance_minor": most,
    }
    if most is not None and most < least:
        with pytest.raises(ValidationError, match="ends at a balance below"):
            Offer(**fields)
        return
    offer = Offer(**fields)
    for balance in (0.0, least - 0.5, least, least + 0.5, 20.0, 20.5, 1e12):
        assert offer.covers(balance) == (balance >= least and (most is None or balance <= most))
    assert not offer.covers(float("nan"))


OFFERS = st.builds(
    dict, kind=st.sampled_from(["discount", "instalments"]), size=st.integers(2, 5), low=st.integers(0, 3),
    width=st.one_of(st.none(), st.integers(0, 2)), stages=st.sets(st.sampled_from(STAGES), min_size=1),
)  # fmt: skip


@given(st.lists(OFFERS, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_list_is_refused_exactly_where_somebody_would_get_more_for_growing_older(drawn):
    """By every balance, and every pair of stages that both have an offer of the kind, in plain loops."""
    offers = [
        Offer(
            id=f"o{at}", kind=one["kind"], stages=tuple(name for name in STAGES if name in one["stages"]),
            percent=one["size"] if one["kind"] == "discount" else 0.0,
            instalments=one["size"] if one["kind"] == "instalments" else 1,
            min_balance_minor=one["low"], max_balance_minor=None if one["width"] is None else one["low"] + one["width"],
        )
        for at, one in enumerate(drawn)
    ]  # fmt: skip

    def best(kind, stage, balance):
        sizes = [one.percent + one.instalments for one in offers
                 if one.kind == kind and stage in one.stages and one.covers(balance)]  # fmt: skip
        return max(sizes, default=None)

    pays = False
    for kind, balance in product(("discount", "instalments"), range(9)):
        by_stage = [size for stage in STAGES if (size := best(kind, stage, balance)) is not None]
        pays |= any(later > earlier for at, earlier in enumerate(by_stage) for later in by_stage[at + 1 :])
    if pays:
        with pytest.raises(PriceListError, match="would pay to wait"):
            PriceList(offers, currency="COP", capital_percent_month=1.0)
        return
    PriceList(offers, currency="COP", capital_percent_month=1.0)


def test_whatever_a_list_says_is_in_its_digest():
    """Another currency, budget, price of capital, field or order of the offers is another list."""
    fields = EVERY | {"id": "a", "kind": "discount", "percent": 5.0}
    other = Offer(id="b", kind="instalments", instalments=3, **EVERY)
    terms = {"currency": "COP", "budget_minor": 100, "capital_percent_month": 1.0}
    lists = [PriceList([Offer(**fields), other], **terms)]
    other_terms = {"currency": "MXN"}, {"budget_minor": 101}, {"budget_minor": None}, {"capital_percent_month": 2.0}
    lists += [PriceList([Offer(**fields), other], **terms | more) for more in other_terms]
    changed = {"id": "c", "percent": 6.0, "stages": STAGES[:1], "min_balance_minor": 1, "max_balance_minor": 9,
               "authority": "agent", "valid_days": 11}  # fmt: skip
    lists += [PriceList([Offer(**fields | {name: value}), other], **terms) for name, value in changed.items()]
    lists.append(PriceList([other, Offer(**fields)], **terms))
    assert len({one.digest for one in lists}) == len(lists)
    assert PriceList([Offer(**fields), other], **terms).digest == lists[0].digest
    with pytest.raises(PriceListError, match="used twice"):
        PriceList([other, other], **terms)
