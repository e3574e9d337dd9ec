"""Intervals: exact cases, skewness, blocks, finite samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender.errors import InvalidInput
from recommender.evaluation.checks import LogVectors
from recommender.evaluation.intervals import (
    cluster_bootstrap,
    cluster_interval,
    finite_sample_lower_bound,
    time_blocks,
)
from recommender.evaluation.policy_view import PolicyView, paired_with
from recommender.evaluation.skewness import ends, quantile_at


def test_normal_rows_give_the_t_interval():
    """Independent normal rows: the interval is Student's within a few percent."""
    x = np.random.default_rng(0).normal(size=500)
    interval = cluster_interval(x, np.arange(500), skewness=False)
    half = stats.t.ppf(0.975, 499) * x.std(ddof=1) / np.sqrt(500)
    assert interval.high - interval.value == pytest.approx(half, rel=0.02)
    assert interval.value - interval.low == pytest.approx(half, rel=0.02)


def test_a_skewed_sample_gets_a_skewed_interval():
    """Few large positive values: more room above the estimate than below."""
    x = np.zeros(400)
    x[:8] = 1.0
    interval = cluster_interval(x, np.arange(400))
    assert interval.high - interval.value > 1.2 * (interval.value - interval.low)


@pytest.mark.parametrize("make", [cluster_interval, lambda x, c: cluster_bootstrap(x, c, rng=np.random.default_rng(0))])
def test_constant_and_single_cluster_contributions(make):
    """No variation is a point; one cluster is unbounded."""
    point = make(np.full(20, 3.0), np.arange(20))
    assert (point.low, point.value, point.high) == (3.0, 3.0, 3.0)
    unbounded = make(np.arange(20.0), np.zeros(20))
    assert unbounded.low == -np.inf
    assert unbounded.high == np.inf


def test_shared_time_shocks_widen_the_interval_only_where_they_exist():
    """Blocks with a common shock widen the interval; blocks without one leave it as it is."""
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(20), 100)
    noise = rng.normal(size=2000)
    plain = cluster_interval(noise, np.arange(2000))
    assert cluster_interval(noise, np.arange(2000), block=block).high == pytest.approx(plain.high)
    shocked = cluster_interval(noise + rng.normal(size=20)[block], np.arange(2000), block=block)
    assert shocked.standard_error > 4 * plain.standard_error


def test_time_blocks_are_ordered_and_equal_times_stay_together():
    """Blocks follow time; rows of one instant share a block."""
    time = np.repeat(np.arange(100), 7)
    blocks = time_blocks(time, most=10)
    assert (np.diff(blocks) >= 0).all()
    assert len(np.unique(blocks)) == 10
    assert all(len(set(blocks[time == t])) == 1 for t in range(100))


def test_finite_sample_bound_holds_and_tightens():
    """At 500 simulated logs the bound exceeds the mean in at most 5 % (99 % limit), and grows with the sample."""
    rng = np.random.default_rng(3)
    misses, bounds = 0, {}
    for _ in range(500):
        x = rng.pareto(2.5, size=150)
        misses += finite_sample_lower_bound(x, np.arange(150), lower=0.0) > 1 / 1.5
    assert misses <= stats.binom.ppf(0.99, 500, 0.05)
    for n in (100, 1000, 10_000):
        x = rng.random(n)
        bounds[n] = finite_sample_lower_bound(x, np.arange(n), lower=0.0)
    assert 0 < bounds[100] < bounds[1000] < bounds[10_000] < 0.5


def test_finite_sample_bound_refuses_a_wrong_floor():
    """A contribution below the claimed floor is an error that says what to pass."""
    with pytest.raises(InvalidInput, match="Pass at most -1"):
        finite_sample_lower_bound(np.array([-1.0, 2.0]), np.arange(2), lower=0.0)


