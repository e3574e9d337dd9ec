"""What drives results: which facts move what the model expects, by segment, one currency at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from fastapi import APIRouter

from api.pages.basis import based_on, of_another_version, of_explanation
from api.pages.charts import Bar, hbars, nice_ticks, scatter
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.drawing import Drawing
from api.pages.filters import Filter, Filters, read_filters
from api.pages.moved import moved_sections
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.section_pages import add_page
from api.pages.shown import Estimate, Kind, Shown
from recommender.explanation import GlobalExplanation

__all__ = ["build", "concept_names", "router"]

router = APIRouter()

_SWARM_FEATURES = 8
_TABLE_FEATURES = 15


def concept_names(page: Page) -> dict[str, str]:
    """Concepts that columns are gathered under."""
    t = page.text
    return {
        "payment_history": t("Payment history"),
        "situation": t("Situation of the debt"),
        "capacity": t("Capacity to pay"),
        "contact_fatigue": t("Contact fatigue"),
        "channel_habit": t("Channel habit"),
        "hour_habit": t("Hour habit"),
        "tone_habit": t("Tone habit"),
        "stage": t("Stage"),
        "action": t("The action itself"),
        "calendar": t("Calendar"),
        "other": t("Other"),
        "not_attributed": t("Not attributed"),
        "(not attributed)": t("Not attributed"),
    }


def _dimensions(page: Page) -> dict[str, str]:
    t = page.text
    return {
        "stage": t("Stage"),
        "product": t("Product"),
        "country": t("Country"),
        "segment": t("Segment"),
        "channel": t("Channel"),
        "tone": t("Tone"),
    }


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:
    """Build the page."""
    question = page.text("Which facts move the expected result most?")
    document = portfolio.document("drivers")
    if document is None:
        answer = page.text("The explanation of the portfolio has not been computed yet.")
        return Content("drivers", question, answer)
    explanation: GlobalExplanation = portfolio.kept(
        "drivers", document["made_at"], lambda: GlobalExplanation.from_dict(document["explanation"])
    )
    filters = _filters(page, explanation, query, portfolio.segment_name(page.label))
    money = _one_money(explanation, portfolio)
    dimension, segment = next(((one.name, one.chosen) for one in filters.filters[:-1] if one.chosen), ("all", "all"))
    kind: Kind = "points" if explanation.about["reward_kind"] == "binary" else "number"
    part = explanation.concepts.loc[
        (explanation.concepts["dimension"] == dimension) & (explanation.concepts["segment"] == segment)
    ]
    part = part.loc[part["group"] != "(not attributed)"].dropna(subset=["mean_abs"])
    notices = of_another_version(page, portfolio, document)
    if part.empty:
        answer = page.text("Too few sampled accounts in this group to say anything.")
        return Content("drivers", question, answer, filters=filters, notices=notices)
    sections = [_concepts(page, part, explanation, kind)]
    sections += moved_sections(page, document, kind, concept_names(page), dimension, segment)
    sections += _facts(page, explanation, kind, dimension, segment)
    sections += _dependence(page, explanation, filters.chosen("feature"), kind, money=money)
    sections.append(_segments(page, explanation, kind))
    sections = based_on(of_explanation(page, document), sections)
    if not money:
        notices.append(page.text("The portfolio has several currencies: amounts are not shown together."))
    return Content("drivers", question, _answer(page, part, kind), "unclear", sections, (), filters, notices)


def _filters(
    page: Page, explanation: GlobalExplanation, query: dict[str, str], named: Callable[[object], str]
) -> Filters:
    names = _dimensions(page)
    offered = []
    for dimension in explanation.dimensions:
        if dimension in names:
            segments = sorted(explanation.segments(dimension))
            put = {"country": page.country, "segment": named}.get(dimension, page.label)
            choices = [(one, put(one)) for one in segments]
            offered.append(Filter(dimension, names[dimension], choices=choices))
    features = [name for name in dict.fromkeys(explanation.dependence["feature"]) if not _protected(explanation, name)]
    offered.append(
        Filter("feature", page.text("Fact in detail"), choices=[(name, page.label(name)) for name in features])
    )
    chosen = [one.name for one in offered[:-1] if query.get(one.name)]
    kept = {name: value for name, value in query.items() if name not in chosen[:-1]}  # one segment at a time
    return read_filters(offered, kept, page.url("drivers"))


def _one_money(explanation: GlobalExplanation, portfolio: Portfolio) -> bool:
    """Whether amounts of all accounts are of one currency, so that they can stand on one axis."""
    accounts = portfolio.accounts_by("currency")
    if accounts is None:
        return "country" not in explanation.dimensions
    return int(accounts["currency"].notna().sum()) <= 1


def _protected(explanation: GlobalExplanation, feature: str) -> bool:
    marked = explanation.features.loc[explanation.features["feature"] == feature, "protected"]
    return bool(len(marked) and marked.iloc[0])


def _answer(page: Page, part: pd.DataFrame, kind: Kind) -> str:
    names = concept_names(page)
    first = part.iloc[0]
    size = page.formats.estimate(kind, first["mean_abs"], first["lo"], first["hi"], difference=False)
    others = [names.get(group, page.label(group)).lower() for group in part["group"].iloc[1:3]]
    told = {
        "first": names.get(first["group"], page.label(first["group"])),
        "size": size.value.text.lstrip("+"),
        "others": page.text("{a} and {b}", a=others[0], b=others[1]) if len(others) > 1 else "–",
    }
    if first["lo"] == first["hi"]:  # every account was measured: nothing is left to chance
        return page.text("{first} moves the expected result most, {size} on average; then {others}.", **told)
    return page.text(
        "{first} moves the expected result most, {size} on average (95% CI {interval}); then {others}.",
        interval=size.interval, **told,
    )  # fmt: skip


def _interval(size: Estimate, low: float, high: float) -> Cell:
    """The interval of what was measured on a sample; of all accounts there is none."""
    return Cell("–", "") if low == high else Cell.interval(size)


def _concepts(page: Page, part: pd.DataFrame, explanation: GlobalExplanation, kind: Kind) -> Section:
    names = concept_names(page)
    bars, cells = [], []
    for row in part.itertuples(index=False):
        size = page.formats.estimate(kind, row.mean_abs, row.lo, row.hi, difference=False)
        text = size.value.text.lstrip("+")
        name = names.get(str(row.group), page.label(row.group))
        bars.append(Bar(name, row.mean_abs, text, row.lo, row.hi))
        ranks = (
            Cell(page.text("{a} to {b}", a=int(row.rank_lo), b=int(row.rank_hi)))
            if row.rank_lo != row.rank_hi
            else Cell.of(page.formats.count(row.rank))
        )
        cells.append([Cell(name, row.group), _size(size.value), _interval(size, row.lo, row.hi), ranks])
    columns = [
        Column("group", page.text("Group of facts"), number=False),
        Column("mean_absolute_effect", page.text("Mean size of the effect"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("rank", page.text("Rank (95% range)"), unit=page.text("ranks")),
    ]
    n = page.formats.count(int(part["n_accounts"].iloc[0]))
    return Section(
        "groups",
        page.text("By group of facts"),
        page.text("Mean size of what each group adds to or takes from the expected result, over {n} accounts.", n=n),
        lambda width: hbars(bars, width),
        page.text("Mean size of the effect by group of facts, largest first, with 95% intervals."),
        Table("groups", page.text("Size of the effect by group of facts"), columns, cells),
        page.text(
            "What the model uses, not what would happen if a fact were changed: “associated with”, not “caused by”. "
            "Measured on a random sample of {n} of {all} accounts.",
            n=page.formats.count(explanation.about["n_sampled"]),
            all=page.formats.count(explanation.about["n_accounts"]),
        ),
    )


def _facts(page: Page, explanation: GlobalExplanation, kind: Kind, dimension: str, segment: str) -> list[Section]:
    """Single facts of a segment; over all accounts also every sampled account at what a fact does for it."""
    own = (explanation.features["dimension"] == dimension) & (explanation.features["segment"] == segment)
    ordered = explanation.features.loc[own & ~explanation.features["protected"].astype(bool)].dropna(
        subset=["mean_abs"]
    )
    there = set(explanation.points["feature"])
    names = [str(name) for name in ordered["feature"] if name in there][:_SWARM_FEATURES]
    if not names:
        return []
    rows = []
    for name in names:
        own = explanation.points.loc[explanation.points["feature"] == name]
        points = [
            (
                float(row.contribution),
                None if pd.isna(row.value_rank) else float(row.value_rank),
                f"{page.label(row.value)}: {page.formats.difference(kind, row.contribution)}",
            )
            for row in own.itertuples(index=False)
        ]
        rows.append((page.label(name), points))
    cells = [
        [
            Cell(page.label(row.feature), row.feature),
            Cell(concept_names(page).get(str(row.group), page.label(row.group)), row.group),
            _size(page.formats.value(kind, row.mean_abs)),
            _interval(page.formats.estimate(kind, row.mean_abs, row.lo, row.hi, difference=False), row.lo, row.hi),
        ]
        for row in ordered.head(_TABLE_FEATURES).itertuples(index=False)
    ]
    columns = [
        Column("fact", page.text("Fact"), number=False),
        Column("group", page.text("Group of facts"), number=False),
        Column("mean_absolute_effect", page.text("Mean size of the effect"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
    ]

    def draw(width: int) -> Drawing:
        places = [value for _, points in rows for value, _, _ in points]
        ticks = page.formats.ticks(kind, nice_ticks(min(places), max(places), 5), difference=True)
        return scatter(rows, width, ticks=ticks)

    return [
        Section(
            "facts",
            page.text("By single fact"),
            "",
            draw if dimension == "all" else None,
            page.text("Effect of the most important facts on the expected result, one point an account."),
            Table("facts", page.text("Size of the effect by fact"), columns, cells),
            page.text(
                "One point is an account; left of the line the fact lowers the expected result, right of it raises it. "
                "The stronger the colour, the higher the value of the fact; grey: a category or not known."
            )
            if dimension == "all"
            else "",
            open=dimension != "all",
        )
    ]


def _dependence(page: Page, explanation: GlobalExplanation, chosen: str, kind: Kind, *, money: bool) -> list[Section]:
    """How the effect of one fact moves with its value."""
    names = [
        name for name in dict.fromkeys(explanation.dependence["feature"]) if not _protected(explanation, str(name))
    ]
    names = [name for name in names if money or not str(name).endswith("_minor")]
    if not names:
        return []
    name = chosen if chosen in names else str(names[0])
    own = explanation.dependence.loc[explanation.dependence["feature"] == name]
    cells, bars = [], []
    for row in own.itertuples(index=False):
        value = _bin_name(page, row)
        effect = page.formats.estimate(kind, row.mean, row.lo, row.hi)
        cells.append(
            [
                Cell(value),
                page.formats.percent(row.share),
                Cell.of(effect.value, tone=effect.direction),
                Cell.interval(effect),
            ]
        )
        bars.append(Bar(value, row.mean, effect.value.text, row.lo, row.hi, _TONE[effect.direction]))
    columns = [
        Column("value", page.text("Value"), number=False),
        Column("share", page.text("Accounts")),
        Column("effect", page.text("Mean effect"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
    ]
    title = page.text("In detail: {fact}", fact=page.label(name))
    return [
        Section(
            "detail",
            title,
            "",
            lambda width: hbars(bars, width, zero_centred=True),
            page.text("Mean effect of {fact} on the expected result, by value.", fact=page.label(name)),
            Table("detail", title, columns, cells),
            page.text("Bars to the right raise the expected result, to the left lower it; whiskers are 95% intervals."),
            open=False,
        )
    ]


_TONE = {"above": "for", "below": "against", "unclear": "unclear", "unknown": "unclear"}


def _bin_name(page: Page, row: Any) -> str:
    if isinstance(row.level, str):
        return page.label(row.level)
    if pd.isna(row.low) or pd.isna(row.high):
        return page.text("not known")
    scale = 0.01 if str(row.feature).endswith("_minor") else 1.0
    places = 0 if abs(row.high) >= 10 or (float(row.low).is_integer() and float(row.high).is_integer()) else 2
    low, high = (page.formats.number(scale * end, places).text for end in (row.low, row.high))
    return low if low == high else page.text("{a} to {b}", a=low, b=high)


def _size(shown: Shown, tone: str = "") -> Cell:
    """A size has no sign."""
    return Cell.of(shown, shown=shown.text.lstrip("+"), tone=tone)


def _segments(page: Page, explanation: GlobalExplanation, kind: Kind) -> Section:
    """Concepts across stages and channels, as a table."""
    names, dimensions = concept_names(page), _dimensions(page)
    whole = explanation.concepts.loc[
        (explanation.concepts["dimension"] == "all") & (explanation.concepts["group"] != "(not attributed)")
    ]
    groups = list(whole.dropna(subset=["mean_abs"])["group"].head(6))
    cells = []
    for dimension in explanation.dimensions:
        if dimension not in ("stage", "channel"):
            continue
        for segment in explanation.segments(dimension):
            if segment == "unknown":
                continue  # accounts that are best left alone
            own = explanation.concepts.loc[
                (explanation.concepts["dimension"] == dimension) & (explanation.concepts["segment"] == segment)
            ]
            size = own.set_index("group")["mean_abs"]
            row: list[Any] = [
                Cell(f"{dimensions[dimension]}: {page.label(segment)}", f"{dimension}={segment}"),
                page.formats.count(int(own["n_accounts"].iloc[0])),
            ]
            values = [size.get(group) for group in groups]
            most = max((value for value in values if value is not None and not pd.isna(value)), default=None)
            for value in values:
                known = value is not None and not pd.isna(value)
                shown = page.formats.value(kind, float(value) if known and value is not None else None)
                row.append(_size(shown, tone="above" if known and value == most else ""))
            cells.append(row)
    columns = [
        Column("group", page.text("Accounts"), number=False),
        Column("n", page.text("Sampled"), unit=page.text("accounts")),
        *(
            Column(str(group), names.get(str(group), page.label(group)), unit=page.text("units of reward"))
            for group in groups
        ),
    ]
    return Section(
        "segments",
        page.text("By stage and channel"),
        page.text("The largest in each row is in blue; a dash means too few accounts."),
        table=Table("segments", page.text("Mean size of the effect"), columns, cells),
    )


add_page(router, "drivers", "drivers", build)
