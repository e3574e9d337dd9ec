"""Which actions accounts may be contacted with: the mask that a policy is normalised over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Tabular
from recommender.rules.action_cells import Catalogue
from recommender.rules.guardrails import Case, CasePart, Guardrails
from recommender.rules.next_instant import NEVER, first_open
from recommender.rules.provenance import Provenance
from recommender.rules.rule_details import RuleDetail, rule_detail
from recommender.rules.schema import Pack

__all__ = ["Eligibility", "eligibility", "judged"]

#: Rules that are named for an account left alone, and such accounts looked at together.
_REASONS, _WHY_ROWS = 3, 4_096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Eligibility:
    """What each account may be contacted with.

    Attributes
    ----------
    mask : ndarray of shape (n_accounts, n_actions), dtype bool
        ``NO_CONTACT`` is always True.
    contact_at : ndarray of shape (n_accounts, n_hours), dtype datetime64[us]
        UTC instants that the hours stand for; ``NaT`` where the debtor's day lacks the hour.
    needs_human : ndarray of shape (n_accounts,), dtype bool
        A person looks at these before anything is sent.
    provenance : Provenance
        Packs with versions and digests, versions of holidays and tz data, warnings.
    """

    mask: NDArray[np.bool_]
    contact_at: NDArray[np.datetime64]
    needs_human: NDArray[np.bool_]
    provenance: Provenance
    _removed: dict[str, int]
    _case: Case = field(repr=False)
    _closed: dict[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    @property
    def purpose(self) -> str:
        """What the contacts are for."""
        return self._case.guardrails.purpose

    def days_past_due(self) -> NDArray[np.int64]:
        """Days past due on the debtor's own date at the instant of each hour, shape (n_accounts, n_hours)."""
        parts = self._case.parts
        if len(parts) == 1:
            return self._case.days_past_due(parts[0])
        days = np.empty(self.contact_at.shape, dtype=np.int64)
        for part in parts:
            days[part.rows] = self._case.days_past_due(part)
        return days

    def incentive_ranges(self) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        """Range of what may be given away that each pack sets.

        Returns
        -------
        list of (rule, least, most, from_days)
            Per cent of the balance and days past due, each of shape (n_accounts,); NaN where the pack does not hold.
        """
        n = len(self.mask)
        tables: dict[str, NDArray[np.float64]] = {}
        for part in self._case.parts:
            for pack in part.law.packs:
                if pack.incentive is not None:
                    limits = (pack.incentive.min_percent, pack.incentive.max_percent, pack.incentive.from_days)
                    table = tables.setdefault(f"{pack.id.lower()}-incentive", np.full((3, n), np.nan))
                    table[:, part.rows] = np.array(limits, dtype=np.float64)[:, None]
        return [(rule, table[0], table[1], table[2]) for rule, table in tables.items()]

    def open_channels(self) -> NDArray[np.int64]:
        """Channels that the debtor consented to and has not opted out of, as sets over ``CHANNELS``."""
        table = self._case.facts.table
        return np.asarray(table["consents"] & ~table["opt_outs"])

    def human_reasons(self) -> tuple[list[str | None], NDArray[np.datetime64]]:
        """Why a person looks at each account first: ids of the rules with ``;``, None where nobody needs to.

        Returns
        -------
        reasons : list of str or None, of length n_accounts
        since : ndarray of datetime64[D] of shape (n_accounts,)
            Where the age of the debt alone asks for it; ``NaT`` where a fact does, whose day nobody told.
        """
        reasons: list[str | None] = [None] * len(self.mask)
        since = np.full(len(self.mask), np.datetime64("NaT", "D"))
        for part in self._case.parts:
            rows = part.rows[self.needs_human[part.rows]]
            if not len(rows):
                continue
            texts, days = self._case.human_reasons(self._case.part(rows))
            for row, text in zip(rows.tolist(), texts, strict=True):
                reasons[row] = text
            known = ~np.isnan(days)
            since[rows[known]] = days[known].astype(np.int64).astype("datetime64[D]")
        return reasons, since

    def narrowed(self, allowed: NDArray[np.bool_], rule: str) -> Eligibility:
        """The same, with further actions taken out for a reason of its own; ``NO_CONTACT`` stays.

        Parameters
        ----------
        allowed : ndarray of bool of shape (n_accounts, n_actions) or (n_actions,)
        rule : str
            What :meth:`counts` and :meth:`rules` name.
        """
        closed = ~np.broadcast_to(allowed, self.mask.shape)
        idle = self._case.guardrails.actions.no_contact_index
        if idle is not None:
            closed[:, idle] = False
        removed = {**self._removed, rule: self._removed.get(rule, 0) + int(np.count_nonzero(closed))}
        if (before := self._closed.get(rule)) is not None:
            closed = closed | before
        return replace(self, mask=self.mask & ~closed, _removed=removed, _closed={**self._closed, rule: closed})

    def closed_by(self, rule: str) -> NDArray[np.bool_] | None:
        """What :meth:`narrowed` took out under a name, shape (n_accounts, n_actions); None where nothing."""
        return self._closed.get(rule)

    def counts(self) -> dict[str, int]:
        """Number of (account, action) pairs that each rule removes; a pair may count for several rules."""
        return {rule: count for rule, count in sorted(self._removed.items()) if count}

    def rules(self, row: int, action: int) -> tuple[str, ...]:
        """Ids of every rule that removes an action of an account; empty where it is eligible."""
        return self.rules_of(row, [action])[0]

    def rules_of(self, row: int, actions: Sequence[int]) -> list[tuple[str, ...]]:
        """Rules of several actions of an account, which is judged once."""
        idle, channel = self._case.guardrails.actions.no_contact_index, self._case.guardrails.cells.channel
        gone = self._gone(row)

        def of(action: int) -> tuple[str, ...]:
            if action == idle:
                return ()
            return ("input",) if channel[action] < 0 else tuple(rule for rule, out in gone.items() if out[action])

        return [of(int(action)) for action in actions]

    def citations(self, row: int, action: int) -> tuple[str, ...]:
        """Law and article behind each rule that removes the action."""
        return tuple(self.provenance.citation(rule) for rule in self.rules(row, action))

    def removed(self, row: int) -> dict[str, NDArray[np.bool_]]:
        """Rule -> which actions of an account it removes, shape (n_actions,); an action may fall to several rules."""
        idle = [] if self._case.guardrails.actions.no_contact_index is None else [False]
        return {rule: np.append(gone, idle).astype(np.bool_) for rule, gone in self._gone(row).items()}

    def _gone(self, row: int) -> dict[str, NDArray[np.bool_]]:
        """Contact actions of a row that each rule removes, in the order of the rules."""
        guardrails = self._case.guardrails
        part = self._case.part(np.array([row]))
        verdict = self._case.judge(part, keep=True)
        known = guardrails.cells.channel >= 0
        by_rule: dict[str, NDArray[np.bool_]] = {}
        cells = (verdict.failing[:, 0, guardrails.cells.hour] >> np.maximum(guardrails.cells.channel, 0)) & 1 == 1
        unused = np.zeros((1, len(guardrails.actions)), dtype=bool)
        _, failing = self._case.open_actions(part, verdict.allowed, unused, keep=True)
        names = [*(name.id for name in part.law.names), *guardrails.cells.tests(part.law)]
        for name, gone in zip(names, [*(cells & known), *failing[:, 0]], strict=True):
            if gone.any():
                by_rule[name] = by_rule[name] | gone if name in by_rule else gone
        closed = {rule: gone[row, : len(known)] for rule, gone in self._closed.items()}
        return by_rule | {rule: gone for rule, gone in closed.items() if gone.any()}

    def detail(self, rule: str) -> RuleDetail:
        """Kind, pack, citation and limit behind a rule id."""
        return rule_detail(rule, self._case.packs, self.provenance.citation(rule))

    def next_allowed_at(self, row: int, action: int) -> datetime | None:
        """Earliest instant in the 60 days from the action's own at which its channel is allowed, or None."""
        channel = int(self._case.guardrails.cells.channel[action])
        return None if channel < 0 else self._next(row, [(channel, int(self._case.guardrails.cells.hour[action]))])

    def next_contact_at(self, row: int) -> datetime | None:
        """Earliest instant in 60 days at which some channel of the action space is allowed, or None.

        Each channel counts from the instant of the first action that uses it; one that the account's facts forbid,
        which time does not lift, is not looked for.
        """
        guardrails = self._case.guardrails
        part = self._case.part(np.array([row]))
        lasting = self._case.judge(part, keep=True).failing[part.law.lasting(), 0, 0]
        forbidden = int(np.bitwise_or.reduce(lasting, initial=0))
        used = np.unique(guardrails.cells.channel[guardrails.cells.channel >= 0]).tolist()
        wanted = [
            (channel, int(guardrails.cells.hour[np.flatnonzero(guardrails.cells.channel == channel)[0]]))
            for channel in used
            if not forbidden >> channel & 1
        ]
        return self._next(row, wanted) if wanted else None

    def left_alone(self, rows: NDArray[np.int64]) -> tuple[list[str], NDArray[np.datetime64]]:
        """Why some accounts may not be contacted, and when they may be next.

        Parameters
        ----------
        rows : ndarray of int
            Accounts without an eligible contact.

        Returns
        -------
        why : list of str
            Rules by how much they remove, those that time does not lift first, separated by ``;``.
        next_at : ndarray of datetime64[us]
            As :meth:`next_contact_at`; NaT where no instant in 60 days is open.
        """
        why = [""] * len(rows)
        next_us = np.full(len(rows), NEVER)
        key = self._case.law_of[rows] * len(self._case.facts.localities) + self._case.facts.table["locality"][rows]
        for one in np.unique(key):
            at = np.flatnonzero(key == one)
            for start in range(0, len(at), _WHY_ROWS):
                own = at[start : start + _WHY_ROWS]
                reasons, instants = self._left_alone_in(self._case.part(rows[own]))
                next_us[own] = instants
                for row, reason in zip(own.tolist(), reasons, strict=True):
                    why[row] = reason
        return why, np.where(next_us == NEVER, np.datetime64("NaT", "us"), next_us.astype("datetime64[us]"))

    def _left_alone_in(self, part: CasePart) -> tuple[list[str], NDArray[np.int64]]:
        guardrails = self._case.guardrails
        failing = self._case.judge(part, keep=True).failing & guardrails.space
        lasting = part.law.lasting()
        weight = np.bitwise_count(failing).sum(axis=2, dtype=np.int64).T  # (n, rules)
        order = np.argsort(-(weight + np.where(lasting, 1 << 20, 0) * (weight > 0)), axis=1, kind="stable")[
            :, :_REASONS
        ]
        names = [name.id for name in part.law.names]
        best = np.where(np.take_along_axis(weight, order, axis=1) > 0, order, -1)
        distinct, code = np.unique(best, axis=0, return_inverse=True)
        texts = [";".join(dict.fromkeys(names[rule] for rule in one if rule >= 0)) for one in distinct.tolist()]
        reasons = [texts[one] or "no-template" for one in code.reshape(-1).tolist()]
        forbidden = np.bitwise_or.reduce(failing[lasting][:, :, 0], axis=0, initial=np.uint8(0))
        locality = self._case.facts.localities[int(self._case.facts.table["locality"][part.rows[0]])]
        instants = np.broadcast_to(part.times.instant_us, (len(part.rows), part.times.instant_us.shape[1]))
        earliest = np.full(len(part.rows), NEVER)
        used, first_action = np.unique(guardrails.cells.channel, return_index=True)
        by_hour: dict[int, int] = {}  # channels that are first used at an hour
        for channel, action in zip(used.tolist(), first_action.tolist(), strict=True):
            if channel >= 0:
                hour = int(guardrails.cells.hour[action])
                by_hour[hour] = by_hour.get(hour, 0) | 1 << channel
        for hour, channels in by_hour.items():
            wanted = (~forbidden & np.uint8(channels)).astype(np.uint8)
            open_rows = np.flatnonzero(wanted)
            if not len(open_rows):
                continue
            facts = self._case.facts.table[part.rows[open_rows]]
            at = np.ascontiguousarray(instants[open_rows, hour])
            first = first_open(part.law, locality, facts, self._case.history, at, wanted[open_rows])
            earliest[open_rows] = np.minimum(earliest[open_rows], first)
        return reasons, earliest

    def _next(self, row: int, wanted: list[tuple[int, int]]) -> datetime | None:
        """Earliest of the instants from which one of some (channel, hour) is allowed."""
        part = self._case.part(np.array([row]))
        locality = self._case.facts.localities[int(self._case.facts.table["locality"][row])]
        instants = first_open(
            part.law,
            locality,
            self._case.facts.table[np.full(len(wanted), row)],
            self._case.history,
            part.times.instant_us[0, [hour for _, hour in wanted]],
            np.array([1 << channel for channel, _ in wanted], dtype=np.uint8),
        )
        first = int(instants.min())
        return None if first == NEVER else _EPOCH + timedelta(microseconds=first)


