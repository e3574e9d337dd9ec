"""Contacts, outcomes and payments of accounts as sorted events, and the features that they give at a moment.

One function answers for a whole training log, a batch of accounts and a single account. Only events strictly before
the moment count, so a decision never sees itself, nor anything of its own instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.features._windows import (
    AMOUNT,
    COUNT,
    DAYS_SINCE,
    LAST_AMOUNT,
    first_by_group,
    order_by_account,
    sorted_events,
    window_counts,
)
from recommender.local_time import DAY_US, is_timezone, local_time
from recommender.tables import OUTCOMES, RESPONSES

__all__ = ["DAYPARTS", "PROMISE_GRACE_DAYS", "WINDOWS", "EventLog", "local_hours", "outcome_cells"]

DAYPARTS: tuple[str, ...] = ("night", "morning", "afternoon", "evening")
"""Six-hour parts of the debtor's local day, from midnight."""

PROMISE_GRACE_DAYS = 14
"""Days after which a promise that was not recorded as kept counts as broken."""

_EVER = np.iinfo(np.int64).max
WINDOWS = {"7d": 7 * DAY_US, "30d": 30 * DAY_US, "90d": 90 * DAY_US, "ever": _EVER}
_UNDELIVERED = ("not_connected", "bounced", "wrong_party")
_Spec = tuple[str, int, str, int]  # column, kind, window, cell


@dataclass(frozen=True, eq=False)
class _Stream:
    """Events of one kind, sorted by account and instant, and the columns they answer."""

    start: NDArray[np.int64]
    instant: NDArray[np.int64]
    cells: NDArray[np.int16]
    amount: NDArray[np.int64]
    n_cells: int
    columns: tuple[_Spec, ...]

    @classmethod
    def of(
        cls,
        account: NDArray[np.int64],
        instant: NDArray[np.int64],
        cells: NDArray[np.int16],
        columns: Sequence[_Spec],
        *,
        n_accounts: int,
        amount: NDArray[np.int64] | None = None,
    ) -> _Stream:
        # An event that no column counts (an attempt, a delivery) need not be kept: they are most of the outcomes.
        counted = (account >= 0) & (cells >= 0).any(axis=1)
        if not counted.all():
            account, instant, cells = account[counted], instant[counted], cells[counted]
            amount = None if amount is None else amount[counted]
        order, start = order_by_account(account, instant, n_accounts)
        n_cells = max((cell for *_, cell in columns), default=0) + 1
        value = np.zeros(0, dtype=np.int64) if amount is None else amount
        instants, event_cells, amounts = sorted_events(order, instant, cells, value)
        return cls(start, instants, event_cells, amounts, n_cells, tuple(columns))

    def of_accounts(self, account: NDArray[np.int64]) -> _Stream:
        """Events of some accounts, numbered anew in the given order."""
        size = self.start[account + 1] - self.start[account]
        start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(size)])
        at = np.arange(start[-1]) + np.repeat(self.start[account] - start[:-1], size)
        amount = self.amount[at] if len(self.amount) == len(self.instant) else self.amount
        return replace(self, start=start, instant=self.instant[at], cells=self.cells[at], amount=amount)

    def asked_for(self, only: frozenset[str] | None) -> list[_Spec]:
        return [spec for spec in self.columns if only is None or spec[0] in only]

    def answer(
        self,
        account: NDArray[np.int64],
        moment: NDArray[np.int64],
        asked: NDArray[np.int64],
        columns: Sequence[_Spec],
        out: NDArray[np.float32],
        position_of: Mapping[str, int],
    ) -> None:
        if not columns:
            return
        labels = list(dict.fromkeys(window for _, _, window, _ in columns))
        window_counts(
            account,
            moment,
            asked,
            self.start,
            self.instant,
            self.cells,
            self.amount,
            self.n_cells,
            np.array([WINDOWS[label] for label in labels], dtype=np.int64),
            np.array([kind for _, kind, _, _ in columns], dtype=np.int64),
            np.array([labels.index(window) for _, _, window, _ in columns], dtype=np.int64),
            np.array([cell for *_, cell in columns], dtype=np.int64),
            np.array([position_of[name] for name, *_ in columns], dtype=np.int64),
            out,
        )


