"""Columns that nobody reads and that say what any collector calls stop: a plan beside them would contact the dead.

An export's own name for a column (``Wrap-up``, ``OptOut_Date``, ``Puede contactar``) may not be one that is known. What its
cells say, or what its name and its cells say together, shows that it should have been.
"""

# ruff: noqa: E501 - lists of words are read by their lines

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake.canonical import TableReading
from recommender.intake.ended_accounts import is_over, may_say_over, says_by_flag
from recommender.intake.event_records import MARKS
from recommender.intake.numbers import number_of
from recommender.intake.told_stops import PERHAPS_STOP, STOP_NAME, stop_told
from recommender.intake.vocabulary import canonical_channel, canonical_word
from recommender.intake.words import channel_list, flag_of, is_blank
from recommender.spelling import column_word, plain_word
from recommender.tables import fields

__all__ = ["asks_of_numbers", "distinct_cells", "doubt_unread_stops", "unread_stops"]

_OF_PEOPLE = frozenset(
    ("opt_out", "opt_out_all", "complaint", "dispute", "deceased", "contact_stopped", "paid_in_full", *MARKS)
)
#: Words about one contact; about an account the same words mean something else (a house of the family, a plan to pay).
_OF_CONTACTS = _OF_PEOPLE | {
    "wrong_party", "third_party", "number_invalid", "promise_to_pay", "callback_requested", "paid"
}  # fmt: skip
#: Words that are a stop only where a column holds no degrees: ALTA, MEDIA, BAJA.
_DEGREES = frozenset(("alta", "media", "medio", "alto", "bajo", "muy_alta", "muy_baja", "high", "medium", "low"))


def _named(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|_)(?:{words})(?:_|$)")


