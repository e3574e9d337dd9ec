"""A plan in force during its day: what of it was sent or is under way, so that the rest can be planned again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.plan_inputs import ChunkInputs, PlanInputs
from recommender.store.decision_log import DecisionLog

__all__ = ["SentToday"]

_UNDER_WAY = timedelta(hours=1)
_SENT = ("dispatched", "overridden")
_HEARD = ("account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "promise_date", "callback_at")
_IDS_AT_ONCE = 5_000


@dataclass(frozen=True)
class SentToday:
    """What is kept of the plan in force, and what was heard meanwhile.

    Attributes
    ----------
    kept : DataFrame
        Contacts of the plan's first day that were sent, or whose hour has begun: ``account_id``, ``debtor``, ``queue``,
        ``channel``, ``contact_at``, ``decision_id``, ``state`` ("sent" or "under way").
    released : DataFrame
        Contacts of that day that nobody made: they are planned again.
    ends : Timestamp
        End of the day; nothing is planned beyond it.
    heard : DataFrame
        Contacts and outcomes that the decision log knows, in the form of a contact history; may be empty.
    most, hours_between
        Of the capacities: contacts of a debtor a day, and hours between them.
    counted : frozenset of str
        Decisions of the log whose contacts are in ``heard``.
    """

    kept: pd.DataFrame
    released: pd.DataFrame
    ends: pd.Timestamp
    heard: pd.DataFrame
    most: int
    hours_between: float
    counted: frozenset[str] = frozenset()
    _last: dict[str, tuple[int, pd.Timestamp]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        by_debtor = self.kept.groupby("debtor")["contact_at"].agg(["size", "max"])
        self._last.update(
            (str(name), (int(count), last))
            for name, count, last in zip(by_debtor.index, by_debtor["size"], by_debtor["max"], strict=True)
        )

    @classmethod
    def read(
        cls,
        folder: Path,
        inputs: PlanInputs,
        now: datetime,
        capacity: CapacityOrder,
        log: DecisionLog | None = None,
    ) -> SentToday:
        """Compare a plan on disk with what the contact history and the decision log say of its day.

        A contact counts as sent where the log says so, or where the history holds one of the same account and channel
        after the plan was made. Without a log, and with a history that ends before the plan was made, every contact
        that was due counts as made: what is not known denies.

        Raises
        ------
        InvalidInput
            When the folder holds no plan, or its day is over or has not begun.
        """
        try:
            about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
            plan = pd.read_parquet(folder / "plan.parquet")
            began, ends = _day_of(about)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{folder} cannot be read as a plan: {error}", column="replaces") from error
        moment = pd.Timestamp(now).tz_convert("UTC")
        if not began <= moment < ends:
            raise InvalidInput(
                f"The plan in {folder} is for {began.isoformat()} to {ends.isoformat()}; now is {moment.isoformat()}.",
                column="as_of",
                mend="Make a new plan without --replaces.",
            )
        plan = plan.loc[plan["day"] == 1].reset_index(drop=True)
        heard, at_log, counted = _known_to_log(log, plan, moment)
        at_history, history_goes_on = _sent_in_history(inputs, plan, began, moment)
        at = at_log.fillna(at_history)
        # where neither log nor history reaches into the day, nobody knows what was not sent: all that was due counts
        knows = log is not None or history_goes_on
        under_way = at.isna() & (plan["contact_at"] <= moment)
        under_way &= (plan["contact_at"] > moment - _UNDER_WAY) | (not knows)
        state = np.where(at.notna(), "sent", np.where(under_way, "under way", "released"))
        plan = plan.assign(contact_at=at.fillna(plan["contact_at"]), state=pd.array(state, dtype="str"))
        kept = plan.loc[state != "released"].reset_index(drop=True)
        # those of an hour that runs are on their way: the history does not know them yet, the law must
        ahead = kept.loc[kept["state"] == "under way"]
        known = pd.DataFrame({"account_id": ahead["account_id"], "sent_at": ahead["contact_at"],
                              "channel": ahead["channel"].astype("str"), "initiated_by": "creditor",
                              "outcome": None, "status": "planned"})  # fmt: skip
        parts = [part for part in (heard, known) if len(part)]
        history = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_HEARD))
        return cls(
            kept, plan.loc[state == "released"].reset_index(drop=True), ends, history, capacity.contacts_per_debtor,
            capacity.hours_between, counted,
        )  # fmt: skip

    @staticmethod
    def is_under_way(folder: Path, now: datetime) -> bool:
        """Whether the folder holds a plan whose day has begun before ``now`` and is not over."""
        try:
            about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
            began, ends = _day_of(about)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return bool(began < pd.Timestamp(now).tz_convert("UTC") < ends)

    def known_to(self, part: ChunkInputs) -> ChunkInputs:
        """The chunk with what was heard of its accounts in their history; an unknown history stays unknown."""
        if part.contacts is None or not len(self.heard):
            return part
        mine = self.heard.loc[self.heard["account_id"].isin(part.accounts["account_id"].astype("str"))]
        if not len(mine):
            return part
        mine = mine.drop(columns=[name for name in _HEARD[-2:] if name in mine and mine[name].isna().all()])
        if part.contacts.empty:
            return replace(part, contacts=mine.reset_index(drop=True))
        if _is_text(part.contacts):
            mine = mine.assign(sent_at=[one.isoformat() for one in mine["sent_at"]])
        elif "callback_at" in mine:
            mine = mine.assign(callback_at=pd.to_datetime(mine["callback_at"], utc=True))
        return replace(part, contacts=pd.concat([part.contacts, mine], ignore_index=True))

    def open_at(self, debtors: pd.Series, contact_at: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Instants of the rest of the day that leave what was sent its distance; shape of ``contact_at``."""
        with np.errstate(invalid="ignore"):
            open_ = contact_at <= self.ends.tz_convert(None).to_datetime64().astype("datetime64[us]")
            for row, name in enumerate(debtors.tolist()):
                count, last = self._last.get(name, (0, None))
                if count >= self.most:
                    open_[row] = False
                elif last is not None:
                    least = (last + pd.Timedelta(hours=self.hours_between)).tz_convert(None)
                    open_[row] &= contact_at[row] >= least.to_datetime64().astype("datetime64[us]")
        return np.asarray(open_)

    def used(self, queues: Mapping[str, float]) -> dict[str, float]:
        """What was used of the day's quotas and budget, by name of the row; ``queues`` are costs a contact."""
        count = self.kept["queue"].value_counts()
        quotas = {f"{name} quota": float(count.get(name, 0)) for name in queues}
        return quotas | {"budget": sum(cost * float(count.get(name, 0)) for name, cost in queues.items())}

    def changes(self, contacts: pd.DataFrame) -> dict[str, Any]:
        """What became of the old plan, for ``about.json``: how many contacts are kept, stay, move or are withdrawn."""
        key = ["account_id", "channel", "contact_at"]
        old, new = self.released, contacts.loc[contacts["day"] == 1]
        stay = len(old[key].astype(str).merge(new[key].astype(str).drop_duplicates(), on=key))
        return {
            "sent": int((self.kept["state"] == "sent").sum()),
            "under_way": int((self.kept["state"] == "under way").sum()),
            "as_planned": stay,
            "moved": int(old["account_id"].isin(new["account_id"]).sum()) - stay,
            "withdrawn": int((~old["account_id"].isin(new["account_id"])).sum()),
            "new": int((~new["account_id"].isin(old["account_id"])).sum()),
            "withdrawn_decisions": old.loc[~old["account_id"].isin(new["account_id"]), "decision_id"].tolist(),
        }


