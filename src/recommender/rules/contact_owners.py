"""Whose contact it is: the accounts table says so, a contact's own debtor serves where its account is not there."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.allactions import compiled

__all__ = ["owners_of_contacts"]


@compiled
def _debtors_by_account(facts: Any, n_accounts: int) -> Any:
    """Debtors of each account, each once: those of account ``i`` are ``debtors[start[i + 1]:end[i]]``."""
    start = np.zeros(n_accounts + 2, dtype=np.int64)
    for i in range(len(facts)):
        start[facts[i].account + 2] += 1  # those without an account, -1, come first and are left out
    for code in range(n_accounts + 1):
        start[code + 1] += start[code]
    end = start[1:].copy()
    debtors = np.empty(len(facts), dtype=np.int64)
    for i in range(len(facts)):
        code = facts[i].account
        if code >= 0:
            debtors[end[code]] = facts[i].debtor
            end[code] += 1
    for code in range(n_accounts):
        first, last = start[code + 1], end[code]
        if last - first > 1:  # each of its debtors once
            debtors[first:last].sort()
            end[code] = first + 1
            for at in range(first + 1, last):
                if debtors[at] != debtors[end[code] - 1]:
                    debtors[end[code]] = debtors[at]
                    end[code] += 1
    return start, end, debtors


@compiled
def owners_of_contacts(account: Any, named: Any, facts: Any, n_accounts: int, n_debtors: int) -> Any:
    """Match contacts with debtors.

    Parameters
    ----------
    account, named : ndarray of int64 of shape (n_contacts,)
        Codes of the account and of the debtor that each contact names; beyond those of the accounts, or -1: neither.
    facts : ndarray, dtype FACT
    n_accounts, n_debtors : int
        Ids that the accounts name.

    Returns
    -------
    row : ndarray of int64 of shape (m,)
        Contacts that belong to somebody, in their order; one of an account that several debtors share comes once for
        each of them.
    debtor : ndarray of int64 of shape (m,)
    shared : ndarray of bool of shape (m,)
        Several share the account, and the contact does not name this one.
    matched : int
        Distinct contacts among ``row``.
    """
    start, end, debtors = _debtors_by_account(facts, n_accounts)
    m = 0
    for at in range(len(account)):
        inside = 0 <= account[at] < n_accounts
        own = end[account[at]] - start[account[at] + 1] if inside else 0
        m += own if own > 0 else (1 if 0 <= named[at] < n_debtors else 0)
    row, debtor, shared = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.zeros(m, dtype=np.bool_)
    m = matched = 0
    for at in range(len(account)):
        before = m
        if 0 <= account[at] < n_accounts:
            first, last = start[account[at] + 1], end[account[at]]
            for place in range(first, last):
                row[m], debtor[m] = at, debtors[place]
                shared[m] = last - first > 1 and debtors[place] != named[at]
                m += 1
        if m == before and 0 <= named[at] < n_debtors:
            row[m], debtor[m] = at, named[at]
            m += 1
        matched += m > before
    return row, debtor, shared, matched
