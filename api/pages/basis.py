"""What figures rest on: over what, of which time, and from where; said under every section of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from api.pages.account_case import AccountCase
from api.pages.content import Basis, Section
from api.pages.filters import Filters
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from recommender.store.registry import Promotion

__all__ = [
    "based_on",
    "of_account",
    "of_another_version",
    "of_answers",
    "of_evaluation",
    "of_explanation",
    "of_log",
    "of_plan",
    "of_registry",
]


def based_on(basis: Basis | None, sections: Sequence[Section]) -> list[Section]:
    """Sections with what they rest on, where they do not say it themselves."""
    return [one if one.basis is not None else replace(one, basis=basis) for one in sections]


def of_another_version(page: Page, portfolio: Portfolio, document: dict[str, Any]) -> list[str]:
    """A notice where what is stored was computed for another version than serves; none where it is of this one."""
    there, here = document["policy_version"], portfolio.policy_version
    if there == here:
        return []
    return [page.text("Computed for version {there}; version {here} serves now.", there=there, here=here)]


def _accounts(page: Page, n: int) -> str:
    return page.texts("{count} account", "{count} accounts", n)


def of_log(page: Page, portfolio: Portfolio, n_accounts: int, filters: Filters | None = None) -> Basis | None:
    """Accounts with decisions in the log, over the days that are asked for; None without a log."""
    window = portfolio.window()
    if window is None:
        return None
    chosen = [filters.chosen(name) if filters is not None else "" for name in ("since", "until")]
    days = [datetime.fromisoformat(day).date() if day else end.date() for day, end in zip(chosen, window, strict=True)]
    first, last = (page.formats.day(day).text for day in days)
    return Basis(f"{first} {page.formats.to} {last}", _accounts(page, n_accounts), page.text("Decision log"))


def of_evaluation(page: Page, document: dict[str, Any]) -> Basis:
    """Logged decisions that a stored evaluation was made from."""
    log = document.get("log", {})
    n = page.text("{n} logged decisions", n=page.formats.count(log.get("n_decisions")))
    ends = [page.formats.day(datetime.fromisoformat(log[end]).date()).text for end in ("first", "last") if end in log]
    made = _as_of(page, document["made_at"])
    return Basis(f" {page.formats.to} ".join(ends) or made, n, page.text("Stored evaluation"))


def of_registry(page: Page, promotions: Sequence[Promotion]) -> Basis:
    """Requests to change who serves."""
    ends = [page.formats.day(promotions[at].decided_at.date()).text for at in (0, -1)]
    n = page.texts("{count} request", "{count} requests", len(promotions))
    return Basis(f" {page.formats.to} ".join(dict.fromkeys(ends)), n, page.text("Registry of models"))


def of_answers(page: Page, moments: Sequence[datetime]) -> Basis:
    """Answers that people gave about accounts."""
    ends = [page.formats.day(one.date()).text for one in (min(moments), max(moments))]
    n = page.texts("{count} answer", "{count} answers", len(moments))
    return Basis(f" {page.formats.to} ".join(dict.fromkeys(ends)), n, page.text("Answers of people"))


def of_explanation(page: Page, document: dict[str, Any]) -> Basis:
    """Accounts that the stored explanation of the portfolio looked at."""
    about = document["explanation"]["about"]
    sampled, whole = (page.formats.count(about[name]).text for name in ("n_sampled", "n_accounts"))
    over = page.text("{n} of {all} accounts", n=sampled, all=whole)
    return Basis(_as_of(page, document["made_at"]), over, page.text("Stored explanation of the portfolio"))


def of_account(page: Page, case: AccountCase) -> Basis:
    """One account at the moment of its case."""
    when = page.text("as of {day}", day=page.formats.instant(case.as_of, case.zone).text)
    source = page.text("Decision log") if case.logged is not None else page.text("Model")
    return Basis(when, page.text("this account"), source)


def of_plan(page: Page, n_accounts: int, day: str) -> Basis:
    """Accounts that a plan looked at, for its day."""
    return Basis(day, _accounts(page, n_accounts), page.text("Plan"))


def _as_of(page: Page, moment: str) -> str:
    return page.text("as of {day}", day=page.formats.day(datetime.fromisoformat(moment).date()).text)
