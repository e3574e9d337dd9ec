"""What one debtor asked for, as an overlay of their own: it tightens like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recommender.rules.loading import PackError, parse_pack
from recommender.rules.schema import Pack
from recommender.rules.vocabulary import CHANNELS, DAYS

__all__ = ["preference_overlay"]


def preference_overlay(wishes: Mapping[str, Any] | str) -> Pack:
    """Turn a debtor's wishes into an overlay.

    Parameters
    ----------
    wishes : mapping or its JSON text
        ``hours``: ``["09:00", "18:00"]``, local and half-open; ``days``: e.g. ``["mon", "tue"]``; ``channels``: the
        only ones they want. Every key may be left out.

    Returns
    -------
    Pack

    Raises
    ------
    PackError
        For an unknown key or value: a wish that cannot be read must not be ignored.
    """
    try:
        given = json.loads(wishes) if isinstance(wishes, str) else dict(wishes)
        if not isinstance(given, dict):
            raise TypeError("not an object")
        start, end = given.get("hours", ["00:00", "24:00"])
        channels, days = _listed(given, "channels", CHANNELS), _listed(given, "days", DAYS)
        unknown = sorted({*given} - {"hours", "days", "channels"}) + sorted({*channels} - {*CHANNELS})
    except (ValueError, TypeError) as error:
        raise PackError(
            f"Preferences {wishes!r} cannot be read: {error}.",
            column="preferences",
            mend='Write e.g. {"hours": ["09:00", "18:00"], "channels": ["sms"]}.',
        ) from error
    if unknown:
        raise PackError(
            f"Preferences name unknown words: {', '.join(map(str, unknown))}.",
            column="preferences",
            mend=f"Keys are hours, days, channels; channels are {', '.join(CHANNELS)}.",
        )
    return parse_pack(
        {
            "schema": 1,
            "id": "DEBTOR",
            "title": "The debtor's own wishes",
            "kind": "overlay",
            "pack_version": "1",
            "valid_from": "1900-01-01",
            "reviewed_on": "2100-01-01",
            "legal_status": "house-policy",
            "windows": [{"id": "debtor-hours", "days": days, "from": start, "to": end, "cite": "wish"}],
            "forbidden": [
                {
                    "id": "debtor-channel",
                    "channels": [channel for channel in CHANNELS if channel not in channels],
                    "cite": "wish",
                }
            ],
            "sources": [{"id": "wish", "law": "the debtor asked", "article": "-", "grade": "-", "says": "As asked."}],
        },
        origin="preferences",
    )


def _listed(given: Mapping[str, Any], name: str, unsaid: Sequence[str]) -> list[Any]:
    """Entries of a list; ``{"sun": false}`` names Sunday and does not mean it."""
    listed = given.get(name, unsaid)
    if isinstance(listed, (str, Mapping)):
        raise TypeError(f"{name} is no list")
    return [*listed]
