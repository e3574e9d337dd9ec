"""What may be asked: each answer is the one of the HTTP API's own route, and nothing here can write."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from api.service.check_schemas import CheckRequest
from api.service.fields import Identifier, Instant
from api.service.metrics import Metrics
from api.service.recording import Recorder
from api.service.routes.check import check
from api.service.routes.decisions import get_decision, list_decisions
from api.service.routes.explanations import contrast_actions, explain_decision
from api.service.serving import Served, Serving
from recommender.errors import InvalidInput
from recommender.reports import describe_pack
from recommender.rules import load_pack, pack_ids, pack_warnings
from recommender.settings import Settings

__all__ = ["Reading"]

Language = Literal["es", "en"]
T = TypeVar("T")
_ID: TypeAdapter[str | None] = TypeAdapter(Identifier | None)
_INSTANT: TypeAdapter[datetime | None] = TypeAdapter(Instant | None)
_MOST_LISTED = 200


class Reading:
    """Decisions, reports and rules as a program asks for them; JSON-ready.

    Parameters
    ----------
    settings : Settings
        As of the service: ``decision_log_url`` is opened read only, ``portfolio_path`` holds the stored reports, and
        ``model_path`` (or ``registry_uri``) the model that made the decisions, loaded when it is first needed.

    Raises
    ------
    RecommenderError
        Where a log is named that is not there, or has another schema: nothing is created or upgraded here.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recorder = Recorder(settings.decision_log_url, Metrics(), read_only=True)
        self._lock = threading.Lock()
        self._loaded = False

    def close(self) -> None:
        """Give the connections back."""
        if self._loaded:
            self._serving.close()
        self._recorder.close()

    @cached_property
    def _serving(self) -> Serving:
        serving = Serving(self._settings)
        self._loaded = True
        return serving

    def _served(self) -> Served:
        with self._lock:
            return self._serving.current()

    # -- decisions -------------------------------------------------------------------------------------------------
    def decisions(
        self,
        account_id: str | None,
        debtor_id: str | None,
        since: str | None,
        until: str | None,
        cursor: str | None,
        limit: int,
    ) -> dict[str, Any]:
        """Fields of :class:`api.service.log_schemas.DecisionList`, newest first."""
        if not 1 <= limit <= _MOST_LISTED:
            raise InvalidInput.in_column(
                "limit",
                "is out of range",
                values=[str(limit)],
                mend=f"Give 1 to {_MOST_LISTED}, and follow next_cursor.",
            )
        answer = list_decisions(
            self._recorder,
            account_id=_read(_ID, "account_id", account_id),
            debtor_id=_read(_ID, "debtor_id", debtor_id),
            since=_read(_INSTANT, "since", since),
            until=_read(_INSTANT, "until", until),
            cursor=cursor,
            limit=limit,
        )
        return answer.model_dump(mode="json")

    def decision(self, decision_id: str) -> dict[str, Any]:
        """Fields of :class:`api.service.log_schemas.DecisionAnswer`; of the eligible actions only their number."""
        answer = get_decision(_known(decision_id), self._recorder).model_dump(mode="json")
        answer["n_eligible"] = len(answer.pop("eligible"))
        return answer

    def explanation(self, decision_id: str, language: Language, top_k: int) -> dict[str, Any]:
        """Fields of :class:`api.service.explain_schemas.ExplanationAnswer`."""
        if not 1 <= top_k <= 10:
            raise InvalidInput.in_column("top_k", "is out of range", values=[str(top_k)], mend="Give 1 to 10.")
        answer = explain_decision(_known(decision_id), self._recorder, self._served(), language, top_k)
        return answer.model_dump(mode="json")

    def contrast(self, decision_id: str, action: str | None, against: str | None, language: Language) -> dict[str, Any]:
        """Fields of :class:`api.service.explain_schemas.ContrastAnswer`."""
        answer = contrast_actions(
            _known(decision_id), self._recorder, self._served(), action=action, against=against, language=language
        )
        return answer.model_dump(mode="json")

    # -- rules -----------------------------------------------------------------------------------------------------
    def check(
        self,
        packs: Sequence[str],
        at: str,
        channel: str,
        purpose: str,
        account: Mapping[str, Any],
        contacts: Sequence[Mapping[str, Any]] | None,
    ) -> dict[str, Any]:
        """Fields of :class:`api.service.check_schemas.CheckAnswer`."""
        asked: dict[str, Any] = {
            "packs": list(packs), "at": at, "channel": channel, "purpose": purpose, "account": dict(account),
            "contacts": None if contacts is None else [dict(one) for one in contacts],
        }  # fmt: skip
        try:
            request = CheckRequest.model_validate_json(json.dumps(asked))
        except ValidationError as error:
            raise _unreadable(error, "contact") from None
        return check(request, self._recorder).model_dump(mode="json")

    @staticmethod
    def packs() -> list[dict[str, Any]]:
        """One entry a rule pack, with its sources and how well each was seen (A official text ... D hearsay)."""
        today = datetime.now(UTC).date()
        return [
            {
                **pack.model_dump(
                    mode="json",
                    include={"id", "title", "kind", "jurisdiction", "extends", "pack_version", "valid_from",
                             "reviewed_on", "legal_status", "open_questions"},
                ),
                "sources": [one.model_dump(include={"id", "law", "article", "grade"}) for one in pack.sources],
                "warnings": pack_warnings([pack], today),
            }
            for pack in map(load_pack, pack_ids())
        ]  # fmt: skip

    @staticmethod
    def pack(pack_id: str) -> str:
        """Rules, citations, grades and open questions of a pack, as Markdown."""
        if pack_id not in pack_ids():
            raise InvalidInput.in_column(
                "pack_id", "is no rule pack", values=[pack_id[:40]], mend=f"Use one of {', '.join(pack_ids())}."
            )
        return describe_pack(load_pack(pack_id))

    # -- reports ---------------------------------------------------------------------------------------------------
    def evaluation(self) -> dict[str, Any]:
        """What each policy would have earned on past contacts, with interval and verdict, and the gate's answer."""
        stored = self._stored_evaluation()
        if stored is None:
            raise InvalidInput(
                "No evaluation report is stored.",
                column="portfolio_path",
                mend="Set RECOMMENDER_PORTFOLIO_PATH to a folder with evaluation.json (docs/managers-pages.md).",
            )
        told = ("made_at", "policy_version", "confidence", "reward_kind", "log", "logging_value", "gate")
        return {name: stored.get(name) for name in told} | {
            "policies": [_policy(one) for one in stored.get("policies", [])]
        }

    def ages(self) -> dict[str, Any]:
        """How old what the answers rest on is: decisions, outcomes, the report, the model, the reviews of the rules."""
        now = datetime.now(UTC)
        newest: dict[str, Any] = {"last_decision": None, "last_outcome": None}
        if self._recorder.keeps:
            newest = self._recorder.newest()
        stored = self._stored_evaluation() or {}
        newest["evaluation_made"] = _instant(stored.get("made_at"))
        return {
            "now": now.isoformat(),
            **{name: _age(at, now) for name, at in newest.items()},
            "evaluation_window": stored.get("log"),
            "evaluated_policy_version": stored.get("policy_version"),
            "served_policy_version": self._served().strategy.version_,
            "rule_pack_warnings": pack_warnings([load_pack(one) for one in pack_ids()], now.date()),
        }

    def _stored_evaluation(self) -> dict[str, Any] | None:
        folder = self._settings.portfolio_path
        path = None if folder is None else folder / "evaluation.json"
        if path is None or not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise InvalidInput("evaluation.json holds no report.", column="portfolio_path", mend="Write it anew.")
        return content


