"""Sections of the page "Tomorrow": who is contacted when, agent hours, what rules hold back, queues and arms."""

from __future__ import annotations

from functools import partial

import pandas as pd

from api.pages.basis import based_on, of_plan
from api.pages.charts import Bar, hbars
from api.pages.content import Cell, Column, Section, Table
from api.pages.drawing import Drawing
from api.pages.plan_terms import terms_section
from api.pages.rule_words import citation_in_words, rule_in_words
from api.pages.tomorrow_content import PlanText
from recommender.strategy import STAGES

__all__ = ["contacts_table", "sections"]

_SHOWN = 25
_MOST_BARS = 12
_FULL = 0.995
_RULES_SHOWN = 10
_LEAST = 0.5


def sections(words: PlanText, queue: str) -> list[Section]:
    """All sections."""
    basis = of_plan(words.page, len(words.plan.arms), words.day)
    if words.contacts.empty:
        return based_on(basis, [*_rules(words), terms_section(words.page, words.about)])
    terms = terms_section(words.page, words.about)
    return based_on(basis, [_slots(words), *_hours(words), *_rules(words), _queues(words, queue), *_arms(words), terms])


def _slots(words: PlanText) -> Section:
    page = words.page
    heading = page.text("Who is contacted when: channel, stage and hour")
    counts = words.contacts.assign(hour=words.hours).pivot_table(
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
            all=page.formats.count(len(words.contacts)),
        ),
        table=Table(
            "slots",
            page.text("Contacts by channel and stage (rows) and hour of the agents' clock (columns)"),
            [
                Column("slot", page.text("Channel and stage"), number=False),
                *(Column(str(hour), f"{hour}:00", unit=page.text("contacts")) for hour in heads),
                Column("all", page.text("All"), unit=page.text("contacts")),
            ],
            cells,
            stacked=False,
        ),
        reading=page.text(
            "Number of contacts. Hours are on the agents' clock ({zone}); the law was judged on each debtor's own.",
            zone=words.capacity["timezone"],
        ),
        template="heat.html",
        extra={"heads": heads, "rows": rows, "corner": page.text("Hour"), "unit": page.text("contacts")},
    )


def _hours(words: PlanText) -> list[Section]:
    page, hours = words.page, words.agent_hours()
    if not hours:
        return []
    best = max(hours, key=lambda row: row["more"])
    full = sum(row["used"] >= _FULL * row["there"] for row in hours)
    finding = page.texts("{count} hour is full.", "{count} hours are full.", full) + (
        f" {words.hour_in_words(best)}" if best["more"] > 0 else " " + page.text("No hour lacks agents.")
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
                words.money(row["more"]) if row["more"] > 0 else Cell(page.text("nothing: there is room"), 0.0),
            ]
        )
        text = words.money(row["more"]).text if row["more"] > 0 else "0"
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
                    Column("used", page.text("Used (hours)"), unit=page.text("hours")),
                    Column("there", page.text("There are (hours)"), unit=page.text("hours")),
                    Column("share", page.text("In use")),
                    Column(
                        "more", page.text("One more hour brings{unit}", unit=_unit(words)), unit=page.text("points")
                    ),
                ],
                rows,
            ),
            reading=page.text(
                "The bar is what one more agent hour adds to the day, all else replanned; it holds for the next "
                "hour, not for many."
            ),
        )
    ]


def _unit(words: PlanText) -> str:
    return f" ({words.currency})" if words.currency else ""


def _rules(words: PlanText) -> list[Section]:
    page = words.page
    rules = sorted(words.about["rules_in_money"].items(), key=lambda item: -item[1][1])
    rules = [(rule, ends) for rule, ends in rules if ends[1] >= _LEAST][:_RULES_SHOWN]
    if not rules:
        return []
    rows, bars = [], []
    for rule, (low, middle, high) in rules:
        estimate = words.estimate(low, middle, high)
        name, note = _rule_in_words(words, rule)
        rows.append([Cell(name, rule, note=note), Cell.of(estimate.value), Cell.interval(estimate)])
        bars.append(Bar(name, middle, estimate.value.text, low=low, high=high, tone="unclear"))
    first = words.estimate(*rules[0][1])
    finding = page.text(
        "Most is held back by {rule}: {value} (95% CI {interval}).",
        rule=_rule_in_words(words, rules[0][0])[0],
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
                    Column("value", page.text("Held back{unit}", unit=_unit(words)), unit=page.text("points")),
                    Column("interval", page.text("95% CI"), unit=page.text("points")),
                ],
                rows,
            ),
            reading=page.text(
                "Contacts that this rule alone forbids, at the prices of this plan, from a sample of accounts. It "
                "is the cost of keeping the law, and no reason not to."
            ),
        )
    ]


