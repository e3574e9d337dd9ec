"""The table of contacts: who is contacted how and when, by which queue, in which order, with which template."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.messages import default_catalogue
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.portfolio_read import PortfolioValues
from recommender.strategy import STAGES, stage_of

__all__ = ["contact_table", "with_priority"]


def contact_table(
    read: PortfolioValues,
    position: NDArray[np.int64],
    action: NDArray[np.int64],
    capacity: CapacityOrder,
    order: PlanOrder,
) -> pd.DataFrame:
    """Who is contacted how and when, with the approved template.

    Parameters
    ----------
    read : PortfolioValues
    position, action : ndarray of shape (n_contacts,)
        Accounts and actions of the plan (of all its days).
    capacity : CapacityOrder
    order : PlanOrder

    Returns
    -------
    DataFrame
        ``day`` counts from 1; ``action`` is the action of the plan.
    """
    kinds = read.kinds
    facts = read.facts.iloc[position].reset_index(drop=True)
    day = kinds.day_of_action()[action]
    described = kinds.actions.describe(action % kinds.actions.n_contact_actions)
    frame = pd.concat([facts[["decision_id", "row", "account_id", "debtor", "arm"]], described], axis=1)
    queues = kinds.queue_of(facts["kind"].to_numpy(dtype=np.int64))
    names = np.array([queue.name for queue in capacity.queue], dtype=object)
    frame["queue"] = pd.array(names[queues[np.arange(len(position)), action]], dtype="str")
    instant = kinds.instant_of(facts["clock"].to_numpy(dtype=np.int64), action)
    frame["contact_at"] = pd.Series(instant).dt.tz_localize("UTC").array
    stage = stage_of(facts["days_past_due"].to_numpy() + day)
    frame["stage"] = pd.array(np.array(STAGES, dtype=object)[stage], dtype="str")
    for name in ("needs_human", "human_reason", "segment"):
        frame[name] = facts[name].to_numpy()
    hours = kinds.hour_of_action()[action] - day * (len(kinds.clocks[0]) // kinds.days if kinds.clocks else 0)
    frame["template_id"] = _templates(frame, facts, hours, day, order)
    frame["day"] = day + 1
    frame["share"] = read.share[position, day].astype(np.float64)
    frame["place"], frame["action"] = position, action
    return frame


def _templates(
    frame: pd.DataFrame, facts: pd.DataFrame, hour: NDArray[np.int64], day: NDArray[np.int64], order: PlanOrder
) -> list[str | None]:
    """Of the kind that was chosen and the stage on the day of the contact."""
    if "tone" not in frame.columns:
        return [None] * len(frame)
    late = facts["late"].to_numpy(dtype=np.int64) + (facts["next_day"].to_numpy(dtype=np.int64) >> hour & 1) + day
    return (order.catalogue or default_catalogue()).template_ids(
        channel=frame["channel"].astype(str).tolist(),
        tone=frame["tone"].astype(str).tolist(),
        kind=_kinds(frame, order),
        days_past_due=late.tolist(),
        language=[name if isinstance(name, str) else None for name in facts["language"]],
        open_channels=facts["open_channels"].tolist(),
        purpose=order.purpose,
    )


def _kinds(frame: pd.DataFrame, order: PlanOrder) -> list[str | None] | None:
    """Kind of message of each contact: as it was chosen, else the one that tells its offer."""
    if "message_kind" in frame.columns:
        return [str(one) for one in frame["message_kind"]]
    if "offer" not in frame.columns or order.prices is None:
        return None
    told = {offer.id: offer.message_kind for offer in order.prices.offers}
    return [told.get(str(one)) for one in frame["offer"]]


def with_priority(contacts: pd.DataFrame) -> pd.DataFrame:
    """Order by queue, time and what a contact brings beyond the price of its slot; number within queue and time."""
    ordered = contacts.sort_values(
        ["queue", "contact_at", "_rank", "row"], ascending=[True, True, False, True], kind="stable", ignore_index=True
    )
    rank = ordered.groupby(["queue", "contact_at"], sort=False).cumcount() + 1
    ordered.insert(0, "priority", rank.to_numpy(dtype=np.int64))
    return ordered.drop(columns="_rank")
