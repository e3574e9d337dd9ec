"""What was known about an account at a moment: its state and its events, for training, batch and one account alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from recommender.features.account_state import DERIVED, AccountStates
from recommender.features.event_log import EventLog

__all__ = ["Knowledge"]

_OF_DEBTOR = ("contacts_7d", "contacts_30d", "responses_30d", "payments_90d")


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Everything known about accounts, ready to be asked as of any moment.

    Attributes
    ----------
    events : EventLog
    debtor_events : EventLog or None
        Events by debtor, where some debtor has several accounts: fatigue is felt by a person, not by an account.
    states : AccountStates or None
    """

    events: EventLog
    debtor_events: EventLog | None
    states: AccountStates | None
    debtor_of: pd.Series | None

    @classmethod
    def from_tables(
        cls,
        accounts: pd.DataFrame | None,
        contacts: pd.DataFrame,
        outcomes: pd.DataFrame | None = None,
        payments: pd.DataFrame | None = None,
        *,
        channels: Sequence[Any],
        snapshot: Literal["leave_out", "trust"] = "leave_out",
        static: Sequence[str] = (),
        default_zone: str = "UTC",
        by_debtor: bool | None = None,
    ) -> Knowledge:
        """Sort clean tables.

        Parameters
        ----------
        accounts, contacts, outcomes, payments : DataFrame or None
            See :data:`recommender.tables.CONTRACTS`; contacts are those that were sent.
        channels : sequence
            Channels with columns of their own.
        snapshot : {"leave_out", "trust"}
            See :meth:`AccountStates.from_table`.
        static : sequence of str
            Further account columns that never change.
        default_zone : str
            Zone of accounts without one.
        by_debtor : bool or None
            Count events by debtor too; None = where some debtor has several accounts.
        """
        states, zone_of, debtor_of = None, None, None
        if accounts is not None:
            states = AccountStates.from_table(accounts, snapshot=snapshot, static=static, default_zone=default_zone)
            first = states.frame.iloc[states.start[:-1]].set_index(states.account_ids)
            zone_of = first.get("timezone")
            if "debtor_id" in first and first["debtor_id"].notna().any():
                debtor_of = first["debtor_id"].dropna()
        events = EventLog.from_tables(
            contacts, outcomes, payments, channels=channels, zone_of=zone_of, default_zone=default_zone
        )
        debtor_events = None
        shared = debtor_of is not None and bool(debtor_of.duplicated().any())
        if debtor_of is not None and (shared if by_debtor is None else by_debtor):
            debtor_events = EventLog.from_tables(
                _of_debtor(contacts, debtor_of),
                outcomes,
                None if payments is None else _of_debtor(payments, debtor_of),
                channels=channels,
            )
        return cls(events, debtor_events, states, debtor_of)

    @property
    def computed(self) -> set[str]:
        """Columns that are computed here from dated events and states, so they cannot know what came later."""
        return {*self.events.column_names, *(f"debtor_{name}" for name in _OF_DEBTOR), *DERIVED}

    def debtors(self, account_id: pd.Series) -> pd.Series:
        """Debtor of each account; an account whose debtor is not known stands for itself."""
        account_id = account_id.reset_index(drop=True)
        if self.debtor_of is None:
            return account_id
        return _or_account(account_id.map(self.debtor_of), account_id)

    def of_accounts(self, account_id: pd.Series) -> Knowledge:
        """What is known about some accounts, theirs and their debtors' events included.

        The context of these accounts as of any moment is the same from the part as from the whole, so that parts may
        be asked on different machines.

        Parameters
        ----------
        account_id : Series
        """
        wanted = pd.Series(pd.Index(account_id).unique())
        debtor_of = self.debtor_of
        return Knowledge(
            self.events.of_accounts(wanted),
            None if self.debtor_events is None else self.debtor_events.of_accounts(self.debtors(wanted)),
            None if self.states is None else self.states.of_accounts(wanted),
            None if debtor_of is None else debtor_of[debtor_of.index.isin(wanted)],
        )

    def at(self, account_id: pd.Series, instant: pd.Series) -> pd.DataFrame:
        """Context of each account as of each moment.

        Parameters
        ----------
        account_id : Series of shape (n,)
        instant : Series of datetime64 (UTC) of shape (n,)

        Returns
        -------
        DataFrame of shape (n, n_columns)
            Context columns; the debtor-local zone and the debtor as ``_timezone`` and ``_debtor_id``.
        """
        account_id = account_id.reset_index(drop=True)
        parts = []
        if self.states is not None:
            state = self.states.at(account_id, instant)
            names = self.states.context_names(state)
            for name in self.computed.difference(DERIVED).intersection(names):
                self.states.left_out[name] = "computed here from the events instead"
            parts.append(state[[*(name for name in names if name not in self.states.left_out), "_timezone"]])
        parts.append(self.events.features(account_id, instant))
        if self.debtor_of is not None:
            debtor = self.debtors(account_id)
            parts.append(debtor.rename("_debtor_id").to_frame())
            if self.debtor_events is not None:
                asked = [name for name in _OF_DEBTOR if name in self.debtor_events.column_names]
                counts = self.debtor_events.features(debtor, instant, columns=asked)
                parts.append(counts.add_prefix("debtor_"))
        return pd.concat(parts, axis=1)


def _of_debtor(events: pd.DataFrame, debtor_of: pd.Series) -> pd.DataFrame:
    debtor = _or_account(events["account_id"].map(debtor_of), events["account_id"])
    return events[[name for name in events.columns if name != "account_id"]].assign(account_id=debtor)


def _or_account(debtor: pd.Series, account_id: pd.Series) -> pd.Series:
    """An account whose debtor is not known stands for itself."""
    if not debtor.isna().any():
        return debtor
    if pd.api.types.is_integer_dtype(account_id.dtype) and pd.api.types.is_numeric_dtype(debtor.dtype):
        return debtor.fillna(account_id).astype("int64")
    return debtor.fillna(account_id.astype("str"))
