"""From allowed channels at instants to allowed actions: tone ladders, and whether there is anything approved to say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.allactions import compiled
from recommender.rules.law import Law
from recommender.rules.vocabulary import CHANNELS, KINDS, OFFER_KINDS, TONES, kind_of

__all__ = ["ActionCells", "Catalogue"]

#: Bit of each kind and tone in the sets of what may be said.
_SAYS = (1 << np.arange(len(KINDS) * len(TONES), dtype=np.int64)).reshape(len(KINDS), len(TONES))
_TEXTS_KEPT = 64  # pairs of language and stage whose actions with a text are remembered within a call


class Catalogue(Protocol):
    """What the guardrails ask of a message catalogue."""

    def available(self, purpose: str, language: str | None) -> NDArray[np.bool_]:
        """Whether there is an approved template, shape (n_stages, n_channels, n_kinds, n_tones)."""

    def stage_of(self, days_past_due: NDArray[np.int64]) -> NDArray[np.int64]:
        """Stage of the trade by days past due."""


class ActionCells:
    """The contact actions of a space as cells of instant, channel and tone.

    Parameters
    ----------
    actions : ActionSpace
    purpose : str
    catalogue : Catalogue or None

    Attributes
    ----------
    hour, channel, tone : ndarray of int64 of shape (n_contact_actions,)
        Position of the instant, and in ``CHANNELS`` and ``TONES``; -1 for a channel or tone nobody knows.
    """

    def __init__(self, actions: ActionSpace, purpose: str, catalogue: Catalogue | None) -> None:
        self.hour, self.channel, self.tone, self._says = _action_cells(actions)
        self._has_tones = "tone" in actions.factors
        self._purpose, self._catalogue = purpose, catalogue
        self._templates = lru_cache(64)(self._templates_of)
        self._ladders = lru_cache(256)(self._ladders_of)

    def tests(self, law: Law) -> tuple[str, ...]:
        """Names of the tests of :meth:`open_actions`."""
        return self._ladders(law)[0]

    def open_actions(
        self,
        law: Law,
        allowed: NDArray[np.uint8],
        late: NDArray[np.int64],
        languages: NDArray[np.int64],
        language_texts: tuple[str | None, ...],
        mask: NDArray[np.bool_],
        *,
        keep: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Fill the mask of accounts under one law.

        Parameters
        ----------
        law : Law
        allowed : ndarray of uint8 of shape (n, k)
            Channels by instant.
        late : ndarray of int64 of shape (n or 1, k)
            Local days past due.
        languages : ndarray of int64 of shape (n,)
            Positions in ``language_texts``.
        language_texts : tuple of str or None
        mask : ndarray of bool of shape (n, n_actions)
            Filled.
        keep : bool, default=False
            Say which actions each test removes, too.

        Returns
        -------
        removed : ndarray of int64 of shape (n_tests,)
            How many actions each of :meth:`tests` removes.
        failing : ndarray of bool of shape (n_tests or 0, n, n_contact_actions)
        """
        names, steps = self._ladders(law)
        days = np.ascontiguousarray(np.broadcast_to(late, allowed.shape)) if late.shape != allowed.shape else late
        if self._catalogue is None:
            stage, templates = np.zeros((len(days), 0), dtype=np.int64), np.zeros((0, 1, 1), dtype=np.int64)
        else:
            stage, templates = self._catalogue.stage_of(days), self._templates(language_texts)
        removed = np.zeros(len(names), dtype=np.int64)
        failing = np.zeros((len(names) if keep else 0, len(allowed), len(self.hour)), dtype=bool)
        _open_actions(
            allowed, days, self.hour, self.channel, self.tone, self._says, steps, stage, templates, languages,
            mask, removed, failing,
        )  # fmt: skip
        return removed, failing

    def _templates_of(self, languages: tuple[str | None, ...]) -> NDArray[np.int64]:
        """Kinds and tones with an approved template as sets, shape (n_languages, n_stages, n_channels)."""
        assert self._catalogue is not None  # noqa: S101 - asked only where there is one
        there = np.stack([self._catalogue.available(self._purpose, language) for language in languages])
        return np.asarray((there * _SAYS).sum(axis=(3, 4)), dtype=np.int64)

    def _ladders_of(self, law: Law) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names of the tests, and the steps of the ladders of tones among them."""
        ladders = law.ladders if self._has_tones else ()
        steps = [(number, *step) for number, (_, ladder) in enumerate(ladders) for step in ladder]
        names = (*(name for name, _ in ladders), "no-template", "input")
        return names, np.array(steps, dtype=np.int64).reshape(-1, 4)


def _action_cells(space: ActionSpace) -> tuple[NDArray[np.int64], ...]:
    """Instant, channel and tone position of each contact action, -1 for a channel or tone nobody knows; what it says.

    What it says is the set of kinds x tones of message that fit; without a factor for one of the two, any fits but the
    kinds that offer something.
    """
    codes = space.codes[: space.n_contact_actions]
    names = list(space.factors)

    def positions(factor: str, known: Sequence[str]) -> NDArray[np.int64]:
        table = np.array([known.index(str(v)) if v in known else -1 for v in space.factors[factor]])
        return np.asarray(table[codes[:, names.index(factor)]])

    hour = codes[:, names.index("hour")].copy() if "hour" in names else np.zeros(len(codes), dtype=np.int64)
    tone = positions("tone", TONES) if "tone" in names else np.full(len(codes), -1)
    fits = np.ones((len(codes), len(KINDS), len(TONES)), dtype=bool)
    if "tone" in names:
        fits &= (tone[:, None] == np.arange(len(TONES)))[:, None, :]
    if "message_kind" in names:
        kinds = np.array([[kind_of(level) == kind for kind in KINDS] for level in space.factors["message_kind"]])
        fits &= kinds[codes[:, names.index("message_kind")]][:, :, None]
    else:  # an offer is made by choice, never because no other text is there
        plain = np.array([kind not in OFFER_KINDS for kind in KINDS])
        chosen = np.zeros(len(codes), dtype=bool)
        if "offer" in names:
            offers = np.array([str(level) != "none" for level in space.factors["offer"]])
            chosen = offers[codes[:, names.index("offer")]]
        fits &= (plain[None, :] | chosen[:, None])[:, :, None]
    return hour, positions("channel", CHANNELS), tone, np.asarray((fits * _SAYS).sum(axis=(1, 2)), dtype=np.int64)


@compiled
def _find_texts(stages: Any, hour: Any, channel: Any, says: Any, templates: Any, has_text: Any) -> int:
    """Mark the actions with an approved text at the stage of their instant; return how many have none."""
    lacking = 0
    for action in range(len(hour)):
        c = channel[action]
        has = c >= 0 and templates[stages[hour[action]], c] & says[action] != 0
        has_text[action] = has
        lacking += not has
    return lacking


@compiled
def _open_actions(
    allowed: Any,
    late: Any,
    hour: Any,
    channel: Any,
    tone: Any,
    says: Any,
    ladders: Any,
    stage: Any,
    templates: Any,
    language: Any,
    mask: Any,
    removed: Any,
    failing: Any,
) -> None:
    """From allowed channels to allowed actions, with tones and templates.

    Parameters
    ----------
    allowed : ndarray of uint8 of shape (n, k)
    late : ndarray of int64 of shape (n, k)
        Local days past due at each instant.
    hour, channel, tone : ndarray of int64 of shape (n_contact_actions,)
        Instant, channel and tone of each action; -1 for a channel or tone nobody knows.
    says : ndarray of int64 of shape (n_contact_actions,)
        The kinds and tones of message that would do for an action, as a set; empty for a kind or tone nobody knows.
    ladders : ndarray of int64 of shape (n_steps, 4)
        Number of the test, first and last day past due, and the tones allowed between them.
    stage : ndarray of int64 of shape (n, k), or (n, 0) without templates
        Stage of the trade at each instant.
    templates : ndarray of int64 of shape (n_languages, n_stages, n_channels), may be empty
        Kinds and tones with an approved template, as a set.
    language : ndarray of int64 of shape (n,)
    mask : ndarray of bool of shape (n, n_actions)
        Set for the contact actions.
    removed : ndarray of int64 of shape (n_tests,)
        Actions that each test forbids are added to it; the last two are templates and channels nobody knows.
    failing : ndarray of bool of shape (n_tests or 0, n, n_contact_actions)
    """
    n_ladders, n_actions, k = len(removed) - 2, len(hour), allowed.shape[1]
    keeps, has_templates = failing.shape[0] > 0, len(templates) > 0
    tones = np.zeros((max(n_ladders, 1), k), dtype=np.int64)
    # Few pairs of language and stage serve all accounts: what has a text is worked out once for each, and anew for an
    # account whose stage turns within the day (the last row).
    has_text = np.ones((_TEXTS_KEPT + 1 if has_templates else 1, n_actions), dtype=np.bool_)
    kept_for = np.full(_TEXTS_KEPT, -1, dtype=np.int64)
    lacking = np.zeros(_TEXTS_KEPT, dtype=np.int64)
    n_unknown = 0
    for action in range(n_actions):
        if channel[action] < 0:
            n_unknown += 1
            if not has_templates:
                has_text[0, action] = False
    for row in range(len(allowed)):
        at = 0
        if has_templates:
            first, turns = stage[row, 0], False
            for i in range(1, k):
                turns |= stage[row, i] != first
            if turns:
                at = _TEXTS_KEPT
                removed[n_ladders] += _find_texts(
                    stage[row], hour, channel, says, templates[language[row]], has_text[at]
                )
            else:
                pair = language[row] * templates.shape[1] + first
                at = pair % _TEXTS_KEPT
                if kept_for[at] != pair:
                    kept_for[at] = pair
                    lacking[at] = _find_texts(stage[row], hour, channel, says, templates[language[row]], has_text[at])
                removed[n_ladders] += lacking[at]
        removed[n_ladders + 1] += n_unknown
        for action in range(n_actions):
            c = max(channel[action], 0)
            mask[row, action] = has_text[at, action] and (allowed[row, hour[action]] >> c) & 1 == 1
        if n_ladders:
            tones[:] = 0
            for step in range(len(ladders)):
                for i in range(k):
                    if ladders[step, 1] <= late[row, i] <= ladders[step, 2]:
                        tones[ladders[step, 0], i] |= ladders[step, 3]
            for test in range(n_ladders):
                for action in range(n_actions):
                    t = tone[action]
                    if t < 0 or (tones[test, hour[action]] >> t) & 1 == 0:
                        mask[row, action] = False
                        removed[test] += 1
                        if keeps:
                            failing[test, row, action] = True
        if keeps:
            for action in range(n_actions):
                failing[n_ladders, row, action] = has_templates and not has_text[at, action]
                failing[n_ladders + 1, row, action] = channel[action] < 0
