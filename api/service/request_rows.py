"""The accounts and contacts of a request as plain rows, which is what decisions are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np

from api.service.feature_contract import FeatureContract
from api.service.schemas import Account
from recommender.errors import InvalidInput
from recommender.intake import id_keys, subdivision_code
from recommender.rules import HOUSE_PACKS, packs_of_place, with_house
from recommender.store.decision_log import (
    column_is_free_of_people,
    refuse_contact_data,
    refuse_free_text,
    refuse_personal_id,
)

__all__ = ["SPOKEN", "account_rows", "contact_rows"]

_FACTS = (
    "account_id",
    "debtor_id",
    "country",
    "subdivision",
    "timezone",
    "phone_timezones",
    "due_date",
    "balance_minor",
    "consented_channels",
    "flags",
    "party",
)
#: What purposes speak of: told beside the facts where it is known.
SPOKEN = (
    "last_paid_on", "promise_on", "promise_state", "cured_on", "information_requested_on", "fraud_noticed_on",
    "late_due_share",
)  # fmt: skip
_facts_of = itemgetter(*_FACTS)
_NAMED = frozenset((*_FACTS, *SPOKEN))
_REPEATABLE = _NAMED - {"balance_minor", "country", "late_due_share"}


_ANY_FEATURE = FeatureContract()
_MANY = 16  # accounts whose features are looked at by column


def account_rows(
    accounts: Sequence[Account],
    packs: tuple[str, ...],
    positions: Sequence[int],
    contract: FeatureContract = _ANY_FEATURE,
    unusual: set[str] | None = None,
) -> list[dict[str, Any]]:
    """One row an account: facts and features side by side; a feature may not overwrite a fact.

    Parameters
    ----------
    accounts : sequence of Account
    packs : tuple of str
        Of accounts that name no country; those of the house among them hold for every account.
    positions : sequence of int
        Places in the request, for errors.
    contract : FeatureContract
        Which features are taken.
    unusual : set of str or None
        Names of features are added whose value the model never saw.
    """
    rows = []
    house = tuple(pack for pack in packs if pack in HOUSE_PACKS)
    seen = set() if unusual is None else unusual
    are_checked = _pass_by_column(accounts, contract, seen)
    for position, account in zip(positions, accounts, strict=True):
        refuse_personal_id("account_id", account.account_id, numbers_are_ours=contract.numeric_ids)
        if account.debtor_id is not None:
            refuse_personal_id("debtor_id", account.debtor_id, numbers_are_ours=contract.numeric_ids)
        features = account.features
        if not are_checked:
            _check_features(features, position, contract, seen)
        row = dict(zip(_FACTS, _facts_of(account.__dict__), strict=True))
        told = account.model_fields_set
        row |= {name: getattr(account, name) for name in SPOKEN if name in told}
        if features.keys().isdisjoint(_NAMED):
            row |= features
        else:
            row |= _beside_facts(row, features, position)
        row["subdivision"] = subdivision_code(account.country, account.subdivision)
        row["packs"] = (
            with_house(account.packs, house)
            if account.packs
            else _packs_of_place(account.country, account.subdivision, packs, house)
        )
        row["contacts_known"] = account.contacts is not None
        rows.append(row)
    return rows


def _beside_facts(row: Mapping[str, Any], features: Mapping[str, Any], position: int) -> dict[str, Any]:
    """Features of which some bear the name of a fact: taken where the fact is not known and may stand there."""
    if clash := sorted(_REPEATABLE & features.keys()):
        raise InvalidInput(
            f"accounts[{position}].features repeats the fact {clash[0]!r}.",
            column=clash[0],
            rows=[position],
            mend="Give it once, beside features.",
        )
    return {name: value for name, value in features.items() if row.get(name) is None}


def _check_features(features: Mapping[str, Any], position: int, contract: FeatureContract, seen: set[str]) -> None:
    contract.check(features, position, seen)
    refuse_contact_data(features, argument=f"accounts[{position}].features")
    refuse_free_text(features, argument=f"accounts[{position}].features")


def _pass_by_column(accounts: Sequence[Account], contract: FeatureContract, seen: set[str]) -> bool:
    """Whether the features of many accounts with the same names are right; if not, each account is looked at."""
    names = tuple(accounts[0].features)
    if len(accounts) < _MANY or any(tuple(account.features) != names for account in accounts):
        return False
    columns = zip(*(account.features.values() for account in accounts), strict=True)
    unusual: set[str] = set()
    for name, values in zip(names, columns, strict=False):
        if not contract.column_passes(name, values, unusual):
            return False
        if not column_is_free_of_people(name, values, levels=True):
            return False
    seen |= unusual
    return True


@lru_cache(maxsize=4_096)
def _packs_of_place(
    country: str | None, subdivision: str | None, default: tuple[str, ...], house: tuple[str, ...]
) -> tuple[str, ...]:
    """Packs of a place and of the house; a country without a pack is under no known law, which denies."""
    return tuple(with_house(tuple(packs_of_place(country, subdivision, default)), house))


def contact_rows(accounts: Sequence[Account]) -> list[dict[str, Any]]:
    """All contacts of some accounts, each under the debtor of its account where that is among them.

    A contact that stands with several accounts, because a caller sends the debtor's whole history with each, is one.
    """
    debtor_of = {account.account_id: account.debtor_id for account in reversed(accounts)}
    rows = []
    shared = []
    for account in accounts:
        for contact in account.contacts or ():
            row = {**contact.__dict__, **_whose(account, contact.account_id, debtor_of)}
            if row["account_id"] == account.account_id or len(accounts) == 1:
                rows.append(row)
            else:
                shared.append((account.account_id, row))
    return [*rows, *_told_once(rows, shared)] if shared else rows


def _told_once(own: Sequence[dict[str, Any]], shared: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Contacts that stand with another account than theirs, as often as one account alone tells them."""
    names = {row["account_id"] for _, row in shared}
    told = Counter(tuple(row.values()) for row in own if row["account_id"] in names)
    by: Counter[tuple[Any, ...]] = Counter()
    for teller, row in shared:
        contact = tuple(row.values())
        by[(teller, *contact)] += 1
        if by[(teller, *contact)] > told[contact]:
            told[contact] += 1
            yield row


def _whose(account: Account, named: str, debtor_of: Mapping[str, str | None]) -> dict[str, str | None]:
    """Account and debtor of a contact: one of an account that nobody asks about is the debtor's that it stands with."""
    if named in debtor_of:
        return {"account_id": named, "debtor_id": debtor_of[named]}
    same = id_keys(np.array([named, account.account_id], dtype=object))
    alike = same[0] == same[1] or account.debtor_id is None
    return {"account_id": account.account_id if alike else named, "debtor_id": account.debtor_id}
