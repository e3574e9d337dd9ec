"""Joint beliefs: the covariance of the dense Hessian, differences that follow from it, and words for ignorance."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from recommender.actions import ActionSpace
from recommender.learning.belief import DifferenceBelief, JointBelief
from recommender.learning.encoding import ContextEncoder
from recommender.learning.hurdle import Hurdle
from recommender.learning.regression.bilinear import BilinearModel, BlockProblem
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.regression.posterior import posterior_root

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": range(9, 16)}, no_contact=True)


def test_the_root_gives_the_covariance_of_the_dense_hessian():
    """Draws by conjugate gradients against the inverse of the whole matrix, on all actions of two accounts."""
    rng = np.random.default_rng(1)
    context = pd.DataFrame({"x": rng.normal(size=500), "z": rng.choice(["a", "b"], size=500)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U, action = design.transform(X), rng.integers(0, len(SPACE), 500)
    target = (rng.random(500) < 0.3).astype(float)
    model = BilinearModel.fit(design, U, SPACE, action, target)
    root = posterior_root(model, design, U, SPACE, action, target, family="binomial", n_draws=4_000)

    chance = expit(model.logged_scores(U, action))
    problem = BlockProblem(design, U, SPACE, action, target, "binomial", None, "pairs")
    penalty = model.precision[problem.precision_index]
    unit = np.eye(len(penalty))
    every = np.stack([problem.weights(one) for one in unit], axis=2)  # (n_actions, n_terms, n_parameters)
    rows = np.einsum("nt,ntp->np", U, every[action])
    covariance = np.linalg.inv(rows.T @ (rows * (chance * (1 - chance))[:, None]) + np.diag(penalty))
    for u in U[:2]:
        to_scores = np.einsum("t,atp->ap", u, every)
        exact = to_scores @ covariance @ to_scores.T
        scores = np.einsum("t,kta->ka", u, root)
        assert np.abs(scores.T @ scores - exact).max() < 0.1 * exact.max()


def test_a_firm_posterior_knows_that_accounts_are_alike():
    """With a prior that lets nobody differ, what is unknown of an action is the same for all, and still there."""
    rng = np.random.default_rng(2)
    context = pd.DataFrame({"x": rng.normal(size=400)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U, action = design.transform(X), rng.integers(0, len(SPACE), 400)
    target = (rng.random(400) < 0.3).astype(float)
    model = BilinearModel.fit(design, U, SPACE, action, target)
    plain, firm = (
        posterior_root(model, design, U, SPACE, action, target, family="binomial", firmness=firmness, n_draws=200)
        for firmness in (1.0, 1e9)
    )
    assert np.abs(firm[:, 1:]).max() < 1e-3 < np.abs(plain[:, 1:]).max()
    assert (firm[:, 0] ** 2).sum() == pytest.approx((plain[:, 0] ** 2).sum(), rel=0.2)


def _belief(mean, root):
    return JointBelief(Hurdle(np.zeros(len(mean))), {"event": np.array([mean])}, {"event": np.array([root])})


def test_what_both_actions_share_cancels():
    """Two actions that are unknown together have a certain difference; apart, they have not."""
    together = _belief([-2.0, -1.8], [[1.0, 1.0]]).difference(np.array([1]), np.array([0]))
    apart = _belief([-2.0, -1.8], [[1.0, 0.0], [0.0, 1.0]]).difference(np.array([1]), np.array([0]))
    assert together.standing == ["better"]
    assert together.p_better[0] == 1.0
    assert apart.standing == ["not known"]
    assert apart.p_better[0] == pytest.approx(norm.cdf(0.2 / np.sqrt(2.0)), abs=0.02)
    assert apart.lo[0] < 0 < apart.hi[0]


def test_equality_is_knowledge_and_ignorance_is_not():
    """As good as: surely within a tenth. Not known: it may be either."""
    same = _belief([-2.0, -2.001], [[0.3, 0.3], [0.0, 0.01]]).difference(np.array([0]), np.array([1]))
    itself = _belief([-2.0, -2.0], [[0.3, 0.3]]).difference(np.array([0]), np.array([0]))
    assert same.standing == itself.standing == ["as good as"]
    assert itself.p_better[0] == 0.5
    unclear = DifferenceBelief(*(np.array([one]) for one in (0.01, -0.1, 0.12, 0.55, 0.2)))
    assert unclear.standing == ["not known"]


def test_chances_of_being_best_sum_to_one_and_obey_the_mask():
    """A known best action is best with certainty; what may not be done never is."""
    belief = _belief([-2.0, 0.0, -2.0], [[0.1, 0.1, 0.0], [0.0, 0.0, 0.5]])
    assert belief.p_best()[0] == pytest.approx([0.0, 1.0, 0.0], abs=0.01)
    masked = belief.p_best(np.array([[True, False, True]]))[0]
    assert masked[1] == 0.0
    assert masked.sum() == pytest.approx(1.0)
    assert masked[0] == pytest.approx(0.5, abs=0.1)


def test_an_idle_action_earns_nothing_for_certain():
    """Draws keep what is 0 by definition at 0."""
    belief = JointBelief(Hurdle(np.zeros(2)), {"event": np.zeros((1, 2))}, {"event": np.ones((1, 1, 2))}, idle=1)
    assert belief.expected_reward[0].tolist() == [0.5, 0.0]
    assert belief.difference(np.array([0]), np.array([1])).standing == ["better"]


@pytest.mark.parametrize(("mean", "sd"), [(-1.0, 0.4), (0.5, 1.5)])
def test_an_interval_of_a_difference_leaves_out_a_twentieth(mean, sd):
    """Against an action that earns nothing the ends are those of the reward: 1.96 deviations of its margin."""
    belief = JointBelief(
        Hurdle(np.zeros(2)), {"event": np.array([[mean, 0.0]])}, {"event": np.array([[[sd, 0.0]]])}, idle=1
    )
    there, back = (belief.difference(np.array([a]), np.array([1 - a])) for a in (0, 1))
    margins = logit([there.lo[0], there.hi[0]])
    assert (margins - mean) / sd == pytest.approx([-1.96, 1.96], abs=0.1)
    assert (back.lo[0], back.hi[0]) == pytest.approx((-there.hi[0], -there.lo[0]))
    assert there.p_better[0] == 1.0 and back.p_better[0] == 0.0


def test_alike_is_within_a_tenth_of_what_the_better_of_both_earns():
    """Whichever is named first: rewards that are known exactly, a little nearer than a tenth and a little further."""
    for share, alike in ((0.901, 1.0), (0.899, 0.0)):
        margins = logit(np.array([0.4, 0.4 * share]))
        belief = _belief(margins, np.zeros((1, 2)))
        for a in (0, 1):
            assert belief.difference(np.array([a]), np.array([1 - a])).p_alike[0] == alike
