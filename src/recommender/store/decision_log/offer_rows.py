"""Offers that decisions made, kept as a state beside the log: open, accepted or released, and what they may cost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from recommender.actions import ActionSpace
from recommender.intake import id_spellings
from recommender.offers import NO_OFFER
from recommender.store.decision_log.contact_event import TAKEN_BACK, state_event
from recommender.store.decision_log.ledger import StaleStanding
from recommender.store.decision_log.records import DecisionRecord
from recommender.store.decision_log.rows import ALL_EVENTS, ALL_OUTCOMES, insert_new, joined, rows_of_ids
from recommender.store.decision_log.schema import Row, contact_events, decisions, offers, outcomes

__all__ = [
    "BudgetSpent",
    "OfferBudget",
    "anonymous_rest",
    "committed",
    "hold_budget",
    "keep_offers",
    "makes_offer",
    "offer_row",
    "offers_of",
    "refuse_overspent",
    "settle_offers",
    "still_binding",
]

_TAKEN = ("promise_to_pay", "promise_kept", "paid", "paid_in_full")
_LONGEST = timedelta(days=365)  # that a price list lets an offer run
_ROUNDING = 1e-3  # minor units: sums are taken in another order here than at the desk
_KEPT = sa.select(offers).order_by(offers.c.decision_id).with_for_update()
_PLAIN = sa.select(offers)
_WITH_SPACE = joined()


@dataclass(frozen=True)
class OfferBudget:
    """What all offers of a currency may cost together, as it stands at an instant.

    Attributes
    ----------
    currency : str
    minor : float or None
        None = no limit.
    as_of : aware datetime
        Offers that run out before it are spent no longer, unless they were accepted.
    """

    currency: str
    minor: float | None
    as_of: datetime


class BudgetSpent(StaleStanding):
    """Somebody else spent what was left of the offers' budget; nothing was written. Read the standing, decide again."""

    def __init__(self, debtors: Iterable[str]) -> None:
        super().__init__(debtors)
        text = (
            f"The offers to {len(self.debtors)} debtor(s) cost more than is left of the budget: another request spent "
            "it at the same time. Nothing of this batch was written; read the standing and decide again."
        )
        self.args = (text,)


def offer_row(record: DecisionRecord) -> Row | None:
    """The offer that a decision makes, as a row; None where it makes none."""
    if not makes_offer(record):
        return None
    offer = _offer_of(record.provenance.actions, record.action)
    first: Mapping[str, Any] = record.ranking[0] if record.ranking else {}
    told = json.loads(first.get("offer") or "{}")
    cost = told.get("cost_minor", (first.get("values") or {}).get("offer_cost"))
    ends = told.get("expires_at")
    return {
        "decision_id": record.decision_id,
        "account_id": record.account_id,
        "debtor_id": str(record.debtor_id),
        "offer_id": offer,
        "cost_minor": None if cost is None else float(cost),
        "currency": told.get("currency"),
        "made_at": record.contact_at or record.decided_at,
        "expires_at": None if ends is None else datetime.fromisoformat(ends),
        "status": "open",
    }


def makes_offer(record: DecisionRecord) -> bool:
    """Whether a decision makes an offer."""
    actions = record.provenance.actions
    return "offer" in actions.factors and _offer_of(actions, record.action) is not None


def _offer_of(actions: ActionSpace, action: int) -> str | None:
    code = int(actions.codes[action, actions.factor_names.index("offer")])
    level = NO_OFFER if code < 0 else str(actions.factors["offer"][code])
    return None if level == NO_OFFER else level


def keep_offers(connection: sa.Connection, rows: list[Row], told_of: Iterable[str]) -> None:
    """Write new offers, and bring the state of every offer up to date that something was written about."""
    if rows:
        insert_new(connection, offers, rows)
    settle_offers(connection, [*(row["decision_id"] for row in rows), *told_of])


def settle_offers(connection: sa.Connection, decision_ids: Iterable[str]) -> None:
    """Set the state of the offers of some decisions to what events and outcomes say.

    Released: taken back before it was sent, or sent with another offer or none. Accepted: a promise or a payment
    followed. What a sender chose himself may have told the offer all the same: it stays open.
    """
    # Their rows are held first: of two writers the second one reads what the first one wrote.
    kept = rows_of_ids(connection, _KEPT, offers.c.decision_id, sorted(set(decision_ids)))
    if not kept:
        return
    ids = [row["decision_id"] for row in kept]
    events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in rows_of_ids(connection, ALL_EVENTS, contact_events.c.decision_id, ids):
        events[event["decision_id"]].append(event)
    heard = rows_of_ids(connection, ALL_OUTCOMES, outcomes.c.decision_id, ids)
    replaced = {(one["decision_id"], one["replaces"]) for one in heard}
    taken = {
        one["decision_id"]
        for one in heard
        if one["outcome"] in _TAKEN and (one["decision_id"], one["outcome_id"]) not in replaced
    }
    last = {key: state for key, own in events.items() if (state := state_event(own)) is not None}
    moved = [key for key, state in last.items() if state["action"] is not None]
    spaces = {
        row["decision_id"]: ActionSpace.from_dict(row["action_space"])
        for row in rows_of_ids(connection, _WITH_SPACE, decisions.c.decision_id, moved)
    }
    for row in kept:
        key = row["decision_id"]
        state = last.get(key)
        released = state is not None and state["kind"] in TAKEN_BACK
        if state is not None and key in spaces:
            released |= _offer_of(spaces[key], state["action"]) != row["offer_id"]
        status = "released" if released else "accepted" if key in taken else "open"
        if status != row["status"]:
            connection.execute(sa.update(offers).where(offers.c.decision_id == key).values(status=status))