#: Names of what comes in degrees: BAJA is low there, even where a piece of a table holds no other degree.
_OF_DEGREES = _named(
    r"riesgo\w*|risco|risk\w*|prioridade?|priority|propensi\w*|probabilidade?|nivel|level|segment\w*|clasific\w*|classific\w*|calific\w*|intensidade?|contactabilidad|capacidad"
    r"|gravedad|severidad|severity|gama|rango|grado|tarifa|tension|zona|recuperac\w*|efectividad|calidad|complejidad|criticidad"
)
#: Names whose "no" is a stop.
_PERMISSION = _named(
    r"(?:consent|autoriz|permi[ts]|acept|aceita|accepts?)\w*|opt_?in\w*|(?:es_|is_)?(?:contactable|contactavel|gestionable|llamable|callable)"
    r"|puede_(?:contactar|llamar|enviar|gestionar)\w*|pode_(?:contatar|ligar|enviar)\w*|can_(?:contact|call|text|email|sms)\w*|habeas_data"
    r"|(?:sms|mms|call|calls|email|mail|whatsapp|wa|llamadas?|telefono|phone|correo|voz)_(?:ok|si|habilitad[oa]|enabled|allowed|activ[oa])|contact_allowed"
    r"|lopd|rgpd|gdpr|lgpd|tcpa"
)  # fmt: skip
#: Names of what a contact was or will be for: a promise there is one that is wanted.
_OF_PLANS = _named(
    r"proxim\w*|next|siguiente|objetivo|goal|estrategia|strategy|oferta|offer|guion|script|speech|(?:razon|motivo)_(?:de_)?(?:la_)?(?:gestion|llamada|contacto)|tema|topic|asunto|subject"
)
#: What else may be agreed to, or not: none of it is a contact.
_OF_OFFERS = _named(
    r"desc(?:ue|o)ntos?|discounts?|oferta\w*|offers?|tarjetas?|cartao|cards?|pagos?|pagamentos?|payments?|pay|debitos?|terminos|termos|terms|quitas?|centrales|buros?|bureau|credit\w*"
    r"|refinanc\w*|reestruct\w*|renegoci\w*|parcelament\w*|cuotas?|cheques?|app"
)
_OF_CONTACT = _named(
    r"contac\w*|contat\w*|llam\w*|ligac\w*|call\w*|sms|e?mail|correo|whatsapp|mensaj\w*|mensag\w*|datos|dados|data"
)
_REFUSED = _named(
    r"revoc\w*|revok\w*|revog\w*|denied|negad[oa]|deneg\w*|rechaz\w*|withdrawn|retirad[oa]|no|nao|not|never|sin|baja"
)
#: Names of a day or an amount that was promised.
_PROMISED = _named(r"promes\w*|promis\w*|promess\w*|compromis[oa]s?|convenios?|acuerdo_(?:de_)?pago|acordo|ptp")
_PROMISES = _named(
    r"promises|promesas|promessas|compromisos|convenios|acordos"
)  # numbers of an account: how many there were
_HISTORY = _named(
    r"ultim[oa]s?|last|prior|previ\w*|histor\w*|n|num|nro|cnt|count|cantidad|total|\d+[a-z]|ever|rate|tasa|ratio|pct|score|prob\w*|veces|days?|dias|months?|meses|years?|anos"
)
_ENDED = _named(
    r"incumpl\w*|rot[oa]s?|broken|quebr\w*|cumpl\w*|cumprid\w*|kept|tarjeta|producto|credito|nombre|codigo|cod|nomina|libranza|empresa|entidad|pagaduria|empleador|employer"
)
#: Cells of a promise that is over.
_PAST = re.compile(
    r"(?:in)?cumplid[oa]|rot[oa]|broken|quebrad[oa]|kept|cumprid[oa]|descumprid[oa]|vencid[oa]|caid[oa]|expired"
)
#: What a row of payments may say of itself: the money did not come, or went back.
_NO_PAYMENT = _named(
    r"revers\w*|rechaz\w*|devuel\w*|devol\w*|rebot\w*|anulad\w*|anulaci\w*|reject\w*|return\w*|charge_?back|contracargo|void\w*|fail\w*|fallid[oa]|declin\w*|pend\w*"
    r"|estorn\w*|cancel(?!acion_(?:total|parcial|anticipada|de_(?:la_|el_)?(?:deuda|saldo|obligacion|credito|cuota|mora|prestamo)))\w*|protest\w*|nsf|refund\w*|reembols\w*|en_proceso|processing"
)
#: Names of what people are called, where they live and work: a street or an office may bear any word.
_NAMES_OF_THINGS = _named(
    r"nombres?|name|apellidos?|surname|direccion|address|domicilio|calle|street|barrio|ciudad|city|municipio|comuna|localidad|campana|campaign|campanha|template|plantilla"
    r"|producto?|product|sucursal|branch|oficina|empresa|company|comercio|merchant|acreedor|creditor|ocupacion|occupation|profesion|cargo|actividad|industry"
    r"|ocupac\w*|profiss\w*|puesto|oficio|empleo|empleador|employment|employer|job|emp_title|seguros?|insurance|cobertura|poliza|casa_(?:de_)?cobran\w*|agenci\w*|agency|proveedor\w*|vendor|ejecutiv[oa]|entidad|banco|bank|departamento|provincia|distrito|bairro"
    r"|sector|estudio|despacho|url|link|asignad[oa]|assigned|lote|batch|archivo|file|vivienda|pack|region|pais|(?:agente?|asesor|gestor|email|correo)$"
)  # fmt: skip
_RESULT = _named(
    r"status|estado|result\w*|disp\w*|outcome|tipific\w*|motivo|reason|causa|error\w*|failure|nota|notas?|note|notes|observ\w*|coment\w*|comment\w*"
)
#: Words that are a degree or a request elsewhere, and a stop as the whole name of a column.
_ALONE = re.compile(r"(?:(?:de|cliente|cliente_de|en|con|tiene)_)?(?:baja|demanda)")
#: Names of our own lawyers, and of blocks that are none of contact.
_OURS = _named(
    r"asignad[oa]|assigned|intern[oa]|extern[oa]|honorarios?|estudio|despacho|gestor|asesor|agencia|tarjeta|card|product[oa]?|template|plantilla|campana|campaign|linea|cupo|seguros?|insurance|benefits?|poliza"
)
_COUNTED = _named(
    r"n|num|nro|no_de|cnt|count|counts|cantidad|qtd|total|prior|days?|dias|meses|months|avg|pct|ratio|share|rate|tasa|score|prob\w*|\d+[a-z]|veces|times|ever|limit\w*|amount|monto|valor|saldo|riesgo|risco|risk|segment\w*|nivel|level|banda|band|tramo|rango"
)  # fmt: skip
#: Names of blocks, whose reasons are codes of a letter; a chapter of the bankruptcy law is a number that counts nothing.
_BLOCK = _named(r"bloque[oa]\w*|bloqueio|block\w*|hold|lock|mansp|loevm")
_CASE = _named(r"cases?|casos?|radicados?|tickets?|folios?|expedientes?|id")  # whose number tells that there is one
_CHAPTER, _CHAPTERS = _named(r"chapter|chapt|ch|capitulo"), frozenset(("7", "11", "12", "13"))
_NONE = frozenset(
    ("none", "ninguno", "ninguna", "nunca", "never", "nenhum", "nenhuma", "sin", "false", "vigente", "activo", "activa", "active", "ok", "normal", "libre")
)  # fmt: skip
#: What was asked or complained of and is settled, as cells of its state say; a discharge of a bankrupt is none.
_SETTLED = re.compile(
    r"(?:resolved|resuelt[oa]|resolvid[oa]|solved|closed|cerrad[oa]|fechad[oa]|encerrad[oa]|completed?|complet[oa]|concluid[oa]|finalizad[oa]|finished|ended|expired|broken|denied|rejected|withdrawn|improcedente|desistid[oa])(?:_.*)?"
)
_OF_REQUESTS = _named(r"hardship|disput\w*|reclam\w*|quej\w*|complain\w*|pqrs?")
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
    known = fields(table)
    found: dict[str, list[Any]] = {}
    for name, cells in columns.items():
        told = [] if name in known else [cell for cell in cells if not is_blank(cell)]
        if told and (tells := [cell for cell in told if _tells(cell, name, table, told)]):
            found[name] = tells
    return found


