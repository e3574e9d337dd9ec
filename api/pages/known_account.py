"""What is known of one account at a moment: the portfolio's history and the decision log, joined as for the service."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from api.pages.page_data import Portfolio
from api.service.forecasting import as_known
from recommender.intake import EVENT_DAYS, with_states
from recommender.store.decision_log import REACH, OfferBudget, Standing

__all__ = ["known_account", "stated_facts"]

_IDS = ("account_id", "debtor_id")
_OF_EVENTS = ("flags", "consented_channels", "balance_minor", *EVENT_DAYS)
#: What the rules ask of a contact, where a history does not tell it.
_NO_CONTACT: dict[str, Any] = dict.fromkeys(("initiated_by", "outcome", "status"))


def known_account(
    portfolio: Portfolio,
    facts: pd.DataFrame,
    contacts: pd.DataFrame | None,
    as_of: datetime,
    packs: tuple[str, ...],
    *,
    offers: OfferBudget | None = None,
    made: str | None = None,
) -> tuple[dict[str, Any], Standing]:
    """An account with what events made of it, its contacts, and the standing of its debtor in the log.

    Parameters
    ----------
    portfolio : Portfolio
    facts : DataFrame of one row
        With ``account_id`` and, where it is known, ``debtor_id``.
    contacts : DataFrame or None
        Of the debtor, from the portfolio; None = it has no history, which is unknown and denies.
    as_of : aware datetime
    packs : tuple of str
        Of an account that names none.
    offers : OfferBudget, optional
        Also what the debtor was offered.
    made : str, optional
        Decision that is judged again at its own moment: what came later, and its own contact, are left out.

    Returns
    -------
    (dict, Standing)
        As :func:`api.service.forecasting.as_known` gives them.
    """
    payments = portfolio.payments_of(str(facts["account_id"].iloc[0]))
    if payments is not None:
        if made is not None:
            later = pd.to_datetime(payments["paid_at"], utc=True, errors="coerce", format="mixed") >= as_of
            payments = payments.loc[~later]  # of a payment without a day nobody knows that it came later
        facts, _ = with_states(facts, payments=payments, as_of=as_of)
    row = {**_plain(facts)[0], "contacts_known": contacts is not None}
    row |= {name: row.get(name) for name in ("debtor_id", *_OF_EVENTS)}
    account, debtor = row["account_id"], row["debtor_id"] or row["account_id"]
    sent = [] if contacts is None else [_NO_CONTACT | one for one in _plain(contacts)]
    standing = Standing()
    if portfolio.log is not None:
        standing = portfolio.log.standing({debtor}, as_of - REACH, {account: debtor}, offers=offers)
    if made is not None:
        standing = _before(standing, as_of, made)
    return as_known([row], sent, standing, as_of, packs), standing


def stated_facts(facts: pd.DataFrame, known: dict[str, Any]) -> pd.DataFrame:
    """Facts of one row with what :func:`known_account` found that events changed in them."""
    before, after = _plain(facts)[0], known["account"][0]
    changed = {name: pd.Series([after[name]], dtype=object) for name in _OF_EVENTS if after[name] != before.get(name)}
    return facts.assign(**changed)


def _before(standing: Standing, moment: datetime, made: str) -> Standing:
    """The part of a standing that was so at a moment."""
    contacts = {
        debtor: [
            replace(one, outcomes=tuple(heard for heard in one.outcomes if heard.occurred_at < moment))
            for one in some
            if one.at < moment and one.decision_id != made
        ]
        for debtor, some in standing.contacts.items()
    }
    heard = {debtor: [one for one in some if one.occurred_at < moment] for debtor, some in standing.outcomes.items()}
    return replace(standing, contacts=contacts, outcomes=heard)


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a request has them: ids are texts, what is not known is None."""
    ids = {name: frame[name].astype("str").where(frame[name].notna(), None) for name in _IDS if name in frame}
    rows = frame.assign(**ids).astype(object).to_dict("records")
    return [{str(name): _cell(value) for name, value in row.items()} for row in rows]


def _cell(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) else value
