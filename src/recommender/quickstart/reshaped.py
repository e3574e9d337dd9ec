"""Files that are a table of contacts once they are turned: attempts side by side, objects in cells."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from recommender.intake import canonical_channel
from recommender.quickstart import column_names as names
from recommender.quickstart.column_names import plain_name
from recommender.tables import UNREADABLE_ROW

__all__ = ["as_contacts"]

_NUMBERED = re.compile(r"(.*?)[_\s.\-#]*(\d{1,2})[_\s.\-]*(\D*)")
_MOST_PARTS = 40
_LIKE_CHOICES = frozenset((*names.ACTION, *names.CHANNEL))
_LIKE_REWARDS = frozenset(names.REWARD)


def as_contacts(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row a contact and one value a cell, as far as the file shows how; and what was done, in words.

    Parameters
    ----------
    frame : DataFrame
        Cells as they were read.
    """
    told: list[str] = []
    for turn in (_without_unreadable, _without_objects, _one_attempt_a_row):
        frame, said = turn(frame)
        told += said
    return frame, told


def _without_unreadable(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out lines that the reader could not take apart, e.g. the rule that a terminal draws below a header."""
    if UNREADABLE_ROW not in frame:
        return frame, []
    bad = frame[UNREADABLE_ROW].notna()
    rest = frame.loc[~bad].drop(columns=UNREADABLE_ROW).reset_index(drop=True)
    if not bad.any():
        return rest, []
    row = int(np.flatnonzero(bad)[0])
    return rest, [f"left out: {int(bad.sum()):,} lines, the first is row {row}: {frame[UNREADABLE_ROW].iloc[row]}"]


def _without_objects(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give each value of an object in a cell a column of its own: ``result.responded``."""
    opened = []
    for name in list(frame.columns):
        objects = _objects(frame[name])
        if objects is None:
            continue
        inner = pd.json_normalize(objects, sep=".").set_axis(frame.index)
        if not 0 < len(inner.columns) <= _MOST_PARTS:
            continue
        inner.columns = [f"{name}.{part}" for part in inner.columns]
        if set(inner.columns) & set(frame.columns):
            continue
        at = frame.columns.get_loc(name)
        frame = pd.concat([frame.iloc[:, :at], inner, frame.iloc[:, at + 1 :]], axis=1)
        opened.append(str(name))
    return frame, [f"taken apart: {', '.join(opened)}"] if opened else []


def _objects(column: pd.Series) -> list[dict[str, Any]] | None:
    present = column.dropna()
    if column.dtype != object and not pd.api.types.is_string_dtype(column.dtype):
        return None
    if not len(present) or not all(
        isinstance(cell, dict) or (isinstance(cell, str) and cell.lstrip().startswith("{")) for cell in present.head(50)
    ):
        return None
    read: list[dict[str, Any]] = []
    for cell in column:
        if isinstance(cell, str):
            try:
                cell = json.loads(cell)
            except ValueError:
                return None
        read.append(cell if isinstance(cell, dict) else {})
    return read


def _one_attempt_a_row(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Put numbered attempts of one row under one another: ``attempt_1_channel``, ``attempt_2_channel`` ...

    Only where the same numbers follow something that is called like a choice and something that is called like an
    answer; an attempt without a choice was not made.
    """
    stems: dict[str, dict[int, Any]] = defaultdict(dict)
    for name in frame.columns:
        if found := _NUMBERED.fullmatch(str(name).strip()):
            stem = "_".join(part for part in (found[1].strip(" _-.#"), found[3].strip(" _-.")) if part)
            if stem:
                stems[stem].setdefault(int(found[2]), name)
    numbers = {stem: frozenset(columns) for stem, columns in stems.items() if len(columns) > 1}
    for wanted in sorted(set(numbers.values()), key=lambda one: -len(one)):
        together = [stem for stem, have in numbers.items() if have == wanted]
        choices = [stem for stem in together if _about(stem, _LIKE_CHOICES) and _varies(frame, stems[stem])]
        answers = [stem for stem in together if _about(stem, _LIKE_REWARDS) and stem not in choices]
        if not choices or not answers or set(together) & set(frame.columns):
            continue
        order = sorted(wanted)
        beside = [name for name in frame.columns if all(name not in stems[stem].values() for stem in together)]
        parts = []
        for number in order:
            part = frame[beside].copy()
            for stem in together:
                part[stem] = frame[stems[stem][number]]
            if "attempt" not in part:
                part["attempt"] = number
            parts.append(part)
        rows = np.arange(len(frame) * len(order)).reshape(len(order), -1).T.ravel()  # the attempts of a row in a row
        long = pd.concat(parts, ignore_index=True).iloc[rows].reset_index(drop=True)
        made = long[choices[0]].notna() & long[choices[0]].astype(str).str.strip().ne("")
        return long[made].reset_index(drop=True), [
            f"one row an attempt: {', '.join(together)} from columns {order[0]} to {order[-1]}"
        ]
    return frame, []


def _about(stem: str, wanted: frozenset[str]) -> bool:
    plain = plain_name(stem)
    return plain in wanted or bool(set(plain.split("_")) & wanted)


def _varies(frame: pd.DataFrame, columns: dict[int, Any]) -> bool:
    """Whether the cells are words of a few kinds, or channels: choices, and no amounts."""
    cells = pd.unique(pd.concat([frame[name] for name in columns.values()]).dropna().astype(str).str.strip())
    words = [cell for cell in cells if cell]
    return 2 <= len(words) <= 100 and (
        any(canonical_channel(word) is not None for word in words) or not any(word[:1].isdigit() for word in words)
    )
