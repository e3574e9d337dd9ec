"""The catalogue of approved templates, and what it has for a channel, stage, tone and purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.messages.sms import sms_length
from recommender.messages.template import ENVIRONMENT, STAGE_ENDS, STAGES, CatalogueError, Template, too_long
from recommender.messages.template_sources import templates_of
from recommender.rules import CHANNELS, KINDS, OFFER_KINDS, TONES, kind_of

__all__ = ["Catalogue", "Message", "default_catalogue", "described"]


@dataclass(frozen=True)
class Message:
    """A text ready to send."""

    template_id: str
    subject: str | None
    body: str
    segments: int | None


class Catalogue:
    """Approved templates.

    Parameters
    ----------
    templates : iterable of Template
        The order is the order of preference.

    Raises
    ------
    CatalogueError
        When an id is used twice.
    """

    def __init__(self, templates: Iterable[Template]) -> None:
        self.templates = tuple(templates)
        self._by_id = {template.id: template for template in self.templates}
        if len(self._by_id) < len(self.templates):
            ids = [template.id for template in self.templates]
            raise CatalogueError(
                f"Template ids are used twice: {sorted({name for name in ids if ids.count(name) > 1})}.",
                column="id",
                mend="Give each template an id of its own.",
            )

    @classmethod
    def from_toml(cls, texts: Mapping[str, str]) -> Catalogue:
        """Read catalogue files, TOML or rows of a table; see :func:`own_catalogue` for those of an agency.

        Parameters
        ----------
        texts : mapping of str to str
            Name of the file -> its text.

        Raises
        ------
        CatalogueError
            Names the file, the template and the key.
        """
        templates = [template for name, text in texts.items() for template in templates_of(name, text)]
        return cls(templates)

    def __len__(self) -> int:
        """Count the templates."""
        return len(self.templates)

    def get(self, template_id: str) -> Template | None:
        """Template of an id, or None."""
        return self._by_id.get(template_id)

    @cached_property
    def digest(self) -> str:
        """First 16 digits of the SHA-256 of every template in its order, which is the order of preference."""
        content = "\n".join(template.model_dump_json() for template in self.templates)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages in the order they were read."""
        return tuple(dict.fromkeys(template.language for template in self.templates))

    def stage_of(self, days_past_due: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position in ``STAGES`` by days past due."""
        return _STAGE_ENDS.searchsorted(days_past_due, side="left")

    def available(self, purpose: str, language: str | None) -> NDArray[np.bool_]:
        """Whether there is an approved template, shape (n_stages, n_channels, n_kinds, n_tones).

        A text that hands over to another channel needs the debtor's opt-in there, so it alone makes nothing available.
        An unknown language (None) is served by the language that has most templates, a regional one ("es-CO") by its
        own or the plain one.
        """
        return np.asarray(self._index(purpose, self._language(language), None) >= 0)

    def template_ids(
        self,
        *,
        channel: Sequence[str],
        tone: Sequence[str],
        days_past_due: Sequence[int],
        language: Sequence[str | None],
        kind: Sequence[str | None] | None = None,
        open_channels: Sequence[int] | None = None,
        purpose: str = "collection",
    ) -> list[str | None]:
        """Template of each recommended contact; None where the catalogue has none.

        Parameters
        ----------
        channel, tone : sequence of str
        days_past_due : sequence of int
            At the contact, on the debtor's own date.
        language : sequence of str or None
        kind : sequence of str or None, optional
            Kind of message that was chosen; None = the first kind that the catalogue has and that offers nothing.
        open_channels : sequence of int, optional
            Channels that the debtor agreed to, as sets over ``CHANNELS``: a text that hands over to one of them goes
            before the plain one of its kind. By default none is known.
        purpose : str, default="collection"
        """
        n = len(channel)
        kinds = [None] * n if kind is None else kind
        agreed = [0] * n if open_channels is None else open_channels
        if not all(len(given) == n for given in (tone, days_past_due, language, kinds, agreed)):
            raise ValueError("channel, tone, kind, days_past_due, language and open_channels must be of one length.")
        stages = self.stage_of(np.asarray(days_past_due, dtype=np.int64)).tolist()
        return [
            self._first(purpose, self._language(tongue), stage, where, how, what, agreed_to)
            for where, how, what, stage, tongue, agreed_to in zip(
                channel, tone, kinds, stages, language, agreed, strict=True
            )
        ]

    @lru_cache(maxsize=16_384)  # noqa: B019 - a catalogue lives as long as the process
    def _first(
        self, purpose: str, language: str, stage: int, channel: str, tone: str, kind: str | None, agreed: int
    ) -> str | None:
        """Template of one contact: the kind is settled first, then whether it may hand over."""
        if channel not in _CHANNEL_AT or tone not in _TONE_AT:
            return None
        cell = (stage, _CHANNEL_AT[channel], slice(None), _TONE_AT[tone])
        plain = self._index(purpose, language, None)[cell]
        there = np.flatnonzero(plain >= 0)
        if kind is None:
            there = there[~_OFFERS[there]]  # an offer is made by choice, never because no other text is there
        else:
            word = kind_of(kind)
            there = there[there == (KINDS.index(word) if word else -1)]
        if not len(there):
            return None
        which = int(there[np.argmin(plain[there])])
        for other in CHANNELS:
            over = self._index(purpose, language, other)[cell][which] if agreed >> _CHANNEL_AT[other] & 1 else -1
            if over >= 0:
                return self.templates[int(over)].id
        return self.templates[int(plain[which])].id

    def render(self, template_id: str, values: Mapping[str, object], *, channel: str | None = None) -> Message:
        """Fill a template.

        Raises
        ------
        CatalogueError
            For an unknown or unapproved template, values that are missing or not declared, or a text that is too
            long for its channel.
        """
        template = self.get(template_id)
        if template is None or not template.approved:
            raise CatalogueError(
                f"There is no approved template {template_id!r}.",
                column="template_id",
                mend="Use one of the catalogue.",
            )
        if {*values} != {*template.variables}:
            raise CatalogueError(
                f"Template {template_id!r} needs exactly {sorted(template.variables)}; got {sorted(values)}.",
                column="values",
                mend="Give each declared variable and no other.",
            )
        body = ENVIRONMENT.from_string(template.body.strip()).render(**values)
        subject = None if template.subject is None else ENVIRONMENT.from_string(template.subject).render(**values)
        if subject is not None and "\n" in subject:
            raise CatalogueError("A subject must be one line.", column="subject", mend="Clean the values.")
        chosen = channel or template.channels[0]
        segments = sms_length(body).segments if chosen == "sms" else None
        if problem := too_long(template, body, chosen):
            raise CatalogueError(problem, column="values", mend="Shorten the values or use a shorter template.")
        return Message(template.id, subject, body, segments)

    @lru_cache(maxsize=1_024)  # noqa: B019 - a catalogue lives as long as the process
    def _language(self, language: str | None) -> str:
        if language in self.languages:
            return str(language)
        plain = str(language).split("-")[0].split("_")[0].lower() if language else ""
        if plain in self.languages or plain:
            return plain
        counts = {name: sum(t.language == name for t in self.templates) for name in self.languages}
        return max(counts, key=lambda name: counts[name], default="")

    @lru_cache(maxsize=512)  # noqa: B019 - a catalogue lives as long as the process
    def _index(self, purpose: str, language: str, handover: str | None) -> NDArray[np.int64]:
        """Position of the first template for each stage, channel, kind and tone; -1 where there is none."""
        table = np.full((len(STAGES), len(CHANNELS), len(KINDS), len(TONES)), -1, dtype=np.int64)
        for position, template in enumerate(self.templates):
            if template.language != language or purpose not in template.purposes or not template.approved:
                continue
            if template.handover != handover:
                continue
            kind, tone = KINDS.index(template.kind), TONES.index(template.tone)
            for stage in template.stages:
                for channel in template.channels:
                    cell = (STAGES.index(stage), CHANNELS.index(channel), kind, tone)
                    if table[cell] < 0:
                        table[cell] = position
        return table


_CHANNEL_AT: dict[str, int] = {name: position for position, name in enumerate(CHANNELS)}
_STAGE_ENDS = np.array(STAGE_ENDS, dtype=np.int64)
_OFFERS = np.array([kind in OFFER_KINDS for kind in KINDS])
_TONE_AT: dict[str, int] = {name: position for position, name in enumerate(TONES)}


@lru_cache(maxsize=1)
def default_catalogue() -> Catalogue:
    """Catalogue that ships with the package: Spanish, English, Portuguese."""
    folder = resources.files("recommender.messages") / "templates"
    return Catalogue.from_toml(
        {f"{name}.toml": (folder / f"{name}.toml").read_text(encoding="utf-8") for name in ("es", "en", "pt")}
    )


def described(catalogue: Catalogue) -> list[dict[str, Any]]:
    """What there is to know of each template beside its text: one JSON-ready row a template."""
    return [
        {
            "id": one.id,
            "version": one.version,
            "language": one.language,
            "channels": list(one.channels),
            "stages": list(one.stages),
            "tone": one.tone,
            "kind": one.kind,
            "purposes": list(one.purposes),
            "approved": one.approved,
            "approved_by": one.approved_by,
            "approved_on": None if one.approved_on is None else one.approved_on.isoformat(),
            "whatsapp_template": one.whatsapp_template,
            "whatsapp_category": one.whatsapp_category,
            "sms_segments": one.segments,
            "sms_cost_minor": one.sms_cost_minor,
        }
        for one in catalogue.templates
    ]
