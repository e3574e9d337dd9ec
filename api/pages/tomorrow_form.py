"""The capacities of a plan as a form: what is shown, and what a filled-in form asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from api.pages.number_input import read_number
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from recommender.currencies import is_currency, minor_digits
from recommender.errors import InvalidInput
from recommender.local_time import is_timezone
from recommender.planning import CapacityOrder, capacity_of, read_capacity

__all__ = [
    "Form",
    "HourField",
    "NotReadable",
    "QueueFields",
    "asked_capacity",
    "default_capacity",
    "form_of",
    "moment_of",
    "sources",
]


class NotReadable(InvalidInput):
    """What was typed cannot be used; its text is in the reader's language."""


_VOICE = ("call", "visit", "field_visit")
_HOURS = range(7, 21)


@dataclass(frozen=True)
class HourField:
    """Agents of one hour."""

    hour: int
    value: str


@dataclass(frozen=True)
class QueueFields:
    """Fields of a queue; a field is None where the queue has no such limit."""

    number: int
    name: str
    channels: str
    hours: tuple[HourField, ...]
    minutes: str | None
    quota: str | None
    cost: str


@dataclass(frozen=True)
class Form:
    """What the form shows.

    Attributes
    ----------
    sources : list of (value, title)
    source, day : str
    queues : tuple of QueueFields
    budget, share, contacts, explore, usual : str
    """

    sources: list[tuple[str, str]]
    source: str
    day: str
    queues: tuple[QueueFields, ...]
    budget: str
    share: str | None
    contacts: str
    explore: str
    usual: str
    currency: str


def sources(page: Page, portfolio: Portfolio) -> list[tuple[str, str]]:
    """Portfolios to plan for: the accounts of each country, since money of two currencies does not add up."""
    accounts = portfolio.accounts_by("country")
    if accounts is None:
        return []
    counts = accounts.dropna().set_index("country")["n"].sort_index()
    return [
        (str(code), page.text("{country}: {n} accounts", country=page.country(str(code)), n=page.formats.count(count)))
        for code, count in counts.items()
    ]


