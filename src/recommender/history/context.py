"""Context columns beside the account's own history: of accounts to score now, and of logged decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from recommender.errors import InvalidInput
from recommender.features import AccountHistory
from recommender.history.feedback import LoggedFeedback

__all__ = ["accounts_context", "log_context"]


def accounts_context(
    accounts: pd.DataFrame,
    columns: Sequence[str],
    known: AccountHistory | None,
    names: Mapping[str, str | None],
    later: pd.DataFrame | None,
    as_of: Any | None,
) -> pd.DataFrame:
    """Context of accounts to score, with their history as of a moment (None = now).

    Parameters
    ----------
    accounts : DataFrame
    columns : sequence of str
        Context columns of the log.
    known : AccountHistory or None
        Contacts of the training log.
    names : mapping
        Role -> column name of the log (account, time, reward).
    later : DataFrame or None
        Contacts after the log, under the same names.
    as_of : instant, number or None

    Raises
    ------
    InvalidInput
        Names the context columns that ``accounts`` lacks.
    """
    if missing := [name for name in columns if name not in accounts.columns]:
        raise InvalidInput.missing_columns(missing, accounts.columns.tolist(), role="context")
    context = accounts[list(columns)].reset_index(drop=True)
    if known is None:
        return context
    account = names.get("account")
    if account is None or account not in accounts.columns:
        return pd.concat([context, known.nothing_known(len(context))], axis=1)
    ids = accounts[account].reset_index(drop=True)
    if later is not None and len(later):
        known = known.only(ids).extended(
            later, account=account, time=str(names["time"]), reward=names.get("reward") or "reward"
        )
    return pd.concat([context, known.at(ids, known.moment_of(as_of))], axis=1)


def log_context(log: LoggedFeedback, columns: Sequence[str], history: AccountHistory | None) -> pd.DataFrame:
    """Context of logged decisions, each with its account's history at that moment."""
    if missing := [name for name in columns if name not in log.context.columns]:
        raise InvalidInput.missing_columns(missing, log.context.columns.tolist(), role="context")
    context = log.context[list(columns)]
    return context if history is None else pd.concat([context, history.of_log(log)], axis=1)
