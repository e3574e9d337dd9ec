"""The logging policy as a covariate: found from the log, and used as far as the data say."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.regression.logger_directions import logger_directions

SPACE = ActionSpace({"channel": ["call", "sms", "mail"], "hour": range(9, 17)}, no_contact=True)


def _log(n: int, sharpness: float) -> tuple[LinearDesign, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    encoder = ContextEncoder.fit(frame, ())
    X = encoder.transform(frame)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    wish = sharpness * (rng.normal(size=(3, len(SPACE))) * 0.3 + 1.2 * (SPACE.codes[:, 0] == 0) * [[1], [0], [0]])
    logits = frame.to_numpy() @ wish + sharpness * rng.normal(size=len(SPACE))
    logging = softmax(logits, axis=1)
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return design, design.transform(X), logging, action


def test_finds_what_the_logging_policy_prefers() -> None:
    """Estimated preferences rank the actions of an account much as the true log-propensities do."""
    _, U, logging, action = _log(20_000, 1.0)
    often, whom = logger_directions(U, SPACE, action, random_state=0)
    assert often.shape == (1, len(SPACE))
    assert (whom[0] == 0).all()
    found = U @ whom + often
    contact = slice(0, SPACE.n_contact_actions)
    true = np.log(logging)
    agree = [np.corrcoef(found[i, contact], true[i, contact])[0, 1] for i in range(300)]
    assert np.mean(agree) > 0.8


def test_untried_actions_are_not_promised_too_much() -> None:
    """Where the logging policy knew what works, the covariate takes most of the optimism off hardly tried actions."""
    design, U, logging, action = _log(12_000, 1.6)
    rng = np.random.default_rng(1)
    p = expit(np.clip(-1.5 + 0.5 * (np.log(logging) - np.log(logging).mean(axis=1, keepdims=True)), -4, 1))
    rows = np.arange(len(U))
    target = (rng.random(len(U)) < p[rows, action]).astype(float)
    rare = logging < 1e-3
    over = []
    for directions in ((), logger_directions(U, SPACE, action, random_state=0)):
        model = BilinearModel.fit(design, U, SPACE, action, target, directions=directions)
        over.append(expit(model.scores(U))[rare].mean() / p[rare].mean())
    assert abs(np.log(over[1])) < 0.6 * abs(np.log(over[0]))


def test_a_logger_that_knows_nothing_changes_nothing() -> None:
    """With random choices the covariate is noise, and fresh predictions stay as good."""
    design, U, _, _ = _log(8_000, 0.0)
    rng = np.random.default_rng(2)
    action = rng.integers(0, len(SPACE), len(U))
    p = expit(-1.0 + 0.8 * U[:, [1]] * (SPACE.codes[:, 0] == 1))
    target = (rng.random(len(U)) < p[np.arange(len(U)), action]).astype(float)
    losses = []
    for directions in ((), logger_directions(U, SPACE, action, random_state=0)):
        eta = BilinearModel.fit(design, U, SPACE, action, target, directions=directions).scores(U)
        losses.append(float((np.logaddexp(0, eta) - p * eta).mean()))
    assert losses[1] < losses[0] + 3e-4
