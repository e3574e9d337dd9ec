"""What looks like personal contact data: the name of a column, a cell, a column of cells; one judgement on every road."""

# ruff: noqa: E501 - a word list is read by its lines

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from recommender.intake.words import flag_of, is_empty
from recommender.spelling import column_word, plain_word

__all__ = ["cell_is_personal", "column_is_personal", "kind_of_name", "personal_columns", "text_is_personal"]

NameKind = Literal["contact", "about contact", "describes contact", "may hold contact", "plain"]

_POINT = (
    r"(?:tele)?phones?|(?:tele)?fon[eo]s?|tels?|tlf|telf|cel(?:ular(?:es)?)?|cellphones?|msisdn|movil(?:es)?|fax"
    r"|e?mails?|correos?|correio"
)
#: What stands beside it where a name is written in one piece: ``numerocelular``, ``homephone2``, ``correoelectronico``.
_BESIDE = (
    r"num(?:ero|ber|bers)?|nro|no|home|work|mobile|main|alt|alternative|other|otro|primary|secondary|customer|client|cliente|debtor|deudor|titular"
    r"|contact|contacto|cell?|celular|movil|fijo|casa|oficina|trabajo|personal|laboral|electronic[oa]|eletronico|address|principal"
)
_PAPERS = (
    r"cedula|cc|ti|nit|nif|nie|dni|curp|rfc|rut|ruc|cuit|cuil|ssn|cpf|cnpj|passport|pasaporte|passaporte|iban|clabe|cbu"
    r"|numero_?(?:de_?)?(?:documento|identidad|identificacion)|documento_?(?:de_?)?(?:identidad|identificacion)|national_?id|nuip|tarjeta_?(?:de_?)?identidad|num(?:ero)?_?(?:de_?)?(?:doc|id)|id_?number|(?:credit_?|debit_?)?card_?number|numero_?(?:de_?)?(?:la_?)?tarjeta"
)
_PLACE = r"addr|dir_?(?:residencia|casa|correspondencia|domicilio|trabajo|oficina|cliente)|address(?:es)?|direccion(?:es)?|domicilios?|enderecos?|streets?|calle|birthdate|birthday|dob|nacimiento|nascimento"
_CONTACT = rf"(?:(?:{_BESIDE})*(?:{_POINT})(?:{_BESIDE})*|(?:{_BESIDE})*(?:{_PLACE})|{_PAPERS})\d*"
_NAME = (
    r"(?:firstname|lastname|fullname|middlename|surname|forename|nombres?|apellidos?|primerapellido|segundoapellido|primernombre|nombrecompleto"
    r"|nombrecliente|ap(?:e|ellido)?_?(?:paterno|materno|pat|mat)|nome|nomecompleto|sobrenome|titular|holder|razonsocial|razao_social|razon_social)\d*"
)
# A name that *is* one of these is refused whatever it holds: the wrong column was wired to the context.
_ALONE = re.compile(rf"(?:debtor|customer|client|cliente|contact|account|person|user)?_?(?:{_CONTACT}|{_NAME}|name\d*)")
# A name that contains one is refused when its cell could be one: 'email_read_rate_90d = 0.3' is a feature.
_WITHIN = re.compile(
    rf"(?:^|_)(?:{_CONTACT}|{_NAME}|(?:first|last|middle|full|given|family|second|legal|debtor|customer|client|cust|borrower|owner|spouse|guarantor|cosigner|applicant)_(?:name|nm)|birth_date|date_of_birth)"
    r"(?:_|$)"
)
#: A channel, or a number of something: a yes or a count is a feature, seven digits are somebody's.
_MAY_HOLD = re.compile(
    rf"(?:cell|wa)(?:_?(?:no|num|number|numero))?\d*|contactno|emergency_contact|contacto_emergencia|(?:(?!reachable|consented|prefer)\w+_)?(?:whats_?app|mobile)|(?:(?:{_BESIDE}|de|del)_)*(?:whats_?app|wsp|wpp|sms|mobile|contact|contacto|contato|documento?|identificacion)\d*(?:_(?:(?:{_BESIDE})\d*|\d))*"
)
#: What bears a name and is nobody.
_OF_A_THING = re.compile(
    r"(?:^|_)(?:nombres?|nome)_(?:(?:de_la|de|del|da|do)_)?(?:produc?to?|campan[ah]a?|sucursal|oficina|tienda|loja|comercio|agencia|banco|entidad|entidade|empresa|ciudad|cidade|municipio|departamento|barrio|cartera|carteira"
    r"|portafolio|estrategia|plan|plano|oferta|canal|lista|grupo|segmento|sector|categoria|linea|convenio|tarjeta|credito|modelo|plantilla|acreedor|archivo|tabla|zona|region|regiao)(?=_|$)"
)
_DESCRIBES = re.compile(
    r"_(?:type|status|kind|quality|count|source|class|tier|bucket|band|segment|consent|valid|validity|verified|"
    r"provider|carrier|change|changes|rate|share|days|hours|channel|preference|preferred|tipo|estado|valido|verificado"
    r"|brand|domain|country|state|city|zip|zipcode|postcode|postal|match|risk|score|rank|ranking|engagement|result|present|provided|segmento|contactabl[ae]|marca|operador|pais)(?:_|$)"
    r"|^(?:tipo|estado|marca|operador|calidad|ranking|horario|resultado|contactabilidad|calificacion|canal|plan|uso|moneda|zona|pais|uf|ciudad|cidade|lugar|municipio|estrato)_"
)
#: An amount is as long as a number of somebody; ``saldo_cc`` is a current account's, ``precio_celular`` a phone's.
_OF_MONEY = re.compile(
    r"(?:^|_)(?:saldo|monto|importe|balance|limite?|cupo|amt|amount|deuda|debt|cuota|precio|price|costo?|gasto|spend|consumo|compra|prestamo)(?:_|$)"
)
_EMAIL_VALUE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_PHONE_VALUE = re.compile(r"\+\d[\d\s().-]{6,18}\d")
_DIGITS = re.compile(r"\+?(?:[\s().\-]*\d){7,15}")
_COUNT = re.compile(r"\d{1,4}(?:[.,]\d+)?")  # a rate or a count as a text file writes it
_YES_OR_NO = frozenset(
    ("si", "sí", "no", "s", "n", "yes", "y", "sim", "não", "nao", "true", "false", "verdadero", "falso")
)
#: A phone or a mail box: what stands in its column as one of these words is known *about* it.
_OF_A_POINT = re.compile(
    rf"(?:has|tiene|tem|con|flag|ind|debtor|account|person|user|{_BESIDE})*(?:{_POINT})(?:flag|ind|{_BESIDE})*\d*"
)
_KNOWN_ABOUT = frozenset(
    ("tiene", "no_tiene", "con", "sin", "con_telefono", "sin_telefono", "has", "none", "ninguno", "ninguna", "nenhum", "tem", "nao_tem", "available",
     "missing", "not_available", "valid", "invalid", "valido", "invalido", "verified", "unverified", "not_verified", "verificado", "no_verificado", "mobile", "movil", "landline",
     "fijo", "fixo", "cell", "cellular", "celular", "telephone", "home", "work", "unknown", "desconocido", "bueno", "malo", "good", "bad", "registered", "registrado")
)  # fmt: skip
_LONG_NUMBER = 1e6  # a phone or identity number; no count, rate or age in days reaches it under such a name