def default_capacity(portfolio: Portfolio, country: str) -> CapacityOrder:
    """Capacities to begin with: ``capacity.<country>.toml`` or ``capacity.toml`` of the portfolio folder, else modest.

    Without a file there is an agent for every four hundred accounts, a message for every third, what contacts cost in
    ``costs.json``, and the control group of the settings as the arm "usual".
    """
    folder, settings = portfolio.settings.portfolio_path, portfolio.settings
    for name in (f"capacity.{country}.toml", "capacity.toml"):
        if folder is not None and (folder / name).is_file():
            return read_capacity(folder / name)
    there = portfolio.columns("accounts.parquet") or []
    accounts = portfolio.accounts_by(*(name for name in ("country", "currency", "timezone") if name in there))
    mine = pd.DataFrame({"n": []})
    if accounts is not None and "country" in accounts.columns:
        mine = accounts.loc[accounts["country"] == country]
    currency = _most(mine, "currency", "COP", is_currency)
    n, scale = int(mine["n"].sum()), 10.0 ** -minor_digits(currency)
    costs = (portfolio.document("costs") or {}).get(currency, {})
    channels = [str(level) for level in portfolio.served.strategy.actions_.factors.get("channel", ())]
    voice = [name for name in channels if name in _VOICE]
    queues: list[dict[str, Any]] = []
    if voice:
        cost = max((costs.get(name, 0.0) for name in voice), default=0.0) * scale
        name = voice[0] if len(voice) == 1 else "agents"
        agents = {hour: float(max(1, math.ceil(n / 400))) for hour in range(8, 18) if hour != 12}
        queues.append(
            {"name": name, "channels": voice, "minutes_per_contact": 6, "agents": agents, "cost_per_contact": cost}
        )
    for name in channels:
        if name not in voice:
            quota = max(1, n // 3 if name != "ivr" else n // 10)
            cost = costs.get(name, 0.0) * scale
            queues.append({"name": name, "channels": [name], "quota": quota, "cost_per_contact": cost})
    amounts = getattr(portfolio.served.strategy, "reward_kind_", "binary") == "amount"
    arms: dict[str, Any] = {"explore": 0.05}
    if settings.holdout_experiment is not None:
        arms |= {"experiment": settings.holdout_experiment, "usual": settings.holdout_share}
    return CapacityOrder.model_validate(
        {
            "timezone": _most(mine, "timezone", "America/Bogota", is_timezone),
            "currency": currency,
            "queue": queues,
            "worth": {} if amounts else {"column": "balance_minor", "share": 0.05},
            "arms": arms,
        }
    )


def _most(frame: pd.DataFrame, column: str, otherwise: str, is_one: Callable[[str], bool]) -> str:
    """The value that most accounts have of those that are one, of several the first."""
    if column not in frame:
        return otherwise
    known = frame.loc[frame[column].map(lambda value: isinstance(value, str) and is_one(value))]
    return otherwise if known.empty else str(known.groupby(column, sort=True, observed=True)["n"].sum().idxmax())


def form_of(page: Page, portfolio: Portfolio, capacity: CapacityOrder, source: str, day: str) -> Form:
    """Fields of the given capacities."""

    def shown(value: float | None) -> str:
        if value is None:
            return ""
        text = page.formats.number(value, 4).text
        decimal = page.formats.number(1.5, 1).text[1]
        return text.rstrip("0").rstrip(decimal) if decimal in text else text

    queues = []
    for number, queue in enumerate(capacity.queue):
        hours: tuple[HourField, ...] = ()
        if queue.agents is not None:
            by_hour = queue.agents if isinstance(queue.agents, dict) else dict.fromkeys(_HOURS, queue.agents)
            hours = tuple(HourField(hour, shown(by_hour.get(hour, 0.0))) for hour in sorted({*_HOURS, *by_hour}))
        queues.append(
            QueueFields(
                number,
                page.label(queue.name),
                ", ".join(page.label(name) for name in queue.channels),
                hours,
                None if queue.minutes_per_contact is None else shown(queue.minutes_per_contact),
                None if queue.agents is not None and queue.quota is None else shown(queue.quota),
                shown(queue.cost_per_contact),
            )
        )
    share = shown(100.0 * capacity.worth.share) if capacity.worth.column is not None else None
    return Form(
        sources(page, portfolio), source, day, tuple(queues), shown(capacity.budget), share,
        str(capacity.contacts_per_debtor), shown(100 * capacity.arms.explore), shown(100 * capacity.arms.usual),
        capacity.currency or "",
    )  # fmt: skip


def asked_capacity(page: Page, base: CapacityOrder, form: Mapping[str, Any]) -> CapacityOrder:
    """Capacities of a filled-in form; what it does not hold stays as in ``base``.

    Raises
    ------
    InvalidInput
        For a field that is no number, in the reader's language, or capacities that contradict each other.
    """

    def number(name: str, title: str) -> float | None:
        text = str(form.get(name, "")).strip()
        if not text:
            return None
        try:
            return read_number(text, page.locale)
        except ValueError as error:
            raise NotReadable(
                page.text("{title}: {text} is no number.", title=title, text=text), column=name
            ) from error

    capacity = base.model_dump(mode="json")
    for at, queue in enumerate(capacity["queue"]):
        name = page.label(queue["name"])
        if queue["agents"] is not None:
            agents = {
                hour: number(f"agents.{at}.{hour}", f"{name}, {hour}:00") or 0.0
                for hour in range(24)
                if f"agents.{at}.{hour}" in form
            }
            queue["agents"] = {hour: value for hour, value in agents.items() if value} or {8: 0.0}
            queue["minutes_per_contact"] = number(f"minutes.{at}", name) or queue["minutes_per_contact"]
        if f"quota.{at}" in form:
            queue["quota"] = number(f"quota.{at}", name)
        if f"cost.{at}" in form:
            queue["cost_per_contact"] = number(f"cost.{at}", name) or 0.0
    capacity["budget"] = number("budget", page.text("Budget")) if "budget" in form else capacity["budget"]
    if capacity["worth"]["column"] is not None and "share" in form:
        capacity["worth"]["share"] = (number("share", page.text("What a response brings")) or 0.0) / 100.0
    if "contacts" in form:
        capacity["contacts_per_debtor"] = number("contacts", page.text("Contacts of a debtor")) or 1
    for arm in ("explore", "usual"):
        if arm in form:
            capacity["arms"][arm] = (number(arm, page.label(arm)) or 0.0) / 100.0
    return capacity_of(capacity, page.text("the form"))


def moment_of(page: Page, portfolio: Portfolio, day: str, timezone: str) -> tuple[datetime, str]:
    """Moment that a plan for a day is made at, and the day; an empty day is the next one of the data.

    Nothing is planned for hours that have passed: where the data are fresh, those until now.
    """
    zone = ZoneInfo(timezone)
    floor = portfolio.present(page.made_at)
    local = floor.astimezone(zone)
    try:
        wanted = datetime.fromisoformat(day).date() if day else (local + timedelta(days=1)).date()
    except ValueError as error:
        raise NotReadable(page.text("{day} is no day.", day=day), column="day") from error
    if wanted < local.date():
        raise NotReadable(
            page.text("{day} is over: the data end on {end}.", day=day, end=page.formats.day(local.date())),
            column="day",
        )
    begins = datetime.combine(wanted, time(0), zone).astimezone(UTC)
    return max(begins, floor), wanted.isoformat()
