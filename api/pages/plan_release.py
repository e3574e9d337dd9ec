"""An approved plan becomes a state: its decisions in the decision log, and those of its contacts that stand there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import structlog
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from recommender.errors import RecommenderError
from recommender.intake import id_key
from recommender.planning import DECISIONS_KEPT, LetOut, let_out
from recommender.store.decision_log import (
    BudgetSpent,
    DecisionConflict,
    DecisionLog,
    StaleStanding,
    state_of,
)

__all__ = ["Refusal", "not_going_out", "of_stopped", "release"]

_log = structlog.get_logger(__name__)

Refusal = Literal["changed", "spent", "terms", "unlogged", "away"]
_TAKEN_BACK = ("cancelled", "expired", "undelivered")


def release(log: DecisionLog, folder: Path, offers: Any) -> LetOut | Refusal:
    """Write the decisions of a plan that is approved.

    Parameters
    ----------
    log : DecisionLog
    folder : Path
        Of the plan.
    offers : ServedOffers or None
        Price list in force.

    Returns
    -------
    LetOut or str
        What was written, or why nothing was.
    """
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if not (folder / DECISIONS_KEPT).is_file():
        return "unlogged"
    if about.get("offers_digest") != (None if offers is None else offers.prices.digest):
        return "terms"
    try:
        return let_out(log, folder / DECISIONS_KEPT)
    except BudgetSpent:
        return "spent"
    except (StaleStanding, DecisionConflict):
        return "changed"
    except (RecommenderError, SQLAlchemyError) as error:
        _log.error("an approval was not written", plan=folder.name, error=type(error).__name__)
        return "away"


def of_stopped(contacts: pd.DataFrame, stopped: Collection[str]) -> NDArray[np.bool_]:
    """Contacts with an account or a debtor that a person stopped all contact with.

    Parameters
    ----------
    contacts : DataFrame
        Of a plan: its debtors are ``debtor NAME`` or ``account NAME``.
    stopped : collection of str
    """
    names = set(map(id_key, stopped))
    debtors = contacts["debtor"].astype(str).str.partition(" ")[2] if len(contacts) else contacts["debtor"]
    mine = [one.astype(str).map(id_key).isin(names) for one in (contacts["account_id"], debtors)]
    return np.asarray(mine[0] | mine[1], dtype=np.bool_)


def not_going_out(
    log: DecisionLog | None, contacts: pd.DataFrame, approval: Mapping[str, Any] | None
) -> NDArray[np.bool_]:
    """Contacts of an approved plan that the log does not hold, or that were taken back there."""
    if log is None or approval is None or "contacts" not in approval:
        return np.zeros(len(contacts), dtype=np.bool_)
    ids = contacts["decision_id"].astype(str).tolist()
    known = log.decided_at(ids)
    back = {key for key, events in log.events_of(list(known)).items() if state_of(events) in _TAKEN_BACK}
    # further days of a plan are an outlook: nothing is decided about them
    return np.array([one not in known or one in back for one in ids], dtype=np.bool_)