def _binding(budget: OfferBudget) -> sa.ColumnElement[bool]:
    """Offers that cost something yet: accepted, or open and not run out."""
    ours = sa.or_(offers.c.currency.is_(None), offers.c.currency == budget.currency)
    return sa.and_(ours, still_binding(budget.as_of))


def committed(connection: sa.Connection, budget: OfferBudget) -> float:
    """Minor units that the offers of the log may cost; NaN where one of them is unknown. Repetitions count once."""
    one = offers.c
    cost = sa.func.max(one.cost_minor).label("cost")
    each = sa.select(cost).where(_binding(budget)).group_by(one.account_id, one.offer_id, one.expires_at).subquery()
    query = sa.select(sa.func.count(), sa.func.count(each.c.cost), sa.func.sum(each.c.cost)).select_from(each)
    n, known, total = connection.execute(query).one()
    return float("nan") if known < n else float(total or 0.0)


def hold_budget(connection: sa.Connection, budget: OfferBudget) -> None:
    """Hold the budget until the transaction ends, after the debtors; a SQLite writer holds the whole log already."""
    if connection.dialect.name == "postgresql":
        lock = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 21))")
        connection.execute(lock, {"name": budget.currency})


def refuse_overspent(connection: sa.Connection, budget: OfferBudget, before: float, debtors: Iterable[str]) -> None:
    """Raise where what was written costs more than is left.

    Parameters
    ----------
    connection : Connection
        In the transaction that wrote, under :func:`hold_budget`.
    budget : OfferBudget
    before : float
        What was committed before it wrote: who adds nothing is never refused.
    debtors : iterable of str

    Raises
    ------
    BudgetSpent
    """
    if budget.minor is None:
        return
    after = committed(connection, budget)
    is_within = after <= budget.minor + _ROUNDING or after <= before + _ROUNDING
    if not is_within:
        raise BudgetSpent(debtors)


def offers_of(connection: sa.Connection, names: Iterable[str], accounts: Mapping[str, str]) -> list[Row]:
    """Offers to some debtors and accounts that were not released, as a desk reads them.

    Parameters
    ----------
    connection : Connection
    names : iterable of str
        Debtors and accounts.
    accounts : mapping of str to str
        Debtor of each account that is asked about, in the spelling of who asks.
    """
    spelt = id_spellings([*accounts, *accounts.values()])
    wanted = list(id_spellings(dict.fromkeys(names)))
    rows = []
    for row in rows_of_ids(connection, _PLAIN, offers.c.debtor_id, wanted, offers.c.account_id):
        if row["status"] != "released":
            account = str(spelt.get(row["account_id"], row["account_id"]))
            debtor = accounts.get(account, spelt.get(str(row["debtor_id"]), row["debtor_id"]))
            rows.append({**row, "account_id": account, "debtor_id": debtor})
    return rows


def anonymous_rest(connection: sa.Connection, mine: sa.ColumnElement[bool], at: datetime) -> list[Row]:
    """What offers that are to be removed may cost still, without a word about whom: a budget is not given out twice."""
    rest = []
    for currency in connection.scalars(sa.select(offers.c.currency).where(mine).distinct()).all():
        same = offers.c.currency.is_(None) if currency is None else offers.c.currency == currency
        binds = _binding(OfferBudget(str(currency), None, at))
        query = sa.select(sa.func.sum(offers.c.cost_minor)).where(mine, same, binds)
        if cost := connection.execute(query).scalar_one():
            name = f"removed:{uuid4().hex}"
            rest.append(
                {
                    "decision_id": name, "account_id": name, "debtor_id": name, "offer_id": "removed",
                    "cost_minor": float(cost), "currency": currency, "made_at": at, "expires_at": None,
                    "status": "accepted",
                }
            )  # fmt: skip
    return rest


def still_binding(at: datetime) -> sa.ColumnElement[bool]:
    """Offers of whatever currency that are open at an instant, or were accepted: they close the way to a better one."""
    one = offers.c
    endless = sa.and_(one.expires_at.is_(None), one.made_at > at - _LONGEST)
    return sa.or_(one.status == "accepted", sa.and_(one.status == "open", sa.or_(one.expires_at > at, endless)))
