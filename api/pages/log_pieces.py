"""The decision log in pieces, newest first, each with its outcomes and with what the accounts' file adds to it.

Nobody holds the whole log: a piece is some ten thousand decisions, and whoever counts keeps what it counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from api.pages.log_facts import LogFacts
from recommender.store.decision_log import DecisionLog, outcomes_between, payments_taken_back, state_of

__all__ = ["FROM_THE_FILE", "Codes", "Piece", "newest_first"]

FROM_THE_FILE = ("product", "country", "currency", "segment", "why")
"""What the accounts' file adds where the log does not hold it."""

_TAKEN_BACK = ("cancelled", "expired", "undelivered")
_EVENTS = sa.table("contact_events", sa.column("decision_id"), sa.column("kind"))


@dataclass(frozen=True)
class Piece:
    """Some decisions that follow each other in the log.

    Attributes
    ----------
    decisions : DataFrame
        As :class:`~api.pages.log_facts.LogFacts` keeps them, oldest first, with ``segment`` and ``why`` of the account
        and ``taken_back``: the contact was cancelled, expired or undelivered, so its factors are null.
    outcomes : DataFrame
        ``decision_id``, ``occurred_at``, ``outcome``, ``amount_minor``; those that stand.
    """

    decisions: pd.DataFrame
    outcomes: pd.DataFrame


def newest_first(log: DecisionLog, folder: Path | None, accounts: pd.DataFrame | None) -> Iterator[Piece]:
    """Pieces of the log, the newest first.

    Parameters
    ----------
    log : DecisionLog
    folder : Path or None
        Where the facts of decisions are kept; None: in a folder of their own, for this time.
    accounts : DataFrame or None
        :data:`FROM_THE_FILE` of the accounts, with their ids as index.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        facts = LogFacts(log, folder)
        parts = stack.enter_context(facts.parts())
        not_sent, gone = _possibly_taken_back(log), payments_taken_back(log.engine)
        for part in reversed(parts):
            decisions = facts.read(part)
            if decisions.empty:
                continue
            ends = [
                (decisions["decided_at"].iloc[at].to_pydatetime(), str(decisions["decision_id"].iloc[at]))
                for at in (0, -1)
            ]
            outcomes = outcomes_between(log.engine, ends[0], ends[1], gone)
            yield Piece(_with_accounts(_without_taken_back(decisions, log, not_sent), accounts), outcomes)


def _without_taken_back(decisions: pd.DataFrame, log: DecisionLog, possibly: frozenset[str]) -> pd.DataFrame:
    """Mark the decisions whose contact did not and will not take place, and take its factors away."""
    own = [one for one in decisions["decision_id"].tolist() if one in possibly]
    back = {key for key, events in log.events_of(own).items() if state_of(events) in _TAKEN_BACK} if own else set()
    taken_back = decisions["decision_id"].isin(back)
    decisions = decisions.assign(taken_back=taken_back)
    if back:
        for name in ("channel", "hour", "tone"):
            if name in decisions:
                decisions[name] = decisions[name].where(~taken_back, None)
    return decisions


def _with_accounts(decisions: pd.DataFrame, accounts: pd.DataFrame | None) -> pd.DataFrame:
    """Fill from the accounts what the log does not hold about them."""
    if accounts is None:
        return decisions
    place = accounts.index.get_indexer(decisions["account_id"].astype("str"))
    for name in FROM_THE_FILE:
        if name not in accounts:
            continue
        told = pd.Series(pd.api.extensions.take(accounts[name].array, place, allow_fill=True), index=decisions.index)
        logged = decisions.get(name)
        decisions[name] = told if logged is None else logged.where(logged.notna(), told)
    return decisions


def _possibly_taken_back(log: DecisionLog) -> frozenset[str]:
    """Decisions that an event of a contact that did not take place was told of, whatever was told later."""
    query = sa.select(_EVENTS.c.decision_id).where(_EVENTS.c.kind.in_(_TAKEN_BACK)).distinct()
    with log.engine.connect() as connection:
        return frozenset(connection.execute(query).scalars())


class Codes:
    """Numbers for values in the order they are met."""

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}

    def of(self, values: pd.Series) -> NDArray[np.int32]:
        """Number of each value; -1 where there is none."""
        own, uniques = pd.factorize(values)
        if not len(uniques):
            return np.full(len(values), -1, dtype=np.int32)
        levels = self.levels
        told = np.array([levels.setdefault(str(one), len(levels)) for one in uniques.tolist()], dtype=np.int32)
        return np.where(own >= 0, told[own], np.int32(-1))
