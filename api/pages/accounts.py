"""Accounts: the one you want to look at, found by id, filters and order; page by page on the server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from babel.numbers import get_currency_precision
from fastapi import APIRouter
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from api.pages.basis import of_log
from api.pages.content import Basis, Cell
from api.pages.exports import Sheet, Suffix, table_file
from api.pages.filters import Chip, Filter, Filters, page_numbers, read_filters, single_chunk
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep, PortfolioDep
from api.pages.shown import Kind
from recommender.errors import InvalidInput

__all__ = ["router"]

router = APIRouter()

_PER_PAGE = 25
_LINES = 5_000
_SORTS = ("expected_reward", "margin", "balance_minor", "days_past_due", "account_id", "decided_at")


@router.get("/{language}/accounts", name="accounts", include_in_schema=False)
def accounts(request: Request, page: PageDep, portfolio: PortfolioDep) -> Response:
    """One page of the accounts that pass the filters."""
    view = _View(page, portfolio, dict(request.query_params))
    return page.render("accounts.html", view=view)


@router.get("/{language}/accounts.{suffix}", name="accounts_table", include_in_schema=False)
def accounts_table(request: Request, page: PageDep, portfolio: PortfolioDep, suffix: Suffix) -> Response:
    """Every account that passes the filters."""
    view = _View(page, portfolio, dict(request.query_params))
    return table_file(view.sheet(), "accounts", page.text("Accounts"), suffix)


class _View:
    """What the template shows."""

    def __init__(self, page: Page, portfolio: Portfolio, query: dict[str, str]) -> None:
        self.page, self._portfolio = page, portfolio
        summary = portfolio.summary()
        self.table: pa.Table | None = None if summary is None else summary["accounts"]
        self.stopped = portfolio.stopped()
        self.search = query.get("q", "").strip()
        self.sort = query.get("sort", "expected_reward")
        if self.sort not in _SORTS:
            raise InvalidInput.in_column(
                "sort", "is no order of this table", values=[self.sort], mend=f"Use one of {list(_SORTS)}."
            )
        self.ascending = query.get("order", "desc") == "asc"
        self.kind: Kind = (
            "rate" if getattr(portfolio.served.strategy, "reward_kind_", "binary") == "binary" else "number"
        )
        self.filters = self._filters(query)
        self.passing = self._passing()
        self.n_pages = max(1, math.ceil(len(self.passing) / _PER_PAGE))
        wanted = query.get("page", "1")
        self.number = min(max(int(wanted) if wanted.isdigit() else 1, 1), self.n_pages)

    # -- which ones ------------------------------------------------------------------------------------------------
    def _filters(self, query: dict[str, str]) -> Filters:
        page = self.page

        def choices(name: str) -> list[tuple[str, str]]:
            if self.table is None or name not in self.table.column_names:
                return []
            levels = sorted(single_chunk(self.table[name]).dictionary.to_pylist())
            put = {"country": page.country, "segment": self._portfolio.segment_name(page.label)}.get(name, page.label)
            return [(value, put(value)) for value in levels]

        offered = [
            Filter("stage", page.text("Stage"), choices=choices("stage")),
            Filter("product", page.text("Product"), choices=choices("product")),
            Filter("country", page.text("Country"), choices=choices("country")),
            Filter("segment", page.text("Segment"), choices=choices("segment")),
            Filter("channel", page.text("Recommended channel"), choices=choices("channel")),
        ]
        return read_filters([one for one in offered if one.choices], query, page.url("accounts"))

    def _passing(self) -> NDArray[np.intp]:
        """Rows that pass, in the order asked for: of the table only the columns that this needs are looked at."""
        if self.table is None:
            return np.zeros(0, dtype=np.intp)
        keep = self.filters.passing(self.table)
        if self.search:
            found = pc.match_substring(self.table["account_id"], self.search, ignore_case=True)
            keep &= single_chunk(found).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(keep)  # of a table in the order of account ids, which breaks ties
        if self.sort == "account_id":
            return rows if self.ascending else rows[::-1]
        values = _sortable(single_chunk(self.table[self.sort]))[rows]
        return rows[np.argsort(values if self.ascending else -values, kind="stable")]  # what is not known comes last

    def _frame(self, start: int, n: int) -> pd.DataFrame:
        """Some of the rows that pass."""
        if self.table is None:
            return pd.DataFrame({"account_id": []})
        return self.table.take(pa.array(self.passing[start : start + n])).to_pandas()

    # -- links -----------------------------------------------------------------------------------------------------
    @property
    def query(self) -> dict[str, str]:
        """What is set, without the page number."""
        query = dict(self.filters.query)
        if self.search:
            query["q"] = self.search
        if self.sort != "expected_reward" or self.ascending:
            query |= {"sort": self.sort, "order": "asc" if self.ascending else "desc"}
        return query

    def chips(self) -> list[Chip]:
        """Filters and search in use, each with the way to take it away."""
        texts = {
            one.name: f"{one.title}: {dict(one.choices).get(one.chosen, one.chosen)}" for one in self.filters.filters
        }
        if self.search:
            named = self.page.text("Account id")
            texts["q"] = f"{named}: {self.search}"
        query = self.query
        return [
            Chip(text, self.page.url("accounts", {key: value for key, value in query.items() if key != name}))
            for name, text in texts.items()
            if name in query
        ]

    def to_page(self, number: int) -> str:
        """Address of a page of the table."""
        return self.page.url("accounts", self.query | ({"page": str(number)} if number > 1 else {}))

    def file(self, suffix: Suffix) -> str:
        """Address of the table as a file."""
        return self.page.url("accounts_table", self.query, suffix=suffix)

    def numbers(self) -> list[int | None]:
        """Page numbers around this one, None for a gap."""
        return page_numbers(self.number, self.n_pages)

    def heads(self) -> list[dict[str, Any]]:
        """Columns of the table: title, whether a number, and the link that sorts by it."""
        names: list[tuple[str, str, bool]] = [
            ("account_id", self.page.text("Account"), False),
            ("", self.page.text("Recommended"), False),
            ("expected_reward", self.page.text("Expected result"), True),
            ("margin", self.page.text("Lead over the next"), True),
            ("", self.page.text("Stage"), False),
            ("days_past_due", self.page.text("Days past due"), True),
            ("balance_minor", self.page.text("Balance"), True),
            ("decided_at", self.page.text("Decided"), False),
        ]
        reward = self.page.text("units of reward")
        units = {"days_past_due": self.page.text("days"), "expected_reward": reward, "margin": reward}
        heads: list[dict[str, Any]] = []
        for sort, title, number in names:
            here = sort == self.sort and bool(sort)
            order = "asc" if (here and not self.ascending) or (not here and sort == "account_id") else "desc"
            kept = {key: value for key, value in self.query.items() if key not in ("sort", "order")}
            link = self.page.url("accounts", kept | {"sort": sort, "order": order}) if sort else ""
            direction = "" if not here else "ascending" if self.ascending else "descending"
            unit = units.get(sort, "")
            heads.append(
                {"title": title, "number": number, "unit": unit, "link": link, "direction": direction, "sort": sort}
            )
        return heads

    def basis(self) -> Basis | None:
        """What the table rests on."""
        return of_log(self.page, self._portfolio, len(self.passing))

    # -- rows ------------------------------------------------------------------------------------------------------
    def shown(self) -> pd.DataFrame:
        """Rows of this page."""
        return self._frame((self.number - 1) * _PER_PAGE, _PER_PAGE)

    def rows(self) -> list[list[Cell]]:
        """Cells of this page."""
        return [self._cells(row) for row in self.shown().to_dict("records")]

    def _cells(self, row: dict[str, Any]) -> list[Cell]:
        page, formats = self.page, self.page.formats
        money = None if pd.isna(row.get("balance_minor")) else float(row["balance_minor"])
        currency = row.get("currency")
        value = formats.estimate(
            self.kind, *(_number(row.get(name)) for name in ("expected_reward", "lo", "hi")), difference=False
        )
        margin = formats.difference(self.kind, _number(row.get("margin")), decimals=2 if self.kind == "rate" else None)
        decided = row.get("decided_at")
        when = None if decided is None or pd.isna(decided) else decided.to_pydatetime()
        days = _number(row.get("days_past_due"))
        interval = page.text("95% CI {interval}", interval=value.interval) if value.low.value is not None else ""
        return [
            Cell(str(row["account_id"]), link=page.url("account", {"id": row["account_id"]})),
            Cell(self._action(row), note=self._note(row)),
            Cell.of(value.value, note=interval),
            Cell.of(margin),
            Cell(page.label(row["stage"]) if isinstance(row.get("stage"), str) else "–", row.get("stage")),
            Cell.of(formats.count(days)),
            Cell.of(formats.money(money, currency) if isinstance(currency, str) else formats.count(money)),
            Cell.of(formats.day(when.date() if when else None)),
        ]

    def _note(self, row: dict[str, Any]) -> str:
        if row.get("is_control") is True:
            return self.page.text("control: do not touch")
        if {str(row["account_id"]), str(row.get("debtor_id"))} & self.stopped:
            return self.page.text("stopped by a person")
        return self.page.text("needs a person") if row.get("needs_human") is True else ""

    def _action(self, row: dict[str, Any]) -> str:
        if row.get("decided_at") is None or pd.isna(row.get("decided_at")):
            return "–"
        channel = row.get("channel")
        if row.get("taken_back") is True:
            return self.page.text("cancelled")
        if not isinstance(channel, str):
            return self.page.text("Leave alone")
        hour, tone = row.get("hour"), row.get("tone")
        parts = [self.page.label(channel)]
        parts += [f"{int(hour):02d}:00"] if hour is not None and not pd.isna(hour) else []
        parts += [self.page.wording.label(tone)] if isinstance(tone, str) else []
        return ", ".join(parts)

    def sheet(self) -> Sheet:
        """Every row that passes, as an export: some thousand at a time, since there may be a million of them."""
        return [title for title, _ in self._columns(self._frame(0, 0))], self._lines()

    def _lines(self) -> Iterator[list[Any]]:
        for start in range(0, len(self.passing), _LINES):
            columns = self._columns(self._frame(start, _LINES))
            cells = [column.astype(object).where(column.notna(), None).tolist() for _, column in columns]
            yield from ([*row] for row in zip(*cells, strict=True))

    def _columns(self, frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
        """Title and content of each column of some rows."""
        text = self.page.text
        is_share = self.kind == "rate"
        unit = self.page.text("pp")
        points = f" ({unit})" if is_share else ""
        percent = " (%)" if is_share else ""
        scale = 100.0 if is_share else 1.0
        return [
            (text("Account"), frame["account_id"]),
            (text("Group"), self._groups(frame)),
            *((self.page.label(name), self._labels(frame, name)) for name in ("channel", "hour", "tone")),
            (text("Expected result") + percent, _column(frame, "expected_reward") * scale),
            (text("{column}: from", column=text("Expected result")) + percent, _column(frame, "lo") * scale),
            (text("{column}: to", column=text("Expected result")) + percent, _column(frame, "hi") * scale),
            (text("Lead over the next") + points, _column(frame, "margin") * scale),
            *(
                (self.page.label(name), self._labels(frame, name))
                for name in ("stage", "product", "country", "segment")
            ),
            (text("Days past due"), _column(frame, "days_past_due")),
            (text("Balance"), _column(frame, "balance_minor") * _major_units(frame)),
            (text("Currency"), self._labels(frame, "currency")),
            (text("Decided"), _instants(frame)),
            (text("Decision"), self._labels(frame, "decision_id")),
        ]

    def _groups(self, frame: pd.DataFrame) -> pd.Series:
        words = {True: self.page.text("control: do not touch"), False: self.page.text("policy")}
        return frame["is_control"].map(words) if "is_control" in frame else pd.Series(None, index=frame.index)

    def _labels(self, frame: pd.DataFrame, name: str) -> pd.Series:
        """A column in the reader's words; hours and codes stay as they are."""
        column = frame[name] if name in frame else pd.Series(None, index=frame.index, dtype=object)
        if name in ("hour", "currency", "decision_id"):
            return column
        named = {"country": self.page.country, "segment": self._portfolio.segment_name(self.page.label)}
        put = named.get(name, self.page.label)
        return column.map({level: put(level) for level in column.dropna().unique()})


def _sortable(column: pa.Array) -> NDArray[np.float64]:
    """Numbers or instants as numbers that sort, NaN where they are not known."""
    numbers = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    values: NDArray[np.float64] = (
        numbers.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    )
    return values


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name].astype("float64") if name in frame else pd.Series(np.nan, index=frame.index)


def _major_units(frame: pd.DataFrame) -> pd.Series:
    """What minor units of each row's currency are multiplied with."""
    if "currency" not in frame:
        return pd.Series(1.0, index=frame.index)
    known = {code: 10.0 ** -get_currency_precision(code) for code in frame["currency"].dropna().unique()}
    return frame["currency"].map(known).astype("float64").fillna(1.0)


def _instants(frame: pd.DataFrame) -> pd.Series:
    if "decided_at" not in frame or not isinstance(frame["decided_at"].dtype, pd.DatetimeTZDtype):
        return pd.Series(None, index=frame.index, dtype=object)  # nothing was ever decided
    return frame["decided_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype(object)


def _number(value: Any) -> float | None:
    return None if _is_missing(value) else float(value)


def _is_missing(value: Any) -> bool:
    return value is None or (not isinstance(value, str) and bool(pd.isna(value)))
