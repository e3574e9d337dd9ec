"""Whose a contact is, within a chunk: by arrays, against the rule read row by row."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.intake import id_keys, padded, places_of
from recommender.planning.chunk_accounts import with_debtors
from recommender.planning.plan_inputs import _as_spelt

IDS = ("A", "B", "C", "7", "07", "007", "0", "00", "x0")
NAMES = st.sampled_from(IDS)


def column(values):
    return pd.Series(values, dtype="str")


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, unique=True), st.lists(st.none() | NAMES))
def test_places_are_those_of_a_search(known, asked):
    places = places_of(column(asked), column(known))
    assert places.tolist() == [known.index(one) if one in known else -1 for one in asked]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.none() | NAMES), st.lists(NAMES))
def test_ids_are_spelt_as_their_owner_spells_them(asked, known):
    """The first spelling counts; without zeros in front nobody has to look."""
    spelling = {}
    for one in known:
        spelling.setdefault(id_keys(column([one]))[0], one)
    wanted = [None if one is None else spelling.get(id_keys(column([one]))[0], one) for one in asked]
    spelt = _as_spelt(column(asked), column(known))
    assert [None if pd.isna(one) else one for one in spelt] == wanted
    assert padded(column(asked)) == any(one is not None and one.startswith("0") for one in asked)


ACCOUNTS = st.lists(st.tuples(NAMES, st.none() | st.sampled_from(("D", "E"))), min_size=1, unique_by=lambda row: row[0])
CONTACTS = st.lists(st.tuples(NAMES, st.none() | st.sampled_from(("D", "E", "F"))))


@settings(max_examples=200, deadline=None)
@given(ACCOUNTS, CONTACTS, st.booleans())
def test_a_contact_is_its_accounts_debtors_before_its_own(accounts, contacts, named):
    owner = dict(accounts)
    people = {debtor for debtor in owner.values() if debtor is not None}
    wanted, again = [], []
    for account, own in contacts:
        debtor = owner.get(account)
        if debtor is None and named:
            debtor = own
            if account in owner and own in people:  # counts for the account, and for the debtor that it names
                again.append((f"{account}\0", own))
        wanted.append((account, debtor))
    frame = pd.DataFrame(accounts, columns=["account_id", "debtor_id"], dtype="str")
    table = pd.DataFrame(contacts, columns=["account_id", "debtor_id"], dtype="str")
    table.index = range(3, 3 + len(table))
    made = with_debtors(table if named else table[["account_id"]], frame)
    if not len(contacts):
        return
    got = [tuple(None if pd.isna(one) else one for one in row) for row in made[["account_id", "debtor_id"]].to_numpy()]
    assert got == wanted + again
