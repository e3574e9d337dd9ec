"""How many SMS segments a text takes: GSM 03.38 where its letters allow, UCS-2 otherwise."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SmsLength", "sms_length"]

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = "\f^{}\\[~]|€"


@dataclass(frozen=True)
class SmsLength:
    """Length of a text as SMS.

    Attributes
    ----------
    encoding : {"GSM-7", "UCS-2"}
    units : int
        Septets or 16-bit units.
    segments : int
    """

    encoding: str
    units: int
    segments: int


def sms_length(text: str) -> SmsLength:
    """Count the segments of a text (160 and 153 septets, or 70 and 67 units, one and many).

    References
    ----------
    3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation header of six octets).
    """
    if all(letter in _BASIC or letter in _EXTENDED for letter in text):
        sizes, encoding, single, many = [2 if letter in _EXTENDED else 1 for letter in text], "GSM-7", 160, 153
    else:
        sizes, encoding, single, many = [2 if ord(letter) > 0xFFFF else 1 for letter in text], "UCS-2", 70, 67
    units = sum(sizes)
    if units <= single:
        return SmsLength(encoding, units, 1 if units else 0)
    # A letter of two units is never cut in half: it moves on to the next segment.
    segments, used = 1, 0
    for size in sizes:
        if used + size > many:
            segments, used = segments + 1, 0
        used += size
    return SmsLength(encoding, units, segments)
