"""Time zones that a phone number hints at. Only the local rule check sees phone numbers."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import timezone as number_zones

from recommender.errors import InvalidInput
from recommender.local_time import is_timezone

__all__ = ["phone_timezones"]

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")


def phone_timezones(phone: str) -> tuple[str, ...]:
    """Zones in which a number may be.

    Parameters
    ----------
    phone : str
        E.164, e.g. ``+573001234567``.

    Returns
    -------
    tuple of str
        One zone or many (a toll-free number has dozens); a hint to be joined with the zone of the address.

    Raises
    ------
    InvalidInput
        When the number is not valid, or nobody knows where it is. The number itself is not repeated.
    """
    mend = "Write the full international number, e.g. +573001234567, or null."
    if not _E164.fullmatch(phone):
        raise InvalidInput("The phone is not in E.164 form.", column="phone", mend=mend)
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException as error:
        raise InvalidInput("The phone cannot be read.", column="phone", mend=mend) from error
    zones = tuple(number_zones.time_zones_for_number(number))
    if not phonenumbers.is_valid_number(number) or not all(is_timezone(zone) for zone in zones):
        raise InvalidInput("The phone is not a valid number of any numbering plan.", column="phone", mend=mend)
    return zones
