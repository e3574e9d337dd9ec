"""Best hours: when to reach one debtor over one channel in the week ahead, and what closes the other hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

import pandas as pd
from fastapi import APIRouter
from starlette.exceptions import HTTPException

from api.pages.account_case import AccountCase
from api.pages.account_values import Values
from api.pages.basis import based_on
from api.pages.content import Basis, Cell, Column, Content, Section, Table
from api.pages.known_account import known_account
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.rule_words import citation_in_words, rule_in_words
from api.pages.section_pages import add_page
from api.pages.shown import Shown
from api.service.offering import RequestOffers
from recommender.deciding import WeekAhead, week_ahead
from recommender.rules import PURPOSES, named_holidays, named_packs

__all__ = ["build", "router"]

router = APIRouter()

_SLOTS = 5
_MARKS = "abcdefghijklmnopqrstuvwxyz"
_FACTORS = ("channel", "hour")
_USUAL = "collection"


@dataclass(frozen=True)
class BestHoursContent(Content):
    """The page: the hours, and the channels and purposes to choose from."""

    case: AccountCase | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[tuple[str, str, bool]] = ()
    purposes: Sequence[tuple[str, str, bool]] = ()
    best: Sequence[str] = ()
    holidays: Sequence[tuple[str, str, str]] = ()
    links: Sequence[tuple[str, str]] = ()


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> BestHoursContent:
    """Build the page of ``?account=`` over ``channel`` for ``purpose``; without one that of the account's decision."""
    account_id = query.get("account", "")
    if not account_id.strip():
        return BestHoursContent(
            "best_hours",
            page.text("When is a debtor best reached?"),
            page.text("Choose an account to see its hours."),
            links=[(page.url("accounts"), page.text("Choose an account"))],
        )
    case = AccountCase.of(portfolio, account_id)
    account_id = case.account_id
    question = page.text("When is account {account} best reached in the coming week?", account=account_id)
    extras: dict[str, Any] = {
        "case": case, "links": [(page.url("account", {"id": account_id}), page.text("Why this action"))],
    }  # fmt: skip
    factors = case.actions.factors
    if case.is_control:
        answer = page.text("Control group: do not touch. The old way contacts this account, so no hours are proposed.")
        return BestHoursContent("best_hours", question, answer, **extras)
    if not case.known:
        answer = page.text("The portfolio has no such account any more, so its hours cannot be judged.")
        return BestHoursContent("best_hours", question, answer, **extras)
    if not set(_FACTORS) <= set(factors):
        answer = page.text("What serves now chooses no channel and hour.")
        return BestHoursContent("best_hours", question, answer, **extras)
    channel, purpose = _channel(case, query), _purpose(case, query)
    week = ahead(portfolio, case, channel, portfolio.present(page.made_at), purpose)
    hours = _Hours(page, case, channel, week, purpose)
    kept = {"account": account_id, "channel": channel, "purpose": purpose}

    def choices(name: str, levels: Iterable[str]) -> list[tuple[str, str, bool]]:
        links = [(one, page.url("best_hours", kept | {name: one})) for one in levels]
        return [(link, page.label(one), one == kept[name]) for one, link in links]

    extras |= {
        "query": kept,
        "channels": choices("channel", map(str, factors["channel"])),
        "purposes": choices("purpose", PURPOSES),
        "best": hours.best(),
        "holidays": hours.holidays(),
        "notices": hours.notices(),
    }
    return BestHoursContent(
        "best_hours", question, hours.answer(), tone="above" if hours.is_open else "below",
        sections=based_on(hours.basis(), hours.sections()), **extras,
    )  # fmt: skip


def ahead(portfolio: Portfolio, case: AccountCase, channel: str, as_of: datetime, purpose: str = _USUAL) -> WeekAhead:
    """The week of an account on its facts of today, judged as ``/v1/best-hours`` judges it.

    The history of the portfolio and what the decision log knows of the debtor both count.
    """
    served = portfolio.served
    own = portfolio.account(case.account_id)
    assert own is not None  # noqa: S101 - the case is known
    budget = None if served.offers is None else served.offers.budget(as_of)
    facts = own.iloc[[0]].assign(account_id=case.account_id)
    known, standing = known_account(portfolio, facts, portfolio.contacts_of(own), as_of, case.packs, offers=budget)
    decider = served.decider_for(purpose)
    if served.offers is not None:
        decider = decider.with_offers(RequestOffers(served.offers, [], standing, as_of).desk())
    return week_ahead(decider, channel=channel, **known)


def _channel(case: AccountCase, query: Mapping[str, str]) -> str:
    """The channel asked for, else of the decision, else of the best contact beside leaving alone."""
    levels = [str(one) for one in case.actions.factors["channel"]]
    asked = query.get("channel", "").strip()
    if asked and asked not in levels:
        raise HTTPException(422, f"channel={asked!r} is no channel of the actions.")
    if asked:
        return asked
    place = list(case.actions.factors).index("channel")
    if (code := int(case.actions.codes[case.chosen, place])) >= 0:
        return levels[code]
    ranked = case.decided.ranked["channel"].dropna()
    return str(next(iter(ranked), levels[0]))


