"""Reasons that the gate wrote down, in the reader's words; what people wrote stays as they wrote it."""

from __future__ import annotations

import re

from api.pages.rendering import Page

__all__ = ["reason_in_words"]

_NUMBER = r"([+-]?\d[\d.]*(?:e[+-]?\d+)?)"
_PERCENT = r"([+-]?\d[\d.]*)%"


def reason_in_words(page: Page, reason: str) -> tuple[str, str]:
    """A reason in the reader's language, and the language it is in where it could not be translated.

    Parameters
    ----------
    page : Page
    reason : str
        As :func:`recommender.evaluation.decide` writes it, or anything else.
    """
    if page.is_source:
        return reason, ""
    for pattern, message in _patterns(page):
        match = re.fullmatch(pattern, reason)
        if match is not None:
            return message.format(*(_shown(page, text) for text in match.groups())), ""
    return reason, "en"


def _shown(page: Page, text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return page.label(text)
    decimals = min(4, len(text.partition(".")[2])) if "e" not in text else 4
    return page.formats.number(value, decimals, signed=text.startswith("+")).text


def _patterns(page: Page) -> list[tuple[str, str]]:
    t = page.text
    return [
        (
            rf"The paired lower bound of the gain is {_NUMBER}; it must lie above {_NUMBER}\.",
            t("The gain is at least {0} per decision; it must be more than {1}."),
        ),
        (
            rf"Slice ([^=]+)=(.+) loses: the difference is at most {_NUMBER}, below its floor {_NUMBER}\.",
            t("{0}: {1} loses: the difference is at most {2}, and at least {3} is asked."),
        ),
        (
            rf"The mean weight is {_NUMBER} instead of 1: propensities are not calibrated\.",
            t("The logged probabilities do not agree with what was done ({0} instead of 1)."),
        ),
        (
            rf"Predicted rewards are off by {_PERCENT} on recommended actions; at most {_PERCENT} is tolerated\.",
            t("The predictions are {0} % off on recommended actions; at most {1} % is tolerated."),
        ),
        (
            rf"Propensities were estimated, and .* of odds factor {_NUMBER} would .*; at least {_NUMBER} must be .*",
            t("A cause that nobody recorded could overturn the verdict (strength {0}; at least {1} must be survived)."),
        ),
        (
            rf"The challenger's model promises a gain of {_NUMBER} .* at most {_NUMBER}, and {_PERCENT} more is .*",
            t("Its model promises {0} more per decision; the log supports at most {1}, and {2} % more is tolerated."),
        ),
        (
            rf"The claimed gain of {_NUMBER} exceeds what the log supports \(at most {_NUMBER}\)\.",
            t("The gain claimed for it, {0}, is more than the log supports (at most {1})."),
        ),
        (
            rf"Accepted: the gain is {_NUMBER} per decision, at least {_NUMBER}\.",
            t("Accepted: the gain is {0} per decision, at least {1}."),
        ),
        (r"nobody served yet, so the gate was not asked", t("Nobody served yet, so the gate was not asked.")),
    ]
