"""Columns of an accounts table that tell a contact that was made: whoever states that there was none is contradicted."""

# ruff: noqa: E501 - a word list is read by its lines

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from recommender.intake.canonical import TableReading
from recommender.intake.moments import Moment, moment_of
from recommender.intake.numbers import number_of
from recommender.intake.vocabulary import canonical_word
from recommender.intake.words import flag_of, is_blank, numeral
from recommender.spelling import column_word, plain_word

__all__ = ["doubt_told_contacts"]

_MADE = (
    r"contact(?:o|os|ed|ado|ada|s)?|contat(?:o|os|ado|ada)|gestion(?:es)?|llamad[ao]s?|ligac(?:ao|oes)|calls?|called|dial(?:ed|s)?|marcac(?:ion|iones)|sms|whatsapp|mensajes?|mensagem"
    r"|mensagens|messages?|messaged|e?mails?|emailed|correos?|cartas?|letters?|visitas?|visits?|intentos?|attempts?|tentativas?|outreach|interacc?i?on(?:es)?|interaction|interacao"
)
_LAST = re.compile(
    rf"(?:^|_)(?:ultim[oa]s?|last|latest|most_recent|reciente)_(?:\w+_)??(?:{_MADE}|result\w*|disp\w*|tipific\w*|outcome)(?:_|$)|(?:^|_)(?:{_MADE})_(?:\w+_)??(?:ultim[oa]s?|last)(?:_|$)"
)
#: A moment of a contact without the word last: an account that has one was contacted.
_AT = re.compile(
    r"(?:fecha|hora|data|dia)_(?:hora_)?(?:de_)?(?:la_)?(?:gestion|contacto|contato|llamada|envio|ligacao|visita)|(?:call|contact|contacted|called|dialed|sent|sms|email|attempt)_(?:date|time|datetime|at|on)"
)
_DONE = re.compile(
    r"(?:(?:ya|already|was|fue|foi|is|has_been)_)?(?:contactad[oa]|contatad[oa]|contacted|llamad[oa]|called|gestionad[oa])"
)
#: Counts of contacts; those of a window (``calls_180d``) are features, of whatever traffic they count.
_COUNT = re.compile(
    r"(?:(?:n|no|nro|num|numero|number|cant|cantidad|qtd|total|count|times|veces|of|de|notes?|avg)_)*(?:intentos|attempts|tentativas|llamadas|ligacoes|calls|gestiones|contacted|called|dials|marcaciones"
    r"|contact_attempts|call_attempts|(?:sms|mensajes|messages|emails|correos|cartas|whatsapps)_(?:enviad[oa]s|sent))(?:_(?:count|made|realizad[oa]s|hechas|total|notes|hoy|today))*|(?:called|contact|contacts|call)_count"
)
_RESULT = re.compile(
    r"(?:result\w*|tipific\w*|disp\w*|outcome|estado|status)_(?:de_)?(?:la_)?(?:ultim[oa]_|last_)?(?:gestion|llamada|contacto|call|contact)"
)
_OTHER = re.compile(
    r"(?:^|_)(?:proxim\w*|next|programad\w*|schedul\w*|planned|agendad\w*|limite|max\w*|min\w*|pago\w*|pagamento|payment\w*|login|inbound|entrante\w*|cliente_llamo|preferid\w*|preferred|best|mejor"
    r"|consent\w*|autoriz\w*|opt|permit\w*|update\w*|actualiz\w*"
    r"|web|site|sitio|app|portal|sucursal|oficina|branch|tienda|store|cajero|atm|rate|tasa|opens?|opened|clicks?|clicked|valid\w*|verific\w*|verified|extracto\w*|statements?|factura\w*|fatura\w*|bill|bills)(?:_|$)"
)
_DAYS = re.compile(r"(?:^|_)(?:dias|days|meses|months|horas|hours|semanas|weeks)(?:_|$)")
_NEVER = frozenset(
    [
        "none",
        "ninguno",
        "ninguna",
        "nunca",
        "never",
        "nenhum",
        "nenhuma",
        "nuevo",
        "nueva",
        "new",
        "pendiente",
        "pending",
        "novo",
        "nova",
    ]
)
_NEVER_CALLED = date(2008, 1, 1)  # as VICIdial fills last_local_call_time of a lead that was never called
_LONGEST_SPAN = 900  # days; more is how files write "never" (999, 9999)


def doubt_told_contacts(reading: TableReading, piece: pa.Table | pd.DataFrame) -> None:
    """Doubt a piece of the accounts (the one read last) that tells contacts, where the user states that there are none.

    Parameters
    ----------
    reading : TableReading
        Of the accounts; asks only where ``no_contacts_yet`` is stated.
    piece : Table or DataFrame
        Every column of the piece.
    """
    if not reading.stated.no_contacts_yet or reading.table != "accounts":
        return
    quiet = {column_word(name) for name in reading.stated.no_stop_in}
    for name in piece.column_names if isinstance(piece, pa.Table) else map(str, piece.columns):
        word = column_word(name)
        if word in quiet or not _speaks_of_contacts(word):
            continue
        cells = piece.column(name).to_pandas() if isinstance(piece, pa.Table) else piece[name].reset_index(drop=True)
        spelt = cells.astype(object).map(numeral)
        where = spelt.map({cell: _is_told(cell, word) for cell in spelt.unique()}).to_numpy(dtype=bool)
        reading.doubt(
            np.asarray(where), cells, name, "told_contact",
            "tells a contact that was made, and --no-contacts-yet states that there was none",
            f"Give --contacts in place of --no-contacts-yet, or state that the column tells no contact (--no-stop-in '{name}').",
            reading.n_rows - len(cells),
        )  # fmt: skip


def _speaks_of_contacts(word: str) -> bool:
    if _OTHER.search(word):
        return False
    return bool(_LAST.search(word)) or any(one.fullmatch(word) for one in (_AT, _DONE, _COUNT, _RESULT))


def _is_told(cell: str, word: str) -> bool:
    """Whether a cell says that there was a contact: a day, a yes, a count, what came of it."""
    if cell in ("nan", "None", "NaT", "<NA>") or is_blank(cell):
        return False
    plain = plain_word(cell)
    if plain in _NEVER or plain.split("_")[0] in ("no", "nao", "sin", "sem", "not", "never", "nunca"):
        return _RESULT.fullmatch(word) is not None and canonical_word("outcome", cell) is not None
    if _RESULT.fullmatch(word):
        return canonical_word("outcome", cell) is not None
    number = number_of(cell)
    if isinstance(number, float):
        if _DAYS.search(word):
            return 0 <= number <= _LONGEST_SPAN
        return number > 0 and number not in (999, 9999, 99999)
    moment = moment_of(cell, None)
    if isinstance(moment, Moment):
        return moment.at.year > 1971 and moment.at.date() != _NEVER_CALLED
    return flag_of(cell) is not False