def _purpose(case: AccountCase, query: Mapping[str, str]) -> str:
    """What the contact is asked about for: one of the purposes, else that of the account's decision."""
    asked = query.get("purpose", "").strip()
    if asked and asked not in PURPOSES:
        raise HTTPException(422, f"purpose={asked!r} is no purpose of a contact.")
    return asked or case.purpose


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Hours:
    """A week in words, as picture and as table."""

    def __init__(self, page: Page, case: AccountCase, channel: str, week: WeekAhead, purpose: str) -> None:
        self._page, self._case, self._week, self._purpose = page, case, week, purpose
        self._channel = page.label(channel)
        self._hours = week.hours
        self._values = Values(page, case)
        self._others = [name for name in case.actions.factors if name not in (*_FACTORS, "offer")]
        self._named: dict[str, str] = {}
        self.is_open = bool(week.hours["legal"].any())

    @cached_property
    def _days(self) -> list[date]:
        return list(dict.fromkeys(self._hours["date"]))

    @cached_property
    def _closing(self) -> dict[str, tuple[str, int]]:
        """First rule that closes an hour -> its mark and how many hours it closes, the commonest first."""
        first = self._hours.loc[~self._hours["legal"], "rules"].str.split(";").str[0].value_counts()
        marks = (_MARKS[at] if at < len(_MARKS) else "+" for at in range(len(first)))
        return {str(rule): (mark, int(n)) for (rule, n), mark in zip(first.items(), marks, strict=False)}

    @cached_property
    def _holidays(self) -> dict[date, tuple[str, str]]:
        facts = self._case.facts
        packs = named_packs(facts["packs"].iloc[0]) if "packs" in facts.columns else self._case.packs
        return named_holidays(
            packs, self._days, country=self._case.text("country") or "", language=self._page.base,
            subdivision=self._case.text("subdivision"),
        )  # fmt: skip

    @cached_property
    def _named_days(self) -> dict[date, Shown]:
        return {day: self._page.formats.weekday_day(day, long=True) for day in self._days}

    def _words(self, rules: Iterable[str]) -> str:
        """Rules in words, each looked up once."""
        known, wanted = self._named, list(rules)
        known |= {one: rule_in_words(self._page, one).text for one in wanted if one not in known}
        return "; ".join(known[one] for one in wanted)

    def _value(self, row: Mapping[Any, Any]) -> str:
        """Expected result with its interval; nothing where the general rule answers."""
        if pd.isna(row["expected_reward"]):
            return ""
        told = self._values.estimate(row["expected_reward"], row["lo"], row["hi"])
        return self._page.text("{value} (95% CI {interval})", value=told.value, interval=told.interval)

    def _when(self, row: Mapping[Any, Any]) -> str:
        """Day and hour inside a sentence."""
        return self._page.text("{day}, {hour}", day=self._named_days[row["date"]], hour=f"{int(row['hour'])}:00")

    def _first(self, row: Mapping[Any, Any]) -> str:
        """Day and hour where a line begins."""
        return _capital(self._when(row))

    def answer(self) -> str:
        """The best hour, or what closes every one."""
        text = self._page.text
        if not self.is_open:
            named = self._words(self._closing)
            return text(
                "No hour of the coming week is open over {channel}: {rules}.", channel=self._channel, rules=named
            )
        row = self._week.best(1).to_dict("records")[0]
        value = self._value(row)
        if not value:
            return text("Over {channel} the first open hour is {when}; the general rule knows no better ones.",
                        channel=self._channel, when=self._when(row))  # fmt: skip
        return text("Over {channel} the best hour is {when}: {value} is expected.",
                    channel=self._channel, when=self._when(row), value=value)  # fmt: skip

    def best(self) -> list[str]:
        """The best slots, one sentence each."""
        told = []
        for row in self._week.best(_SLOTS).to_dict("records"):
            others = [self._page.wording.label(str(row[name])) for name in self._others if row.get(name) is not None]
            how = ", ".join(one for one in (self._value(row), *others) if one)
            told.append(f"{self._first(row)}: {how}" if how else self._first(row))
        return told

    def notices(self) -> list[str]:
        """What limits the answer."""
        page, told = self._page, []
        if self._case.is_stopped:
            told.append(page.text("A person stopped all contact with this debtor."))
        if self._case.portfolio.columns("contacts.parquet") is None:
            told.append(page.text("No contact history is configured, so contact limits count as reached."))
        if self._week.policy != "model":
            told.append(page.text("The general rule answered: nothing has been learnt yet, so hours have no value."))
        elif self._purpose != _USUAL:
            told.append(
                page.text(
                    "Which hours are open follows the rules of this purpose; how good they are is what the strategy in "
                    "use expects of collection, since it learnt from that."
                )
            )
        open_hours = self._hours[self._hours["legal"]].sort_values("expected_reward", ascending=False)
        if len(open_hours) > 1 and open_hours["lo"].iloc[0] <= open_hours["expected_reward"].iloc[-1]:
            told.append(
                page.text("What is known hardly tells these hours apart: the interval of the best one holds all.")
            )
        return told

    def holidays(self) -> list[tuple[str, str, str]]:
        """Day, name and language of the name of each holiday."""
        return [(_capital(self._named_days[day].text), *named) for day, named in self._holidays.items()]

    def basis(self) -> Basis:
        """One account from the moment that its week begins at."""
        begins = self._hours["contact_at"].iloc[0].to_pydatetime()
        period = self._page.text("a week from {day}", day=self._page.formats.instant(begins, self._case.zone).text)
        return Basis(period, self._page.text("this account"), self._page.text("Model"))

    def sections(self) -> list[Section]:
        """The grid of hours."""
        page = self._page
        heading = page.text("Hour by day over {channel}", channel=self._channel)
        n_open = page.formats.count(int(self._hours["legal"].sum()))
        finding = page.texts(
            "{open} of {count} hour is open.", "{open} of {count} hours are open.", len(self._hours), open=n_open
        )
        legend = [
            (mark, self._words([rule]), self._cited(rule), page.texts("{count} hour", "{count} hours", n), rule)
            for rule, (mark, n) in self._closing.items()
        ]
        reading = page.text(
            "Hours of the debtor's clock ({zone}); each day as it will stand if nothing happens before. The stronger "
            "the colour, the more is expected; the best hour is framed. A letter is the rule that closes the hour.",
            zone=self._case.zone,
        )  # fmt: skip
        if self._values.is_rate and self._week.policy == "model":
            reading += " " + page.text("Values in %.")
        extra = {
            "heads": self._heads(), "rows": self._grid(), "legend": legend,
            "unit": "%" if self._values.is_rate else self._values.unit,
        }  # fmt: skip
        return [
            Section(
                "hours", heading, finding, table=self._table(heading), reading=reading,
                template="best_hours_grid.html", extra=extra,
            )
        ]  # fmt: skip

    def _cited(self, rule: str) -> str:
        rows = self._hours.loc[~self._hours["legal"] & (self._hours["rules"].str.split(";").str[0] == rule)]
        cited = rows["citations"].iloc[0].split(";")[0]
        return citation_in_words(self._page, cited) if cited else ""

    def _heads(self) -> list[tuple[str, bool]]:
        """Days, and whether they are holidays."""
        return [(self._page.formats.weekday_day(one).text, one in self._holidays) for one in self._days]

    def _grid(self) -> list[dict[str, Any]]:
        """A row an hour, a cell a day: text, shade, and what is told of it."""
        values = self._hours["expected_reward"]
        low, span = values.min(), (values.max() - values.min()) or 1.0
        best = self._week.best(1)["contact_at"].tolist()
        cells: dict[tuple[int, date], dict[str, Any]] = {}
        for row in self._hours.to_dict("records"):
            told: dict[str, Any] = {"level": None, "best": row["contact_at"] in best, "mark": ""}
            if not row["legal"]:
                rules = row["rules"].split(";")
                words = self._words(rules)
                told |= {"mark": self._closing[rules[0]][0], "text": "", "title": words}
            elif pd.isna(row["expected_reward"]):
                told |= {"level": 3, "text": "✓", "title": self._page.text("open")}
            else:
                shown = self._page.formats.value(self._values.kind, row["expected_reward"]).text
                told["level"] = round(8 * (row["expected_reward"] - low) / span)
                told |= {"text": shown.replace("%", "").strip(), "title": self._value(row)}
            told["title"] = f"{self._first(row)}: {told['title']}"
            cells[int(row["hour"]), row["date"]] = told
        hours = sorted({hour for hour, _ in cells})
        return [{"name": f"{hour}:00", "cells": [cells.get((hour, day)) for day in self._days]} for hour in hours]

    def _table(self, caption: str) -> Table:
        """Every hour with its value and interval, or the rules that close it."""
        page, rows = self._page, []
        for row in self._hours.to_dict("records"):
            rules = self._words(one for one in row["rules"].split(";") if one)
            when = Cell(self._first(row), row["contact_at"].isoformat())
            if row["legal"] and not pd.isna(row["expected_reward"]):
                told = self._values.estimate(row["expected_reward"], row["lo"], row["hi"])
                value = [Cell.of(told.value), Cell.interval(told)]
            else:
                value = [Cell("–", ""), Cell("–", "")]
            rows.append([when, Cell(page.text("open") if row["legal"] else rules, row["rules"] or "open"), *value])
        columns = [
            Column("when", page.text("On the debtor's clock"), number=False),
            Column("rules", page.text("Open, or closed by"), number=False, wide=True),
            Column("expected", page.text("Expected result"), unit=self._values.unit),
            Column("interval", page.text("95% CI"), unit=self._values.unit),
        ]
        return Table("hours", caption, columns, rows)


add_page(router, "best_hours", "best-hours", build, template="best_hours.html")
