"""A column is free of people where each of its cells is."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.intake import kind_of_name
from recommender.store.decision_log import column_is_free_of_people
from recommender.store.decision_log.privacy import refuse_contact_data

NAMES = [
    "telefono",
    "phone_status",
    "contacts",
    "tel_attempts",
    "cc",
    "balance_minor",
    "documento",
    "stage",
    "email_opens",
]
NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_infinity=False) | st.sampled_from([0, 1, 1.0, 3001234567.0])
CELLS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "yes", "3001234567", "a@b.co", "+57 300 123 4567"])


def passes(name: str, value: Any) -> bool:
    try:
        refuse_contact_data({name: value})
    except InvalidInput:
        return False
    return True


@given(st.sampled_from(NAMES), st.lists(CELLS, min_size=1, max_size=6))
@example("documento", [5, -3001234567, math.nan])
@example("documento", [math.nan, 7])
@example("cc", [False, 0])
@example("telefono", [True, 1, 1.0])
def test_a_column_passes_where_each_cell_does(name: str, values: list[Any]) -> None:
    assert column_is_free_of_people(name, values, levels=False) == all(passes(name, value) for value in values)


def test_names_of_every_kind_are_tried() -> None:
    kinds = {kind_of_name(name) for name in NAMES}
    assert kinds == {"contact", "plain", "may hold contact", "about contact", "describes contact"}
