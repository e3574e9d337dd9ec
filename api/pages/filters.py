"""Filters of a page: in the URL, as a form that works without scripts, and as chips that take them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["Chip", "Filter", "Filters", "page_numbers", "read_filters", "single_chunk"]


@dataclass(frozen=True)
class Filter:
    """One thing to filter by.

    Attributes
    ----------
    name : str
        In the URL; the column too, unless it is a date.
    title : str
    kind : {"choice", "since", "until"}
    choices : sequence of (value, title)
    chosen : str
        Empty: everything.
    """

    name: str
    title: str
    kind: Literal["choice", "since", "until"] = "choice"
    choices: Sequence[tuple[str, str]] = ()
    chosen: str = ""


@dataclass(frozen=True)
class Chip:
    """A filter in use, and the address without it."""

    text: str
    without: str


@dataclass(frozen=True)
class Filters:
    """The filters of a page as they are set.

    Attributes
    ----------
    filters : sequence of Filter
    action : str
        Address of the page.
    """

    filters: Sequence[Filter]
    action: str

    @property
    def query(self) -> dict[str, str]:
        """What is set, for links that keep it."""
        return {one.name: one.chosen for one in self.filters if one.chosen}

    def chosen(self, name: str) -> str:
        """Value of a filter; empty: everything."""
        return next((one.chosen for one in self.filters if one.name == name), "")

    def chips(self) -> list[Chip]:
        """What is set, each with the way to take it away."""
        chips = []
        for one in self.filters:
            if one.chosen:
                rest = {name: value for name, value in self.query.items() if name != one.name}
                shown = dict(one.choices).get(one.chosen, one.chosen)
                chips.append(Chip(f"{one.title}: {shown}", self.action + (f"?{urlencode(rest)}" if rest else "")))
        return chips

    def passing(self, table: pa.Table) -> NDArray[np.bool_]:
        """Which rows of a table pass; choices are looked up in columns of codes, so that millions take no time."""
        keep = np.ones(len(table), dtype=bool)
        for one in self.filters:
            if not one.chosen:
                continue
            if one.kind == "choice":
                column = single_chunk(table[one.name])
                levels = column.dictionary.to_pylist()
                code = levels.index(one.chosen) if one.chosen in levels else -1
                keep &= column.indices.fill_null(-2).to_numpy(zero_copy_only=False) == code
                continue
            day = pd.Timestamp(one.chosen, tz="UTC")
            at = single_chunk(table["decided_at"]).cast(pa.int64()).fill_null(np.iinfo(np.int64).min)
            moments = at.to_numpy(zero_copy_only=False)
            if one.kind == "since":
                keep &= moments >= day.value // 1_000
            else:
                keep &= (moments < (day + pd.Timedelta(days=1)).value // 1_000) & (moments > np.iinfo(np.int64).min)
        return keep

    def rows(self, frame: pd.DataFrame, time: str = "decided_at") -> pd.Series:
        """Which rows of a frame pass."""
        keep = pd.Series(True, index=frame.index)
        for one in self.filters:
            if not one.chosen:
                continue
            if one.kind == "choice":
                keep &= frame[one.name].astype("str") == one.chosen
            elif one.kind == "since":
                keep &= frame[time] >= pd.Timestamp(one.chosen, tz="UTC")
            else:
                keep &= frame[time] < pd.Timestamp(one.chosen, tz="UTC") + pd.Timedelta(days=1)
        return keep


def read_filters(filters: Sequence[Filter], query: Mapping[str, str], action: str) -> Filters:
    """Set filters from a query.

    Raises
    ------
    InvalidInput
        When a value is none of the choices, or a date cannot be read.
    """
    read = []
    for one in filters:
        given = query.get(one.name, "").strip()
        if given and one.kind == "choice" and given not in dict(one.choices):
            raise InvalidInput.in_column(
                one.name,
                "is not to be found here",
                values=[given],
                mend=f"Use one of {[name for name, _ in one.choices]}.",
            )
        if given and one.kind != "choice":
            try:
                date.fromisoformat(given)
            except ValueError as error:
                raise InvalidInput.in_column(
                    one.name, "is not a day", values=[given], mend="Write it as 2026-11-22."
                ) from error
        read.append(Filter(one.name, one.title, one.kind, one.choices, given))
    return Filters(read, action)


def single_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column of a table as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks or [pa.array([], column.type)])


def page_numbers(here: int, last: int) -> list[int | None]:
    """Numbers of the pages of a table to link to: the first, the last and those around one; None for a gap."""
    near = sorted({1, last, *range(max(1, here - 2), min(last, here + 2) + 1)})
    shown: list[int | None] = []
    for number in near:
        if shown and shown[-1] is not None and number - shown[-1] > 1:
            shown.append(None)
        shown.append(number)
    return shown
