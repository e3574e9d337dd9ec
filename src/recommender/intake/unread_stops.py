"""Columns that nobody reads and that say what any collector calls stop: a plan beside them would contact the dead.

An export's own name for a column (``Wrap-up``, ``Estado cliente``, ``OptOut_Date``) may not be one that is known. What
its cells say, or what its name and its cells say together, shows that it should have been.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recommender.intake.canonical import TableReading
from recommender.intake.event_records import MARKS
from recommender.intake.vocabulary import canonical_channel, canonical_word, plain_word
from recommender.intake.words import flag_of, is_blank
from recommender.tables import fields

__all__ = ["distinct_cells", "doubt_unread_stops", "unread_stops"]

_OF_PEOPLE = frozenset(
    ("opt_out", "opt_out_all", "complaint", "dispute", "deceased", "contact_stopped", "paid_in_full", *MARKS)
)
#: Words about one contact; about an account the same words mean something else (a house of the family, a plan to pay).
_OF_CONTACTS = _OF_PEOPLE | {
    "wrong_party", "third_party", "number_invalid", "promise_to_pay", "callback_requested", "paid"
}  # fmt: skip
#: Words that are a stop only where a column holds no degrees: ALTA, MEDIA, BAJA.
_DEGREES = frozenset(("alta", "media", "medio", "alto", "bajo", "muy_alta", "muy_baja", "high", "medium", "low"))
_NAMED = re.compile(
    r"(?:^|_)(?:opt_?out|optout\w*|unsub\w*|desuscri\w*|dado_de_baja|fecha_(?:de_)?baja|descadastr\w*|do_not_\w+|dnc"
    r"|no_(?:llamar|contactar|molestar|call|contact|sms|email|whatsapp)|nao_(?:ligar|contatar|perturbe)|bloquead[oa]"
    r"|blocked|blacklist\w*|black_list|lista_negra|cease|cease_and_desist|suppress(?:ed|ion)?|fallecid[oa]|falecid[oa]"
    r"|fallecimiento|falecimento|deceased|death|defuncion|difunt[oa]|obito|disput(?:e|ed|a|ado|ada)|en_disputa|reclamo"
    r"|reclamacion|queja|pqrs?|complaint|litig\w*|demandad[oa]|fecha_(?:de_)?demanda|insolven\w*|bankrupt\w*|quiebra"
    r"|falencia|revocad[oa]|revoked|revocacion|numero_equivocado|wrong_number|suplantacion)(?:_|$)"
)
_COUNTED = re.compile(
    r"(?:^|_)(?:n|num|nro|no_de|cnt|count|counts|cantidad|qtd|total|prior|days?|dias|meses|months|avg|pct|ratio|share|rate|tasa"
    r"|score|prob\w*|\d+d)(?:_|$)"
)
_NONE = frozenset(("none", "ninguno", "ninguna", "nunca", "never", "nenhum", "nenhuma", "sin", "false", "vigente"))
_MOST_DISTINCT = 2_000


def unread_stops(columns: Mapping[str, Iterable[Any]], table: str) -> dict[str, list[Any]]:
    """Columns outside the contract that tell a stop, with the cells that do.

    Parameters
    ----------
    columns : mapping of str to iterable
        Distinct cells of each column.
    table : str
        ``accounts``, ``contacts``, ``outcomes`` or ``payments``.

    Returns
    -------
    dict of str to list
    """
    words = _OF_CONTACTS if table in ("contacts", "outcomes") else _OF_PEOPLE
    known = fields(table)
    found: dict[str, list[Any]] = {}
    for name, cells in columns.items():
        told = [] if name in known else [cell for cell in cells if not is_blank(cell)]
        said = {plain_word(str(cell)) for cell in told}
        tells = [cell for cell in told if isinstance(cell, str) and _is_stop(cell, words, said)]
        if not tells and _NAMED.search(plain_word(name)) and not _COUNTED.search(plain_word(name)):
            tells = [cell for cell in told if _is_told(cell)] if not _are_numbers(told) else []
        if tells:
            found[name] = tells
    return found


def _is_stop(cell: str, words: frozenset[str], said: set[str]) -> bool:
    if plain_word(cell) == "baja" and said & _DEGREES:
        return False
    return canonical_word("outcome", cell) in words or canonical_word("flags", cell) is not None


def _is_told(cell: Any) -> bool:
    """Whether a cell under the name of a stop says that there is one: yes, a channel, a day, a reason."""
    if isinstance(cell, str) and plain_word(cell) in _NONE:
        return False
    flag = flag_of(cell)
    if flag is not None:
        return flag
    return not isinstance(cell, str) or canonical_channel(cell) is not None or len(cell.strip()) > 1


def _are_numbers(told: list[Any]) -> bool:
    """Whether the cells count something: numbers beyond yes and no."""
    numbers = [
        float(one) for one in told if not isinstance(one, bool | str) and isinstance(one, int | float | np.number)
    ]
    texts = [one.strip() for one in told if isinstance(one, str)]
    numbers += [float(one) for one in texts if re.fullmatch(r"\d{1,4}(?:\.\d+)?", one)]
    return any(one not in (0.0, 1.0) for one in numbers)


def doubt_unread_stops(reading: TableReading, piece: pa.Table | pd.DataFrame) -> None:
    """Doubt a piece of a table (the one that was read last) whose unread columns tell stops.

    Parameters
    ----------
    reading : TableReading
        Of the table; its ``n_rows`` count the piece.
    piece : Table or DataFrame
        Every column of the piece under the contract's names.
    """
    for name, tells in unread_stops(distinct_cells(piece, reading.table), reading.table).items():
        cells = piece.column(name).to_pandas() if isinstance(piece, pa.Table) else piece[name].reset_index(drop=True)
        where = cells.isin(tells).to_numpy(dtype=bool)
        reading.doubt(
            where, cells, name, "unread_stop", "says what stops a contact, and no column of that name is read",
            "Name it as what it is (outcome in contacts; flags, do_not_contact, disputed, deceased ... in accounts: "
            "data/README.md), map the export (pipelines map), or drop it where it says no such thing.",
            reading.n_rows - len(cells),
        )  # fmt: skip


def distinct_cells(piece: pa.Table | pd.DataFrame, table: str) -> dict[str, list[Any]]:
    """Distinct cells of the columns that no contract names, as :func:`unread_stops` takes them."""
    names = [str(name) for name in (piece.column_names if isinstance(piece, pa.Table) else piece.columns)]
    held = {name: _distinct(piece, name) for name in names if name not in fields(table)}
    return {name: cells for name, cells in held.items() if cells is not None}


def _distinct(piece: pa.Table | pd.DataFrame, name: str) -> list[Any] | None:
    """Distinct cells of a column; None of one that holds ids, amounts or free text."""
    if isinstance(piece, pa.Table):
        column = piece.column(name)
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        told = _NAMED.search(plain_word(name)) is not None
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or told):
            return None
        values = pc.unique(column)
        return values.to_pylist() if told or len(values) <= _MOST_DISTINCT else None
    cells = piece[name]
    told = _NAMED.search(plain_word(name)) is not None
    if not (told or cells.dtype == object or isinstance(cells.dtype, pd.StringDtype | pd.CategoricalDtype)):
        return None
    values = cells.drop_duplicates() if cells.dtype != object else cells[~cells.map(str).duplicated()]
    return values.tolist() if told or len(values) <= _MOST_DISTINCT else None
