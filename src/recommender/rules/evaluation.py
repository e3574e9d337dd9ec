"""Ask every rule of every book in every zone an account may be in, and put the answers together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import DAY_US, local_time, years_of, zone_changes
from recommender.rules.contact_history import ContactHistory, HistoryView
from recommender.rules.counting import cap_rules, cooldown_rules, escalation_rules, exclusive_rules
from recommender.rules.facts import Facts
from recommender.rules.loading import RuleBook
from recommender.rules.rules import (
    Answer,
    Rule,
    View,
    clock_rules,
    fact_rules,
    no_window_rule,
    unknown_fact_rules,
)
from recommender.rules.schema import Pack
from recommender.rules.vocabulary import CHANNELS

__all__ = ["Law", "Verdict", "evaluate"]


@dataclass(frozen=True)
class Law:
    """Compiled books for one purpose.

    Attributes
    ----------
    books : tuple of (RuleBook, list of rules)
    """

    books: tuple[tuple[RuleBook, tuple[Rule, ...]], ...]
    purpose: str
    readings: frozenset[str]

    @classmethod
    def compile(cls, books: Sequence[RuleBook], purpose: str, readings: frozenset[str] = frozenset()) -> Law:
        """Compile the rules that hold for a purpose."""
        compiled = []
        for book in books:
            rules: list[Rule] = []
            exempt = exempt_parts(book.packs, purpose)
            for pack in book.packs:
                rules += _pack_rules(pack, exempt)
            if book.has_windows and "windows" not in exempt:
                rules.append(no_window_rule(book.packs))
            compiled.append((book, tuple(rules)))
        if not any(book.has_windows for book in books) and compiled:
            book, floor_rules = compiled[0]
            compiled[0] = (book, (*floor_rules, _no_law()))
        return cls(tuple(compiled), purpose, readings)

    @property
    def zones(self) -> tuple[str, ...]:
        """Zones of all books."""
        return tuple(dict.fromkeys(zone for book, _ in self.books for zone in book.zones))


def exempt_parts(packs: tuple[Pack, ...], purpose: str) -> frozenset[str]:
    return frozenset(part for pack in packs for rule in pack.exempt if purpose in rule.purposes for part in rule.from_)


def _pack_rules(pack: Pack, exempt: frozenset[str]) -> list[Rule]:
    rules = [not_in_force_rule(pack)]
    if pack.id == "FLOOR":
        rules += unknown_fact_rules()
    rules += fact_rules(pack)
    clock = clock_rules(pack)
    rules += [rule for rule in clock if not (rule.id.endswith("-window") and "windows" in exempt)]
    if "caps" not in exempt:
        rules += cap_rules(pack)
    if "cooldowns" not in exempt:
        rules += cooldown_rules(pack)
    if "exclusive_channel" not in exempt:
        rules += exclusive_rules(pack)
    return rules + escalation_rules(pack)


def _no_law() -> Rule:
    """Forbid everything: overlays alone are no law."""
    nowhere = np.ones((1, 1, 1), dtype=bool)
    return Rule("no-law", "FLOOR", "", lambda _view: Answer("account", nowhere))


def not_in_force_rule(pack: Pack) -> Rule:
    first = np.datetime64(pack.valid_from, "D").astype(np.int64)
    last = np.iinfo(np.int64).max if pack.valid_to is None else np.datetime64(pack.valid_to, "D").astype(np.int64)
    return Rule(
        f"{pack.id.lower()}-not-in-force",
        pack.id,
        "",
        lambda view: Answer("date", ((view.days < first) | (view.days > last))[:, :, None]),
    )


@dataclass
class Verdict:
    """Allowed cells and what removed the others.

    Attributes
    ----------
    allowed : ndarray of shape (n, k, C)
    weights : ndarray of shape (C,)
        Actions that a cell of each channel stands for.
    removed : dict of str to int
        Actions that each rule forbids (one action may count for several rules).
    failing : dict of str to ndarray of shape (n, k, C)
        Kept only on request.
    lasting : set of str
        Rules that time alone does not lift.
    """

    allowed: NDArray[np.bool_]
    weights: NDArray[np.int64]
    removed: dict[str, int] = field(default_factory=dict)
    failing: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    lasting: set[str] = field(default_factory=set)

    def forbid(self, rule: str, cells: NDArray[np.bool_], *, keep: bool) -> None:
        """Take the cells out."""
        if not cells.any():
            return
        whole = np.broadcast_to(cells, self.allowed.shape)
        self.allowed &= ~cells
        if keep:
            earlier = self.failing.get(rule)
            self.failing[rule] = whole.copy() if earlier is None else earlier | whole
        repeats = self.allowed.shape[0] // cells.shape[0] * (self.allowed.shape[1] // cells.shape[1])
        per_channel = np.broadcast_to(np.count_nonzero(cells, axis=(0, 1)) * repeats, self.weights.shape)
        self.removed[rule] = self.removed.get(rule, 0) + int(per_channel @ self.weights)


def evaluate(
    law: Law,
    facts: Facts,
    history: ContactHistory,
    instant_us: NDArray[np.int64],
    *,
    missing: NDArray[np.bool_] | None = None,
    weights: NDArray[np.int64] | None = None,
    before_us: NDArray[np.int64] | None = None,
    keep: bool = False,
) -> Verdict:
    """Judge accounts of one place (equal ``place_key``) at instants, over all ``CHANNELS``.

    Parameters
    ----------
    law : Law
    facts : Facts of n accounts that share their place
    history : ContactHistory
        Contacts of at least their debtors.
    instant_us : ndarray of shape (n or 1, k)
    missing : ndarray of bool, same shape, optional
        Hours that the debtor's day does not have.
    weights : ndarray of shape (C,), optional
        Actions a cell stands for, by channel; one each by default.
    before_us : ndarray of shape (n,), optional
        Instants from which contacts are not yet known.
    keep : bool, default=False
        Keep the failing cells of every rule.

    Returns
    -------
    Verdict
    """
    verdict = Verdict(
        np.ones((len(facts), instant_us.shape[1], len(CHANNELS)), dtype=bool),
        np.ones(len(CHANNELS), dtype=np.int64) if weights is None else weights,
    )
    if missing is not None and missing.any():
        verdict.forbid("no-such-hour", missing[:, :, None], keep=keep)
    zone, phone_zones, country, subdivision = facts.places[int(facts.place_key[0])]
    views: dict[str, View] = {}
    own = history.of_debtors(facts.debtor)
    for book, rules in law.books:
        candidates = candidate_zones(zone, phone_zones, book.zones or law.zones)
        if not candidates:
            verdict.lasting.add("unknown-zone")
            verdict.forbid("unknown-zone", np.ones((1, 1, 1), dtype=bool), keep=keep)
            candidates = ("UTC",)
        counted: dict[str, NDArray[np.bool_]] = {}
        for name in distinct_zones(candidates, instant_us, own.instant_us):
            if name not in views:
                clock = local_time(instant_us, name)
                views[name] = View(
                    facts,
                    clock.day,
                    clock.clock_us,
                    instant_us,
                    HistoryView(own, name, before_us),
                    country,
                    subdivision,
                    law.purpose,
                    law.readings,
                )
            view = views[name]
            for rule in rules:
                answer = rule.ask(view)
                cells = answer.forbidden
                if not cells.any():
                    continue
                if answer.axis == "account":
                    verdict.lasting.add(rule.id)
                if answer.axis == "date":
                    cells = view.dates_to_instants(cells)
                counted[rule.id] = cells if rule.id not in counted else counted[rule.id] | cells
        for rule_id, cells in counted.items():
            verdict.forbid(rule_id, cells, keep=keep)
    return verdict


def candidate_zones(zone: str | None, phone_zones: tuple[str, ...], pack_zones: tuple[str, ...]) -> tuple[str, ...]:
    """Zones the debtor may be in: the address's and the phone's; without an address also every one of the pack."""
    known = (zone,) if zone is not None else pack_zones
    if not known:
        return ()
    return tuple(dict.fromkeys((*known, *phone_zones)))


def distinct_zones(
    zones: tuple[str, ...], instant_us: NDArray[np.int64], contact_us: NDArray[np.int64]
) -> tuple[str, ...]:
    """Zones without those whose clock never differs from an earlier one's over the instants at hand."""
    if len(zones) == 1:
        return zones
    low, high = int(instant_us.min()) - DAY_US, int(instant_us.max()) + DAY_US
    if len(contact_us):
        low, high = min(low, int(contact_us.min()) - DAY_US), max(high, int(contact_us.max()) + DAY_US)
    first_year, last_year = years_of(np.array([low, high]))
    seen: dict[tuple[object, ...], str] = {}
    for zone in zones:
        changes, offsets = zone_changes(zone, first_year, last_year)
        first, last = np.searchsorted(changes, [low, high], side="right")
        seen.setdefault((changes[first:last].tobytes(), offsets[first : last + 1].tobytes()), zone)
    return tuple(seen.values())


def rows_by_place(facts: Facts) -> list[NDArray[np.int64]]:
    """Row positions that share a place, each in the order of the table."""
    order = np.argsort(facts.place_key, kind="stable")
    cuts = np.flatnonzero(np.diff(facts.place_key[order])) + 1
    return [np.asarray(part, dtype=np.int64) for part in np.split(order, cuts)] if len(order) else []


def with_place(facts: Facts, rows: NDArray[np.int64]) -> Facts:
    """Facts of rows that share one place."""
    return replace(facts.take(rows), places=facts.places)