def _rule_in_words(words: PlanText, rule: str) -> tuple[str, str]:
    """The rule in the reader's words, and the law behind it."""
    detail = words.about["rule_details"].get(rule)
    if detail is None:
        return rule_in_words(words.page, rule).text, ""
    return rule_in_words(words.page, rule).text, citation_in_words(words.page, detail["citation"])


def _queues(words: PlanText, queue: str) -> Section:
    page = words.page
    names = sorted(words.contacts["queue"].unique())
    chosen = queue if queue in names else ""
    mine = words.contacts.loc[words.contacts["queue"] == chosen] if chosen else words.contacts
    shown = mine.head(_SHOWN)
    links = [
        (
            page.url("tomorrow", {"plan": words.plan.plan_id, "queue": name}) + "#queues",
            page.label(name),
            name == chosen,
        )
        for name in names
    ]
    every = page.url("tomorrow", {"plan": words.plan.plan_id}) + "#queues"
    return Section(
        "queues",
        page.text("Contacts by queue"),
        page.text(
            "The first {n} of {all}, in the order in which they are to be made.",
            n=page.formats.count(len(shown)),
            all=page.formats.count(len(mine)),
        ),
        table=contacts_table(words, shown),
        template="plan_queues.html",
        extra={"links": [(every, page.text("All"), not chosen), *links]},
    )


def _arms(words: PlanText) -> list[Section]:
    page = words.page
    arms = words.plan.arms["arm"].value_counts()
    if len(arms) < 2:
        return []
    arm_names = {
        "policy": page.text("Policy"),
        "explore": page.text("Random, to learn from"),
        "usual": page.text("As usual, to compare with"),
        "none": page.text("Nobody contacts them"),
    }
    by_arm = words.contacts.groupby("arm")["value"].agg(["size", "sum"])
    rows = []
    for arm, word in arm_names.items():
        if arm in arms.index:
            n, value = by_arm.loc[arm].tolist() if arm in by_arm.index else (0, 0.0)
            rows.append(
                [
                    Cell(word, arm),
                    page.formats.count(int(arms[arm])),
                    page.formats.count(int(n)),
                    words.money(float(value)),
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
                    Column("accounts", page.text("Accounts"), unit=page.text("accounts")),
                    Column("contacts", page.text("Contacts"), unit=page.text("contacts")),
                    Column("value", page.text("Brought{unit}", unit=_unit(words)), unit=page.text("points")),
                ],
                rows,
            ),
            reading=page.text(
                "Drawn by debtor before anything is planned, and always the same: only so can it be shown later "
                "what the plan earned."
            ),
        )
    ]


def contacts_table(words: PlanText, contacts: pd.DataFrame) -> Table:
    """Contacts in their order: on the page the first ones, in the file all."""
    page = words.page
    reasons = {
        "value": page.text("brings most"),
        "minimum": page.text("minimum to reach"),
        "explore": page.text("drawn at random"),
        "usual": page.text("as usual"),
        "callback": page.text("asked to be called"),
        "promise": page.text("promise falls due"),
    }
    local = contacts["contact_at"].dt.tz_convert(words.capacity["timezone"])
    rows = []
    for row, at in zip(contacts.to_dict("records"), local, strict=True):
        estimate = None
        if pd.notna(row["expected"]):
            estimate = words.estimate(row["expected_low"], row["expected"], row["expected_high"])
        time = "" if pd.isna(at) else f"{at:%H:%M}"
        action = page.label(row["channel"]) + (f", {page.label(row['tone'])}" if "tone" in row else "")
        rows.append(
            [
                Cell(row["account_id"], link=page.url("account", {"id": row["account_id"]})),
                Cell(page.label(row["queue"]), row["queue"]),
                Cell(time, "" if pd.isna(at) else at.isoformat()),
                page.formats.count(int(row["priority"])),
                Cell(action, action, note=page.text("a person looks first") if row["needs_human"] else ""),
                Cell(reasons.get(row["reason"], row["reason"]), row["reason"]),
                words.money(float(row["value"])),
                Cell.of(None if estimate is None else estimate.value),
                Cell.interval(estimate),
            ]
        )
    unit = f" ({words.currency})" if words.currency else ""
    return Table(
        "contacts",
        page.text("Planned contacts"),
        [
            Column("account", page.text("Account"), number=False),
            Column("queue", page.text("Queue"), number=False),
            Column("time", page.text("Time"), number=False),
            Column("priority", page.text("Priority"), unit=page.text("ranks")),
            Column("action", page.text("Contact"), number=False),
            Column("reason", page.text("Why"), number=False),
            Column("value", page.text("Brings{unit}", unit=unit), unit=page.text("points")),
            Column("expected", page.text("Expected payment{unit}", unit=unit), unit=page.text("points")),
            Column("interval", page.text("95% CI"), unit=page.text("points")),
        ],
        rows,
    )


def _drawn(bars: list[Bar], width: int) -> Drawing:
    return hbars(sorted(bars, key=lambda bar: -bar.value)[:_MOST_BARS], width)
