"""Which lines of a sheet are its table: reports carry titles, group headers, subtotals, rules and footers around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.intake import column_synonyms, number_of, plain_word
from recommender.tables import CONTRACTS, UNREADABLE_ROW

__all__ = [
    "LOOKED_AT",
    "decoration",
    "header_row",
    "is_footer",
    "is_total",
    "known_names",
    "numbered_names",
    "without_decoration",
]
__all__ += ["without_repeats"]

#: Lines among which the header is looked for.
LOOKED_AT = 30
_CONTRACTED = frozenset(name for contract in CONTRACTS.values() for name in contract.names)
_TOTALS = r"(?i)^\s*(?:gran(?:d)?\s+|sub\s*-?\s*)?(?:total(?:es)?|suma(?:toria)?)\b"
_RULE = r"^[\s\-=_*+|]{2,}$"
_FOOTER = re.compile(
    r"\W*(?:(?:total\s+(?:de\s+)?)?(?:registros|filas|rows|records|lineas|casos)\b"
    r"|\d[\d.,]*\s+(?:rows?|filas?|registros?|records?)\b|(?:fin|end)\b|generad[oa]|generated|fecha de |pagina|page\b"
    r"|fuente|source|usuario|elaborado|impreso)",
    re.IGNORECASE,
)
_REPEAT = "\x00"


def header_row(rows: Sequence[Sequence[str]]) -> int:
    """Number of the row that names the columns, among the first rows of a sheet.

    Titles fill few cells; a header of groups above the names repeats itself, or names nothing that a contract knows.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    wide = max(filled[:LOOKED_AT], default=0)
    at = next((position for position, cells in enumerate(filled) if 2 * cells > wide), 0)
    for below in range(at + 1, min(at + 3, len(rows))):
        names = [cell.strip() for cell in rows[below] if cell.strip()]
        if len(set(names)) < len(names) or any(isinstance(number_of(name), float) for name in names):
            break
        mine = [cell.strip() for cell in rows[at] if cell.strip()]
        if len(names) >= len(mine) and (known_names(names) >= known_names(mine) + 2 or (
            len(set(mine)) < len(mine) and not known_names(mine)
        )):  # fmt: skip
            at = below
    return at


def known_names(names: Sequence[str]) -> int:
    """How many of some names a contract knows."""
    return sum(plain_word(name) in _CONTRACTED or column_synonyms(name) is not None for name in names)


def is_footer(text: str) -> bool:
    """Whether a line by itself is what programs write below a table: its rows counted, its date, its page."""
    return _FOOTER.match(text.strip()) is not None


def is_total(cells: Sequence[str | None]) -> bool:
    """Whether a line sums up those above: its first word says so, and the rest are numbers or nothing."""
    filled = [cell.strip() for cell in cells if cell and cell.strip()]
    return bool(filled) and re.match(_TOTALS, filled[0]) is not None and _are_sums(filled[1:])


def _are_sums(cells: Sequence[str]) -> bool:
    return all(isinstance(number_of(cell), float) or number_of(cell) == "open" for cell in cells)


def numbered_names(names: Sequence[str]) -> list[str]:
    """Names of columns, repeats with a mark of their own: :func:`without_repeats` settles them by their cells."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 or not name else f"{name}{_REPEAT}{seen[name]}")
    return numbered


def without_repeats(frame: pd.DataFrame, source: object) -> pd.DataFrame:
    """One column a name: repeats that are empty or say the same are one, others are numbered ``Fecha (1)``.

    Raises
    ------
    InvalidInput
        Where the name has a meaning and its columns differ: nobody can tell which one is meant.
    """
    repeats: dict[str, list[str]] = {}
    for name in frame.columns:
        if _REPEAT in str(name).lstrip(_REPEAT):
            repeats.setdefault(str(name).partition(_REPEAT)[0], []).append(str(name))
    for name, others in repeats.items():
        filled = [one for one in [name, *others] if frame[one].notna().any()] or [name]
        cells = frame[filled].astype(object)
        words = cells.astype("str").fillna("")
        differ = np.flatnonzero((words != words[[filled[0]]].to_numpy()).any(axis=1).to_numpy())
        frame = frame.drop(
            columns=[one for one in [name, *others] if one not in filled[: 1 if not differ.size else None]]
        )
        if not differ.size:
            frame = frame.rename(columns={filled[0]: name})
            continue
        if known_names([name]):
            raise InvalidInput.in_column(
                name, f"appears more than once in the header of {source}, with different cells",
                values=[" / ".join(map(str, row)) for row in cells.iloc[differ[:3]].to_numpy()],
                rows=differ.tolist(), mend="Rename or drop the repeats: nobody can tell which one is meant.",
            )  # fmt: skip
        frame = frame.rename(columns={one: f"{name} ({number})" for number, one in enumerate(filled, 1)})
    return frame


def without_decoration(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without lines that are none of its rows: empty, the header again, rules, (sub)totals and footers."""
    gone = decoration(frame)
    return frame.drop(index=frame.index[gone]).reset_index(drop=True) if gone else frame


def decoration(frame: pd.DataFrame) -> list[int]:
    """Positions of the lines of a sheet that are none of its table's rows."""
    names = [name for name in frame.columns if name != UNREADABLE_ROW]
    if not len(frame) or not names:
        return []
    first = frame[names[0]]
    suspect = np.array(first.isna().to_numpy(dtype=bool))
    if first.dtype == object or isinstance(first.dtype, pd.StringDtype):
        text = first if isinstance(first.dtype, pd.StringDtype) else first.where(first.notna()).astype("str")
        words = pa.array(text, type=pa.large_string(), from_pandas=True)
        odd = pc.match_substring_regex(words, f"{_TOTALS}|{_RULE}|^\\s*{re.escape(str(names[0]))}\\s*$")
        suspect |= pc.fill_null(odd, fill_value=False).to_numpy(zero_copy_only=False)
        suspect[-5:] = True
    if UNREADABLE_ROW in frame:
        suspect &= frame[UNREADABLE_ROW].isna().to_numpy(dtype=bool)
    at = np.flatnonzero(suspect)
    if not at.size:
        return []
    usual = _usual_count(frame[names].head(200))
    last = len(frame) - 5
    return [row for row in at.tolist() if _is_decoration(frame[names].iloc[row], usual, late=row >= last)]


def _usual_count(frame: pd.DataFrame) -> int:
    counts: NDArray[np.int64] = frame.notna().sum(axis=1).to_numpy()
    return int(Counter(counts.tolist()).most_common(1)[0][0])


def _is_decoration(row: pd.Series, usual: int, *, late: bool) -> bool:
    cells = {str(name): str(value).strip() for name, value in row.items() if isinstance(value, str) or value == value}
    cells = {name: value for name, value in cells.items() if value and value != "None"}
    if not cells:
        return True
    if all(re.match(_RULE, value) for value in cells.values()):
        return True
    if sum(name == value for name, value in cells.items()) > max(1, len(cells) // 2):
        return True
    label, *others = cells.values()
    if len(cells) < usual and re.match(_TOTALS, label):
        return _are_sums(others)
    return late and len(cells) == 1 and usual > 2 and is_footer(label)
