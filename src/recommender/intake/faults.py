"""What a user states about the spelling of a source, and what is told of cells that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from recommender.errors import InvalidInput, shorten
from recommender.intake.moments import DayOrder
from recommender.intake.numbers import Decimal
from recommender.local_time import is_timezone

__all__ = ["ACCOUNT_CLOCK", "Fault", "Faulty", "Stated", "refuse_faults", "refuse_no_contacts"]

ACCOUNT_CLOCK = "account"


@dataclass(frozen=True)
class Stated:
    """What the user states about the spelling of a source, because its cells do not tell.

    Attributes
    ----------
    dates : {"dmy", "mdy"} or None
    decimal : {"comma", "point"} or None
    timezone : str or None
        IANA zone of local times without an offset; ``account`` = that of each row's account.
    ids_as_numbers : bool
        Leading zeros of ids say nothing: ``00107`` and ``107`` are one account.
    encoding : str or None
        Of text files that are not Unicode.
    channels : tuple
        Further channels, of the user's own action space.
    no_stop_in : tuple of str
        Columns that say no stop (and tell no contact), whatever their names and cells look like.
    no_contacts_yet : bool
        No account was ever contacted.
    """

    dates: DayOrder | None = None
    decimal: Decimal | None = None
    timezone: str | None = None
    ids_as_numbers: bool = False
    encoding: str | None = None
    channels: tuple[Any, ...] = ()
    no_stop_in: tuple[str, ...] = ()
    no_contacts_yet: bool = False

    def __post_init__(self) -> None:
        """Refuse a zone that is none."""
        if self.timezone not in (None, ACCOUNT_CLOCK) and not is_timezone(self.timezone):
            raise InvalidInput.in_column(
                "naive_timezone", "is no IANA time zone", values=[self.timezone],
                mend="Write e.g. America/Bogota, or account.",
            )  # fmt: skip

    @property
    def zone(self) -> str | None:
        """The one zone of all local times, where one is stated."""
        return None if self.timezone == ACCOUNT_CLOCK else self.timezone


@dataclass
class Fault:
    """Cells of one column that break one rule; one that decides is refused however few they are, a note never is."""

    table: str
    column: str
    rule: str
    reason: str
    mend: str
    rows: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    decides: bool = False
    is_note: bool = False

    def sentence(self, n_rows: int) -> str:
        """One sentence: how many rows, which values, what to do."""
        values = shorten(value for _, value in self.examples)
        at = shorten(row for row, _ in self.examples)
        return (
            f"{self.table}.{self.column} {self.reason} in {self.rows:,} of {n_rows:,} rows ({self.rows / n_rows:.0%}; "
            f"{values} in row {at}). {self.mend}"
        )


class Faulty(Protocol):
    """A table of which is known how many rows it has and what is wrong with them."""

    n_rows: int

    @property
    def faults(self) -> Mapping[Any, Fault]:
        """By column and rule."""


def refuse_no_contacts(n_rows: int, source: object) -> None:
    """Refuse a history of contacts without a row: an export that came out empty looks the same as no contact ever.

    Raises
    ------
    InvalidInput
    """
    if not n_rows:
        raise InvalidInput(
            f"{source} holds no contact: whether nobody was ever contacted or the export came out empty, nobody knows.",
            column="contacts",
            mend="Export it again; where nobody was ever contacted, state --no-contacts-yet in its place.",
        )


def refuse_faults(readings: Sequence[Faulty], most: float) -> list[str]:
    """Refuse tables of which too many rows are at fault; else say what was found.

    Parameters
    ----------
    readings : sequence of Faulty
        Such as :class:`~recommender.intake.TableReading`.
    most : float
        Largest share of a table's rows that one fault may touch.

    Raises
    ------
    InvalidInput
        Names every fault of every table: column, values, rows, share and mend.
    """
    counted = [(fault, reading.n_rows) for reading in readings for fault in reading.faults.values()]
    heavy = [(fault, n) for fault, n in counted if fault.decides or (fault.rows > most * n and not fault.is_note)]
    if heavy:
        first = heavy[0][0]
        lines = "".join(f"\n- {fault.sentence(n)}" for fault, n in counted)
        share = "a fault on which a decision hangs" if first.decides else f"a fault in more than {most:.0%} of the rows"
        raise InvalidInput(
            f"The tables cannot be understood ({share}):{lines}",
            column=first.column,
            rows=[row for row, _ in first.examples],
            mend="Nothing was planned." if len(heavy) == 1 else "Nothing was planned; these are all faults found.",
        )
    return [fault.sentence(n) for fault, n in counted]
