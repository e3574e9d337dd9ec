"""Calls of the scoring API: one method a route, safe to repeat, errors with what to do about them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from recommender.client import bodies
from recommender.errors import RecommenderError

__all__ = ["ApiError", "Client", "Sent"]

_AGAIN = frozenset({408, 429, 502, 503, 504})
_LONGEST_PAUSE = 30.0


class ApiError(RecommenderError):
    """The service refused, or could not answer.

    Attributes
    ----------
    status : int
        0 where the service was not reached.
    detail : str
    column : str or None
        Field at fault.
    request_id : str or None
        What to report.
    """

    def __init__(self, status: int, detail: str, column: str | None = None, request_id: str | None = None) -> None:
        self.status, self.detail, self.column, self.request_id = status, detail, column, request_id
        super().__init__(f"{status or 'not reached'}: {detail}" + (f" (request {request_id})" if request_id else ""))


@dataclass(frozen=True)
class Sent:
    """What came back: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """The scoring API.

    Requests are repeated where the service asks for it (408, 429, 503) or was not reached: each can be, since
    recommendations carry a ``request_key``, dispatches a ``dispatch_id``, and outcomes their content.

    Parameters
    ----------
    url : str
        E.g. ``https://scoring.example``.
    key : str or None
        Value of ``X-API-Key``.
    timeout : float, default=30
        Seconds.
    attempts : int, default=4
    send : callable, optional
        ``(method, path with query, headers, body) -> Sent`` in place of the network.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8000", key="...")  # doctest: +SKIP
    >>> answer = client.recommend([{"account_id": "A1", "contacts": []}])  # doctest: +SKIP
    >>> answer["recommendations"][0]["actions"][0]["factors"]  # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = 4,
        send: Callable[[str, str, Mapping[str, str], bytes | None], Sent] | None = None,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"a service has an http or https address; got {url!r}")
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._attempts = max(1, attempts)
        self._headers = {"accept": "application/json"} | ({} if key is None else {"X-API-Key": key})
        self._send = send or self._over_http

    # -- decide ----------------------------------------------------------------------------------------------------
    def recommend(
        self, accounts: Sequence[bodies.Account], *, request_key: str | None = None, **more: Any
    ) -> bodies.RecommendationAnswer:
        """Ranked actions; accounts that could not be answered stand in ``errors``.

        Parameters
        ----------
        accounts : sequence of dict
        request_key : str, optional
            Default: a fresh one, the same for the repetitions of this call.
        more
            Further fields of the request: ``as_of``, ``top_k``, ``explore``, ``seed``, ``constraints`` ...
        """
        key = uuid4().hex if request_key is None else request_key  # an empty one is refused, not replaced
        body = {"accounts": list(accounts), "request_key": key, **more}
        return cast("bodies.RecommendationAnswer", self._call("POST", "/v1/recommendations", body))

    def dispatch(self, dispatches: Sequence[bodies.Dispatch]) -> bodies.DispatchAnswer:
        """Ask to send, and tell what was sent."""
        return cast("bodies.DispatchAnswer", self._call("POST", "/v1/dispatches", {"dispatches": list(dispatches)}))

    def tell(self, outcomes: Sequence[bodies.Outcome]) -> bodies.OutcomeAnswer:
        """Tell what happened after decisions."""
        return cast("bodies.OutcomeAnswer", self._call("POST", "/v1/outcomes", {"outcomes": list(outcomes)}))

    def check(self, request: bodies.CheckRequest) -> bodies.CheckAnswer:
        """May this one contact be made at this instant."""
        return cast("bodies.CheckAnswer", self._call("POST", "/v1/check", dict(request)))

    def best_hours(self, account: bodies.Account, channel: str, **more: Any) -> bodies.BestHoursAnswer:
        """Every hour of the days ahead over one channel, and the best slots; ``as_of``, ``days``, ``purpose`` ..."""
        body = {"account": account, "channel": channel, **more}
        return cast("bodies.BestHoursAnswer", self._call("POST", "/v1/best-hours", body))

    def fallback_chain(self, account: bodies.Account, **more: Any) -> bodies.FallbackChainAnswer:
        """What would follow if each contact failed; ``as_of``, ``steps``, ``wait_hours``, ``purpose`` ..."""
        body = {"account": account, **more}
        return cast("bodies.FallbackChainAnswer", self._call("POST", "/v1/fallback-chains", body))

    def features(self) -> bodies.FeaturesAnswer:
        """Features that accounts may bring."""
        return cast("bodies.FeaturesAnswer", self._call("GET", "/v1/features"))

    # -- read ------------------------------------------------------------------------------------------------------
    def decision(self, decision_id: str) -> bodies.DecisionAnswer:
        """A decision as it was made, with what became of it."""
        return cast("bodies.DecisionAnswer", self._call("GET", f"/v1/decisions/{_part(decision_id)}"))

    def decisions(self, **asked: Any) -> Iterator[bodies.ListedDecision]:
        """Decisions by ``account_id``, ``debtor_id``, ``since`` and ``until``, newest first, page after page."""
        while True:
            page = cast("bodies.DecisionList", self._call("GET", "/v1/decisions", query=asked))
            yield from page["decisions"]
            if page["next_cursor"] is None:
                return
            asked = asked | {"cursor": page["next_cursor"]}

    def explanation(self, decision_id: str, **asked: Any) -> bodies.ExplanationAnswer:
        """Why this action."""
        path = f"/v1/decisions/{_part(decision_id)}/explanation"
        return cast("bodies.ExplanationAnswer", self._call("GET", path, query=asked))

    def contrast(self, decision_id: str, **asked: Any) -> bodies.ContrastAnswer:
        """Why ``action`` and not ``against``."""
        path = f"/v1/decisions/{_part(decision_id)}/contrast"
        return cast("bodies.ContrastAnswer", self._call("GET", path, query=asked))

    def replay(self, decision_id: str) -> bodies.ReplayAnswer:
        """Decide again from the log: the same, or what differs."""
        return cast("bodies.ReplayAnswer", self._call("GET", f"/v1/decisions/{_part(decision_id)}/replay"))

    # -- a data subject's requests ---------------------------------------------------------------------------------
    def debtor(self, debtor_id: str) -> bodies.DebtorExport:
        """Everything that the log holds about a debtor."""
        return cast("bodies.DebtorExport", self._call("GET", f"/v1/debtors/{_part(debtor_id)}"))

    def forget(self, debtor_id: str, *, requested_by: str) -> bodies.Forgotten:
        """Erase it."""
        path, query = f"/v1/debtors/{_part(debtor_id)}", {"requested_by": requested_by}
        return cast("bodies.Forgotten", self._call("DELETE", path, query=query))

    # -- on the wire -----------------------------------------------------------------------------------------------
    def _call(self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | None = None) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        sent = None if body is None else json.dumps(_plain(body), allow_nan=False).encode()
        headers = self._headers if sent is None else self._headers | {"content-type": "application/json"}
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._send(method, target, headers, sent)
            except OSError as error:
                if attempt == self._attempts:
                    raise ApiError(0, f"{self._url} does not answer ({type(error).__name__})") from error
                time.sleep(min(_LONGEST_PAUSE, 0.2 * 2**attempt))
                continue
            if answer.status < 400:
                return json.loads(answer.body)
            if answer.status not in _AGAIN or attempt == self._attempts:
                raise _error(answer)
            time.sleep(_pause(answer, attempt))
        raise AssertionError("unreachable")

    def _over_http(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Sent:
        request = urllib.request.Request(self._url + target, body, dict(headers), method=method)  # noqa: S310 - checked
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - http or https alone
                return Sent(answer.status, _lower(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return Sent(refused.code, _lower(refused.headers.items()), refused.read())


def _part(value: str) -> str:
    return quote(value, safe="")


def _plain(value: Any) -> Any:
    """A value as JSON has it: rows of data frames too, whose empty cells (NaN, NaT, NA) are unknown."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if type(value).__name__ == "NAType" or _is_nan(value):
        return None
    if isinstance(value, float):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if type(value).__name__ == "datetime64":
        return str(value)[:26]  # microseconds
    if hasattr(value, "tolist"):  # scalars and arrays of numpy
        return _plain(value.tolist())
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} cannot be sent; give text, numbers, days, instants, lists or dicts.")


def _is_nan(value: Any) -> bool:
    """Whether a value is none, as NaN and NaT say by being unlike themselves; arrays are asked item by item."""
    return not hasattr(value, "__len__") and bool(value != value)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _pause(answer: Sent, attempt: int) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_PAUSE, float(asked) if asked.isdecimal() else 0.2 * 2**attempt)


def _error(answer: Sent) -> ApiError:
    try:
        problem = json.loads(answer.body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return ApiError(answer.status, "The answer is none of this service: is there a proxy before it?")
    return ApiError(
        answer.status, str(problem.get("detail", "")), problem.get("column"), problem.get("request_id")
    )  # fmt: skip
