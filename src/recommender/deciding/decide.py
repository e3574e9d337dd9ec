"""One call from accounts to ranked, legal, recorded-ready decisions; what the API, the batch and the workers run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.local_time import is_timezone
from recommender.messages import Catalogue, default_catalogue
from recommender.rules import Eligibility, eligibility
from recommender.strategy import STAGES, ContactStrategy, Moment, SeedStrategy, stage_of

__all__ = [
    "Decided",
    "debtor_rounds",
    "decide",
    "decision_ids",
    "default_actions",
    "model_history",
    "planned_contacts",
    "with_situation",
]


@dataclass(frozen=True)
class Decided:
    """Decisions for a set of accounts.

    Attributes
    ----------
    ranked : DataFrame
        As :meth:`ContactStrategy.recommend`, with ``decision_id``, ``template_id`` (approved message of a contact) and
        ``policy`` ("model" or "seed_rules").
    eligibility : Eligibility
        Mask and the rules behind each removed action.
    action : ndarray of shape (n_accounts,), dtype int64
        The dispatched action.
    actions : ActionSpace
    policy_version : str
    missing_features : tuple of str
        Context columns that no account brought; they were taken as missing values.
    """

    ranked: pd.DataFrame
    eligibility: Eligibility
    action: NDArray[np.int64]
    actions: ActionSpace
    policy_version: str
    missing_features: tuple[str, ...]


def decide(
    accounts: pd.DataFrame,
    *,
    strategy: ContactStrategy | SeedStrategy,
    as_of: datetime,
    packs: Sequence[str],
    contacts: pd.DataFrame | None = None,
    top_k: int = 3,
    explore: bool = True,
    seed: int = 0,
    purpose: str = "collection",
    catalogue: Catalogue | None = None,
) -> Decided:
    """Rank the eligible actions of each account.

    Parameters
    ----------
    accounts : DataFrame
        ``account_id``, the facts that the guardrails need (``debtor_id``, ``country``, ``timezone``, ``due_date``,
        ``balance_minor``, ``consented_channels``, ``flags``, ``party`` ...) and the context columns. Context columns
        that are absent count as missing values and are reported.
    strategy : ContactStrategy or SeedStrategy
    as_of : aware datetime
        Moment of the decision.
    packs : sequence of str
        Rule packs for accounts without a ``packs`` column of their own.
    contacts : DataFrame or None
        Past and planned contacts (``account_id``, ``sent_at``, ``channel``, ``initiated_by``, ``outcome``, ``status``);
        None = unknown, which denies.
    top_k : int, default=3
    explore : bool, default=True
    seed : int, default=0
    purpose : str, default="collection"
    catalogue : Catalogue or None
        Approved messages; None = the one that ships with the package. An action without a template is not eligible.

    Returns
    -------
    Decided
    """
    if as_of.tzinfo is None:
        raise InvalidInput(
            f"as_of must carry a UTC offset; got {as_of.isoformat()}.",
            column="as_of",
            mend="Write e.g. 2026-11-22T10:00:00-05:00.",
        )
    frame = with_situation(accounts.reset_index(drop=True), as_of)
    frame, missing = _with_context(frame, strategy)
    messages = catalogue or default_catalogue()
    moment = Moment.of(as_of, None, {})
    actions = strategy.actions_
    allowed = eligibility(
        frame,
        actions,
        as_of=as_of,
        packs=None if "packs" in frame.columns else packs,
        contacts=contacts,
        purpose=purpose,
        catalogue=messages,
    )
    ranked = strategy.recommend(
        frame,
        top_k=top_k,
        eligible=allowed.mask,
        history=model_history(contacts, strategy),
        as_of=as_of,
        explore=explore,
        seed=seed,
    )
    first = ranked.loc[ranked["rank"] == 1]
    action = actions.index_of(first[list(actions.factors)])
    if not allowed.mask[first["row"].to_numpy(), action].all():  # the last line of defence
        raise InvalidInput("A forbidden action was ranked first; nothing is returned.", mend="Report this as a bug.")
    if "hour" in actions.factors:  # the instants that the rules were checked at, and no others
        ranked["contact_at"] = _contact_at(ranked, allowed, actions)
    ids = decision_ids(frame, moment.text, strategy.version_, seed)
    ranked.insert(0, "decision_id", ids[ranked["row"].to_numpy()])
    ranked["template_id"] = _template_ids(ranked, frame, messages, purpose)
    ranked["policy"] = "seed_rules" if isinstance(strategy, SeedStrategy) else "model"
    return Decided(ranked, allowed, action, actions, strategy.version_, missing)


def debtor_rounds(accounts: pd.DataFrame) -> NDArray[np.int64]:
    """Round in which each account is decided, so that no debtor has two accounts in one round.

    Caps count per debtor over all accounts: the second account of a debtor may only be decided once the contact
    planned for the first is known. Accounts without a debtor are people of their own.

    Returns
    -------
    ndarray of shape (n_accounts,), dtype int64
    """
    if "debtor_id" not in accounts.columns:
        return np.zeros(len(accounts), dtype=np.int64)
    debtor = accounts["debtor_id"].reset_index(drop=True)
    place = debtor.groupby(debtor).cumcount()
    return np.asarray(place.reindex(debtor.index).where(debtor.notna(), 0), dtype=np.int64)


def planned_contacts(decided: Decided, accounts: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Contacts that the dispatched actions amount to, in the form of a contact history.

    Parameters
    ----------
    decided : Decided
    accounts : DataFrame
        The accounts it decided about.
    as_of : aware datetime
        Instant of contact where the action space has no hours.
    """
    first = decided.ranked.loc[decided.ranked["rank"] == 1]
    sent = first.loc[first["channel"].notna()]
    owners = accounts.reset_index(drop=True).take(sent["row"].to_numpy())
    when = sent["contact_at"].fillna(pd.Timestamp(as_of))
    return pd.DataFrame(
        {
            "account_id": owners["account_id"].to_numpy(),
            "debtor_id": owners["debtor_id"].to_numpy() if "debtor_id" in owners.columns else None,
            "sent_at": pd.to_datetime(when, utc=True).array,
            "channel": sent["channel"].to_numpy(),
            "initiated_by": "creditor",
            "outcome": None,
            "status": "planned",
        }
    )


