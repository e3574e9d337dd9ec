"""A request as columns says what its accounts say one by one; bodies are looked at for what a plain reader sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from api.service.gateway import nesting
from api.service.request_columns import account_columns, contact_columns
from api.service.schemas import Account
from recommender.columns import Columns
from recommender.errors import InvalidInput
from recommender.store.decision_log import objects_of, written_numbers, written_words

NAMES = ["balance_minor", "late_due_share", "stage", "product", "days"]
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "balance_minor": st.none() | st.integers(0, 9),
        "late_due_share": st.none() | st.just(0.5),
        "last_paid_on": st.none() | st.just("2026-01-02"),
        "country": st.none() | st.just("CO"),
        "contacts": st.none() | st.just([]),
        "features": st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(10, 19), max_size=4),
    },
)


def by_hand(account: Account) -> dict[str, Any]:
    """One account as a row: facts, then what is told of the spoken ones, then features where nothing stands yet."""
    row: dict[str, Any] = {"account_id": account.account_id, "balance_minor": account.balance_minor}
    for name in ("late_due_share", "last_paid_on"):
        if name in account.model_fields_set:
            row[name] = getattr(account, name)
    for name, value in account.features.items():
        if row.get(name) is None:
            row[name] = value
    return row | {"contacts_known": account.contacts is not None}


@given(st.lists(FACTS, min_size=1, max_size=20))
def test_columns_say_what_each_account_says(facts: list[dict[str, Any]]) -> None:
    accounts = [Account.model_validate_json(to_json({"account_id": f"a{n}"} | one)) for n, one in enumerate(facts)]
    rows = account_columns(accounts, ("CO",), range(len(accounts))).rows()
    wanted = Columns.of([by_hand(account) for account in accounts]).rows()
    assert [{name: row[name] for name in wanted[0]} for row in rows] == wanted
    told = {name for account in accounts for name in account.features}
    assert {name for name in NAMES if name in rows[0]} == told | {"balance_minor"} | (
        {"late_due_share"} if any("late_due_share" in one for one in facts) else set()
    )


@pytest.mark.parametrize("n", [1, 20])
def test_a_fact_that_is_repeated_is_named_with_its_position(n: int) -> None:
    accounts = [Account(account_id=f"a{one}", features={"timezone": "x", "flags": "y"}) for one in range(n)]
    with pytest.raises(InvalidInput, match=r"accounts\[7\].features repeats the fact 'flags'") as told:
        account_columns(accounts, (), range(7, 7 + n))
    assert told.value.column == "flags" and list(told.value.rows) == [7]


def test_no_contacts_are_columns_without_rows() -> None:
    table = contact_columns([Account(account_id="a", contacts=[])])
    assert len(table) == 0 and "sent_at" in table and table.rows() == []


CELLS = st.none() | st.integers(0, 3) | st.lists(st.text("ab", max_size=2), max_size=2)
TABLES = st.lists(st.dictionaries(st.sampled_from("xyz"), CELLS, max_size=3), max_size=5)


@given(TABLES, TABLES, st.data())
def test_cells_and_rows_are_put_in_as_into_rows(first: list[Any], second: list[Any], data: st.DataObject) -> None:
    """Those of the one and of the other table, null where a row says nothing."""
    names = sorted({name for row in [*first, *second] for name in row})
    both = Columns.of(first).with_rows(second)
    assert len(both) == len(first) + len(second)
    assert [{name: row.get(name) for name in names} for row in both.rows()] == [
        {name: row.get(name) for name in names} for row in [*first, *second]
    ]
    some = st.dictionaries(st.sampled_from("yw"), CELLS)
    cells = data.draw(st.dictionaries(st.integers(0, len(first) - 1), some)) if first else {}
    changed = Columns.of(first).with_cells(cells)
    assert all(
        changed.values(name) == [{**row, **cells.get(n, {})}.get(name) for n, row in enumerate(first)]
        for name in "xyzw"
    )


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=5))
def test_written_objects_are_those_that_a_writer_of_json_writes(rows: list[tuple[str, float]]) -> None:
    """Names with signs of their own in them, and every number and text to the bit."""
    words, numbers = [word for word, _ in rows], np.array([number for _, number in rows])
    names = ['%s"', "%", "número"]
    halves = np.where(np.arange(len(rows)) % 2, numbers, np.nan)
    whole, half, signs = written_numbers([one.tolist() for one in (numbers, halves, numbers > 0)])
    columns = (written_words(words), whole, ["null"] * len(rows), half, signs)
    texts = objects_of(dict(zip([*names, "h", "s"], columns, strict=True)))
    plain = [
        dict(zip(names, (word, number, None), strict=True)) | {"h": number if row % 2 else None, "s": number > 0}
        for row, (word, number) in enumerate(rows)
    ]
    assert texts == [to_json(one).decode() for one in plain]
    assert [from_json(text) for text in texts] == plain


def test_an_infinite_number_is_no_part_of_an_answer() -> None:
    """JSON has none, and a ranked action of that worth is a mistake."""
    with pytest.raises(ValueError, match="infinite"):
        written_numbers([[1.0], [-np.inf]])


def deepest(text: str) -> int:
    """How deep brackets nest outside of strings, letter by letter."""
    depth = most = 0
    is_inside = False
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            next(letters, None)
        elif letter == '"':
            is_inside = not is_inside
        elif not is_inside and letter in "[]{}":
            depth += 1 if letter in "[{" else -1
            most = max(most, depth)
    return most


@given(st.text('[{]}"\\a,é', max_size=60))
def test_depth_is_that_of_the_brackets_outside_of_strings(text: str) -> None:
    """However many quotes stand side by side, with whatever escapes."""
    body = "[" * 12 + "]" * 12 + text
    found, wanted = nesting(body.encode()), deepest(body)
    assert found == wanted if body.count("[") + body.count("{") > 12 else wanted <= 12
