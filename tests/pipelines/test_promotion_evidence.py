"""What a strategy's own model promises, as the gate asks it."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.promotion_evidence import promises


@pytest.mark.parametrize(("interval", "off"), [((0.2, 0.9), 0.0), ((0.1, 0.3), 0.5), ((0.6, 0.9), -0.5)])
def test_the_promise_is_against_the_baseline_and_its_error_to_the_nearer_end(interval, off):
    """Promised .4 where logging earned .25: a gain of .15; the error counts in shares of the estimate."""
    model, logging = _Model(np.array([[0.3, 0.5], [0.4, 0.2]])), object()
    probabilities = {id(model): np.array([[0.0, 1.0], [0.5, 0.5]]), id(logging): None}
    evaluator = SimpleNamespace(probabilities=lambda asked: probabilities[id(asked)], part=_Part(np.array([0, 1])))
    report = SimpleNamespace(default={"ci_low": interval[0], "ci_high": interval[1], "value": 0.2})
    error, gain = promises(evaluator, model, logging, report)
    assert gain == pytest.approx(0.4 - 0.25)
    nearest = min(max(0.4, interval[0]), interval[1])
    assert error == pytest.approx((0.4 - nearest) / 0.2)
    assert np.sign(error) == np.sign(off)


class _Part:
    """Logged decisions, as far as a promise asks for them."""

    def __init__(self, action):
        self.action = action

    def __len__(self):
        return len(self.action)


class _Model:
    """A strategy of which only the expected rewards are asked."""

    def __init__(self, expected):
        self.expected = expected

    def log_expected_reward(self, _):
        return self.expected
