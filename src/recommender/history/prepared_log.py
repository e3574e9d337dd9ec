"""A log about to be: decisions with their rewards, and the context that is worked out a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.features import Knowledge
from recommender.history.build_report import BuildReport, most_frequent_reasons, report_of
from recommender.history.columns import context_columns, propensity_column, reward_column
from recommender.history.decision_rows import decision_rows, eligible_sets, link_contacts, link_lost_contacts
from recommender.history.eligible_sets import EligibleSets
from recommender.history.ladder import Climbed, climbed_of
from recommender.history.leakage import leakage_suspects
from recommender.history.linking import check_tables
from recommender.history.protected import protected_names
from recommender.history.raw_tables import RawTable, RawTables
from recommender.history.rewards import Attribution, Rewards, check_reward, reward_decisions
from recommender.intake import Stated

__all__ = ["ContextOf", "PreparedLog", "as_instant", "context_of_rows", "prepare_log", "sent_contacts"]

CHUNK_ROWS = 250_000
ContextOf = Callable[[pd.DataFrame], pd.DataFrame]
"""Works out the context of some rows of ``PreparedLog.head``, here or elsewhere."""
_OWN = ("decision_id", "account_id", "decided_at", "propensity", "policy_version", "_position", "eligible")
_LABELS = {"rung": "ladder_rung", "paid": "ladder_paid_minor", "cost": "ladder_cost_minor"}
"""Columns of the value ladder's labels, by role: what came of a decision, so never context."""


@dataclass(eq=False)
class PreparedLog:
    """Decisions in order, their rewards, and everything needed to work out their context.

    The context of five million decisions does not fit where the tables do; :meth:`parts` gives the log in pieces.

    Attributes
    ----------
    actions : ActionSpace
    roles : dict
        Keyword arguments of ``LoggedFeedback.from_frame`` for :meth:`frame`.
    eligible : EligibleSets or None
    quarantine : DataFrame
    report : BuildReport
    """

    actions: ActionSpace
    head: pd.DataFrame
    ids: Mapping[str, Any]
    knowledge: Knowledge
    rewards: Rewards
    climbed: Climbed | None
    own: tuple[str, ...]
    dtypes: dict[str, Any]
    roles: dict[str, Any]
    eligible: EligibleSets | None
    quarantine: pd.DataFrame
    report: BuildReport
    text_dtypes: Mapping[str, Any]
    chunk_rows: int = CHUNK_ROWS
    _whole: pd.DataFrame | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.head)

    def parts(
        self, chunk_rows: int | None = None, context_of: ContextOf | None = None
    ) -> Iterator[tuple[pd.DataFrame, EligibleSets | None]]:
        """The log in pieces: rows and their eligible sets.

        Parameters
        ----------
        chunk_rows : int, optional
        context_of : callable, optional
            Who works out the context, e.g. :func:`recommender.distributed.contexts_on` a cluster; None = this process.

        Raises
        ------
        InvalidInput
            As ``LoggedFeedback.from_frame`` would: for a reward or propensity column, or an infinite number.
        """
        reward_column(pd.Series(self.rewards.reward), "reward", self.rewards.kind)
        if self.roles["propensity"] is not None:
            propensity_column(self.head["propensity"], "propensity")
        size = chunk_rows or self.chunk_rows
        for start in range(0, len(self), size):
            frame = self.frame(start, start + size, context_of)
            context_columns(frame, self.roles["context"], self.roles["categorical"])
            yield frame, None if self.eligible is None else self.eligible.take(slice(start, start + size))

    def frame(self, start: int = 0, stop: int | None = None, context_of: ContextOf | None = None) -> pd.DataFrame:
        """Rows ``start <= row < stop`` with ids, instants, factors, propensity, reward and context."""
        stop = len(self) if stop is None else min(stop, len(self))
        head = self.head.iloc[start:stop].reset_index(drop=True)
        if context_of is not None:
            context = context_of(head)
        elif self._whole is not None and (start, stop) == (0, len(self)):
            context = self._whole
        else:
            context = context_of_rows(self.knowledge, head, self.own)
        columns: dict[str, Any] = {
            "decision_id": self.ids["decision_id"](head["decision_id"]),
            "account_id": self.ids["account_id"](head["account_id"]),
        }
        columns["debtor_id"] = (
            self.ids["debtor_id"](context["_debtor_id"]) if "_debtor_id" in context else columns["account_id"]
        )
        columns["decided_at"] = head["decided_at"]
        for name in (*self.actions.factors, "propensity", "policy_version"):
            if name in head:
                columns[name] = head[name].astype(self.text_dtypes[name]) if name in self.text_dtypes else head[name]
        if self.roles["propensity"] is None:
            columns.pop("propensity", None)
        columns["reward"] = self.rewards.reward[start:stop]
        columns["known_at"] = pd.to_datetime(self.rewards.known_us[start:stop], unit="us", utc=True)
        if self.climbed is not None:
            part = self.climbed.take(np.arange(start, stop))
            named = {"rung": part.words(), "paid": part.paid, "cost": part.cost}
            columns |= {str(self.roles[role]): values for role, values in named.items() if values is not None}
        for name in self.roles["context"]:
            wanted = self.dtypes[name]
            columns[name] = context[name] if context[name].dtype == wanted else context[name].astype(wanted)
        return pd.DataFrame(columns, index=range(stop - start), copy=False)

    def __repr__(self) -> str:
        """Say what is in the log, in one line, as ``LoggedFeedback`` does."""
        mature = int((~np.isnan(self.rewards.reward)).sum())
        mean = float(np.nanmean(self.rewards.reward)) if mature else float("nan")
        known = "not logged"
        if self.roles["propensity"] is not None:
            known = f"{int(self.head['propensity'].notna().sum()):,} logged"
        return (
            f"LoggedFeedback({len(self):,} decisions, {mature:,} mature, mean reward {mean:.4g} "
            f"({self.rewards.kind}), {len(self.actions)} actions, {len(self.roles['context'])} context columns, "
            f"propensities {known})"
        )


