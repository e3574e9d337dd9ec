"""The block-wise regression against a naive second implementation, and its promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.action_blocks import action_blocks
from recommender.learning.regression.bilinear import BilinearModel, BlockProblem
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
        return problem.loss(problem.predictor(point))

    gradient = problem.gradient(problem.predictor(theta))
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
    assert problem.loss(problem.predictor(theta)) == pytest.approx(naive)


def test_curvature_equals_finite_differences_of_the_gradient() -> None:
    """The diagonal of the Hessian is the derivative of each gradient entry by its own parameter."""
    problem, _, _ = _problem(80, "factors")
    theta = np.zeros(len(problem.precision_index))
    H = problem.diagonal(problem.predictor(theta))
    for k in range(0, len(theta), 17):
        step = np.zeros_like(theta)
        step[k] = 1e-5
        up, down = (problem.gradient(problem.predictor(theta + s * step))[k] for s in (1, -1))
        assert H[k] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


def test_sparse_steps_equal_the_dense_basis() -> None:
    """Weights, their squares and both adjoints against products with each block's dense basis."""
    problem, _, _ = _problem()
    rng = np.random.default_rng(5)
    theta, S = rng.normal(size=len(problem.precision_index)), rng.normal(size=(len(SPACE), problem.n_terms))
    for squared in (False, True):
        W, collected, start = np.zeros(S.shape), [], 0
        for part in problem.crossed:
            dense = np.hstack([block.basis for block in part.blocks])
            dense = dense**2 if squared else dense
            end = start + dense.shape[1] * len(part.terms)
            W[:, part.terms] += dense @ theta[start:end].reshape(dense.shape[1], -1)
            collected.append((dense.T @ S[:, part.terms]).ravel())
            start = end
        np.testing.assert_allclose(problem.summed(theta, squared=squared), W, atol=1e-12)
        np.testing.assert_allclose(problem.collect(S, squared=squared), np.concatenate(collected), atol=1e-12)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_products_with_the_hessian_equal_differences_of_the_gradient(family: str) -> None:
    """In float32, which is as exact as a direction has to be."""
    problem, _, _ = _problem(120, "pairs", family)
    rng = np.random.default_rng(6)
    theta, step = (rng.normal(size=len(problem.precision_index)) * 0.1 for _ in range(2))
    up, down = (problem.gradient(problem.predictor(theta + s * 1e-4 * step)) for s in (1, -1))
    product = problem.product(problem.predictor(theta))(step.astype(np.float32))
    np.testing.assert_allclose(product, (up - down) / 2e-4, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_newton_ends_where_a_quasi_newton_method_ends(family: str) -> None:
    """The penalised optimum of given precisions against scipy's, to what tells predictions apart."""
    problem, U, _ = _problem(200, "pairs", family)
    precision = np.full(problem.n_precisions + problem.n_matched, 3.0)
    fitted = problem.solve(1, [1.0, 5.0], precision)
    for model, scale in zip(fitted, (1.0, 5.0), strict=True):
        penalty = scale * precision[problem.precision_index]
        penalty[0] = 1e-3
        noise = 1.0 if family == "binomial" else float(np.var(problem.y))
        problem.noise = noise

        def loss(point: np.ndarray, penalty: np.ndarray = penalty) -> tuple[float, np.ndarray]:
            eta = problem.predictor(point)
            return problem.loss(eta) + 0.5 * penalty @ point**2, problem.gradient(eta) + penalty * point

        start = np.zeros(len(penalty))
        optimum = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2_000, "ftol": 1e-14})
        exact = U @ problem.weights(optimum.x).T
        np.testing.assert_allclose(model.scores(U), exact, atol=2e-3)
        problem.noise = 1.0


def test_scorecard_ranks_every_account_alike() -> None:
    """Without crossing, context moves the level of an account and never the order of its actions."""
    problem, U, _ = _problem(400, "none")
    scores = problem.solve(3, [1.0], None)[0].scores(U)
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
