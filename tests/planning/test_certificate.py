"""A certificate holds for the plan it was made for and for no other."""

import json
from dataclasses import replace

import numpy as np
import pytest

from recommender.planning.capacity_plan import solve_capacity
from recommender.planning.capacity_problem import ArrayValues
from recommender.planning.certificate import Certificate, certify, digest_contacts, verify
from tests.planning.instances import random_problem


@pytest.fixture(scope="module")
def made():
    problem = random_problem(11, 150, share=0.4, several=True, per_debtor=2, minimum=0.5, budget=True)
    plan = solve_capacity(problem)
    return problem, plan, certify(problem, plan)


def told(problem, certificate, plan, **changed):
    """Findings about a plan of which some columns were changed, with the digest of the contacts forged to match."""
    columns = {"account": plan.account, "action": plan.action, "value": plan.value} | changed
    forged = certificate.digests | {"contacts": digest_contacts(**columns)}
    return verify(problem, replace(certificate, digests=forged), **columns)


def at(array, plan_folder, value):
    changed = array.copy()
    changed[plan_folder] = value
    return changed


def other(mapping, value, plan_folder=0):
    """The mapping with one value changed."""
    key = sorted(mapping)[plan_folder]
    return mapping | {key: value(mapping[key]) if callable(value) else value}


def test_an_untouched_plan_passes_after_a_round_trip(made):
    problem, plan, certificate = made
    assert len(plan.account) > 20
    assert verify(problem, Certificate.from_json(certificate.to_json()), plan.account, plan.action, plan.value) == []


COLUMNS = ("account", "action", "value")
CONTACTS = {
    "a contact left out": lambda _, q: {k: getattr(q, k)[1:] for k in COLUMNS},
    "a contact doubled": lambda _, q: {
        k: np.append(getattr(q, k), getattr(q, k)[0]) for k in ("account", "action", "value")
    },
    "a value raised": lambda _, q: {"value": at(q.value, 3, q.value[3] + 1)},
    "a value in the last bit": lambda _, q: {"value": at(q.value, 3, np.nextafter(q.value[3], np.inf))},
    "two values exchanged": lambda _, q: {"value": at(q.value, [0, 1], q.value[[1, 0]] + [0, 1e-3])},
    "another action": lambda p, q: {"action": at(q.action, 0, (q.action[0] + 2) % p.n_actions)},
    "a denied action": lambda p, q: _denied(p, q),
    "all to one slot": lambda _, q: {"action": np.zeros_like(q.action)},
    "another account": lambda _, q: {"account": at(q.account, 0, np.setdiff1d(range(150), q.account)[0])},
    "an account that does not exist": lambda _, q: {"account": at(q.account, 0, 150)},
    "an action that does not exist": lambda _, q: {"action": at(q.action, 0, -1)},
    "columns of different length": lambda _, q: {"value": q.value[1:]},
}


def _denied(problem, plan):
    values = problem.values.values
    denied = np.flatnonzero(np.isneginf(values[plan.account[0]]))[0]
    return {"action": at(plan.action, 0, denied), "value": at(plan.value, 0, -np.inf)}


@pytest.mark.parametrize("kind", CONTACTS)
def test_changed_contacts_are_found_even_with_a_forged_digest(made, kind):
    problem, plan, certificate = made
    assert told(problem, certificate, plan, **CONTACTS[kind](problem, plan))


CLAIMS = {
    "value": lambda c: {"value": c.value * 1.001},
    "bound": lambda c: {"bound": c.bound * 0.999},
    "gap": lambda c: {"gap": c.gap / 2},
    "a gap that is no number": lambda _: {"gap": float("nan")},
    "a negative price": lambda c: {"prices": other(c.prices, -1.0)},
    "an infinite price": lambda c: {"prices": other(c.prices, float("inf"))},
    "a price changed": lambda c: {"prices": other(c.prices, lambda price: price + 1.0)},
    "a price left out": lambda c: {"prices": dict(list(c.prices.items())[1:])},
    "a limit raised": lambda c: {"limit": other(c.limit, lambda limit: limit + 1)},
    "a use lowered": lambda c: {"used": other(c.used, lambda used: used - 1)},
    "the number of contacts": lambda c: {"n_contacts": c.n_contacts + 1},
    "the number of accounts": lambda c: {"n_accounts": c.n_accounts - 1},
    "contacts a debtor": lambda c: {"contacts_per_debtor": c.contacts_per_debtor + 1},
    "digest of the values": lambda c: {"digests": c.digests | {"values": "0" * 64}},
    "digest of the problem": lambda c: {"digests": c.digests | {"problem": "0" * 64}},
    "another format": lambda _: {"format": "capacity-plan/0"},
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_changed_claims_are_found(made, kind):
    problem, plan, certificate = made
    assert verify(problem, replace(certificate, **CLAIMS[kind](certificate)), plan.account, plan.action, plan.value)


INPUTS = {
    "values": lambda p: {"values": ArrayValues(np.where(p.values.values > 20, p.values.values + 1, p.values.values))},
    "limits": lambda p: {"rows": p.rows.with_limit(p.rows.limit + 1)},
    "uses": lambda p: {"rows": replace(p.rows, use=p.rows.use * 1.01)},
    "debtors": lambda p: {"debtor": np.arange(p.n_accounts)},
    "kinds": lambda p: {"kind": 1 - p.kind},
    "slots": lambda p: {"slot": np.zeros_like(p.slot)},
}


@pytest.mark.parametrize("kind", INPUTS)
def test_other_inputs_are_found(made, kind):
    problem, plan, certificate = made
    assert verify(replace(problem, **INPUTS[kind](problem)), certificate, plan.account, plan.action, plan.value)


def test_a_debtor_in_two_queues_at_once_is_found():
    """The one fault that no sum shows: two accounts of a debtor in the same hour."""
    problem = random_problem(2, 60, share=5.0, several=True, per_debtor=2)
    plan = solve_capacity(problem)
    one_hour = replace(problem, slot=np.zeros_like(problem.slot))
    certificate = certify(problem, plan)
    forged = replace(certificate, digests=certificate.digests | {"problem": one_hour.digest()})
    assert "debtor: one is in two queues at once" in verify(one_hour, forged, plan.account, plan.action, plan.value)


def test_what_is_no_certificate_is_refused(made):
    stored = json.loads(made[2].to_json())
    for text in (
        "[]",
        "{",
        json.dumps(stored | {"note": "trust me"}),
        json.dumps({k: stored[k] for k in list(stored)[1:]}),
    ):
        with pytest.raises(ValueError):
            Certificate.from_json(text)


def test_a_debtor_with_one_contact_too_many_is_found():
    """A plan for two contacts a debtor is not one for one, whatever its certificate says."""
    problem = random_problem(2, 60, share=5.0, several=True, per_debtor=2)
    plan = solve_capacity(problem)
    assert np.bincount(problem.debtor[plan.account]).max() == 2
    single = replace(problem, contacts_per_debtor=1)
    certificate = certify(problem, plan)
    forged = replace(certificate, contacts_per_debtor=1, digests=certificate.digests | {"problem": single.digest()})
    assert "debtor: one has more than 1 contacts" in verify(single, forged, plan.account, plan.action, plan.value)
