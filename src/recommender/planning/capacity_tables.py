"""From ``capacity.toml`` to rows: what one contact uses of each limit, by kind of account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.planning.capacity_file import CapacityOrder, Queue
from recommender.planning.capacity_problem import CapacityRows

__all__ = ["AccountKinds", "capacity_rows", "hours_of", "members"]


def members(accounts: pd.DataFrame, only: Mapping[str, Sequence[str]], who: str) -> NDArray[np.bool_]:
    """Accounts whose columns hold one of the given values."""
    inside = np.ones(len(accounts), dtype=bool)
    missing = [column for column in only if column not in accounts.columns]
    if missing:
        raise InvalidInput.missing_columns(missing, list(accounts.columns), role=f"'only' of {who}")
    for column, values in only.items():
        inside &= accounts[column].astype("str").isin(list(values)).to_numpy()
    return inside


def hours_of(table: float | dict[int, float] | None) -> NDArray[np.float64]:
    """What there is in each hour of the day, shape (24,)."""
    if isinstance(table, dict):
        return np.array([table.get(hour, 0.0) for hour in range(24)])
    return np.full(24, np.nan if table is None else float(table))


@dataclass
class AccountKinds:
    """Kinds of accounts: all of a kind use the same of everything, whatever the action.

    A kind is a queue for each channel, the agents' hour of each hour of the debtor, and the minimums it counts for.
    In a plan of several days an action is one of the action space on one of the days, day after day.

    Attributes
    ----------
    order : CapacityOrder
    actions : ActionSpace
    days : int
    clocks : list of ndarray
        UTC instants of the hour levels, day after day, one entry a set of like clocks.
    kinds : list of (queues, clock, minimums)
    counts : ndarray of shape (n_kinds,)
        Accounts of each kind.
    debtors_open : ndarray of shape (n_minimums, days)
        Debtors whom the policy may contact in the way that each minimum counts.
    """

    order: CapacityOrder
    actions: ActionSpace
    days: int = 1
    clocks: list[NDArray[np.datetime64]] = field(default_factory=list)
    kinds: list[tuple[tuple[int, ...], int, tuple[bool, ...]]] = field(default_factory=list)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    debtors_open: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    _clock_at: dict[bytes, int] = field(default_factory=dict)
    _kind_at: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "channel" not in self.actions.factors:
            raise InvalidInput(
                f"A plan needs a channel to choose; the strategy knows {list(self.actions.factors)}.",
                column="channel",
                mend="Train on a log with the factor 'channel'.",
            )
        known = {str(level) for level in self.actions.factors["channel"]}
        served = [channel for queue in self.order.queue for channel in queue.channels]
        if not known & set(served):
            raise InvalidInput.in_column(
                "channel",
                "has no level that a queue serves",
                values=served,
                mend=f"The strategy knows {sorted(known)}.",
            )
        for least in self.order.minimum:
            for factor, level in least.level.items():
                levels = [str(one) for one in self.actions.factors.get(factor, ())]
                if level not in levels:
                    factors = ", ".join(self.actions.factors)
                    raise InvalidInput.in_column(
                        f"minimum {least.name}.level", f"has no {factor} of that name", values=[level],
                        mend=f"Factors are {factors}; its levels: {', '.join(levels) or 'none'}.",
                    )  # fmt: skip
        if not self.debtors_open.size:
            self.debtors_open = np.zeros((len(self.order.minimum), self.days), dtype=np.int64)

    @property
    def channels(self) -> list[str]:
        """Levels of the factor channel."""
        return [str(level) for level in self.actions.factors["channel"]]

    def add(
        self, accounts: pd.DataFrame, contact_at: NDArray[np.datetime64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Kind and clock of each account; new ones are remembered.

        Parameters
        ----------
        accounts : DataFrame
        contact_at : ndarray of shape (n, days * n_hours), dtype datetime64[us]

        Returns
        -------
        kind, clock : ndarray of shape (n,), dtype int64
        """
        served = {queue.name: members(accounts, queue.only, f"queue {queue.name!r}") for queue in self.order.queue}
        queues = np.full((len(accounts), len(self.channels)), -1, dtype=np.int64)
        for number, queue in reversed(list(enumerate(self.order.queue))):  # the first that serves an account has it
            for at, channel in enumerate(self.channels):
                if channel in queue.channels:
                    queues[served[queue.name], at] = number
        counted = [members(accounts, least.only, f"minimum {least.name!r}") for least in self.order.minimum]
        floors = np.stack(counted, axis=1) if counted else np.zeros((len(accounts), 0), dtype=bool)
        distinct, clock = np.unique(contact_at, axis=0, return_inverse=True)
        codes = np.array([self._clock(row) for row in distinct], dtype=np.int64)
        clock = codes[clock.reshape(-1)]
        table = np.concatenate([queues, clock[:, None], floors.astype(np.int64)], axis=1)
        rows, which = np.unique(table, axis=0, return_inverse=True)
        n_channels = len(self.channels)
        kinds = []
        for row in rows.tolist():
            key = (tuple(row[:n_channels]), row[n_channels], tuple(bool(flag) for flag in row[n_channels + 1 :]))
            if key not in self._kind_at:
                self._kind_at[key] = len(self.kinds)
                self.kinds.append(key)
            kinds.append(self._kind_at[key])
        kind = np.array(kinds, dtype=np.int64)[which.reshape(-1)]
        self.counts = np.bincount(kind, minlength=len(self.kinds)) + np.pad(
            self.counts, (0, len(self.kinds) - len(self.counts))
        )
        return kind, clock

    def count_open(self, kind: NDArray[np.int64], debtor: NDArray[np.int64], open_: NDArray[np.bool_]) -> None:
        """Count the debtors whom the policy may contact as each minimum counts; all accounts of a debtor at once.

        Parameters
        ----------
        kind, debtor : ndarray of shape (n,)
        open_ : ndarray of bool of shape (n, n_actions)
        """
        day = self.day_of_action()
        for floor in range(len(self.order.minimum)):
            counted = self.counted_for(floor)[kind] & open_
            for at in range(self.days):
                mine = counted[:, day == at].any(axis=1)
                self.debtors_open[floor, at] += len(np.unique(debtor[mine]))

    def counted_for(self, floor: int) -> NDArray[np.bool_]:
        """Which actions of each kind count for a minimum, shape (n_kinds, n_actions)."""
        least = self.order.minimum[floor]
        queue = self.queue_of(np.arange(len(self.kinds)))
        names = [entry.name for entry in self.order.queue]
        mine = queue >= 0 if least.queue is None else queue == names.index(least.queue)
        for factor, level in least.level.items():
            at = [str(one) for one in self.actions.factors[factor]].index(level)
            of_one = self.actions.codes[: self.actions.n_contact_actions, self.actions.factor_names.index(factor)] == at
            mine = mine & np.tile(of_one, self.days)
        return np.asarray(mine & np.array([flags[floor] for _, _, flags in self.kinds], dtype=bool)[:, None])

    def refuse_minimums_of_nobody(self) -> None:
        """Raise where a minimum that asks for something holds for no account that was read.

        Raises
        ------
        InvalidInput
            Names the minimum and its ``only``.
        """
        for floor, least in enumerate(self.order.minimum):
            held = any(flags[floor] for _, _, flags in self.kinds)
            if not held and (least.contacts or least.share):
                said = ", ".join(f"{column} = {list(values)}" for column, values in least.only.items())
                raise InvalidInput(
                    f"minimum {least.name!r} asks for contacts, and no account is of its only ({said}).",
                    column=f"minimum {least.name}.only",
                    mend="Write a value as the column of the accounts has it, or leave the minimum out.",
                )

    def _clock(self, instants: NDArray[np.datetime64]) -> int:
        key = instants.astype("datetime64[us]").tobytes()
        if key not in self._clock_at:
            self._clock_at[key] = len(self.clocks)
            self.clocks.append(instants.astype("datetime64[us]"))
        return self._clock_at[key]

    @property
    def n_actions(self) -> int:
        """Contact actions of all days."""
        return self.days * self.actions.n_contact_actions

    def queue_of(self, kind: NDArray[np.int64]) -> NDArray[np.int64]:
        """Queue of each action for each kind, -1 where none serves it; shape (len(kind), n_actions)."""
        by_channel = np.array([self.kinds[code][0] for code in kind], dtype=np.int64)
        return by_channel.reshape(len(kind), len(self.channels))[:, self._channel_of_action()]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` makes the kinds of again; who belongs to which kind is told elsewhere."""
        n_floors = len(self.order.minimum)
        return {
            "kind_queues": np.array([kind[0] for kind in self.kinds], dtype=np.int64).reshape(
                len(self.kinds), len(self.channels)
            ),
            "kind_clock": np.array([kind[1] for kind in self.kinds], dtype=np.int64),
            "kind_minimums": np.array([kind[2] for kind in self.kinds], dtype=bool).reshape(len(self.kinds), n_floors),
            "kind_open": self.debtors_open,
            "clocks": np.array(self.clocks, dtype="datetime64[us]").reshape(len(self.clocks), -1).astype(np.int64),
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        order: CapacityOrder,
        actions: ActionSpace,
        days: int,
        kind: NDArray[np.int64],
    ) -> AccountKinds:
        """Inverse of :meth:`to_arrays`, given the kind of each account."""
        stored = zip(arrays["kind_queues"], arrays["kind_clock"], arrays["kind_minimums"], strict=True)
        kinds = [(tuple(map(int, queues)), int(clock), tuple(map(bool, flags))) for queues, clock, flags in stored]
        clocks = list(arrays["clocks"].astype("datetime64[us]"))
        counts = np.bincount(kind, minlength=len(kinds))
        counted = arrays["kind_open"] if "kind_open" in arrays else np.zeros((0, 0))  # plans of before had none
        return cls(order, actions, days, clocks, kinds, counts, np.asarray(counted, dtype=np.int64))

    def agent_clock(self, clock: int) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """Hour and date of the agents in which each hour level falls, -1 and NaT where it does not occur."""
        instants = self.clocks[clock]
        local = pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(self.order.timezone)
        hours = np.where(np.isnat(instants), -1, np.asarray(local.hour)).astype(np.int64)
        return hours, local.tz_localize(None).to_numpy().astype("datetime64[D]")

    def _channel_of_action(self) -> NDArray[np.int64]:
        at = self.actions.factor_names.index("channel")
        return np.tile(self.actions.codes[: self.actions.n_contact_actions, at], self.days)

    def day_of_action(self) -> NDArray[np.int64]:
        """Day of each action, from 0."""
        return np.repeat(np.arange(self.days), self.actions.n_contact_actions)

    def hour_of_action(self) -> NDArray[np.int64]:
        """Place of each action's hour among the hour levels of all days; that of its day without hours."""
        n, hours = self.actions.n_contact_actions, 1
        of_one = np.zeros(n, dtype=np.int64)
        if "hour" in self.actions.factors:
            hours = len(self.actions.factors["hour"])
            of_one = np.asarray(self.actions.codes[:n, self.actions.factor_names.index("hour")], dtype=np.int64)
        return np.tile(of_one, self.days) + hours * self.day_of_action()

    def instant_of(self, clock: NDArray[np.int64], action: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """UTC instant of actions under the clocks of their accounts."""
        instants = np.array(self.clocks, dtype="datetime64[us]").reshape(len(self.clocks), -1)
        return instants[clock, self.hour_of_action()[action]]


def capacity_rows(kinds: AccountKinds) -> CapacityRows:
    """Rows of everything that ``capacity.toml`` limits or asks for.

    Of the days after the first the arms of the experiment keep their share: they are planned when their day comes.

    Returns
    -------
    CapacityRows
        Hours of agents and of quotas only where some account can be contacted in them.
    """
    order, n_kinds = kinds.order, len(kinds.kinds)
    queue = kinds.queue_of(np.arange(n_kinds))
    hour, date = _agent_hours(kinds)
    day_of = kinds.day_of_action()
    rows = _Rows()
    for day in range(kinds.days):
        mine_now, part = (day_of == day)[None, :], _left_to_policy(kinds, day)
        end = f" day {day + 1}" if kinds.days > 1 else ""
        shares = []
        for number, entry in enumerate(order.queue):
            mine = (queue == number) & mine_now
            for hour_of_day in range(24):
                now = mine & (hour == hour_of_day)
                if not now.any():
                    continue
                when = date[now].min().astype(object)
                for name, use, limit in _hourly(entry, hour_of_day):
                    label = f"{when} {name}" if kinds.days > 1 else name
                    rows.add(f"{entry.name} {label}", use * now, limit * entry.part_on(when) * part)
            shares.append(_part_of_day(entry, date, mine))
            if entry.quota is not None:
                rows.add(f"{entry.name} quota{end}", mine.astype(np.float64), entry.quota * shares[-1] * part)
        if order.budget is not None:
            cost = np.array([entry.cost_per_contact for entry in order.queue])
            costs = np.where((queue >= 0) & mine_now, cost[np.maximum(queue, 0)], 0.0)
            rows.add(f"budget{end}", costs, order.budget * part)
        for floor, least in enumerate(order.minimum):
            counts = np.array([flags[floor] for _, _, flags in kinds.kinds], dtype=bool)
            base = float(kinds.counts[counts].sum()) if n_kinds else 0.0
            if least.level:  # those who may not be contacted so are no part of it
                base = float(kinds.debtors_open[floor, day])
            wanted = least.contacts if least.contacts is not None else (least.share or 0.0) * base
            working = 1.0
            if least.queue is not None:
                working = min(shares[[entry.name for entry in order.queue].index(least.queue)], 1.0)
            counted = kinds.counted_for(floor) & mine_now
            # half a contact cannot be made: a minimum is met by the next whole one
            rows.add(f"minimum {least.name}{end}", -counted.astype(np.float64), -np.ceil(
                round(wanted * working * part, 9)
            ))  # fmt: skip
    return rows.joined(n_kinds, kinds.n_actions)


@dataclass
class _Rows:
    names: list[str] = field(default_factory=list)
    uses: list[NDArray[np.float64]] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def add(self, name: str, use: NDArray[np.float64], limit: float) -> None:
        self.names.append(name)
        self.uses.append(use)
        self.limits.append(limit)

    def joined(self, n_kinds: int, n_actions: int) -> CapacityRows:
        table = np.stack(self.uses, axis=2) if self.uses else np.zeros((n_kinds, n_actions, 0))
        return CapacityRows(tuple(self.names), table, np.array(self.limits, dtype=np.float64))


def _agent_hours(kinds: AccountKinds) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Hour and date of the agents for each action of each kind, shape (n_kinds, n_actions)."""
    clocks = [kinds.agent_clock(clock) for clock in range(len(kinds.clocks))]
    of_kind = [clock for _, clock, _ in kinds.kinds]
    at, n_kinds = kinds.hour_of_action(), len(kinds.kinds)
    if not n_kinds:
        return np.zeros((0, len(at)), dtype=np.int64), np.zeros((0, len(at)), dtype="datetime64[D]")
    return np.array([clocks[one][0] for one in of_kind])[:, at], np.array([clocks[one][1] for one in of_kind])[:, at]


def _left_to_policy(kinds: AccountKinds, day: int) -> float:
    arms = kinds.order.arms
    return 1.0 if day == 0 else max(1.0 - arms.explore - arms.usual, 0.0)


def _part_of_day(entry: Queue, date: NDArray[np.datetime64], mine: NDArray[np.bool_]) -> float:
    """Part that a queue has of its quota within the 24 hours of a day, which may hold two dates: the commoner one's."""
    dates = date[mine & ~np.isnat(date)]
    if not entry.on or not len(dates):
        return 1.0
    distinct, count = np.unique(dates, return_counts=True)
    return entry.part_on(distinct[np.argmax(count)].astype(object))


def _hourly(entry: Queue, hour: int) -> list[tuple[str, float, float]]:
    """Name, use a contact and limit of what the queue has in an hour."""
    limits = []
    agents, quota = hours_of(entry.agents)[hour], hours_of(entry.quota_by_hour)[hour]
    if entry.minutes_per_contact is not None:
        minutes = float(agents) * entry.minutes_per_agent_hour
        limits.append((f"{hour:02d}h minutes", entry.minutes_per_contact, minutes))
    if not np.isnan(quota):
        limits.append((f"{hour:02d}h quota", 1.0, float(quota)))
    return limits