def eligibility(
    accounts: Tabular,
    actions: ActionSpace,
    *,
    as_of: datetime | pd.Series | NDArray[np.datetime64],
    packs: Sequence[str] | None = None,
    contacts: Tabular | None = None,
    contact_at: NDArray[np.datetime64] | None = None,
    purpose: str = "collection",
    catalogue: Catalogue | None = None,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
) -> Eligibility:
    """Judge every account x action; what is not plainly allowed is denied.

    Parameters
    ----------
    accounts : DataFrame, Arrow table or list of JSON objects
        Columns of the raw table ``accounts``; a missing column is a fact unknown for all, which denies. A column
        ``preferences`` may hold the wishes of debtors (see docs/guardrails.md).
    actions : ActionSpace
        Needs a factor ``channel``; ``hour`` and ``tone`` are used where they exist.
    as_of : datetime, or one instant an account
        Aware. Without a factor ``hour`` this is the instant of contact.
    packs : sequence of str, optional
        Pack ids that hold for all accounts; by default the column ``packs`` of ``accounts`` (lists, or text separated
        by ``;``) says so for each. An account without packs is under no known law and is denied.
    contacts : DataFrame, Arrow table, list of JSON objects, or None
        Past and planned contacts (with one ``as_of`` an account, only those before it count):
        ``account_id``, ``sent_at``, ``channel`` and, where known, ``debtor_id``,
        ``initiated_by``, ``outcome``, ``status``. None means that nobody knows, which denies. The rules count
        contacts; what their outcomes make of an account (opted out, paid) stands in its facts:
        :func:`recommender.intake.with_states`, which :func:`recommender.deciding.decide` applies first.
    contact_at : ndarray of shape (n_accounts, n_hours) or (n_accounts, 1), optional
        UTC instants of contact instead of the next occurrence of each hour.
    purpose : str, default="collection"
    catalogue : Catalogue, optional
        An action without an approved template is not eligible.
    overlays : sequence, optional
        Packs of the creditor, as :class:`Pack`, mapping or TOML text. They only tighten.
    readings : sequence of str, optional
        Ids of rules whose looser reading is used; recorded in the provenance.

    Returns
    -------
    Eligibility

    Raises
    ------
    InvalidInput
        For an action space without channel, an unknown purpose or a naive instant.
    PackError
        For unknown packs, or ones that have ended.
    """
    case = Guardrails(actions, purpose, catalogue).case(
        accounts,
        as_of=as_of,
        packs=packs,
        contacts=contacts,
        contact_at=contact_at,
        overlays=overlays,
        readings=readings,
    )
    return judged(case)


