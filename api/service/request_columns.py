"""The accounts and contacts of a request as columns, which is what decisions are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np

from api.service.feature_contract import FeatureContract
from api.service.schemas import Account, Contact
from recommender.columns import Columns
from recommender.errors import InvalidInput
from recommender.intake import id_keys, subdivision_code
from recommender.rules import HOUSE_PACKS, packs_of_place, with_house
from recommender.store.decision_log import (
    are_opaque,
    column_is_free_of_people,
    refuse_contact_data,
    refuse_free_text,
    refuse_personal_id,
)

__all__ = ["NAMED", "SPOKEN", "account_columns", "contact_columns", "debtor_of"]

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
#: Facts: what a feature of the same name does not overwrite.
NAMED = frozenset((*_FACTS, *SPOKEN))
_REPEATABLE = NAMED - {"balance_minor", "country", "late_due_share"}


_ANY_FEATURE = FeatureContract()
_MANY = 16  # accounts whose features are looked at by column


def debtor_of(account: Account) -> str:
    """Under whom the ledger keeps an account: its debtor, or itself where none is known."""
    return account.debtor_id or account.account_id


def account_columns(
    accounts: Sequence[Account],
    packs: tuple[str, ...],
    positions: Sequence[int],
    contract: FeatureContract = _ANY_FEATURE,
    unusual: set[str] | None = None,
) -> Columns:
    """Facts and features of accounts side by side; a feature may not overwrite a fact.

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
    house = tuple(pack for pack in packs if pack in HOUSE_PACKS)
    seen = set() if unusual is None else unusual
    names = _shared_names(accounts)
    are_checked = names is not None and _pass_by_column(accounts, names, contract, seen)
    is_sound = are_checked and _REPEATABLE.isdisjoint(names or ()) and _are_opaque(accounts)
    for position, account in () if is_sound else zip(positions, accounts, strict=True):
        refuse_personal_id("account_id", account.account_id, numbers_are_ours=contract.numeric_ids)
        if account.debtor_id is not None:
            refuse_personal_id("debtor_id", account.debtor_id, numbers_are_ours=contract.numeric_ids)
        if not are_checked:
            _check_features(account.features, position, contract, seen)
        if clash := _REPEATABLE & account.features.keys():
            raise _repeated(min(clash), position)
    facts = zip(*[_facts_of(account.__dict__) for account in accounts], strict=True)
    columns: dict[str, list[Any]] = dict(zip(_FACTS, map(list, facts), strict=True))
    places = list(zip(columns["country"], columns["subdivision"], strict=True))
    told = set().union(*[account.model_fields_set for account in accounts])
    columns |= {name: [getattr(account, name) for account in accounts] for name in SPOKEN if name in told}
    for name, values in _feature_columns(accounts, names).items():
        fact = columns.get(name)  # a feature may stand where the fact is not known
        columns[name] = values if fact is None else [_first_said(*both) for both in zip(fact, values, strict=True)]
    law_of = {place: (subdivision_code(*place), _packs_of_place(*place, packs, house)) for place in set(places)}
    columns["subdivision"] = [law_of[place][0] for place in places]
    columns["packs"] = [
        with_house(account.packs, house) if account.packs else law_of[place][1]
        for account, place in zip(accounts, places, strict=True)
    ]
    columns["contacts_known"] = [account.contacts is not None for account in accounts]
    return Columns(columns, len(accounts))


def _shared_names(accounts: Sequence[Account]) -> tuple[str, ...] | None:
    """Names of the features, where all accounts bring the same ones in one order."""
    names = tuple(accounts[0].features)
    return names if all(tuple(account.features) == names for account in accounts) else None


def _are_opaque(accounts: Sequence[Account]) -> bool:
    """Whether no id looks like a person at first sight; if one does, each account is looked at."""
    ids = [account.account_id for account in accounts]
    return are_opaque(ids) and are_opaque([one.debtor_id for one in accounts if one.debtor_id is not None])


def _feature_columns(accounts: Sequence[Account], names: tuple[str, ...] | None) -> dict[str, list[Any]]:
    """Features of accounts; one that an account does not bring is null there."""
    if names is not None:
        listed = zip(*[account.features.values() for account in accounts], strict=True)
        return dict(zip(names, map(list, listed), strict=True))
    every = dict.fromkeys(name for account in accounts for name in account.features)
    return {name: [account.features.get(name) for account in accounts] for name in every}


def _first_said(fact: Any, feature: Any) -> Any:
    return feature if fact is None else fact


def _repeated(name: str, position: int) -> InvalidInput:
    return InvalidInput(
        f"accounts[{position}].features repeats the fact {name!r}.",
        column=name,
        rows=[position],
        mend="Give it once, beside features.",
    )


def _check_features(features: Mapping[str, Any], position: int, contract: FeatureContract, seen: set[str]) -> None:
    contract.check(features, position, seen)
    refuse_contact_data(features, argument=f"accounts[{position}].features")
    refuse_free_text(features, argument=f"accounts[{position}].features")


def _pass_by_column(
    accounts: Sequence[Account], names: tuple[str, ...], contract: FeatureContract, seen: set[str]
) -> bool:
    """Whether the features of many accounts with the same names are right; if not, each account is looked at."""
    if len(accounts) < _MANY:
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


def contact_columns(accounts: Sequence[Account]) -> Columns:
    """All contacts of some accounts, each under the debtor of its account where that is among them.

    A contact that stands with several accounts, because a caller sends the debtor's whole history with each, is one.
    """
    debtor_of = {account.account_id: account.debtor_id for account in reversed(accounts)}
    own: list[tuple[Any, ...]] = []
    shared: list[tuple[str, tuple[Any, ...]]] = []
    for account in accounts:
        for contact in account.contacts or ():
            whose = _whose(account, contact.account_id, debtor_of)
            values = (*whose, *_told_of(contact.__dict__))
            if whose[0] == account.account_id or len(accounts) == 1:
                own.append(values)
            else:
                shared.append((account.account_id, values))
    every = [*own, *_told_once(own, shared)]
    listed = map(list, zip(*every, strict=True)) if every else ([] for _ in _CONTACT)
    return Columns(dict(zip(_CONTACT, listed, strict=True)), len(every))


_TOLD = tuple(name for name in Contact.model_fields if name != "account_id")
_CONTACT = ("account_id", "debtor_id", *_TOLD)
_told_of = itemgetter(*_TOLD)


def _told_once(
    own: Sequence[tuple[Any, ...]], shared: Sequence[tuple[str, tuple[Any, ...]]]
) -> Iterator[tuple[Any, ...]]:
    """Contacts that stand with another account than theirs, as often as one account alone tells them."""
    names = {contact[0] for _, contact in shared}
    told = Counter(contact for contact in own if contact[0] in names)
    by: Counter[tuple[Any, ...]] = Counter()
    for teller, contact in shared:
        by[(teller, *contact)] += 1
        if by[(teller, *contact)] > told[contact]:
            told[contact] += 1
            yield contact


def _whose(account: Account, named: str, debtor_of: Mapping[str, str | None]) -> tuple[str, str | None]:
    """Account and debtor of a contact: one of an account that nobody asks about is the debtor's that it stands with."""
    if named in debtor_of:
        return named, debtor_of[named]
    same = id_keys(np.array([named, account.account_id], dtype=object))
    alike = same[0] == same[1] or account.debtor_id is None
    return account.account_id if alike else named, account.debtor_id
