"""The decision log as training data: decisions joined with what came of them in the attribution window."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.store.decision_log.record_fields import unpack_eligible, utc_instant
from recommender.store.decision_log.sent import LogWarning, Sent
from recommender.tables import REACHED_BY

__all__ = ["AMOUNT", "AMOUNT_GROSS", "DecisionSource", "LogWarning", "read_feedback_frame"]

#: Money paid in the window, and the same minus the cost of the dispatched action; in minor units.
AMOUNT_GROSS, AMOUNT = "amount_gross", "amount"
_AMOUNTS = (AMOUNT_GROSS, AMOUNT)
_TEXTS = ("override_reason", "review")  # missing for all is a column of text, too
_EVIDENCE = (
    "decision_id", "policy_version", "fallback", "deterministic", "needs_human", "chosen_by", *_TEXTS,
)  # fmt: skip


class DecisionSource(Protocol):
    """What is read here of a :class:`~recommender.store.decision_log.decisions.DecisionLog`."""

    def rows(self, since: datetime | None, until: datetime | None) -> Iterator[list[dict[str, Any]]]:
        """Decisions in time order."""

    def events_of(self, decision_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """What became of the contacts of these decisions."""

    def agreed(self, decision_ids: Sequence[str], until: datetime) -> set[str]:
        """Those of these decisions that a person agreed to before an instant."""

    def outcome_frame(self, since: datetime | None, until: datetime | None) -> pd.DataFrame:
        """Outcomes of these decisions."""


def read_feedback_frame(
    log: DecisionSource,
    actions: ActionSpace,
    reward: str,
    window_days: float,
    as_of: datetime,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    cost_minor: Sequence[float] | None = None,
    other_spaces: Literal["raise", "drop"] = "raise",
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decisions as they were carried out, with their rewards, and the roles of the columns.

    What was dispatched counts, not what was meant: see :class:`~recommender.store.decision_log.sent.Sent`.

    ``LoggedFeedback.from_frame(frame, **roles)`` takes the two as they are.

    The window opens at the decision, not at the contact, so that every action, ``NO_CONTACT`` included, is given the
    same time to show an effect. A row is mature when its whole window has passed: an early success counted before its
    peers had time to fail would flatter young rows. Only what had happened by ``as_of`` is used. As in
    :mod:`recommender.history.rewards` a success is known at its first outcome that earns it, everything else (a
    failure, an amount that may still grow) when the window closes.

    Parameters
    ----------
    log : DecisionLog
    actions : ActionSpace
        Decisions made under another space are translated by their factor levels.
    reward : str
        A key of :data:`recommender.tables.REACHED_BY`, e.g. ``"right_party_contact"`` (1 when the window holds an
        outcome that reaches it), ``"amount_gross"`` (money paid in the window, minor units), or ``"amount"`` (the same
        minus the cost of the dispatched action).
    window_days : float
    as_of : datetime
        With a time zone.
    since, until : datetime or None
        Limits on ``decided_at``: ``since <= decided_at < until``.
    cost_minor : sequence of float of shape (n_actions,) or None
        Cost of each action; needed for ``"amount"``, since the log holds no costs.
    other_spaces : {"raise", "drop"}
        What to do with decisions whose action does not exist in ``actions``; dropping warns with their number.

    Returns
    -------
    frame : DataFrame of shape (n_decisions, ...)
        Context columns, action factors, reward (NaN where not mature), propensity, ids, ``decided_at``,
        ``known_at``, which policy decided, whether a person was to look first and what he answered (``needs_human``,
        ``review``), and who chose what was sent (``chosen_by``, ``override_reason``). Time order.
    roles : dict
        Keyword arguments of ``LoggedFeedback.from_frame``, with ``eligible`` as bool of shape (n_decisions, n_actions).

    Raises
    ------
    InvalidInput
        For an unknown reward, a window that is not positive, mixed currencies, a log without decisions in the
        interval, or actions that ``actions`` does not hold.
    """
    if reward not in _AMOUNTS and reward not in REACHED_BY:
        raise InvalidInput(
            f"There is no reward called {reward!r}.", column="reward", mend=f"Use one of {[*REACHED_BY, *_AMOUNTS]}."
        )
    if reward == AMOUNT and (cost_minor is None or len(cost_minor) != len(actions)):
        raise InvalidInput(
            f"Reward 'amount' needs cost_minor: the cost of each of the {len(actions)} actions.",
            column="cost_minor",
            mend="Pass it in the order of ActionSpace.to_frame(), or use reward='amount_gross'.",
        )
    if not window_days > 0:
        raise InvalidInput.in_column(
            "window_days", "must be positive", values=[window_days], mend="Give the days in which a response counts."
        )
    now = utc_instant("as_of", as_of)
    # Up to and including as_of, and nothing later: it had not happened yet.
    end = now + timedelta(microseconds=1)
    if until is not None:
        end = min(end, utc_instant("until", until))
    chosen, ids, contexts, eligible = _read_decisions(log, actions, since, end, other_spaces)
    if not len(ids):
        raise InvalidInput(
            "The decision log holds no usable decision in this interval.",
            column="decided_at",
            mend="Widen since/until, or check that the service writes to this log.",
        )
    context = _context_frame(contexts)
    taken = set(context.columns) | set(actions.factors)
    wanted = ("reward", "propensity", "account_id", "debtor_id", "decided_at", "known_at", *_EVIDENCE)
    name = {column: _free_name(column, taken) for column in wanted}
    window = pd.Timedelta(days=window_days)
    decided_at = pd.to_datetime(ids["decided_at"], utc=True)
    closes = decided_at + window
    happened = log.outcome_frame(since, end)
    rewards, succeeded_at = _rewards(happened, ids["decision_id"], decided_at, window, pd.Timestamp(now), reward)
    if reward == AMOUNT:
        rewards -= np.asarray(cost_minor, dtype=np.float64)[chosen]
    mature = closes <= pd.Timestamp(now)
    rewards[~mature.to_numpy()] = np.nan
    known_at = succeeded_at.where(mature & succeeded_at.notna(), closes)
    own = {column: ids[column] for column in ("propensity", "account_id", "debtor_id", *_EVIDENCE)}
    own |= {column: own[column].astype("str") for column in _TEXTS}
    own |= {"reward": rewards, "decided_at": decided_at, "known_at": known_at}
    factors = actions.describe(chosen)
    frame = pd.concat([pd.DataFrame({name[column]: own[column] for column in wanted}), factors, context], axis=1)
    roles = {
        "actions": actions,
        "context": list(context.columns),
        "categorical": [column for column in context.columns if pd.api.types.is_string_dtype(context[column].dtype)],
        "reward": name["reward"],
        "propensity": name["propensity"],
        "account": name["account_id"],
        "cluster": name["debtor_id"],
        "time": name["decided_at"],
        "known_at": name["known_at"],
        "eligible": eligible,
        "reward_kind": "amount" if reward in _AMOUNTS else "binary",
    }
    return frame, roles


