"""Ids of people as opaque ids: the same person is the same id, and nobody without the key can tell who."""

from __future__ import annotations

import base64
import hashlib
import hmac

from recommender.errors import InvalidInput
from recommender.intake.ids import id_text

__all__ = ["pseudonym"]

_SHORTEST_KEY = 32
_LENGTH = 26  # characters of base 32: 130 bits


def pseudonym(identifier: object, key: str, *, kind: str = "id") -> str:
    """Keyed hash of an id, as lower-case text that begins with a letter.

    Parameters
    ----------
    identifier : text or number
        Spellings of one id (12345, 12345.0, " 12345 ") have one pseudonym.
    key : str
        A secret of at least 32 characters; whoever holds it can find out who is who by trying.
    kind : str, default="id"
        Accounts and debtors with one number have different pseudonyms under different kinds.

    Returns
    -------
    str

    Raises
    ------
    InvalidInput
        For a short key, or an id that is missing.
    """
    if len(key) < _SHORTEST_KEY:
        raise InvalidInput(
            f"The key has {len(key)} characters.",
            column="key",
            mend=f"Use a random one of at least {_SHORTEST_KEY}, e.g. `openssl rand -hex 32`, and keep it as a secret.",
        )
    text = id_text(identifier)
    if text is None or not text.strip():
        raise InvalidInput("An id is missing.", column="identifier", mend="Leave rows without an id as they are.")
    digest = hmac.new(key.encode(), f"{kind}\0{text.strip()}".encode(), hashlib.sha256).digest()
    return "p" + base64.b32encode(digest).decode().lower()[:_LENGTH]
