"""How people write what ``capacity.toml`` holds: spans of hours, weekdays in two languages, and what they meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from recommender.calendar_days import WEEKDAYS as DAYS
from recommender.intake import plain_word

__all__ = ["DAYS", "asks_number", "by_weekday", "check_numbers", "mend_of", "spread_over_hours"]

_DAY_WORDS = ("lunes lun mon", "martes mar tue", "miercoles mie wed", "jueves jue thu", "viernes vie fri",
              "sabado sab sat", "domingo dom sun")  # fmt: skip
_DAY_OF = {word: day for day, words in zip(DAYS, _DAY_WORDS, strict=True) for word in (day, *words.split())}
_THOUSANDS = re.compile(r"\s*-?[1-9]\d{0,2}(?:[.,' \u00a0\u2019]\d{3})+\s*")
_SPAN = re.compile(r"\s*(\d{1,2})(?::00)?\s*(?:(?:-|\u2013|a)\s*(\d{1,2})(?::00)?\s*)?")
#: Words of an operations manager for the entries of the file: what is meant is said, and not guessed.
_MEANT = {
    word: name
    for name, words in {
        "queue": "cola colas queues", "name": "nombre", "channels": "canal canales channel",
        "agents": "agentes asesores gestores agent", "quota": "cupo cuota limite limit",
        "quota_by_hour": "cupo_por_hora cuota_por_hora", "on": "dias horario days",
        "minutes_per_contact": "minutos minutos_por_contacto duracion minutes", "budget": "presupuesto",
        "cost_per_contact": "costo coste costo_por_contacto cost", "timezone": "zona_horaria zona huso_horario",
        "currency": "moneda divisa", "minimum": "minimo minimos minimums", "contacts": "contactos",
        "share": "parte porcentaje proporcion", "only": "solo solamente habilidades skills", "level": "nivel",
        "week": "semana", "worth": "valor", "arms": "brazos grupos", "per_response": "por_respuesta",
        "contacts_per_debtor": "contactos_por_deudor", "hours_between": "horas_entre_contactos",
    }.items()
    for word in words.split()
}  # fmt: skip


def by_weekday(table: Mapping[Any, Any]) -> dict[Any, Any]:
    """Values by English weekday of a table that names days in Spanish or English, whole or shortened; dates stay.

    Raises
    ------
    ValueError
        For a day that two entries give.
    """
    days: dict[Any, Any] = {}
    for entry, value in table.items():
        day = _DAY_OF.get(plain_word(str(entry)), entry)
        if day in days:
            raise ValueError(f"on: {day} is told twice, once as {entry!r}: leave it to one of them")
        days[day] = value
    return days


def spread_over_hours(table: Mapping[Any, Any]) -> dict[int, Any]:
    """Values by whole hour of a table of hours (``9``) and spans of hours (``9-18`` ends at 18:00).

    Raises
    ------
    ValueError
        For what is no hour, a span that ends before it begins, and an hour that two entries give; names them.
    """
    hours: dict[int, Any] = {}
    whose: dict[int, Any] = {}
    for entry, value in table.items():
        span = _SPAN.fullmatch(str(entry))
        first = int(span[1]) if span else -1
        end = first + 1 if span is None or span[2] is None else int(span[2])
        if not 0 <= first < end <= 24:
            raise ValueError(
                f"{entry!r} is neither a whole hour from 0 to 23 nor a span such as 9-18 (one agent from 9:30 on is "
                "0.5 agents in the hour 9)"
            )
        for hour in range(first, end):
            if hour in hours:
                raise ValueError(f"hour {hour} is given by {whose[hour]!r} and by {entry!r}: leave it to one of them")
            hours[hour], whose[hour] = value, entry
    return hours


def asks_number(annotation: Any) -> bool:
    """Whether an entry of this type is a number, or a table of numbers."""
    return annotation in (float, int) or any(map(asks_number, get_args(annotation)))


def check_numbers(name: str, told: Any) -> None:
    """Refuse what is read as a number and was meant as another one, or as none.

    Raises
    ------
    ValueError
        For yes and no, and for a text that may hold a sign of thousands: 1.000 is a thousand in Bogota, one in London.
    """
    for value in told.values() if isinstance(told, Mapping) else [told]:
        if isinstance(value, bool):
            raise ValueError(f"{name}: {str(value).lower()} is no number")
        if isinstance(value, str) and _THOUSANDS.fullmatch(value):
            plain = re.sub(r"[^0-9-]", "", value)
            raise ValueError(
                f"{name}: {value!r} may be {plain} or a fraction: write it without quotes and signs of thousands"
            )


def mend_of(fault: Mapping[str, Any]) -> str | None:
    """What to write in the place of an entry that pydantic refused; None where nothing better is known."""
    told = fault.get("input")
    if fault["type"] == "extra_forbidden":
        meant = _MEANT.get(plain_word(str(fault["loc"][-1])))
        return None if meant is None else f"Write {meant} for {fault['loc'][-1]}."
    if isinstance(told, str) and re.fullmatch(r"\s*-?\d+,\d+\s*", told):
        return f"Write {told.strip().replace(',', '.')} (a decimal point, no quotes) for {told!r}."
    return None
