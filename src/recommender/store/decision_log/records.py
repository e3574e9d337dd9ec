"""What the decision log keeps of decisions and their provenance; each checked once, on birth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.store.decision_log.checked_columns import (
    CheckedMapping,
    SortedMapping,
    WrittenMapping,
    WrittenRanking,
)
from recommender.store.decision_log.json_columns import json_of
from recommender.store.decision_log.privacy import refuse_free_text
from recommender.store.decision_log.record_fields import (
    LARGEST_INTEGER,
    WrittenJson,
    canonical_json,
    check_action,
    check_eligible,
    check_id,
    check_ranking,
    in_order,
    number_or_none,
    plain_mapping,
    plain_ranked,
    sha256_of,
    sha256_of_texts,
    utc_instant,
)

__all__ = ["DecisionRecord", "Provenance", "ShadowChoice"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The versions a decision was made with; shared by many decisions and stored once.

    Attributes
    ----------
    policy_version : str
        Registered version, or the name of the fallback policy.
    actions : ActionSpace
        What the action indices and eligible bits of the decision mean.
    model_digest : str or None
        SHA-256 of the strategy's files; None where no model took part.
    rule_packs : mapping of str to str
        Rule pack id -> SHA-256 of its text.
    holidays_version, tzdata_version, code_version : str or None
    """

    policy_version: str
    actions: ActionSpace
    model_digest: str | None = None
    rule_packs: Mapping[str, str] = field(default_factory=dict)
    holidays_version: str | None = None
    tzdata_version: str | None = None
    code_version: str | None = None

    def __post_init__(self) -> None:
        """Check and freeze."""
        check_id("policy_version", self.policy_version)
        packs = {str(pack): str(digest) for pack, digest in sorted(self.rule_packs.items())}
        object.__setattr__(self, "rule_packs", packs)

    @cached_property
    def action_space_digest(self) -> str:
        """SHA-256 of the action space."""
        return sha256_of(self.actions.to_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything above."""
        return sha256_of(self.to_row(with_digest=False))

    @cached_property
    def _factors_texts(self) -> dict[int, str]:
        return {}

    def factors_text(self, action: int) -> str:
        """Factor levels of an action as canonical JSON; null where it has none."""
        if (text := self._factors_texts.get(action)) is None:
            codes = self.actions.codes[action].tolist()
            levels = {
                name: None if code < 0 else levels[code]
                for (name, levels), code in zip(self.actions.factors.items(), codes, strict=True)
            }
            text = self._factors_texts[action] = canonical_json(levels)
        return text

    def to_row(self, *, with_digest: bool = True) -> dict[str, Any]:
        """Columns of the ``provenances`` table."""
        row: dict[str, Any] = {
            "policy_version": self.policy_version,
            "model_digest": self.model_digest,
            "action_space": self.actions.to_dict(),
            "action_space_digest": self.action_space_digest,
            "rule_packs": dict(self.rule_packs),
            "holidays_version": self.holidays_version,
            "tzdata_version": self.tzdata_version,
            "code_version": self.code_version,
        }
        return {"provenance_digest": self.digest, **row} if with_digest else row

    def __hash__(self) -> int:
        """Hash of the digest."""
        return hash(self.digest)


@dataclass(frozen=True, kw_only=True)
class ShadowChoice:
    """What the challenger would have done, logged beside what was done."""

    action: int
    expected_reward: float | None
    policy_version: str


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionRecord:
    """One decision, with everything needed to replay it and to learn from it.

    Attributes
    ----------
    decision_id, account_id : str
        Opaque ids.
    debtor_id : str or None
        The independent unit of evaluation; the account where none is given.
    decided_at : datetime
        With a time zone; kept in UTC. The ``as_of`` of a replay.
    action : int
        Dispatched action, an index into ``provenance.actions``.
    propensity : float in (0, 1]
        Probability of that action under the served policy, after mask, exploration, capacity and fallback.
    eligible : ndarray of bool of shape (n_actions,)
        What the guardrails allowed; contains ``action``.
    context : mapping of str to text, number, boolean or None
        Feature columns the decision was made from. No personal contact data. NaN is kept as None.
    provenance : Provenance
    ranking : sequence of mappings
        Ranked actions as answered, best first: each has an ``action`` index; the first one was dispatched.
    request_key : str or None
        Idempotency key of the request, and the decision's place in it.
    contact_at : datetime or None
        When the contact is due (UTC).
    fallback, deterministic : bool
        Whether the seed rules answered for a missing model; whether no chance took part.
    seed : int or None
    shadow : ShadowChoice or None
    purpose : str or None
        What the contact is for; None = collection.
    """

    decision_id: str
    account_id: str
    decided_at: datetime
    action: int
    propensity: float
    eligible: NDArray[np.bool_]
    context: Mapping[str, Any]
    provenance: Provenance
    debtor_id: str | None = None
    ranking: Sequence[Mapping[str, Any]] = ()
    request_key: str | None = None
    request_position: int = 0
    contact_at: datetime | None = None
    fallback: bool = False
    deterministic: bool = False
    seed: int | None = None
    shadow: ShadowChoice | None = None
    purpose: str | None = None

    def __post_init__(self) -> None:
        """Check every field and bring it to the form that is stored."""
        put = object.__setattr__.__get__(self)
        for name in ("decision_id", "account_id"):
            check_id(name, getattr(self, name))
        put("debtor_id", self.account_id if self.debtor_id is None else check_id("debtor_id", self.debtor_id))
        if self.request_key is not None:
            check_id("request_key", self.request_key)
        put("decided_at", utc_instant("decided_at", self.decided_at))
        put("contact_at", None if self.contact_at is None else utc_instant("contact_at", self.contact_at))
        n_actions = len(self.provenance.actions)
        put("action", check_action("action", self.action, n_actions))
        put("eligible", check_eligible(self.eligible, n_actions, self.action))
        put("propensity", float(self.propensity))
        if not 0.0 < self.propensity <= 1.0:
            raise InvalidInput.in_column(
                "propensity",
                "must lie in (0, 1]: it is the probability of the dispatched action",
                values=[self.propensity],
                mend="Log the probability after mask, exploration and fallback; 1.0 for a deterministic choice.",
            )
        if self.seed is not None and abs(int(self.seed)) > LARGEST_INTEGER:
            raise InvalidInput.in_column("seed", "does not fit 64 bits", values=[self.seed], mend="Use a smaller seed.")
        if not isinstance(self.context, CheckedMapping | WrittenMapping):
            put("context", plain_mapping(self.context, "context"))
            refuse_free_text(self.context)
        if not isinstance(self.ranking, WrittenRanking):
            put("ranking", tuple(map(plain_ranked, self.ranking)))
        check_ranking(_named_actions(self.ranking), self.action, n_actions)
        if self.purpose is not None:
            put("purpose", None if self.purpose == "collection" else check_id("purpose", self.purpose))
        if self.shadow is not None:
            check_action("shadow.action", self.shadow.action, n_actions)

    @property
    def content_digest(self) -> str:
        """SHA-256 of the content: equal records have equal digests on any machine."""
        digest: str = self._row["content_digest"]
        return digest

    @cached_property
    def first_digest(self) -> str:
        """The digest that rows were kept under before JSON was written another way; they stay readable."""
        row = {name: value for name, value in self._row.items() if name not in ("purpose", "content_digest")}
        instants = {name: None if row[name] is None else row[name].isoformat() for name in ("decided_at", "contact_at")}
        factors = json.loads(row["action_factors"].text)
        written = {"action_factors": factors, "context": dict(self.context), "ranking": list(self.ranking)}
        return sha256_of(row | instants | {"eligible": row["eligible"].hex()} | written)

    @cached_property
    def packed_eligible(self) -> bytes:
        """The eligible set as packed bits."""
        return np.packbits(self.eligible).tobytes()

    def to_row(self) -> dict[str, Any]:
        """Columns of the ``decisions`` table."""
        return dict(self._row)

    @cached_property
    def _row(self) -> dict[str, Any]:
        """What is stored, with its digest; JSON is written once and stored as it is hashed."""
        shadow, context = self.shadow, self.context
        factors = self.provenance.factors_text(self.action)
        ranking = _ranking_text(self.ranking)
        is_as_given, context_text = _context_text(context)
        plain: dict[str, Any] = {
            "decision_id": self.decision_id,
            "request_key": self.request_key,
            "request_position": int(self.request_position),
            "account_id": self.account_id,
            "debtor_id": self.debtor_id,
            "decided_at": self.decided_at,
            "contact_at": self.contact_at,
            "action": self.action,
            "propensity": self.propensity,
            "eligible": self.packed_eligible,
            "fallback": bool(self.fallback),
            "deterministic": bool(self.deterministic),
            "seed": None if self.seed is None else int(self.seed),
            "shadow_action": None if shadow is None else int(shadow.action),
            "shadow_expected_reward": None if shadow is None else number_or_none(shadow.expected_reward),
            "shadow_policy_version": None if shadow is None else shadow.policy_version,
            "provenance_digest": self.provenance.digest,
        }
        hashed = [*plain.values()]  # in this order, which is part of the digest
        hashed[_DECIDED], hashed[_ELIGIBLE] = _instant_text(self.decided_at), plain["eligible"].hex()
        hashed[_CONTACT] = None if self.contact_at is None else _instant_text(self.contact_at)
        if self.purpose is not None:
            hashed.append(self.purpose)
        plain["purpose"] = self.purpose
        plain["action_factors"] = WrittenJson(factors)
        plain["ranking"] = WrittenJson(ranking)
        # As it was given: its order is that of the features.
        plain["context"] = WrittenJson(context_text) if is_as_given else context
        plain["content_digest"] = sha256_of_texts(json_of(hashed), factors, ranking, context_text)
        return plain

    def __eq__(self, other: object) -> bool:
        """Records are equal when their content is."""
        if not isinstance(other, DecisionRecord):
            return NotImplemented
        return self.content_digest == other.content_digest

    def __hash__(self) -> int:
        """Hash of the content."""
        return hash(self.content_digest)


_DECIDED, _CONTACT, _ELIGIBLE = 5, 6, 9  # places of what is hashed in another form than it is stored in


@lru_cache(maxsize=4_096)
def _instant_text(instant: datetime) -> str:
    """In UTC; the accounts of a request have few between them."""
    return instant.isoformat()


def _context_text(context: Mapping[str, Any]) -> tuple[bool, str]:
    """A context by its names as JSON, and whether it was in that order."""
    if isinstance(context, WrittenMapping):
        return True, context.text
    ordered = dict(context) if type(context) is SortedMapping else in_order(context)
    return type(context) is SortedMapping or ordered is context, json_of(ordered)


def _named_actions(ranking: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """What of ranked actions is checked, without reading a text for it."""
    return [{"action": one} for one in ranking.actions] if isinstance(ranking, WrittenRanking) else ranking


def _ranking_text(ranking: Sequence[Mapping[str, Any]]) -> str:
    """Ranked actions by their names, and so the value ladders in them, as JSON."""
    if isinstance(ranking, WrittenRanking):
        return ranking.text
    return json_of([_ranked_in_order(one) for one in ranking])


def _ranked_in_order(ranked: Mapping[str, Any]) -> Mapping[str, Any]:
    ordered, values = in_order(ranked), ranked.get("values")
    if not isinstance(values, Mapping) or (inner := in_order(values)) is values:
        return ordered
    return {**ordered, "values": inner}
