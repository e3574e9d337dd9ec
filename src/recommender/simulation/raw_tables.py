"""Raw tables of a simulated portfolio, as a collections team would export them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.simulation.closed_loop import MIDNIGHT, DebtorWorld
from recommender.simulation.loggers import Logger, logging_table
from recommender.simulation.personas import CHANNELS, HOURS, TONES
from recommender.simulation.population import FIRST_DATE, local_to_utc, text_column
from recommender.simulation.signals import Categorical, Floats, default_signals
from recommender.simulation.standing import account_columns, consent_columns, payday_column
from recommender.tables import DEBTOR_FLAGS

__all__ = ["SimulatedTables", "simulate_tables"]

Ints = NDArray[np.int64]

KINDS = ("due_reminder", "overdue_notice", "flexible_offer", "pre_legal")
COST_MINOR = (90_000, 4_000, 6_000, 500, 12_000)
_POLICY_VERSION = {"rules": "rules-1", "uniform": "uniform-1", "near_deterministic": "rules-strict-1"}


@dataclass(frozen=True, eq=False)
class SimulatedTables:
    """The five raw tables of :data:`recommender.tables.CONTRACTS`.

    Attributes
    ----------
    accounts, decisions, contacts, outcomes, payments : DataFrame
        ``decisions`` hold ``NO_CONTACT`` as null factors, and ``eligible``: the eligible set as text of 0 and 1, one an
        action, in the order of ``actions``.
    actions : ActionSpace
    as_of : Timestamp
        When the tables were exported; nothing in them lies after it.
    world : DebtorWorld or None
        The world as it stood then; it can be asked to go on.
    """

    accounts: pd.DataFrame
    decisions: pd.DataFrame
    contacts: pd.DataFrame
    outcomes: pd.DataFrame
    payments: pd.DataFrame
    actions: ActionSpace
    as_of: pd.Timestamp
    world: DebtorWorld | None = None

    def to_dict(self) -> dict[str, pd.DataFrame]:
        """Table name -> frame."""
        return {name: getattr(self, name) for name in ("accounts", "decisions", "contacts", "outcomes", "payments")}


def simulate_tables(
    n_contacts: int = 50_000,
    *,
    n_accounts: int | None = None,
    days: int = 180,
    seed: int = 0,
    logger: Logger = "rules",
    propensities: Literal["logged", "hidden"] = "logged",
    confounding: float = 1.0,
    world: Literal["additive", "joint"] = "additive",
    drift: float = 0.0,
    country: str | None = "CO",
    currency: str = "COP",
    calendar: float = 0.0,
) -> SimulatedTables:
    """Let a portfolio live under a logging policy and export its raw tables.

    Parameters
    ----------
    n_contacts : int, default=50_000
        Contacts aimed at; the tables hold about as many.
    n_accounts : int, optional
        Default one for every six contacts.
    days : int, default=180
    seed : int, default=0
    logger, propensities, confounding, world, drift
        As in :func:`recommender.simulation.simulate`. Ineligible actions are masked before normalising.
    country : str or None, default="CO"
        Where all debtors live; None for a mix of countries.
    currency : str, default="COP"
    calendar : float, default=0.0
        As in :func:`recommender.simulation.simulate`; the accounts then tell their ``payday``.

    Returns
    -------
    SimulatedTables

    Examples
    --------
    >>> from recommender.simulation import simulate_tables
    >>> tables = simulate_tables(300, days=30, seed=1)
    >>> {name: len(frame) > 0 for name, frame in tables.to_dict().items()}["outcomes"]
    True
    """
    for name, value in (("n_contacts", n_contacts), ("days", days)):
        if value < 1:
            raise InvalidInput.in_column(name, "must be at least 1", values=[value], mend="Pass a larger number.")
    living = DebtorWorld(
        max(1, n_contacts // 6) if n_accounts is None else n_accounts,
        seed=seed,
        open_over_days=days,
        world=world,
        drift=drift,
        country=country,
        currency=currency,
        calendar=calendar,
    )
    rng = np.random.default_rng([seed, 13])
    table = logging_table(logger, confounding=confounding, no_contact=True)
    decided: list[pd.DataFrame] = []
    sent, made = 0, 0
    for day in range(days):
        chosen = _decide(living, table, rng, wanted=(n_contacts - sent) / (days - day) * (made + 20) / (sent + 15))
        contact = np.flatnonzero(chosen["action"].to_numpy() != living.actions.no_contact_index)
        contact = contact[np.argsort(chosen["sent_at"].to_numpy()[contact], kind="stable")]
        rows = chosen.iloc[contact]
        living.send(rows["account"].to_numpy(), rows["action"].to_numpy(), rows["sent_at"].to_numpy())
        living.end_day()
        chosen["contact"] = -1
        chosen.iloc[contact, chosen.columns.get_loc("contact")] = sent + np.arange(len(contact))
        sent, made = sent + len(contact), made + len(chosen)
        decided.append(chosen)
    as_of = pd.Timestamp(FIRST_DATE + np.timedelta64(days, "D"), tz="UTC") + MIDNIGHT
    answer = living.pending.release(as_of.tz_localize(None).to_datetime64())
    every = pd.concat(decided, ignore_index=True)
    return SimulatedTables(
        accounts=_accounts(living, as_of),
        decisions=_decisions(living, every, _POLICY_VERSION[logger], logged=propensities == "logged"),
        contacts=_contacts(living, every),
        outcomes=answer.outcomes,
        payments=answer.payments,
        actions=living.actions,
        as_of=as_of,
        world=living,
    )


def _decide(world: DebtorWorld, table: Floats, rng: np.random.Generator, *, wanted: float) -> pd.DataFrame:
    """Draw today's decisions of the logging policy among the eligible actions."""
    open_accounts = world.open_accounts()
    n = min(len(open_accounts), max(0, int(wanted + rng.random())))
    account = np.sort(rng.choice(open_accounts, n, replace=False)) if n else np.zeros(0, dtype=np.int64)
    decisions = world.decisions(account)
    eligible = world.eligible(account)
    probability = table[decisions.segment] * eligible
    probability /= probability.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(probability, axis=1)
    drawn = (cumulative < rng.random(n)[:, None] * cumulative[:, -1:]).sum(axis=1)
    action = np.minimum(drawn, len(world.actions) - 1).astype(np.int64)
    codes = world.actions.codes[action]
    hour = np.where(codes[:, 1] < 0, 8, np.asarray(HOURS)[codes[:, 1]])
    sent_at = local_to_utc(np.full(n, world.date), hour, rng.integers(0, 60, n), decisions.timezone)
    channel_bits = np.packbits(eligible[:, :: len(HOURS) * len(TONES)], axis=1)[:, 0]  # one action a channel tells all
    return pd.DataFrame(
        {
            "account": account,
            "action": action,
            "propensity": probability[np.arange(n), action],
            "decided_at": world.as_of.tz_localize(None).to_datetime64(),
            "sent_at": sent_at,
            "stage": decisions.stage,
            "channels": channel_bits.astype(np.int64),
        }
    )


