"""The decisions of a finished plan, written to the decision log before the plan is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from recommender.actions import ActionSpace
from recommender.deciding import OFFERS_KNOWN
from recommender.planning.plan_folder import PlanFolder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_rows import RECORD
from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    OfferBudget,
    Provenance,
    Seen,
    makes_offer,
)
from recommender.strategy import is_value

__all__ = ["log_plan", "log_whole"]

_NUMBERS = ("expected_reward", "lo", "hi", "propensity", "evidence")


def log_plan(
    folder: PlanFolder,
    inputs: PlanInputs,
    log: DecisionLog,
    actions: ActionSpace,
    *,
    code_version: str,
    seed: int,
    budget: OfferBudget | None = None,
) -> int:
    """Write every decision of a plan; one that was written before is not written again.

    Parameters
    ----------
    folder : PlanFolder
    inputs : PlanInputs
        With the standing on which they were made.
    log : DecisionLog
    actions : ActionSpace
    code_version : str
    seed : int
    budget : OfferBudget, optional
        What the offers of the log may cost with those of the plan.

    Returns
    -------
    int
        Decisions that were new.

    Raises
    ------
    DecisionConflict
        Where the log holds other decisions under these ids: accounts or history changed since.
    StaleStanding
        Where somebody decided about the same debtors meanwhile, or (``BudgetSpent``) spent the budget.
    """
    provenances: dict[str, Provenance] = {}

    def parts() -> Iterator[tuple[list[DecisionRecord], Seen]]:
        for chunk in inputs.chunks:
            frame = folder.ranked(chunk).to_pandas()
            records = [
                _record(rows, actions, provenances, code_version, seed)
                for _, rows in frame.groupby("row", sort=False)
            ]  # fmt: skip
            yield records, inputs.read(chunk).standing.seen

    return log_whole(log, parts, budget)


def log_whole(
    log: DecisionLog,
    parts: Callable[[], Iterable[tuple[list[DecisionRecord], Seen]]],
    budget: OfferBudget | None = None,
    events: Sequence[ContactEvent] = (),
) -> int:
    """Write the decisions of a plan part by part, those that make an offer first and together where a budget binds.

    So the budget is held against all offers of the plan at once: a plan whose offers another run left no money for
    leaves nothing in the log.

    Parameters
    ----------
    log : DecisionLog
    parts : callable
        Gives the decisions of each chunk with the standing they were made on; may be asked twice.
    budget : OfferBudget, optional
        None = no price list, or one without a limit.
    events : sequence of ContactEvent
        Written with the first of them: what the plan takes back.

    Returns
    -------
    int
        Decisions that were new.

    Raises
    ------
    StaleStanding
        Also as ``BudgetSpent``: another plan or the service spent the budget since this one read it.
    """
    new, waiting = 0, list(events)
    if budget is not None and budget.minor is not None:
        offering: list[DecisionRecord] = []
        debtors: dict[str, frozenset[str]] = {}
        accounts: dict[str, frozenset[str]] = {}
        for records, seen in parts():
            mine = [record for record in records if makes_offer(record)]
            names = {name for one in mine for name in (one.account_id, str(one.debtor_id))}
            debtors |= {name: ids for name, ids in seen.debtors.items() if name in names}
            accounts |= {name: ids for name, ids in seen.accounts.items() if name in names}
            offering += mine
        new += log.record(offering, seen=Seen(debtors, accounts), events=waiting, budget=budget).stored
        waiting = []
    for records, seen in parts():
        new += log.record(records, seen=seen, events=waiting).stored
        waiting = []
    return new


def _record(
    rows: pd.DataFrame, actions: ActionSpace, provenances: dict[str, Provenance], code_version: str, seed: int
) -> DecisionRecord:
    first = rows.iloc[0]
    record = json.loads(first[RECORD])
    key = json.dumps([first["policy_version"], record["rule_packs"]], sort_keys=True)
    if key not in provenances:
        provenances[key] = Provenance(
            policy_version=first["policy_version"],
            actions=actions,
            rule_packs=record["rule_packs"],
            holidays_version=record["holidays"],
            tzdata_version=record["tzdata"],
            code_version=code_version,
        )
    ladder = [name for name in rows.columns if is_value(str(name))]
    ranking: list[dict[str, Any]] = [
        {
            "rank": int(row["rank"]),
            **{name: None if pd.isna(row[name]) else float(row[name]) for name in _NUMBERS},
            "support": bool(row["support"]),
            "action": action,
            "template_id": None if pd.isna(row["template_id"]) else row["template_id"],
            "contact_at": _instant(row["contact_at"]),
            "values": {name: None if pd.isna(row[name]) else float(row[name]) for name in ladder} or None,
        }
        for action, (_, row) in zip(record["actions"], rows.iterrows(), strict=True)
    ]
    if OFFERS_KNOWN in record:
        for entry, terms in zip(ranking, record["offers"], strict=True):
            entry["offer"] = terms
        ranking[0][OFFERS_KNOWN] = record[OFFERS_KNOWN]
    ranking[0] |= {"needs_human": record["needs_human"], "next_allowed_at": _instant(first["next_allowed_at"])}
    ranking[0] |= record["documents"]
    return DecisionRecord(
        decision_id=first["decision_id"],
        account_id=str(first["account"]),
        debtor_id=None if pd.isna(first["debtor"]) else str(first["debtor"]),
        decided_at=first["decided_at"].to_pydatetime(),
        action=record["action"],
        propensity=1.0 if first["deterministic"] else min(1.0, float(first["propensity"])),
        eligible=pd.Series(list(first["eligible"])).eq("1").to_numpy(dtype=bool),
        context=record["context"],
        provenance=provenances[key],
        ranking=ranking,
        contact_at=_instant(first["contact_at"]),
        fallback=first["policy"] == "seed_rules",
        deterministic=bool(first["deterministic"]),
        seed=seed,
        purpose=record["purpose"],
    )


def _instant(value: Any) -> Any:
    return None if pd.isna(value) else value.to_pydatetime()