def _contact_at(ranked: pd.DataFrame, allowed: Eligibility, actions: ActionSpace) -> Any:
    """Instant of each ranked action; null where the account is left alone."""
    action = actions.index_of(ranked[list(actions.factors)])
    hour = actions.codes[action, actions.factor_names.index("hour")]
    when = allowed.contact_at[ranked["row"].to_numpy(), np.maximum(hour, 0)]
    idle = np.datetime64("NaT", "us")
    return pd.Series(np.where(hour >= 0, when, idle).astype("datetime64[us]")).dt.tz_localize("UTC").array


def _template_ids(ranked: pd.DataFrame, accounts: pd.DataFrame, messages: Catalogue, purpose: str) -> list[str | None]:
    """Approved template of each ranked contact; None where the account is left alone or there is no tone."""
    if "channel" not in ranked.columns or "tone" not in ranked.columns:
        return [None] * len(ranked)
    row = ranked["row"].to_numpy()
    late = (
        pd.to_numeric(accounts["days_past_due"], errors="coerce").fillna(1)
        if "days_past_due" in accounts.columns
        else pd.Series(1, index=accounts.index)
    )
    language = accounts["language"] if "language" in accounts.columns else pd.Series(None, index=accounts.index)
    told: dict[str, Any] = {
        "channel": ranked["channel"].astype(object).where(ranked["channel"].notna(), "").tolist(),
        "tone": ranked["tone"].astype(object).where(ranked["tone"].notna(), "").tolist(),
        "language": [name if isinstance(name, str) else None for name in language.take(row)],
        "purpose": purpose,
    }
    days = np.floor(late.to_numpy(dtype=np.float64)[row]).astype(np.int64)
    today = messages.template_ids(days_past_due=days.tolist(), **told)
    tomorrow = messages.template_ids(days_past_due=(days + 1).tolist(), **told)  # the contact may fall on the next day
    return [now or then for now, then in zip(today, tomorrow, strict=True)]


