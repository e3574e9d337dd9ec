"""The decisions of a finished plan, written to the decision log before the plan is there."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from recommender.actions import ActionSpace
from recommender.planning.plan_folder import PlanFolder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_rows import RECORD
from recommender.store.decision_log import DecisionLog, DecisionRecord, Provenance
from recommender.strategy import is_value

__all__ = ["log_plan"]

_NUMBERS = ("expected_reward", "lo", "hi", "propensity", "evidence")


def log_plan(
    folder: PlanFolder, inputs: PlanInputs, log: DecisionLog, actions: ActionSpace, *, code_version: str, seed: int
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

    Returns
    -------
    int
        Decisions that were new.

    Raises
    ------
    DecisionConflict
        Where the log holds other decisions under these ids: accounts or history changed since.
    StaleStanding
        Where somebody decided about the same debtors meanwhile.
    """
    new = 0
    provenances: dict[str, Provenance] = {}
    for chunk in inputs.chunks:
        frame = folder.ranked(chunk).to_pandas()
        records = [
            _record(rows, actions, provenances, code_version, seed)
            for _, rows in frame.groupby("row", sort=False)
        ]  # fmt: skip
        new += log.record(records, seen=inputs.read(chunk).standing.seen).stored
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
    )


def _instant(value: Any) -> Any:
    return None if pd.isna(value) else value.to_pydatetime()
