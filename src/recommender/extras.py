"""Libraries that only some uses need: an extra brings them, and the error names the extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from recommender.errors import MissingExtra

__all__ = ["later", "needs"]


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Wrap imports of a room whose libraries an extra brings.

    Parameters
    ----------
    extra : str
        Name in ``[project.optional-dependencies]``.

    Raises
    ------
    MissingExtra
        When a library of others is not installed.
    """
    try:
        yield
    except MissingExtra as missing:  # of a room within: who asked for this one needs its extra
        raise MissingExtra(missing.library, extra) from missing
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library in ("", "recommender"):
            raise
        raise MissingExtra(library, extra) from missing


class _Later:
    def __init__(self, library: str, extra: str) -> None:
        self._library, self._extra = library, extra

    def __getattr__(self, name: str) -> Any:
        with needs(self._extra):
            attribute = getattr(import_module(self._library), name)
        setattr(self, name, attribute)
        return attribute


def later(library: str, extra: str) -> Any:
    """Name a library that is imported when something of it is first asked for.

    Parameters
    ----------
    library : str
    extra : str

    Returns
    -------
    object
        In place of the module; its attributes raise :class:`~recommender.errors.MissingExtra` without the library.
    """
    return _Later(library, extra)
