"""Who calls, and what may they do: named keys, kept as hashes, with scopes and an end.

``python -m api.service.keys NAME --scopes score,outcomes --days 365`` makes one: the key is shown once, what goes into
``RECOMMENDER_NAMED_KEYS`` holds only its hash. To change a key, add the new one under another name, move the callers,
and take the old one out.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recommender.settings import SCOPES, Settings

__all__ = ["Caller", "Keys", "scope_of"]

#: What each route asks for: the first that fits, with all that lies below it; ``*`` is any one part of a path. What is
#: not named here asks for everything.
_ROUTES: tuple[tuple[str, str, str], ...] = (
    ("POST", "/v1/recommendations", "score"),
    ("POST", "/v1/check", "score"),
    ("GET", "/v1/features", "score"),
    ("POST", "/v1/best-hours", "score"),
    ("POST", "/v1/fallback-chains", "score"),
    ("POST", "/v1/dispatches", "outcomes"),
    ("POST", "/v1/outcomes", "outcomes"),
    ("GET", "/v1/decisions/*/explanation", "explain"),
    ("GET", "/v1/decisions/*/contrast", "explain"),
    ("GET", "/v1/decisions/*/replay", "explain"),
    ("GET", "/v1/decisions", "read"),
    ("GET", "/metrics", "read"),
    ("GET", "/docs", "read"),
    ("GET", "/redoc", "read"),
    ("GET", "/openapi.json", "read"),
)


@dataclass(frozen=True)
class Caller:
    """A key that is known.

    Attributes
    ----------
    name : str
    scopes : frozenset of str
    expires : datetime or None
    """

    name: str
    scopes: frozenset[str]
    expires: datetime | None = None


def scope_of(method: str, path: str) -> str:
    """Scope that a route asks for."""
    asked = "GET" if method == "HEAD" else method
    parts = path.split("/")
    for known, route, scope in _ROUTES:
        named = route.split("/")
        if asked == known and len(parts) >= len(named) and all(map(_fits, named, parts)):
            return scope
    return "admin"


def _fits(named: str, part: str) -> bool:
    return named in ("*", part)


class Keys:
    """The keys of the service.

    Parameters
    ----------
    settings : Settings
        ``named_keys``, and ``api_keys``, which may do everything.
    """

    def __init__(self, settings: Settings) -> None:
        every = frozenset(SCOPES)
        self._known = [
            (_hash(key.get_secret_value()), Caller(f"key-{index + 1}", every))
            for index, key in enumerate(settings.api_keys)
        ]
        self._known += [
            (key.sha256, Caller(name, frozenset(key.scopes), key.expires)) for name, key in settings.named_keys.items()
        ]

    def __bool__(self) -> bool:
        """Whether keys are asked for at all."""
        return bool(self._known)

    def find(self, given: str) -> Caller | None:
        """The caller of a key, in time that does not depend on how much of it was right."""
        digest = _hash(given)
        matches = [caller for known, caller in self._known if hmac.compare_digest(digest, known)]
        return matches[0] if matches else None


def _hash(key: str) -> str:
    # A key is 256 random bits: nothing slower than SHA-256 is needed to keep it from being guessed.
    return hashlib.sha256(key.encode()).hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Make a key."""
    parser = argparse.ArgumentParser(description="Make an API key; only its hash is kept.")
    parser.add_argument("name")
    parser.add_argument("--scopes", default="score", help=f"Comma-separated, of {', '.join(SCOPES)}.")
    parser.add_argument("--days", type=int, default=365, help="Until it expires.")
    asked = parser.parse_args(arguments)
    scopes = asked.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        parser.error(f"there is no scope {unknown[0]!r}: use some of {', '.join(SCOPES)}")
    key = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=asked.days)).replace(microsecond=0)
    entry = {asked.name: {"sha256": _hash(key), "scopes": scopes, "expires": expires.isoformat()}}
    print(f"X-API-Key: {key}")  # noqa: T201 - shown once, kept nowhere
    print(f"RECOMMENDER_NAMED_KEYS={json.dumps(entry)}")  # noqa: T201


if __name__ == "__main__":
    main()