def prepare_log(
    given: Mapping[str, RawTable | None],
    *,
    actions: ActionSpace,
    as_of: pd.Timestamp,
    reward: str,
    window_days: float,
    attribution: Attribution = "account",
    naive_timezone: str | None = None,
    default_timezone: str = "UTC",
    currency: str | None = None,
    rates: Mapping[str, float] | None = None,
    snapshot: Literal["leave_out", "trust"] = "leave_out",
    static: Sequence[str] = (),
    keep: Sequence[str] = (),
    penalties: Mapping[str, float] | None = None,
    chunk_rows: int = CHUNK_ROWS,
    stated: Stated | None = None,
) -> PreparedLog:
    """Check and link raw tables, reward the decisions, and settle which columns are context.

    Parameters are those of :func:`recommender.history.build_feedback`; a table may be a function that reads it, and is
    then let go of as it is used.
    """
    naive_timezone = None if naive_timezone == "account" else naive_timezone  # which is what is done without one
    told = [name for name in given if given[name] is not None]
    check_reward(reward, penalties, attribution, window_days, [*told, *(["outcomes"] if "contacts" in told else [])])
    raw = check_tables(
        given,
        actions=actions,
        as_of=as_of,
        naive_timezone=naive_timezone,
        currency=currency,
        rates=rates,
        stated=stated,
    )
    check_reward(reward, penalties, attribution, window_days, raw.tables)  # contacts may have told their outcomes
    sent = sent_contacts(raw)
    knowledge = Knowledge.from_tables(
        raw.frame("accounts"),
        sent,
        raw.frame("outcomes"),
        raw.frame("payments"),
        channels=actions.factors.get("channel", ()),
        snapshot=snapshot,
        static=static,
        default_zone=default_timezone,
    )
    raw.let_go("accounts")
    with_decisions = "decisions" in raw.tables
    rows = decision_rows(raw, sent, actions, knowledge, default_timezone)
    source = raw.tables["decisions" if with_decisions else "contacts"]
    if not source.n_given:
        raise InvalidInput(
            f"Table {source.contract.table!r} holds no row.", column=source.contract.table, mend="Export it again."
        )
    if not len(rows):
        raise InvalidInput(
            "No decision is left after the contract checks.",
            column="decisions" if with_decisions else "contacts",
            mend="See the quarantine for the reasons: " + most_frequent_reasons(raw),
        )
    eligible = eligible_sets(raw, rows, actions)
    rows = rows.drop(columns=["eligible"], errors="ignore")
    if eligible is not None:  # decisions whose set excludes their action are in quarantine now
        kept = rows["_position"].isin(raw.tables["decisions"].frame["_position"]).to_numpy(dtype=bool)
        if not kept.all():
            rows, eligible = rows.loc[kept].reset_index(drop=True), eligible.take(kept)
    raw.let_go("decisions")
    rows = rows.drop(columns="_position")
    no_contact = actions.no_contact_index
    left_alone = actions.index_of(rows) == (-1 if no_contact is None else no_contact)
    linked = link_contacts(raw, rows, sent, actions)
    rewarded = partial(
        reward_decisions,
        rows,
        sent,
        raw.frame("outcomes"),
        raw.frame("payments"),
        contact_decision=linked,
        group_of=knowledge.debtor_of,
        window_days=window_days,
        as_of=as_of,
        attribution=attribution,
        left_alone=left_alone,
        lost=raw.lost,
        lost_contacts=link_lost_contacts(raw, rows, sent, left_alone),
    )
    rewards = rewarded(reward=reward, penalties=penalties)
    climbed = None
    if "outcomes" in raw.tables:
        climbed = climbed_of(
            lambda name: rewarded(reward=name).reward, sent, linked, len(rows), with_payments="payments" in raw.tables
        )
    del sent
    for table in ("contacts", "outcomes", "payments"):
        raw.let_go(table)
    own = tuple(str(name) for name in rows.columns if name not in (*_OWN, *actions.factors))
    dtypes, whole = _settle_dtypes(knowledge, rows, own, chunk_rows)
    left_out = dict(knowledge.states.left_out) if knowledge.states is not None else {}
    _note_early(raw, knowledge, rows)
    names = _context_names(knowledge, rows, own, dtypes, rewards.reward, set(keep), left_out)
    with_propensity = "propensity" in rows and bool(rows["propensity"].notna().any())
    roles: dict[str, Any] = {
        "context": names,
        "categorical": [name for name in names if not pd.api.types.is_numeric_dtype(dtypes[name])],
        "reward": "reward",
        "propensity": "propensity" if with_propensity else None,
        "account": "account_id",
        "time": "decided_at",
        "cluster": "debtor_id",
        "known_at": "known_at",
        "reward_kind": rewards.kind,
    }
    if climbed is not None:
        labels = {"rung": climbed.rung, "paid": climbed.paid, "cost": climbed.cost}
        roles |= {role: _LABELS[role] for role, values in labels.items() if values is not None}
    report = report_of(raw, knowledge, names, left_out, rewards=rewards, with_propensity=with_propensity)
    ids = {name: raw.reader(name) for name in ("decision_id", "account_id", "debtor_id")}
    if not with_decisions:
        ids["decision_id"] = raw.reader("contact_id")
    texts = raw.tables["decisions"].text_dtypes if with_decisions else {}
    return PreparedLog(
        actions, rows, ids, knowledge, rewards, climbed, own, dtypes, roles, eligible, raw.quarantine, report, texts,
        chunk_rows, whole,
    )  # fmt: skip


