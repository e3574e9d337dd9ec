"""What was known about an account at a moment: the state in force then, and its situation worked out from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.calendar_days import CALENDAR, PAYDAY, OwnCalendar, payday_bits
from recommender.features._windows import last_at_or_before, order_by_account
from recommender.local_time import DAY_US, is_timezone, local_time
from recommender.tables import STATIC_COLUMNS

__all__ = ["DERIVED", "STAGES", "AccountStates", "stage_names"]

STAGES: tuple[str, ...] = ("preventive", "administrative", "extrajudicial", "judicial")
DERIVED: tuple[str, ...] = (
    "days_past_due",
    "days_to_due",
    "stage",
    "past_delinquencies",
    "recurrent",
    "balance_to_income",
    *CALENDAR,
)
"""Columns worked out from the state in force."""

_KEYS = ("account_id", "valid_from", "_position")
_NOT_CONTEXT = ("debtor_id", "timezone", "currency", "due_date", "arrears_cause_volunteered", PAYDAY)


def stage_names(days_past_due: NDArray[np.float64]) -> NDArray[np.object_]:
    """Stage of collection: preventive <= 0, administrative 1-30, extrajudicial 31-90, judicial > 90; None unknown."""
    code = np.digitize(np.nan_to_num(days_past_due), [0.5, 30.5, 90.5])
    names = np.array(STAGES, dtype=object)[code]
    names[np.isnan(days_past_due)] = None
    return names


@dataclass(eq=False)
class AccountStates:
    """The accounts table as a change history.

    Attributes
    ----------
    account_ids : Index
    left_out : dict of str to str
        Column -> why it is no context.
    single_snapshot : bool
        There is one row an account, so nothing tells when its columns took their values: columns that vary over time
        are left out, since they may have been written after the decisions.
    """

    frame: pd.DataFrame
    account_ids: pd.Index
    start: NDArray[np.int64]
    valid_from: NDArray[np.int64]
    single_snapshot: bool
    varying: tuple[str, ...]
    static: tuple[str, ...]
    default_zone: str
    episodes: NDArray[np.float64] | None
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_table(
        cls,
        accounts: pd.DataFrame,
        *,
        snapshot: Literal["leave_out", "trust"] = "leave_out",
        static: Sequence[str] = (),
        default_zone: str = "UTC",
    ) -> AccountStates:
        """Sort a clean accounts table by account and ``valid_from``.

        Parameters
        ----------
        accounts : DataFrame
            ``account_id``; ``valid_from`` (datetime64, UTC) unless it is one snapshot; any further columns.
        snapshot : {"leave_out", "trust"}
            What to do with columns that vary over time where there is one row an account. ``"trust"`` takes each row
            as the state from its ``valid_from`` on.
        static : sequence of str
            Further columns that never change.
        default_zone : str
            Of accounts without a time zone.
        """
        codes, account_ids = pd.factorize(accounts["account_id"])
        dated = "valid_from" in accounts
        since = _micros(accounts["valid_from"]) if dated else np.zeros(len(accounts), dtype=np.int64)
        order, start = order_by_account(codes.astype(np.int64), since, len(account_ids))
        frame = accounts.iloc[order].reset_index(drop=True)
        single = len(account_ids) == len(accounts) or not dated
        keep_varying = not single or (snapshot == "trust" and dated)
        own = (*_KEYS, *(CALENDAR if PAYDAY in frame else CALENDAR[:1]))  # what follows from the moment is worked out
        static_names = [name for name in frame.columns if name in (*STATIC_COLUMNS, *static) and name not in own]
        varying = [name for name in frame.columns if name not in (*static_names, *own)]
        left_out = {}
        if not keep_varying:
            why = (
                "single snapshot: it may have been written after the decisions"
                if dated
                else "single snapshot without valid_from: nothing tells when it took this value"
            )
            left_out = dict.fromkeys(varying, why)
            varying = []
        states = cls(
            frame, pd.Index(account_ids), start, since[order], single, tuple(varying), tuple(static_names),
            default_zone, None, left_out,
        )  # fmt: skip
        if "due_date" in varying:
            states.episodes = states._earlier_episodes()
        return states

    def of_accounts(self, account_id: pd.Series | pd.Index) -> AccountStates:
        """States of some accounts only, read as they are in the whole table."""
        code = self.account_ids.get_indexer(pd.Index(account_id).unique())
        code = np.sort(code[code >= 0]).astype(np.int64)
        if not len(code) and len(self.account_ids):
            code = np.zeros(1, dtype=np.int64)  # a table without a row has no row to look at where there is no state
        size = self.start[code + 1] - self.start[code]
        start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(size)])
        row = np.arange(start[-1]) + np.repeat(self.start[code] - start[:-1], size)
        return replace(
            self,
            frame=self.frame.take(row).reset_index(drop=True),
            account_ids=self.account_ids[code],
            start=start,
            valid_from=self.valid_from[row],
            episodes=None if self.episodes is None else self.episodes[row],
            left_out=dict(self.left_out),
        )

    def at(self, account_id: pd.Series | pd.Index, instant: pd.Series) -> pd.DataFrame:
        """State in force at each moment (``valid_from <= moment``), null where the account had none yet.

        Returns
        -------
        DataFrame of shape (n, n_columns)
            The table's columns, and ``days_past_due``, ``days_to_due``, ``stage``, ``past_delinquencies`` and
            ``recurrent`` where a due date is known. ``_timezone`` holds the zone used.
        """
        moment = _micros(instant)
        first, row = self.rows_of(account_id, instant)
        frame = pd.DataFrame(index=range(len(row)))
        for names, at in ((self.static, first), (self.varying, row)):
            if names:
                frame = pd.concat([frame, _take(self.frame[list(names)], at)], axis=1)
        zone = frame["timezone"] if "timezone" in frame else pd.Series([None] * len(frame), dtype=object)
        frame["_timezone"] = zone.where(zone.notna(), self.default_zone)
        today = self._own_day(moment, frame["_timezone"])
        frame = frame.assign(**self._calendar(today, first, row))
        if "due_date" in self.varying:
            days = self._days_past_due(row, today)
            frame["days_past_due"] = days
            frame["days_to_due"] = np.maximum(-days, 0.0)
            frame["stage"] = stage_names(days)
        elif "days_past_due" in self.varying:
            # Given as of valid_from: the calendar moves it on.
            days = frame["days_past_due"].to_numpy(dtype=np.float64) + (moment - self.valid_from[row]) // DAY_US
            frame["days_past_due"] = np.where(row >= 0, days, np.nan)
            frame["stage"] = stage_names(frame["days_past_due"].to_numpy(dtype=np.float64))
        if self.episodes is not None:
            past = np.where(row >= 0, self.episodes[row], np.nan)
            frame["past_delinquencies"] = past
            frame["recurrent"] = np.where(np.isnan(past), np.nan, (past > 0).astype(float))
        if {"arrears_cause", "arrears_cause_volunteered"} <= set(self.varying):
            frame["arrears_cause"] = _volunteered(frame["arrears_cause"], frame["arrears_cause_volunteered"])
        if {"balance_minor", "income_minor"} <= set(self.varying):
            income = frame["income_minor"].to_numpy(dtype=np.float64)
            frame["balance_to_income"] = frame["balance_minor"].to_numpy(dtype=np.float64) / np.where(
                income > 0, income, np.nan
            )
        return frame

    def rows_of(
        self, account_id: pd.Series | pd.Index, instant: pd.Series
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the table with the account's static columns and with its state in force, -1 where there is none."""
        code = self.account_ids.get_indexer(pd.Index(account_id)).astype(np.int64)
        row = last_at_or_before(self.start, self.valid_from, code, _micros(instant))
        return np.where(code >= 0, self.start[np.maximum(code, 0)], -1), np.asarray(row)

    def column(self, name: str, first: NDArray[np.int64], row: NDArray[np.int64]) -> pd.Series:
        """One given column at the rows of :meth:`rows_of`, as :meth:`at` has it."""
        at = first if name in self.static else row
        values = _take(self.frame[[name]], at)[name]
        if name == "arrears_cause" and "arrears_cause_volunteered" in self.varying:
            values = _volunteered(values, _take(self.frame[["arrears_cause_volunteered"]], at).iloc[:, 0])
        return values

    def dtypes_at(self, first: NDArray[np.int64], row: NDArray[np.int64]) -> dict[str, Any]:
        """Column -> its dtype in :meth:`at` of these rows; where some are missing, one that has a null."""
        dtypes: dict[str, Any] = {}
        for names, at in ((self.static, first), (self.varying, row)):
            if names and len(self.frame):
                sample = np.array([0, -1 if (at < 0).any() else 0])
                dtypes |= _take(self.frame[list(names)].iloc[:1], sample).dtypes.to_dict()
        return dtypes

    def context_names(self, state: pd.DataFrame) -> list[str]:
        """Columns of :meth:`at` that may be context; why others are not goes into ``left_out``."""
        if "arrears_cause" in state and "arrears_cause_volunteered" not in state:
            self.left_out["arrears_cause"] = "no arrears_cause_volunteered column shows that the debtor volunteered it"
        names = []
        for name in state.columns:
            if name.startswith("_") or name in _NOT_CONTEXT or name in self.left_out:
                continue
            names.append(str(name))
        return names

    def _own_day(self, moment: NDArray[np.int64], zone: pd.Series) -> NDArray[np.int64]:
        """Days since 1970-01-01 on the calendar of each row's zone."""
        today = np.empty(len(moment), dtype=np.int64)
        codes, zones = pd.factorize(zone.to_numpy(dtype=object))
        for value, name in enumerate(zones):
            rows = codes == value
            today[rows] = local_time(moment[rows], name if is_timezone(name) else self.default_zone).day
        return today

    def _calendar(
        self, today: NDArray[np.int64], first: NDArray[np.int64], row: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """Columns that follow from the moment: they take the place of what the table says of it."""
        paydays = np.zeros(len(today), dtype=np.int64)
        is_told = PAYDAY in (*self.varying, *self.static)
        if is_told:
            at = first if PAYDAY in self.static else row
            codes, cells = pd.factorize(self.frame[PAYDAY])
            bits = np.array([*(payday_bits(cell) for cell in cells), 0], dtype=np.int64)[codes]
            paydays = np.where(at >= 0, bits[np.maximum(at, 0)], 0) if len(bits) else paydays
        own = OwnCalendar(today, paydays)
        weekday = own.weekday
        weekday[first < 0] = None  # of an account that nobody knows, nobody knows the clock
        return {name: weekday if name == "weekday" else getattr(own, name) for name in CALENDAR[: 3 if is_told else 1]}

    def _days_past_due(self, row: NDArray[np.int64], today: NDArray[np.int64]) -> NDArray[np.float64]:
        due = self.frame["due_date"].to_numpy().astype("datetime64[D]")
        due_day = np.where(np.isnat(due), np.nan, due.astype(np.int64).astype(np.float64))
        return np.asarray(np.where(row >= 0, today - due_day[row], np.nan))

    def _earlier_episodes(self) -> NDArray[np.float64]:
        """Number of earlier due dates of the account that had passed unpaid when the row took force.

        A due date counts once the account has moved on from it (a later row has another one) and only if it was
        overdue while in force: some row with it was valid after the date, or it was replaced after the date.
        """
        due = self.frame["due_date"].to_numpy().astype("datetime64[D]")
        since = (self.valid_from // DAY_US).astype("datetime64[D]")
        owner = np.repeat(np.arange(len(self.account_ids)), np.diff(self.start))
        new_due = np.ones(len(due), dtype=bool)
        new_due[1:] = (owner[1:] != owner[:-1]) | (due[1:] != due[:-1])
        new_due[1:] &= ~(np.isnat(due[1:]) & np.isnat(due[:-1]) & (owner[1:] == owner[:-1]))
        replaced = np.zeros(len(due), dtype=np.float64)
        same_owner = owner[1:] == owner[:-1]
        with np.errstate(invalid="ignore"):
            overdue = since[1:] > due[:-1]
        replaced[1:] = (new_due[1:] & same_owner & overdue & ~np.isnat(due[:-1])).astype(np.float64)
        total = np.cumsum(replaced)
        before = np.concatenate([[0.0], total])[self.start[:-1]]
        return np.asarray(total - np.repeat(before, np.diff(self.start)))


def _volunteered(cause: pd.Series, volunteered: pd.Series) -> pd.Series:
    """The cause of arrears where the debtor told it of their own accord."""
    return cause.where(volunteered.isin([True, 1, "true", "True", "1", "yes"]), None)


def _take(columns: pd.DataFrame, at: NDArray[np.int64]) -> pd.DataFrame:
    """Rows at the given positions, null where -1."""
    if not len(columns):
        return columns.reindex(range(len(at)))
    taken = columns.iloc[np.maximum(at, 0)].reset_index(drop=True)
    missing = at < 0
    if missing.any():
        taken = taken.mask(pd.Series(missing), None) if len(taken.columns) else taken
    return taken


def _micros(instants: pd.Series) -> NDArray[Any]:
    series = instants if isinstance(instants, pd.Series) else pd.Series(instants)
    return np.asarray(series.dt.as_unit("us").astype("int64").to_numpy())
