"""The action space of ``ingest``: levels as given, from an earlier log, or as the tables hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.rules import CHANNELS

__all__ = ["FACTORS", "action_space", "read_actions"]

FACTORS = ("channel", "hour", "tone")


def read_actions(path: Path) -> ActionSpace:
    """Read an action space from ``ActionSpace.to_dict()`` as JSON, alone or under the key ``actions``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return ActionSpace.from_dict(document.get("actions", document))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{path} holds no action space ({type(error).__name__}).",
            column="actions",
            mend="Give the <log>.roles.json of an earlier log, or write ActionSpace.to_dict() as JSON.",
        ) from error


def action_space(
    frames: dict[str, pd.DataFrame | None], factor: list[str] | None, no_contact: bool | None
) -> ActionSpace:
    """Levels as given, else those that at least one row in a thousand of the decisions (or contacts) has."""
    decisions = frames.get("decisions")
    source = frames.get("contacts") if decisions is None else decisions
    if source is None:
        raise InvalidInput("There are no decisions.", column="contacts", mend="Give --contacts or --decisions.")
    if factor:
        levels = dict(map(_parse_factor, factor))
    else:
        names = [name for name in FACTORS if name in source.columns]
        levels = {name: _frequent(source[name]) for name in names}
        if decisions is None and "hour" not in levels:
            levels = {"channel": levels.get("channel", []), "hour": list(range(7, 22)), "tone": levels.get("tone", [])}
            levels = {name: listed for name, listed in levels.items() if listed}
    listed = [name for name in levels if name in source.columns]
    alone = bool(decisions is not None and listed and _left_alone(source[listed]).any())
    return ActionSpace(levels, no_contact=alone if no_contact is None else no_contact)


def _parse_factor(text: str) -> tuple[str, list[Any]]:
    name, equals, levels = text.partition("=")
    if not equals or not levels:
        raise InvalidInput(
            f"--factor {text!r} gives no levels.", column="factor", mend="Write channel=call,sms or hour=8..20."
        )
    first, dots, last = levels.partition("..")
    if dots and first.isdigit() and last.isdigit():
        return name, list(range(int(first), int(last) + 1))
    if dots:
        raise InvalidInput(
            f"--factor {text!r} names no range of whole numbers.", column="factor", mend="Write e.g. hour=8..20."
        )
    listed = [level.strip() for level in levels.split(",")]
    return name, [int(level) for level in listed] if all(level.isdigit() for level in listed) else listed


def _frequent(column: pd.Series) -> list[Any]:
    """Levels by name, without the rare ones that are likely slips."""
    text = column.dropna().astype(str).str.strip().str.replace(r"\.0$", "", regex=True)
    counts = text[~text.isin(["", "NO_CONTACT"])].value_counts()
    frequent = sorted(str(level) for level in counts.index[counts >= max(1.0, counts.sum() / 1000)])
    if column.name == "channel" and (known := sorted({level.lower() for level in frequent} & set(CHANNELS))):
        return list(known)  # others are slips, and go to quarantine, unless --factor names them
    return (
        sorted(int(level) for level in frequent)
        if frequent and all(level.isdigit() for level in frequent)
        else frequent
    )


def _left_alone(factors: pd.DataFrame) -> pd.Series:
    return (factors.isna() | (factors == "NO_CONTACT") | (factors == "")).all(axis=1)
