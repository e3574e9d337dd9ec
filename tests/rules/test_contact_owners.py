"""Whose contact it is, against the same said in dictionaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.rules.contact_owners import owners_of_contacts
from recommender.rules.facts import FACT

CODES = st.integers(-1, 4)


@given(st.lists(st.tuples(CODES, st.integers(0, 6)), max_size=7), st.lists(st.tuples(CODES, CODES), max_size=7))
def test_contacts_belong_to_the_debtors_of_their_account(accounts, contacts):
    """To each of several, once; to the debtor that they name where their account is not there; else to nobody."""
    n_accounts = max((code for code, _ in accounts), default=-1) + 1
    n_debtors = 3
    facts = np.zeros(len(accounts), dtype=FACT)
    facts["account"], facts["debtor"] = [one[0] for one in accounts], [one[1] for one in accounts]
    want = []
    for row, (account, named) in enumerate(contacts):
        own = sorted({debtor for code, debtor in accounts if code == account and code >= 0})
        if not own and 0 <= named < n_debtors:
            own = [named]
        want += [(row, debtor, len(own) > 1 and debtor != named) for debtor in own]
    columns = [np.array([one[at] for one in contacts], dtype=np.int64) for at in (0, 1)]
    row, debtor, shared, matched = owners_of_contacts(*columns, facts, n_accounts, n_debtors)
    assert list(zip(row.tolist(), debtor.tolist(), shared.tolist(), strict=True)) == want
    assert matched == len({one for one, *_ in want})
