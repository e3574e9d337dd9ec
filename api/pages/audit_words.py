"""What was opened or changed, in the reader's words: the page, what of it, and of whom; not the address."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.pages.navigation import MENU
from api.pages.rendering import Page

__all__ = ["place_in_words", "subject_in_words"]

_KINDS = {"csv": "CSV", "xlsx": "Excel", "png": "PNG", "json": "JSON"}


def place_in_words(page: Page, path: str) -> str:
    """Page of an address, and what was taken from it; an address that is none of ours stays as it is."""
    parts = [part for part in path.split("/") if part][1:]
    slug, _, kind = (parts[0] if parts else "home").partition(".")
    title = _titles(page).get(slug.replace("-", "_"))
    if title is None:
        return path
    last = parts[-1] if len(parts) > 1 else ""
    kind = kind or last.partition(".")[2]
    if kind in _KINDS:
        return page.text("{page}, as a file ({kind})", page=title, kind=_KINDS[kind])
    done = {
        "approve": page.text("plan approved"),
        "campaigns": page.text("campaign files"),
        "apply": page.text("values tried"),
    }
    return f"{title}: {done[last]}" if last in done else title


def subject_in_words(page: Page, path: str, query: Mapping[str, object]) -> str:
    """What an address asked for: an account, filters; how it was sorted and paged says nothing of anybody."""
    names = {
        "id": page.text("Account") if re.search(r"^/[^/]+/account(?:/|$)", path) else page.text("Id"),
        "account": page.text("Account"),
        "q": page.text("Search"),
        "since": page.text("From"),
        "until": page.text("To"),
        "reason": page.text("Why"),
        "situation": page.text("Situation"),
        "segment": page.text("Segment"),
        **{name: page.label(name) for name in ("country", "stage", "product", "channel", "tone", "purpose")},
    }
    as_typed = ("id", "account", "q", "since", "until")
    told = []
    for name, title in names.items():
        if value := str(query.get(name) or ""):
            shown = value if name in as_typed else page.country(value) if name == "country" else page.label(value)
            told.append(f"{title}: {shown}")
    return "; ".join(told)


def _titles(page: Page) -> dict[str, str]:
    return {
        **{entry.route: page.text(entry.title) for entry in MENU},
        "account": page.text("Account"),
        "decision": page.text("Decision trace"),
        "best_hours": page.text("Best hours"),
        "glossary": page.text("What do the words mean?"),
        "comments": page.text("Comments"),
        "views": page.text("My views"),
    }