def _tells(cell: Any, name: str, table: str, told: list[Any]) -> bool:
    word = column_word(name)
    is_said = isinstance(cell, str) and (_RESULT.search(word) or not _NAMES_OF_THINGS.search(word))
    if is_said and _says_stop(cell, word, table, told):
        return True
    if table == "accounts" and is_over(word, cell, plain_word(str(cell))) and plain_word(str(cell)) != "baja":
        return not (says_by_flag(word) and _are_numbers(told))
    if _PROMISED.search(word) and not (_ENDED.search(word) or _HISTORY.search(word)):
        return _is_promised(cell) and not (table == "accounts" and _PROMISES.search(word) and _are_numbers(told))
    return _is_told_by_name(cell, word, told)


def _says_stop(cell: str, word: str, table: str, told: list[Any]) -> bool:
    """Whether the cell itself says a stop, whatever its column is called."""
    of_contact, said = table in ("contacts", "outcomes"), plain_word(cell)
    of_degrees = not of_contact and _OF_DEGREES.search(word) is not None
    if said != "baja" or not (of_degrees or any(plain_word(str(one)) in _DEGREES for one in told)):
        words = _OF_CONTACTS if of_contact and not _OF_PLANS.search(word) else _OF_PEOPLE
        if table == "payments":  # of a payment, settled is that it came
            words = words - {"paid_in_full"}
        if canonical_word("outcome", cell) in words or canonical_word("flags", cell) is not None:
            return True
        if stop_told(said) is not None:
            return True
    return table == "payments" and _NO_PAYMENT.search(said) is not None


