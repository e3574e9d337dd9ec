"""Heat maps of what is expected: weekday by hour, channel by tone; tables, so that they can be read aloud."""

from __future__ import annotations

from typing import Any

import pandas as pd

from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page
from recommender.explanation import GlobalExplanation

__all__ = ["best_hours", "channel_by_tone"]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def best_hours(page: Page, document: dict[str, Any], found: GlobalExplanation) -> list[Section]:
    """Mean expected reward by weekday and hour."""
    held = pd.DataFrame(document.get("hours") or [])
    if held.empty:
        return []
    hours = sorted(held["hour"].unique().tolist())
    binary = found.about["reward_kind"] == "binary"
    low, high = float(held["mean"].min()), float(held["mean"].max())
    best = held.loc[held["mean"].idxmax()]
    rows, cells = [], []
    for weekday in _WEEKDAYS:
        own = held.loc[held["weekday"] == weekday].set_index("hour")
        if own.empty:
            continue
        row: list[dict[str, Any]] = []
        for hour in hours:
            value = float(own.loc[hour, "mean"])
            level = round(8 * (value - low) / ((high - low) or 1.0))
            shown = page.formats.percent(value) if binary else page.formats.number(value, 2)
            text = shown.text.replace("%", "").strip()
            row.append({"shown": shown, "text": text, "level": level, "best": value == high})
        rows.append({"name": page.weekday(weekday), "cells": row})
        cells.append(
            [
                Cell(page.weekday(weekday), weekday),
                *(Cell.of(one["shown"]) for one in row),
            ]
        )
    columns = [Column("weekday", page.text("Weekday"), number=False), *(Column(str(hour), f"{hour}") for hour in hours)]
    best_value = page.formats.percent(float(best["mean"])) if binary else page.formats.number(float(best["mean"]), 2)
    finding = page.text(
        "Highest on {weekday} at {hour}:00 ({value} expected), lowest {low}.",
        weekday=page.weekday(str(best["weekday"])),
        hour=int(best["hour"]),
        value=best_value,
        low=page.formats.percent(low) if binary else page.formats.number(low, 2),
    )
    return [
        Section(
            "hours",
            page.text("Best hours"),
            finding,
            table=Table("hours", page.text("Expected result by weekday and hour"), columns, cells, stacked=False),
            reading=page.text(
                "Expected result{unit} of the best channel and tone at that local hour, mean over {n} accounts. The "
                "stronger the colour, the better; the best cell is framed. Hours that the law forbids are shown, but "
                "never used.",
                unit=" (%)" if binary else "",
                n=page.formats.count(int(held["n_accounts"].iloc[0])),
            ),
            template="heat.html",
            extra={"heads": hours, "rows": rows, "corner": page.text("Local hour")},
        )
    ]


def channel_by_tone(page: Page, found: GlobalExplanation) -> list[Section]:
    """Mean expected reward by channel and tone."""
    own = found.expected.loc[
        found.expected.apply(lambda row: {row["factor_a"], row["factor_b"]} == {"channel", "tone"}, axis=1)
    ]
    if own.empty:
        return []
    flip = own["factor_a"].iloc[0] == "tone"
    channel, tone = ("level_b", "level_a") if flip else ("level_a", "level_b")
    binary = found.about["reward_kind"] == "binary"
    tones = list(dict.fromkeys(own[tone]))
    low, high = float(own["mean"].min()), float(own["mean"].max())
    rows, cells = [], []
    for name in dict.fromkeys(own[channel]):
        line = own.loc[own[channel] == name].set_index(tone)
        row: list[dict[str, Any]] = []
        told = [Cell(page.label(name), name)]
        for level in tones:
            value = float(line.loc[level, "mean"])
            if pd.isna(value):
                row.append({"text": "–", "level": None, "best": False})
                told.append(Cell("–", ""))
                continue
            shown = page.formats.percent(value) if binary else page.formats.number(value, 2)
            step = round(8 * (value - low) / ((high - low) or 1.0))
            row.append({"text": shown.text, "level": step, "best": value == high})
            told.append(Cell.of(shown))
        rows.append({"name": page.label(name), "cells": row})
        cells.append(told)
    columns = [
        Column("channel", page.text("Channel"), number=False),
        *(Column(str(one), page.label(one)) for one in tones),
    ]
    return [
        Section(
            "tones",
            page.text("Channel and tone"),
            "",
            table=Table("tones", page.text("Expected result by channel and tone"), columns, cells, stacked=False),
            reading=page.text("Mean over the sampled accounts and the hours that are open to each of them."),
            template="heat.html",
            extra={"heads": [page.label(one) for one in tones], "rows": rows, "corner": page.text("Channel")},
        )
    ]
