"""The Open Bandit samples load as logs of another domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommender.errors import InvalidInput
from recommender.monitoring.doctor import diagnose
from recommender.store.files.open_bandit import open_bandit_feedback

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "open_bandit"


@pytest.mark.parametrize("policy", ["random", "bts"])
@pytest.mark.parametrize(("campaign", "n_items"), [("all", 80), ("men", 34), ("women", 46)])
def test_every_sample_loads(policy, campaign, n_items):
    """Ten thousand decisions, one action an item, every propensity logged, a few dozen clicks."""
    log = open_bandit_feedback(SAMPLES / f"{policy}-{campaign}.csv.gz")
    assert (len(log), log.n_actions) == (10_000, n_items)
    assert 30 < log.reward.sum() < 80
    assert not np.isnan(log.propensity).any()


def test_uniform_logs_weigh_one():
    """Under the uniform logger an even choice has weight 1 in every row."""
    log = open_bandit_feedback(SAMPLES / "random-men.csv.gz")
    np.testing.assert_allclose(1.0 / (log.n_actions * log.propensity), 1.0, rtol=1e-3)


def test_doctor_sees_the_tiny_propensity():
    """One row of bts-women has a propensity of a millionth; the doctor says what it does to the weights."""
    diagnosis = diagnose(open_bandit_feedback(SAMPLES / "bts-women.csv.gz"))
    found = {finding.code: finding for finding in diagnosis.findings}
    assert found["little_overlap"].figures["effective_sample_size_uniform"] < 50
    assert diagnosis.evaluate == "with care"


def test_samples_stay_small_and_licensed():
    """Together below 2 MB, with source and licence text beside them."""
    files = list(SAMPLES.iterdir())
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert "Apache License" in (SAMPLES / "LICENSE").read_text(encoding="utf-8")
    assert "Citation" in (SAMPLES / "SOURCE.md").read_text(encoding="utf-8")


def test_another_file_is_refused(tmp_path):
    """A CSV without the columns names what is missing."""
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="propensity_score"):
        open_bandit_feedback(path)
