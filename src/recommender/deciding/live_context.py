"""Rows of accounts as the encoded context of a model, with their histories; what ``decide`` makes of a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import as_utc_us, is_timezone
from recommender.rules import NotCovered, local_days
from recommender.strategy import STAGES, ContactStrategy, stage_of

__all__ = ["ContextOfRows", "days_past_due", "with_situation"]

_EXACT = 2**53
_LISTS = frozenset({"packs", "flags", "consented_channels", "phone_timezones", "due_date"})
_GIVEN_FOR_ALL_OR_NONE = ("days_past_due", "stage")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


def with_situation(accounts: Sequence[Mapping[str, Any]], as_of: datetime) -> list[dict[str, Any]]:
    """Rows with ``days_past_due`` and ``stage``, as ``with_situation`` adds them to a frame."""
    rows = [dict(account) for account in accounts]
    given = {}
    for name in _GIVEN_FOR_ALL_OR_NONE:
        count = sum(name in row for row in rows)
        if 0 < count < len(rows):  # in a frame the others would count as missing
            raise NotCovered(name)
        given[name] = count > 0
    if not given["days_past_due"]:
        if not all("due_date" in row for row in rows):
            raise NotCovered("due_date")
        now = as_utc_us(as_of)
        for row in rows:
            due, zone = row["due_date"], row.get("timezone")
            today = local_days(str(zone) if is_timezone(zone) else "UTC", (now,))[0]
            row["days_past_due"] = math.nan if due is None else float(today - (due.toordinal() - _EPOCH))
    if not given["stage"]:
        days = np.array([days_past_due(row["days_past_due"]) for row in rows])
        for row, stage in zip(rows, stage_of(days).tolist(), strict=True):
            row["stage"] = STAGES[stage]
    return rows


class ContextOfRows:
    """Encodes rows for one model.

    Parameters
    ----------
    strategy : ContactStrategy

    Raises
    ------
    NotCovered
        When its context is not made of plain values, or its history not of instants.
    """

    def __init__(self, strategy: ContactStrategy) -> None:
        self.strategy = strategy
        self.actions = strategy.actions_
        self.names = tuple(str(name) for name in strategy.feature_names_in_)
        if _LISTS & set(self.names):
            raise NotCovered("context")
        history = strategy.history_
        if history is not None and history.time_kind != "instant":
            raise NotCovered("time")
        known = self.names if history is None else (*self.names, *history.columns)
        columns = strategy.reward_model_.encoder.columns
        if tuple(column.name for column in columns) != known:
            raise NotCovered("context")
        self._encoding = [
            (column.name, None)
            if column.kind == "number"
            else (column.name, {name: float(code) for code, name in enumerate(column.categories, start=1)})
            for column in columns[: len(self.names)]
        ]
        self._encode = [_number if codes is None else _category(codes) for _, codes in self._encoding]

    def matrix(
        self,
        rows: list[dict[str, Any]],
        contacts: Sequence[Mapping[str, Any]] | None,
        as_of: datetime,
        account: str | None,
    ) -> NDArray[np.float64]:
        """Encoded context with the accounts' histories, as of now."""
        strategy = self.strategy
        history = strategy.history_
        width = len(self._encoding)
        X = np.empty((len(rows), width + (0 if history is None else len(history.columns))))
        alone = len(rows) == 1
        for position, row in enumerate(rows):
            X[position, :width] = [
                encode(row.get(name), alone) for (name, _), encode in zip(self._encoding, self._encode, strict=True)
            ]
        if history is None:
            return X
        if account is None or any(account not in row for row in rows):
            X[:, width:] = history.nothing_known(1).to_numpy()
            return X
        later = self._later(contacts)
        moment = history.moment_of(as_of)
        assert moment is not None  # noqa: S101 - checked when this object was made
        for position, row in enumerate(rows):
            state = history.state_of(row[account])
            for at, action, is_response in later.get(row[account], ()):
                state.contact(at, action)
                if is_response:
                    state.response(at, action)
            X[position, width:] = state.features(moment)
        return X

    def _later(self, contacts: Sequence[Mapping[str, Any]] | None) -> dict[Any, list[tuple[float, int, bool]]]:
        """Contacts after the training log that name every factor, by account; see ``decide``."""
        strategy = self.strategy
        found: dict[Any, list[tuple[float, int, bool]]] = {}
        if not contacts or strategy.history_ is None or strategy.names_["time"] is None:
            return found
        reward = strategy.names_.get("reward") or "reward"
        last = strategy.history_.last
        factors = list(self.actions.factors.items())
        for contact in contacts:
            at = as_utc_us(contact["sent_at"]) / (86_400.0 * 1e6)
            if contact.get("initiated_by") != "creditor" or contact.get("status") != "sent":
                continue
            if abs(at - last) < 1e-6:  # on the edge, instants of other resolutions are compared
                raise NotCovered("time")
            if at <= last:
                continue
            codes = []
            for name, levels in factors:
                value = contact.get(name)
                if value is None:
                    break
                if isinstance(value, bool) or value not in levels:
                    raise NotCovered("contacts")
                codes.append(levels.index(value))
            else:
                worth = contact.get(reward)
                if not isinstance(worth, int | float | None):
                    raise NotCovered("contacts")
                action = int(np.ravel_multi_index(tuple(codes), self.actions.shape))
                told = (at, action, worth is not None and worth > 0)
                found.setdefault(contact["account_id"], []).append(told)
        return found


def days_past_due(value: Any) -> float:
    """Days past due that an account brought."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or (not abs(value) < 1e6 and value == value):
        raise NotCovered("days_past_due")
    return float(value)


def _number(value: Any, _alone: bool) -> float:
    """A number column; see ``ContextEncoder``."""
    if value is None:
        return math.nan
    if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) > _EXACT):
        raise NotCovered("features")
    return float(value)


def _category(codes: Mapping[str, float]) -> Any:
    """A category column: its code, 0 for what was not kept at training."""

    def encode(value: Any, alone: bool) -> float:
        if isinstance(value, str):
            return codes.get(value, 0.0)
        if value is None or value != value:
            return math.nan
        if isinstance(value, bool):
            if not alone:  # beside numbers in a column, True would be 1
                raise NotCovered("features")
            return codes.get(str(value), 0.0)
        if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) > _EXACT):
            raise NotCovered("features")
        return codes.get(str(int(value)) if float(value).is_integer() else str(value), 0.0)

    return encode
