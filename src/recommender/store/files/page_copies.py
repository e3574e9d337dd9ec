"""What the pages keep beside a portfolio for their speed: whoever is erased from the log has to go from there, too."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["drop_page_copies"]


def drop_page_copies(portfolio: Path | None) -> int:
    """Delete the files in ``kept/`` of a portfolio; pages make anew what they need of them.

    Parameters
    ----------
    portfolio : Path or None
        None: there is none, and nothing to delete.

    Returns
    -------
    int
        How many files were deleted. Locks stay: a worker may hold one.
    """
    n_deleted = 0
    for place in [] if portfolio is None else sorted((portfolio / "kept").rglob("*")):
        if place.name.endswith("lock") or not place.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):  # a worker replaced it meanwhile
            place.unlink()
            n_deleted += 1
    return n_deleted
