"""The block-wise regression against a naive second implementation, and its promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.bilinear import BilinearModel, BlockProblem, action_blocks
from recommender.learning.regression.linear_design import LinearDesign

SPACE = ActionSpace(
    {"channel": ["call", "sms", "mail"], "hour": range(9, 16), "tone": ["soft", "firm"]}, no_contact=True
)


def _problem(
    n: int = 300, crossing: str = "pairs", family: str = "binomial"
) -> tuple[BlockProblem, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    context = pd.DataFrame({"x": rng.normal(size=n), "z": rng.choice(["a", "b", "c"], size=n)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U = design.transform(X)
    action = rng.integers(0, len(SPACE), n)
    target = (rng.random(n) < 0.3).astype(float) if family == "binomial" else rng.normal(size=n)
    return BlockProblem(design, U, SPACE, action, target, family, None, crossing), U, action  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_gradient_equals_finite_differences(family: str) -> None:
    """The gradient by parameter is the derivative of the loss."""
    problem, _, _ = _problem(60, "factors", family)
    theta = np.random.default_rng(0).normal(size=len(problem.precision_index)) * 0.1

    def loss(point: np.ndarray) -> float:
        return problem.likelihood(problem.weights(point))[0]

    gradient = problem.collect(problem.likelihood(problem.weights(theta))[1])
    np.testing.assert_allclose(gradient, approx_fprime(theta, loss, 1e-6), atol=2e-4)


def test_loss_equals_a_row_by_row_sum() -> None:
    """Grouping rows by action changes nothing: the loss is the sum over rows one by one."""
    problem, U, action = _problem()
    theta = np.random.default_rng(2).normal(size=len(problem.precision_index)) * 0.1
    W = problem.weights(theta)
    rng = np.random.default_rng(1)
    rng.normal(size=300), rng.choice(["a", "b", "c"], size=300), rng.integers(0, len(SPACE), 300)
    target = (rng.random(300) < 0.3).astype(float)
    naive = 0.0
    for u, a, y in zip(U, action, target, strict=True):
        p = expit(u @ W[a])
        naive -= y * np.log(p) + (1 - y) * np.log(1 - p)
    assert problem.likelihood(W)[0] == pytest.approx(naive)


def test_curvature_equals_finite_differences_of_the_gradient() -> None:
    """The diagonal of the Hessian is the derivative of each gradient entry by its own parameter."""
    problem, _, _ = _problem(80, "factors")
    theta = np.zeros(len(problem.precision_index))
    H = problem.curvature(problem.weights(theta))
    for k in range(0, len(theta), 17):
        step = np.zeros_like(theta)
        step[k] = 1e-5
        up, down = (problem.collect(problem.likelihood(problem.weights(theta + s * step))[1])[k] for s in (1, -1))
        assert H[k] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


def test_scorecard_ranks_every_account_alike() -> None:
    """Without crossing, context moves the level of an account and never the order of its actions."""
    problem, U, _ = _problem(400, "none")
    scores = problem.solve(3, 1.0, None).scores(U)
    np.testing.assert_allclose(scores - scores[:, :1], (scores - scores[:, :1])[:1].repeat(400, axis=0), atol=1e-9)


def test_no_contact_takes_no_factor_effect() -> None:
    """NO_CONTACT has a block of its own and none of the factors'."""
    for block in action_blocks(SPACE, 5):
        if block.name not in {"all", "no contact"}:
            assert (block.basis[-1] == 0).all()


def test_recovers_an_interaction_and_switches_noise_off() -> None:
    """With a strong context x channel effect the right channel wins by context; noise columns get little weight."""
    rng = np.random.default_rng(3)
    n = 6_000
    context = pd.DataFrame({"x": rng.normal(size=n), "noise": rng.normal(size=n)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U = design.transform(X)
    action = rng.integers(0, len(SPACE), n)
    channel = SPACE.codes[:, 0]
    logits = -2 + np.where(channel[action] == 0, 1.2, np.where(channel[action] == 1, -1.2, 0.0)) * context["x"]
    target = (rng.random(n) < expit(logits)).astype(float)
    model = BilinearModel.fit(design, U, SPACE, action, target)
    best = channel[model.scores(U).argmax(axis=1)]
    strong = context["x"].abs().to_numpy() > 0.5
    assert (best[strong & (context["x"] > 0)] == 0).mean() > 0.95
    assert (best[strong & (context["x"] < 0)] == 1).mean() > 0.95
    assert np.abs(model.weights[2]).max() < 0.25 * np.abs(model.weights[1]).max()


def test_what_is_known_is_added_and_not_learnt() -> None:
    """Known weights against the same regression of what they leave over, to which they are added afterwards."""
    rng = np.random.default_rng(4)
    context = pd.DataFrame({"x": rng.normal(size=600)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U, action = design.transform(X), rng.integers(0, len(SPACE), 600)
    known = rng.normal(size=(U.shape[1], len(SPACE)))
    offset = np.einsum("nt,tn->n", U, known[:, action])
    target = offset + 0.5 * U[:, -1] + rng.normal(size=600)
    fitted = BilinearModel.fit(design, U, SPACE, action, target, family="gaussian", known=known)
    rest = BilinearModel.fit(design, U, SPACE, action, target - offset, family="gaussian")
    assert fitted.weights == pytest.approx(rest.weights + known, abs=0.02)
    assert np.abs(fitted.weights - known).mean() < 0.5 * np.abs(known).mean()
