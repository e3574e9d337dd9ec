"""Control characters and halves of characters in a request: no word of ours holds one, and none is echoed or kept."""

from __future__ import annotations

import json
import re
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from recommender.errors import InvalidInput

__all__ = ["CONTROLS_MEND", "HOLDS_ONE", "controlled_place", "holds_controls", "refuse_controls"]

HOLDS_ONE = "holds a control character, or half of a character"
CONTROLS_MEND = "Leave it out: a program that was cut off or misread its text left it there."
# Of the controls only tab, line feed and carriage return are text; JSON writes the lower ones behind an escape.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WRITTEN = re.compile(rb"\\u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])|\\[bf]|\x7f|\xc2[\x80-\x9f]")
_SIGNS = (b"\\u00", b"\\b", b"\\f", b"\x7f", b"\xc2")  # looked for first: far faster than any pattern
_HALF = re.compile(  # of a pair of surrogates: text that was cut between them
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]", re.ASCII
)
_HALF_SIGNS = (b"\\ud", b"\\uD")


def holds_controls(body: bytes) -> bool:
    """Whether a JSON text holds a control character or half a character anywhere, as it is or behind an escape."""
    if b"\\" not in body and b"\x7f" not in body and body.isascii():  # one byte is looked for many times faster
        return False
    patterns = [
        pattern for pattern, signs in ((_WRITTEN, _SIGNS), (_HALF, _HALF_SIGNS)) if any(sign in body for sign in signs)
    ]
    if not patterns:
        return False
    plain = body.replace(b"\\\\", b"  ")
    return any(pattern.search(plain) is not None for pattern in patterns)


def controlled_place(value: Any) -> tuple[str, ...] | None:
    """Where the first control character, or half of a character, stands; None where there is none.

    As names and positions in a JSON value.
    A name that holds one itself ends the way to it.
    """
    if isinstance(value, str):
        return () if _CONTROL.search(value) else None
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        if isinstance(name, str) and _CONTROL.search(name):
            return ("a name",)
        further = controlled_place(part)
        if further is not None:
            return (str(name), *further)
    return None


def _place_in(body: bytes) -> tuple[str, ...] | None:
    try:
        return controlled_place(json.loads(body))
    except (ValueError, RecursionError):
        return None  # no JSON: its route says so


async def refuse_controls(request: Request) -> None:
    """Refuse a JSON body with a control character, before its words are read.

    Raises
    ------
    InvalidInput
    """
    if request.method != "POST" or not holds_controls(body := await request.body()):
        return
    place = await run_in_threadpool(_place_in, body)  # off the event loop, as all parsing is
    if place is not None:
        named = [one for one in place if not one.isdecimal()]
        raise InvalidInput(
            f"{'.'.join(place) or 'The body'} {HOLDS_ONE}.",
            column=named[-1] if named else None,
            mend=CONTROLS_MEND,
        )
