"""Who has looked at what needed a human: one line an answer, appended, never changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from api.pages.appended_lines import append_line, read_lines

__all__ = ["Review", "Reviews"]

_LONGEST_NOTE = 500


@dataclass(frozen=True)
class Review:
    """An answer to a decision that needed a human.

    Attributes
    ----------
    decision_id : str
    answer : {"agreed", "stop", "undone"}
        The decision stands, nobody is to contact the account until somebody has dealt with it, or the answer before
        is taken back.
    note : str
    by : str
    at : str
        ISO instant, UTC.
    """

    decision_id: str
    answer: str
    note: str
    by: str
    at: str


class Reviews:
    """Answers kept in a file beside the portfolio.

    Parameters
    ----------
    folder : Path or None
        None: nothing can be kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "reviews.jsonl"

    @property
    def keeps(self) -> bool:
        """Whether answers can be written down."""
        return self._path is not None

    def add(self, decision_id: str, answer: str, note: str, *, by: str, at: datetime) -> None:
        """Write an answer down; it is on disk when this returns."""
        if self._path is None:
            return
        append_line(self._path, asdict(Review(decision_id, answer, note[:_LONGEST_NOTE], by, at.isoformat())))

    def all(self) -> list[Review]:
        """Every answer, oldest first."""
        return read_lines(self._path, Review)

    def latest(self) -> dict[str, Review]:
        """The last answer to each decision; one that was taken back is none."""
        last = {one.decision_id: one for one in self.all()}
        return {key: one for key, one in last.items() if one.answer != "undone"}