def _decisions(world: DebtorWorld, every: pd.DataFrame, version: str, *, logged: bool) -> pd.DataFrame:
    factors = world.actions.describe(every["action"].to_numpy())
    columns: dict[str, Any] = {
        "decision_id": "N" + pd.Series(np.arange(len(every))).astype("str").str.zfill(9),
        "account_id": world.population.account_id.array.take(every["account"].to_numpy()),
        "decided_at": pd.DatetimeIndex(every["decided_at"]).as_unit("us").tz_localize("UTC"),
        **{name: factors[name].array for name in world.actions.factor_names},
    }
    if logged:
        columns["propensity"] = every["propensity"].to_numpy()
    codes, kinds = pd.factorize(every["channels"])
    columns["eligible"] = pd.Categorical.from_codes(codes, [_eligible_text(kind, world.actions) for kind in kinds])
    columns["policy_version"] = version
    return pd.DataFrame(columns)


def _eligible_text(channel_bits: int, actions: ActionSpace) -> str:
    """Eligible set as 0 and 1, one an action, from the bits of the allowed channels and ``NO_CONTACT``."""
    allowed = np.unpackbits(np.array([channel_bits], dtype=np.uint8))[: len(CHANNELS) + 1].astype(bool)
    per_action = np.append(allowed[actions.codes[: actions.n_contact_actions, 0]], allowed[-1])
    return "".join("1" if one else "0" for one in per_action)


def _contacts(world: DebtorWorld, every: pd.DataFrame) -> pd.DataFrame:
    sent = every[every["contact"] >= 0].sort_values("contact")
    codes = world.actions.codes[sent["action"].to_numpy()]
    channel, tone = text_column(CHANNELS, codes[:, 0]), text_column(TONES, codes[:, 2])
    kind = text_column(KINDS, sent["stage"].to_numpy())
    return pd.DataFrame(
        {
            "contact_id": world.pending.contact_ids().array.take(sent["contact"].to_numpy()),
            "account_id": world.population.account_id.array.take(sent["account"].to_numpy()),
            "decision_id": "N" + pd.Series(sent.index).astype("str").str.zfill(9),
            "sent_at": pd.DatetimeIndex(sent["sent_at"]).as_unit("us").tz_localize("UTC"),
            "channel": channel,
            "tone": tone,
            "message_kind": kind,
            "template_id": pd.Series(channel) + "-" + pd.Series(kind) + "-" + pd.Series(tone),
            "initiated_by": "collector",
            "status": "sent",
            "cost_minor": np.asarray(COST_MINOR)[codes[:, 0]],
        }
    )


def _accounts(world: DebtorWorld, as_of: pd.Timestamp) -> pd.DataFrame:
    changes = world.pending.changes()
    changes = changes[changes["valid_from"] <= as_of.tz_localize(None)].reset_index(drop=True)
    account = changes["account"].to_numpy()
    population, standing = world.population, world.standing
    debtor = population.debtor[account]
    bits = np.arange(len(DEBTOR_FLAGS))
    consented = changes["consented"].to_numpy()[:, None] >> bits[: len(CHANNELS)] & 1
    flags = changes["flags"].to_numpy()[:, None] >> bits & 1
    fixed = population.accounts
    due = FIRST_DATE + (fixed["first_day"] - fixed["days_past_due_at_first"])[account].astype("timedelta64[D]")
    columns: dict[str, Any] = {
        **account_columns(population, standing, account),
        "valid_from": pd.DatetimeIndex(changes["valid_from"]).tz_localize("UTC"),
        "balance_minor": changes["balance_minor"].to_numpy(),
        "currency": world.currency,
        "due_date": due.astype("datetime64[s]"),
        **payday_column(population, account),
        **consent_columns(
            standing.reachable[debtor], consented.astype(bool), population.traits["preferred_channel"][debtor]
        ),
        **{name: flags[:, bit].astype(bool) for bit, name in enumerate(DEBTOR_FLAGS)},
    }
    for signal in default_signals():
        for name in signal.columns:
            values = population.traits[name][debtor]
            if name != "preferred_channel":  # is among the channel lists
                columns[name] = text_column(signal.categories, values) if isinstance(signal, Categorical) else values
    return pd.DataFrame(columns)