def decision_ids(accounts: pd.DataFrame, moment: str, policy_version: str, seed: int) -> NDArray[np.object_]:
    """Id of each decision, the same for the same account, moment, policy and seed: retries and restarts agree."""
    names = accounts["account_id"] if "account_id" in accounts.columns else pd.Series(range(len(accounts)))
    texts = [
        hashlib.sha256(f"{account}|{moment}|{policy_version}|{seed}".encode()).hexdigest()[:32] for account in names
    ]
    return np.array(texts, dtype=object)


def with_situation(accounts: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Add ``days_past_due`` (debtor-local) and ``stage`` where only the due date is given."""
    frame = accounts
    if "consented_channels" not in frame.columns and "channels_consented" in frame.columns:  # name of the raw table
        named = frame["channels_consented"].map(
            lambda held: held.replace("|", ";") if isinstance(held, str) else held, na_action="ignore"
        )
        frame = frame.assign(consented_channels=named).drop(columns="channels_consented")
    if "days_past_due" not in frame.columns and "due_date" in frame.columns:
        due = pd.to_datetime(frame["due_date"], errors="coerce")
        zones = frame["timezone"] if "timezone" in frame.columns else pd.Series([None] * len(frame))
        stamp = pd.Timestamp(as_of)
        today = {zone: stamp.tz_convert(zone if is_timezone(zone) else "UTC").date() for zone in zones.unique()}
        local = pd.to_datetime(pd.Series([today[zone] for zone in zones], index=frame.index))
        due_day = due.dt.tz_localize(None) if due.dt.tz is not None else due
        frame = frame.assign(days_past_due=(local - due_day.dt.normalize()).dt.days.astype("float64"))
    if "stage" not in frame.columns and "days_past_due" in frame.columns:
        days = pd.to_numeric(frame["days_past_due"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        frame = frame.assign(stage=np.array(STAGES, dtype=object)[stage_of(days)])
    return frame


def _with_context(
    frame: pd.DataFrame, strategy: ContactStrategy | SeedStrategy
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if isinstance(strategy, SeedStrategy):
        return frame, ()
    missing = tuple(str(name) for name in strategy.feature_names_in_ if name not in frame.columns)
    return (frame.assign(**dict.fromkeys(missing, np.nan)) if missing else frame), missing


def model_history(contacts: pd.DataFrame | None, strategy: ContactStrategy | SeedStrategy) -> pd.DataFrame | None:
    """Contacts later than the training log that carry every action factor, under the log's own column names."""
    if contacts is None or not len(contacts) or isinstance(strategy, SeedStrategy) or strategy.history_ is None:
        return None
    factors: dict[str, Any] = dict.fromkeys(strategy.actions_.factors)
    if any(name not in contacts.columns for name in factors):
        return None
    account, time = strategy.names_["account"], strategy.names_["time"]
    if strategy.history_.time_kind != "instant" or account is None or time is None:
        return None
    sent = pd.to_datetime(contacts["sent_at"], utc=True)
    last = pd.Timestamp(strategy.history_.last * 86_400, unit="s", tz="UTC")
    complete = contacts[list(factors)].notna().all(axis=1)
    own = contacts["initiated_by"].eq("creditor") if "initiated_by" in contacts.columns else True
    was_sent = contacts["status"].eq("sent") if "status" in contacts.columns else True
    kept = contacts.loc[(sent > last) & complete & own & was_sent]
    if not len(kept):
        return None
    return kept.assign(**{account: kept["account_id"], time: sent.loc[kept.index]})


def default_actions(hours: Sequence[int]) -> ActionSpace:
    """The action space of a collector that starts without a log."""
    return ActionSpace(
        {
            "channel": ["call", "sms", "whatsapp", "email", "ivr"],
            "hour": list(hours),
            "tone": ["friendly", "neutral", "firm", "formal-legal"],
        },
        no_contact=True,
    )