def _day_of(about: Mapping[str, Any]) -> tuple[pd.Timestamp, pd.Timestamp]:
    began = pd.Timestamp(about["as_of"]).tz_convert("UTC")
    return began, pd.Timestamp(about.get("ends") or began + pd.Timedelta(days=1)).tz_convert("UTC")


def _is_text(contacts: pd.DataFrame) -> bool:
    return not pd.api.types.is_datetime64_any_dtype(contacts["sent_at"])


def _known_to_log(
    log: DecisionLog | None, plan: pd.DataFrame, now: pd.Timestamp
) -> tuple[pd.DataFrame, pd.Series, frozenset[str]]:
    """Contacts and outcomes of the plan's debtors in the log, when each of the plan was sent, and whose they are."""
    at = pd.Series(pd.NaT, index=plan.index, dtype="datetime64[us, UTC]")
    if log is None or plan.empty:
        return pd.DataFrame(columns=list(_HEARD)), at, frozenset()
    rows: list[dict[str, Any]] = []
    when: dict[str, pd.Timestamp] = {}
    names = [name.partition(" ")[2] for name in plan["debtor"]]
    owner = dict(zip(plan["account_id"], names, strict=True))
    debtors = sorted(set(names))
    for first in range(0, len(debtors), _IDS_AT_ONCE):
        some = debtors[first : first + _IDS_AT_ONCE]
        mine = {account: name for account, name in owner.items() if name in set(some)}
        standing = log.standing(some, (now - pd.Timedelta(days=400)).to_pydatetime(), mine)
        for contacts in standing.contacts.values():
            for contact in contacts:
                if contact.state in _SENT:
                    when[contact.decision_id] = pd.Timestamp(contact.at).tz_convert("UTC")
                    rows.append(_row(contact.account_id, contact.at, contact.channel, None))
        for outcomes in standing.outcomes.values():
            rows += [
                _row(one.account_id, one.occurred_at, one.channel, one.outcome)
                | {
                    "promise_date": None if one.promise_date is None else one.promise_date.isoformat(),
                    "callback_at": None if one.callback_at is None else one.callback_at.isoformat(),
                }
                for one in outcomes
            ]
    sent = plan["decision_id"].map(when)
    heard = pd.DataFrame(rows, columns=list(_HEARD)).drop_duplicates(ignore_index=True)
    return heard, pd.to_datetime(sent, utc=True).astype("datetime64[us, UTC]"), frozenset(when)


