"""Latent profiles: hidden traits found from context alone, and what they are worth to a regression."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.actions import ActionSpace
from recommender.allactions.memberships import codes_of
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.count_pairs import count_pairs
from recommender.learning.regression.latent_classes import choose_classes
from recommender.learning.regression.latent_profiles import LatentProfiles
from recommender.learning.regression.linear_design import LinearDesign

SPACE = ActionSpace({"channel": ["call", "sms", "mail"], "hour": range(9, 13)})


def _frame(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Two hidden traits with four signs each, two columns of noise; the levels of both traits."""
    rng = np.random.default_rng(seed)
    one, two = rng.integers(0, 3, n), rng.integers(0, 2, n)
    tries = rng.poisson(4.0, n)
    frame = pd.DataFrame(
        {
            "a": rng.normal(np.array([-1.5, 0.0, 1.5])[one]),
            "b": np.exp(rng.normal(np.array([1.0, -0.5, 0.5])[one], 0.7)),
            "c": np.where(rng.random(n) < 0.7, np.array(list("xyz"))[one], rng.choice(list("xyz"), n)),
            "d": np.where(rng.random(n) < np.array([0.6, 0.1, 0.1])[one], np.nan, rng.normal(size=n)),
            "calls": tries,
            "calls_answered": rng.binomial(tries, np.array([0.2, 0.8])[two]),
            "e": rng.poisson(np.array([1.0, 4.0])[two]),
            "f": rng.normal(np.array([0.0, 1.6])[two]),
            "g": np.where(rng.random(n) < 0.8, np.array(list("uv"))[two], None),
            "noise": rng.normal(size=n),
            "loud": rng.choice(list("abcde"), n),
        }
    )
    return frame, one, two


@cache
def _fitted(n: int, seed: int = 0) -> tuple[pd.DataFrame, ContextEncoder, np.ndarray, LatentProfiles]:
    frame, _, _ = _frame(n, seed)
    encoder = ContextEncoder.fit(frame, ())
    X = encoder.transform(frame)
    return frame, encoder, X, LatentProfiles.fit(encoder, X, np.arange(n), count_pairs(encoder, X, {}, SPACE))


def test_traits_are_found_with_their_signs() -> None:
    """Columns are dealt to the trait they come from, noise to none; classes say what the trait is."""
    _, encoder, X, profiles = _fitted(6_000)
    signs = {frozenset(encoder.names[j] for j in found) for found in profiles.signs}
    assert signs == {frozenset("abcd"), frozenset({"calls", "calls_answered", "e", "f", "g"})}
    _, one, two = _frame(6_000)
    found = np.split(profiles.memberships(X), np.cumsum(profiles.n_classes)[:-1], axis=1)
    for signs_of, member in zip(profiles.signs, found, strict=True):
        trait = one if list(encoder.names).index("a") in signs_of else two
        best = member.argmax(axis=1)
        purity = sum(np.bincount(trait[best == k]).max() for k in np.unique(best)) / len(trait)
        assert purity > 0.85


def test_independent_columns_have_no_profile() -> None:
    """Where nothing depends on anything, there is no hidden trait."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"x{j}": rng.normal(size=4_000) for j in range(8)} | {"c": rng.choice(list("abc"), 4_000)})
    encoder = ContextEncoder.fit(frame, ())
    assert LatentProfiles.fit(encoder, encoder.transform(frame), np.arange(4_000)).profiles == ()


def test_an_account_counts_once() -> None:
    """A thousand decisions of a few accounts are a few accounts."""
    frame, _, _ = _frame(200)
    many = frame.loc[np.repeat(np.arange(200), 50)]
    encoder = ContextEncoder.fit(many, ())
    profiles = LatentProfiles.fit(encoder, encoder.transform(many), np.repeat(np.arange(200), 50))
    assert profiles.profiles == ()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0, 0.5, 1e300, 7.0]), min_size=11, max_size=11),
)
def test_memberships_are_those_of_a_naive_posterior(seed: int, odd: list[float]) -> None:
    """Equal to Bayes' rule worked out row by row, strange values included; rows sum to 1."""
    _, _, X, profiles = _fitted(3_000)
    rows = X[np.random.default_rng(seed).integers(0, len(X), 5)]
    rows[0] = odd
    found = profiles.memberships(rows)
    for row, got in zip(rows, found, strict=True):
        naive = []
        for profile in profiles.profiles:
            weight = np.exp(profile.log_share)
            for j, table in zip(profile.columns, profile.log_tables, strict=True):
                column = profiles.columns[j]
                value = row[column.source]
                if column.kind == "rate":
                    trials = 0.0 if np.isnan(value) else value
                    good = 0.0 if np.isnan(row[column.other]) else row[column.other]
                    with np.errstate(invalid="ignore"):
                        value = (min(good, trials) + column.centre * column.scale) / (trials + column.scale)
                if np.isnan(value):
                    code = 0
                elif column.kind == "level":
                    code = 1 + int(value) if 1 <= value <= column.other else 1
                else:
                    code = 1 + sum(cut <= value for cut in column.cuts)
                weight = weight * np.exp(table[code])
            naive.append(weight / weight.sum())
        np.testing.assert_allclose(got, np.concatenate(naive), atol=1e-12)
        assert np.isclose(got.sum(), len(profiles.profiles))