def _policy(stored: Mapping[str, Any]) -> dict[str, Any]:
    report = stored["report"]
    chosen = next(one for one in report["estimates"] if one["default"])
    named = ("estimator", "value", "ci_low", "ci_high", "effective_sample_size", "warnings")
    return {
        "name": stored["name"],
        "role": stored["role"],
        "verdict": report["verdict"],
        "reasons": report["reasons"],
        "difference_to_logging": report["difference"],
        **{name: chosen.get(name) for name in named},
    }


def _age(at: datetime | None, now: datetime) -> dict[str, Any] | None:
    return None if at is None else {"at": at.isoformat(), "days_ago": round((now - at) / timedelta(days=1), 2)}


def _instant(text: Any) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(text)
    return None


def _known(decision_id: str) -> str:
    return _read(_ID, "decision_id", decision_id) or ""


def _read(adapter: TypeAdapter[T], name: str, value: str | None) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise _unreadable(error, name) from None


def _unreadable(error: ValidationError, name: str) -> InvalidInput:
    """What is wrong, without what was sent: it may be about somebody."""
    told = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or name}: {one['msg']}"
        for one in error.errors(include_input=False, include_url=False, include_context=False)[:5]
    )
    return InvalidInput(f"The {name} cannot be read ({told}).", column=name, mend="See the description of the tool.")
