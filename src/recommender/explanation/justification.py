"""Why we contact you this way: text for the debtor, apart from what managers read.

Only what may be said to the person concerned: how and when earlier contacts were answered, the stage of the account,
the pause between contacts. No figures of the model, no protected attribute, nothing about ability or will to pay, no
comparison with others, no blame; and always how to object.
"""

from __future__ import annotations

import numpy as np

from recommender.explanation.action_difference import ActionDifference
from recommender.explanation.reasons import action_text
from recommender.explanation.wording import Wording

__all__ = ["debtor_justification"]

_SAYABLE: dict[str, str] = {
    "channel_habit": "We look at which ways of contact have reached you before.",
    "hour_habit": "We look at the times of day at which you could be reached before.",
    "tone_habit": "We look at which kinds of message you have answered before.",
    "contact_fatigue": "We leave time between contacts, and count those of recent weeks.",
    "stage": "We look at the due date of the account.",
    "calendar": "We look at the day of the week.",
}
"""Concept -> what may be said of it; a concept that is not here is not mentioned."""

_MOST = 2
#: How we chose to put it is nothing to tell a debtor: "call, 12:00, firm" is a threat.
_OURS = ("tone", "message_kind")


def debtor_justification(contrast: ActionDifference, language: str | None = None) -> list[str]:
    """Sentences for the debtor about the chosen way of contact.

    Parameters
    ----------
    contrast : ActionDifference
        Of the chosen action (``a``) and the next best one.
    language : str or None
        ``"es"``, ``"en"`` or a region of them; None = the explanation's.

    Returns
    -------
    list of str
        What is done, at most two reasons (those that weigh most of what may be said), and how to object.
    """
    explanation = contrast.explanation
    words = Wording.of(language or explanation.language)
    actions = explanation.actions
    if contrast.a == actions.no_contact_index:
        sentences = [words.text("We are not contacting you at the moment.")]
    else:
        sentences = [
            words.text(
                "We contact you in this way: {action}.", action=action_text(words, actions, contrast.a, without=_OURS)
            )
        ]
    table = contrast.by_group
    rows = contrast.by_feature
    for group, size in zip(table["group"], table["contribution_reward"], strict=True):
        if len(sentences) > _MOST or size <= 0.0:
            continue
        own = rows[rows["group"] == group]
        weight = own["contribution_reward"].abs().to_numpy()
        hidden = np.array([explanation.groups.is_protected(str(name)) for name in own["feature"]], dtype=bool)
        if group in _SAYABLE and weight[~hidden].sum() > weight[hidden].sum():
            sentences.append(words.text(_SAYABLE[group]))
    return [
        *sentences,
        words.text(
            "A program ranks the possible ways of contact; it does not decide what you owe. You may ask for another "
            "way or time, ask that a person looks at this, or object to it at any moment."
        ),
    ]
