"""What an account's own earlier contacts tell, as of a moment: one function for training, batch and a single account.

The kernel walks each account's events and questions once, in time order. An event counts from the first moment strictly
after it (events of the same instant do not see each other) and its reward from the first moment strictly after it
became known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.features._later_events import with_later
from recommender.features._replay import N_TOTALS, replay
from recommender.features.account_ids import id_like, ids_like, normal_ids, normal_values, position_of, positions_of
from recommender.features.contact_events import AccountLog, LaterContacts
from recommender.features.incremental import HistoryLayout, HistoryState
from recommender.features.personal_memory import PersonalMemory
from recommender.features.sorted_events import SortedEvents
from recommender.features.time_line import TimeKind, order_of, place_of, time_kind

__all__ = ["AccountHistory", "HistoryColumn"]

HistoryColumn = tuple[str, Any, Literal["trials", "successes"]]

_MOST_LEVELS = 16  # a factor with more levels gets no column per level: they would be all but empty
_NOTHING_LATER = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
_TOTALS = (
    "history.contacts",
    "history.responses",
    "history.days_since_contact",
    "history.days_since_response",
    "history.contacts_recent",
    "history.responses_recent",
)


@dataclass(frozen=True, eq=False)
class AccountHistory:
    """Contacts of each account in time order.

    Attributes
    ----------
    actions : ActionSpace
    account_ids : Index of shape (n_accounts,)
    events : SortedEvents
        Of account ``i`` of ``account_ids``, with their times on one line of numbers.
    time_kind : {"instant", "number", "rank"}
        What ``time`` counts: days, the caller's own numbers, or ranks.
    half_life : float
        Of the two recency-weighted counts, in units of ``time``.
    last : float
        Latest time in the log.
    memory : PersonalMemory or None
        What actions mean to personal factors, where that was learnt.
    """

    actions: ActionSpace
    account_ids: pd.Index
    events: SortedEvents
    time_kind: TimeKind
    half_life: float
    last: float
    memory: PersonalMemory | None = None

    @classmethod
    def from_log(cls, log: AccountLog) -> Self:
        """Collect the events of a log that names account and time."""
        if log.account is None or log.order is None or log.account_ids is None or log.known_order is None:
            raise InvalidInput(
                "An account history needs the account and the time of each contact.",
                column="account",
                mend="Pass account=... and time=... to LoggedFeedback.from_frame.",
            )
        ids, codes = normal_ids(log.account_ids)
        span = float(np.ptp(log.order)) or 1.0
        kind = time_kind(np.asarray(log.time))
        return cls(
            actions=log.actions,
            account_ids=ids,
            events=SortedEvents.of(
                codes[log.account],
                len(ids),
                time=log.order,
                known=np.where(log.mature, log.known_order, np.inf),
                action=log.action,
                reward=log.reward,
            ),
            time_kind=kind,
            half_life=30.0 if kind == "instant" else span / 4.0,
            last=float(log.order.max()),
        )

    # -- what the columns are ------------------------------------------------------------------------------------
    @cached_property
    def level_factors(self) -> tuple[int, ...]:
        """Positions of the factors that get one pair of columns a level."""
        return tuple(position for position, size in enumerate(self.actions.shape) if size <= _MOST_LEVELS)

    @cached_property
    def level_columns(self) -> dict[str, HistoryColumn]:
        """Column name -> (factor, level, "trials" or "successes")."""
        described: dict[str, HistoryColumn] = {}
        for position in self.level_factors:
            name = self.actions.factor_names[position]
            for level in self.actions.factors[name]:
                described[f"history.{name}={level}.contacts"] = (name, level, "trials")
                described[f"history.{name}={level}.responses"] = (name, level, "successes")
        return described

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the feature columns."""
        return _TOTALS + tuple(self.level_columns) + (() if self.memory is None else self.memory.columns)

    def remembering(self, memory: PersonalMemory | None) -> Self:
        """The same contacts, with what actions mean to personal factors."""
        return replace(self, memory=memory)

    @cached_property
    def _memory(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.memory is None:
            return np.zeros((2, len(self.actions), 0)), np.zeros(0)
        return self.memory.increments, self.memory.precision

    # -- questions -----------------------------------------------------------------------------------------------
    def of_log(self, log: AccountLog) -> pd.DataFrame:
        """Features of each decision of a log, point-in-time."""
        if log.account is None or log.order is None or log.account_ids is None:
            return self.nothing_known(len(log.action))
        return self.at(log.account_ids[log.account], log.order)

    def at(
        self, accounts: Sequence[Any] | NDArray[Any] | pd.Series, moment: NDArray[np.float64] | float | None = None
    ) -> pd.DataFrame:
        """Features of the given accounts as of the given moments.

        Parameters
        ----------
        accounts : array-like of shape (n,)
            Account ids; unseen ones have an empty history.
        moment : float or ndarray of shape (n,) or None
            On the line of ``time``; None = now, everything in the log included.

        Returns
        -------
        DataFrame of shape (n, n_columns), float32
        """
        position = self.account_ids.get_indexer(normal_values(accounts, self.account_ids))
        n = len(position)
        when = np.full(n, np.nextafter(self.last, np.inf) if moment is None else 0.0)
        if moment is not None:
            when[:] = moment
        order = np.lexsort((when, position)).astype(np.int64)
        level_codes, n_level_columns = self._level_codes
        events = self.events
        table = replay(
            position[order].astype(np.int64),
            when[order],
            events.start,
            events.time,
            events.known,
            events.by_known,
            events.action,
            events.reward,
            level_codes,
            n_level_columns,
            self.half_life,
            *self._memory,
        )
        answer = np.empty_like(table)
        answer[order] = table
        if moment is None:  # undo the nudge that let "now" see the last instant
            answer[:, 2:4] = np.maximum(answer[:, 2:4], 0.0)
        return pd.DataFrame(answer, columns=list(self.columns), copy=False)

    def features(
        self, accounts: Sequence[Any], moment: float | None, later: LaterContacts | None = None
    ) -> NDArray[np.float32]:
        """Features of some accounts as of one moment, with contacts that came after the log.

        Parameters
        ----------
        accounts : sequence of length n
            Account ids; unseen ones, and None, have an empty history.
        moment : float or None
            On the line of ``time``; None = now, everything in the log included.
        later : LaterContacts or None

        Returns
        -------
        ndarray of shape (n, n_columns), float32
        """
        keys = ids_like(self.account_ids, accounts)
        owner_of: dict[Any, int] = {}
        for key in keys:
            owner_of.setdefault(key, len(owner_of))
        told = [] if later is None else ids_like(self.account_ids, later.account)
        owner = np.array([owner_of.get(key, -1) for key in told], dtype=np.int64)
        past = self.events
        start, time, known, by_known, action, reward = with_later(
            positions_of(self.account_ids, list(owner_of)), past.start, past.time, past.known, past.action, past.reward,
            owner, *(_NOTHING_LATER if later is None else (later.time, later.action, later.reward)),
        )  # fmt: skip
        level_codes, n_levels = self._level_codes
        when = np.full(len(owner_of), np.nextafter(self.last, np.inf) if moment is None else moment)
        table = replay(
            np.arange(len(owner_of)),
            when,
            start,
            time,
            known,
            by_known,
            action,
            reward,
            level_codes,
            n_levels,
            self.half_life,
            *self._memory,
        )
        if moment is None:
            table[:, 2:4] = np.maximum(table[:, 2:4], 0.0)
        return table if len(owner_of) == len(keys) else np.asarray(table[[owner_of[key] for key in keys]])

    @cached_property
    def layout(self) -> HistoryLayout:
        """What a state of one account needs to know of this history."""
        level_codes, _ = self._level_codes
        slots = tuple(tuple(code for code in codes if code >= 0) for codes in level_codes.tolist())
        return HistoryLayout(self.columns, slots, self.half_life, self.memory)

    def state_of(self, account: Any) -> HistoryState:
        """Everything known of one account, as a state that later events may be told to."""
        state = HistoryState(self.layout)
        position = position_of(self.account_ids, id_like(self.account_ids, account))
        if position >= 0:
            own = self.events.of_accounts(np.array([position]))
            actions = own.action.tolist()
            state.waiting_contacts = list(zip(own.time.tolist(), actions, strict=True))
            rewarded = zip(own.known.tolist(), own.reward.tolist(), actions, strict=True)
            state.waiting_responses = sorted(
                (known, action) for known, reward, action in rewarded if reward > 0.0 and known < np.inf
            )
        return state

    def nothing_known(self, n: int) -> pd.DataFrame:
        """Features of ``n`` accounts without any history."""
        table = np.zeros((n, len(self.columns)), dtype=np.float32)
        table[:, 2:4] = np.nan
        return pd.DataFrame(table, columns=list(self.columns), copy=False)

    def moment_of(self, as_of: Any | None) -> float | None:
        """Place an ``as_of`` of the caller on the line of ``time``; None stays None (= now)."""
        return place_of(as_of, self.time_kind)

    def extended(self, events: pd.DataFrame, *, account: str, time: str, reward: str) -> Self:
        """Add later contacts, given as a frame with the account, time, factor and (optionally) reward columns.

        Only the accounts named in ``events`` are kept: the answer is meant for scoring them now.
        """
        needed = [account, time, *self.actions.factors]
        if missing := [name for name in needed if name not in events.columns]:
            raise InvalidInput.missing_columns(missing, events.columns.tolist(), role="history of an account")
        if not len(events):
            return self
        frame = events.reset_index(drop=True)
        rewards = (
            pd.to_numeric(frame[reward], errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
            if reward in frame.columns
            else np.full(len(frame), np.nan)
        )
        when = order_of(frame[time], time)
        if self.time_kind == "rank":
            when = self.last + 1.0 + when
        values = normal_values(frame[account], self.account_ids)
        ids = self.account_ids.union(pd.Index(values).unique(), sort=False)
        later = SortedEvents.of(
            np.asarray(ids.get_indexer(values)),
            len(ids),
            time=when,
            known=np.where(np.isnan(rewards), np.inf, when),
            action=self.actions.index_of(frame),
            reward=rewards,
        )
        before, every = np.arange(len(self.account_ids)), np.arange(len(ids))
        return replace(
            self,
            account_ids=ids,
            events=self.events.joined(before, later, every, len(ids)),
            last=float(max(self.last, when.max())),
        )

    def merged(self, other: AccountHistory) -> Self:
        """The contacts of both, for logs that do not overlap."""
        ids = self.account_ids.astype("str").union(other.account_ids.astype("str"), sort=False)
        if self.account_ids.dtype == other.account_ids.dtype:
            ids = self.account_ids.union(other.account_ids, sort=False)
        place, of_other = (ids.get_indexer(normal_values(one.account_ids, ids)) for one in (self, other))
        return replace(
            self,
            account_ids=ids,
            events=self.events.joined(place, other.events, of_other, len(ids)),
            last=max(self.last, other.last),
        )

    def only(self, accounts: Sequence[Any] | NDArray[Any] | pd.Series) -> Self:
        """The same history, cut to the given accounts; cheap to extend."""
        values = pd.Index(normal_values(accounts, self.account_ids)).unique()
        position = self.account_ids.get_indexer(values)
        position = position[position >= 0]
        return replace(self, account_ids=self.account_ids[position], events=self.events.of_accounts(position))

    # -- save ----------------------------------------------------------------------------------------------------
    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays that hold everything but the action space; none is of object dtype."""
        ids = self.account_ids
        return {
            "account_ids": ids.to_numpy(dtype=np.int64) if ids.dtype == np.int64 else np.asarray(list(ids), dtype=str),
            **self.events.to_arrays(),
            "time_kind": np.array(self.time_kind),
            "line": np.array([self.half_life, self.last]),
            **({} if self.memory is None else self.memory.to_arrays()),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], actions: ActionSpace) -> Self:
        """Inverse of :meth:`to_arrays`."""
        ids = arrays["account_ids"]
        kind = str(arrays["time_kind"])
        return cls(
            actions=actions,
            account_ids=pd.Index(ids) if ids.dtype == np.int64 else pd.Index(ids.tolist(), dtype="str"),
            events=SortedEvents.from_arrays(arrays),
            time_kind="instant" if kind == "instant" else "number" if kind == "number" else "rank",
            half_life=float(arrays["line"][0]),
            last=float(arrays["line"][1]),
            memory=PersonalMemory.from_arrays(arrays),
        )

    @cached_property
    def _level_codes(self) -> tuple[NDArray[np.int64], int]:
        """Level-column index of each (action, factor); -1 where the factor has none or the action is NO_CONTACT."""
        sizes = [self.actions.shape[position] for position in self.level_factors]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        codes = np.full((len(self.actions), max(1, len(self.level_factors))), -1, dtype=np.int64)
        for slot, position in enumerate(self.level_factors):
            level = self.actions.codes[:, position]
            codes[:, slot] = np.where(level >= 0, offsets[slot] + level, -1)
        assert len(_TOTALS) == N_TOTALS  # noqa: S101 - the kernel and the names must agree
        return codes, int(offsets[-1])