def sent_contacts(raw: RawTables) -> pd.DataFrame:
    """Contacts that were sent."""
    contacts = raw.tables["contacts"].frame
    if "status" not in contacts:
        return contacts
    happened = (contacts["status"] != "planned").fillna(value=True).to_numpy(dtype=bool)
    return contacts if happened.all() else contacts.loc[happened].reset_index(drop=True)


def context_of_rows(knowledge: Knowledge, rows: pd.DataFrame, own: Sequence[str]) -> pd.DataFrame:
    """What was known at the decisions: their accounts' state and history, and what the decisions table adds."""
    context = knowledge.at(rows["account_id"], rows["decided_at"]).drop(columns="_timezone", errors="ignore")
    added = [name for name in own if name not in context]
    return pd.concat([context, rows[added]], axis=1) if added else context


def _settle_dtypes(
    knowledge: Knowledge, rows: pd.DataFrame, own: Sequence[str], chunk_rows: int
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Dtype of every context column over all rows, None where it holds no value; the context if one piece was all.

    Columns of the tables are known from the tables; the others take the dtype of the first piece where they hold a
    value. Nearly always that is the first piece of all.
    """
    known: dict[str, Any] = {name: rows[name].dtype if rows[name].notna().any() else None for name in own}
    states = knowledge.states
    if states is not None:
        first, row = states.rows_of(rows["account_id"], rows["decided_at"])
        for name, dtype in states.dtypes_at(first, row).items():
            known.setdefault(name, dtype)
    dtypes: dict[str, Any] = {}
    whole = None
    for start in range(0, len(rows), chunk_rows):
        context = context_of_rows(knowledge, rows.iloc[start : start + chunk_rows].reset_index(drop=True), own)
        for name in context.columns:
            if dtypes.get(name) is None:
                any_value = context[name].notna().any()
                dtypes[name] = (known.get(name, context[name].dtype)) if any_value else None
        if len(rows) <= chunk_rows:
            whole = context
        if all(dtype is not None for dtype in dtypes.values()):
            break
    dtypes.pop("_debtor_id", None)
    return dtypes, whole


def _note_early(raw: RawTables, knowledge: Knowledge, rows: pd.DataFrame) -> None:
    """Say how many decisions were made before anything was known of their account."""
    if knowledge.states is None or not knowledge.states.varying:
        return
    first, row = knowledge.states.rows_of(rows["account_id"], rows["decided_at"])
    if early := int(((row < 0) & (first >= 0)).sum()):
        raw.notes.append(
            f"{early:,} decisions lie before the first valid_from of their account: what varies over time is unknown "
            "there. Export the change history from its beginning."
        )


class _GivenColumns(dict[str, pd.Series]):
    """Columns of the accounts and decisions tables over all rows, one at a time."""

    def __init__(self, knowledge: Knowledge, rows: pd.DataFrame, own: Sequence[str]) -> None:
        super().__init__()
        self._states, self._rows, self._own = knowledge.states, rows, own
        self._places = None if self._states is None else self._states.rows_of(rows["account_id"], rows["decided_at"])

    def __missing__(self, name: str) -> pd.Series:
        if self._states is not None and self._places is not None and name in self._states.frame:
            return self._states.column(name, *self._places)
        return self._rows[name]


def _context_names(
    knowledge: Knowledge,
    rows: pd.DataFrame,
    own: Sequence[str],
    dtypes: Mapping[str, Any],
    reward: NDArray[np.float64],
    keep: set[str],
    left_out: dict[str, str],
) -> list[str]:
    """Columns that may be context; the others go to ``left_out`` with the reason."""
    computed = knowledge.computed
    given = [name for name in dtypes if name not in computed]
    suspects = leakage_suspects(_GivenColumns(knowledge, rows, own), reward, given)
    suspects = {name: f"leak: it {why}" for name, why in suspects.items()}
    suspects |= dict.fromkeys(protected_names(list(dtypes)), "protected attribute")
    names = []
    for name, dtype in dtypes.items():
        if name in suspects and name not in keep:
            left_out[name] = suspects[name] + "; name it in keep=[...] if it was known before the decision"
        elif dtype is None:
            left_out[name] = "no value in any row"
        elif pd.api.types.is_datetime64_any_dtype(dtype):
            left_out[name] = "an instant is no context: give a number, such as days before the decision"
        else:
            names.append(str(name))
    return names


def as_instant(as_of: Any) -> pd.Timestamp:
    """``as_of`` as a UTC Timestamp; a naive one is refused."""
    try:
        moment = pd.Timestamp(as_of)
    except (ValueError, TypeError):
        moment = pd.NaT  # refused below, like an instant without an offset
    if moment is pd.NaT or moment.tzinfo is None:
        raise InvalidInput.in_column(
            "as_of", "needs an instant with an offset", values=[as_of], mend="Write e.g. 2026-11-22T00:00:00Z."
        )
    return moment.tz_convert("UTC").as_unit("us")