def _read_decisions(
    log: DecisionSource,
    actions: ActionSpace,
    since: datetime | None,
    until: datetime,
    other_spaces: Literal["raise", "drop"],
) -> tuple[NDArray[np.int64], pd.DataFrame, list[dict[str, Any]], NDArray[np.bool_]]:
    """Action index, ids, contexts and eligible sets, in the order and space of ``actions``."""
    translations: dict[str, tuple[ActionSpace, NDArray[np.int64]]] = {}
    chosen: list[int] = []
    contexts: list[dict[str, Any]] = []
    ids: list[dict[str, Any]] = []
    allowed: list[NDArray[np.bool_]] = []
    unknown: dict[str, int] = {}
    wanted = ("decided_at", "propensity", "account_id", "debtor_id", *_EVIDENCE)
    sent = Sent()
    for decided in log.rows(since, until):
        about = [row["decision_id"] for row in decided]
        rows = list(sent.of(decided, log.events_of(about), log.agreed(about, until)))
        eligible = np.zeros((len(rows), len(actions)), dtype=bool)
        kept: list[dict[str, Any]] = []
        for row in rows:
            digest = row["action_space_digest"]
            if digest not in translations:
                space = ActionSpace.from_dict(row["action_space"])
                translations[digest] = (space, _translate(space, actions))
            space, target = translations[digest]
            action = int(target[row["action"]])
            if action < 0:
                label = space.label(row["action"])
                unknown[label] = unknown.get(label, 0) + 1
                continue
            could = target[unpack_eligible(row["eligible"], len(space))]
            eligible[len(kept), could[could >= 0]] = True
            kept.append(row)
            chosen.append(action)
            contexts.append(row["context"])
        ids += [{column: row[column] for column in wanted} for row in kept]
        allowed.append(eligible[: len(kept)])
    sent.warn(stacklevel=3)
    if unknown:
        _tell_unknown(unknown, actions, other_spaces)
    stacked = np.concatenate(allowed) if allowed else np.zeros((0, len(actions)), dtype=bool)
    return np.array(chosen, dtype=np.int64), pd.DataFrame(ids, columns=list(wanted)), contexts, stacked