def _is_told_by_name(cell: Any, word: str, told: list[Any]) -> bool:
    """Whether the column is called as a stop, or as a permission, and the cell says yes to the one, no to the other."""
    stops = STOP_NAME.search(word) is not None
    if _CHAPTER.search(word) and stops and str(cell).removesuffix(".0").strip() in _CHAPTERS:
        return True
    if _COUNTED.search(word) or (_are_numbers(told) and not (stops and _CASE.search(word) and flag_of(cell) is None)):
        return False
    if _OF_OFFERS.search(word) and not _OF_CONTACT.search(word) and not stops:
        return False
    if _PERMISSION.search(word) and not stops:
        return flag_of(cell) is False or (isinstance(cell, str) and _REFUSED.search(plain_word(cell)) is not None)
    if _OURS.search(word) or not (stops or _ALONE.fullmatch(word)):
        return False
    if isinstance(cell, str) and _OF_REQUESTS.search(word) and _SETTLED.fullmatch(plain_word(cell)):
        return False
    return _is_told(cell, coded=_BLOCK.search(word) is not None)


def _is_promised(cell: Any) -> bool:
    """Whether a day, an amount or a yes stands under the name of a promise."""
    if isinstance(cell, str) and _PAST.fullmatch(plain_word(cell)):
        return False
    number = number_of(cell) if isinstance(cell, str) else cell
    if isinstance(number, bool | np.bool_ | int | float | np.number):
        return bool(number > 0)
    return _is_told(cell)


def _is_told(cell: Any, *, coded: bool = False) -> bool:
    """Whether a cell under the name of a stop says that there is one: yes, a channel, a day, a reason, or its code."""
    if isinstance(cell, str) and (plain_word(cell) in _NONE or plain_word(cell).split("_")[0] in ("no", "nao", "sin")):
        return False
    flag = flag_of(cell)
    if flag is not None:
        return flag
    return not isinstance(cell, str) or canonical_channel(cell) is not None or len(cell.strip()) > (0 if coded else 1)


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
    quiet = {column_word(name) for name in reading.stated.no_stop_in}
    for name, tells in unread_stops(distinct_cells(piece, reading.table), reading.table).items():
        if column_word(name) in quiet:
            continue
        cells = _cells_of(piece, name)
        where = cells.isin(tells).to_numpy(dtype=bool)
        where = where & ~(_closed_already if reading.table == "accounts" else _promised_already)(piece, name)
        where = where & ~_owes_nothing(reading.table, piece, name, cells)
        reading.doubt(
            where, cells, name, "unread_stop", "says what stops a contact, and no column of that name is read"
            if reading.table != "payments" else "says that the money did not come, or went back, and is not read",
            "Name it as what it is (outcome in contacts; flags, do_not_contact, disputed, deceased ... in accounts: "
            "data/README.md), map the export (pipelines map), or state that it says no such thing "
            f"(--no-stop-in '{name}')." if reading.table != "payments" else
            "Leave such rows out, or write what was taken back as a negative amount; --no-stop-in states that it says no such thing.",
            reading.n_rows - len(cells),
        )  # fmt: skip


def _cells_of(piece: pa.Table | pd.DataFrame, name: str) -> pd.Series:
    return piece.column(name).to_pandas() if isinstance(piece, pa.Table) else piece[name].reset_index(drop=True)


_NUMBERS_OF_PEOPLE = frozenset(("phone", "phones", "telefono", "telefone", "tel", "telf", "celular", "movil", "mobile",
                                "numero", "number", "linea", "msisdn"))  # fmt: skip


