"""What a row of a plan says beside the ranking: whose it is, the debtor's own time, and why nobody is contacted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.deciding import OFFERS_KNOWN, Decided, Segments, default_segments, offer_terms, offers_known
from recommender.frames import texts_at
from recommender.history import EligibleSets, protected_names
from recommender.intake import account_zones
from recommender.offers import OfferDesk
from recommender.rules import named_packs, rule_books
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = [
    "OFFER_TERMS",
    "RECORD",
    "TEXTS",
    "context_names",
    "offer_columns",
    "people_columns",
    "people_of",
    "plain_scalar",
    "plan_rows",
]

RECORD = "_record"
"""Column of a chunk, not of the plan: what the decision log keeps beside the rows, as JSON."""
OFFER_TERMS = ("offer_currency", "offer_until")
"""Columns of a plan beside ``offer_cost``: its currency, and until when the offer holds."""
TEXTS = ("debtor", "contact_local", "eligible", "reason", "policy_version", "human_reason", "segment")
_SITUATION = ("days_past_due", "stage", "balance_minor", "country")
_OPEN = "policy"


def plan_rows(
    decided: Decided,
    model: ContactStrategy | SeedStrategy,
    *,
    record: bool = False,
    segments: Segments | None = None,
    desk: OfferDesk | None = None,
) -> pd.DataFrame:
    """Ranked actions as a plan writes them.

    Parameters
    ----------
    decided : Decided
    model : ContactStrategy or SeedStrategy
    record : bool, default=False
        Add what the decision log keeps, as :data:`RECORD`.
    segments : Segments, optional
        Rules by which accounts are named; default: those of the package.
    desk : OfferDesk, optional
        As it was when they were decided: adds ``offer_currency`` and ``offer_until`` of each offer.

    Returns
    -------
    DataFrame
        :attr:`Decided.ranked` with ``debtor``; ``contact_local`` (the instant on the debtor's clock, with its offset);
        ``decided_at``; ``policy_version``; and on the first row of each account ``eligible`` (one 0 or 1 an action),
        ``reason`` (where it is left alone: the rules that close it, or ``policy`` where the policy chose so) and
        ``next_allowed_at``. ``needs_human`` with ``human_reason`` (rules) and ``human_since`` (the day from which the
        age of the debt alone asks for it), and ``segment``.
    """
    segments = segments or default_segments()
    ranked = decided.ranked
    row = ranked["row"].to_numpy()
    first = (ranked["rank"] == 1).to_numpy(dtype=bool)
    accounts = decided.accounts
    once = np.where(first, row, -1)  # what is told of an account stands on its first row only
    debtor = accounts.coded("debtor_id")
    debtors = [None if value is None else str(value) for value in debtor.values]
    zone, zones = _zones(accounts)
    texts, code = EligibleSets.of_array(decided.eligibility.mask).texts()
    human_reason, human_since = decided.eligibility.human_reasons()
    reason, next_at = _left_alone(decided)
    columns = {
        "debtor": texts_at(debtors, debtor.codes[row]),
        "contact_local": _local_texts(ranked["contact_at"], zone[row], zones),
        "decided_at": pd.Timestamp(decided.as_of).tz_convert("UTC").as_unit("us"),
        "policy_version": decided.policy_version,
        "eligible": texts_at(texts, np.where(first, code[row], -1)),
        "reason": texts_at(reason, once),
        "needs_human": decided.eligibility.needs_human[row],
        "human_reason": texts_at(human_reason, row),
        "human_since": _utc(human_since[row]),
        "segment": texts_at(segments.of(accounts), row),
        "next_allowed_at": _utc(np.where(first, next_at[row], np.datetime64("NaT", "us"))),
    }
    terms: list[str | None] | None = None
    if desk is not None and "offer" in decided.actions.factors:
        at, rank = np.nonzero(decided.actions_ranked >= 0)
        terms = offer_terms(decided, desk, at.tolist(), decided.actions_ranked[at, rank].tolist())
        columns |= offer_columns(terms)
    ranked = ranked.assign(**columns)
    return ranked.assign(**{RECORD: _records(decided, model, ranked, first, terms)}) if record else ranked


def offer_columns(terms: Sequence[str | None]) -> dict[str, Any]:
    """Currency and end of each offer as columns, missing where none is made."""
    told = [{} if one is None else json.loads(one) for one in terms]
    until = pd.to_datetime(pd.Series([one.get("expires_at") for one in told], dtype=object), utc=True)
    currency = np.array([one.get("currency") for one in told], dtype=object)
    return dict(zip(OFFER_TERMS, (currency, until.dt.as_unit("us").array), strict=True))


def people_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The queue for people out of the dispatched rows of those who need one."""
    return rows[people_columns(rows.columns)]


def people_columns(names: Iterable[str]) -> list[str]:
    """Which columns of a plan the queue for people has, of those that there are."""
    there = set(names)
    kept = ["row", "account", "debtor", "human_reason", "human_since", "segment", "channel", "contact_at",
            "template_id", "decision_id"]  # fmt: skip
    return [name for name in kept if name in there]


def _utc(instants: NDArray[np.datetime64]) -> pd.api.extensions.ExtensionArray:
    """Instants as a column of a frame."""
    return pd.array(instants.astype("datetime64[us]")).tz_localize("UTC")


def _left_alone(decided: Decided) -> tuple[list[str | None], NDArray[np.datetime64]]:
    n = len(decided.decision_ids)
    reason: list[str | None] = [None] * n
    next_at = np.full(n, np.datetime64("NaT", "us"))
    idle = decided.actions.no_contact_index
    if idle is None:
        return reason, next_at
    alone = np.flatnonzero(decided.action == idle)
    closed = decided.eligibility.mask[alone].sum(axis=1) == 1
    for row in alone[~closed].tolist():
        reason[row] = _OPEN
    why, when = decided.eligibility.left_alone(alone[closed])
    for row, rules in zip(alone[closed].tolist(), why, strict=True):
        reason[row] = rules
    next_at[alone[closed]] = when
    return reason, next_at


def _zones(accounts: Columns) -> tuple[NDArray[np.int64], list[str | None]]:
    """Zone of each account: its place among the distinct ones, and those; None is a zone that nobody knows."""
    own = [accounts.coded(name) for name in ("timezone", "country")]
    _, first, code = np.unique(own[0].codes * len(own[1].values) + own[1].codes, return_index=True, return_inverse=True)
    where = {
        name: [column.values[one] for one in column.codes[first]]
        for name, column in zip(("timezone", "country"), own, strict=True)
    }
    zones = account_zones(pd.DataFrame(where, dtype=object))
    return code, [zone if isinstance(zone, str) else None for zone in zones.tolist()]


def _local_texts(
    instants: pd.Series, zone: NDArray[np.int64], zones: Sequence[str | None]
) -> pd.api.extensions.ExtensionArray:
    """Instants on the clock of each row's zone, ISO 8601 with offset; missing where one of the two is unknown."""
    texts: list[str] = []
    codes = np.full(len(instants), -1, dtype=np.int64)
    us = instants.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    known = ~np.isnat(us)
    for number, name in enumerate(zones):
        at = np.flatnonzero(known & (zone == number))
        if name is None or not len(at):
            continue
        distinct, code = np.unique(us[at].astype(np.int64), return_inverse=True)
        local = pd.to_datetime(distinct, unit="us", utc=True).tz_convert(name)
        codes[at] = code + len(texts)
        texts += [one.isoformat() for one in local]
    return texts_at(texts, codes)


def _records(
    decided: Decided,
    model: ContactStrategy | SeedStrategy,
    ranked: pd.DataFrame,
    first: np.ndarray[Any, Any],
    terms: Sequence[str | None] | None,
) -> np.ndarray[Any, Any]:
    records = np.full(len(ranked), None, dtype=object)
    law = decided.eligibility.provenance
    digests = {pack["id"]: pack["digest"] for pack in law.packs}
    by_packs: dict[tuple[str, ...], dict[str, str]] = {}
    names = context_names(decided.accounts.names, model)
    known = None if terms is None else offers_known(decided)
    has_own = "packs" in decided.accounts
    packs = decided.accounts.values("packs") if has_own else [None] * len(decided.decision_ids)
    for at, row in zip(np.flatnonzero(first).tolist(), ranked["row"].to_numpy()[first].tolist(), strict=True):
        key = named_packs(packs[row])
        if key not in by_packs:  # an account under no known law is denied by none of them
            own = (
                {pack.id for book in rule_books(key) for pack in book.packs}
                if key
                else set()
                if has_own
                else set(digests)
            )
            by_packs[key] = {name: digest for name, digest in digests.items() if name in own}
        facts = decided.accounts.row(row)
        record = {
            "action": int(decided.action[row]),
            "actions": [int(action) for action in decided.actions_ranked[row] if action >= 0],
            "context": {name: plain_scalar(facts.get(name)) for name in names},
            "rule_packs": by_packs[key],
            "holidays": law.holidays,
            "tzdata": law.tzdata,
            "needs_human": bool(decided.eligibility.needs_human[row]),
            "documents": decided.documents,
            "purpose": decided.eligibility.purpose,
        }
        if terms is not None and known is not None:
            ranks = int((decided.actions_ranked[row] >= 0).sum())
            record |= {"offers": list(terms[at : at + ranks]), OFFERS_KNOWN: known[row]}
        records[at] = json.dumps(record, sort_keys=True)
    return records


def context_names(columns: Sequence[str], model: ContactStrategy | SeedStrategy) -> list[str]:
    """Columns that the decision log keeps as the context of a decision: what the model was asked with."""
    if isinstance(model, ContactStrategy):
        return [str(name) for name in model.feature_names_in_]
    names = [name for name in _SITUATION if name in columns]
    protected = set(protected_names(names))
    return [name for name in names if name not in protected]


def plain_scalar(value: Any) -> Any:
    """A cell as JSON keeps it."""
    if isinstance(value, float):
        return None if value != value else int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True)
    return value if value is None or isinstance(value, str | int | bool) else str(value)
