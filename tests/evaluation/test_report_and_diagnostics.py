"""The report as table, JSON, page and figure; diagnostics on known cases."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.evaluation import evaluate
from recommender.evaluation.diagnostics import (
    confounding_to_overturn,
    effective_sample_size,
    pareto_k,
    propensity_calibration,
)
from recommender.evaluation.gate import decide
from recommender.evaluation.slices import holm
from recommender.evaluation.warnings import WARNINGS
from recommender.reports import policy_figure, policy_page
from tests.evaluation import naive
from tests.evaluation.world import World, arguments, crossfit_ridge


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    world = World()
    log = world.log(2500, rng)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    stage = np.where(log["x"][:, 1] > 0, "<early>", "late")
    return evaluate(
        **arguments(log, q, world.codes, rng, known=False, slices={"stage": stage}, propensity_all=log["mu"])
    )


def test_json_holds_everything_and_only_numbers_json_knows(report):
    """The JSON text parses strictly and agrees with the table."""
    content = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert content["verdict"] == report.verdict
    assert content["estimates"][0]["value"] == pytest.approx(report.default["value"])
    assert {"effective_sample_size", "pareto_k", "unsupported_share"} <= set(content["diagnostics"])


def test_a_report_comes_back_from_its_json(report):
    """What a gate reads from a file is what was evaluated; content that is no report is an error."""
    content = json.loads(report.to_json())
    again = type(report).from_dict(content)
    assert again.to_dict() == content
    assert decide(again) == decide(report)
    for harm in ({"verdict": "fine"}, {"estimates": []}, {"difference": {"value": 1.0}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            type(report).from_dict(content | harm)


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone_and_can_be_read_aloud(report, tmp_path):
    """One file: no outside resource, tables with captions and headers, pictures with a text, data escaped."""
    path = tmp_path / "report.html"
    page = policy_page(report, path, title="Challenger <1>")
    assert path.read_text(encoding="utf-8") == page
    parsed = _Page()
    parsed.feed(page)
    names = [tag for tag, _ in parsed.tags]
    assert names.count("table") == names.count("caption") == 3
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in parsed.tags if tag == "img")
    assert "script" not in names
    assert "http" not in page.replace("http-equiv", "")
    assert "<early>" not in page
    assert report.verdict in "".join(parsed.text)
    assert report.reasons[0] in "".join(parsed.text)


def test_the_page_leads_with_what_a_manager_asks(report):
    """Verdict in words, the figures per thousand decisions, what rules cost; a code of all rows is told once."""
    lost = {"rule": "without call", "probability_moved": 0.25, "value_lost": 0.0123, "ci_low": 0.001, "ci_high": 0.02}
    why = ("Refused: nothing of the kind was tried.",)
    prices = pd.DataFrame([lost | {"verdict": "costs"}, {"rule": "pack X", "verdict": "refused", "reasons": why}])
    page = policy_page(report, prices=prices)
    parsed = _Page()
    parsed.feed(page)
    text = " ".join(parsed.text)
    assert "than chance explains" in text or "do not tell the policy" in text
    assert f"{1000 * report.diagnostics['baseline_value']:.0f}" in text
    assert "without call" in text and "12.3" in text and "0.0123" not in text
    assert "pack X: Refused: nothing of the kind was tried." in text
    assert text.count("estimated-propensity") == 1
    assert "None" not in text and "nan" not in text.lower().split()


def test_the_figure_shows_estimates_and_slices(report):
    """Four panels: estimates with intervals, weights, calibration, slices."""
    axes = policy_figure(report).axes
    assert len(axes) == 4
    shown = [label.get_text() for label in axes[0].get_yticklabels()]
    assert shown == report.to_frame()["estimator"].tolist()[::-1]


def test_what_the_figure_draws_are_the_numbers_of_the_tables(report):
    """Points and intervals of both panels per 1,000 decisions, from below; what is unknown is not drawn."""
    axes = policy_figure(report).axes
    slices = report.slices.sort_values("rows", ascending=False)
    for axis, table, column in ((axes[0], report.table, "value"), (axes[3], slices, "difference")):
        rows = table.iloc[::-1].reset_index(drop=True)
        drawn = [(line.get_marker() == "o", *map(list, line.get_data())) for line in axis.lines]
        points = {at: x for is_point, (x, *_), (at, *_) in drawn if is_point}
        ends = {at: x for is_point, x, (at, *others) in drawn if not is_point and others == [at] and at != 0.0}
        assert points == pytest.approx({i: 1_000 * v for i, v in enumerate(rows[column]) if np.isfinite(v)})
        for i, (low, high) in enumerate(zip(rows["ci_low"], rows["ci_high"], strict=True)):
            if i and np.isfinite(low):
                assert ends[i] == pytest.approx([1_000 * low, 1_000 * high])
        assert len(points) > 1


def test_colour_is_for_what_is_shown_first_and_for_slices_that_are_proven():
    """The default estimator, and slices that are better or worse; all others are grey."""
    verdicts = ["better", "worse", "not proven", "refused"]
    numbers = {"ci_low": -1.0, "value": 0.5, "difference": 0.5, "ci_high": 1.0}
    estimates = pd.DataFrame([{"estimator": name, "default": name == "dr", **numbers} for name in ("ips", "dr", "dm")])
    slices = pd.DataFrame([{"slice": "s", "level": at, "rows": at, "verdict": one, **numbers}
                           for at, one in enumerate(verdicts)])  # fmt: skip
    told = SimpleNamespace(
        table=estimates, slices=slices, diagnostics={"baseline_value": 0.0, "effective_sample_size": 9.0},
        confidence=0.95, weight_quantiles=[(0.0, 1.0), (1.0, 2.0)], calibration=[],
    )  # fmt: skip
    axes = policy_figure(told).axes
    for axis, rows, coloured in (
        (axes[0], estimates["estimator"], {"dr"}),
        (axes[3], slices["verdict"], {"better", "worse"}),
    ):
        names = rows.tolist()[::-1]
        drawn = [
            (names[int(line.get_ydata()[0])], line.get_color()) for line in axis.lines if line.get_color() != "#1b2a41"
        ]
        grey = {colour for name, colour in drawn if name not in coloured}
        assert len(drawn) == 2 * len(names) and len(grey) == 1
        assert {name for name, colour in drawn if colour not in grey} == coloured


def test_every_code_that_is_raised_is_explained(report):
    """Warning codes come from the documented list."""
    raised = {code for codes in report.to_frame()["warnings"] for code in codes}
    assert raised
    assert raised <= set(WARNINGS)


def test_the_frame_is_a_copy(report):
    """Changing the returned frame does not change the report."""
    frame = report.to_frame()
    frame.loc[:, "value"] = 0.0
    assert report.default["value"] != 0.0


def test_effective_sample_size_agrees_with_the_naive_one():
    """Kish's formula, by row and by cluster; 0 without a match; huge weights do not overflow."""
    weight = np.random.default_rng(1).exponential(size=50)
    assert effective_sample_size(weight) == pytest.approx(naive.effective_sample_size(weight.tolist()), rel=1e-12)
    assert effective_sample_size(np.ones(10)) == 10
    assert effective_sample_size(np.ones(10), np.arange(10) // 5) == 2
    assert effective_sample_size(np.zeros(5)) == 0
    assert effective_sample_size(np.array([1e300, 1e300])) == pytest.approx(2)


@pytest.mark.parametrize("shape", [0.3, 0.8])
def test_pareto_k_finds_the_tail(shape):
    """The tail index of generalised Pareto weights is recovered on average."""
    found = [pareto_k((1 - np.random.default_rng(s).random(20_000)) ** -shape) for s in range(20)]
    assert np.mean(found) == pytest.approx(shape, abs=0.12)


def test_pareto_k_of_flat_or_few_weights():
    """Equal weights have no tail; a handful says nothing."""
    assert pareto_k(np.ones(500)) == -np.inf
    assert np.isnan(pareto_k(np.ones(5)))


def test_calibration_bins_share_the_weight():
    """Bins are ordered by propensity and their shares sum to 1."""
    rng = np.random.default_rng(2)
    propensity = rng.uniform(0.01, 1, 1000)
    bins = propensity_calibration(rng.exponential(size=1000), propensity)
    assert [b["propensity"] for b in bins] == sorted(b["propensity"] for b in bins)
    assert sum(b["weight_share"] for b in bins) == pytest.approx(1)


def test_confounding_against_a_search_over_all_corners():
    """The worst case over thresholds equals the worst case over all 2^8 choices of extreme weights."""
    rng = np.random.default_rng(3)
    propensity = rng.uniform(0.1, 0.9, 8)
    target = rng.uniform(0.1, 1, 8)
    residual = rng.normal(size=8)
    weight = target / propensity
    strength = 1.7
    odds = 1 / propensity - 1
    heavy, light = target * (1 + odds * strength), target * (1 + odds / strength)
    worst = min(
        np.sum(np.where(pick, heavy, light) * residual) / np.sum(np.where(pick, heavy, light))
        for pick in ((np.arange(8) & 0) + ((number >> np.arange(8)) & 1) == 1 for number in range(256))
    )
    margin = np.sum(weight * residual) / np.sum(weight) - worst
    assert confounding_to_overturn(weight, propensity, residual, margin) == pytest.approx(strength, rel=1e-6)


def test_holm_steps_down():
    """Adjusted p-values follow the step-down rule and stay monotone."""
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9))
def test_holm_is_what_its_rule_says_one_claim_at_a_time(p_values):
    """Each claim holds at the least level at which it and every surer one pass; no chance is above one."""
    told = holm(np.array(p_values))
    for at, own in enumerate(p_values):
        surer = [j for j, one in enumerate(p_values) if (one, j) <= (own, at)]
        steps = [p_values[j] * sum((one, k) >= (p_values[j], j) for k, one in enumerate(p_values)) for j in surer]
        assert told[at] == pytest.approx(min(1.0, max(steps)))
