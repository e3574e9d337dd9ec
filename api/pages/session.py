"""Who is logged in: a signed cookie, a token for forms, and nothing kept on the server but what was logged out."""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from api.pages.passwords import hash_password, verify
from recommender.settings import Settings

__all__ = ["Session", "Sessions"]

DEMO_MANAGER = "demo"
_FORM_COOKIE = "recommender_form"
_FORM_SECONDS = 3_600
_NOBODY = hash_password(secrets.token_urlsafe())  # nobody knows it; to check it costs what a real one costs


@dataclass(frozen=True)
class Session:
    """A manager who is logged in.

    Attributes
    ----------
    manager : str
    token : str
        Expected from every form of this session.
    key : str
        Names the session, so that logging out ends it although the cookie may have been copied.
    """

    manager: str
    token: str
    key: str


class Sessions:
    """Checks passwords, opens and reads sessions.

    Without configured managers (only in development, see :class:`~recommender.settings.Settings`) there is one, named
    ``demo``, whose password is drawn at random for this process: see :attr:`demo_password`.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._hashes = {name: stored.get_secret_value() for name, stored in settings.managers.items()}
        self.demo_password: str | None = None
        if not self._hashes:
            self.demo_password = secrets.token_urlsafe(9)
            self._hashes = {DEMO_MANAGER: ""}  # made when somebody logs in: an application without readers pays nothing
        secret = settings.session_secret
        key = secrets.token_bytes(32) if secret is None else secret.get_secret_value().encode()
        self._signer = URLSafeTimedSerializer(key, salt="managers-session")
        self._form_signer = URLSafeTimedSerializer(key, salt="managers-login-form")
        self._seconds = round(settings.session_hours * 3_600)
        self._secure = settings.environment == "production"
        self._cookie = "__Host-recommender_session" if self._secure else "recommender_session"
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def passes(self, manager: str, password: str) -> bool:
        """Whether the password is the manager's; takes as long for a name that nobody has."""
        if self.demo_password is not None and not self._hashes[DEMO_MANAGER]:
            self._hashes[DEMO_MANAGER] = hash_password(self.demo_password)
        return verify(password, self._hashes.get(manager, _NOBODY)) and manager in self._hashes

    def open(self, response: Response, manager: str) -> None:
        """Log a manager in."""
        content = {"manager": manager, "token": secrets.token_urlsafe(24), "key": secrets.token_urlsafe(12)}
        self._set(response, self._cookie, self._signer.dumps(content), self._seconds)
        response.delete_cookie(_FORM_COOKIE)

    def of(self, request: Request) -> Session | None:
        """Session of a request; None when there is none, it expired, was logged out, or the manager is gone."""
        content = self._read(self._signer, request.cookies.get(self._cookie), self._seconds)
        if (
            not isinstance(content, dict)
            or content.get("manager") not in self._hashes
            or content.get("key") in self._ended
        ):
            return None
        return Session(content["manager"], content["token"], content["key"])

    def close(self, response: Response, session: Session | None) -> None:
        """Log out."""
        if session is not None:
            with self._lock:
                self._ended.add(session.key)
        response.delete_cookie(self._cookie, secure=self._secure, httponly=True, samesite="lax")

    # -- forms -----------------------------------------------------------------------------------------------------
    @staticmethod
    def new_form_token() -> str:
        """Token of a login form, to be tied to the browser by :meth:`keep_form_token`."""
        return secrets.token_urlsafe(24)

    def keep_form_token(self, response: Response, token: str) -> None:
        """Tie a login form to this browser by a cookie."""
        self._set(response, _FORM_COOKIE, self._form_signer.dumps(token), _FORM_SECONDS)

    def is_own_login_form(self, request: Request, token: str) -> bool:
        """Whether a login form was given to this browser."""
        half = self._read(self._form_signer, request.cookies.get(_FORM_COOKIE), _FORM_SECONDS)
        return isinstance(half, str) and hmac.compare_digest(half.encode(), token.encode())

    @staticmethod
    def is_own_form(session: Session, token: str) -> bool:
        """Whether a form was given to this session."""
        return hmac.compare_digest(session.token.encode(), token.encode())

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=self._secure, path="/")

    @staticmethod
    def _read(signer: URLSafeTimedSerializer, cookie: str | None, seconds: int) -> Any:
        if cookie is None:
            return None
        try:
            return signer.loads(cookie, max_age=seconds)
        except BadSignature:
            return None
