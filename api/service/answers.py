"""From rankings, fresh or logged, to what is answered; both go the same way, so that a repetition reads the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import compress, repeat
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from api.service.fields import Scalar
from api.service.planned import PLANNED
from api.service.schemas import RankedAction
from recommender.actions import ActionSpace
from recommender.deciding import OFFERS_KNOWN, Decided, Segments, default_segments, offer_terms, offers_known
from recommender.offers import OfferDesk
from recommender.store.decision_log import (
    DecisionRecord,
    WrittenRanking,
    json_of,
    json_of_ids,
    objects_of,
    side_by_side,
    written_numbers,
    written_words,
)

__all__ = [
    "Ranking",
    "ToldAccount",
    "WrittenAccount",
    "WrittenAnswer",
    "factors_of",
    "logged_recommendation",
    "ranked_actions",
]
__all__ += ["rankings", "recommendations_of", "written_answer"]

Ranking = Sequence[Mapping[str, Any]]

_MOST_SEARCHED = 50  # accounts of a request for which the next legal instant is looked up


class ToldAccount(NamedTuple):
    """JSON of fields of :class:`api.service.schemas.Recommendation`."""

    actions: str
    segment: str
    needs_human: str
    next_allowed_at: str


class WrittenAccount(NamedTuple):
    """Ranked actions of one account, written down.

    Attributes
    ----------
    kept : WrittenRanking
        As the log keeps them; the first says what holds for the account as well.
    told : ToldAccount
        As they are answered.
    """

    kept: WrittenRanking
    told: ToldAccount


class WrittenAnswer(NamedTuple):
    """What to do with one account: JSON of :class:`api.service.schemas.Recommendation`, and what is counted of it."""

    text: str
    policy: Literal["model", "seed_rules"]
    channel: str | None


def rankings(
    decided: Decided, planned: Sequence[str | None], segments: Segments | None = None, desk: OfferDesk | None = None
) -> list[WrittenAccount]:
    """Write down the ranked actions of each account, from columns straight to the two texts.

    Parameters
    ----------
    decided : Decided
    planned : sequence of str or None
        Contacts that were planned for each account's debtor already, as the log keeps them.
    segments : Segments or None
        Rules that name each account's segment; None = those of the package.
    desk : OfferDesk or None
        As it was when they were decided; None = no offers.
    """
    desk = desk if "offer" in decided.actions.factors else None
    account = _of_accounts(decided, planned, segments or default_segments())
    if desk is not None:
        account[OFFERS_KNOWN] = written_words(offers_known(decided))
    rows, indices = np.nonzero(decided.actions_ranked >= 0)
    columns = _entries(decided, rows, indices, desk)
    actions = decided.actions_ranked[rows, indices].tolist()
    told = _told(columns, actions, decided.actions)
    is_first = (indices == 0).tolist()
    is_other = [not one for one in is_first]
    starts = list(compress(range(len(actions)), is_first))
    firsts = {name: list(compress(values, is_first)) for name, values in columns.items()} | account
    kept = objects_of({name: firsts[name] for name in sorted(firsts)})
    others = objects_of({name: list(compress(columns[name], is_other)) for name in sorted(columns)})
    ends = [*starts[1:], len(actions)]
    answers = map(
        ToldAccount,
        [f"[{','.join(told[start:end])}]" for start, end in zip(starts, ends, strict=True)],
        account["segment"], account["needs_human"], map(_instant_told, account["next_allowed_at"]),
    )  # fmt: skip
    return [
        WrittenAccount(
            WrittenRanking(f"[{','.join([first, *others[start - row : end - row - 1]])}]", actions[start:end]), answer
        )
        for row, (first, start, end, answer) in enumerate(zip(kept, starts, ends, answers, strict=True))
    ]


def _of_accounts(decided: Decided, planned: Sequence[str | None], segments: Segments) -> dict[str, list[str]]:
    """What holds for each account, as JSON."""
    eligible = decided.eligibility
    alone = np.flatnonzero(eligible.mask.sum(axis=1) <= 1)[:_MOST_SEARCHED].tolist()
    next_at: list[str | None] = [None] * len(eligible.mask)
    for row in alone:
        when = eligible.next_contact_at(row)
        next_at[row] = None if when is None else when.isoformat()
    columns = {
        "needs_human": written_words([bool(one) for one in eligible.needs_human]),
        "next_allowed_at": written_words(next_at),
        PLANNED: written_words(planned),
        "segment": written_words(segments.of(decided.accounts)),
    }
    return columns | {name: [_word(value)] * len(next_at) for name, value in decided.documents.items()}


def _entries(
    decided: Decided, rows: NDArray[np.int64], indices: NDArray[np.int64], desk: OfferDesk | None
) -> dict[str, list[str]]:
    """Fields of some accounts and ranks, as JSON; numbers of our own, words of our own catalogue."""
    action = decided.actions_ranked[rows, indices]
    each = rows.tolist()
    templates = [decided.template_ids[row][index] for row, index in zip(each, indices.tolist(), strict=True)]
    names = ("support", "evidence", "propensity", "expected_reward", "hi", "lo")
    ladder = [decided.values[name] for name in sorted(decided.values)]
    measures = [getattr(decided, name) for name in names] + ladder
    taken = [action, indices + 1, *(measure[rows, indices] for measure in measures)]
    numbers = written_numbers([one.tolist() for one in taken])
    columns: dict[str, list[str]] = {
        "action": numbers[0],
        "contact_at": written_words(_instants(decided, rows, action)),
        "rank": numbers[1],
        "template_id": written_words(templates),
        "values": ["null"] * len(each),
        **dict(zip(names, numbers[2:], strict=False)),
    }
    if decided.values:
        columns["values"] = objects_of(dict(zip(sorted(decided.values), numbers[2 + len(names) :], strict=True)))
    if desk is not None:
        columns["offer"] = written_words(offer_terms(decided, desk, each, action.tolist()))
    return columns


def _instants(decided: Decided, rows: NDArray[np.int64], actions: NDArray[np.int64]) -> list[str | None]:
    """Contact instants as text; few differ."""
    instants = decided.contact_instants(rows, actions)
    texts = {when: when.isoformat() for when in set(instants) if when is not None}
    return [None if when is None else texts[when] for when in instants]


_word = lru_cache(maxsize=1_024)(json_of)  # for words of our own that many answers repeat


def _told(columns: Mapping[str, Sequence[str]], action: Sequence[int], actions: ActionSpace) -> list[str]:
    """Ranked actions as they are answered, of the columns that the log keeps: the fields of `RankedAction`."""
    levels, idle = _level_texts(actions), actions.no_contact_index
    return objects_of(
        {
            "rank": columns["rank"],
            "no_contact": ["true" if one == idle else "false" for one in action],
            "factors": [levels[one] for one in action],
            "contact_at": [_instant_told(one) for one in columns["contact_at"]],
            "template_id": columns["template_id"],
            **{name: columns[name] for name in ("expected_reward", "lo", "hi", "propensity", "evidence", "support")},
            "values": columns["values"],
            "offer": [_offer_told(one) for one in columns["offer"]] if "offer" in columns else ["null"] * len(action),
        }
    )


@lru_cache(maxsize=4_096)
def _instant_told(kept: str) -> str:
    """An instant as it is answered; the log keeps its ISO form."""
    text = json.loads(kept)
    return "null" if text is None else json_of(datetime.fromisoformat(text))


def _offer_told(kept: str) -> str:
    """An offer as it is answered; the log keeps its terms as a text."""
    text = None if kept == "null" else json.loads(kept)
    return json_of(json.loads(text)) if text else "null"


def recommendations_of(
    told: Sequence[ToldAccount],
    *,
    account_id: Sequence[str],
    decision_id: Sequence[str],
    policy: Literal["model", "seed_rules"],
    deterministic: bool,
    eligible_actions: Sequence[int],
    channel: Sequence[str | None],
) -> list[WrittenAnswer]:
    """What to do with each account."""
    actions, segments, people, next_at = zip(*told, strict=True)
    texts = side_by_side(
        [
            '{"account_id":', json_of_ids(account_id), ',"decision_id":', json_of_ids(decision_id),
            f',"policy":"{policy}","deterministic":{"true" if deterministic else "false"},"actions":', actions,
            ',"eligible_actions":', list(map(str, eligible_actions)), ',"segment":', segments,
            ',"needs_human":', people, ',"next_allowed_at":', next_at, "}",
        ]
    )  # fmt: skip
    return list(map(WrittenAnswer, texts, repeat(policy), channel))


def logged_recommendation(record: DecisionRecord) -> WrittenAnswer:
    """The answer that was given when the decision was made."""
    ranking, space = record.ranking, record.provenance.actions
    first = ranking[0]
    told = ToldAccount(
        _told_of(ranking, space),
        json_of(first.get("segment")),  # records of before segments have none
        json_of(first["needs_human"]),
        _instant_told(json_of(first["next_allowed_at"])),
    )
    channel = factors_of(space, record.action).get("channel")
    (answer,) = recommendations_of(
        [told],
        account_id=[record.account_id],
        decision_id=[record.decision_id],
        policy="seed_rules" if record.fallback else "model",
        deterministic=record.deterministic,
        eligible_actions=[int(np.count_nonzero(record.eligible))],
        channel=[None if channel is None else str(channel)],
    )
    return answer


def ranked_actions(ranking: Ranking, actions: ActionSpace) -> list[RankedAction]:
    """Ranked actions by their factors."""
    return _RANKED.validate_json(_told_of(ranking, actions))


_RANKED = TypeAdapter(list[RankedAction])


def _told_of(ranking: Ranking, actions: ActionSpace) -> str:
    """A logged ranking as it is answered; records of before the value ladder have none, and few make offers."""
    columns = {name: [json_of(entry[name]) for entry in ranking] for name in _KEPT}
    columns |= {name: [json_of(entry.get(name)) for entry in ranking] for name in ("values", "offer")}
    return f"[{','.join(_told(columns, [entry['action'] for entry in ranking], actions))}]"


_KEPT = (
    "rank", "contact_at", "template_id", "expected_reward", "lo", "hi", "propensity", "evidence", "support",
)  # fmt: skip


def written_answer(body: Mapping[str, Any]) -> bytes:
    """An answer as it is sent; what is written of each account already stands in it as it is."""
    told = ",".join([one.text for one in body["recommendations"]])
    parts = [f'"{name}":{f"[{told}]" if name == "recommendations" else json_of(value)}' for name, value in body.items()]
    return f"{{{','.join(parts)}}}".encode()


def factors_of(actions: ActionSpace, action: int) -> dict[str, Scalar]:
    """Factor levels of an action; null where the account is left alone."""
    return _levels_of(actions)[action]


_LEVELS: dict[int, tuple[ActionSpace, list[dict[str, Scalar]]]] = {}


def _level_texts(actions: ActionSpace) -> list[str]:
    """:func:`factors_of` of every action, as JSON."""
    levels = _levels_of(actions)
    cached = _LEVEL_TEXTS.get(id(levels))
    if cached is None or cached[0] is not levels:
        if len(_LEVEL_TEXTS) > 64:
            _LEVEL_TEXTS.clear()
        cached = _LEVEL_TEXTS[id(levels)] = (levels, list(map(json_of, levels)))
    return cached[1]


_LEVEL_TEXTS: dict[int, tuple[list[dict[str, Scalar]], list[str]]] = {}


def _levels_of(actions: ActionSpace) -> list[dict[str, Scalar]]:
    """By identity: hashing a space takes longer than answering."""
    cached = _LEVELS.get(id(actions))
    if cached is None or cached[0] is not actions:
        if len(_LEVELS) > 64:
            _LEVELS.clear()
        cached = _LEVELS[id(actions)] = (actions, _equal_levels(actions))
    return cached[1]


@lru_cache(maxsize=16)
def _equal_levels(actions: ActionSpace) -> list[dict[str, Scalar]]:
    factors = [
        (name, [level.item() if isinstance(level, np.generic) else level for level in levels])
        for name, levels in actions.factors.items()
    ]
    return [
        {name: None if code < 0 else levels[code] for (name, levels), code in zip(factors, codes, strict=True)}
        for codes in actions.codes.tolist()
    ]