def _row(account: str, at: datetime, channel: str | None, outcome: str | None) -> dict[str, Any]:
    instant = pd.Timestamp(at).tz_convert("UTC")
    row = {"account_id": account, "sent_at": instant, "channel": channel, "initiated_by": "creditor"}
    return row | {"outcome": outcome, "status": "sent"}


def _sent_in_history(
    inputs: PlanInputs, plan: pd.DataFrame, began: pd.Timestamp, now: pd.Timestamp
) -> tuple[pd.Series, bool]:
    """When the history says that each contact of the plan was sent, and whether it tells anything after its begin."""
    last: dict[tuple[str, str], pd.Timestamp] = {}
    for chunk in inputs.chunks:
        contacts = inputs.read(chunk).contacts
        if contacts is None or contacts.empty or "channel" not in contacts:
            continue
        at = pd.to_datetime(contacts["sent_at"], utc=True)
        mine = (at > began) & (at <= now)
        for name, word in (("status", "planned"), ("initiated_by", "debtor")):
            if name in contacts:
                mine &= contacts[name].ne(word)
        rows = contacts.loc[mine]
        for account, channel, when in zip(rows["account_id"], rows["channel"], at[mine], strict=True):
            last[str(account), str(channel)] = when
    keys = zip(plan["account_id"].astype(str), plan["channel"].astype(str), strict=True)
    sent = pd.Series([last.get(key, pd.NaT) for key in keys], index=plan.index)
    return pd.to_datetime(sent, utc=True).astype("datetime64[us, UTC]"), bool(last)
