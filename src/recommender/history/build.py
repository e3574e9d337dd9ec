"""From raw tables to a log: contracts, quarantine, context as of each decision, rewards, one checked LoggedFeedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from recommender.actions import ActionSpace
from recommender.features import Knowledge
from recommender.history.build_report import BuildReport
from recommender.history.feedback import LoggedFeedback
from recommender.history.linking import check_tables
from recommender.history.prepared_log import as_instant, prepare_log, sent_contacts
from recommender.history.rewards import Attribution
from recommender.intake import Stated, canonical_word

__all__ = ["BuildReport", "Built", "build_feedback", "context_as_of"]


@dataclass
class Built:
    """A log built from raw tables.

    Attributes
    ----------
    feedback : LoggedFeedback
    frame : DataFrame
        The same as a table: ids, instants, factors, propensity, reward, context. Sorted by instant and id, so the
        order of the raw rows plays no part.
    roles : dict
        Keyword arguments with which ``LoggedFeedback.from_frame(frame, actions=..., **roles)`` rebuilds the log.
    quarantine : DataFrame
        Rows that broke a contract, see :data:`recommender.history.quarantine.QUARANTINE_COLUMNS`.
    report : BuildReport
    """

    feedback: LoggedFeedback
    frame: pd.DataFrame
    roles: dict[str, Any]
    quarantine: pd.DataFrame
    report: BuildReport


def build_feedback(
    accounts: pd.DataFrame | None,
    decisions: pd.DataFrame | None,
    contacts: pd.DataFrame,
    outcomes: pd.DataFrame | None = None,
    payments: pd.DataFrame | None = None,
    *,
    actions: ActionSpace,
    as_of: Any,
    reward: str = "right_party_contact",
    window_days: float = 14,
    attribution: Attribution = "account",
    naive_timezone: str | None = None,
    default_timezone: str = "UTC",
    currency: str | None = None,
    rates: Mapping[str, float] | None = None,
    snapshot: Literal["leave_out", "trust"] = "leave_out",
    static: Sequence[str] = (),
    keep: Sequence[str] = (),
    penalties: Mapping[str, float] | None = None,
    stated: Stated | None = None,
) -> Built:
    """Build a log from raw tables.

    Parameters
    ----------
    accounts, decisions, contacts, outcomes, payments : DataFrame or None
        See :data:`recommender.tables.CONTRACTS` and ``data/README.md``. Without ``decisions`` every sent contact that
        the debtor did not initiate is a decision, with the hour read on the debtor's clock.
    actions : ActionSpace
    as_of : instant with an offset
        Now, for this log: later rows are set aside, windows that have not closed leave the reward unknown.
    reward : str
        A rung of the outcome ladder (this one or a higher one was reached), ``"response"``, ``"amount"`` (money net of
        contact cost, minor units), ``"amount_gross"`` or ``"net_value"`` (``amount`` minus ``penalties``).
    window_days : float, default=14
        Attribution window ``[decided_at, decided_at + window)``.
    attribution : {"account", "debtor", "last_contact"}
        Whom a payment counts for.
    naive_timezone : str or None
        IANA zone of instants without an offset.
    default_timezone : str
        Debtor-local zone of accounts without one.
    currency, rates
        See :func:`recommender.history.linking.check_tables`.
    snapshot : {"leave_out", "trust"}
        Columns that vary over time, where accounts hold one row each: left out, or trusted from ``valid_from`` on.
    static : sequence of str
        Further account columns that never change.
    keep : sequence of str
        Context columns to keep although they look like leaks or protected attributes.
    penalties : mapping of str to float, optional
        What one negative outcome of the decision's contacts in the window weighs in ``reward="net_value"``, in minor
        units, e.g. ``{"opt_out": 500, "complaint": 2000}``.
    stated : Stated, optional
        Spelling that the tables do not tell, and columns that say no stop although they look like it.

    Returns
    -------
    Built

    Raises
    ------
    InvalidInput
        A table that cannot be used: names the column, the value, the rows and the mend.
    """
    given = {"accounts": accounts, "decisions": decisions, "contacts": contacts, "outcomes": outcomes}
    log = prepare_log(
        given | {"payments": payments},
        actions=actions,
        as_of=as_instant(as_of),
        reward=reward,
        window_days=window_days,
        attribution=attribution,
        naive_timezone=naive_timezone,
        default_timezone=default_timezone,
        currency=currency,
        rates=rates,
        snapshot=snapshot,
        static=static,
        keep=keep,
        penalties=penalties,
        stated=stated,
    )
    frame = log.frame()
    return Built(LoggedFeedback.from_prepared(log, frame), frame, log.roles, log.quarantine, log.report)


def context_as_of(
    accounts: pd.DataFrame | None,
    contacts: pd.DataFrame,
    outcomes: pd.DataFrame | None = None,
    payments: pd.DataFrame | None = None,
    *,
    actions: ActionSpace,
    as_of: Any,
    account_ids: Sequence[Any] | None = None,
    naive_timezone: str | None = None,
    default_timezone: str = "UTC",
    currency: str | None = None,
    rates: Mapping[str, float] | None = None,
    static: Sequence[str] = (),
) -> pd.DataFrame:
    """Context of accounts as of now: the features of :func:`build_feedback`, for scoring a batch or one account.

    Parameters
    ----------
    accounts, contacts, outcomes, payments : DataFrame or None
        Raw tables; rows that break a contract are left out.
    actions, as_of, naive_timezone, default_timezone, currency, rates, static
        As for :func:`build_feedback`.
    account_ids : sequence or None
        Accounts to describe; None = all in ``accounts``.

    Returns
    -------
    DataFrame of shape (n_accounts, ...)
        ``account_id``, ``debtor_id`` and ``timezone`` where known, then context columns.
    """
    moment = as_instant(as_of)
    given = {
        "accounts": accounts,
        "contacts": _without_unknown_words(contacts),
        "outcomes": outcomes,
        "payments": payments,
    }
    raw = check_tables(
        given,
        actions=actions,
        as_of=moment,
        naive_timezone=naive_timezone,
        currency=currency,
        rates=rates,
        # Whoever decides has judged these columns before, by what the user states of them.
        stated=Stated(no_stop_in=tuple(str(name) for table in given.values() if table is not None for name in table)),
    )
    # The current snapshot is what is known now: nothing to leave out when scoring.
    knowledge = Knowledge.from_tables(
        raw.frame("accounts"),
        sent_contacts(raw),
        raw.frame("outcomes"),
        raw.frame("payments"),
        channels=actions.factors.get("channel", ()),
        snapshot="trust",
        static=static,
        default_zone=default_timezone,
    )
    if account_ids is None:
        ids = knowledge.states.account_ids if knowledge.states is not None else knowledge.events.account_ids
        codes = pd.Series(ids).astype("int64")
        wanted = raw.reader("account_id")(codes)
    else:
        wanted = pd.Series(list(account_ids))
        codes = pd.Series(raw.ids["account_id"].find(wanted))
    context = knowledge.at(codes, pd.Series([moment] * len(wanted)))
    context.insert(0, "account_id", wanted.to_numpy())
    if "_debtor_id" in context:
        debtor = raw.reader("debtor_id")(context["_debtor_id"])
        context["_debtor_id"] = debtor if debtor.notna().all() else debtor.fillna(wanted.astype("str"))
    return context.rename(columns={"_debtor_id": "debtor_id", "_timezone": "timezone"})


def _without_unknown_words(contacts: pd.DataFrame) -> pd.DataFrame:
    """Contacts whose outcome cells nobody understands say nothing as features; as states they have denied already."""
    if "outcome" not in contacts:
        return contacts
    known = {word: canonical_word("outcome", word) is not None for word in contacts["outcome"].dropna().unique()}
    return contacts.assign(outcome=contacts["outcome"].where(contacts["outcome"].map(known).fillna(value=False), None))
