"""Files that are a table of contacts once they are turned: attempts side by side, objects in cells."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.intake import canonical_channel, hashable, plain_word, propose_profiles, source_profiles
from recommender.quickstart import column_names as names
from recommender.quickstart.account_column import with_account
from recommender.quickstart.column_names import plain_name
from recommender.tables import UNREADABLE_ROW

__all__ = ["as_contacts"]

_NUMBERED = re.compile(r"(.*?)[_\s.\-#]*(\d{1,2})[_\s.\-]*(\D*)")
_MOST_PARTS = 40
_MOSTLY = 0.9  # of the rows must have a code that the source is known to write
_LIKE_CHOICES = frozenset((*names.ACTION, *names.CHANNEL))
_LIKE_REWARDS = frozenset(names.REWARD)


def as_contacts(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[str, pd.Series]]:
    """One row a contact and one value a cell, as far as the file shows how; what was done, in words; codes by column.

    Parameters
    ----------
    frame : DataFrame
        Cells as they were read.
    """
    told: list[str] = []
    for turn in (_without_unreadable, _without_objects, _flat, _one_attempt_a_row):
        frame, said = turn(frame)
        told += said
    frame, said, codes = _codes_of_a_source(frame)
    return frame, told + said, codes


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


def _flat(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Lists, bytes and what else no table can count become texts, durations become seconds."""
    flat: dict[Any, pd.Series] = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object:
            held = column.map(hashable)
            if any(one is not other for one, other in zip(held, column, strict=True)):
                flat[name] = held
        elif pd.api.types.is_timedelta64_dtype(column.dtype):
            flat[name] = column.dt.total_seconds()
        elif pd.api.types.is_complex_dtype(column.dtype):
            raise InvalidInput.in_column(
                str(name),
                "holds complex numbers, which have no order",
                mend="Give real and imaginary part a column each.",
            )
    return frame.assign(**flat) if flat else frame, []


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
        results = [stem for stem in together if plain_name(stem).rpartition("_")[2] in _LIKE_REWARDS]
        about = [stem for stem in together if stem not in results and _about(stem, _LIKE_CHOICES)]
        choices = [stem for stem in about if _varies(frame, stems[stem])]
        answers = [
            stem for stem in together if stem not in choices and (stem in results or _about(stem, _LIKE_REWARDS))
        ]
        if not choices or not answers or set(together) & set(frame.columns):
            continue
        order = sorted(wanted)
        beside = [name for name in frame.columns if all(name not in stems[stem].values() for stem in together)]
        facts = with_account(frame[beside])
        parts = []
        for number in order:
            part = facts.copy()
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


def _codes_of_a_source(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[str, pd.Series]]:
    """Put in words the codes of a source whose columns are recognised: ``AM`` of a dialler is ``not_connected``.

    Rows whose code leaves no trace (a call that was never placed) are left out; codes that nobody knows stay. The codes
    themselves are given too, by column: a success may be stated as one of them.
    """
    columns = _columns_by_form(frame)
    for source, _ in propose_profiles(columns):
        profile = source_profiles()[source]
        rule = profile.tables.get("outcomes", {}).get("outcome")
        if not isinstance(rule, dict) or "words" not in rule or (column := columns.get(rule["column"])) is None:
            continue
        words = profile.words[rule["words"]]
        said = frame[column].map(lambda cell, words=words: words.get(plain_word(str(cell))))
        if said.notna().mean() < _MOSTLY:
            continue
        rest = frame.loc[said.ne("-")].reset_index(drop=True)
        codes = rest[column]
        rest[column] = said.fillna(frame[column]).loc[said.ne("-")].reset_index(drop=True)
        gone = f", {len(frame) - len(rest):,} rows that were no contact left out" if len(rest) < len(frame) else ""
        told = f"{column}: codes of {profile.title.partition(':')[0]} in words{gone}"
        return rest, [told], {str(column): codes}
    return frame, [], {}


def _columns_by_form(frame: pd.DataFrame) -> dict[str, Any]:
    """Columns by what they may be read as; one that is called so itself goes before ``status_name``."""
    read = [(place, form, name) for name in frame.columns for place, form in enumerate(names.forms(str(name)))]
    by_form: dict[str, Any] = {}
    for _, form, name in sorted(read, key=lambda one: one[0]):
        by_form.setdefault(form, name)
    return by_form


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