def test_bootstrap_is_reproducible():
    """The same generator state gives the same interval."""
    x = np.random.default_rng(5).exponential(size=200)
    one, two = (cluster_bootstrap(x, np.arange(200), rng=np.random.default_rng(6)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("shift", [-0.4, -0.1, 0.0, 0.1, 0.4])
@pytest.mark.parametrize("skewed", [True, False])
def test_the_p_value_and_the_interval_tell_the_same(shift, skewed):
    """Below 5 % exactly where the 95 % interval excludes 0; at the interval's own ends it is 5 %."""
    rng = np.random.default_rng(0)
    x = (rng.exponential(size=200) - 1.0 if skewed else rng.normal(size=200)) + shift
    found = cluster_interval(x, np.arange(200))
    assert (abs(found.skewness) > 0.05) == skewed
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
    for end in (found.low, found.high):
        assert cluster_interval(x - end, np.arange(200)).p_value == pytest.approx(0.05, abs=1e-9)


def test_other_rows_widen_an_interval_and_never_narrow_it():
    """What rows of similar prediction say is added to the variance only where it is more than the sums show."""
    x = np.random.default_rng(1).normal(size=300)
    plain = cluster_interval(x, np.arange(300))
    shown = float(np.sum((x - x.mean()) ** 2)) * 300 / 299
    less, more = (cluster_interval(x, np.arange(300), pooled_noise=(part * shown, 0.0)) for part in (-0.5, 0.5))
    assert less.standard_error == pytest.approx(plain.standard_error, rel=1e-12)
    assert more.standard_error == pytest.approx(plain.standard_error * np.sqrt(1.5), rel=1e-12)


def test_a_trend_is_no_shock():
    """A steady rise within the log widens nothing; what is left around it does."""
    rng = np.random.default_rng(5)
    noise, block = rng.normal(size=3000), np.repeat(np.arange(30), 100)
    plain = cluster_interval(noise, np.arange(3000)).standard_error
    rising = cluster_interval(noise + 0.1 * block, np.arange(3000), block=block)
    assert rising.standard_error == pytest.approx(cluster_interval(noise + 0.1 * block, np.arange(3000)).standard_error)
    shaken = cluster_interval(noise + 0.1 * block + 0.5 * rng.normal(size=30)[block], np.arange(3000), block=block)
    assert shaken.standard_error > 2 * plain


@pytest.mark.parametrize("events", [4, 6, 9, 16, 30, 100])
def test_the_ends_are_those_of_rare_events(events):
    """With the skewness of a Poisson count both ends are its exact 95 % limits, within 0.12 standard errors."""
    low, high = stats.chi2.ppf(0.025, 2 * events) / 2, stats.chi2.ppf(0.975, 2 * (events + 1)) / 2
    below, above = ends(stats.norm.ppf(0.975), 1 / np.sqrt(events))
    assert below == pytest.approx((events - low) / np.sqrt(events), abs=0.12)
    assert above == pytest.approx((high - events) / np.sqrt(events), abs=0.12)
    assert ends(1.96, -1 / np.sqrt(events)) == ends(1.96, 1 / np.sqrt(events))[::-1]


@pytest.mark.parametrize("skewness", [-1.0, -0.3, 0.0, 0.05, 0.5, 1.0])
def test_ends_and_quantiles_invert_each_other(skewness):
    """The quantile at either end is the one that the end was made from."""
    for quantile in (0.8, 1.96, 3.5):
        below, above = ends(quantile, skewness)
        assert quantile_at(below, skewness) == pytest.approx(quantile, rel=1e-12)
        assert quantile_at(-above, skewness) == pytest.approx(quantile, rel=1e-12)


def test_large_clusters_count_for_what_they_pull():
    """A cluster's sum is scaled up for its share, and degrees of freedom are those of the effective clusters."""
    rng = np.random.default_rng(4)
    size = np.array([60, 60, 40, 40, *[10] * 20])
    cluster = np.repeat(np.arange(len(size)), size)
    covered = before = 0
    for _ in range(400):
        x = rng.normal(size=len(size))[cluster] + rng.normal(size=len(cluster))
        interval = cluster_interval(x, cluster)
        sums = np.bincount(cluster, x - x.mean())
        half = stats.t.ppf(0.975, len(size) - 1) * np.sqrt(len(size) / (len(size) - 1) * np.sum(sums**2)) / len(x)
        covered += interval.low <= 0 <= interval.high
        before += abs(x.mean()) <= half
    assert interval.degrees_of_freedom <= size.sum() ** 2 / np.sum(size**2) - 1 + 1e-9
    assert covered >= stats.binom.ppf(0.005, 400, 0.93)
    assert before < covered


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_what_is_added_to_the_variance_has_no_skewness_of_its_own(sign, factor):
    """The third moment of the estimate stays; divided by more of a spread it leans less, and the interval grows."""
    x = np.zeros(600)
    x[:60] = sign
    alone = cluster_interval(x, np.arange(600))
    more = cluster_interval(x, np.arange(600), extra_variance=factor * alone.standard_error**2)
    assert more.standard_error == pytest.approx(alone.standard_error * np.sqrt(1.0 + factor))
    assert abs(alone.skewness) > 0.05
    assert more.skewness * more.standard_error**3 == pytest.approx(alone.skewness * alone.standard_error**3)
    assert more.low <= alone.low and more.high >= alone.high
    quantile = stats.t.ppf(0.975, more.degrees_of_freedom)
    below, above = (one * more.standard_error for one in ends(quantile, more.skewness))
    assert (more.low, more.high) == (pytest.approx(more.value - below), pytest.approx(more.value + above))


@pytest.mark.parametrize("with_baseline", [True, False])
@pytest.mark.parametrize("size", [40, 200])
def test_within_a_slice_what_is_added_to_the_variance_is_that_of_fewer_rows(with_baseline, size):
    """As every variance of a mean: a fifth of the rows, five times as much; the larger one of both policies."""
    rng = np.random.default_rng(2)
    n = 200
    log = LogVectors(rng.normal(size=n), np.zeros(n, dtype=np.int64), np.full(n, 0.5), np.zeros(n, dtype=bool),
                     np.arange(n))  # fmt: skip

    def view(extra):
        weight = rng.gamma(2.0, 0.5, n)
        return PolicyView(weight, weight, rng.normal(size=n), rng.normal(size=n), rng.normal(size=n), extra, None)

    target, baseline = view(0.02), view(0.03) if with_baseline else None
    pair = paired_with(target, baseline, log, np.arange(size))
    assert pair.extra_variance == pytest.approx((0.03 if with_baseline else 0.02) * n / size)
    # Either policy's rows may rule the difference: a row counts by the larger of its two shares.
    own = target.weight[:size] / target.weight[:size].mean()
    other = baseline.weight[:size] / baseline.weight[:size].mean() if with_baseline else np.ones(size)
    assert pair.weight == pytest.approx(np.maximum(own, other))


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=12),
    st.sampled_from([(0.0, 0.0), (5.0, 0.0)]),
    st.integers(0, 10_000),
)
def test_there_are_no_more_degrees_of_freedom_than_clusters_that_count(sizes, pooled, seed):
    """A cluster of most of the rows is most of what is known; two of one size have the one degree of Student's t."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    shares = [size / sum(sizes) for size in sizes]
    most = 1.0 / sum(share**2 for share in shares) - 1.0
    drawn = np.random.default_rng(seed).normal(size=len(cluster))
    told = cluster_interval(drawn, cluster, pooled_noise=pooled)
    assert 1.0 <= told.degrees_of_freedom <= max(1.0, most) + 1e-9
    flat = cluster_interval(drawn, cluster, pooled_noise=pooled, skewness=False)
    half = stats.t.ppf(0.975, flat.degrees_of_freedom) * flat.standard_error
    assert [flat.low, flat.high] == pytest.approx([flat.value - half, flat.value + half])


@given(st.floats(-0.4, 0.4), st.floats(1.0, 4.0), st.integers(0, 1_000))
def test_a_stretched_interval_and_its_p_value_say_the_same(shift, factor, seed):
    """Both ends move away from the estimate by the factor, and so does what is held against chance."""
    drawn = np.random.default_rng(seed).exponential(size=120) - 1.0 + shift
    plain = cluster_interval(drawn, np.arange(120))
    told = plain.stretched(factor)
    assert told.value == plain.value
    assert (told.high - told.value, told.value - told.low) == pytest.approx(
        (factor * (plain.high - plain.value), factor * (plain.value - plain.low))
    )
    if min(abs(told.low), abs(told.high)) > 1e-6:
        assert (told.p_value < 0.05) == (told.low > 0 or told.high < 0)
