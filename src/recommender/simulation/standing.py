"""What debtors permit and where they can be reached: consents, contact points, stop flags, home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.calendar_days import PAYDAY
from recommender.errors import InvalidInput
from recommender.simulation.personas import CHANNELS
from recommender.simulation.population import LANGUAGES, PRODUCTS, TIMEZONES, Population, text_column
from recommender.tables import DEBTOR_FLAGS

__all__ = ["SUBDIVISIONS", "Standing", "account_columns", "draw_standing", "move_to_country"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SUBDIVISIONS = {
    "CO": ("CO-DC", "CO-ANT", "CO-VAC", "CO-ATL", "CO-SAN", "CO-CUN", "CO-BOL", "CO-TOL"),
    "MX": ("MX-CMX", "MX-JAL", "MX-NLE", "MX-PUE", "MX-GUA", "MX-VER", "MX-MEX", "MX-QUE"),
    "PE": ("PE-LIM", "PE-ARE", "PE-LAL", "PE-PIU", "PE-CUS", "PE-LAM", "PE-JUN", "PE-ICA"),
    "CL": ("CL-RM", "CL-VS", "CL-BI", "CL-AR", "CL-MA", "CL-CO", "CL-AN", "CL-LL"),
}
STOPPING = ("do_not_contact", "insolvent", "represented", "deceased", "cease_contact")
_REACHABLE = (0.95, 0.95, 0.82, 0.75, 0.95)
_CONSENTED = (0.97, 0.95, 0.85, 0.88, 0.92)
_FLAGGED = dict(zip(DEBTOR_FLAGS, (0.006, 0.012, 0.003, 0.004, 0.003, 0.012, 0.002, 0.004), strict=True))


@dataclass(frozen=True)
class Standing:
    """Mutable facts of debtors; arrays change as debtors opt out or complain.

    Attributes
    ----------
    reachable, consented : ndarray of bool of shape (n_debtors, n_channels)
    flags : ndarray of bool of shape (n_debtors, n_flags)
        In the order of :data:`recommender.tables.DEBTOR_FLAGS`.
    company : ndarray of bool of shape (n_debtors,)
    zone_known : ndarray of bool of shape (n_debtors,)
    """

    reachable: Bools
    consented: Bools
    flags: Bools
    company: Bools
    zone_known: Bools

    @property
    def stopped(self) -> Bools:
        """Debtors whom nobody may contact."""
        return np.asarray(self.flags[:, [DEBTOR_FLAGS.index(name) for name in STOPPING]].any(axis=1))


def draw_standing(n_debtors: int, rng: np.random.Generator) -> Standing:
    """Draw consents, contact points and flags; every debtor keeps at least one channel."""
    reachable = rng.random((n_debtors, len(CHANNELS))) < _REACHABLE
    consented = rng.random((n_debtors, len(CHANNELS))) < _CONSENTED
    silent = ~(reachable & consented).any(axis=1)
    reachable[silent, 1] = consented[silent, 1] = True
    return Standing(
        reachable=reachable,
        consented=consented,
        flags=rng.random((n_debtors, len(DEBTOR_FLAGS))) < list(_FLAGGED.values()),
        company=rng.random(n_debtors) < 0.07,
        zone_known=rng.random(n_debtors) < 0.97,
    )


def move_to_country(population: Population, country: str) -> None:
    """Let all debtors live in one country (their place within it stays as drawn)."""
    if country not in TIMEZONES:
        raise InvalidInput.in_column(
            "country", "is not simulated", values=[country], mend=f"Choose one of {list(TIMEZONES)}."
        )
    code = list(TIMEZONES).index(country)
    population.traits["region"] = code * 8 + population.traits["region"] % 8
    population.traits["country"][:] = code


def listed(flags: Bools, names: Sequence[str], separator: str) -> NDArray[np.object_]:
    """Text list of the names that hold, one a row; rows without any hold the empty text."""
    codes = flags @ (1 << np.arange(flags.shape[1], dtype=np.int64))
    unique, inverse = np.unique(codes, return_inverse=True)
    texts = [separator.join(name for bit, name in enumerate(names) if code >> bit & 1) for code in unique.tolist()]
    return np.array(texts, dtype=object)[inverse]


def account_columns(population: Population, standing: Standing, account: Ints) -> dict[str, object]:
    """Account columns of the raw table that do not change, for the given accounts."""
    debtor = population.debtor[account]
    traits = {name: values[debtor] for name, values in population.traits.items()}
    country = traits["country"].astype(np.int64)
    places = tuple(subdivision for name in TIMEZONES for subdivision in SUBDIVISIONS[name])
    return {
        "account_id": population.account_id.array.take(account),
        "debtor_id": population.debtor_id.array.take(debtor),
        "country": text_column(tuple(TIMEZONES), country),
        "subdivision": text_column(places, traits["region"]),
        "timezone": text_column(tuple(TIMEZONES.values()), np.where(standing.zone_known[debtor], country, -1)),
        "language": text_column(LANGUAGES, traits["language"]),
        "debtor_type": text_column(("person", "company"), standing.company[debtor]),
        "product": text_column(PRODUCTS, population.accounts["product"][account]),
        "months_on_book": population.accounts["months_on_book"][account],
    }


def needing_contact(
    population: Population,
    standing: Standing,
    account: Ints,
    context: pd.DataFrame,
    *,
    date: np.datetime64,
    currency: str,
) -> pd.DataFrame:
    """Accounts as a scoring call takes them: ids, the context, and the columns that guardrails read.

    Channel lists and flags are separated by ``;``. A channel counts as consented only where it can be reached.
    """
    debtor = population.debtor[account]
    due = date - context["days_past_due"].to_numpy().astype("timedelta64[D]")
    fixed = account_columns(population, standing, account)
    columns: dict[str, object] = {name: values for name, values in fixed.items() if name not in context}
    columns |= {
        "party": "debtor",
        "consented_channels": listed(standing.consented[debtor] & standing.reachable[debtor], CHANNELS, ";"),
        "flags": listed(standing.flags[debtor], DEBTOR_FLAGS, ";"),
        "due_date": due.astype("datetime64[us]").astype(object),
        "currency": currency,
        **payday_column(population, account),
    }
    others = pd.DataFrame(columns)
    others["due_date"] = pd.Series([moment.date() for moment in others["due_date"]], dtype=object)
    return pd.concat([others.astype({"consented_channels": "str", "flags": "str"}), context], axis=1)


def payday_column(population: Population, account: Ints) -> dict[str, Ints]:
    """The fact that days of pay follow from, in a world whose debtors follow the calendar."""
    return {PAYDAY: population.accounts["payday"][account]} if population.calendar else {}


def consent_columns(
    reachable: Bools, consented: Bools, preferred: NDArray[np.float64]
) -> dict[str, pd.api.extensions.ExtensionArray]:
    """Channel lists of the raw accounts table, written ``call|sms``."""
    return {
        "channels_reachable": pd.array(listed(reachable, CHANNELS, "|"), dtype="str"),
        "channels_consented": pd.array(listed(consented, CHANNELS, "|"), dtype="str"),
        "channels_preferred": text_column(CHANNELS, preferred),
    }