@lru_cache(maxsize=4096)
def kind_of_name(name: str) -> NameKind:
    """What the name of a column says about contact data, however it is written.

    ``phoneNumber``, ``CorreoElectronico``, ``TELEFONO1`` are contact data; ``email_read_rate`` is about them,
    ``phone_type`` describes them.

    Parameters
    ----------
    name : str
    """
    words = _OF_A_THING.sub("", column_word(name))
    if _ALONE.fullmatch(words):
        return "contact"
    if _WITHIN.search(words):
        return "describes contact" if _DESCRIBES.search(words) else "about contact"
    return "may hold contact" if _MAY_HOLD.fullmatch(words) else "plain"


def cell_is_personal(name: str, value: Any) -> bool:
    """Whether a cell of a column so called looks like a name, phone, e-mail, address or identity number.

    ``phone`` = yes, ``email`` = none say whether there is one; a cell without a value says nothing.
    """
    kind = kind_of_name(name)
    if kind == "contact":
        return not (is_empty(value) or _is_known_about(name, value))
    if text_is_personal(value):
        return True
    if kind == "plain" or isinstance(value, bool):
        return False
    if isinstance(value, str):
        if kind == "about contact":
            return bool(value) and not _is_known_about(name, value)
        return _DIGITS.fullmatch(value.strip()) is not None
    if not isinstance(value, int | float) or abs(value) < _LONG_NUMBER:
        return False
    return _OF_MONEY.search(column_word(name)) is None