def test_a_code_never_seen_speaks_for_no_class() -> None:
    """A value missing for the first time leaves the memberships as the other signs have them."""
    _, encoder, X, profiles = _fitted(3_000)
    position = list(encoder.names).index("a")
    other = X[:5].copy()
    other[:, position] = np.nan
    j = next(j for j, column in enumerate(profiles.columns) if column.source == position)
    table = next(
        table
        for profile in profiles.profiles
        for member, table in zip(profile.columns, profile.log_tables, strict=True)
        if member == j
    )
    assert (codes_of(other, profiles.table)[:, j] == 0).all()
    assert np.ptp(table[0]) == 0.0


def test_round_trip_is_exact() -> None:
    """What is written as JSON scores to the same bits."""
    _, _, X, profiles = _fitted(3_000)
    again = LatentProfiles.from_dict(json.loads(json.dumps(profiles.to_dict())))
    np.testing.assert_array_equal(again.memberships(X), profiles.memberships(X))


def test_a_regression_by_profile_needs_fewer_weights_crossed_with_actions() -> None:
    """Signs keep their main effect; actions differ by memberships, matched rates and what belongs to no profile."""
    frame, encoder, X, profiles = _fitted(3_000)
    pairs = count_pairs(encoder, X, {}, SPACE)
    linear = LinearDesign.fit(encoder, X, pairs, SPACE, profiles)
    design = linear.by_profile()
    crossed = {term.kind for term in design.terms if term.crossed}
    assert "profile" in crossed
    signs = frozenset().union(*profiles.signs)
    assert all(not t.crossed for t in design.terms if t.kind in {"number", "log", "level"} and t.source in signs)
    assert [t.source for t in design.terms if t.crossed and t.kind == "number"] == [list(frame).index("noise")]
    np.testing.assert_array_equal(design.transform(X), linear.transform(X))


@pytest.mark.parametrize(("true", "rows"), [(1, 3_000), (2, 3_000), (4, 6_000)])
def test_number_of_classes(true: int, rows: int) -> None:
    """As many classes as there are, where signs are clear."""
    rng = np.random.default_rng(true)
    kind = rng.integers(0, true, rows)
    sharp = rng.dirichlet(np.full(5, 0.4), size=(6, true))
    codes = np.stack(
        [(rng.random(rows)[:, None] > sharp[j][kind].cumsum(axis=1)[:, :-1]).sum(axis=1) for j in range(6)]
    )
    assert len(choose_classes(codes.T.copy(), [5] * 6, np.random.default_rng(0)).share) == true


def test_count_pairs_of_data_and_of_the_caller() -> None:
    """Successes never above trials are a pair, by names where several fit; flags and unrelated counts are none."""
    rng = np.random.default_rng(3)
    n = 2_000
    calls, mails = rng.poisson(5.0, n), rng.poisson(9.0, n)
    frame = pd.DataFrame(
        {
            "mails_90d": mails,
            "calls_90d": calls,
            "calls_answered_90d": rng.binomial(calls, 0.3),
            "opened_mails_90d": rng.binomial(mails, 0.4),
            "children": rng.poisson(0.2, n),
            "products": 6 + rng.poisson(1.0, n),
            "share": rng.random(n),
            "h.trials": calls + 1,
            "h.good": rng.binomial(calls + 1, 0.5),
        }
    )
    encoder = ContextEncoder.fit(frame, ())
    declared = {"h.trials": ("channel", "sms", "trials"), "h.good": ("channel", "sms", "successes")}
    pairs = count_pairs(encoder, encoder.transform(frame), declared, SPACE)
    named = {(key, encoder.names[trials], encoder.names[good]) for key, trials, good in pairs}
    assert named == {
        (("channel", "sms"), "h.trials", "h.good"),
        (("channel", "call"), "calls_90d", "calls_answered_90d"),
        (("channel", "mail"), "mails_90d", "opened_mails_90d"),
    }