@dataclass(frozen=True, eq=False)
class EventLog:
    """What happened to each account, ready to be asked about any moment.

    Attributes
    ----------
    account_ids : Index
        Accounts with at least one event.
    channels : tuple
        Channels that have columns of their own.
    """

    account_ids: pd.Index
    channels: tuple[Any, ...]
    streams: tuple[_Stream, ...]

    @classmethod
    def from_tables(
        cls,
        contacts: pd.DataFrame,
        outcomes: pd.DataFrame | None = None,
        payments: pd.DataFrame | None = None,
        *,
        channels: Sequence[Any],
        zone_of: Mapping[Any, str] | pd.Series | None = None,
        default_zone: str = "UTC",
    ) -> EventLog:
        """Sort clean tables into events.

        Parameters
        ----------
        contacts : DataFrame
            ``contact_id``, ``account_id``, ``sent_at`` (datetime64, UTC), ``channel``; ``initiated_by`` optional.
        outcomes : DataFrame or None
            ``contact_id``, ``occurred_at``, ``outcome``; those of unknown contacts are ignored.
        payments : DataFrame or None
            ``account_id``, ``paid_at``, ``amount_minor``.
        channels : sequence
            Channels to count one by one; contacts on others count in the totals.
        zone_of : mapping of account id to IANA zone, optional
            For the parts of the day; accounts without one take ``default_zone``.
        """
        ids = [contacts["account_id"]] + ([] if payments is None else [payments["account_id"]])
        codes, account_ids = pd.factorize(pd.concat(ids, ignore_index=True))
        account = codes[: len(contacts)].astype(np.int64)
        sent = _micros(contacts["sent_at"])
        hours = local_hours(sent, contacts["account_id"], zone_of, default_zone)
        part = (hours // 6).astype(np.int16)
        channel = _codes(contacts["channel"], channels)
        inbound = _inbound(contacts)
        n = len(account_ids)
        streams = [_contact_stream(account, sent, channel, part, inbound, channels, n)]
        if outcomes is not None:
            contact = pd.Index(contacts["contact_id"]).get_indexer(pd.Index(outcomes["contact_id"]))
            streams.append(_outcome_stream(outcomes, contact, account, channel, part, channels, n))
        if payments is not None:
            payer = codes[len(contacts) :].astype(np.int64)
            streams.append(_payment_stream(payments, payer, n))
        return cls(pd.Index(account_ids), tuple(channels), tuple(streams))

    def of_accounts(self, account_id: pd.Series | pd.Index) -> EventLog:
        """Events of some accounts only: their features are the same, for no account sees another's events."""
        code = self.account_ids.get_indexer(pd.Index(account_id).unique())
        code = np.sort(code[code >= 0]).astype(np.int64)
        return EventLog(
            self.account_ids[code], self.channels, tuple(stream.of_accounts(code) for stream in self.streams)
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        names = [name for stream in self.streams for name, *_ in stream.columns]
        return tuple("promises_broken" if name == "promises_due" else name for name in names)

    def features(
        self, account_id: pd.Series | pd.Index, instant: pd.Series, *, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Features of each (account, moment), from events strictly before the moment.

        Parameters
        ----------
        account_id : Series of shape (n,)
            Unknown accounts have had no event.
        instant : Series of datetime64 (UTC) of shape (n,)
        columns : sequence of str or None
            Only these features; None = all.

        Returns
        -------
        DataFrame of shape (n, n_features), float32
            Counts and amounts are 0 and days since are NaN where nothing happened.
        """
        account = self.account_ids.get_indexer(pd.Index(account_id)).astype(np.int64)
        moment = _micros(instant)
        asked, _ = order_by_account(account + 1, moment, len(self.account_ids) + 1)
        account, moment = account[asked], moment[asked]
        only = None if columns is None else frozenset(columns)
        if only and "promises_broken" in only:
            only |= {"promises_due", "promises_kept"}
        wanted = [stream.asked_for(only) for stream in self.streams]
        names = [name for specs in wanted for name, *_ in specs]
        names = [*(columns or ()), *(name for name in names if name not in (columns or ()))]
        position_of = {name: at for at, name in enumerate(names)}
        # Row by row in memory: a question writes to one place, not to one place a column.
        out = np.empty((len(asked), len(names)), dtype=np.float32)
        for stream, specs in zip(self.streams, wanted, strict=True):
            stream.answer(account, moment, asked, specs, out, position_of)
        if "promises_due" in position_of:
            broken = position_of.get("promises_broken", position_of["promises_due"])
            out[:, broken] = np.maximum(out[:, position_of["promises_due"]] - out[:, position_of["promises_kept"]], 0)
            names[broken] = "promises_broken"
        keep = len(names) if columns is None else len(columns)
        return pd.DataFrame(out[:, :keep], columns=names[:keep], copy=False)


def local_hours(
    instant: NDArray[np.int64],
    account_id: pd.Series,
    zone_of: Mapping[Any, str] | pd.Series | None,
    default_zone: str = "UTC",
) -> NDArray[np.int64]:
    """Hour on the debtor's clock of each instant (microseconds UTC)."""
    if (zone_of is None or not len(zone_of)) and default_zone == "UTC":
        return instant % DAY_US // (DAY_US // 24)
    if zone_of is None or not len(zone_of):
        return local_time(instant, default_zone).clock_us // (DAY_US // 24)
    by_account = zone_of if isinstance(zone_of, pd.Series) else pd.Series(zone_of, dtype=object)
    zone_codes, zones = pd.factorize(by_account.to_numpy(dtype=object))
    at = pd.Index(by_account.index).get_indexer(pd.Index(account_id))
    code = np.where(at >= 0, zone_codes[at], -1)
    hours = np.empty(len(instant), dtype=np.int64)
    for value in np.unique(code):
        rows = code == value
        zone = zones[value] if value >= 0 and is_timezone(zones[value]) else default_zone
        hours[rows] = local_time(instant[rows], zone).clock_us // (DAY_US // 24)
    return hours


def _contact_stream(
    account: NDArray[np.int64],
    sent: NDArray[np.int64],
    channel: NDArray[np.int16],
    part: NDArray[np.int16],
    inbound: NDArray[np.bool_],
    channels: Sequence[Any],
    n_accounts: int,
) -> _Stream:
    k = len(channels)
    cells = np.stack([np.zeros(len(sent), np.int16), np.where(channel >= 0, channel + 2, -1), part + 2 + k], axis=1)
    cells[inbound] = (1, -1, -1)
    columns: list[_Spec] = [(f"contacts_{window}", COUNT, window, 0) for window in ("7d", "30d", "90d", "ever")]
    columns += [(f"contacts_30d_{name}", COUNT, "30d", at + 2) for at, name in enumerate(channels)]
    columns += [(f"contacts_90d_{name}", COUNT, "90d", at + 2 + k) for at, name in enumerate(DAYPARTS)]
    columns += [("days_since_contact", DAYS_SINCE, "ever", 0), ("inbound_90d", COUNT, "90d", 1)]
    return _Stream.of(account, sent, cells.astype(np.int16), columns, n_accounts=n_accounts)


def outcome_cells(channels: Sequence[Any]) -> dict[str, int]:
    """Counters of an outcome beside the response itself, its channel and its part of the day."""
    names = ("promise", "kept", "undelivered", "opt_out", "complaint", "due")
    return {name: at for at, name in enumerate(names, start=1 + len(channels) + len(DAYPARTS))}


def _outcome_stream(
    outcomes: pd.DataFrame,
    contact: NDArray[np.int64],
    account: NDArray[np.int64],
    channel: NDArray[np.int16],
    part: NDArray[np.int16],
    channels: Sequence[Any],
    n_accounts: int,
) -> _Stream:
    k = len(channels)
    cell = outcome_cells(channels)
    outcome = _codes(outcomes["outcome"], OUTCOMES)
    occurred = _micros(outcomes["occurred_at"])
    known = contact >= 0
    owner = np.where(known, account[contact] if len(account) else -1, -1).astype(np.int64)
    responded = known & np.isin(outcome, [OUTCOMES.index(name) for name in RESPONSES])
    # A contact is answered once, at its first response.
    answered = np.flatnonzero(first_by_group(np.where(responded, contact, -1), occurred, len(account)))
    cells = np.full((len(outcome), 4), -1, dtype=np.int16)
    cells[answered, 0] = 0
    cells[answered, 1] = np.where(channel[contact[answered]] >= 0, channel[contact[answered]] + 1, -1)
    cells[answered, 2] = part[contact[answered]] + 1 + k
    special = {"promise_to_pay": "promise", "promise_kept": "kept", "opt_out": "opt_out", "complaint": "complaint"}
    special |= dict.fromkeys(_UNDELIVERED, "undelivered")
    for value, name in special.items():
        cells[outcome == OUTCOMES.index(value), 3] = cell[name]
    promised = np.flatnonzero(known & (outcome == OUTCOMES.index("promise_to_pay")))
    due = np.full((len(promised), 4), -1, dtype=np.int16)
    due[:, 3] = cell["due"]
    columns: list[_Spec] = [(f"responses_{window}", COUNT, window, 0) for window in ("7d", "30d", "90d", "ever")]
    columns += [(f"responses_90d_{name}", COUNT, "90d", at + 1) for at, name in enumerate(channels)]
    columns += [(f"responses_90d_{name}", COUNT, "90d", at + 1 + k) for at, name in enumerate(DAYPARTS)]
    columns += [
        ("days_since_response", DAYS_SINCE, "ever", 0),
        ("undelivered_90d", COUNT, "90d", cell["undelivered"]),
        ("opt_outs_ever", COUNT, "ever", cell["opt_out"]),
        ("complaints_ever", COUNT, "ever", cell["complaint"]),
        ("promises_90d", COUNT, "90d", cell["promise"]),
        ("promises_kept", COUNT, "ever", cell["kept"]),
        ("promises_due", COUNT, "ever", cell["due"]),
    ]
    return _Stream.of(
        np.concatenate([owner, owner[promised]]),
        np.concatenate([occurred, occurred[promised] + PROMISE_GRACE_DAYS * DAY_US]),
        np.concatenate([cells, due]),
        columns,
        n_accounts=n_accounts,
    )


def _payment_stream(payments: pd.DataFrame, account: NDArray[np.int64], n_accounts: int) -> _Stream:
    columns: list[_Spec] = [
        ("payments_90d", COUNT, "90d", 0),
        ("payments_ever", COUNT, "ever", 0),
        ("paid_90d_minor", AMOUNT, "90d", 0),
        ("days_since_payment", DAYS_SINCE, "ever", 0),
        ("last_payment_minor", LAST_AMOUNT, "ever", 0),
    ]
    amount = np.rint(payments["amount_minor"].to_numpy(dtype=np.float64)).astype(np.int64)
    cells = np.zeros((len(amount), 1), dtype=np.int16)
    return _Stream.of(account, _micros(payments["paid_at"]), cells, columns, n_accounts=n_accounts, amount=amount)


def _codes(column: pd.Series, values: Sequence[Any]) -> NDArray[np.int16]:
    """Position of each cell in ``values``, -1 where it is none of them."""
    positions, uniques = pd.factorize(column)
    lookup = {value: code for code, value in enumerate(values)}
    code_of = np.array([lookup.get(value, -1) for value in uniques] + [-1], dtype=np.int16)
    return np.asarray(code_of[positions])


def _inbound(contacts: pd.DataFrame) -> NDArray[np.bool_]:
    if "initiated_by" not in contacts:
        return np.zeros(len(contacts), dtype=bool)
    return np.asarray(contacts["initiated_by"].isin(["debtor", "customer", "inbound"]).to_numpy(dtype=bool))


def _micros(instants: pd.Series) -> NDArray[np.int64]:
    """Microseconds since 1970 (UTC)."""
    series = instants if isinstance(instants, pd.Series) else pd.Series(instants)
    return np.asarray(series.dt.as_unit("us").astype("int64").to_numpy())
