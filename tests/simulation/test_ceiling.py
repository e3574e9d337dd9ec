"""The Bayes ceiling is the exact optimum of what can be observed."""

import numpy as np
import pytest
from scipy.special import expit, logsumexp

from recommender.errors import InvalidInput
from recommender.simulation import simulate
from recommender.simulation.ceiling import persona_posterior
from recommender.simulation.personas import LEVEL_STEP


@pytest.fixture(scope="module")
def log():
    """A log with a long history an account."""
    return simulate(12_000, n_accounts=600, seed=2)


def test_ceiling_lies_between_logging_and_oracle_and_grows_with_history(log):
    """History adds information, the latent type would add more."""
    without, own, debtors = (log.bayes_ceiling(history=history).value for history in (False, True, "debtor"))
    assert log.logging_value() < without < own < debtors < log.oracle_value()


def test_posterior_mean_is_calibrated(log):
    """Averaged over rows, the posterior mean of the chosen action is the value it really has."""
    ceiling = log.bayes_ceiling(history=False)
    promised = ceiling.expected_reward.max(axis=1)
    rows = np.arange(len(log))
    true = log.expected_reward()[rows, ceiling.action]
    per_account = np.bincount(log.decisions.account, promised - true)
    assert abs(per_account.sum()) < 4 * np.sqrt(np.square(per_account).sum())


@pytest.mark.parametrize(
    "arguments", [{}, {"no_contact": True}, {"drift": 1.0}, {"reward": "money", "no_contact": True}], ids=str
)
def test_equals_a_naive_bayes_rule(arguments):
    """A loop over rows and personas gives the same posterior and the same posterior means."""
    simulated = simulate(300, n_accounts=25, seed=3, **arguments)
    personas, decisions = simulated.world.personas, simulated.decisions
    prior = personas.log_prior(simulated.population.traits)
    ceiling = simulated.bayes_ceiling()
    posterior = persona_posterior(simulated)

    def paying(row, persona):
        logits = personas.effect[decisions.cell[row], persona] + personas.intercept + decisions.level[row] * LEVEL_STEP
        response = expit(logits)[None, :]
        return simulated.reward_model.paying(response, decisions.self_cure[row : row + 1])[0]

    for row in range(0, 300, 37):
        score = prior[simulated.population.debtor[decisions.account[row]]].copy()
        for persona in range(personas.n_personas):
            for past in range(row):
                if decisions.account[past] == decisions.account[row]:
                    chance = paying(past, persona)[simulated.action[past]]
                    score[persona] += np.log(chance if simulated.paid[past] else 1.0 - chance)
        weights = np.exp(score - logsumexp(score))
        np.testing.assert_allclose(posterior[row], weights, rtol=1e-9, atol=1e-15)
        mean = sum(weight * paying(row, persona) for persona, weight in enumerate(weights))
        expected = simulated.reward_model.expected(mean[None, :], decisions.take(np.array([row])))[0]
        np.testing.assert_allclose(ceiling.expected_reward[row], expected, rtol=1e-5)


def test_rows_select_without_losing_history(log):
    """The ceiling of some rows is that of the whole log at these rows."""
    rows = np.array([11_000, 3, 7_500])
    whole, some = log.bayes_ceiling(), log.bayes_ceiling(rows=rows)
    np.testing.assert_allclose(some.expected_reward, whole.expected_reward[rows], rtol=1e-6)
    assert log.bayes_ceiling(rows=rows, matrix=False).expected_reward is None
    with pytest.raises(InvalidInput, match="twice"):
        log.bayes_ceiling(rows=np.array([1, 1]))


def test_next_decisions_use_the_whole_log(log):
    """On accounts of the log, its outcomes sharpen the next decision; on other accounts there is nothing to use."""
    following, fresh = log.next_decisions(600, seed=1), log.fresh_accounts(600, seed=1)
    assert set(following.contacts["account_id"]) <= set(log.contacts["account_id"])
    assert following.contacts["sent_at"].min() > log.contacts["sent_at"].max()
    assert following.bayes_ceiling(history=True).value > following.bayes_ceiling(history=False).value
    assert fresh.bayes_ceiling(history=True).value == fresh.bayes_ceiling(history=False).value


def test_nothing_is_hidden_in_the_joint_world():
    """In the joint world the ceiling is the oracle."""
    joint = simulate(2_000, seed=1, world="joint")
    assert joint.bayes_ceiling().value == pytest.approx(joint.oracle_value(), rel=1e-6)


def test_signals_have_the_likelihood_they_are_drawn_from():
    """Posteriors from context alone are calibrated: personas called likely are as frequent as their probability."""
    simulated = simulate(20_000, n_accounts=20_000, seed=4)
    posterior = persona_posterior(simulated, history=False)
    hit = np.zeros_like(posterior)
    hit[np.arange(len(simulated)), simulated.decisions.persona] = 1.0
    for low, high in [(0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)]:
        cells = (posterior >= low) & (posterior < high)
        gap = (hit - posterior)[cells]
        assert cells.sum() > 50
        assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(cells.sum())
