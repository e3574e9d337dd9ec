"""``capacity.toml``: who works when, what may be sent, what it costs, and what is due at the least."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recommender.currencies import is_currency
from recommender.errors import InvalidInput
from recommender.intake import canonical_channel
from recommender.local_time import is_timezone
from recommender.planning.capacity_words import (
    DAYS,
    asks_number,
    by_weekday,
    check_numbers,
    mend_of,
    spread_over_hours,
)

__all__ = ["DAYS", "Arms", "CapacityOrder", "Minimum", "Queue", "Week", "capacity_of", "read_capacity", "with_changes"]


class _Part(BaseModel):
    # a TOML file may say inf and nan, which no limit, price or cost is
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, entries: Any) -> Any:
        for name in entries if isinstance(entries, dict) else ():
            known = cls.model_fields.get(name)
            if known is not None and asks_number(known.annotation):
                check_numbers(name, entries[name])
        return entries


class Worth(_Part):
    """What a reward is worth in money.

    A strategy that learnt amounts needs nothing here: its rewards are money, in the minor unit of ``currency`` as logs
    made from raw tables hold them. All money of the file itself is in the currency, not in its minor unit.
    """

    per_response: float | None = Field(None, ge=0, description="Money that one response brings.")
    column: str | None = Field(
        None,
        description="Or: account column that a response brings a share of; its name ends in _minor if its unit does.",
    )
    share: float = Field(1.0, gt=0, description="That share.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.per_response is not None and self.column is not None:
            raise ValueError("per_response and column contradict each other")
        return self


class Queue(_Part):
    """Agents or messages of some channels that work for the same accounts."""

    name: str = Field(min_length=1)
    channels: tuple[str, ...] = Field(min_length=1)
    only: dict[str, tuple[str, ...]] = Field({}, description="Skills: account column -> values that it serves.")
    cost_per_contact: float = Field(0.0, ge=0)
    minutes_per_contact: float | None = Field(None, gt=0)
    minutes_per_agent_hour: float = Field(60.0, gt=0)
    agents: float | dict[int, float] | None = Field(None, description="Agents, always or by hour.")
    quota: float | None = Field(None, ge=0, description="Contacts a day.")
    quota_by_hour: float | dict[int, float] | None = Field(None, description="Contacts an hour, always or by hour.")
    on: dict[str, float] = Field(
        {}, description="Part of agents and quotas that there is on a weekday or date, e.g. saturday = 0.5."
    )

    @field_validator("channels", mode="before")
    @classmethod
    def _our_channels(cls, names: Any) -> Any:
        return [canonical_channel(one) or one for one in names] if isinstance(names, list | tuple) else names

    @field_validator("agents", "quota_by_hour", mode="before")
    @classmethod
    def _by_hour(cls, table: Any) -> Any:
        return spread_over_hours(table) if isinstance(table, dict) else table

    @field_validator("on", mode="before")
    @classmethod
    def _our_days(cls, table: Any) -> Any:
        return by_weekday(table) if isinstance(table, dict) else table

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if (self.agents is None) != (self.minutes_per_contact is None):
            raise ValueError("agents and minutes_per_contact are needed together")
        for table in (self.agents, self.quota_by_hour):
            by_hour = table if isinstance(table, dict) else {}
            if any(value < 0 for value in by_hour.values()) or (isinstance(table, float | int) and table < 0):
                raise ValueError("agents and quotas are not negative")
        for day, part in self.on.items():
            if day not in DAYS and not _is_date(day):
                raise ValueError(f"on: {day!r} is neither a date such as 2026-12-24 nor one of {', '.join(DAYS)}")
            if part < 0:
                raise ValueError(f"on: {day} has a negative part of agents and quotas")
        return self

    def part_on(self, day: date) -> float:
        """Part of agents and quotas that there is on a day; a date before its weekday, 1 where neither is told."""
        return self.on.get(day.isoformat(), self.on.get(DAYS[day.weekday()], 1.0))


class Minimum(_Part):
    """Contacts that are due at the least: a contract, a floor for a group of accounts."""

    name: str = Field(min_length=1)
    queue: str | None = Field(None, description="Contacts of this queue; of all of them where a level is named.")
    level: dict[str, str] = Field({}, description='Contacts of these levels of action factors: channel = "email".')
    contacts: float | None = Field(None, ge=0)
    share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Part of the accounts it holds for; with a level, of the debtors whom the policy may contact so.",
    )
    only: dict[str, tuple[str, ...]] = Field({}, description="Account column -> values that it holds for.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.contacts is None) == (self.share is None):
            raise ValueError("give contacts or share")
        if self.queue is None and not self.level:
            raise ValueError('name the queue, or a level such as channel = "email"')
        return self


class Arms(_Part):
    """Parts of the debtors that are planned for in another way, so that the plan can be compared and learnt from."""

    experiment: str = "standing"
    explore: float = Field(0.0, ge=0, le=1)
    usual: float = Field(0.0, ge=0, le=1)
    none: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        if self.explore + self.usual + self.none > 1:
            raise ValueError("explore, usual and none are more than all debtors")
        return self


class Week(_Part):
    """Several contacts of a debtor within a week: what was sent in the last days counts, and what is planned.

    Holds for every plan where the table is there, and with its defaults for plans of more than a day. A plan of one day
    without it knows no limits of a week, and remembers what was sent all the same.
    """

    contacts_per_debtor: int = Field(3, ge=1, le=21, description="Most contacts of a debtor in the week.")
    days_between: int = Field(1, ge=1, le=7, description="Least days between contacts on different days.")
    fatigue_days: float = Field(
        5.0, gt=0, description="Days after which a contact has lost most of what it takes from the next."
    )
    wait_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Part of its worth that a contact keeps for each day it waits: debtors pay, move on or close a "
        "channel meanwhile, and what is believed of a later day is less sure. An assumption.",
    )


#: Where nothing is said, a day has no limits beside law and house, but what was sent lately takes its share of the next
#: contact's worth, unless the model counts it itself: plans that forgot it went back to the same debtors day after day
#: and earned less (benchmarks/thirty_days.py).
_DAY = Week(contacts_per_debtor=21)


class CapacityOrder(_Part):
    """Everything of ``capacity.toml``."""

    timezone: str = Field(description="Of the agents' hours, e.g. America/Bogota.")
    currency: str | None = None
    worth: Worth = Worth()
    queue: tuple[Queue, ...] = Field(min_length=1)
    budget: float | None = Field(None, ge=0)
    minimum: tuple[Minimum, ...] = ()
    arms: Arms = Arms()
    packs: tuple[str, ...] | None = Field(None, description="Rule packs of every account; scenarios change them.")
    contacts_per_debtor: int = Field(1, ge=1, le=6, description="Most contacts of a debtor a day, if the law allows.")
    hours_between: float = Field(2.0, ge=1, description="Least time between two contacts of a debtor in the plan.")
    later_contact_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="What a further contact of the day is worth, of its worth alone; no log tells it.",
    )
    week: Week | None = None

    @property
    def currency_told(self) -> str:
        """The currency, or ``money`` where it is not told."""
        return self.currency or "money"

    def week_of(self, days: int) -> Week:
        """What holds within a week for a plan of some days."""
        return self.week or (Week() if days > 1 else _DAY)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not is_timezone(self.timezone):
            raise ValueError(f"timezone {self.timezone!r} is unknown; write e.g. America/Bogota")
        if self.currency is not None and not is_currency(self.currency):
            raise ValueError(f"currency {self.currency!r} is unknown; write e.g. COP")
        names = [queue.name for queue in self.queue]
        if len(set(names)) != len(names):
            raise ValueError("two queues have the same name")
        unknown = [least.queue for least in self.minimum if least.queue is not None and least.queue not in names]
        if unknown:
            raise ValueError(f"minimum of queue {unknown[0]!r}, which there is not among {names}")
        minimums = [minimum.name for minimum in self.minimum]
        if len(set(minimums)) != len(minimums):
            raise ValueError("two minimums have the same name")
        return self


def read_capacity(path: Path) -> CapacityOrder:
    """Read and check the file.

    Raises
    ------
    InvalidInput
        Names the entry, what is wrong with it and the file.
    """
    return _checked(_parsed(path), path)


def capacity_of(entries: Mapping[str, Any], whose: str) -> CapacityOrder:
    """Check capacities that come from elsewhere than a file; ``whose`` begins the message.

    Raises
    ------
    InvalidInput
        Names the entry and what is wrong with it.
    """
    return _checked(entries, whose)


def with_changes(path: Path, scenario: Path) -> CapacityOrder:
    """Capacities with the changes of a scenario: tables are merged, queues and minimums by name, the rest replaced."""
    return _checked(_merged(_parsed(path), _parsed(scenario)), scenario)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}.", column="capacity", mend="Mend the line.") from error


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            out[key] = _merged(*_alike(key, old, value))
        elif isinstance(old, list) and isinstance(value, list) and all(_has_name(part) for part in [*old, *value]):
            named = {part["name"]: part for part in old}
            for part in value:
                named[part["name"]] = _merged(named.get(part["name"], {}), part)
            out[key] = list(named.values())
        else:
            out[key] = value
    return out


def _alike(key: str, old: dict[str, Any], value: dict[str, Any]) -> tuple[Mapping[Any, Any], Mapping[Any, Any]]:
    """Two tables with their entries written in one way: 9 of a scenario changes an hour of 9-18."""
    read = {"agents": spread_over_hours, "quota_by_hour": spread_over_hours, "on": by_weekday}.get(key)
    try:
        return (old, value) if read is None else (read(old), read(value))
    except ValueError:
        return old, value  # the check of the whole says what is wrong


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _has_name(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("name"), str)


def _checked(entries: Mapping[str, Any], path: Path | str) -> CapacityOrder:
    try:
        return CapacityOrder.model_validate(entries)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        first = next((fault for fault in faults if mend_of(fault) is not None), faults[0])
        entry = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInput(
            f"{path}: {entry}: {first['msg'].removeprefix('Value error, ')}.",
            column=entry,
            mend=mend_of(first) or "See docs/planning.md for what the file may hold.",
        ) from error
