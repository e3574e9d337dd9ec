"""What further files of a plan must agree with: offers with their price list, the queue for people with contacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.messages import Catalogue
from recommender.offers import AUTHORITIES, NO_OFFER, PriceList
from recommender.planning.plan_offers import offers_of_plan
from recommender.planning.plan_rows import OFFER_TERMS

__all__ = ["not_as_offered", "not_of_people"]


def not_as_offered(
    folder: Path, contacts: pd.DataFrame, about: Mapping[str, Any], texts: Catalogue | None
) -> list[str]:
    """Offers against the price list that the plan names, and the table of offers made against the contacts.

    What each offer costs is a part of a balance that the plan does not hold: an account's offers must be of one
    balance, all offers within the budget.
    """
    if "offer" not in contacts.columns:
        return []
    made = contacts.loc[contacts["offer"].notna() & contacts["offer"].astype("str").ne(NO_OFFER)]
    stated, file = about.get("offers"), folder / "offers.parquet"
    if stated is None:
        lost = [] if made.empty else ["offer: one is made, and the plan names no price list"]
        return [*lost, *(["offers: there is a table, and no price list"] if file.is_file() else [])]
    try:
        prices = PriceList.from_toml(stated["list"], name="about.json")
        power = AUTHORITIES.index(stated["authority"])
    except (InvalidInput, KeyError, TypeError, ValueError) as error:
        return [f"offers: the price list cannot be read ({error})"]
    if missing := [name for name in ("offer_cost", *OFFER_TERMS) if name not in contacts.columns]:
        return [f"columns: {', '.join(missing)} is missing"]
    wrong = []
    if about.get("offers_digest") != prices.digest:
        wrong.append("offers: the digest is not that of the price list")
    without = contacts.drop(index=made.index)
    if without[list(OFFER_TERMS)].notna().any(axis=None) or (without["offer_cost"].fillna(0.0) != 0).any():
        wrong.append("offer: a contact that offers nothing has terms of an offer")
    wrong += _not_on_list(made, prices, power)
    wrong += [] if texts is None else _not_told(made, prices, texts)
    first = made.drop_duplicates(["account_id", "offer"])
    if first["debtor"].duplicated().any():
        wrong.append("offer: a debtor is made two")
    budget = prices.budget_minor
    if budget is not None and float(first["offer_cost"].sum()) > budget + 1e-6:
        wrong.append("offer: all offers cost more than the budget")
    today = contacts.loc[contacts["day"] == 1]
    told = pd.read_parquet(file) if file.is_file() else None
    due = offers_of_plan(today, prices)
    if told is None or list(told.columns) != list(due.columns) or not _alike(told, due):
        wrong.append("offers: the table of offers made is not that of the contacts")
    return wrong


def _not_on_list(made: pd.DataFrame, prices: PriceList, power: int) -> list[str]:
    """Range, authority, currency, end and cost of each offer."""
    balance: dict[str, float] = {}
    columns = ("account_id", "offer", "stage", "contact_at", "offer_cost", "offer_currency", "offer_until")
    for account, name, stage, at, cost, currency, until in made[list(columns)].itertuples(index=False, name=None):
        offer = prices.get(str(name))
        if offer is None:
            return [f"offer: {name} is not on the price list"]
        if stage not in offer.stages or AUTHORITIES.index(offer.authority) > power or currency != prices.currency:
            return [f"offer: {name} is made outside its stages, authority or currency"]
        if pd.isna(until) or not at < until <= at + pd.Timedelta(days=offer.valid_days):
            return [f"offer: {name} ends at another time than the price list says"]
        percent = prices.generosity(offer)
        of = cost / percent * 100.0 if percent else balance.get(account, 0.0)
        if not (np.isfinite(cost) and cost >= 0 and np.isclose(of, balance.setdefault(account, of))):
            return [f"offer: what {name} costs is of another balance"]
        if percent and not offer.covers(round(of)):
            return [f"offer: {name} is made for a balance outside its range"]
    return []


def _not_told(made: pd.DataFrame, prices: PriceList, texts: Catalogue) -> list[str]:
    """Whether the text of each offer is of the kind that tells it."""
    for name, text in made[["offer", "template_id"]].itertuples(index=False, name=None):
        offer, template = prices.get(str(name)), texts.get(str(text))
        if offer is not None and template is not None and template.kind != offer.message_kind:
            return [f"template_id: {text} does not tell the offer {name}"]
    return []


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    try:
        pd.testing.assert_frame_equal(
            one.astype("str"), other.astype("str").reset_index(drop=True), check_dtype=False, check_exact=True
        )
    except AssertionError:
        return False
    return True


def not_of_people(folder: Path, contacts: pd.DataFrame, arms: pd.DataFrame) -> list[str]:
    """The queue for people: of the plan's accounts, with all contacts that need a person and no other contact."""
    file = folder / "people.parquet"
    if not file.is_file():
        return []  # whoever plans by the library may leave it out
    people = pd.read_parquet(file)
    own = ["row", "account_id", "debtor", "decision_id"]
    if not {*own, "human_reason", "segment"} <= set(people.columns):
        return ["people: columns are missing"]
    if people["row"].duplicated().any():
        return ["people: an account is there twice"]
    known = people[own].merge(arms[own], on=own, how="left", indicator=True)
    if (known["_merge"] != "both").any():
        return ["people: an account, debtor or decision id is not that of the plan"]
    wrong = []
    if people["human_reason"].isna().any():
        wrong.append("people: a reason is missing")
    inside = contacts["row"].isin(people["row"]).to_numpy()
    if (contacts["needs_human"].astype(bool).to_numpy() != inside).any():
        wrong.append("people: needs_human of a contact and the queue for people disagree")
    both = contacts.loc[inside, ["row", "human_reason", "segment"]].merge(people, on="row", suffixes=("", "_people"))
    wrong += [
        f"people: {name} of a contact is not that of its account"
        for name in ("human_reason", "segment")
        if (both[name].astype("str") != both[f"{name}_people"].astype("str")).any()
    ]
    if contacts.loc[~inside, "human_reason"].notna().any():
        wrong.append("people: a contact that needs nobody has a reason")
    return wrong
