"""What a strategy's own model promises, as the gate asks it."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.promotion_evidence import promises


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("interval", "off"), [((0.2, 0.9), 0.0), ((0.1, 0.3), 0.5), ((0.6, 0.9), -1.0)])
def test_the_promise_is_against_the_baseline_and_its_error_to_the_nearer_end(interval, off, sign):
    """Promised .4 where logging earned .25: a gain of .15; the error counts in shares of the estimate.

    With costs for rewards all signs turn: to promise less than the interval says is an error below 0 again.
    """
    model, logging = _Model(sign * np.array([[0.3, 0.5], [0.4, 0.2]])), object()
    probabilities = {id(model): np.array([[0.0, 1.0], [0.5, 0.5]]), id(logging): None}
    evaluator = SimpleNamespace(probabilities=lambda asked: probabilities[id(asked)], part=_Part(np.array([0, 1])))
    low, high = sorted(sign * end for end in interval)
    report = SimpleNamespace(default={"ci_low": low, "ci_high": high, "value": sign * 0.2})
    error, gain = promises(evaluator, model, logging, report)
    assert gain == pytest.approx(sign * (0.4 - 0.25))
    assert error == pytest.approx(sign * off)


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
