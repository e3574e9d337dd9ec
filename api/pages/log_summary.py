"""One pass over the log for all pages: decisions as numbers, every account's newest one, and those for people.

Memory is some fifty bytes a decision and some hundred an account, whatever the documents of the log weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from api.pages.arm_comparison import WINDOW_DAYS, compared, event_bits
from api.pages.log_pieces import Codes, Piece
from recommender.monitoring import measured

__all__ = ["FACTS", "LEVELS", "summarised"]

FACTS = ("stage", "days_past_due", "product", "country", "balance_minor", "currency")
"""What is shown of an account besides its newest decision."""

LEVELS = ("stage", "product", "country", "segment")
"""What decisions can be filtered by."""

_DECIDED = (
    "account_id", "debtor_id", "decision_id", "decided_at", "channel", "hour", "tone", "expected_reward", "lo", "hi",
    "margin", "needs_human", "taken_back", "fallback",
)  # fmt: skip
_FOR_PEOPLE = (
    "decision_id", "account", "account_id", "debtor_id", "decided_at", "stage", "product", "country", "segment",
    "channel", "hour", "taken_back", "why",
)  # fmt: skip
_CODED = ("stage", "product", "country", "segment", "currency")
_AS_LEVELS = (*_CODED, "channel", "tone", "why", "reason")
_LATE = "late_stage"

Costs = Mapping[str, Mapping[str, float]]


def summarised(
    pieces: Iterable[Piece],
    accounts: pd.DataFrame | None,
    is_control: Callable[[Any], NDArray[np.bool_]],
    costs: Costs | None,
    share: float,
) -> dict[str, Any]:
    """What the pages show of the log.

    Parameters
    ----------
    pieces : iterable of Piece
        The newest first.
    accounts : DataFrame or None
        From :func:`~api.pages.account_facts.account_facts`.
    is_control : callable
        Which debtors are of the control group.
    costs : mapping or None
        Cost of a contact: currency -> channel -> minor units.
    share : float
        Of debtors that are drawn into the control group.

    Returns
    -------
    dict
        ``decisions``: table of a row a decision, oldest first; ``accounts``: of a row an account of file or log;
        ``for_people``: of the decisions that a person is to look at, newest first; ``levels``; ``explored``: by
        version, how many decisions of it were ranked and in how many another action was expected to bring more;
        ``last``: last instant, in microseconds; and under ``whole`` and ``whole_*`` the comparison over everything.
    """
    reader = _Reader(is_control, costs)
    for piece in pieces:
        reader.add(piece)
    decisions = reader.decisions()
    whole = compared(decisions, None, share, reader.last)
    frames = {} if whole is None else {name: whole.pop(name) for name in ("segments", "table", "trend")}
    return {
        "decisions": decisions,
        "accounts": _newest(accounts, reader.newest(), is_control),
        "for_people": _table(reader.for_people(), ()),
        "levels": {name: sorted(reader.codes[name].levels) for name in LEVELS},
        "explored": {name: [int(n), int(up)] for name, (n, up) in reader.explored.items()},
        "last": reader.last,
        "whole": whole,
        **{f"whole_{name}": frame for name, frame in frames.items()},
    }


class _Reader:
    """Takes pieces of the log, the newest first, and keeps of each what the pages need."""

    def __init__(self, is_control: Callable[[Any], NDArray[np.bool_]], costs: Costs | None) -> None:
        self.codes = {name: Codes() for name in ("account", "debtor", *_CODED)}
        self.explored: dict[str, NDArray[np.int64]] = {}
        self.last: int | None = None
        self._is_control, self._costs = is_control, costs
        self._control = np.zeros(0, dtype=bool)
        self._seen = np.zeros(0, dtype=bool)
        self._decisions: list[dict[str, NDArray[Any]]] = []
        self._newest: list[pd.DataFrame] = []
        self._for_people: list[pd.DataFrame] = []

    def add(self, piece: Piece) -> None:
        """Count a piece that lies before those that were added."""
        frame, happened = piece.decisions, piece.outcomes
        account = self.codes["account"].of(frame["account_id"])
        control = self._control_of(frame["debtor_id"])
        self._decisions.append(self._numbers(frame, happened, account, control))
        instants = [*frame["decided_at"].tail(1), *([happened["occurred_at"].max()] if len(happened) else [])]
        self.last = max([one.value // 1_000 for one in instants] + ([] if self.last is None else [self.last]))
        self._newest.append(frame.loc[self._not_seen(account)].reindex(columns=[*_DECIDED, *FACTS]))
        self._keep_for_people(frame.assign(account=account))
        ranked = ~control & frame["explored"].notna().to_numpy()
        for version, own in frame.loc[ranked].groupby("policy_version")["explored"]:
            told = np.array([len(own), int(own.sum())])
            self.explored[str(version)] = self.explored.get(str(version), np.zeros(2, dtype=np.int64)) + told

    def _numbers(
        self, frame: pd.DataFrame, happened: pd.DataFrame, account: NDArray[np.int32], control: NDArray[np.bool_]
    ) -> dict[str, NDArray[Any]]:
        at = happened["decision_id"].map(pd.Series(frame["decided_at"].array, index=frame["decision_id"].array))
        soon = happened.loc[((happened["occurred_at"] - at) < pd.Timedelta(days=WINDOW_DAYS)).to_numpy(dtype=bool)]
        arm = np.where(control, "holdout", "policy")
        ever, early = (measured(frame, told, arm, self._costs) for told in (happened, soon))
        return {
            "account": account,
            "debtor": self.codes["debtor"].of(frame["debtor_id"]),
            "is_control": control,
            "decided_at": frame["decided_at"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]"),
            **{name: self._coded(frame, name) for name in _CODED},
            "balance_minor": frame["balance_minor"].to_numpy(dtype=np.float64),
            "contacts": ever["contacts"].to_numpy(dtype=np.uint8),
            "cost_minor": ever["cost_minor"].to_numpy(),
            "paid_minor": ever["paid_minor"].to_numpy(),
            "paid_soon_minor": early["paid_minor"].to_numpy(),
            "events": event_bits(ever),
            "events_soon": event_bits(early),
        }

    def _coded(self, frame: pd.DataFrame, name: str) -> NDArray[np.int32]:
        return self.codes[name].of(frame[name]) if name in frame else np.full(len(frame), -1, dtype=np.int32)

    def _control_of(self, debtors: pd.Series) -> NDArray[np.bool_]:
        known = len(self.codes["debtor"].levels)
        codes = self.codes["debtor"].of(debtors)
        new = [*self.codes["debtor"].levels][known:] if len(self.codes["debtor"].levels) > known else []
        if new:
            self._control = np.concatenate([self._control, self._is_control(new)])
        control = np.zeros(len(codes), dtype=bool)
        control[codes >= 0] = self._control[codes[codes >= 0]]
        return control

    def _not_seen(self, account: NDArray[np.int32]) -> NDArray[np.bool_]:
        """The newest decision of each account that was in no piece before."""
        grown = np.zeros(len(self.codes["account"].levels), dtype=bool)
        grown[: len(self._seen)] = self._seen
        newest: NDArray[np.bool_] = ~grown[account] & ~pd.Series(account).duplicated(keep="last").to_numpy()
        grown[account] = True
        self._seen = grown
        return newest

    def _keep_for_people(self, frame: pd.DataFrame) -> None:
        why = frame["why"].astype(object) if "why" in frame else pd.Series(None, index=frame.index, dtype=object)
        looked_at = frame["needs_human"] | why.notna()
        if not looked_at.any():
            return
        own = frame.assign(why=why).loc[looked_at].reindex(columns=[*_FOR_PEOPLE])
        reason = [one.partition(";")[0] if isinstance(one, str) else _LATE for one in own["why"].tolist()]
        self._for_people.append(own.assign(reason=pd.Series(reason, index=own.index, dtype=object)).iloc[::-1])

    def decisions(self) -> pa.Table:
        """Table of all decisions, oldest first."""
        whole = self._decisions[::-1]
        columns: dict[str, pa.Array] = {}
        for name in [*whole[0]] if whole else ():
            values = np.concatenate([one.pop(name) for one in whole])
            columns[name] = _levels(values, self.codes[name]) if name in _CODED else pa.array(values)
        return pa.table(columns)

    def newest(self) -> pd.DataFrame:
        """Newest decision of each account."""
        empty = pd.DataFrame({name: pd.Series(dtype=object) for name in (*_DECIDED, *FACTS)})
        return pd.concat(self._newest, ignore_index=True) if self._newest else empty

    def for_people(self) -> pd.DataFrame:
        """Decisions that a person is to look at, newest first."""
        empty = pd.DataFrame({name: pd.Series(dtype=object) for name in (*_FOR_PEOPLE, "reason")})
        return pd.concat(self._for_people, ignore_index=True) if self._for_people else empty


def _levels(values: NDArray[np.int32], codes: Codes) -> pa.Array:
    known = pa.array(values, mask=values < 0)
    return pa.DictionaryArray.from_arrays(known, pa.array([*codes.levels], pa.string()))


def _newest(
    accounts: pd.DataFrame | None, newest: pd.DataFrame, is_control: Callable[[Any], NDArray[np.bool_]]
) -> pa.Table:
    """Accounts of portfolio and log in the order of their ids; what the portfolio knows of them comes first."""
    newest = newest.set_index(newest["account_id"].astype("str")).drop(columns="account_id")
    if accounts is None:
        merged = newest
    else:
        ids = accounts.index.union(newest.index)
        merged = newest.reindex(ids)
        file = accounts.index.get_indexer(ids)
        for name in ("debtor_id", *FACTS):
            own = pd.Series(pd.api.extensions.take(accounts[name].array, file, allow_fill=True), index=ids)
            merged[name] = own.astype(object).where(own.notna(), merged[name])
        merged["segment"] = pd.Series(
            pd.api.extensions.take(accounts["segment"].array, file, allow_fill=True), index=ids
        ).astype(object)
    merged = merged.sort_index(kind="stable")
    merged = merged.assign(is_control=is_control(merged["debtor_id"]))
    return _table(merged.rename_axis("account_id").reset_index(), ("days_past_due", "balance_minor"))


def _table(frame: pd.DataFrame, numbers: Iterable[str]) -> pa.Table:
    """A frame as it is kept: words that repeat as codes, ids as text, flags as flags."""
    columns: dict[str, pa.Array] = {}
    for name in frame.columns:
        values = frame[name]
        if name in _AS_LEVELS:
            columns[name] = pa.array(_texts(values), pa.string()).dictionary_encode()
        elif name.endswith("_id"):
            columns[name] = pa.array(_texts(values), pa.string())
        elif name == "decided_at":
            moments = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
            columns[name] = pa.array(moments).cast(pa.timestamp("us", "UTC"))
        elif name in ("needs_human", "taken_back", "fallback", "is_control"):
            columns[name] = pa.array([None if pd.isna(one) else bool(one) for one in values.tolist()], pa.bool_())
        elif name == "account":
            columns[name] = pa.array(values.to_numpy(dtype=np.int32))
        elif name in ("expected_reward", "lo", "hi", "margin", "hour", *numbers):
            columns[name] = pa.array(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    return pa.table(columns)


def _texts(values: pd.Series) -> list[str | None]:
    known = values.notna().tolist()
    return [str(one) if there else None for one, there in zip(values.tolist(), known, strict=True)]
