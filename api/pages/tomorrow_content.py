"""What the page "Tomorrow" says of a plan: answer, key figures, and a section for each question a manager has."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pandas as pd
from babel.numbers import get_currency_precision

from api.pages.account_values import capitalised, rule_kind
from api.pages.charts import Bar, hbars
from api.pages.content import Cell, Column, Section, Table, Tile
from api.pages.drawing import Drawing
from api.pages.plan_desk import MadePlan
from api.pages.rendering import Page
from api.pages.shown import Estimate, Shown
from recommender.strategy import STAGES

__all__ = ["Said", "contacts_table", "local_hours"]

_SHOWN = 25
_MOST_BARS = 12
_FULL = 0.995
_HOURLY = re.compile(r"(?P<queue>.*) (?P<hour>\d\d)h minutes")
_RULES_SHOWN = 10
_LEAST = 0.5


class Said:
    """A plan in words and figures.

    Parameters
    ----------
    page : Page
    plan : MadePlan
    """

    def __init__(self, page: Page, plan: MadePlan) -> None:
        self.page, self.plan = page, plan
        self.about, self.contacts = plan.about, plan.contacts
        self.capacity: dict[str, Any] = plan.about["capacity"]
        unit = str(plan.about["unit"])
        self.currency = unit if re.fullmatch("[A-Z]{3}", unit) else ""
        self.hours = local_hours(plan)

    # -- figures -----------------------------------------------------------------------------------------------------
    def money(self, amount: float, *, signed: bool = False) -> Shown:
        """An amount in the currency of the plan; points of the seed rules are plain numbers."""
        if not self.currency:
            return self.page.formats.number(amount, 1, signed=signed)
        minor = amount * 10 ** get_currency_precision(self.currency)
        return self.page.formats.money(minor, self.currency, signed=signed)

    def estimate(self, low: float, middle: float, high: float) -> Estimate:
        """An amount with its interval."""
        if not self.currency:
            return self.page.formats.estimate("number", middle, low, high, difference=False)
        scale = 10 ** get_currency_precision(self.currency)
        ends = (middle * scale, low * scale, high * scale)
        return self.page.formats.estimate("money", *ends, currency=self.currency, difference=False)

    @property
    def day(self) -> str:
        """Day of the contacts, on the agents' clock."""
        at = self.contacts["contact_at"].dropna()
        moment = at.min() if len(at) else pd.Timestamp(self.about["as_of"])
        return self.page.formats.day(moment.tz_convert(self.capacity["timezone"]).date()).text

    @property
    def expected(self) -> Estimate | None:
        """Payments expected of those contacted; None where nothing was learnt."""
        held = self.contacts[["expected_low", "expected", "expected_high"]]
        if not len(held) or held["expected"].isna().all():
            return None
        low, middle, high = (float(held[name].sum()) for name in held)
        return self.estimate(low, middle, high)

    def agent_hours(self) -> list[dict[str, Any]]:
        """Hours of agents: queue, hour, hours used and there, what one more brings."""
        minutes = {queue["name"]: queue["minutes_per_agent_hour"] for queue in self.capacity["queue"]}
        found = []
        for row in self.about["capacities"]:
            told = _HOURLY.fullmatch(row["name"])
            if told is None or (row["limit"] <= 0 and row["used"] <= 0):
                continue
            per_hour = minutes[told["queue"]]
            found.append(
                {
                    "queue": told["queue"],
                    "hour": int(told["hour"]),
                    "used": row["used"] / per_hour,
                    "there": row["limit"] / per_hour,
                    "more": row["price"] * per_hour,
                }
            )
        return found

    # -- words -------------------------------------------------------------------------------------------------------
    def answer(self) -> str:
        """The plan in a sentence or two."""
        page, n = self.page, len(self.contacts)
        if not n:
            return page.text("On {day} nobody can be contacted: see below what stands in the way.", day=self.day)
        people = self.contacts["debtor"].nunique()
        told = page.texts(
            "On {day} the plan makes {count} contact with {people} people.",
            "On {day} the plan makes {count} contacts with {people} people.",
            n,
            day=self.day,
            people=page.formats.count(people),
        )
        value = self.money(float(self.contacts["value"].sum()))
        expected = self.expected
        if expected is None:
            told += " " + page.text(
                "Nothing was learnt yet: the contacts follow the trade's advice, worth {value} points.", value=value
            )
        else:
            told += " " + page.text(
                "They are expected to bring payments of {value} (95% CI {interval}), {more} of it through the "
                "contacts, costs taken off.",
                value=expected.value,
                interval=expected.interval,
                more=value,
            )
        best = max(self.agent_hours(), key=lambda row: row["more"], default=None)
        if best is not None and best["more"] > 0:
            told += " " + self.hour_told(best)
        return told

    def hour_told(self, row: dict[str, Any]) -> str:
        """Price of an agent hour in words."""
        return self.page.text(
            "One more agent hour at {hour}:00 brings {money}.", hour=row["hour"], money=self.money(row["more"])
        )

    def tiles(self) -> list[Tile]:
        """Key figures."""
        page, hours = self.page, self.agent_hours()
        used, there = sum(row["used"] for row in hours), sum(row["there"] for row in hours)
        told = [
            Tile(
                page.text("Contacts"),
                page.formats.count(len(self.contacts)).text,
                page.text("of {n} accounts", n=page.formats.count(self.about["accounts"])),
            ),
            Tile(
                page.text("Brought by the contacts"),
                self.money(float(self.contacts["value"].sum())).text,
                page.text("beyond what comes anyway, less cost") if self.currency else page.text("points"),
            ),
        ]
        if hours:
            share = page.formats.percent(used / there if there else 0.0, 0)
            told.append(
                Tile(
                    page.text("Agent hours in use"),
                    page.text(
                        "{used} of {there}", used=page.formats.number(used, 1), there=page.formats.number(there, 1)
                    ),
                    share.text,
                )
            )
        told.append(
            Tile(
                page.text("Proven distance from the best plan"),
                page.text("{gap} at most", gap=page.formats.percent(float(self.about["gap"]), 2)),
                page.text("no plan within the limits can beat it by more"),
            )
        )
        return told

    def notices(self) -> list[str]:
        """What limits the plan."""
        page, told = self.page, []
        shut_out = int(self.about["shut_out"])
        if shut_out:
            told.append(
                page.texts(
                    "{count} account of {all} may not be contacted at all on that day.",
                    "{count} accounts of {all} may not be contacted at all on that day.",
                    shut_out,
                    all=page.formats.count(self.about["accounts"]),
                )
            )
        if self.about["unplaced"]:
            told.append(
                page.texts(
                    "{count} callback or promise could not be kept.",
                    "{count} callbacks or promises could not be kept.",
                    len(self.about["unplaced"]),
                )
            )
        return told

    # -- sections ----------------------------------------------------------------------------------------------------
    def sections(self, queue: str) -> list[Section]:
        """All sections."""
        if self.contacts.empty:
            return [*self._rules()]
        return [self._slots(), *self._hours(), *self._rules(), self._queues(queue), *self._arms()]

    def _slots(self) -> Section:
        page = self.page
        heading = page.text("Who is contacted when: channel, stage and hour")
        counts = self.contacts.assign(hour=self.hours).pivot_table(
            index=["channel", "stage"], columns="hour", values="row", aggfunc="size", fill_value=0
        )
        counts = counts.reindex(sorted(counts.index, key=lambda row: (row[0], STAGES.index(row[1]))))
        most = max(int(counts.to_numpy().max()), 1)
        busiest = counts.sum().idxmax()
        rows, cells = [], []
        for (channel, stage), row in counts.iterrows():
            name = f"{page.label(channel)} · {page.label(stage)}"
            shown = [page.formats.count(int(value)) for value in row]
            rows.append(
                {
                    "name": name,
                    "cells": [
                        {
                            "text": one.text if value else "",
                            "level": round(8 * int(value) / most) if value else None,
                            "best": False,
                        }
                        for one, value in zip(shown, row, strict=True)
                    ],
                }
            )
            cells.append([Cell(name), *(Cell.of(one) for one in shown), Cell.of(page.formats.count(int(row.sum())))])
        heads = [int(hour) for hour in counts.columns]
        return Section(
            "slots",
            heading,
            page.text(
                "Most contacts are at {hour}:00: {n} of {all}.",
                hour=int(busiest),
                n=page.formats.count(int(counts[busiest].sum())),
                all=page.formats.count(len(self.contacts)),
            ),
            table=Table(
                "slots",
                page.text("Contacts by channel and stage (rows) and hour of the agents' clock (columns)"),
                [
                    Column("slot", page.text("Channel and stage"), number=False),
                    *(Column(str(hour), f"{hour}:00") for hour in heads),
                    Column("all", page.text("All")),
                ],
                cells,
                stacked=False,
            ),
            reading=page.text(
                "Number of contacts. Hours are on the agents' clock ({zone}); the law was judged on each debtor's own.",
                zone=self.capacity["timezone"],
            ),
            template="heat.html",
            extra={"heads": heads, "rows": rows, "corner": page.text("Hour")},
        )

    def _hours(self) -> list[Section]:
        page, hours = self.page, self.agent_hours()
        if not hours:
            return []
        best = max(hours, key=lambda row: row["more"])
        full = sum(row["used"] >= _FULL * row["there"] for row in hours)
        finding = page.texts("{count} hour is full.", "{count} hours are full.", full) + (
            f" {self.hour_told(best)}" if best["more"] > 0 else " " + page.text("No hour lacks agents.")
        )
        several = len({row["queue"] for row in hours}) > 1
        rows, bars = [], []
        for row in hours:
            name = f"{row['hour']}:00" if not several else f"{page.label(row['queue'])}, {row['hour']}:00"
            share = row["used"] / row["there"] if row["there"] else 0.0
            rows.append(
                [
                    name,
                    page.formats.number(row["used"], 1),
                    page.formats.number(row["there"], 1),
                    page.formats.percent(share, 0),
                    self.money(row["more"]) if row["more"] > 0 else Cell(page.text("nothing: there is room"), 0.0),
                ]
            )
            text = self.money(row["more"]).text if row["more"] > 0 else "0"
            bars.append(Bar(name, max(row["more"], 0.0), text, tone="accent"))
        return [
            Section(
                "hours",
                page.text("Agent hours against what there is, and what one more brings"),
                finding,
                draw=partial(_drawn, bars) if best["more"] > 0 else None,
                label=finding,
                table=Table(
                    "hours",
                    page.text("Agent hours"),
                    [
                        Column("hour", page.text("Hour"), number=False),
                        Column("used", page.text("Used (hours)")),
                        Column("there", page.text("There are (hours)")),
                        Column("share", page.text("In use")),
                        Column("more", page.text("One more hour brings{unit}", unit=self._unit())),
                    ],
                    rows,
                ),
                reading=page.text(
                    "The bar is what one more agent hour adds to the day, all else replanned; it holds for the next "
                    "hour, not for many."
                ),
            )
        ]

    def _unit(self) -> str:
        return f" ({self.currency})" if self.currency else ""

    def _rules(self) -> list[Section]:
        page = self.page
        held = sorted(self.about["rules_in_money"].items(), key=lambda item: -item[1][1])
        held = [(rule, ends) for rule, ends in held if ends[1] >= _LEAST][:_RULES_SHOWN]
        if not held:
            return []
        rows, bars = [], []
        for rule, (low, middle, high) in held:
            estimate = self.estimate(low, middle, high)
            name, note = self._rule_told(rule)
            rows.append([Cell(name, rule, note=note), Cell.of(estimate.value), Cell.interval(estimate)])
            bars.append(Bar(name, middle, estimate.value.text, low=low, high=high, tone="unclear"))
        first = self.estimate(*held[0][1])
        finding = page.text(
            "Most is held back by {rule}: {value} (95% CI {interval}).",
            rule=self._rule_told(held[0][0])[0],
            value=first.value,
            interval=first.interval,
        )
        return [
            Section(
                "rules",
                page.text("What the rules hold back"),
                finding,
                draw=partial(_drawn, bars),
                label=finding,
                table=Table(
                    "rules",
                    page.text("Held back by each rule alone"),
                    [
                        Column("rule", page.text("Rule"), number=False),
                        Column("value", page.text("Held back{unit}", unit=self._unit())),
                        Column("interval", page.text("95% CI")),
                    ],
                    rows,
                ),
                reading=page.text(
                    "Contacts that this rule alone forbids, at the prices of this plan, from a sample of accounts. It "
                    "is the cost of keeping the law, and no reason not to."
                ),
            )
        ]

    def _rule_told(self, rule: str) -> tuple[str, str]:
        """Kind of a rule in the reader's language with its id, and the law behind it."""
        detail = self.about["rule_details"].get(rule)
        if detail is None:
            return rule, ""
        return f"{capitalised(rule_kind(self.page, detail['kind']))} ({rule})", detail["citation"]

    def _queues(self, queue: str) -> Section:
        page = self.page
        names = sorted(self.contacts["queue"].unique())
        chosen = queue if queue in names else ""
        mine = self.contacts.loc[self.contacts["queue"] == chosen] if chosen else self.contacts
        shown = mine.head(_SHOWN)
        links = [
            (
                page.url("tomorrow", {"plan": self.plan.plan_id, "queue": name}) + "#queues",
                page.label(name),
                name == chosen,
            )
            for name in names
        ]
        every = page.url("tomorrow", {"plan": self.plan.plan_id}) + "#queues"
        return Section(
            "queues",
            page.text("Contacts by queue"),
            page.text(
                "The first {n} of {all}, in the order in which they are to be made.",
                n=page.formats.count(len(shown)),
                all=page.formats.count(len(mine)),
            ),
            table=contacts_table(self, shown),
            template="plan_queues.html",
            extra={"links": [(every, page.text("All"), not chosen), *links]},
        )

    def _arms(self) -> list[Section]:
        page = self.page
        arms = self.plan.arms["arm"].value_counts()
        if len(arms) < 2:
            return []
        words = {
            "policy": page.text("Policy"),
            "explore": page.text("Random, to learn from"),
            "usual": page.text("As usual, to compare with"),
            "none": page.text("Nobody contacts them"),
        }
        by_arm = self.contacts.groupby("arm")["value"].agg(["size", "sum"])
        rows = []
        for arm, word in words.items():
            if arm in arms.index:
                n, value = by_arm.loc[arm].tolist() if arm in by_arm.index else (0, 0.0)
                rows.append(
                    [
                        Cell(word, arm),
                        page.formats.count(int(arms[arm])),
                        page.formats.count(int(n)),
                        self.money(float(value)),
                    ]
                )
        return [
            Section(
                "arms",
                page.text("Who is planned for in which way"),
                table=Table(
                    "arms",
                    page.text("Arms of the experiment"),
                    [
                        Column("arm", page.text("Way"), number=False),
                        Column("accounts", page.text("Accounts")),
                        Column("contacts", page.text("Contacts")),
                        Column("value", page.text("Brought{unit}", unit=self._unit())),
                    ],
                    rows,
                ),
                reading=page.text(
                    "Drawn by debtor before anything is planned, and always the same: only so can it be shown later "
                    "what the plan earned."
                ),
            )
        ]


