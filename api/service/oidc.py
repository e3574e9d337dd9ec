"""Bearer tokens of an identity provider (OpenID Connect): who calls, and what may they do.

A token is taken when the issuer signed it with a key that it publishes, for this service, and its time has not run
out. Its scopes are translated into ours by a setting; what is not named there gives nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import structlog

from api.service.keys import Caller
from api.service.problems import ServiceUnavailable
from recommender.extras import needs
from recommender.settings import Settings

with needs("oidc"):
    import jwt

__all__ = ["BearerTokens"]

_log = structlog.get_logger(__name__)
_LONGEST = 8_192  # characters of a token
_LARGEST = 2**20  # bytes of a document of the issuer
_PATIENCE = 5.0  # seconds for a document
_KEPT = 600.0  # seconds that keys are used before they are asked for anew
_BETWEEN = 20.0  # seconds between two questions: a token with an invented key must not make us ask all the time
_STALE = 86_400.0  # seconds that known keys go on where the issuer does not answer
_NEEDED = ["exp", "iat", "iss", "aud", "sub"]


class BearerTokens:
    """Tokens of the issuer that the settings name.

    Parameters
    ----------
    settings : Settings
        ``oidc_issuer``, ``oidc_audience``, ``oidc_scopes``, ``oidc_scope_claim``, ``oidc_algorithms``,
        ``oidc_leeway_seconds``.
    read : callable (url) -> mapping, optional
        Reads a JSON document; default: over HTTPS.
    """

    def __init__(self, settings: Settings, read: Callable[[str], Mapping[str, Any]] | None = None) -> None:
        self._settings = settings
        self._issuer = str(settings.oidc_issuer)
        self._read = read or _document
        self._reader = ThreadPoolExecutor(1, "oidc-keys")
        self._keys: dict[str, _Key] = {}
        self._fetched = self._asked = float("-inf")
        self._asking: asyncio.Future[None] | None = None

    async def find(self, token: str) -> Caller | None:
        """The caller of a token; None where it is not to be trusted, whatever is wrong with it.

        Raises
        ------
        ServiceUnavailable
            Where no key of the issuer can be had.
        """
        if not token or len(token) > _LONGEST or not token.isascii():
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return None
        # What "crit" names has to be understood, and none of it is; "none" and shared secrets are no algorithms here.
        if "crit" in header or header.get("alg") not in self._settings.oidc_algorithms:
            return None
        key = await self._key(header.get("kid"), str(header["alg"]))
        if key is None:
            return None
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[str(header["alg"])],
                audience=self._settings.oidc_audience,
                issuer=self._issuer,
                leeway=self._settings.oidc_leeway_seconds,
                options={"require": _NEEDED},
            )
        except jwt.PyJWTError as error:
            _log.info("bearer token refused", reason=type(error).__name__)
            return None
        return Caller(self._name_of(claims), self._scopes_of(claims))

    async def _key(self, kid: object, algorithm: str) -> _Key | None:
        now = time.monotonic()
        known = self._match(kid, algorithm)
        is_old = now - self._fetched > _KEPT
        if (known is None or is_old) and now - self._asked > _BETWEEN:
            self._asked = now
            self._asking = asyncio.get_running_loop().run_in_executor(self._reader, self._fetch)
        if self._asking is not None and (known is None or now - self._fetched > _STALE):
            # Keys that are only due are asked for beside the answer; nobody waits who does not have to.
            await asyncio.wait([self._asking], timeout=_PATIENCE)
            known = self._match(kid, algorithm)
        if time.monotonic() - self._fetched > _STALE:
            raise ServiceUnavailable("The keys of the identity provider cannot be read. Retry, or use an API key.")
        return known

    def _match(self, kid: object, algorithm: str) -> _Key | None:
        """The key that a token names; without a name the only one there is. Its kind must be that of the algorithm."""
        if kid is None:
            fitting = list(self._keys.values())
            key = fitting[0] if len(fitting) == 1 else None
        else:
            key = self._keys.get(kid) if isinstance(kid, str) else None
        return key if key is not None and key.signs_with(algorithm) else None

    def _fetch(self) -> None:
        try:
            url = self._settings.oidc_jwks_url
            if url is None:
                found = self._read(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != self._issuer:
                    raise ValueError("the document is of another issuer")
                url = str(found["jwks_uri"])
            keys = {}
            for one in self._read(url)["keys"]:
                if one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
                    continue  # a shared secret that is published is no secret
                try:
                    keys[str(one.get("kid", ""))] = _Key(jwt.PyJWK(one).key, one["kty"], one.get("alg"))
                except jwt.PyJWTError:
                    continue
            if not keys:
                raise ValueError("no key that signs")
        except (OSError, URLError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("keys of the identity provider cannot be read", error=type(error).__name__)
            return
        self._keys, self._fetched = keys, time.monotonic()

    def _name_of(self, claims: Mapping[str, Any]) -> str:
        """Who it is, as logs name it: a subject may be an e-mail address, so a digest stands for it."""
        whose = f"{self._issuer}|{claims['sub']}"
        return f"oidc:{hashlib.sha256(whose.encode()).hexdigest()[:16]}"

    def _scopes_of(self, claims: Mapping[str, Any]) -> frozenset[str]:
        told: Any = claims
        for part in self._settings.oidc_scope_claim.split("."):  # realm_access.roles
            told = told.get(part) if isinstance(told, Mapping) else None
        words = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        mapping = self._settings.oidc_scopes
        return frozenset(scope for word in words if isinstance(word, str) for scope in mapping.get(word, ()))


_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True)
class _Key:
    """A key that the issuer publishes: its kind, and the one algorithm that it is for where it says so."""

    key: Any
    kind: str
    algorithm: str | None

    def signs_with(self, algorithm: str) -> bool:
        return self.kind == _KINDS.get(algorithm[:2]) and self.algorithm in (None, algorithm)


class _NoRedirects(HTTPRedirectHandler):
    """The issuer's documents are where it says, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _document(url: str) -> Mapping[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("an identity provider is asked over https only")
    try:
        with build_opener(_NoRedirects).open(url, timeout=_PATIENCE) as answer:
            text = answer.read(_LARGEST + 1)
    except HTTPError as refused:
        refused.close()  # it is an answer too
        raise
    if len(text) > _LARGEST:
        raise ValueError("the document is too large")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError("the document is no object")
    return document
