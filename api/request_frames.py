"""The accounts and contacts of a request as the frames that the library takes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from api.schemas import Account
from recommender.errors import InvalidInput
from recommender.guardrails import packs_of_place
from recommender.store.privacy import refuse_contact_data

__all__ = ["accounts_frame", "contacts_frame", "packs_of"]

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


def accounts_frame(accounts: Sequence[Account], packs: tuple[str, ...], positions: Sequence[int]) -> pd.DataFrame:
    """One row an account: facts and features side by side; a feature may not overwrite a fact."""
    rows = []
    for position, account in zip(positions, accounts, strict=True):
        refuse_contact_data(account.features, argument=f"accounts[{position}].features")
        facts = {name: getattr(account, name) for name in _FACTS}
        if clash := sorted(set(facts) & set(account.features) - {"balance_minor", "country"}):
            raise InvalidInput(
                f"accounts[{position}].features repeats the fact {clash[0]!r}.",
                column=clash[0],
                rows=[position],
                mend="Give it once, beside features.",
            )
        given = {name: value for name, value in account.features.items() if name not in facts or facts[name] is None}
        rows.append(
            {**facts, **given, "packs": packs_of(account, packs), "contacts_known": account.contacts is not None}
        )
    return pd.DataFrame(rows)


def packs_of(account: Account, default: tuple[str, ...]) -> list[str]:
    """Packs that the account names, else those of its country, else the service's own.

    A country without a pack leaves the account under no known law, which denies.
    """
    return account.packs or packs_of_place(account.country, account.subdivision, default)


def contacts_frame(accounts: Sequence[Account]) -> pd.DataFrame:
    """All contacts of the request in one frame."""
    rows = [contact.model_dump() for account in accounts for contact in account.contacts or []]
    columns = ["account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "hour", "tone", "reward"]
    return pd.DataFrame(rows, columns=columns)
