"""Columns named like a protected attribute, in whatever way their names are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from recommender.spelling import column_word

__all__ = ["protected_names"]

# Whole words of a name, in English, Spanish and Portuguese; without accents.
_WORD = re.compile(
    r"age|etari[ao]|edad|idade|agegroup|agegrp|agebucket|ageband|agerange|dob|birth\w*|fechanac\w*|nacimiento|nascimento|yob|"
    r"gender|genero|sex|sexo|sexual\w*|male|female|masculin[oa]|femenin[oa]|feminin[oa]|mujer|mulher|hombre|homem|varon|"
    r"ethnic\w*|etnia|etnic[oa]|race|racial|raza|raca|indigen\w*|nationality|nacionalidade?|citizenship|ciudadania|caste|casta|"
    r"religio\w*|faith|credo|marital\w*|estadocivil|civilstatus|pregnan\w*|embaraz\w*|gravid[ae]z?|"
    r"health|healthstatus|salud|saude|disabilit\w*|disabled|discapaci\w*|deficiencia|diagnosis|enfermedad|doenca|"
    r"neighbou?rhood|barrio|bairro|vecindario|colonia|comuna|distrito|district|parroquia|corregimiento|"
    r"urbanizacion|estrato|zip|zipcode|postcode|postal\w*|codigopostal|cep"
)
_PAIR = re.compile(
    r"estado_civil|civil_status|zip_code|post_code|codigo_postal|year_born|(?:fecha|f|ano|anio|fec)_nac|(?:pueblo|povo)_originario"
)
# An age of something that is no person.
_OF_A_THING = re.compile(
    r"(account|cuenta|debt|deuda|loan|credit|credito|contract|contrato|invoice|factura|arrears|mora|balance|bucket|"
    r"vehicle|data|record|contact|phone|model|usage|session|relationship|app|message|"
    r"cartera|obligacion|atraso|saldo|divida|fatura|titulo|carteira|factura|prestamo|emprestimo|morosidad|vehiculo|veiculo)s?"
)
_AGES = {"age", "edad", "idade"}
_IN_DAYS = (
    {"age", "days"},
    {"age", "in", "days"},
    {"edad", "dias"},
    {"edad", "en", "dias"},
    {"idade", "dias"},
)  # a debt's
# Of a purse or an account, not of a body.
_HEALTH = {"health", "salud", "saude"}
# A layer of a sample or of risk; alone, or social, it is the class of a street (Colombia).
_LAYER = re.compile(r"riesgo|risk|risco|muestra|muestreo|sample|mora|score|modelo|cartera")
_OF_MONEY = re.compile(r"financ\w*|account|cuenta|conta|portfolio|cartera|credit\w*|credito|loan|debt|deuda|score")


def protected_names(columns: Sequence[str]) -> list[str]:
    """Columns named like a protected attribute (age, gender, ethnicity, religion, health, neighbourhood ...).

    ``customerGender``, ``FechaNacimiento``, ``EDAD_TITULAR`` and ``marital status`` are; ``account_age``, the age of a
    thing, and ``average`` are not.

    Parameters
    ----------
    columns : sequence of str

    Returns
    -------
    list of str
        Those columns, in their order.
    """
    return [column for column in columns if _is_protected(str(column))]


@lru_cache(maxsize=4096)
def _is_protected(name: str) -> bool:
    words = column_word(name).split("_")
    told = {word for word in words if _WORD.fullmatch(word)}
    if told and told <= _AGES and (set(words) in _IN_DAYS or any(_OF_A_THING.fullmatch(word) for word in words)):
        return False
    if told and told <= _HEALTH and any(_OF_MONEY.fullmatch(word) for word in words):
        return False
    if told == {"estrato"} and any(_LAYER.fullmatch(word) for word in words):
        return False
    return bool(told) or any(_PAIR.fullmatch(f"{one}_{next_}") for one, next_ in pairwise(words))
