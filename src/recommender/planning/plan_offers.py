"""Offers of a portfolio: who was offered what before, and how the budget is shared out before anybody decides.

A budget cannot be spent by whoever decides first: chunks are decided in any order, here and on workers, and a mask that
hung on what others drew would make propensities wrong. So it is shared out beforehand, in the order of the rows, among
the accounts that may lawfully be told an offer; every grant counts as spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from recommender.columns import Columns
from recommender.deciding import Accounts, OfferChoice, aged
from recommender.errors import InvalidInput
from recommender.intake import id_text
from recommender.messages import default_catalogue
from recommender.offers import NO_OFFER, OfferDesk, PriceList
from recommender.planning.chunk_accounts import prepared_accounts
from recommender.planning.chunk_offers import ChunkOffers
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.rules import eligibility
from recommender.store.decision_log import OfferBudget
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["budget_in_log", "offers_of_plan", "settle_offers"]

OFFER_COLUMNS = ("account_id", "debtor_id", "offer_id", "offered_at", "valid_until", "status", "cost_minor")
"""Columns of a table of offers made; those that are not there are unknown."""


def settle_offers(
    inputs: PlanInputs,
    model: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    offered: Sequence[pd.DataFrame] = (),
    *,
    packs: Sequence[str] | None = None,
    days: int = 1,
) -> list[str]:
    """Keep beside each chunk what its debtors were offered before and what its accounts may be offered now.

    Parameters
    ----------
    inputs : PlanInputs
        With the standing of the decision log, where there is one.
    model : ContactStrategy or SeedStrategy
    order : PlanOrder
        Without a price list nothing is done.
    offered : sequence of DataFrame
        Offers made before: of files, and of the decision log.
    packs : sequence of str, optional
        In place of those of the order.
    days : int, default=1
        A plan of several days may tell an offer on any of them.

    Returns
    -------
    list of str
        Notes for whoever reads the plan.

    Raises
    ------
    InvalidInput
        For a table of offers that cannot be read, or a strategy that knows no offers.
    """
    prices = order.prices
    if prices is None:
        return []
    if "offer" not in model.actions_.factors:
        raise InvalidInput(
            f"A price list is given, and the strategy knows no offers: its factors are {list(model.actions_.factors)}.",
            column="offers",
            mend="Train on a log with an action factor 'offer' (levels: ids of the list, and none), or leave it out.",
        )
    made = _made(offered, prices)
    asked: list[tuple[int, str, np.ndarray[Any, Any]]] = []
    of_chunk: dict[int, list[dict[str, Any]]] = {}
    desks = OfferDesk(PriceList(prices.offers, currency=prices.currency,
                                capital_percent_month=prices.capital_percent_month),
                      made or None, authority=order.authority)  # fmt: skip
    choice = OfferChoice(model.actions_, desks, order.catalogue or default_catalogue(), order.purpose)
    for chunk in inputs.chunks:
        part = inputs.read(chunk)
        of_chunk[chunk] = _of_chunk(made, part.accounts)
        if prices.budget_minor is None:
            continue
        frame, known, _ = prepared_accounts(
            part, model, as_of=order.as_of, packs=packs or order.packs, party=order.party,
            no_contacts_yet=order.no_contacts_yet, currencies=inputs.currencies, stopped=order.stopped,
            house=order.beside,
        )  # fmt: skip
        accounts = Accounts.of(frame.reset_index(drop=True)).situated(order.as_of)
        costs = _asked_for(accounts, known, model, order, choice, order.law(packs), days)
        rows = zip(part.row.tolist(), accounts.values("account_id"), costs, strict=True)
        asked += [(row, str(name), cost) for row, name, cost in rows if not np.isnan(cost).all()]
    granted = None
    if prices.budget_minor is not None:
        whole = OfferDesk(prices, made or None, authority=order.authority)
        granted = whole.shared_out(((name, np.nan_to_num(cost, nan=np.inf)) for _, name, cost in
                                    sorted(asked, key=lambda one: one[0])), order.as_of)  # fmt: skip
    for chunk, mine in of_chunk.items():
        part = inputs.read(chunk)
        names = {str(one) for one in part.accounts["account_id"]}
        share = None if granted is None else {name: cost for name, cost in granted.items() if name in names}
        ChunkOffers(mine, share).save(inputs.offers_path(chunk))
    if granted is None:
        return []
    left_out, spent = len(asked) - len(granted), sum(granted.values())
    told = f"offers: {spent:,.0f} of {prices.budget_minor:,} {prices.currency} (minor units) granted to "
    return [f"{told}{len(granted):,} accounts; {left_out:,} that may be offered something got nothing"]


def _asked_for(
    accounts: Accounts,
    known: pd.DataFrame | None,
    model: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    choice: OfferChoice,
    packs: list[str],
    days: int,
) -> np.ndarray[Any, Any]:
    """What each offer would newly cost each account on the day when it costs most; NaN where it may not be told."""
    parts = []
    for day in range(days):
        at = order.as_of + pd.Timedelta(days=day).to_pytimedelta()
        later = aged(accounts, order.as_of, at).situated(at)
        allowed = eligibility(
            later.to_frame(), model.actions_, as_of=at, packs=None if "packs" in later else packs, contacts=known,
            catalogue=order.catalogue or default_catalogue(), purpose=order.purpose, overlays=order.overlays,
        )  # fmt: skip
        parts.append(choice.asked_for(choice.narrowed(allowed, later, at), later, at))
    found = parts[0]
    for more in parts[1:]:
        found = np.fmax(found, more)
    return found


def _of_chunk(made: list[dict[str, Any]], accounts: pd.DataFrame) -> list[dict[str, Any]]:
    """Offers made to some accounts and their debtors, in the spelling of the accounts and with the debtor they name."""
    spelt = {id_text(one): one for one in accounts["account_id"]}
    debtors = (
        accounts["debtor_id"] if "debtor_id" in accounts.columns else pd.Series(None, accounts.index, dtype=object)
    )
    owner = {id_text(one): who for one, who in zip(accounts["account_id"], debtors, strict=True) if not pd.isna(who)}
    known = {id_text(who): who for who in owner.values()}
    mine = []
    for row in made:
        account, debtor = id_text(row["account_id"]), id_text(row.get("debtor_id"))
        if account in spelt or debtor in known:
            who = owner.get(account, known.get(debtor))
            debtor_told = {} if who is None else {"debtor_id": str(who)}
            mine.append(row | {"account_id": str(spelt.get(account, row["account_id"]))} | debtor_told)
    columns = {name for row in mine for name in row}
    return [{name: row.get(name) for name in sorted(columns)} for row in mine]


def _made(offered: Sequence[pd.DataFrame], prices: PriceList) -> list[dict[str, Any]]:
    """Offers made before as plain rows; one that is told twice is one."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for table in offered:
        if table.empty:
            continue
        OfferDesk(prices, table)  # says what is wrong with it, by column and row
        columns = Columns.of(table)
        at = columns.instants("offered_at")
        kept = [name for name in (*OFFER_COLUMNS, "balance_minor") if name in table.columns]
        for row, when in zip(table[kept].to_dict("records"), at.tolist(), strict=True):
            told = {name: value for name, value in row.items() if value is not None and not pd.isna(value)}
            told |= {name: pd.Timestamp(told[name]).isoformat() for name in ("offered_at", "valid_until")
                     if name in told}  # fmt: skip
            told |= {name: float(told[name]) for name in ("cost_minor", "balance_minor") if name in told}
            told |= {name: str(told[name]) for name in ("account_id", "debtor_id", "offer_id") if name in told}
            key = (id_text(told["account_id"]), told["offer_id"], str(when))
            rows[key] = rows.get(key, {}) | told
    every = [{name: row.get(name) for name in (*OFFER_COLUMNS, "balance_minor")} for row in rows.values()]
    # A column that no row fills is not there: the desk then takes what the list says.
    empty = {name for name in (*OFFER_COLUMNS, "balance_minor") if all(row[name] is None for row in every)}
    return [{name: value for name, value in row.items() if name not in empty} for row in every]


