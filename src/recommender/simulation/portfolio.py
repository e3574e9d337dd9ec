"""A portfolio that needs recommendations now: for demos, scoring tests and load tests."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.simulation.population import FIRST_DATE
from recommender.simulation.standing import draw_standing, move_to_country, needing_contact
from recommender.simulation.world import draw_world

__all__ = ["simulate_portfolio"]


def simulate_portfolio(
    n_accounts: int = 200,
    seed: int = 0,
    *,
    as_of: datetime,
    country: str | None = "CO",
    currency: str = "COP",
    run_seed: int = 1,
) -> pd.DataFrame:
    """Accounts that need a recommendation at ``as_of``.

    Parameters
    ----------
    n_accounts : int, default=200
    seed : int, default=0
        World: the same kinds of debtors as ``simulate(seed=seed)``, whose context columns it shares.
    as_of : datetime
        With a UTC offset; days past due and weekday are those of its UTC-5 date.
    country : str or None, default="CO"
        Where all debtors live; None for a mix.
    currency : str, default="COP"
    run_seed : int, default=1
        Another draw of accounts.

    Returns
    -------
    DataFrame
        ``account_id``, ``debtor_id``, the context columns of ``simulate``, and what guardrails read: ``country``,
        ``subdivision``, ``timezone`` (null for a few), ``debtor_type``, ``party``, ``consented_channels`` and ``flags``
        (separated by ``;``), ``due_date``, ``balance_minor``, ``currency``.

    Raises
    ------
    InvalidInput
        When ``as_of`` has no UTC offset, or an argument is out of range.
    """
    if as_of.tzinfo is None:
        raise InvalidInput.in_column(
            "as_of", "has no UTC offset", values=[str(as_of)], mend="Pass datetime(..., tzinfo=UTC)."
        )
    if n_accounts < 1:
        raise InvalidInput.in_column("n_accounts", "must be at least 1", values=[n_accounts], mend="Pass more.")
    rng = np.random.default_rng([seed, 19, run_seed])
    world = draw_world(seed)
    population = world.draw_population(rng, n_accounts=n_accounts, n_days=180, prefix="P")
    if country is not None:
        move_to_country(population, country)
    date = np.datetime64(pd.Timestamp(as_of).tz_convert("Etc/GMT+5").date(), "D")
    today = int((date - FIRST_DATE) // np.timedelta64(1, "D"))
    population.accounts["first_day"] = today - rng.integers(0, 60, n_accounts)
    account, day = np.arange(n_accounts), np.full(n_accounts, today)
    context = world.draw_decisions(population, account, day, n_days=10**9).frame()
    standing = draw_standing(len(population.persona), rng)
    return needing_contact(population, standing, account, context, date=date, currency=currency)
