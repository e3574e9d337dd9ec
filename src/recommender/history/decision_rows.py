"""Which rows are decisions, what was eligible, and which contact carried out which decision."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.features import Knowledge, local_hours
from recommender.history.eligible_sets import EligibleSets
from recommender.history.raw_tables import RawTables

__all__ = ["decision_rows", "eligible_sets", "link_contacts", "link_lost_contacts"]

_HOUR_FACTORS = ("hour", "hour_local")
_INBOUND = ("debtor", "customer", "inbound")
_LONGEST_DELAY = pd.Timedelta(hours=48)


def decision_rows(
    raw: RawTables, sent: pd.DataFrame, actions: ActionSpace, knowledge: Knowledge, default_timezone: str
) -> pd.DataFrame:
    """One row a decision, by instant and id: the decisions table, or else the contacts that were sent."""
    frame = raw.frame("decisions")
    if frame is None:
        frame = _contacts_as_decisions(raw, sent, actions, knowledge, default_timezone)
    else:
        frame = frame.drop(columns="action", errors="ignore")
        for name in actions.factors:
            frame[name] = _nullable(frame[name])
        # What is asked of the table from here on: the rows themselves are sorted below.
        checked = raw.tables["decisions"]
        checked.frame = checked.frame[[name for name in ("_position", "eligible") if name in checked.frame]]
    return frame.sort_values(["decided_at", "decision_id"], kind="stable", ignore_index=True)


def link_contacts(raw: RawTables, rows: pd.DataFrame, sent: pd.DataFrame, actions: ActionSpace) -> NDArray[np.int64]:
    """Row of the decision that each sent contact carried out, -1 for none.

    By ``decision_id``; where no contact has one, by the account's latest decision for the same channel in the 48 hours
    before the contact.
    """
    ids = pd.Index(rows["decision_id"])
    if raw.frame("decisions") is None:
        return np.asarray(ids.get_indexer(pd.Index(sent["contact_id"])), dtype=np.int64)
    if _names_decisions(sent):
        positions = ids.get_indexer(pd.Index(sent["decision_id"]))
        loose = int((sent["decision_id"] < 0).sum())
        if loose:
            raw.notes.append(f"{loose:,} contacts have no decision_id: they count as history, not as decisions.")
        return np.asarray(positions, dtype=np.int64)
    raw.notes.append("No contact has a decision_id: contacts were linked by account, channel and time (48 hours).")
    by = ["account_id"] + (["channel"] if "channel" in actions.factors else [])
    right = rows[[*by, "decided_at"]].assign(_decision=np.arange(len(rows)))
    left = sent[[*by, "sent_at"]].assign(_contact=np.arange(len(sent)))
    for name in by:
        left[name], right[name] = left[name].astype(str), right[name].astype(str)
    joined = pd.merge_asof(
        left.sort_values("sent_at", kind="stable"),
        right.sort_values("decided_at", kind="stable"),
        left_on="sent_at",
        right_on="decided_at",
        by=by,
        tolerance=_LONGEST_DELAY,
    )
    linked = np.full(len(sent), -1, dtype=np.int64)
    linked[joined["_contact"].to_numpy()] = joined["_decision"].fillna(-1).to_numpy(dtype=np.int64)
    return linked


def link_lost_contacts(
    raw: RawTables, rows: pd.DataFrame, sent: pd.DataFrame, left_alone: NDArray[np.bool_]
) -> pd.DataFrame:
    """Contacts in quarantine, and the row of each decision that one may have carried out.

    By ``decision_id``; where no contact has one, or it names none of the table, any decision to contact the account in
    the 48 hours before may be meant, for the channel is in doubt as well (and before any time, if the instant is).
    """
    pairs = [pd.DataFrame({name: np.zeros(0, dtype=np.int64) for name in ("contact_id", "decision")})]
    if raw.lost is not None and len(raw.lost.contacts) and raw.frame("decisions") is not None:
        contacts = raw.lost.contacts
        loose = contacts["astray"] | (not _names_decisions(sent))
        for by, lost in (("decision_id", contacts.loc[~loose]), ("account_id", contacts.loc[loose])):
            near = rows[by].isin(lost[by]).to_numpy(dtype=bool) & ~(left_alone & (by == "account_id"))
            own = pd.DataFrame({by: rows[by].to_numpy()[near], "decision": np.flatnonzero(near)})
            candidates = lost.merge(own, on=by)
            if by == "account_id":
                decided = rows["decided_at"].iloc[candidates["decision"]].dt.as_unit("us").astype("int64").to_numpy()
                late = decided + _LONGEST_DELAY // pd.Timedelta(microseconds=1) < candidates["earliest"].to_numpy()
                candidates = candidates.loc[~late & (candidates["latest"].to_numpy() >= decided)]
            pairs.append(candidates[["contact_id", "decision"]])
    return pd.concat(pairs, ignore_index=True).drop_duplicates(ignore_index=True)


def _names_decisions(sent: pd.DataFrame) -> bool:
    return "decision_id" in sent and bool((sent["decision_id"] >= 0).any())


def eligible_sets(raw: RawTables, rows: pd.DataFrame, actions: ActionSpace) -> EligibleSets | None:
    """Eligible set of each decision, where the decisions table holds one.

    A cell is a text of ``0`` and ``1``, one an action, or a list of action indices (JSON). Rows whose set cannot be
    read, or excludes the action that was taken, go to quarantine.
    """
    if "eligible" not in rows or rows["eligible"].isna().all():
        return None
    written = rows["eligible"]
    if not isinstance(written.dtype, pd.CategoricalDtype):
        written = written.map(lambda cell: cell if isinstance(cell, str) else json.dumps(_plain(cell))).astype(
            "category"
        )
    sets = [_eligible_set(str(text), len(actions)) for text in written.cat.categories]
    sets.append(np.ones(len(actions), dtype=bool))  # an empty cell, code -1, allows everything
    unread = np.array([one is None for one in sets], dtype=bool)
    table = np.array([np.ones(len(actions), dtype=bool) if one is None else one for one in sets])
    code = written.cat.codes.to_numpy().astype(np.int32)
    code[code < 0] = len(sets) - 1
    wrong = unread[code]
    allowed = EligibleSets.of_sets(table, code)
    excluded = ~allowed.allows(actions.index_of(rows)) & ~wrong
    checked = raw.tables["decisions"]
    for mask, rule, reason, mend in (
        (wrong, "unreadable_set", f"is not a set of the {len(actions)} actions", "Write 0 and 1, one an action."),
        (excluded, "action_not_eligible", "excludes the action that was taken", "Log the set that the policy saw."),
    ):
        bad = np.zeros(len(checked.frame), dtype=bool)
        bad[np.isin(checked.frame["_position"].to_numpy(), rows["_position"].to_numpy()[mask])] = True
        checked.drop(bad, "eligible", rule, reason, mend)
    return allowed


def _eligible_set(text: str, n_actions: int) -> NDArray[np.bool_] | None:
    """Booleans of one eligible cell; an empty cell allows everything; None where it cannot be read."""
    stripped = text.strip()
    if stripped in ("", "null", "nan", "None"):
        return np.ones(n_actions, dtype=bool)
    if len(stripped) == n_actions and set(stripped) <= {"0", "1"}:
        return np.asarray(np.frombuffer(stripped.encode("ascii"), dtype=np.uint8) == ord("1"))
    try:
        listed = json.loads(stripped)
    except ValueError:
        return None
    if not isinstance(listed, list):
        return None
    if len(listed) == n_actions and all(isinstance(value, bool) for value in listed):
        return np.array(listed, dtype=bool)
    if not all(isinstance(value, int) and 0 <= value < n_actions for value in listed):
        return None
    mask = np.zeros(n_actions, dtype=bool)
    mask[listed] = True
    return mask


def _contacts_as_decisions(
    raw: RawTables, sent: pd.DataFrame, actions: ActionSpace, knowledge: Knowledge, default_timezone: str
) -> pd.DataFrame:
    """Sent, outbound contacts as decisions; an hour factor is read on the debtor's clock."""
    checked = raw.tables["contacts"]
    frame = sent.drop(columns=["decision_id", "message_kind", "template_id", "status", "cost_minor"], errors="ignore")
    if "initiated_by" in frame:
        frame = frame.loc[~frame["initiated_by"].isin(_INBOUND).to_numpy(dtype=bool)].reset_index(drop=True)
    frame = frame.rename(columns={"contact_id": "decision_id", "sent_at": "decided_at"})
    for name in actions.factors:
        if name in frame:
            frame[name] = _nullable(frame[name])
        elif name in _HOUR_FACTORS:
            states = knowledge.states
            zone_of = None
            if states is not None and "timezone" in states.frame:
                zone_of = states.frame.iloc[states.start[:-1]].set_index(states.account_ids)["timezone"]
            micros = frame["decided_at"].dt.as_unit("us").astype("int64").to_numpy()
            frame[name] = local_hours(micros, frame["account_id"], zone_of, default_timezone)
            raw.notes.append(f"{name} was read on the debtor's clock from sent_at.")
        else:
            raise InvalidInput.missing_columns([name], sent.columns.tolist(), role="table 'contacts', factor")
    # What a contact brought back (a call's duration, an agent's note) is no context: only contracted columns stay.
    frame = frame[["decision_id", "account_id", "decided_at", *actions.factors, "_position"]]
    wrong = np.zeros(len(frame), dtype=bool)
    for name, levels in actions.factors.items():
        bad = frame[name].isna().to_numpy(dtype=bool) | ~frame[name].isin(list(levels)).to_numpy(dtype=bool)
        bad &= ~wrong
        at = np.isin(checked.frame["_position"].to_numpy(), frame["_position"].to_numpy()[bad])
        checked.drop(
            at, name if name in checked.frame else "sent_at", "unknown_level",
            f"gives no known level of the action factor {name!r}", f"Known levels: {list(levels)!r}.",
        )  # fmt: skip
        wrong |= bad
    return frame.loc[~wrong].reset_index(drop=True)


def _nullable(column: pd.Series) -> pd.Series:
    """Whole numbers with gaps as nullable integers, so that 9 stays 9."""
    return column.astype("Int64") if pd.api.types.is_float_dtype(column.dtype) else column


def _plain(cell: Any) -> Any:
    if isinstance(cell, np.ndarray | list | tuple):
        return [value.item() if isinstance(value, np.generic) else value for value in cell]
    return None
