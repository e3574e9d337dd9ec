"""Callbacks that debtors asked for and promises that fall due: they come before every score."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.intake import Moment, canonical_channel, id_key, moment_of, plain_word
from recommender.planning.local_files import local_table
from recommender.rules import Eligibility

__all__ = ["Appointments"]

_KINDS = ("callback", "promise")
_COLUMNS = ("account_id", "at", "channel", "kind")
_WORDS = {
    "account_id": "",
    "at": "fecha_hora fecha_y_hora hora momento cuando",
    "channel": "canal medio",
    "kind": "tipo clase",
}
_KIND_OF = {
    word: kind
    for kind, words in {
        "callback": "callback call_back llamar devolver_llamada rellamada volver_a_llamar",
        "promise": "promise promesa compromiso promesa_de_pago compromiso_de_pago promise_to_pay",
    }.items()
    for word in words.split()
}


@dataclass(frozen=True)
class Appointments:
    """Contacts that are due at a given hour over a given channel.

    Attributes
    ----------
    table : DataFrame
        ``account_id``, ``at`` (UTC), ``channel``, ``kind`` ("callback" or "promise"), in order of time.
    since : Timestamp or None
        When the first day of the plan begins.
    """

    table: pd.DataFrame
    since: pd.Timestamp | None = None

    @classmethod
    def none(cls) -> Self:
        """No appointment."""
        return cls(pd.DataFrame({name: pd.Series(dtype="str") for name in _COLUMNS}))

    @classmethod
    def read(cls, path: Path, as_of: datetime, days: int = 1) -> Self:
        """Read those of the days from ``as_of`` on, each of 24 hours.

        Raises
        ------
        InvalidInput
            For missing columns, unreadable instants or unknown kinds.
        """
        table = local_table(path, f"appointments in {path}", _WORDS)
        missing = [name for name in _COLUMNS if name not in table.columns]
        if missing:
            raise InvalidInput.missing_columns(missing, list(table.columns), role=f"appointments in {path}")
        kinds = table["kind"].map(lambda word: _KIND_OF.get(plain_word(word)))
        channels = table["channel"].map(canonical_channel)
        instants = pd.to_datetime(table["at"].map(_instant), utc=True)
        for name, read, text, mend in (
            ("kind", kinds, "is unknown", f"Use {_KINDS}."),
            ("channel", channels, "is no channel", "Write e.g. call, sms or whatsapp."),
            ("at", instants, "is not an instant with its offset", "Write e.g. 2026-11-23T15:00:00-05:00."),
        ):
            bad = np.flatnonzero(read.isna())
            if len(bad):
                raise InvalidInput.in_column(name, text, values=table[name].iloc[bad], rows=bad.tolist(), mend=mend)
        kept = table.assign(at=instants, kind=kinds, channel=channels)
        moment = pd.Timestamp(as_of).tz_convert("UTC")
        kept = kept.loc[(instants > moment) & (instants <= moment + pd.Timedelta(days=days))]
        kept = kept.sort_values(["at", "account_id"], kind="stable", ignore_index=True)[list(_COLUMNS)]
        return cls(kept, moment)

    def of_day(self, day: int) -> Self:
        """Those of one day of a plan, from 0; without a moment to count from all are of the first."""
        if not len(self.table) or self.since is None:
            return self if day == 0 else type(self).none()
        begin = self.since + pd.Timedelta(days=day)
        mine = (self.table["at"] > begin) & (self.table["at"] <= begin + pd.Timedelta(days=1))
        return type(self)(self.table.loc[mine].reset_index(drop=True), self.since)

    def match(
        self,
        facts: pd.DataFrame,
        allowed: Eligibility,
        values: NDArray[np.float64],
        open_: NDArray[np.bool_],
        actions: ActionSpace,
        first: int,
        busy: AbstractSet[str] = frozenset(),
    ) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Find the action of each appointment: its channel, the hour it falls in, the best tone that is legal.

        Parameters
        ----------
        facts : DataFrame
            ``account_id`` and ``debtor`` of the accounts of a chunk.
        allowed : Eligibility
        values : ndarray of shape (m, n_actions)
        open_ : ndarray of shape (m, n_actions), dtype bool
        actions : ActionSpace
        first : int
            Place of the chunk's first account.
        busy : set of str
            Debtors with an appointment on an earlier day of the plan.

        Returns
        -------
        placed : DataFrame
            ``place``, ``debtor``, ``action``, ``at``, ``value``, ``reason``.
        unplaced : list of dict
            With the reason in ``why``.
        """
        at_account = (
            {id_key(name): at for at, name in enumerate(facts["account_id"].tolist())} if len(self.table) else {}
        )
        keys = self.table["account_id"].map(id_key)
        mine = self.table.loc[keys.isin(list(at_account))]
        rows: list[dict[str, Any]] = []
        unplaced: list[dict[str, Any]] = []
        taken: set[str] = set()
        for appointment in mine.to_dict("records"):
            at = at_account[id_key(appointment["account_id"])]
            debtor = str(facts["debtor"].iloc[at])
            fitting = _fitting(actions, appointment["channel"], appointment["at"], allowed.contact_at[at])
            legal = [action for action in fitting if open_[at, action]]
            why = None
            if debtor in busy:
                why = "the debtor has an earlier appointment in this plan; this one is kept when its day comes"
            elif debtor in taken:
                why = "the debtor has an earlier appointment that day"
            elif not fitting:
                why = "no action of this channel and hour"
            elif not legal:
                rules = sorted({rule for action in fitting for rule in allowed.rules(at, action)})
                why = f"denied by {', '.join(rules)}" if rules else "no queue serves it"
            if why is not None:
                unplaced.append(_unmet(appointment, why))
                continue
            best = max(legal, key=lambda action: (values[at, action], -action))
            taken.add(debtor)
            rows.append(
                {
                    "place": first + at,
                    "debtor": debtor,
                    "action": best,
                    "at": appointment["at"],
                    "value": float(np.float32(values[at, best])),
                    "reason": appointment["kind"],
                }
            )
        columns = ["place", "debtor", "action", "at", "value", "reason"]
        return pd.DataFrame(rows, columns=columns), unplaced

    def of_nobody(self, facts: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
        """Appointments of accounts that the portfolio does not hold."""
        if not len(self.table):
            return []
        known = {id_key(one) for part in facts for one in part["account_id"]}
        lost = self.table.loc[~self.table["account_id"].map(id_key).isin(known)]
        return [_unmet(appointment, "the account is not in the portfolio") for appointment in lost.to_dict("records")]


def _fitting(actions: ActionSpace, channel: str, at: pd.Timestamp, contact_at: NDArray[np.datetime64]) -> list[int]:
    """Contact actions of the channel whose hour holds the instant."""
    codes = actions.codes[: actions.n_contact_actions]
    names = np.array([str(level) for level in actions.factors["channel"]])
    fits = names[codes[:, actions.factor_names.index("channel")]] == channel
    if "hour" in actions.factors:
        instant = np.datetime64(at.tz_convert(None).to_datetime64(), "us")
        with np.errstate(invalid="ignore"):
            inside = (contact_at <= instant) & (instant < contact_at + np.timedelta64(1, "h"))
        fits &= inside[codes[:, actions.factor_names.index("hour")]]
    return [int(action) for action in np.flatnonzero(fits)]


def _instant(cell: str) -> datetime | None:
    """The instant of a cell that tells its offset: 15:00 of no clock may be any hour of the debtor's."""
    read = moment_of(cell)
    return read.at if isinstance(read, Moment) and read.aware else None


def _unmet(row: dict[str, Any], why: str) -> dict[str, Any]:
    return {"account_id": row["account_id"], "at": row["at"].isoformat(), "kind": row["kind"], "why": why}
