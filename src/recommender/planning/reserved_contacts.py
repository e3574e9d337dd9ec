"""Contacts that come before the policy's: appointments, the random arm, business as usual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.planning.arms import explore, uniform_of
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_problem import CapacityRows
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.portfolio_read import PortfolioValues

__all__ = ["Chosen", "appointments_kept", "random_arm", "use_of", "usual_arm"]

_REDRAWS = 20
_SLACK = 1e-9


@dataclass(frozen=True)
class Chosen:
    """Contacts of one arm or of the appointments."""

    position: NDArray[np.int64]
    action: NDArray[np.int64]
    value: NDArray[np.float64]
    reason: NDArray[np.object_]
    propensity: NDArray[np.float64]


def use_of(
    rows: CapacityRows, kind: NDArray[np.int64], position: NDArray[np.int64], action: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Use of each row by some contacts."""
    return np.asarray(rows.use[kind[position], action].sum(axis=0))


def appointments_kept(
    read: PortfolioValues, rows: CapacityRows, kind: NDArray[np.int64], left: NDArray[np.float64]
) -> tuple[Chosen, list[dict[str, object]]]:
    """Take appointments off what is left, in order of time, as far as it goes."""
    kept: list[int] = []
    unplaced: list[dict[str, object]] = []
    placed = read.placed.sort_values(["at", "place"], kind="stable", ignore_index=True)
    for number, appointment in enumerate(placed.to_dict("records")):
        use = rows.use[kind[appointment["place"]], appointment["action"]]
        short = (use > 0) & (use > left + _SLACK)
        if short.any():
            names = ", ".join(rows.names[row] for row in np.flatnonzero(short))
            account = read.facts["account_id"].iloc[appointment["place"]]
            why = f"no capacity: {names}"
            unplaced.append(
                {"account_id": account, "at": str(appointment["at"]), "kind": appointment["reason"], "why": why}
            )
            continue
        left -= use
        kept.append(number)
    keeping = placed.iloc[kept]
    return Chosen(
        keeping["place"].to_numpy(dtype=np.int64),
        keeping["action"].to_numpy(dtype=np.int64),
        keeping["value"].to_numpy(dtype=np.float64),
        keeping["reason"].to_numpy(dtype=object),
        np.ones(len(keeping)),
    ), unplaced


def random_arm(
    read: PortfolioValues,
    values: NDArray[np.float32],
    rows: CapacityRows,
    left: NDArray[np.float64],
    capacity: CapacityOrder,
    order: PlanOrder,
) -> tuple[Chosen, NDArray[np.float64]]:
    """Draw the contacts of the random arm; propensity of what was drawn for each account of it, else NaN.

    Of a debtor with several accounts one is drawn first, each with the same chance, which is part of the propensity.
    """
    arm = read.facts["arm"].to_numpy()
    position = read.aside[arm[read.aside] == "explore"]
    chance = np.full(len(read.facts), np.nan)
    caps = ~rows.is_minimum
    debtor = read.facts["debtor"].to_numpy()[position]
    account = read.facts["account_id"].to_numpy()[position]
    numbered = pd.DataFrame(
        {"debtor": debtor, "number": uniform_of(account, "which", order.seed, order.as_of.isoformat())}
    )
    size = numbered.groupby("debtor")["number"].transform("size").to_numpy(dtype=np.int64)
    mine = (numbered.groupby("debtor")["number"].rank(method="first") == 1).to_numpy()
    kind = read.facts["kind"].to_numpy(dtype=np.int64)[position]
    room = np.minimum(np.maximum(left, 0.0), capacity.arms.explore * np.maximum(rows.limit, 0.0))[caps]
    use = rows.use[:, :, caps]
    for attempt in range(_REDRAWS):
        numbers = uniform_of(account, "draw", order.seed, order.as_of.isoformat(), attempt)
        action, drawn = explore(np.isfinite(values), use, kind, room, numbers, size, mine)
        sent = action >= 0
        total = use_of(rows, kind, np.flatnonzero(sent), action[sent])
        if (total[caps] <= np.maximum(left, 0.0)[caps] + _SLACK).all():
            break
    else:
        raise InvalidInput(
            f"The random arm exceeded a limit in {_REDRAWS} draws.", column="explore", mend="Give arms.explore more."
        )
    chance[position] = drawn
    left -= use_of(rows, kind, np.flatnonzero(sent), action[sent])
    value = values[sent, action[sent]].astype(np.float64)
    reason = np.full(int(sent.sum()), "explore", dtype=object)
    return Chosen(position[sent], action[sent], value, reason, drawn[sent]), chance


def usual_arm(
    read: PortfolioValues,
    values: NDArray[np.float32],
    rows: CapacityRows,
    left: NDArray[np.float64],
    capacity: CapacityOrder,
) -> Chosen:
    """Business as usual: the longest overdue first, each the first of the trade's rules that still fits."""
    arm = read.facts["arm"].to_numpy()
    position = read.aside[arm[read.aside] == "usual"]
    caps = ~rows.is_minimum
    room = np.where(caps, np.minimum(left, capacity.arms.usual * rows.limit), np.inf)
    kind = read.facts["kind"].to_numpy(dtype=np.int64)[position]
    debtor = read.facts["debtor"].to_numpy()[position]
    days = read.facts["days_past_due"].to_numpy()[position]
    met: set[str] = set()
    at, action = [], []
    for i in np.argsort(-days, kind="stable").tolist():
        if debtor[i] in met:
            continue
        for wanted in read.usual_choice[i].tolist():
            if wanted >= 0 and (rows.use[kind[i], wanted][caps] <= room[caps] + _SLACK).all():
                room -= rows.use[kind[i], wanted]
                met.add(debtor[i])
                at.append(i)
                action.append(wanted)
                break
    chosen, taken = np.array(at, dtype=np.int64), np.array(action, dtype=np.int64)
    left -= use_of(rows, kind, chosen, taken)
    value = values[chosen, taken].astype(np.float64)
    return Chosen(position[chosen], taken, value, np.full(len(chosen), "usual", dtype=object), np.ones(len(chosen)))