def budget_in_log(
    prices: PriceList | None, told: Sequence[pd.DataFrame], logged: Sequence[pd.DataFrame], as_of: datetime
) -> OfferBudget | None:
    """What the offers of the decision log may cost, those told in files and unknown to it taken off.

    Parameters
    ----------
    prices : PriceList or None
    told : sequence of DataFrame
        Offers made before, of files.
    logged : sequence of DataFrame
        Offers that the log knows: one that files tell too counts once.
    as_of : aware datetime

    Returns
    -------
    OfferBudget or None
        None = nothing to hold.
    """
    if prices is None or prices.budget_minor is None:
        return None
    known = {_offer_key(row) for row in _made(logged, prices)}
    theirs = [row for row in _made(told, prices) if _offer_key(row) not in known]
    spent = OfferDesk(prices, theirs).committed(as_of) if theirs else 0.0
    return OfferBudget(prices.currency, prices.budget_minor - spent, as_of)


def _named_debtor(debtor: str) -> str | None:
    """Id of a debtor of a plan under limited capacity; None for an account of nobody named."""
    kind, _, name = debtor.partition(" ")
    return name if kind == "debtor" else None


def _offer_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return id_text(row["account_id"]), row["offer_id"], pd.Timestamp(row["offered_at"])


def offers_of_plan(ranked: pd.DataFrame, prices: PriceList) -> pd.DataFrame:
    """The offers that a plan makes, as the table of offers made that the next run reads.

    Parameters
    ----------
    ranked : DataFrame
        Rows of a plan: of ``score`` by rank, or contacts.
    prices : PriceList
    """
    sent = ranked.loc[ranked["offer"].notna() & ranked["offer"].ne(NO_OFFER)]
    if "rank" in sent.columns:
        sent = sent.loc[sent["rank"] == 1]
    at = sent["contact_at"]
    days = sent["offer"].map({offer.id: offer.valid_days for offer in prices.offers})
    until = at + pd.to_timedelta(days, unit="D")
    if "offer_until" in sent.columns:  # one that is repeated while it runs does not run longer for it
        until = sent["offer_until"].fillna(until)
    told = {
        "account_id": sent["account"] if "account" in sent.columns else sent["account_id"],
        "debtor_id": sent["debtor"] if "account" in sent.columns else sent["debtor"].map(_named_debtor),
        "offer_id": sent["offer"], "offered_at": at, "valid_until": until,
        "status": "open", "cost_minor": sent["offer_cost"] if "offer_cost" in sent.columns else np.nan,
    }  # fmt: skip
    return pd.DataFrame(told).reset_index(drop=True)
