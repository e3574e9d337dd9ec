"""The law of an action space: accounts in, the mask of eligible actions out, and what removed the others.

Laws are compiled once for a process, places once for a quarter of an hour of decision time; what is left for an
account is to read its facts and to run the kernel over them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns, Tabular
from recommender.errors import InvalidInput
from recommender.local_time import HOUR_US, as_utc_us, next_occurrence, utc_us, zone_changes
from recommender.rules.action_cells import ActionCells, Catalogue
from recommender.rules.contact_history import ContactHistory, read_history
from recommender.rules.evaluation import LocalTimes, Verdict, evaluate, local_times
from recommender.rules.facts import NO_DUE_DAY, Facts, Locality, read_facts
from recommender.rules.law import NO_AGE, Law
from recommender.rules.loading import check_in_force, check_readings, parse_pack, rule_books
from recommender.rules.preferences import preference_overlay
from recommender.rules.provenance import Provenance, provenance_of
from recommender.rules.rule_tables import channel_bits
from recommender.rules.schema import Pack
from recommender.rules.vocabulary import PURPOSES

__all__ = ["Case", "CasePart", "Guardrails"]

_QUARTER_US = HOUR_US // 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART_ROWS = 65_536

#: Instants of decision: one for all, or one a row.
Moments = Any


@dataclass(frozen=True)
class CasePart:
    """Rows of a case that share place and law.

    Attributes
    ----------
    rows : ndarray of int64
    facts : ndarray, dtype FACT
        Of these rows.
    law : Law
    times : LocalTimes
        Of these rows, or shared by them.
    """

    rows: NDArray[np.int64]
    facts: NDArray[Any]
    law: Law
    times: LocalTimes


class Guardrails:
    """Compiled guardrails of one action space.

    Parameters
    ----------
    actions : ActionSpace
        With a factor ``channel``; ``hour``, ``tone`` and ``message_kind`` are used where they exist.
    purpose : str
    catalogue : Catalogue or None
        An action without an approved template of its kind and tone is not eligible.
    beside : tuple of str
        Packs that hold beside those of every account that is under some law.

    Raises
    ------
    InvalidInput
        For an action space without channel or an unknown purpose.
    """

    def __init__(
        self,
        actions: ActionSpace,
        purpose: str = "collection",
        catalogue: Catalogue | None = None,
        *,
        beside: tuple[str, ...] = (),
    ) -> None:
        if "channel" not in actions.factors:
            raise InvalidInput.missing_columns(["channel"], list(actions.factors), role="action factor of the rules")
        if purpose not in PURPOSES:
            raise InvalidInput.in_column(
                "purpose", "is not known", values=[purpose], mend=f"Known purposes are {', '.join(PURPOSES)}."
            )
        self.actions = actions
        self.purpose = purpose
        self._beside = beside
        self.hours = [int(hour) for hour in actions.factors["hour"]] if "hour" in actions.factors else None
        self.cells = ActionCells(actions, purpose, catalogue)
        self.space = channel_bits(tuple(str(level) for level in actions.factors["channel"]))
        #: Contact actions that one (instant, channel) cell stands for.
        self.each = actions.n_contact_actions // (len(actions.factors["channel"]) * len(self.hours or (0,)))
        self._instants = lru_cache(1_024)(self._instants_of)
        self._local_times = lru_cache(1_024)(self._local_times_of)

    # -- read ------------------------------------------------------------------------------------------------------
    def case(
        self,
        accounts: Tabular,
        *,
        as_of: Moments,
        packs: Sequence[str] | None = None,
        contacts: Tabular | None = None,
        contact_at: NDArray[np.datetime64] | None = None,
        overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
        readings: Sequence[str] = (),
    ) -> Case:
        """Read accounts and contacts; the arguments are those of :func:`~recommender.rules.eligibility`."""
        table = Columns.of(accounts)
        history = None if contacts is None else Columns.of(contacts)
        shared = as_utc_us(as_of) if isinstance(as_of, datetime) else None
        starts = utc_us(as_of, "as_of") if shared is None else np.full(len(table), shared, dtype=np.int64)
        facts = read_facts(table, contacts_known=history is not None, as_of_us=starts)
        extra = tuple(item if isinstance(item, Pack) else parse_pack(item) for item in overlays)
        laws, law_of = self._laws(table, packs, extra, check_readings(readings, extra) if readings else frozenset())
        every = list({pack.id: pack for law in laws for pack in law.packs}.values())
        earliest, latest = (shared, shared) if shared is not None else _ends(starts)
        on = (_EPOCH + timedelta(microseconds=latest)).date()
        check_in_force(every, on)
        language = table.coded("language")
        return Case(
            guardrails=self,
            facts=facts,
            history=read_history(history, facts, earliest),
            laws=laws,
            law_of=law_of,
            starts_us=starts,
            shared_us=shared,
            contact_at=self._given_instants(contact_at, facts, laws, law_of, as_of, starts, shared),
            languages=language.codes,
            language_names=language.values,
            packs=every,
            readings=tuple(readings),
            on=on,
        )

    def _laws(
        self, accounts: Columns, packs: Sequence[str] | None, overlays: tuple[Pack, ...], readings: frozenset[str]
    ) -> tuple[list[Law], NDArray[np.int64]]:
        """Distinct laws and the position of each account's."""
        if packs is None and "packs" not in accounts:
            raise InvalidInput.missing_columns(
                ["packs"], list(accounts.names), role="rule packs, as packs= was not given"
            )
        if packs is not None:
            asked = [self._with_beside(packs if isinstance(packs, str) else ";".join(packs))]
            codes = np.zeros(len(accounts), dtype=np.int64)
        else:
            column = accounts.coded("packs")
            codes = column.codes
            asked = [self._with_beside(value if isinstance(value, str) else "") for value in column.values]
        wishes = _wishes(accounts)
        if wishes is None and len(asked) == 1 and len(accounts):
            return [_law(asked[0], "", self.purpose, overlays, readings)], np.zeros(len(accounts), dtype=np.int64)
        law_at: dict[tuple[str, str], int] = {}
        law_of = np.zeros(len(accounts), dtype=np.int64)
        if wishes is None:
            law_of_code = np.zeros(len(asked), dtype=np.int64)
            for code in np.unique(codes).tolist():
                law_of_code[code] = law_at.setdefault((asked[code], ""), len(law_at))
            law_of = law_of_code[codes]
        else:
            for row, (code, wish) in enumerate(zip(codes.tolist(), wishes, strict=True)):
                law_of[row] = law_at.setdefault((asked[code], wish), len(law_at))
        return [_law(names, wish, self.purpose, overlays, readings) for names, wish in law_at], law_of

    def _with_beside(self, packs: str) -> str:
        """Packs with those that hold beside them; under no law it stays under none, which denies everything."""
        return ";".join((packs, *self._beside)) if packs.strip("; ") else packs

    def _given_instants(
        self,
        contact_at: NDArray[np.datetime64] | None,
        facts: Facts,
        laws: list[Law],
        law_of: NDArray[np.int64],
        as_of: Moments,
        starts: NDArray[np.int64],
        shared: int | None,
    ) -> NDArray[np.datetime64] | None:
        """Instants of contact, shape (n, n_hours or 1), where accounts do not share them; None where they do."""
        if contact_at is not None:
            instants = np.asarray(contact_at, dtype="datetime64[us]")
            wanted = (len(facts), len(self.hours or (0,)))
            if instants.shape not in (wanted, (len(facts), 1)):
                raise InvalidInput(
                    f"contact_at has shape {instants.shape}, expected {wanted}.",
                    column="contact_at",
                    mend="Give one instant an hour.",
                )
            return np.broadcast_to(instants, wanted)
        if shared is not None:
            return None
        if self.hours is None:
            return starts[:, None].astype("datetime64[us]")
        zones = [
            facts.localities[locality][0] or next(iter(laws[law].zones), "UTC")
            for locality, law in zip(facts.table["locality"].tolist(), law_of.tolist(), strict=True)
        ]
        return next_occurrence(self.hours, as_of, zones)

    # -- prepare ---------------------------------------------------------------------------------------------------
    def times(self, law: Law, locality: Locality, as_of_us: int) -> LocalTimes:
        """Instants of contact at a place after a moment, with the clocks read; kept for a quarter of an hour."""
        zone = locality[0] or next(iter(law.zones), "UTC")
        at = as_of_us
        start = as_of_us - as_of_us % _QUARTER_US
        # An hour that is missing is judged at the decision itself, so then the quarter's start will not do.
        if self.hours is not None and _turns_by_quarters(zone) and not self._instants(zone, start)[1].any():
            at = start
        return self._local_times(law, locality, zone, at)

    def _local_times_of(self, law: Law, locality: Locality, zone: str, at_us: int) -> LocalTimes:
        return local_times(law, locality, *self._instants(zone, at_us))

    def _instants_of(self, zone: str, as_of_us: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Instants of contact in a zone, shape (1, k), and which hours the day lacks."""
        if self.hours is None:
            return np.array([[as_of_us]]), np.zeros((1, 1), dtype=bool)
        instants = next_occurrence(self.hours, _EPOCH + timedelta(microseconds=as_of_us), [zone])
        missing = np.isnat(instants)
        return np.where(missing, np.datetime64(as_of_us, "us"), instants).astype(np.int64), missing


@dataclass(frozen=True)
class Case:
    """Accounts and their contacts as read for one question.

    Attributes
    ----------
    contact_at : ndarray of datetime64 of shape (n, k) or None
        Instants of contact where accounts do not share them.
    shared_us : int or None
        The moment of decision where it is one for all.
    """

    guardrails: Guardrails
    facts: Facts
    history: ContactHistory
    laws: list[Law]
    law_of: NDArray[np.int64]
    starts_us: NDArray[np.int64]
    shared_us: int | None
    contact_at: NDArray[np.datetime64] | None
    languages: NDArray[np.int64]
    language_names: list[Any]
    packs: list[Pack]
    readings: tuple[str, ...]
    on: date

    @property
    def language_texts(self) -> tuple[str | None, ...]:
        """Languages of the accounts, by code."""
        return tuple(None if name is None else str(name) for name in self.language_names)

    @cached_property
    def parts(self) -> list[CasePart]:
        """Rows that share place and law, in runs that keep memory flat."""
        n = len(self.facts)
        if len(self.laws) * len(self.facts.localities) == 1 and 0 < n <= _PART_ROWS:
            return [self._part(np.arange(n), self.facts.table)]
        key = self.law_of * len(self.facts.localities) + self.facts.table["locality"]
        order = np.argsort(key, kind="stable")
        cuts = np.flatnonzero(np.diff(key[order])) + 1
        return [
            self.part(rows[start : start + _PART_ROWS])
            for rows in (np.split(order, cuts) if n else ())
            for start in range(0, len(rows), _PART_ROWS)
        ]

    def part(self, rows: NDArray[np.int64]) -> CasePart:
        """Rows that are known to share place and law."""
        return self._part(rows, self.facts.table[rows])

    def _part(self, rows: NDArray[np.int64], facts: NDArray[Any]) -> CasePart:
        law = self.laws[self.law_of[rows[0]]]
        locality = self.facts.localities[int(facts["locality"][0])]
        if self.contact_at is None:
            assert self.shared_us is not None  # noqa: S101 - one or the other
            return CasePart(rows, facts, law, self.guardrails.times(law, locality, self.shared_us))
        own = self.contact_at[rows]
        missing = np.isnat(own)
        instants = np.where(missing, self.starts_us[rows][:, None].astype("datetime64[us]"), own).astype(np.int64)
        return CasePart(rows, facts, law, local_times(law, locality, instants, missing))

    def judge(self, part: CasePart, *, keep: bool = False) -> Verdict:
        """Apply every rule of the part's law."""
        return evaluate(
            part.law,
            part.facts,
            self.history,
            part.times,
            space=self.guardrails.space,
            known_before=None if self.shared_us is not None else self.starts_us[part.rows],
            keep=keep,
        )

    def days_past_due(self, part: CasePart) -> NDArray[np.int64]:
        """Local days past due at each instant, shape (n, k)."""
        return np.asarray(part.times.own_day - part.facts["due_day"][:, None])

    def open_actions(
        self, part: CasePart, allowed: NDArray[np.uint8], mask: NDArray[np.bool_], *, keep: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Fill the mask of a part from its allowed channels; see :meth:`ActionCells.open_actions`."""
        late, languages = self.days_past_due(part), self.languages[part.rows]
        return self.guardrails.cells.open_actions(
            part.law, allowed, late, languages, self.language_texts, mask, keep=keep
        )

    def needs_human(self, part: CasePart) -> NDArray[np.bool_]:
        """Accounts that a person looks at first, shape (n,)."""
        return np.asarray(part.law.reviews.asked(part.facts, part.times.own_day).any(axis=0))

    def human_reasons(self, part: CasePart) -> tuple[list[str], NDArray[np.float64]]:
        """Rules by which a person looks first, with ``;``, and since which day where only the age of the debt asks.

        The day is days since 1970 on the debtor's own calendar; NaN where a fact asks, whose day nobody told.
        """
        reviews, facts = part.law.reviews, part.facts
        asked, by_fact = reviews.asked(facts, part.times.own_day), reviews.facts_ask(facts)
        sets, code = np.unique(asked, axis=1, return_inverse=True)
        texts = [";".join(one for one, used in zip(reviews.ids, column, strict=True) if used) for column in sets.T]
        begins = np.where(reviews.from_days == NO_AGE, np.inf, reviews.from_days)
        first = np.where(asked, begins[:, None], np.inf).min(axis=0, initial=np.inf)
        undated = (asked & by_fact).any(axis=0) | np.isinf(first) | (facts["due_day"] == NO_DUE_DAY)
        since = np.where(undated, np.nan, facts["due_day"] + first)
        return [texts[one] for one in code.reshape(-1).tolist()], since

    def provenance(self) -> Provenance:
        """What the verdicts rest on."""
        return provenance_of(self.packs, self.on, readings=self.readings, unmatched_contacts=self.history.unmatched)


def _ends(starts: NDArray[np.int64]) -> tuple[int, int]:
    return (int(starts.min()), int(starts.max())) if len(starts) else (0, 0)


def _law(names: str, wish: str, purpose: str, overlays: tuple[Pack, ...], readings: frozenset[str]) -> Law:
    if overlays:
        return _compiled(names, wish, purpose, overlays, readings)
    return _kept_law(names, wish, purpose, readings)


@lru_cache(maxsize=1_024)
def _kept_law(names: str, wish: str, purpose: str, readings: frozenset[str]) -> Law:
    return _compiled(names, wish, purpose, (), readings)


def _compiled(names: str, wish: str, purpose: str, overlays: tuple[Pack, ...], readings: frozenset[str]) -> Law:
    own = (preference_overlay(wish),) if wish else ()
    packs = [part.strip() for part in names.split(";") if part.strip()]
    return Law.compile(rule_books(packs, (*overlays, *own)), purpose, readings)


def _wishes(accounts: Columns) -> list[str] | None:
    """Preferences of each account as JSON text, empty where there are none; None where nobody has any."""
    if "preferences" not in accounts:
        return None
    return [
        wish if isinstance(wish, str) else json.dumps(wish, sort_keys=True) if isinstance(wish, dict) else ""
        for wish in accounts.values("preferences")
    ]


@lru_cache(maxsize=512)
def _turns_by_quarters(zone: str) -> bool:
    """Whether wall clocks of the zone strike, and change, at whole quarters of an hour of UTC."""
    changes, offsets = zone_changes(zone, 2000, 2059)
    return not (changes % _QUARTER_US).any() and not (offsets % _QUARTER_US).any()
