"""Accounts as the encoded context of a model, with their histories as of now."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache, partial
from operator import eq
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.deciding.accounts import Accounts
from recommender.features import AccountHistory, LaterContacts
from recommender.local_time import DAY_US
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["ModelContext", "counts_contacts", "later_contacts", "model_history"]

_UNKNOWN, _UNNAMED = -1, -2  # a level that the model does not know, and none at all


class ModelContext:
    """The encoded context of accounts, for one model.

    Parameters
    ----------
    strategy : ContactStrategy
    """

    def __init__(self, strategy: ContactStrategy) -> None:
        self._strategy = strategy
        self._encoder = strategy.reward_model_.encoder
        known = {str(name) for name in strategy.feature_names_in_}
        self._own = [(place, column.name) for place, column in enumerate(self._encoder.columns) if column.name in known]
        history = () if strategy.history_ is None else strategy.history_.columns
        history_at = {name: position for position, name in enumerate(history)}
        of_history = [
            (position, history_at[column.name])
            for position, column in enumerate(self._encoder.columns)
            if column.name in history_at and column.name not in known
        ]
        self._places, self._of_history = np.array(of_history, dtype=np.int64).reshape(-1, 2).T

    def of(self, accounts: Accounts, contacts: Columns | None, as_of: datetime) -> NDArray[np.float64]:
        """Encode accounts, with their histories as of now.

        Parameters
        ----------
        accounts : Accounts
            A column that they lack is missing for all.
        contacts : Columns or None
        as_of : aware datetime

        Returns
        -------
        ndarray of shape (n, n_columns)

        Raises
        ------
        InvalidInput
            When a number column holds text that is not a number.
        """
        encoder, strategy = self._encoder, self._strategy
        matrix = np.full((len(accounts), len(encoder.columns)), np.nan)
        encoder.fill(matrix, accounts, [position for position, name in self._own if name in accounts])
        if strategy.history_ is not None and len(self._places):
            table = _history_of(strategy, strategy.history_, accounts, contacts, as_of)
            matrix[:, self._places] = table[:, self._of_history]
        return matrix


def _history_of(
    strategy: ContactStrategy, history: AccountHistory, accounts: Accounts, contacts: Columns | None, as_of: datetime
) -> NDArray[np.float32]:
    """History features of each account: contacts of the training log and those that came after it."""
    account = strategy.names_.get("account")
    if account is None or account not in accounts:
        return history.features([None] * len(accounts), None)
    moment = None if history.time_kind == "number" else history.moment_of(as_of)
    return history.features(accounts.values(account), moment, later_contacts(contacts, strategy))


def later_contacts(contacts: Columns | None, strategy: ContactStrategy) -> LaterContacts | None:
    """Contacts that were sent by us after the training log and name every action factor.

    Raises
    ------
    InvalidInput
        When one names a level that the model does not know.
    """
    after = _rows_after(contacts, strategy)
    if contacts is None or after is None or not len(after.rows):
        return None
    rows, action = after.rows, after.action
    chosen = contacts
    if len(rows) < len(contacts):
        chosen, action = contacts.take(rows), action[rows]
    if action.min() < 0:  # says which level, of which column and row
        action = strategy.actions_.index_of({name: chosen.values(name) for name in strategy.actions_.factors})
    reward = strategy.names_.get("reward") or "reward"
    return LaterContacts(chosen.values("account_id"), after.time[rows], action, chosen.numbers(reward))


def model_history(contacts: pd.DataFrame | None, strategy: ContactStrategy | SeedStrategy) -> pd.DataFrame | None:
    """The same as a frame under the log's own column names, for the ``history`` of a strategy's methods."""
    if contacts is None or isinstance(strategy, SeedStrategy):
        return None
    after = _rows_after(Columns.of(contacts), strategy)
    if after is None or not len(after.rows):
        return None
    kept = contacts.take(after.rows)
    account, time = str(strategy.names_["account"]), str(strategy.names_["time"])
    return kept.assign(**{account: kept["account_id"], time: pd.to_datetime(kept["sent_at"], utc=True)})


def counts_contacts(contacts: pd.DataFrame | None, strategy: ContactStrategy | SeedStrategy) -> bool:
    """Whether the model itself knows of contacts made lately: those of its log, and those that this table tells."""
    if contacts is None or isinstance(strategy, SeedStrategy):
        return False
    return _rows_after(Columns.of(contacts), strategy) is not None


class _After(NamedTuple):
    """Contacts that the model counts beside those of its log: their rows, and time and action of every contact."""

    rows: NDArray[np.int64]
    time: NDArray[np.float64]
    action: NDArray[np.int64]  # negative: names a level that the model does not know


def _rows_after(contacts: Columns | None, strategy: ContactStrategy) -> _After | None:
    """What the model counts beside the contacts of its log."""
    history = strategy.history_
    if contacts is None or not len(contacts) or history is None or history.time_kind != "instant":
        return None
    factors = strategy.actions_.factors
    if any(name not in contacts for name in factors) or None in (strategy.names_["account"], strategy.names_["time"]):
        return None
    time = contacts.instants("sent_at") / float(DAY_US)
    kept = time > history.last
    for name, word in (("initiated_by", "creditor"), ("status", "sent")):
        if name in contacts:
            kept &= contacts.read(name, partial(eq, word), np.bool_)
    action, unknown = np.zeros(len(contacts), dtype=np.int64), np.zeros(len(contacts), dtype=bool)
    for name, code_of in _level_codes(strategy.actions_).items():
        codes = contacts.read(name, partial(_level_code, code_of), np.int64)
        if codes.min() < 0:
            kept &= codes != _UNNAMED
            unknown |= codes == _UNKNOWN
        action = action * len(code_of) + codes
    action[unknown] = -1
    return _After(kept.nonzero()[0], time, action)


def _level_code(code_of: dict[Any, int], value: Any) -> int:
    return _UNNAMED if value is None else code_of.get(value, _UNKNOWN)


@lru_cache(maxsize=8)
def _level_codes(actions: ActionSpace) -> dict[str, dict[Any, int]]:
    """Code of each level, by factor; the same for every request."""
    return {name: {level: code for code, level in enumerate(levels)} for name, levels in actions.factors.items()}
