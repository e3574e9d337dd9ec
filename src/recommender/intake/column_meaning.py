"""What a column of a raw table is called by the contract, however an export calls it."""

from __future__ import annotations

from collections.abc import Sequence

from recommender.intake.vocabulary import column_synonyms
from recommender.spelling import column_forms
from recommender.tables import fields

__all__ = ["renamed_columns"]


def renamed_columns(columns: Sequence[object], table: str) -> dict[str, str]:
    """Columns that are written in another way than the contract does -> its names; only where one alone is meant."""
    known = fields(table)
    given = [str(column) for column in columns]
    meant: dict[str, list[str]] = {}
    for name in given:
        target = next((form for form in column_forms(name) if form in known), None) or column_synonyms(name)
        if target in known and name not in known:
            meant.setdefault(str(target), []).append(name)
    return {names[0]: target for target, names in meant.items() if len(names) == 1 and target not in given}
