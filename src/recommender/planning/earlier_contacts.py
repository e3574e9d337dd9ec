"""What a plan holds already when it asks for a further contact of a debtor: the law and the clock count it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.deciding import planned_contact
from recommender.intake import places_of
from recommender.offers import NO_OFFER
from recommender.planning.capacity_file import CapacityOrder

__all__ = ["EARLIER", "EarlierContacts", "RecentContacts", "values_name"]

EARLIER = ("account_id", "debtor", "contact_at", "channel", "day", "offer")
"""Columns of a plan's contacts that count for the contacts after them."""
_HOUR_US = 3_600_000_000
_WEEK = 7


def values_name(round_: int) -> str:
    """Name of the file with the values of a round."""
    return "values.f32" if round_ == 1 else f"values-{round_}.f32"


@dataclass(frozen=True)
class EarlierContacts:
    """Contacts of the rounds before.

    Attributes
    ----------
    contacts : DataFrame
        ``account_id``, ``debtor``, ``contact_at`` (UTC), ``channel``, ``day`` (of the plan, from 1), and ``offer``
        where offers are a factor.
    round : int
        The round that is asked for, from 2 on.
    """

    contacts: pd.DataFrame
    round: int

    def joined(self, history: pd.DataFrame | None, accounts: pd.DataFrame, purpose: str) -> pd.DataFrame | None:
        """History of some accounts with what is planned for them, all of one purpose; an unknown one stays unknown."""
        if history is None:
            return None
        mine = self.contacts.loc[self.contacts["account_id"].isin(accounts["account_id"].astype("str"))]
        if mine.empty:
            return history
        owner = None
        if "debtor_id" in accounts.columns:
            owner = dict(zip(accounts["account_id"].astype("str"), accounts["debtor_id"], strict=True))
        rows = [
            planned_contact(account, None if owner is None else owner[account], str(channel), when, purpose)
            for account, channel, when in zip(mine["account_id"], mine["channel"], mine["contact_at"], strict=True)
        ]
        planned = pd.DataFrame(rows)
        if owner is None:
            planned = planned.drop(columns="debtor_id")
        return planned if history.empty else pd.concat([history, planned], ignore_index=True)

    def offers(self, accounts: pd.DataFrame) -> list[dict[str, object]]:
        """Offers that the contacts before make to some accounts, as a desk reads them."""
        if "offer" not in self.contacts.columns:
            return []
        mine = self.contacts.loc[
            self.contacts["account_id"].isin(accounts["account_id"].astype("str"))
            & self.contacts["offer"].notna()
            & self.contacts["offer"].ne(NO_OFFER)
        ]
        columns = ["account_id", "debtor_id", "balance_minor"]
        known = accounts.reindex(columns=columns).assign(account_id=accounts["account_id"].astype("str"))
        told = mine[["account_id", "offer", "contact_at"]].merge(known, on="account_id", how="left")
        rows = told.rename(columns={"offer": "offer_id", "contact_at": "offered_at"})
        return [
            {key: None if pd.isna(value) else value for key, value in row.items()} for row in rows.to_dict("records")
        ]

    def shares(self, debtors: pd.Series, days: int, capacity: CapacityOrder) -> NDArray[np.float64]:
        """Part of its worth that a further contact has on each day, shape (n, days): 1 where nothing is planned.

        On the day of another contact it is ``later_contact_share``, and it recovers over ``week.fatigue_days``.
        """
        shares = np.ones((len(debtors), days))
        for row, planned in self._of(debtors):
            away = np.abs(np.arange(1, days + 1)[:, None] - planned["day"].to_numpy()[None, :]).min(axis=1)
            shares[row] = _share(away, days, capacity)
        return shares

    def open_at(
        self, debtors: pd.Series, contact_at: NDArray[np.datetime64], days: int, capacity: CapacityOrder
    ) -> NDArray[np.bool_]:
        """Instants that lie far enough from everything planned for the debtor; shape of ``contact_at``.

        In a plan of one day only after it: what is planned was judged without a contact before it, and an answer to one
        may forbid the next. In a plan of several days whoever asks judges again what such a contact would precede.
        """
        apart = np.ones(contact_at.shape, dtype=bool)
        week = capacity.week_of(days)
        least = np.timedelta64(round(capacity.hours_between * _HOUR_US), "us")
        day = np.repeat(np.arange(1, days + 1), contact_at.shape[1] // days)
        for row, planned in self._of(debtors):
            of_day = np.bincount(planned["day"], minlength=days + 1)
            apart[row] &= (of_day < capacity.contacts_per_debtor)[day]
            for instant, when in zip(
                planned["contact_at"].dt.tz_convert(None).to_numpy("datetime64[us]"), planned["day"], strict=True
            ):
                with np.errstate(invalid="ignore"):
                    after = contact_at[row] - instant
                    apart[row] &= (after >= least) | ((after <= -least) & (days > 1))
                away = np.abs(day - when)
                apart[row] &= (away == 0) | (away >= week.days_between)
        return apart

    def planned(self, debtors: pd.Series) -> NDArray[np.int64]:
        """Contacts of each debtor."""
        return np.asarray(debtors.map(self.contacts["debtor"].value_counts()).fillna(0), dtype=np.int64)

    def _of(self, debtors: pd.Series) -> Iterator[tuple[int, pd.DataFrame]]:
        """Rows of debtors with planned contacts, and these."""
        mine = self.contacts.loc[self.contacts["debtor"].isin(debtors)]
        by_debtor = dict(iter(mine.groupby("debtor")[["contact_at", "day"]]))
        for row, name in enumerate(debtors.tolist()):
            if name in by_debtor:
                yield row, by_debtor[name]


@dataclass(frozen=True)
class RecentContacts:
    """What was sent to debtors in the days before a plan.

    Attributes
    ----------
    last : ndarray of shape (n,)
        Days from the last contact to the first day of the plan, at least 1; inf where there is none.
    within : ndarray of shape (n, 8)
        Contacts at most so many days before the first day of the plan.
    """

    last: NDArray[np.float64]
    within: NDArray[np.int64]

    @classmethod
    def of(
        cls, history: pd.DataFrame | None, accounts: pd.Series, debtors: pd.Series, as_of: datetime
    ) -> RecentContacts:
        """Count what we sent to the debtor of each account, over all its accounts."""
        n = len(debtors)
        last, within = np.full(n, np.inf), np.zeros((n, _WEEK + 1), dtype=np.int64)
        if history is None or history.empty:
            return cls(last, within)
        code, names = pd.factorize(debtors)
        last_row = ~accounts.astype("str").duplicated(keep="last").to_numpy()
        at = places_of(history["account_id"].astype("str"), accounts.astype("str")[last_row])
        owner = np.append(code[last_row], -1)[at]
        lost = np.flatnonzero(owner < 0)
        if "debtor_id" in history and len(lost):
            owner[lost] = places_of("debtor " + history["debtor_id"].iloc[lost].astype("str"), pd.Series(names))
        sent = pd.to_datetime(history["sent_at"], utc=True, format="ISO8601")
        ago = np.floor((pd.Timestamp(as_of) - sent) / pd.Timedelta(days=1)).to_numpy() + 1
        mine = (owner >= 0) & (ago >= 1)
        for name, word in (("initiated_by", "debtor"), ("status", "planned")):
            if name in history:
                mine = mine & history[name].ne(word).to_numpy()
        whose, ago = owner[mine], ago[mine]
        nearest, count = np.full(len(names), np.inf), np.zeros((len(names), _WEEK + 1), dtype=np.int64)
        np.minimum.at(nearest, whose, ago)
        recent = ago <= _WEEK
        np.add.at(count, (whose[recent], ago[recent].astype(np.int64)), 1)
        return cls(nearest[code], np.cumsum(count, axis=1)[code])

    def shares(self, days: int, capacity: CapacityOrder) -> NDArray[np.float64]:
        """Part of its worth that a contact has on each day, shape (n, days)."""
        return np.asarray(_share(self.last[:, None] + np.arange(days), days, capacity))

    def open_on(self, planned: NDArray[np.int64], days: int, capacity: CapacityOrder) -> NDArray[np.bool_]:
        """Days on which a debtor may be contacted once more, shape (n, days).

        Parameters
        ----------
        planned : ndarray of shape (n,)
            Contacts of the debtor in the plan.
        days : int
        capacity : CapacityOrder
        """
        week, ahead = capacity.week_of(days), np.arange(days)
        sent = self.within[:, np.maximum(_WEEK - 1 - ahead, 0)]  # seven days with the one that is asked about
        free = planned[:, None] + sent < week.contacts_per_debtor
        return np.asarray(free & (self.last[:, None] + ahead >= week.days_between))


def _share(away: NDArray[np.float64], days: int, capacity: CapacityOrder) -> NDArray[np.float64]:
    """Part of its worth that a contact has so many days from another."""
    week = capacity.week_of(days)
    lost = 1.0 - capacity.later_contact_share
    return np.asarray(1.0 - lost * np.exp(-away / week.fatigue_days))
