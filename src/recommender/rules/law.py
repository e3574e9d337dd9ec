"""A law: books of packs for one purpose, compiled once into the tables that the kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.rules.clocks import ClockRule, clock_rules, not_in_force_rule
from recommender.rules.kernel import asked_by_reviews
from recommender.rules.loading import FLOOR, RuleBook
from recommender.rules.purpose_rules import SPEAKS_RULE
from recommender.rules.rule_tables import COUNT_RULE, FACT_RULE, RuleName, RuleTables, no_law, no_window, unknown_facts
from recommender.rules.schema import NeedsHuman, Pack
from recommender.rules.vocabulary import FLAGS, PARTIES, TONES

__all__ = ["NO_AGE", "NO_SUCH_HOUR", "CompiledBook", "Law"]

#: Position of the rule that the debtor's day has no such hour.
NO_SUCH_HOUR = 0
_EVER = 2**40
NO_AGE = 2**62  # more days than any debt is late, and than its due date of -2**40 makes it


@dataclass(frozen=True)
class CompiledBook:
    """Packs that are read in the same zones.

    Attributes
    ----------
    zones : tuple of str
        Those an account of unknown zone may be in.
    unknown_zone : int
        Position of the rule that forbids everything where no zone is known.
    clocks : list of (position, rule)
    """

    zones: tuple[str, ...]
    unknown_zone: int
    clocks: list[tuple[int, ClockRule]]


_REVIEWED = 1 << FLAGS.index("reviewed")


@dataclass(frozen=True, eq=False)
class Reviews:
    """Rules about accounts that a person looks at first, as tables.

    Attributes
    ----------
    ids : list of str
    parties : ndarray of bool of shape (n_reviews, n_parties + 1)
        By position in ``PARTIES``; the last place is that of a party nobody knows (-1).
    flags : ndarray of int64 of shape (n_reviews,)
        Sets over ``FLAGS``.
    from_days : ndarray of int64 of shape (n_reviews,)
        Days past due; ``NO_AGE`` where the age of the debt does not matter.
    """

    ids: list[str]
    parties: NDArray[np.bool_]
    flags: NDArray[np.int64]
    from_days: NDArray[np.int64]

    @classmethod
    def of(cls, rules: Sequence[NeedsHuman]) -> Self:
        """Compile rules of packs."""
        parties = [[*(name in rule.parties for name in PARTIES), False] for rule in rules]
        flags = [sum(1 << FLAGS.index(name) for name in rule.flags) for rule in rules]
        days = [NO_AGE if rule.from_days is None else rule.from_days for rule in rules]
        return cls(
            [rule.id for rule in rules],
            np.array(parties, dtype=bool).reshape(-1, len(PARTIES) + 1),
            np.array(flags, dtype=np.int64),
            np.array(days, dtype=np.int64),
        )

    def asked(self, facts: NDArray[Any], own_day: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of them ask, shape (n_reviews, n).

        Parameters
        ----------
        facts : ndarray of shape (n,), dtype FACT
        own_day : ndarray of int64 of shape (n or 1, k)
            Local dates of the instants of contact; the latest counts.
        """
        asked = np.empty((len(self.ids), len(facts)), dtype=bool)
        asked_by_reviews(facts, own_day, self.parties, self.flags, self.from_days, _REVIEWED, asked)
        return asked

    def facts_ask(self, facts: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the party or a flag asks, shape (n_reviews, n); else only the age of the debt can."""
        return np.asarray(self.parties[:, facts["party"]] | (facts["flags"] & self.flags[:, None] != 0))


@dataclass(frozen=True, eq=False)
class Law:
    """Compiled books.

    Attributes
    ----------
    books : tuple of CompiledBook
    packs : tuple of Pack
        Each once.
    names : list of RuleName
        Every rule, in the order in which verdicts name them.
    fact_rules, count_rules : ndarray, dtypes FACT_RULE and COUNT_RULE
    book_of : ndarray of shape (n_count_rules,)
        Book of each counting rule.
    speaks_rules : ndarray, dtype SPEAKS_RULE
        Whom the purpose is for.
    speaks_book : ndarray of shape (n_speaks_rules,)
        Book of each of them.
    ladders : list of (rule id, steps)
        Tone ladders; a step is first day, last day, set of tones.
    zones : tuple of str
        Of all books.
    purpose : str
    """

    books: tuple[CompiledBook, ...]
    packs: tuple[Pack, ...]
    names: list[RuleName]
    fact_rules: NDArray[Any]
    count_rules: NDArray[Any]
    book_of: NDArray[np.int64]
    speaks_rules: NDArray[Any]
    speaks_book: NDArray[np.int64]
    ladders: list[tuple[str, list[tuple[int, int, int]]]]
    zones: tuple[str, ...]
    purpose: str

    @classmethod
    def compile(cls, books: Sequence[RuleBook], purpose: str, readings: frozenset[str] = frozenset()) -> Law:
        """Compile the rules that hold for a purpose."""
        # A pack that says whom other purposes are for has nothing to say here: its clocks need not be read.
        books = [book for book in books if any(map(_says_more, book.packs)) or _speaks(book, purpose)] or list(books)
        law_zones = tuple(dict.fromkeys(zone for book in books for zone in book.zones))
        names = [RuleName("no-such-hour", "", "")]
        facts: list[tuple[int, ...]] = []
        counts: list[tuple[int | bool, ...]] = []
        speaks: list[tuple[Any, ...]] = []
        book_of: list[int] = []
        speaks_book: list[int] = []
        compiled = []
        ladders = []
        is_law = any(book.has_windows for book in books)
        for number, book in enumerate(books):
            tables = RuleTables(len(names))
            unknown_zone = tables.name("unknown-zone", "", "", lasting=True)
            clocks = _compile_book(tables, book, purpose, readings)
            if number == 0 and not is_law:
                no_law(tables)
            compiled.append(CompiledBook(book.zones or law_zones, unknown_zone, clocks))
            names += tables.names
            facts += tables.facts
            counts += tables.counts
            book_of += [number] * len(tables.counts)
            speaks += tables.speaks
            speaks_book += [number] * len(tables.speaks)
            ladders += [(f"{pack.id.lower()}-tone", _ladder(pack)) for pack in book.packs if pack.tones]
        return cls(
            tuple(compiled),
            tuple({pack.id: pack for book in books for pack in book.packs}.values()),
            names,
            np.array(facts, dtype=FACT_RULE),
            np.array(counts, dtype=COUNT_RULE),
            np.array(book_of, dtype=np.int64),
            np.array(speaks, dtype=SPEAKS_RULE),
            np.array(speaks_book, dtype=np.int64),
            ladders,
            law_zones,
            purpose,
        )

    @cached_property
    def reviews(self) -> Reviews:
        """Rules about accounts that a person looks at first."""
        return Reviews.of([rule for pack in self.packs for rule in pack.needs_human])

    def lasting(self) -> NDArray[np.bool_]:
        """Rules that time alone does not lift, by position."""
        return np.array([name.lasting for name in self.names])


def _says_more(pack: Pack) -> bool:
    """Whether a pack has more to say than whom purposes are for; one that says nothing at all is kept, too."""
    return not pack.speaks_of or any(section != "speaks_of" for section, _ in pack.cited())


def _speaks(book: RuleBook, purpose: str) -> bool:
    return any(rule.purpose == purpose for pack in book.packs for rule in pack.speaks_of)


def _compile_book(
    tables: RuleTables, book: RuleBook, purpose: str, readings: frozenset[str]
) -> list[tuple[int, ClockRule]]:
    exempt = {part for pack in book.packs for rule in pack.exempt if purpose in rule.purposes for part in rule.from_}
    clocks: list[tuple[int, ClockRule]] = []

    def clock(rule: ClockRule, pack: Pack) -> None:
        clocks.append((tables.name(rule.id, pack.id, rule.cite), rule))

    for pack in book.packs:
        clock(not_in_force_rule(pack), pack)
        if pack.id == FLOOR:
            unknown_facts(tables, purpose)
        tables.about_facts(pack, purpose)
        tables.speaks_of(pack, purpose)
        for rule in clock_rules(pack, readings, with_windows="windows" not in exempt):
            clock(rule, pack)
        if "caps" not in exempt:
            tables.caps(pack, readings)
        if "cooldowns" not in exempt:
            tables.cooldowns(pack)
        if "exclusive_channel" not in exempt:
            tables.exclusive_channels(pack, readings)
        tables.escalations(pack)
    if book.has_windows and "windows" not in exempt:
        no_window(tables, book.packs)
    return clocks


def _ladder(pack: Pack) -> list[tuple[int, int, int]]:
    """Steps of a tone ladder; a stretch of days that no step covers allows no tone."""
    return [
        (
            -2 * _EVER if step.from_days is None else step.from_days,
            2 * _EVER if step.to_days is None else step.to_days,
            sum(1 << TONES.index(tone) for tone in step.tones),
        )
        for step in pack.tones
    ]
