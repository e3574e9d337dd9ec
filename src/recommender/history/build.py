"""From raw tables to a log: contracts, quarantine, context as of each decision, rewards, one checked LoggedFeedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.features.families import family_of
from recommender.features.point_in_time import Knowledge
from recommender.history.columns import protected_names
from recommender.history.decision_rows import decision_rows, eligible_sets, link_contacts
from recommender.history.feedback import LoggedFeedback
from recommender.history.leakage import leakage_suspects
from recommender.history.linking import RawTables, check_tables
from recommender.history.rewards import Attribution, reward_decisions

__all__ = ["BuildReport", "Built", "build_feedback", "context_as_of"]


@dataclass
class BuildReport:
    """What became of the tables.

    Attributes
    ----------
    counts : DataFrame
        Rows given, clean and in quarantine, a line a table.
    reasons : DataFrame
        Quarantined rows by table, column and rule.
    left_out : dict of str to str
        Column that is no context -> why.
    families : dict of str to list of str
        Feature family -> its context columns.
    notes : list of str
    currency : str or None
    single_snapshot : bool
    """

    counts: pd.DataFrame
    reasons: pd.DataFrame
    left_out: dict[str, str]
    families: dict[str, list[str]]
    notes: list[str]
    currency: str | None
    single_snapshot: bool
    n_decisions: int = 0
    n_mature: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready report."""
        return {
            "tables": self.counts.to_dict("records"),
            "quarantine": self.reasons.to_dict("records"),
            "left_out": self.left_out,
            "families": self.families,
            "notes": self.notes,
            "currency": self.currency,
            "single_snapshot": self.single_snapshot,
            "decisions": self.n_decisions,
            "mature": self.n_mature,
        }


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
    eligible: NDArray[np.bool_] | None = field(default=None, repr=False)


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
        contact cost, minor units) or ``"amount_gross"``.
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

    Returns
    -------
    Built

    Raises
    ------
    InvalidInput
        A table that cannot be used: names the column, the value, the rows and the mend.
    """
    moment = as_instant(as_of)
    given = {"accounts": accounts, "decisions": decisions, "contacts": contacts, "outcomes": outcomes}
    raw = check_tables(
        given | {"payments": payments},
        actions=actions,
        as_of=moment,
        naive_timezone=naive_timezone,
        currency=currency,
        rates=rates,
    )
    sent = _sent(raw)
    knowledge = _knowledge(raw, sent, actions, snapshot, static, default_timezone)
    rows = decision_rows(raw, sent, actions, knowledge, default_timezone)
    if not len(rows):
        raise InvalidInput(
            "No decision is left after the contract checks.",
            column="decisions" if decisions is not None else "contacts",
            mend="See the quarantine for the reasons: " + _most_frequent(raw),
        )
    eligible = eligible_sets(raw, rows, actions)
    rows = rows.drop(columns=["eligible"], errors="ignore")
    if eligible is not None:  # decisions whose set excludes their action are in quarantine now
        kept = rows["_position"].isin(raw.tables["decisions"].frame["_position"]).to_numpy(dtype=bool)
        rows, eligible = rows.loc[kept].reset_index(drop=True), eligible[kept]
    context = knowledge.at(rows["account_id"], rows["decided_at"])
    debtor = context.pop("_debtor_id") if "_debtor_id" in context else rows["account_id"]
    context = context.drop(columns="_timezone", errors="ignore")
    own = [name for name in rows.columns if name not in (*_OWN, *actions.factors) and name not in context]
    context = pd.concat([context, rows[own]], axis=1)
    no_contact = actions.no_contact_index
    chosen = actions.index_of(rows)
    rewards = reward_decisions(
        rows,
        sent,
        raw.frame("outcomes"),
        raw.frame("payments"),
        contact_decision=link_contacts(raw, rows, sent, actions),
        group_of=knowledge.debtor_of,
        reward=reward,
        window_days=window_days,
        as_of=moment,
        attribution=attribution,
        left_alone=chosen == (-1 if no_contact is None else no_contact),
    )
    left_out = dict(knowledge.states.left_out) if knowledge.states is not None else {}
    names = _context_names(context, rewards.reward, knowledge.computed, set(keep), left_out)
    head = rows[["decision_id", "account_id"]].assign(debtor_id=debtor, decided_at=rows["decided_at"])
    frame = pd.concat([head, rows[list(actions.factors)]], axis=1)
    with_propensity = "propensity" in rows and bool(rows["propensity"].notna().any())
    if with_propensity:
        frame["propensity"] = rows["propensity"]
    if "policy_version" in rows:
        frame["policy_version"] = rows["policy_version"]
    frame["reward"] = rewards.reward
    frame["known_at"] = pd.to_datetime(rewards.known_us, unit="us", utc=True)
    frame = pd.concat([frame, context[names]], axis=1)
    roles: dict[str, Any] = {
        "context": names,
        "categorical": [name for name in names if not pd.api.types.is_numeric_dtype(frame[name].dtype)],
        "reward": "reward",
        "propensity": "propensity" if with_propensity else None,
        "account": "account_id",
        "time": "decided_at",
        "cluster": "debtor_id",
        "known_at": "known_at",
        "reward_kind": rewards.kind,
    }
    report = _report(raw, knowledge, names, left_out, len(frame), int((~np.isnan(rewards.reward)).sum()))
    _note_missing(report, given | {"payments": payments}, with_propensity)
    quarantine = raw.quarantine
    # The log holds its context as float64: let go of what it was made from first.
    del raw, knowledge, context, rows, sent, head, debtor
    feedback = LoggedFeedback.from_frame(frame, actions=actions, eligible=eligible, **roles)
    return Built(feedback, frame, roles, quarantine, report, eligible)


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
    raw = check_tables(
        {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments},
        actions=actions,
        as_of=moment,
        naive_timezone=naive_timezone,
        currency=currency,
        rates=rates,
    )
    # The current snapshot is what is known now: nothing to leave out when scoring.
    knowledge = _knowledge(raw, _sent(raw), actions, "trust", static, default_timezone)
    if account_ids is None:
        ids = knowledge.states.account_ids if knowledge.states is not None else knowledge.events.account_ids
        wanted = pd.Series(ids)
    else:
        wanted = pd.Series(list(account_ids))
    context = knowledge.at(wanted, pd.Series([moment] * len(wanted)))
    context.insert(0, "account_id", wanted.to_numpy())
    return context.rename(columns={"_debtor_id": "debtor_id", "_timezone": "timezone"})


_OWN = ("decision_id", "account_id", "decided_at", "propensity", "policy_version", "_row", "_position", "eligible")


def as_instant(as_of: Any) -> pd.Timestamp:
    """``as_of`` as a UTC Timestamp; a naive one is refused."""
    moment = pd.Timestamp(as_of)
    if moment is pd.NaT or moment.tzinfo is None:
        raise InvalidInput.in_column(
            "as_of", "needs an instant with an offset", values=[as_of], mend="Write e.g. 2026-11-22T00:00:00Z."
        )
    return moment.tz_convert("UTC").as_unit("us")


def _sent(raw: RawTables) -> pd.DataFrame:
    contacts = raw.tables["contacts"].frame
    if "status" not in contacts:
        return contacts
    return contacts.loc[(contacts["status"] != "planned").fillna(value=True).to_numpy(dtype=bool)].reset_index(
        drop=True
    )


def _knowledge(
    raw: RawTables,
    sent: pd.DataFrame,
    actions: ActionSpace,
    snapshot: Literal["leave_out", "trust"],
    static: Sequence[str],
    default_timezone: str,
) -> Knowledge:
    return Knowledge.from_tables(
        raw.frame("accounts"),
        sent,
        raw.frame("outcomes"),
        raw.frame("payments"),
        channels=actions.factors.get("channel", ()),
        snapshot=snapshot,
        static=static,
        default_zone=default_timezone,
    )


def _context_names(
    context: pd.DataFrame, reward: NDArray[np.float64], computed: set[str], keep: set[str], left_out: dict[str, str]
) -> list[str]:
    """Columns that may be context; the others go to ``left_out`` with the reason."""
    given = [str(name) for name in context.columns if name not in computed]
    suspects = leakage_suspects(context, reward, given)
    suspects = {name: f"leak: it {why}" for name, why in suspects.items()}
    suspects |= dict.fromkeys(protected_names(list(context.columns)), "protected attribute")
    names = []
    for name in context.columns:
        column = context[name]
        if name in suspects and name not in keep:
            left_out[name] = suspects[name] + "; name it in keep=[...] if it was known before the decision"
        elif column.isna().all():
            left_out[name] = "no value in any row"
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            left_out[name] = "an instant is no context: give a number, such as days before the decision"
        else:
            names.append(str(name))
    return names


def _report(
    raw: RawTables, knowledge: Knowledge, names: Sequence[str], left_out: dict[str, str], n: int, n_mature: int
) -> BuildReport:
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(family_of(name), []).append(name)
    quarantine = raw.quarantine
    reasons = quarantine.groupby(["table", "column", "rule"], sort=True).size().rename("rows").reset_index()
    single = knowledge.states is not None and knowledge.states.single_snapshot
    return BuildReport(raw.counts(), reasons, left_out, families, raw.notes, raw.currency, single, n, n_mature)


def _note_missing(report: BuildReport, given: Mapping[str, Any], with_propensity: bool) -> None:
    lost = {
        "accounts": "no state of the account, no debtor, no local time zone enter the context",
        "decisions": "the sent contacts are the decisions, so accounts left alone on purpose are not in the log",
        "outcomes": "responses and promises are unknown",
        "payments": "payment history is unknown and no money reward is possible",
    }
    report.notes += [f"No {name} table: {what}." for name, what in lost.items() if given.get(name) is None]
    if not with_propensity:
        report.notes.append("No propensities were logged; they will be estimated and flagged.")
    if report.single_snapshot:
        report.notes.append(
            "accounts holds one row an account: columns that vary over time are left out of training. Export the "
            "change history (valid_from), or pass snapshot='trust' if each row was in force from its valid_from on."
        )


def _most_frequent(raw: RawTables) -> str:
    quarantine = raw.quarantine
    if not len(quarantine):
        return "none; the tables hold no decision."
    top = (quarantine["table"] + "." + quarantine["column"] + " " + quarantine["reason"]).value_counts().head(3)
    return "; ".join(f"{reason} ({count:,})" for reason, count in top.items()) + "."
