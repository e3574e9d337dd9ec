"""The eligible actions of a handful of accounts given as plain rows: what ``eligibility`` gives for a table of them.

Laws, places and calendars are compiled once and kept for a quarter of an hour of decision time; what is left for a
row are a few look-ups and, where there are contacts, their count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.local_time import HOUR_US, as_utc_us, next_occurrence, zone_changes
from recommender.rules.evaluation import Law
from recommender.rules.loading import check_in_force, rule_books
from recommender.rules.next_instant import NEVER, next_allowed
from recommender.rules.portfolio import Catalogue, action_cells, tone_and_template
from recommender.rules.provenance import Provenance, provenance_of
from recommender.rules.row_counts import N_CHANNELS, RowContact, channel_bits
from recommender.rules.row_facts import NotCovered, RowFacts, as_arrays, contacts_by_debtor, in_reach, read_row
from recommender.rules.row_law import FIRST_YEAR, LAST_YEAR, Ground, RowLaw, RowVerdict
from recommender.rules.schema import Pack

__all__ = ["NotCovered", "RowEligibility", "RowGuardrails"]

_QUARTER_US = HOUR_US // 4


@dataclass(frozen=True)
class RowEligibility:
    """As :class:`~recommender.rules.eligibility.Eligibility`, for rows.

    Attributes
    ----------
    mask : ndarray of shape (n, n_actions), dtype bool
    contact_at : ndarray of shape (n, n_hours), dtype datetime64[us]
    needs_human : list of bool
    removed : dict of str to int
    provenance : Provenance
    """

    mask: NDArray[np.bool_]
    contact_at: NDArray[np.datetime64]
    needs_human: list[bool]
    removed: dict[str, int]
    provenance: Provenance
    _guardrails: RowGuardrails
    _rows: list[tuple[RowFacts, RowLaw, Ground, RowVerdict, list[RowContact]]]

    def counts(self) -> dict[str, int]:
        """Number of (account, action) pairs that each rule removes."""
        return {rule: count for rule, count in sorted(self.removed.items()) if count}

    def next_allowed_at(self, row: int) -> datetime | None:
        """Earliest instant in 60 days at which some channel of the action space is allowed, or None."""
        return self._guardrails.next_allowed_at(*self._rows[row])


class RowGuardrails:
    """Compiled guardrails of one action space.

    Parameters
    ----------
    actions : ActionSpace
        With a factor ``channel``.
    purpose : str
    catalogue : Catalogue or None
    """

    def __init__(self, actions: ActionSpace, purpose: str = "collection", catalogue: Catalogue | None = None) -> None:
        if "channel" not in actions.factors:
            raise NotCovered("actions")
        self.actions = actions
        self._purpose = purpose
        self._catalogue = catalogue
        self._hours = [int(hour) for hour in actions.factors["hour"]] if "hour" in actions.factors else None
        levels = [str(level) for level in actions.factors["channel"]]
        self._channels = channel_bits(tuple(levels))
        self._hour, self._channel, self._tone = action_cells(actions)
        self._known_channel = self._channel >= 0
        self._n_contact, self._n = actions.n_contact_actions, len(actions)
        self._unknown_cells = int((~self._known_channel).sum())
        self._gather = self._hour * N_CHANNELS + np.maximum(self._channel, 0)
        self._each = self._n_contact // (len(levels) * (1 if self._hours is None else len(self._hours)))
        # where each channel of the action space is first used, which is the instant that "next" counts from
        self._first_use = [
            (int(channel), int(self._hour[np.flatnonzero(self._channel == channel)[0]]))
            for channel in np.unique(self._channel[self._known_channel])
        ]
        self._law = lru_cache(256)(self._compile)
        self._instants = lru_cache(1_024)(self._instants_of)
        self._ground = lru_cache(1_024)(self._ground_of)
        self._provenance = lru_cache(256)(self._provenance_of)

    # -- compile ---------------------------------------------------------------------------------------------------
    def _compile(self, packs: tuple[str, ...]) -> tuple[RowLaw, tuple[Pack, ...]]:
        asked = ";".join(packs)
        books = rule_books([part.strip() for part in asked.split(";") if part.strip()])
        law = RowLaw(Law.compile(books, self._purpose), self._channels)
        if any(len(set(names)) < len(names) for names in law.names):
            raise NotCovered("packs")
        return law, tuple({pack.id: pack for book in books for pack in book.packs}.values())

    def _instants_of(self, zone: str, as_of_us: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Instants of contact in a zone, and which hours the day lacks."""
        if self._hours is None:
            return np.array([as_of_us]), np.zeros(1, dtype=bool)
        as_of = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=as_of_us)
        found = next_occurrence(self._hours, as_of, [zone])[0]
        missing = np.isnat(found)
        return np.where(missing, np.datetime64(as_of_us, "us"), found).astype(np.int64), missing

    def _at(self, zone: str, as_of_us: int) -> int:
        """The instant to compile for: the start of the quarter wherever nothing changes within one."""
        start = as_of_us - as_of_us % _QUARTER_US
        if self._hours is None or not _turns_by_quarters(zone):
            return as_of_us
        if self._instants(zone, start)[1].any():  # an hour that is missing is judged at the decision itself
            return as_of_us
        return start

    def _ground_of(
        self, packs: tuple[str, ...], place: tuple[str | None, tuple[str, ...], str, str], at_us: int
    ) -> Ground:
        law, _ = self._law(packs)
        zone = place[0] or next(iter(law.law.zones), "UTC")
        return law.ground(place, *self._instants(zone, at_us))

    def _provenance_of(self, packs: tuple[tuple[str, ...], ...], on: date, unmatched: int) -> Provenance:
        every = list({pack.id: pack for names in packs for pack in self._law(names)[1]}.values())
        check_in_force(every, on)
        return provenance_of(every, on, unmatched_contacts=unmatched)

    # -- judge -----------------------------------------------------------------------------------------------------
    def judge(
        self,
        rows: Sequence[Mapping[str, Any]],
        packs: Sequence[tuple[str, ...]],
        contacts: Iterable[Mapping[str, Any]] | None,
        as_of: datetime,
    ) -> RowEligibility:
        """Judge every row.

        Parameters
        ----------
        rows : sequence of mappings
            Facts under the names of the table ``accounts``.
        packs : sequence of tuple of str
            Rule packs of each row.
        contacts : iterable of mappings or None
        as_of : aware datetime

        Raises
        ------
        NotCovered
            Where only the general path can tell.
        """
        as_of_us = in_reach(as_utc_us(as_of))
        distinct = tuple(dict.fromkeys(packs))
        laws = {names: position for position, names in enumerate(distinct)}
        read = [read_row(row, laws[names], contacts is not None) for row, names in zip(rows, packs, strict=True)]
        by_debtor, unmatched = contacts_by_debtor(read, contacts or (), as_of_us)
        n = len(read)
        mask = np.zeros((n, self._n), dtype=bool)
        contact_at = np.empty((n, 1 if self._hours is None else len(self._hours)), dtype="datetime64[us]")
        removed: dict[str, int] = {}
        human: list[bool] = []
        judged = []
        for position, row in enumerate(read):
            names = distinct[row.law]
            law, _ = self._law(names)
            zone = row.place[0] or next(iter(law.law.zones), "UTC")
            ground = self._ground(names, row.place, self._at(zone, as_of_us))
            own = by_debtor.get(row.debtor, [])
            verdict = law.judge(ground, row.state, row.due_day, row.account, own)
            for rule, cells in verdict.removed:
                removed[rule] = removed.get(rule, 0) + cells * self._each
            self._spread(mask[position], ground, law, verdict, row, removed)
            contact_at[position] = ground.instant_us.view("datetime64[us]")
            if ground.lacks_hours:
                contact_at[position, ground.missing] = np.datetime64("NaT")
            human.append(law.needs_human(row.state.party, ground.first_day + ground.n_days - 1 - row.due_day))
            judged.append((row, law, ground, verdict, own))
        if self._n > self._n_contact:
            mask[:, self._n_contact] = True
        on = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=as_of_us)).date()
        return RowEligibility(mask, contact_at, human, removed, self._provenance(distinct, on, unmatched), self, judged)

    def _spread(
        self,
        out: NDArray[np.bool_],
        ground: Ground,
        law: RowLaw,
        verdict: RowVerdict,
        row: RowFacts,
        removed: dict[str, int],
    ) -> None:
        """From cells to actions, with tones and templates; as ``Portfolio.spread``."""
        late = np.arange(ground.first_day, ground.first_day + ground.n_days) - row.due_day
        key = (
            row.language,
            law.tone_classes(late),
            None if self._catalogue is None else self._catalogue.stage_of(late).tobytes(),
        )
        held = ground.fits.get(key)
        if held is None:
            held = ground.fits.setdefault(key, self._fits(ground, law, row))
        fits, by_rule = held
        for rule, count in by_rule:
            removed[rule] = removed.get(rule, 0) + count
        if verdict.allowed:
            size = (len(ground.days) * N_CHANNELS + 7) // 8
            cells = np.frombuffer(verdict.allowed.to_bytes(size, "little"), dtype=np.uint8)
            allowed = np.unpackbits(cells, bitorder="little").view(bool)
            np.logical_and(allowed[self._gather], fits, out=out[: len(fits)])

    def _fits(self, ground: Ground, law: RowLaw, row: RowFacts) -> tuple[NDArray[np.bool_], list[tuple[str, int]]]:
        late = (np.array(ground.days, dtype=np.int64) - row.due_day)[None, :]
        fits = self._known_channel.copy()
        removed = [("input", self._unknown_cells)] if self._unknown_cells else []
        tests = tone_and_template(
            self.actions, law.law, late, self._catalogue, np.zeros(1, dtype=np.int64), [row.language]
        )
        for name, test in tests.items():
            passed = test(self._hour, self._channel, self._tone)[0]
            if not passed.all():
                removed.append((name, int(passed.size - np.count_nonzero(passed))))
                fits &= passed
        return fits, removed

    # -- search ----------------------------------------------------------------------------------------------------
    def next_allowed_at(
        self, row: RowFacts, law: RowLaw, ground: Ground, verdict: RowVerdict, contacts: list[RowContact]
    ) -> datetime | None:
        """Earliest instant at which some channel is allowed, the least that the portfolio gives for any."""
        wanted = [(channel, hour) for channel, hour in self._first_use if not verdict.lasting >> channel & 1]
        if not wanted:  # what facts forbid, time does not lift
            return None
        facts, history = as_arrays(row, contacts, len(wanted))
        channels = np.array([channel for channel, _ in wanted], dtype=np.int64)
        found = next_allowed(law.law, facts, history, ground.instant_us[[hour for _, hour in wanted]], channels)
        first = int(found.min())
        return None if first == NEVER else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=first)


@lru_cache(maxsize=512)
def _turns_by_quarters(zone: str) -> bool:
    """Whether wall clocks of the zone strike, and change, at whole quarters of an hour of UTC."""
    changes, offsets = zone_changes(zone, FIRST_YEAR, LAST_YEAR)
    return not (changes % _QUARTER_US).any() and not (offsets % _QUARTER_US).any()
