"""The certificate of a plan, and the check that anyone can run in one pass over the values."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.planning.capacity_plan import CapacityPlan, relative_gap, uses_of
from recommender.planning.capacity_prices import action_prices, top_per_debtor
from recommender.planning.capacity_problem import PlanProblem, digest_values
from recommender.planning.price_kernels import best_at_prices

__all__ = ["Certificate", "certify", "digest_contacts", "verify"]

FORMAT = "capacity-plan/1"
_EXACT = 1e-9


@dataclass(frozen=True)
class Certificate:
    """What a plan claims.

    Attributes
    ----------
    prices : dict of str to float
        Of each capacity and minimum, >= 0.
    limit, used : dict of str to float
    value, bound, gap : float
        Gap is (bound - value) / bound.
    n_accounts, n_contacts : int
    contacts_per_debtor : int
    digests : dict of str to str
        SHA-256 of ``values``, ``problem`` (uses, limits, debtors, kinds, slots) and ``contacts``.
    """

    prices: dict[str, float]
    limit: dict[str, float]
    used: dict[str, float]
    value: float
    bound: float
    gap: float
    n_accounts: int
    n_contacts: int
    contacts_per_debtor: int
    digests: dict[str, str]
    format: str = FORMAT

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads back to the bit."""
        return json.dumps(vars(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read a certificate; anything that is no certificate fails with a ``ValueError``."""
        fields: Any = json.loads(text)
        if not isinstance(fields, Mapping) or set(fields) != set(cls.__dataclass_fields__):
            raise ValueError("not a certificate of a plan: its fields are others")
        return cls(**fields)


def certify(problem: PlanProblem, plan: CapacityPlan) -> Certificate:
    """State what is claimed of a plan, with digests of all that it was made from."""
    names = problem.rows.names
    return Certificate(
        prices=dict(zip(names, plan.prices.tolist(), strict=True)),
        limit=dict(zip(names, problem.rows.limit.tolist(), strict=True)),
        used=dict(zip(names, plan.used.tolist(), strict=True)),
        value=plan.total,
        bound=plan.bound,
        gap=plan.gap,
        n_accounts=problem.n_accounts,
        n_contacts=len(plan.account),
        contacts_per_debtor=problem.contacts_per_debtor,
        digests={
            "values": digest_values(problem.values),
            "problem": problem.digest(),
            "contacts": digest_contacts(plan.account, plan.action, plan.value),
        },
    )


def digest_contacts(account: NDArray[np.int64], action: NDArray[np.int64], value: NDArray[np.float64]) -> str:
    """SHA-256 of the contacts in their order."""
    digest = hashlib.sha256()
    for array, kind in ((account, "<i8"), (action, "<i8"), (value, "<f8")):
        digest.update(str(len(array)).encode() + np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def verify(
    problem: PlanProblem,
    certificate: Certificate,
    account: NDArray[np.int64],
    action: NDArray[np.int64],
    value: NDArray[np.float64],
) -> list[str]:
    """Check a plan against its certificate.

    Nothing is taken from how the plan was made: limits, eligibility, debtors and values are counted again, and the
    bound is computed from the prices.

    Parameters
    ----------
    problem : PlanProblem
    certificate : Certificate
    account, action, value : ndarray of shape (n_contacts,)

    Returns
    -------
    list of str
        What does not hold; empty for a plan that is what it claims.
    """
    wrong: list[str] = []
    names = problem.rows.names
    if certificate.format != FORMAT:
        wrong.append(f"format is {certificate.format!r}, not {FORMAT!r}")
    for field in ("prices", "limit", "used"):
        if list(getattr(certificate, field)) != sorted(names) and set(getattr(certificate, field)) != set(names):
            return [*wrong, f"{field}: the rows are not those of the problem"]
    prices = np.array([certificate.prices[name] for name in names], dtype=np.float64)
    if not np.isfinite(prices).all() or (prices < 0).any():
        return [*wrong, "prices: one is negative or not a number, so the bound proves nothing"]
    counts = (certificate.n_accounts, certificate.n_contacts, certificate.contacts_per_debtor)
    if counts != (problem.n_accounts, len(account), problem.contacts_per_debtor):
        wrong.append("counts: accounts, contacts or contacts a debtor differ from the certificate")
    if not len(account) == len(action) == len(value):
        return [*wrong, "contacts: columns differ in length"]
    inside = (account >= 0) & (account < problem.n_accounts) & (action >= 0) & (action < problem.n_actions)
    if not inside.all():
        return [*wrong, f"contacts: {int((~inside).sum())} name an account or action that does not exist"]
    wrong += _broken_limits(problem, certificate, account, action)
    wrong += _broken_per_debtor(problem, account, action)
    worth, best, digest = _one_pass(problem, prices, account, action)
    if not np.isfinite(worth).all():
        wrong.append(f"eligibility: {int((~np.isfinite(worth)).sum())} contacts are denied")
    if not np.array_equal(worth, value):
        wrong.append(f"value: {int((worth != value).sum())} contacts are not worth what the plan says")
    bound = top_per_debtor(problem, best) + float(prices @ problem.rows.limit)
    total = float(np.asarray(value, dtype=np.float64).sum())
    for name, said, true in (
        ("value", certificate.value, total),
        ("bound", certificate.bound, bound),
        ("gap", certificate.gap, relative_gap(total, bound)),
    ):
        scale = 1.0 if name == "gap" else max(abs(bound), 1e-12)
        if not math.isfinite(said) or abs(said - true) > _EXACT * scale:
            wrong.append(f"{name}: the certificate says {said!r}, it is {true!r}")
    digests = {
        "values": digest,
        "problem": problem.digest(),
        "contacts": digest_contacts(account, action, value),
    }
    wrong += [f"digest: {name} were changed" for name in digests if certificate.digests.get(name) != digests[name]]
    return wrong


def _broken_limits(
    problem: PlanProblem, certificate: Certificate, account: NDArray[np.int64], action: NDArray[np.int64]
) -> list[str]:
    wrong = []
    used, limit = uses_of(problem, account, action), problem.rows.limit
    for name, has, most, low in zip(problem.rows.names, used, limit, problem.rows.is_minimum, strict=True):
        close = _EXACT * max(1.0, abs(most))
        if has > most + close:
            amounts = f"{-has:g}, at least {-most:g}" if low else f"{has:g}, at most {most:g}"
            wrong.append(f"limit: {name} holds {amounts}")
        if not abs(certificate.used[name] - has) <= close:
            wrong.append(f"used: {name} is {has:g}, the certificate says {certificate.used[name]:g}")
        if certificate.limit[name] != most:
            wrong.append(f"limit: {name} is {most:g}, the certificate says {certificate.limit[name]:g}")
    return wrong


def _broken_per_debtor(problem: PlanProblem, account: NDArray[np.int64], action: NDArray[np.int64]) -> list[str]:
    wrong = []
    if len(np.unique(account)) != len(account):
        wrong.append("contacts: an account is contacted twice")
    debtor, slot = problem.debtor[account], problem.slot[action]
    if np.bincount(debtor).max(initial=0) > problem.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {problem.contacts_per_debtor} contacts")
    timed = slot >= 0
    pairs = np.stack([debtor[timed], slot[timed]], axis=1)
    if len(np.unique(pairs, axis=0)) != len(pairs):
        wrong.append("debtor: one is in two queues at once")
    return wrong


def _one_pass(
    problem: PlanProblem, prices: NDArray[np.float64], account: NDArray[np.int64], action: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Value of each contact, best value after prices of each account, digest of the values."""
    cost = action_prices(problem, prices)
    best, worth = np.empty(problem.n_accounts), np.empty(len(account))
    order = np.argsort(account, kind="stable")
    ordered = account[order]

    def look(first: int, block: NDArray[np.float32]) -> None:
        end = first + len(block)
        best_at_prices(block, cost, problem.kind[first:end], best[first:end])
        mine = order[np.searchsorted(ordered, first) : np.searchsorted(ordered, end)]
        worth[mine] = block[account[mine] - first, action[mine]]

    digest = digest_values(problem.values, look)
    return worth, best, digest
