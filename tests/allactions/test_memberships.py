"""Codes and posteriors of profiles, against a naive reading of the same tables."""

import math

import numpy as np
import pytest

from recommender.allactions import ProfileTable, codes_of, memberships

#: A number in three bins, a category with three codes of its own, and a rate in two bins.
TABLE = ProfileTable(
    kind=np.array([0, 1, 2]),
    source=np.array([0, 1, 2]),
    other=np.array([0, 3, 3]),
    centre=np.array([0.0, 0.0, 0.25]),
    scale=np.array([0.0, 0.0, 2.0]),
    cut_ends=np.array([0, 2, 2, 3]),
    cuts=np.array([1.5, 4.0, 0.5]),
    profile_ends=np.array([0, 2, 3]),
    member=np.array([0, 1, 2]),
    offset=np.array([0, 8, 18]),
    n_classes=np.array([2, 3]),
    log_share=np.log([0.3, 0.7, 0.2, 0.3, 0.5]),
    log_tables=np.log(np.random.default_rng(3).uniform(0.05, 1.0, size=18 + 9)),
)
NAN = math.nan


def naive_codes(row):
    """Code of each column: 0 missing, bins by how many cuts a value has reached, rare and unknown categories 1."""
    number, category, trials, successes = row
    held = 0.0 if math.isnan(trials) else trials
    rate = (min(0.0 if math.isnan(successes) else successes, held) + 0.25 * 2.0) / (held + 2.0)
    return [
        0 if math.isnan(number) else 1 + sum(number >= cut for cut in (1.5, 4.0)),
        0 if math.isnan(category) else 1 + (int(category) if category in (1.0, 2.0, 3.0) else 0),
        1 + (rate >= 0.5),
    ]


ROWS = [
    [1.5, 1.0, 2.0, 1.5], [1.4999, 3.0, 2.0, 1.4], [4.0, 4.0, 0.0, 0.0], [3.9999, 0.0, NAN, NAN],
    [NAN, NAN, 3.0, 9.0], [-math.inf, 2.0, 1.0, 1.0], [math.inf, -1.0, 1.0, 0.99],
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_a_value_on_a_cut_belongs_to_the_bin_above(row):
    assert codes_of(np.array([row]), TABLE)[0].tolist() == naive_codes(row)


def test_posteriors_are_those_of_bayes_rule():
    found = memberships(np.array(ROWS), TABLE)
    for row, got in zip(ROWS, found, strict=True):
        codes, first = naive_codes(row), 0
        for size, members in ((2, (0, 1)), (3, (2,))):
            weight = np.exp(TABLE.log_share[first : first + size])
            for member in members:
                at = TABLE.offset[member] + codes[TABLE.member[member]] * size
                weight = weight * np.exp(TABLE.log_tables[at : at + size])
            assert got[first : first + size] == pytest.approx(weight / weight.sum())
            first += size
