"""Debtors, their accounts, and the decisions taken on them: everything that is drawn before an action is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.calendar_days import WEEKDAYS, OwnCalendar
from recommender.simulation.personas import LEVEL_STEP, STAGES
from recommender.simulation.signals import Categorical, Columns, Floats, Signal, default_signals

__all__ = [
    "CATEGORICAL",
    "CONTEXT",
    "FIRST_DATE",
    "Decisions",
    "Population",
    "draw_decisions",
    "draw_population",
    "local_to_utc",
    "self_cure",
    "spread_contacts",
    "text_column",
]

Ints = NDArray[np.int64]

PRODUCTS = ("credit_card", "personal_loan", "microcredit", "telecom", "utility", "mortgage")
LANGUAGES = ("es", "en", "pt")
TIMEZONES = {"CO": "America/Bogota", "MX": "America/Mexico_City", "PE": "America/Lima", "CL": "America/Santiago"}
FIRST_DATE = np.datetime64("2025-01-06", "D")
ACTIVE_DAYS = 60
ACCOUNTS_PER_DEBTOR = 1.25

CONTEXT = (
    "days_past_due",
    "stage",
    "balance_minor",
    "product",
    "months_on_book",
    "days_to_payday",
    "weekday",
    "late_payments_12m",
    "promises_12m",
    "promises_kept_12m",
    "disputes_24m",
    "bureau_score",
    "capacity_to_pay",
    "app_sessions_30d",
    "portal_logins_90d",
    "calls_180d",
    "calls_answered_180d",
    "messages_180d",
    "messages_answered_180d",
    "email_open_rate",
    "reply_delay_hours",
    "active_hour_local",
    "night_activity_share",
    "preferred_channel",
    "employment",
    "language",
    "country",
    "region",
)
CATEGORICAL = ("stage", "product", "weekday", "preferred_channel", "employment", "language", "country", "region")

#: Assumptions of the world in which debtors follow the calendar, fixed before any plan was measured in it: an answer is
#: e times as likely on the day of pay as in the middle of the month, and pay is spent within a week.
_PAID_LOGITS, _PAID_DAYS = 1.0, 3.0
_WEEKDAY_LOGITS = (0.10, 0.15, 0.05, 0.0, -0.10, -0.15, -0.20)

_PRODUCT_LEVEL = np.array([0.0, -0.1, 0.2, 0.15, 0.3, -0.25])
_PRODUCT_LOG_BALANCE = np.array([12.6, 13.0, 11.8, 10.8, 10.5, 14.0])


@dataclass(frozen=True)
class Population:
    """Debtors with their hidden persona, and their accounts.

    Attributes
    ----------
    persona : ndarray of shape (n_debtors,)
    traits : dict of str to ndarray of shape (n_debtors,)
        Signal columns; categories as codes, missing as NaN.
    debtor : ndarray of shape (n_accounts,)
    accounts : dict of str to ndarray of shape (n_accounts,)
        Account columns that do not change during the log.
    account_id, debtor_id : ndarray of str
    calendar : float
        How strongly debtors follow pay days and weekdays; 0: hardly, and pay days are counted in months of 30 days.
    """

    persona: Ints
    traits: Columns
    debtor: Ints
    accounts: dict[str, Ints]
    account_id: pd.Series
    debtor_id: pd.Series
    calendar: float = 0.0


@dataclass(frozen=True)
class Decisions:
    """What is known and what is hidden at each decision, in time order.

    Attributes
    ----------
    account : ndarray of shape (n,)
        Position of the account in the population.
    day : ndarray of shape (n,)
        Day of the log, from 0; ``date`` holds the calendar day.
    cell, level, persona : ndarray of shape (n,)
        Coordinates in a :class:`~recommender.simulation.personas.PersonaWorld`.
    self_cure : ndarray of shape (n,)
        Probability of paying without any contact.
    stage : ndarray of shape (n,)
        Position in :data:`recommender.simulation.personas.STAGES`.
    segment : ndarray of shape (n,)
        Cell of the business rules.
    columns : dict of str to ndarray of shape (n,)
        The context columns as numbers: categories as codes, missing as NaN (-1 where a code is an integer).
    """

    account: Ints
    day: Ints
    cell: Ints
    level: Ints
    persona: Ints
    self_cure: Floats
    stage: Ints
    segment: Ints
    columns: dict[str, NDArray[Any]]
    timezone: NDArray[np.generic]

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.account)

    def take(self, rows: Ints) -> Decisions:
        """Decisions at the given positions, in that order."""
        return Decisions(
            **{field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "columns"},
            columns={name: values[rows] for name, values in self.columns.items()},
        )

    def frame(self) -> pd.DataFrame:
        """The context as a team sees it: categories as text."""
        texts = _levels()
        return pd.DataFrame(
            {
                name: text_column(texts[name], values) if name in texts else values
                for name, values in self.columns.items()
            }
        )


def draw_population(
    signals: Sequence[Signal],
    prior: Floats,
    rng: np.random.Generator,
    *,
    n_accounts: int,
    n_days: int,
    prefix: str = "",
    axis_levels: Mapping[str, Ints],
    calendar: float = 0.0,
) -> Population:
    """Draw debtors and accounts.

    Parameters
    ----------
    signals : sequence of Signal
    prior : ndarray of shape (n_personas,)
    rng : Generator
    n_accounts, n_days : int
    prefix : str
        Put before every id, so that two populations never share one.
    axis_levels : mapping of str to ndarray of shape (n_personas,)
        Level of every persona on every latent axis.
    calendar : float, default=0.0
        See :class:`Population`.
    """
    n_debtors = max(1, round(n_accounts / ACCOUNTS_PER_DEBTOR))
    persona = rng.choice(len(prior), n_debtors, p=prior)
    traits: Columns = {}
    for signal in signals:
        traits.update(signal.draw(axis_levels[signal.axis][persona], rng))
    country = rng.choice(len(TIMEZONES), n_debtors, p=(0.55, 0.25, 0.12, 0.08))
    traits["country"] = country.astype(np.float64)
    traits["language"] = rng.choice(len(LANGUAGES), n_debtors, p=(0.93, 0.05, 0.02)).astype(np.float64)
    traits["region"] = (country * 8 + np.minimum(rng.geometric(0.25, n_debtors) - 1, 7)).astype(np.float64)
    debtor = np.concatenate([np.arange(n_debtors), rng.integers(0, n_debtors, n_accounts - n_debtors)])
    debtor = rng.permutation(debtor)
    product = rng.choice(len(PRODUCTS), n_accounts, p=(0.3, 0.22, 0.16, 0.15, 0.12, 0.05))
    balance = np.exp(rng.normal(_PRODUCT_LOG_BALANCE[product], 0.8))
    start = rng.choice(5, n_accounts, p=(0.18, 0.34, 0.26, 0.12, 0.10))
    accounts: dict[str, Ints] = {
        "product": product,
        "balance_minor": np.round(balance * 100.0).astype(np.int64),
        "months_on_book": rng.geometric(1 / 30, n_accounts),
        "payday": rng.choice([1, 15, 30], n_accounts, p=(0.2, 0.35, 0.45)),
        "first_day": rng.integers(0, max(1, n_days - ACTIVE_DAYS + 1), n_accounts),
        "days_past_due_at_first": rng.integers(
            np.array([-20, -5, 5, 30, 90])[start], np.array([-4, 6, 31, 91, 200])[start]
        ),
    }
    width = len(str(n_accounts))
    return Population(
        persona=persona,
        traits=traits,
        debtor=debtor,
        accounts=accounts,
        account_id=_ids(f"{prefix}A", n_accounts, width),
        debtor_id=_ids(f"{prefix}D", n_debtors, width),
        calendar=calendar,
    )


def _ids(prefix: str, n: int, width: int) -> pd.Series:
    return prefix + pd.Series(np.arange(n)).astype("str").str.zfill(width)


def spread_contacts(
    population: Population, rng: np.random.Generator, *, n_contacts: int, n_days: int
) -> tuple[Ints, Ints]:
    """Account and day of every contact; an account has at most one contact a day."""
    n_accounts = len(population.debtor)
    account = np.concatenate([np.arange(n_accounts), rng.integers(0, n_accounts, max(0, n_contacts - n_accounts))])
    account = np.sort(rng.permutation(account)[:n_contacts])
    counts = np.bincount(account, minlength=n_accounts)
    window = np.maximum(min(ACTIVE_DAYS, n_days), counts)
    order = np.arange(n_contacts) - np.repeat(np.cumsum(counts) - counts, counts)
    size, span = counts[account], window[account]
    slot = order * span // size
    day = population.accounts["first_day"][account] + slot + rng.integers(0, np.maximum(1, span // size))
    return account, day.astype(np.int64)


def draw_decisions(
    population: Population,
    account: Ints,
    day: Ints,
    *,
    period: Ints,
) -> Decisions:
    """Fill context and hidden coordinates of decisions on given accounts and days."""
    debtor = population.debtor[account]
    days_past_due, days_to_payday, log_balance = _situation(population, account, day)
    fixed = {name: values[account] for name, values in population.accounts.items()}
    traits = {name: values[debtor] for name, values in population.traits.items()}
    date = FIRST_DATE + day.astype("timedelta64[D]")
    weekday = (date.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    stage = np.digitize(days_past_due, [1, 31, 91])
    level = (
        _PRODUCT_LEVEL[fixed["product"]]
        - 0.12 * (log_balance - 12.0)
        + np.array([0.55, 0.30, -0.15, -0.60])[stage]
        - 0.004 * np.clip(days_past_due, 0, 120)
        + 0.30 * np.exp(-days_to_payday / 4.0)
    )
    followed: dict[str, NDArray[Any]] = {}
    if population.calendar:
        since = _calendar_of(population, account, day).days_since_payday
        level += population.calendar * (_pay_felt(days_to_payday, since) + np.array(_WEEKDAY_LOGITS)[weekday])
        followed = {"days_since_payday": since.astype(np.int64)}
    weekend = (weekday >= 5).astype(np.int64)
    hardship = np.nan_to_num(traits["late_payments_12m"], nan=2.0) + 0.01 * (
        580.0 - np.nan_to_num(traits["bureau_score"], nan=580.0)
    )
    risk = np.digitize(hardship + 1.2 * (stage - 1), [1.8, 4.0])
    digital = (np.nan_to_num(traits["app_sessions_30d"], nan=0.0) > 2).astype(np.int64)
    known: dict[str, NDArray[Any]] = {
        **traits,
        "days_past_due": days_past_due.astype(np.int64),
        "balance_minor": fixed["balance_minor"],
        "months_on_book": fixed["months_on_book"],
        "days_to_payday": days_to_payday,
        "stage": stage,
        "product": fixed["product"],
        "weekday": weekday,
    }
    return Decisions(
        account=account,
        day=day,
        cell=(period * len(STAGES) + stage) * 2 + weekend,
        level=np.round(level / LEVEL_STEP).astype(np.int64),
        persona=population.persona[debtor],
        self_cure=self_cure(population, account, day),
        stage=stage.astype(np.int64),
        segment=(stage * 3 + risk) * 2 + digital,
        columns={name: known[name] for name in CONTEXT} | followed,
        timezone=np.asarray(list(TIMEZONES.values()))[traits["country"].astype(np.int64)],
    )


def _situation(population: Population, account: Ints, day: Ints) -> tuple[Ints, Ints, Floats]:
    """Days past due, days to the next payday and log balance of accounts on given days."""
    accounts = population.accounts
    days_past_due = accounts["days_past_due_at_first"][account] + (day - accounts["first_day"][account])
    if population.calendar:
        days_to_payday = _calendar_of(population, account, day).days_to_payday.astype(np.int64)
    else:
        date = FIRST_DATE + day.astype("timedelta64[D]")
        day_of_month = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
        days_to_payday = (accounts["payday"][account] - day_of_month) % 30
    return days_past_due, days_to_payday, np.log(np.maximum(accounts["balance_minor"][account], 1) / 100.0)


def _calendar_of(population: Population, account: Ints, day: Ints) -> OwnCalendar:
    """The calendar of accounts on given days; a short month pays those of the 30th on its last day."""
    return OwnCalendar(FIRST_DATE.astype(np.int64) + day, 1 << (population.accounts["payday"][account] - 1))


def _pay_felt(days_to_payday: Ints, days_since_payday: Floats) -> Floats:
    """Logits that pay gives to every response where debtors follow the calendar: most on the day, little before it."""
    return np.asarray(_PAID_LOGITS * np.exp(-days_since_payday / _PAID_DAYS) - 0.30 * np.exp(-days_to_payday / 4.0))


def self_cure(population: Population, account: Ints, day: Ints) -> Floats:
    """Probability of paying within the window when left alone: high before the due date, near nothing in court."""
    days_past_due, days_to_payday, log_balance = _situation(population, account, day)
    logit = (
        -2.6
        - 0.03 * np.clip(days_past_due, -15, 120)
        - 0.15 * (log_balance - 12.0)
        + 0.4 * np.exp(-days_to_payday / 4.0)
    )
    if population.calendar:
        since = _calendar_of(population, account, day).days_since_payday
        logit += population.calendar * _pay_felt(days_to_payday, since)
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


@lru_cache(maxsize=1)
def _levels() -> dict[str, tuple[str, ...]]:
    """Levels of the categorical context columns."""
    reported = {signal.name: signal.categories for signal in default_signals() if isinstance(signal, Categorical)}
    return reported | {
        "stage": STAGES,
        "product": PRODUCTS,
        "weekday": WEEKDAYS,
        "language": LANGUAGES,
        "country": tuple(TIMEZONES),
        "region": tuple(f"{country}-{region}" for country in TIMEZONES for region in range(8)),
    }


def text_column(levels: tuple[str, ...], codes: NDArray[np.generic]) -> pd.api.extensions.ExtensionArray:
    """Text column of category codes; NaN stays missing."""
    numbers = np.nan_to_num(np.asarray(codes, dtype=np.float64), nan=-1.0).astype(np.int64)
    return pd.array(list(levels), dtype="str").take(numbers, allow_fill=True)


def local_to_utc(
    date: NDArray[np.datetime64], hour: Ints, minute: Ints, timezone: NDArray[np.generic]
) -> NDArray[np.datetime64]:
    """Instants (UTC, without a zone) of local clock times, shape (n,)."""
    local = date.astype("datetime64[us]") + (hour * 60 + minute).astype("timedelta64[m]")
    instants = np.empty(len(local), dtype="datetime64[us]")
    for zone in np.unique(timezone):
        rows = timezone == zone
        moved = pd.DatetimeIndex(local[rows]).tz_localize(str(zone)).tz_convert("UTC").tz_localize(None)
        instants[rows] = moved.to_numpy()
    return instants
