"""Human concepts: which columns belong together when a manager reads an explanation."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from recommender.errors import InvalidInput

__all__ = ["ACTION_GROUP", "OTHER_GROUP", "ConceptGroups"]

ACTION_GROUP = "action"
OTHER_GROUP = "other"


@dataclass(frozen=True)
class ConceptGroups:
    """Concept -> patterns of column names; the first match wins.

    Attributes
    ----------
    patterns : mapping of str to tuple of str
        Regular expressions, searched in the lower-case column name.
    protected : tuple of str
        Patterns of columns that no text may name.
    """

    patterns: Mapping[str, tuple[str, ...]]
    protected: tuple[str, ...] = ()

    @classmethod
    def from_toml(cls, text: str) -> ConceptGroups:
        """Read ``[[group]]`` tables with ``name`` and ``patterns``, and a list ``protected``.

        Raises
        ------
        InvalidInput
            When the text is not TOML, a group has no name or pattern, or a pattern is not a regular expression.
        """
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"groups is not TOML: {error}.", column="groups", mend="Compare groups.toml.") from error
        patterns: dict[str, tuple[str, ...]] = {}
        for group in raw.get("group", []):
            name, listed = group.get("name"), group.get("patterns")
            if not isinstance(name, str) or not isinstance(listed, list) or not listed:
                raise InvalidInput(
                    f"A group needs a name and patterns; got {group!r}.", column="groups", mend="Give it both."
                )
            patterns[name] = tuple(str(pattern) for pattern in listed)
        protected = tuple(str(pattern) for pattern in raw.get("protected", []))
        for pattern in [*protected, *(p for listed in patterns.values() for p in listed)]:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InvalidInput(
                    f"Pattern {pattern!r} is not a regular expression: {error}.", column="groups", mend="Mend it."
                ) from error
        return cls(patterns, protected)

    @classmethod
    def default(cls) -> ConceptGroups:
        """The concepts of collections."""
        return _default()

    def group_of(self, column: str) -> str:
        """Concept of a context column."""
        lower = column.lower()
        return next(
            (name for name, listed in self.patterns.items() if any(re.search(p, lower) for p in listed)), OTHER_GROUP
        )

    def is_protected(self, column: str) -> bool:
        """Whether no text may name the column."""
        lower = column.lower()
        return any(re.search(pattern, lower) for pattern in self.protected)

    def of_features(self, features: Sequence[str], n_context: int) -> tuple[str, ...]:
        """Concept of every feature: context columns first, then factors and contact, then what was not attributed."""
        context = [self.group_of(name) for name in features[:n_context]]
        return (*context, *([ACTION_GROUP] * (len(features) - n_context - 1)), OTHER_GROUP)


@lru_cache(maxsize=1)
def _default() -> ConceptGroups:
    source = resources.files("recommender.explanation") / "groups.toml"
    return ConceptGroups.from_toml(source.read_text(encoding="utf-8"))