def judged(case: Case) -> Eligibility:
    """Judge every account of a case."""
    guardrails, n = case.guardrails, len(case.facts)
    actions = guardrails.actions
    mask = np.zeros((n, len(actions)), dtype=bool)
    human = np.zeros(n, dtype=bool)
    contact_at = np.empty((n, len(guardrails.hours or (0,))), dtype="datetime64[us]")
    removed: dict[str, int] = {}
    for part in case.parts:
        verdict = case.judge(part)
        is_whole = len(part.rows) == n  # in order, too: they are sorted by nothing else
        own = mask if is_whole else np.zeros((len(part.rows), len(actions)), dtype=bool)
        by_test, _ = case.open_actions(part, verdict.allowed, own)
        rows = slice(None) if is_whole else part.rows
        mask[rows], human[rows], contact_at[rows] = own, case.needs_human(part), part.times.contact_at
        names = part.law.names
        for position in verdict.removed.nonzero()[0].tolist():
            name = names[position].id
            removed[name] = removed.get(name, 0) + int(verdict.removed[position]) * guardrails.each
        for name, count in zip(guardrails.cells.tests(part.law), by_test.tolist(), strict=True):
            if count:
                removed[name] = removed.get(name, 0) + count
    if actions.no_contact_index is not None:
        mask[:, actions.no_contact_index] = True
    return Eligibility(mask, contact_at, human, case.provenance(), removed, case)
