"""Offers as actions: told by a text of their kind, priced, and worth more learnt than given to nobody or to all."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.columns import Columns
from recommender.deciding import decide
from recommender.deciding.offer_choice import OfferChoice
from recommender.messages import default_catalogue
from recommender.offers import OfferDesk, PriceList
from recommender.strategy import SeedStrategy

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
PRICES = """
schema = 1
currency = "COP"
capital_percent_month = 2.0
[[offers]]
id = "d20"
kind = "discount"
percent = 20
stages = ["extrajudicial", "judicial"]
[[offers]]
id = "six"
kind = "instalments"
instalments = 6
stages = ["administrative", "extrajudicial", "judicial"]
"""
ACTIONS = ActionSpace(
    {
        "channel": ["sms", "whatsapp"],
        "hour": [10, 16],
        "tone": ["friendly", "neutral"],
        "offer": ["none", "d20", "six"],
    },
    no_contact=True,
)
FACTS = {
    "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "currency": "COP",
    "consented_channels": "sms;whatsapp;email", "balance_minor": 400_000, "flags": "",
}  # fmt: skip


def portfolio(*rows: dict[str, object]) -> pd.DataFrame:
    """Accounts that may be contacted, so many days past due."""
    given = [{**FACTS, "account_id": f"A{at}", "debtor_id": f"D{at}", **row} for at, row in enumerate(rows)]
    table = pd.DataFrame(given)
    due = pd.Timestamp("2026-11-24") - pd.to_timedelta(table.pop("days_past_due"), unit="D")
    return table.assign(due_date=due.dt.strftime("%Y-%m-%d"))


def offers_of(made: object, row: int) -> set[str]:
    """Offers among the eligible actions of an account."""
    mask = made.eligibility.mask[row][:-1]  # type: ignore[attr-defined]
    return set(ACTIONS.to_frame()["offer"].to_numpy()[:-1][mask])


def test_an_offer_is_eligible_where_the_list_and_a_text_have_it() -> None:
    """By stage; none without a price list, which is said; the text attached is of the offer's kind."""
    table = portfolio({"days_past_due": 10}, {"days_past_due": 45}, {"days_past_due": 45, "balance_minor": None})
    seeds, given = SeedStrategy(ACTIONS), {"as_of": NOW, "packs": ["CO"], "contacts": []}
    bare = decide(table, strategy=seeds, **given)
    assert offers_of(bare, 1) == {"none"}
    assert bare.eligibility.counts()["offer-no-price-list"] > 0
    made = decide(table, strategy=seeds, offers=OfferDesk(PriceList.from_toml(PRICES)), top_k=30, **given)
    assert [offers_of(made, row) for row in range(3)] == [{"none", "six"}, {"none", "d20", "six"}, set()]
    kinds = {template.id: template.kind for template in default_catalogue().templates}
    told = made.ranked[made.ranked["offer"].notna()]
    wanted = told["offer"].map({"d20": "incentive", "six": "flexible_offer"})
    said = told["template_id"].map(kinds)
    assert (said[wanted.notna()] == wanted[wanted.notna()]).all()
    assert not said[wanted.isna()].isin(["incentive", "flexible_offer"]).any()
    assert set(told["offer"]) == {"none", "d20", "six"}


def test_a_discount_costs_nothing_beyond_the_money_that_does_not_come_in() -> None:
    """Of a discount less comes in, which the reward shows; instalments cost capital that no reward shows."""
    prices = PriceList.from_toml(PRICES)
    space = ActionSpace({"channel": ["sms"], "offer": ["none", "d20", "six"]}, no_contact=True)
    choice = OfferChoice(space, OfferDesk(prices), default_catalogue(), "collections")
    accounts = Columns.of([{"account_id": "A", "balance_minor": 40_000.0}])
    assert choice.costs(accounts).tolist() == [[0.0, 8_000.0, 2_000.0, 0.0]]
    assert choice.costs(accounts, beyond_money=True).tolist() == [[0.0, 0.0, 2_000.0, 0.0]]


def test_an_offer_that_the_list_lacks_is_named_and_never_made() -> None:
    """A level of the log that is on no list falls to a rule of its own; packs bind the range of the rest."""
    only_six = PRICES.replace('id = "d20"', 'id = "d15"')
    desk = OfferDesk(PriceList.from_toml(only_six))
    table = portfolio({"days_past_due": 45})
    made = decide(table, strategy=SeedStrategy(ACTIONS), offers=desk, as_of=NOW, packs=["CO"], contacts=[])
    assert offers_of(made, 0) == {"none", "six"}
    assert made.eligibility.counts()["offer-not-listed"] > 0
    early = decide(
        portfolio({"days_past_due": 20}), strategy=SeedStrategy(ACTIONS), offers=desk, as_of=NOW,
        packs=["CO", "TRADE"], contacts=[],
    )  # fmt: skip
    assert offers_of(early, 0) == {"none"}  # TRADE: offers from 31 days past due
    assert early.eligibility.counts()["trade-incentive"] > 0


def test_an_offer_must_be_right_on_every_day_that_it_may_be_told() -> None:
    """In the evening one hour is today's, the other tomorrow's: a stage that begins or ends between has none."""
    prices = PRICES.replace('["administrative", "extrajudicial", "judicial"]', '["extrajudicial"]')
    space = ActionSpace({**ACTIONS.factors, "hour": [10, 18]}, no_contact=True)
    evening = datetime(2026, 11, 24, 22, tzinfo=UTC)  # five in the afternoon in Bogota
    days = [29, 30, 31, 32, 88, 89, 90, 91]
    made = decide(
        portfolio(*({"days_past_due": one} for one in days)), strategy=SeedStrategy(space), as_of=evening, packs=["CO"],
        contacts=[], offers=OfferDesk(PriceList.from_toml(prices)),
    )  # fmt: skip
    offered = [one for one, row in zip(days, range(len(days)), strict=True) if "six" in offers_of(made, row)]
    late = made.eligibility.days_past_due()
    assert (late.max(axis=1) - late.min(axis=1) == 1).all()
    assert offered == [one for one, told in zip(days, late.tolist(), strict=True) if 31 <= min(told) <= max(told) <= 90]
    assert offered