def _translate(space: ActionSpace, actions: ActionSpace) -> NDArray[np.int64]:
    """Index in ``actions`` of each action of ``space``; -1 where it has none."""
    if space == actions:
        return np.arange(len(space))
    index = {_levels_of(actions, action): action for action in range(len(actions))}
    return np.array([index.get(_levels_of(space, action), -1) for action in range(len(space))], dtype=np.int64)


def _levels_of(space: ActionSpace, action: int) -> frozenset[tuple[str, Any]] | None:
    """Factor levels of an action whatever the order of the factors; None for ``NO_CONTACT``."""
    if action == space.no_contact_index:
        return None
    codes = space.codes[action].tolist()
    return frozenset((name, levels[code]) for (name, levels), code in zip(space.factors.items(), codes, strict=True))


def _tell_unknown(unknown: dict[str, int], actions: ActionSpace, other_spaces: Literal["raise", "drop"]) -> None:
    count = sum(unknown.values())
    what = f"{count:,} logged decisions took an action that {actions!r} does not hold"
    if other_spaces == "raise":
        raise InvalidInput.in_column(
            "action",
            f"holds actions of another space: {what}",
            values=unknown,
            mend="Pass the space they were made in, a wider one, or other_spaces='drop'.",
        )
    warnings.warn(f"{what} and were left out: {unknown}.", LogWarning, stacklevel=4)


def _context_frame(contexts: list[dict[str, Any]]) -> pd.DataFrame:
    """Context columns: numbers and booleans as float64, text as text; a key that a row lacks is missing there."""
    names = list(dict.fromkeys(key for context in contexts for key in context))
    columns = {}
    for name in names:
        values = pd.Series([context.get(name) for context in contexts], dtype=object)
        present = values.dropna()
        if all(isinstance(value, int | float) for value in present):
            columns[name] = values.astype("float64")
        else:
            columns[name] = values.map(lambda value: value if value is None else str(value)).astype("str")
    return pd.DataFrame(columns, index=range(len(contexts)))


def _rewards(
    happened: pd.DataFrame,
    decision_id: pd.Series,
    decided_at: pd.Series,
    window: pd.Timedelta,
    now: pd.Timestamp,
    reward: str,
) -> tuple[NDArray[np.float64], pd.Series]:
    """Reward of each decision from the outcomes of its window, and the instant of its first success (NaT: none)."""
    rewards = np.zeros(len(decision_id))
    succeeded_at = pd.Series(pd.NaT, index=decided_at.index, dtype=decided_at.dtype)
    if not len(happened):
        return rewards, succeeded_at
    row_of = pd.Series(np.arange(len(decision_id)), index=decision_id)
    happened = happened[happened["decision_id"].isin(row_of.index)]
    row = row_of.loc[happened["decision_id"]].to_numpy()
    occurred_at = pd.to_datetime(happened["occurred_at"], utc=True).reset_index(drop=True)
    age = occurred_at - decided_at.iloc[row].reset_index(drop=True)
    nothing = pd.Timedelta(0)
    if early := int((age < nothing).sum()):
        warnings.warn(
            f"{early:,} outcomes lie before their decision and were left out: check the clocks of the senders.",
            LogWarning,
            stacklevel=3,
        )
    counts = ((age >= nothing) & (age < window) & (occurred_at <= now)).to_numpy(dtype=bool)
    reached = happened["outcome"].isin(_reaching(reward)).to_numpy() & counts
    if reward not in _AMOUNTS:
        rewards[row[reached]] = 1.0
        first = occurred_at[reached].groupby(row[reached]).min()
        succeeded_at.iloc[first.index.to_numpy()] = first.array
        return rewards, succeeded_at
    paid = happened[reached]
    currencies = paid["currency"].dropna().unique().tolist()
    if len(currencies) > 1:
        raise InvalidInput.in_column(
            "currency",
            "mixes currencies",
            values=currencies,
            mend="Train one strategy a currency: read the log by account group, or convert the amounts first.",
        )
    amounts = paid["amount_minor"].to_numpy(dtype=np.float64, na_value=np.nan)
    if untold := int(np.isnan(amounts).sum()):
        warnings.warn(
            f"{untold:,} payments have no amount; their decisions count as not known yet.", LogWarning, stacklevel=3
        )
    np.add.at(rewards, row[reached], amounts)
    return rewards, succeeded_at


def _reaching(reward: str) -> Sequence[str]:
    return ("paid",) if reward in _AMOUNTS else REACHED_BY[reward]


def _free_name(column: str, taken: set[str]) -> str:
    """``column``, or with leading underscores where the context has one of that name."""
    while column in taken:
        column = "_" + column
    taken.add(column)
    return column
