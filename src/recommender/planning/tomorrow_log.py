"""The decisions of a plan of a day, written to the decision log before the plan takes its place."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.deciding import Accounts, decision_ids
from recommender.messages import default_catalogue
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_log import log_whole
from recommender.planning.portfolio_read import CONTEXTS, PortfolioValues
from recommender.planning.sent_today import SentToday
from recommender.planning.tomorrow import Tomorrow, later_decision_id
from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    OfferBudget,
    Provenance,
    Seen,
    offers_made,
)
from recommender.strategy import ContactStrategy, SeedStrategy, is_value

__all__ = ["ask_log", "decisions_of_day", "log_tomorrow", "logged_offers"]

_ROUNDS = range(2, 32)


def ask_log(
    log: DecisionLog,
    inputs: PlanInputs,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    sent: SentToday | None = None,
) -> None:
    """Let what the log knows of the debtors act on the plan; its own decisions, made again, do not.

    Parameters
    ----------
    log : DecisionLog
    inputs : PlanInputs
    order : PlanOrder
    strategy : ContactStrategy or SeedStrategy
    sent : SentToday, optional
        Plan that is replaced: it counts its contacts itself.
    """
    counted = set() if sent is None else {*sent.counted, *sent.kept["decision_id"], *sent.released["decision_id"]}
    inputs.ask(log, order.as_of, lambda accounts: counted | _own_ids(accounts, order, strategy))


def _own_ids(accounts: pd.DataFrame, order: PlanOrder, strategy: ContactStrategy | SeedStrategy) -> set[str]:
    ids = decision_ids(
        Accounts.of(accounts),
        order.moment,
        order.objective.version_of(strategy.version_),
        order.seed,
        purpose=order.purpose,
    )
    return {*ids, *(later_decision_id(one, number) for one in ids for number in _ROUNDS)}


def logged_offers(
    log: DecisionLog | None,
    inputs: PlanInputs,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    sent: SentToday | None = None,
) -> list[pd.DataFrame]:
    """Offers that the log knows of, but for the decisions that are made again; nothing without log or price list.

    Of a plan that is replaced (``sent``) what was not sent offered nothing.
    """
    if log is None or order.prices is None:
        return []
    withdrawn = set() if sent is None else set(sent.released["decision_id"])
    own = [_own_ids(inputs.read(chunk).accounts, order, strategy) for chunk in inputs.chunks]
    again = withdrawn.union(*own)
    return [offers_made(log, again)]


def log_tomorrow(
    log: DecisionLog,
    made: Tomorrow,
    read: PortfolioValues,
    inputs: PlanInputs,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    folder: Path,
    sent: SentToday | None = None,
    *,
    budget: OfferBudget | None = None,
) -> int:
    """Write every decision of the first day: each contact, and each account that is left alone.

    An action space without ``NO_CONTACT`` cannot say that an account is left alone: those are not written.

    Parameters
    ----------
    log : DecisionLog
    made : Tomorrow
    read : PortfolioValues
        Read with ``order.record``.
    inputs : PlanInputs
        With the standing on which the plan was made.
    order : PlanOrder
    strategy : ContactStrategy or SeedStrategy
    folder : Path
        Where the portfolio was read; the contexts kept there are taken away.
    sent : SentToday, optional
        Plan that is replaced: what of it was not made is cancelled.
    budget : OfferBudget, optional
        What the offers of the log may cost with those of the plan (:func:`recommender.planning.budget_in_log`).

    Returns
    -------
    int
        Decisions that were new.

    Raises
    ------
    StaleStanding
        Where somebody decided about the same debtors meanwhile, or (``BudgetSpent``) spent the budget.
    DecisionConflict
        Where the log holds other decisions under these ids.
    """
    parts = decisions_of_day(made, read, inputs, order, strategy, folder)
    new = log_whole(log, parts, budget, _cancelled(log, sent))
    (folder / CONTEXTS).unlink()
    return new


def decisions_of_day(
    made: Tomorrow,
    read: PortfolioValues,
    inputs: PlanInputs,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    folder: Path,
) -> Callable[[], Iterator[tuple[list[DecisionRecord], Seen]]]:
    """Every decision of the first day, chunk by chunk, with the standing that it was made on.

    Parameters
    ----------
    made, read, inputs, order, strategy, folder
        As of :func:`log_tomorrow`; the contexts in ``folder`` stay.

    Returns
    -------
    callable
        May be asked again.
    """
    actions = strategy.actions_
    provenance = Provenance(
        policy_version=order.objective.version_of(strategy.version_), actions=actions,
        rule_packs=read.law.get("rule_packs", {}),
        holidays_version=read.law.get("holidays"), tzdata_version=read.law.get("tzdata"),
    )  # fmt: skip
    today = made.contacts.loc[made.contacts["day"] == 1]
    codes = actions.index_of(today[list(actions.factors)])
    of_position: dict[int, list[tuple[Any, int]]] = defaultdict(list)
    for row, action in zip(today.itertuples(index=False), codes.tolist(), strict=True):
        of_position[int(row.place)].append((row, action))

    def parts() -> Iterator[tuple[list[DecisionRecord], Seen]]:
        start, lines = 0, _lines(folder / CONTEXTS)
        for chunk in inputs.chunks:
            size = inputs.sizes[chunk]
            records = []
            for position, line in zip(range(start, start + size), islice(lines, size), strict=True):
                context = json.loads(line)
                chosen = of_position.get(position, [])
                if not chosen and actions.no_contact_index is not None:
                    chosen = [(made.arms.iloc[position], actions.no_contact_index)]
                records += [_record(one, action, position, context, read, provenance, order) for one, action in chosen]
            start += size
            yield records, inputs.read(chunk).standing.seen

    return parts


def _record(
    row: Any, action: int, position: int, context: dict[str, Any], read: PortfolioValues, provenance: Provenance,
    order: PlanOrder,
) -> DecisionRecord:  # fmt: skip
    actions = provenance.actions
    alone = action == actions.no_contact_index
    n = actions.n_contact_actions
    round_ = 1 if alone else int(row.round)
    eligible: NDArray[np.bool_] = np.ones(len(actions), dtype=np.bool_)  # to leave an account alone is always open
    eligible[:n] = np.unpackbits(read.open_sets[round_][position], count=n)
    drawn = row.arm == "explore" and pd.notna(row.propensity) and (alone or row.reason == "explore")
    facts = read.facts.iloc[position]
    kind, _, name = str(facts["debtor"]).partition(" ")
    at = None if alone or pd.isna(row.contact_at) else row.contact_at.to_pydatetime()
    template = None if alone or pd.isna(row.template_id) else str(row.template_id)
    return DecisionRecord(
        decision_id=str(row.decision_id),
        account_id=str(facts["account_id"]),
        debtor_id=name if kind == "debtor" else None,
        decided_at=order.as_of,
        action=action,
        propensity=float(row.propensity) if drawn else 1.0,
        eligible=eligible,
        context=context,
        provenance=provenance,
        ranking=[
            {
                "rank": 1,
                "action": action,
                "template_id": template,
                "contact_at": at,
                "values": _ladder(row),
                "needs_human": bool(facts["needs_human"]),
                "segment": facts["segment"],
                **_offer(row, order),
                **_documents(order),
            }
        ],
        contact_at=at,
        fallback=row.arm == "usual",
        deterministic=not drawn,
        seed=order.seed,
        purpose=order.purpose,
    )


def _ladder(row: Any) -> dict[str, float | None] | None:
    """The value ladder of a contact; None for an account that is left alone."""
    known = {name: getattr(row, name) for name in getattr(row, "_fields", ()) if is_value(name)}
    return {name: None if pd.isna(value) else float(value) for name, value in known.items()} or None


def _offer(row: Any, order: PlanOrder) -> dict[str, str]:
    """Terms of the offer that a contact makes, as the log keeps them."""
    offer = None if order.prices is None else order.prices.get(str(getattr(row, "offer", None)))
    if offer is None:
        return {}
    terms = {
        "id": offer.id, "kind": offer.kind,
        "percent": offer.percent if offer.kind == "discount" else None,
        "instalments": offer.instalments if offer.kind == "instalments" else None,
        "cost_minor": float(row.offer_cost), "currency": row.offer_currency, "expires_at": row.offer_until.isoformat(),
    }  # fmt: skip
    return {"offer": json.dumps(terms)}


def _documents(order: PlanOrder) -> dict[str, str]:
    """What was said, offered and maximised, and what of the house was switched off: as a Decider's documents."""
    off = {"switched_off": ";".join(order.switched_off)} if order.switched_off else {}
    offers = {} if order.prices is None else {"offers_digest": order.prices.digest}
    messages = {"messages_digest": (order.catalogue or default_catalogue()).digest}
    return {**messages, **offers, **order.objective.documents, **off}


def _cancelled(log: DecisionLog, sent: SentToday | None) -> list[ContactEvent]:
    """What nobody made of a plan that is replaced, as far as the log knows it."""
    if sent is None or sent.released.empty:
        return []
    known = log.decided_at(sent.released["decision_id"].tolist())
    return [
        ContactEvent(
            decision_id=row.decision_id, debtor_id=row.debtor.partition(" ")[2], kind="cancelled",
            at=row.contact_at.to_pydatetime(), reason="replanned",
        )
        for row in sent.released.itertuples(index=False)
        if row.decision_id in known
    ]  # fmt: skip


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file