def naive_offers(days: int, language: str, channel: str, tone: str) -> set[str]:
    """Offers that a plain reading allows: a text of the offer's kind for the cell, and a stage of the list."""
    stage = ["preventive", "administrative", "extrajudicial", "judicial"][sum(days > end for end in (0, 30, 90))]
    stages = {"d20": {"extrajudicial", "judicial"}, "six": {"administrative", "extrajudicial", "judicial"}}
    told = {"none"}
    for offer, kind in (("d20", "incentive"), ("six", "flexible_offer")):
        texts = [
            one for one in default_catalogue().templates
            if one.kind == kind and one.language == language and channel in one.channels and one.tone == tone
            and stage in one.stages and one.handover is None and "collection" in one.purposes
        ]  # fmt: skip
        if texts and stage in stages[offer]:
            told.add(offer)
    return told


def test_offers_that_may_be_made_are_those_of_a_plain_reading() -> None:
    """Every stage, language, channel and tone: eligible offers, and the kind of the text that is attached."""
    every = ActionSpace(
        {"channel": ["call", "sms", "whatsapp", "email"], "tone": ["friendly", "neutral", "firm"],
         "offer": ["none", "d20", "six"]}, no_contact=True,
    )  # fmt: skip
    cases = [(days, language) for days in (-4, 0, 1, 30, 31, 90, 91, 400) for language in ("es", "en", "pt")]
    table = portfolio(*({"days_past_due": days, "language": language} for days, language in cases))
    table["consented_channels"] = "call;sms;whatsapp;email"
    made = decide(table, strategy=SeedStrategy(every), offers=OfferDesk(PriceList.from_toml(PRICES)), as_of=NOW,
                  packs=["CO"], contacts=[], top_k=len(every), explore=False)  # fmt: skip
    kinds = {template.id: template.kind for template in default_catalogue().templates}
    wanted, offers = {"d20": "incentive", "six": "flexible_offer"}, 0
    for row, (days, language) in enumerate(cases):
        mine = made.ranked[(made.ranked["row"] == row) & made.ranked["offer"].notna()]
        for (channel, tone), cell in mine.groupby(["channel", "tone"]):
            told = set(cell["offer"])
            assert told - {"none"} == naive_offers(days, language, str(channel), str(tone)) - {"none"}
            for offer, template in zip(cell["offer"], cell["template_id"], strict=True):
                assert kinds[template] == wanted[offer] if offer in wanted else kinds[template] not in wanted.values()
                offers += offer in wanted
    assert offers > 40


SENSITIVE = ActionSpace({"channel": ["sms"], "offer": ["none", "d20"]})


def chances(x: np.ndarray) -> np.ndarray:
    """True chance of payment of the price-sensitive (x > 0) and of the others, without and with the discount."""
    return np.where((x > 0)[:, None], [0.10, 0.40], [0.35, 0.37])


def learnt_and_plain(seed: int, n: int = 3_000) -> tuple[float, float, float]:
    """True net value an account of the learnt offers, of no offers and of an offer to all."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "balance_minor": rng.integers(100_000, 900_000, n)})
    action = rng.integers(0, 2, n)
    pays = rng.random(n) < chances(frame["x"].to_numpy())[np.arange(n), action]
    frame["reward"] = pays * frame["balance_minor"] * np.where(action == 1, 0.8, 1.0)
    log = LoggedFeedback.from_frame(
        pd.concat([frame, SENSITIVE.describe(action)], axis=1), actions=SENSITIVE, context=["x", "balance_minor"]
    )
    strategy = ContactStrategy(policy="greedy", random_state=seed, n_jobs=1).fit(log)
    fresh = portfolio(*({"days_past_due": 45} for _ in range(400)))
    fresh = fresh.assign(x=rng.normal(size=400), balance_minor=rng.integers(100_000, 900_000, 400))
    desk = OfferDesk(PriceList.from_toml(PRICES))
    made = decide(fresh, strategy=strategy, as_of=NOW, packs=["CO"], contacts=[], offers=desk, explore=False)
    worth = chances(fresh["x"].to_numpy()) * fresh["balance_minor"].to_numpy()[:, None] * [1.0, 0.8]
    learnt = worth[np.arange(400), made.action].mean()
    return float(learnt), float(worth[:, 0].mean()), float(worth[:, 1].mean())


def test_learnt_offers_beat_none_and_all() -> None:
    """One world of price-sensitive debtors."""
    learnt, none, every = learnt_and_plain(0)
    assert learnt > max(none, every)


@pytest.mark.proof
def test_learnt_offers_beat_none_and_all_in_ten_worlds() -> None:
    """The mark: the mean advantage over ten seeds, less twice its standard error, is above zero."""
    found = np.array([learnt_and_plain(seed) for seed in range(10)])
    for other in (1, 2):
        gain = found[:, 0] / found[:, other] - 1
        mean, half = gain.mean(), 2 * gain.std(ddof=1) / np.sqrt(10)
        told = "no offers" if other == 1 else "an offer to all"
        print(f"net value above {told}: {mean:.1%}, {mean - half:.1%} to {mean + half:.1%} by two s.e.")  # noqa: T201
        assert mean - half > 0