def text_is_personal(value: Any) -> bool:
    """Whether a cell is an e-mail address or a phone number with its country, whatever its column is called."""
    if not isinstance(value, str) or ("@" not in value and "+" not in value):
        return False
    text = value.strip()
    return bool(_EMAIL_VALUE.fullmatch(text) or _PHONE_VALUE.fullmatch(text))


def column_is_personal(name: str, values: Iterable[Any]) -> bool:
    """Whether a column of these distinct cells holds contact data.

    Parameters
    ----------
    name : str
    values : iterable
        Distinct cells; missing ones may be left out.
    """
    told = [value for value in values if not is_empty(value)]
    if kind_of_name(name) == "contact" and not any(str(value).strip() for value in told):
        return True  # nothing says what the column holds but its name
    return any(cell_is_personal(name, value) for value in told)


def personal_columns(frame: pd.DataFrame) -> list[str]:
    """Columns of a table that hold contact data of people, in their order."""
    return [name for name in frame.columns if column_is_personal(str(name), _distinct(str(name), frame[name]))]


def _distinct(name: str, cells: pd.Series) -> list[Any]:
    """Distinct cells that may tell; none of numbers under a plain name."""
    kind = kind_of_name(name)
    if pd.api.types.is_bool_dtype(cells.dtype):
        return [True] if kind == "contact" else []
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return []
    if pd.api.types.is_numeric_dtype(cells.dtype):
        if kind == "plain" or not cells.notna().any():
            return []
        ends = [float(cells.max()), float(cells.min())]
        return ends if kind != "contact" or not {*ends} <= {0.0, 1.0} else cells.dropna().unique().tolist()
    values = cells.dropna()
    if kind == "about contact" and all(_is_feature(value) for value in values.unique()):
        return []
    return list(values[~values.map(str).duplicated()] if values.dtype == object else values.unique())


def _is_known_about(name: str, value: Any) -> bool:
    """Whether a cell under the name of contact data is a yes, a no, or a word about them: no phone, no name, no paper."""
    if isinstance(value, bool | np.bool_):
        return True
    if isinstance(value, str) and (not value.strip() or _is_yes_or_no(value)):
        return True
    if _OF_A_POINT.fullmatch(column_word(name).replace("_", "")) is None:  # a street and a paper may have the number 1
        return False
    return str(value).strip() in ("0", "1", "0.0", "1.0") or plain_word(str(value)) in _KNOWN_ABOUT


def _is_yes_or_no(text: str) -> bool:
    """Whether a text is the word for yes or no: nobody's phone, and no count of which two may be one."""
    return text.strip().casefold() in _YES_OR_NO


def _is_feature(value: Any) -> bool:
    """Whether a cell is a yes, a count or a rate, as a text file writes them: what is known about contact data."""
    text = str(value).strip()
    return not text or flag_of(text) is not None or _COUNT.fullmatch(text) is not None
