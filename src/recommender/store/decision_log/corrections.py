"""What takes the place of what: each outcome is corrected once, under its own decision, and no chain comes back.

Of two corrections of one outcome both would stand; of a circle none would, and an opt-out would be gone. Looked at in
the transaction that wrote the outcomes, whose decisions it holds (:func:`hold_told`): batches that come at once wait
for each other, so that none of them can write one half of a circle and another one the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.store.decision_log.named_locks import OUTCOMES, hold_names
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.rows import correction_chains

__all__ = ["hold_told", "outcomes_in_circles", "refuse_false_corrections"]


def hold_told(connection: sa.Connection, decision_ids: Sequence[str]) -> None:
    """Hold decisions, in the log or not, against other outcomes of theirs until the transaction ends."""
    hold_names(connection, decision_ids, OUTCOMES)


def refuse_false_corrections(connection: sa.Connection, told: Sequence[OutcomeRecord]) -> None:
    """Raise at the first correction that cannot be one; its position is named.

    Parameters
    ----------
    connection : Connection
        In the transaction that wrote ``told``, after :func:`hold_told`.
    told : sequence of OutcomeRecord

    Raises
    ------
    InvalidInput
        For a correction of what another decision had, of what was corrected already, and for one that leads back.
    """
    if all(one.replaces is None for one in told):
        return
    named = dict.fromkeys(name for one in told for name in (one.outcome_id, one.replaces) if name is not None)
    decision_of: dict[str, str] = {}
    replaces: dict[str, str] = {}
    by: dict[tuple[str, str], set[str]] = {}
    for row in correction_chains(connection, list(named)):
        decision_of[row["outcome_id"]] = row["decision_id"]
        if row["replaces"] is not None:
            replaces[row["outcome_id"]] = row["replaces"]
            by.setdefault((row["decision_id"], row["replaces"]), set()).add(row["outcome_id"])
    circles = outcomes_in_circles(replaces)
    for position, one in enumerate(told):
        if one.replaces is None:
            continue
        others = sorted(by.get((one.decision_id, one.replaces), set()) - {str(one.outcome_id)})
        if decision_of.get(one.replaces, one.decision_id) != one.decision_id:
            text, mend = "is an outcome of another decision", "Correct an outcome under its own decision."
        elif others:
            text, mend = f"names an outcome that {others[0]!r} took the place of", "Correct that one."
        elif one.outcome_id in circles:
            text, mend = "leads back to this outcome: none of them would stand", "Tell it under an id of its own."
        else:
            continue
        raise InvalidInput(f"outcomes[{position}].replaces {text}.", column="replaces", rows=[position], mend=mend)


def outcomes_in_circles(replaces: Mapping[str, str]) -> set[str]:
    """Outcomes whose chain of corrections comes back to them; each link is followed once, however long a chain is."""
    found: set[str] = set()
    walked: set[str] = set()
    for start in replaces:
        path: dict[str, int] = {}
        place: str | None = start
        while place is not None and place not in walked and place not in path:
            path[place] = len(path)
            place = replaces.get(place)
        if place in path:
            found.update(list(path)[path[place] :])
        walked.update(path)
    return found