def _closed_already(piece: pa.Table | pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Rows whose consent has none of the channels that a column is named after: a no says nothing new there."""
    words = column_word(name).split("_")
    named = {channel for word in words if (channel := canonical_channel(word)) is not None}
    if not _NUMBERS_OF_PEOPLE.isdisjoint(words):  # a number is called, texted and written to
        named |= {"call", "sms", "whatsapp", "ivr"}
    held = piece.column_names if isinstance(piece, pa.Table) else [str(one) for one in piece.columns]
    closed = np.zeros(len(piece), dtype=bool)
    if not named or "consented_channels" not in held:
        return closed
    cells = _cells_of(piece, "consented_channels").astype(object).map(str)
    listed = {cell: channel_list(cell) for cell in cells.unique()}
    open_in = {cell: read is None or bool(named & {*read.split(";")}) for cell, read in listed.items()}
    return np.asarray(~cells.map(open_in).to_numpy(dtype=bool))


def _owes_nothing(table: str, piece: pa.Table | pd.DataFrame, name: str, cells: pd.Series) -> NDArray[np.bool_]:
    """Rows of an account that is over and whose balance says so: nothing is left to collect, which is read."""
    held = piece.column_names if isinstance(piece, pa.Table) else [str(one) for one in piece.columns]
    if table != "accounts" or "balance_minor" not in held:
        return np.zeros(len(cells), dtype=bool)
    word = column_word(name)
    ends = {cell: _only_over(cell, word) for cell in cells.dropna().unique()}
    balances = _cells_of(piece, "balance_minor").map(
        lambda cell: (number_of(cell) if isinstance(cell, str) else cell) == 0
    )
    return np.asarray(
        cells.map(ends).fillna(value=False).to_numpy(dtype=bool) & balances.fillna(value=False).to_numpy(dtype=bool)
    )


def _only_over(cell: Any, word: str) -> bool:
    """Whether a cell says that an account is over, and nothing of its debtor."""
    said = plain_word(str(cell))
    return is_over(word, cell, said) and stop_told(said) is None and canonical_word("flags", cell) is None


def _promised_already(piece: pa.Table | pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Rows that tell their promise in a column that is read: its amount says nothing new."""
    said = np.zeros(len(piece), dtype=bool)
    if not _PROMISED.search(column_word(name)):
        return said
    held = piece.column_names if isinstance(piece, pa.Table) else [str(one) for one in piece.columns]
    if "promise_date" in held:
        said |= ~_cells_of(piece, "promise_date").map(is_blank).to_numpy(dtype=bool)
    if "outcome" in held:
        cells = _cells_of(piece, "outcome").astype(object)
        words = {cell: str(canonical_word("outcome", cell)) for cell in cells.dropna().unique()}
        said |= (
            cells.map(words).astype("str").str.startswith(("promise", "paid")).fillna(value=False).to_numpy(dtype=bool)
        )
    return said


def distinct_cells(piece: pa.Table | pd.DataFrame, table: str) -> dict[str, list[Any]]:
    """Distinct cells of the columns that no contract names, as :func:`unread_stops` takes them."""
    names = [str(name) for name in (piece.column_names if isinstance(piece, pa.Table) else piece.columns)]
    held = {name: _distinct(piece, name) for name in names if name not in fields(table)}
    return {name: cells for name, cells in held.items() if cells is not None}


def asks_of_numbers(word: str) -> bool:
    """Whether a number in a column so called may be a yes or a no; in others it counts or measures."""
    return may_say_over(word) or any(pattern.search(word) for pattern in (STOP_NAME, _PERMISSION))


def _distinct(piece: pa.Table | pd.DataFrame, name: str) -> list[Any] | None:
    """Distinct cells of a column; of a long one those that may say a stop; None of one that holds numbers."""
    word = column_word(name)
    told = asks_of_numbers(word) or _PROMISED.search(word) is not None
    if isinstance(piece, pa.Table):
        column = piece.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or told):
            return None
        return _sifted(pc.unique(column), told=told)
    cells = piece[name]
    if not (told or cells.dtype == object or isinstance(cells.dtype, pd.StringDtype | pd.CategoricalDtype)):
        return None
    values = cells.drop_duplicates() if cells.dtype != object else cells[~cells.map(str).duplicated()]
    if told or len(values) <= _MOST_DISTINCT:
        return list(values)
    return _sifted(pa.array(values.dropna().map(str), type=pa.large_string()), told=False)


def _sifted(values: pa.Array, *, told: bool) -> list[Any]:
    if told or len(values) <= _MOST_DISTINCT:
        return list(values.to_pylist())
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    return list(plain.filter(pc.fill_null(pc.match_substring_regex(plain, PERHAPS_STOP), False)).to_pylist())
