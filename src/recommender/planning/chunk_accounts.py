"""The accounts of a chunk as every plan judges them: packs, party, context, and what events made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from recommender.deciding import calendar_read_by
from recommender.errors import InvalidInput
from recommender.history import context_as_of
from recommender.intake import id_text, places_of, with_states
from recommender.planning.plan_inputs import ChunkInputs
from recommender.rules import under_house
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["prepared_accounts", "with_debtors"]

_NOBODY_CONTACTED = ("account_id", "sent_at", "channel", "initiated_by", "outcome", "status")
_DEBTOR = "debtor_"
_MAJORITY = 0.75


def prepared_accounts(
    inputs: ChunkInputs,
    model: ContactStrategy | SeedStrategy,
    *,
    as_of: datetime,
    packs: Sequence[str] | None,
    party: str | None,
    no_contacts_yet: bool,
    currencies: Mapping[str, int],
    stopped: Sequence[str] = (),
    house: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Accounts as rules and model take them, and the contacts that count for them.

    Parameters
    ----------
    inputs : ChunkInputs
    model : ContactStrategy or SeedStrategy
    as_of : aware datetime
    packs : sequence of str or None
        Rule packs of every account; None = its own, else those of its place.
    party : str or None
        Whom the contact points belong to, where the table does not say.
    no_contacts_yet : bool
        No account was ever contacted.
    currencies : mapping of currency to number of amounts
        Over the whole portfolio.
    stopped : sequence of str
        Accounts and debtors that a person stopped all contact with.
    house : sequence of str
        Packs that hold beside those of each account.

    Returns
    -------
    accounts : DataFrame
        With what contacts, outcomes, payments and the decision log made of them (an opt-out, a dispute, a payment).
    contacts : DataFrame or None
        Each with its debtor; None = unknown, which denies.
    names : list of str
        Names of the states that events gave, one entry an account and state.
    """
    frame = inputs.accounts
    frame = under_house(frame, house) if packs is None else frame.drop(columns="packs", errors="ignore")
    if party is not None and "party" not in frame.columns:
        frame = frame.assign(party=party)
    if isinstance(model, ContactStrategy):
        frame = _with_context(frame, inputs, model, as_of, currencies)
    history = pd.DataFrame(columns=list(_NOBODY_CONTACTED)) if no_contacts_yet else inputs.contacts
    known = None if history is None else with_debtors(history, frame)
    contacts = inputs.standing.with_heard(known, inputs.outcomes)
    known = inputs.standing.with_contacts(known)
    frame, states = with_states(
        frame, contacts=contacts, outcomes=inputs.outcomes, payments=inputs.payments, as_of=as_of
    )
    if stopped:
        frame, by_people = with_states(frame, outcomes=_stops(frame, stopped, as_of), as_of=as_of)
        states = [*states, *by_people]
    names = [
        one for state in states if (told := state.names) for one in sorted({name.partition(":")[0] for name in told})
    ]
    return frame, known, names


def _stops(accounts: pd.DataFrame, stopped: Sequence[str], as_of: datetime) -> pd.DataFrame:
    """What people stopped, as events of now: it is known now, whenever the plan is for."""
    wanted = {id_text(one) for one in stopped}
    ids = accounts["account_id"].map(id_text)
    owner = accounts["debtor_id"].map(id_text) if "debtor_id" in accounts.columns else ids
    closed = accounts.loc[(ids.isin(wanted) | owner.isin(wanted)).to_numpy(), "account_id"]
    return pd.DataFrame({"account_id": closed, "occurred_at": pd.Timestamp(as_of), "outcome": "contact_stopped"})


def with_debtors(contacts: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Name the debtor of each contact by its account, where the accounts say so; else the contact's own holds.

    A contact that names a debtor although its account has none counts for both, whichever of the two a chunk holds.
    """
    if "debtor_id" not in accounts.columns or not len(contacts):
        return contacts
    keys = accounts["account_id"].astype(str).reset_index(drop=True)
    is_first = ~keys.duplicated()
    owners = accounts["debtor_id"].reset_index(drop=True)[is_first].reset_index(drop=True)
    account = contacts["account_id"].astype(str)
    at = places_of(account, keys[is_first])
    debtor = owners.reindex(at).set_axis(contacts.index)
    if "debtor_id" not in contacts.columns:
        return contacts.assign(debtor_id=debtor)
    unsaid = debtor.isna()
    named = contacts.assign(debtor_id=debtor.fillna(contacts["debtor_id"]) if unsaid.any() else debtor)
    twice = (at >= 0) & unsaid.to_numpy(dtype=bool)
    if twice.any():
        twice &= named["debtor_id"].isin(owners.dropna()).to_numpy(dtype=bool)
    if not twice.any():
        return named
    for_the_debtor = named.loc[twice].assign(account_id=[f"{name}\0" for name in account[twice]])
    return pd.concat([named, for_the_debtor], ignore_index=True)


def _with_context(
    accounts: pd.DataFrame,
    inputs: ChunkInputs,
    strategy: ContactStrategy,
    as_of: datetime,
    currencies: Mapping[str, int],
) -> pd.DataFrame:
    """Add the context that ``ingest`` derives from raw tables, as of now, where the model wants it.

    The same function made the training log, so a feature means the same in both.
    """
    there = {*accounts.columns, *calendar_read_by(strategy)}  # the calendar follows from the moment, as everywhere
    missing = [str(name) for name in strategy.feature_names_in_ if name not in there]
    contacts = inputs.contacts
    if not missing or contacts is None or not {"contact_id", "account_id"} <= set(contacts.columns):
        return accounts
    context = context_as_of(
        inputs.states,
        contacts,
        inputs.outcomes if inputs.outcomes is not None and "contact_id" in inputs.outcomes else None,
        inputs.payments,
        actions=strategy.actions_,
        as_of=as_of,
        account_ids=accounts["account_id"].tolist(),
        currency=_one_currency(currencies),
    )
    # Counts by debtor exist where some debtor of the chunk has several accounts; else they are those of the account.
    own = {name: name.removeprefix(_DEBTOR) for name in missing if name.startswith(_DEBTOR)}
    if inputs.states is not None and "debtor_id" in accounts.columns:
        for name, single in own.items():
            if name not in context.columns and single in context.columns:
                context[name] = context[single]
    available = [name for name in missing if name in context.columns]
    return pd.concat([accounts.reset_index(drop=True), context[available].reset_index(drop=True)], axis=1)


def _one_currency(currencies: Mapping[str, int]) -> str | None:
    if not currencies:
        return None
    main, most = max(currencies.items(), key=lambda item: (item[1], item[0]))
    if most < _MAJORITY * sum(currencies.values()):
        raise InvalidInput.in_column(
            "currency",
            "mixes currencies, and amounts of different currencies cannot be added",
            values=[f"{code}: {count:,} rows" for code, count in currencies.items()],
            mend="Score one strategy a currency.",
        )
    return main
