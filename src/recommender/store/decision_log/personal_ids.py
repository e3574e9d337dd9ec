"""Is an id opaque, or is it a person: a phone number, a national identity number, a name, an e-mail address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from recommender.errors import InvalidInput

__all__ = ["are_opaque", "personal_kind", "refuse_personal_id"]

_NUMBER = "a phone or identity number"
_SHORTEST, _LONGEST = 7, 15  # digits of a phone or of an identity number
_GROUPED_DIGITS = re.compile(r"\d+(?:[ .\-]\d+)*")
_NATIONAL = (
    re.compile(r"[A-ZÑ&]{3,4}\d{6}(?:[HM][A-Z]{5}[A-Z0-9]\d|[A-Z0-9]{3})"),  # CURP and RFC
    re.compile(r"[VEJGP]-?\d{7,9}"),  # RIF and cédula of Venezuela
    re.compile(r"(?:\d{1,2}\.?\d{3}\.?\d{3})-[\dK]"),  # RUT
    re.compile(r"\d{3}-\d{2}-\d{4}"),  # SSN
)
_DNI = re.compile(r"([XYZ]?)(\d{7,8})-?([A-Z])")
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_PREFIXED = re.compile(
    r"(?:CC|TI|CE|NIT|DNI|CPF|CNPJ|CURP|RFC|RUT|RUC|CUIT|CUIL|TEL|CEL|PHONE|MSISDN)[ :._\-]*(?!000)\d{7,}"
)
_WORDS = re.compile(r"[^\W\d_]{3,}(?:[ ._\-]+[^\W\d_]{2,}){1,4}")
#: Words that tell that the others are no name.
_OF_SYSTEMS = frozenset({
    "id", "account", "acct", "acc", "debtor", "debt", "loan", "customer", "client", "contract", "card",
    "case", "user", "test", "demo", "cuenta", "deudor", "deuda", "credito", "cliente", "contrato", "tarjeta",
    "caso", "usuario", "no",
})  # fmt: skip
_CAPITALS = re.compile(r"(?:[A-ZÀ-Þ][a-zà-ÿ]{2,}){2,4}")


#: Some letters and one to five digits: too few for a number of somebody, and no name holds a digit.
_SURELY_NOBODY = re.compile(r"[A-Za-z_.\-]+\d{1,5}", re.ASCII)


@lru_cache(maxsize=4_096)  # of a request or a few: ids are too many to be remembered
def personal_kind(identifier: str) -> str | None:
    """What an id looks like, or None where it looks like nobody.

    An id of digits alone cannot be told from a phone or an identity number when it is as long as one; what holds
    letters and digits without the shape of a known number is taken for opaque, a hexadecimal digest above all.
    """
    if _SURELY_NOBODY.fullmatch(identifier):
        return None
    text = identifier.strip()
    upper = text.upper()
    if "@" in text:
        return "an e-mail address"
    bare = text.removeprefix("+")
    if _GROUPED_DIGITS.fullmatch(bare):
        count = sum(map(str.isdigit, bare))
        if _SHORTEST <= count <= _LONGEST and not _counts_up(bare):
            return _NUMBER
    if any(shape.fullmatch(upper) for shape in _NATIONAL) or _PREFIXED.fullmatch(upper) or _is_dni(upper):
        return "an identity number"
    if _CAPITALS.fullmatch(text):
        words = re.findall(r"[A-ZÀ-Þ]?[a-zà-ÿ]+", text)
    elif _WORDS.fullmatch(text):
        words = re.split(r"[ ._\-]+", text)
    else:
        return None
    return None if {word.lower() for word in words} & _OF_SYSTEMS else "a name"


def are_opaque(identifiers: Iterable[str]) -> bool:
    """Whether each of some ids is surely nobody; where not, :func:`personal_kind` says what one looks like."""
    return all(map(_SURELY_NOBODY.fullmatch, identifiers))


def refuse_personal_id(name: str, identifier: str, *, numbers_are_ours: bool = False) -> None:
    """Raise where an id looks like a person; the id is not repeated, since errors are logged.

    Parameters
    ----------
    name : str
        Of the column.
    identifier : str
    numbers_are_ours : bool, default=False
        Numbers are this system's own: take them, however long.

    Raises
    ------
    InvalidInput
    """
    kind = personal_kind(identifier)
    if kind is not None and not (numbers_are_ours and kind == _NUMBER):
        raise InvalidInput(
            f"Column {name!r} holds what looks like {kind} where an opaque id is expected.",
            column=name,
            mend="Send a keyed hash of it: `python -m pipelines pseudonymise` writes one for whole files, "
            "recommender.intake.pseudonym for one id. Where numbers are your system's own and nobody's, set "
            "RECOMMENDER_NUMERIC_IDS=true.",
        )


def _counts_up(digits: str) -> bool:
    """Numbers that are padded with zeros are counters: 0000123."""
    return digits.startswith("000")


def _is_dni(text: str) -> bool:
    match = _DNI.fullmatch(text)
    if match is None:
        return False
    number = f"{'XYZ'.index(match[1]) if match[1] else ''}{match[2]}"
    return len(number) == 8 and _DNI_LETTERS[int(number) % 23] == match[3]