def contacts_table(said: Said, contacts: pd.DataFrame) -> Table:
    """Contacts in their order: on the page the first ones, in the file all."""
    page = said.page
    reasons = {
        "value": page.text("brings most"),
        "minimum": page.text("minimum to reach"),
        "explore": page.text("drawn at random"),
        "usual": page.text("as usual"),
        "callback": page.text("asked to be called"),
        "promise": page.text("promise falls due"),
    }
    local = contacts["contact_at"].dt.tz_convert(said.capacity["timezone"])
    rows = []
    for row, at in zip(contacts.to_dict("records"), local, strict=True):
        estimate = None
        if pd.notna(row["expected"]):
            estimate = said.estimate(row["expected_low"], row["expected"], row["expected_high"])
        time = "" if pd.isna(at) else f"{at:%H:%M}"
        told = page.label(row["channel"]) + (f", {page.label(row['tone'])}" if "tone" in row else "")
        rows.append(
            [
                Cell(row["account_id"], link=page.url("account", {"id": row["account_id"]})),
                Cell(page.label(row["queue"]), row["queue"]),
                Cell(time, "" if pd.isna(at) else at.isoformat()),
                page.formats.count(int(row["priority"])),
                Cell(told, told, note=page.text("a person looks first") if row["needs_human"] else ""),
                Cell(reasons.get(row["reason"], row["reason"]), row["reason"]),
                said.money(float(row["value"])),
                Cell.of(None if estimate is None else estimate.value),
                Cell.interval(estimate),
            ]
        )
    unit = f" ({said.currency})" if said.currency else ""
    return Table(
        "contacts",
        page.text("Planned contacts"),
        [
            Column("account", page.text("Account"), number=False),
            Column("queue", page.text("Queue"), number=False),
            Column("time", page.text("Time"), number=False),
            Column("priority", page.text("Priority")),
            Column("action", page.text("Contact"), number=False),
            Column("reason", page.text("Why"), number=False),
            Column("value", page.text("Brings{unit}", unit=unit)),
            Column("expected", page.text("Expected payment{unit}", unit=unit)),
            Column("interval", page.text("95% CI")),
        ],
        rows,
    )


def local_hours(plan: MadePlan) -> pd.Series:
    """Hour of each contact on the agents' clock."""
    at = plan.contacts["contact_at"].dt.tz_convert(plan.about["capacity"]["timezone"])
    return at.dt.hour.fillna(-1).astype("int64")


def _drawn(bars: list[Bar], width: int) -> Drawing:
    return hbars(sorted(bars, key=lambda bar: -bar.value)[:_MOST_BARS], width)
