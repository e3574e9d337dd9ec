"""Contributions of the served model add up to what it serves."""

from dataclasses import replace

import numpy as np
import pytest

from recommender import explain
from recommender.allactions.memberships import codes_of
from recommender.explanation.attribution import NOT_ATTRIBUTED, attribute
from recommender.explanation.profile_signs import membership_moves
from recommender.simulation import simulate

TOLERANCE = 1e-6


def margin_sums(explanation, part):
    attribution = explanation.parts[part]
    return attribution.baseline + attribution.contributions.sum(axis=2)


def test_margins_add_up_on_ten_thousand_pairs(strategy, simulated):
    """Baseline and contributions give the served margin of 10,000 (account, action) pairs, and their reward."""
    accounts = simulated.contacts.tail(40)
    every = np.arange(len(strategy.actions_))
    assert 40 * len(every) >= 10_000
    explanation = explain(strategy, accounts, actions=every)
    served = strategy.expected_reward(accounts)
    margin = np.log(served / (1 - served))
    assert np.abs(margin_sums(explanation, "event") - margin).max() < TOLERANCE
    reward = explanation.baseline_reward + explanation.reward_contributions["event"].sum(axis=2)
    assert np.abs(reward - served).max() < TOLERANCE


def test_amounts_add_up_in_units_of_reward(hurdle, known_drivers):
    """Both margins of a hurdle add up, and so does the reward although it is their product."""
    accounts = known_drivers[0].head(200)
    every = np.arange(6)
    explanation = explain(hurdle, accounts, actions=every)
    assert set(explanation.parts) == {"event", "amount"}
    for part, margin in explanation.margins.items():
        assert np.abs(margin_sums(explanation, part) - margin[:, :6]).max() < TOLERANCE
    served = hurdle.expected_reward(accounts)[:, :6]
    total = explanation.baseline_reward + sum(v.sum(axis=2) for v in explanation.reward_contributions.values())
    assert np.abs(total - served).max() < TOLERANCE
    frame = explanation.to_frame()
    sums = frame.pivot_table(index="row", columns="rank", values="contribution_reward", aggfunc="sum").to_numpy()
    assert np.abs(sums - served).max() < TOLERANCE


def test_a_regression_member_is_split_as_its_formula_says(strategy, explanation):
    """Against a term by term loop over one regression member alone."""
    ensemble = strategy.reward_model_.parts["event"]
    kept = dict(ensemble.weights)
    name = next(name for name, weight in kept.items() if weight > 0 and name in ensemble.glms and name != "constant")
    try:
        ensemble.weights = {key: (1.0 if key == name else 0.0) for key in kept}
        split = attribute(
            ensemble,
            explanation.actions,
            explanation.X[:3],
            np.array([[5, 9]] * 3),
            explanation.means["event"],
            ensemble.scores(explanation.X[:3]),
        )
    finally:
        ensemble.weights = kept
    of, model = ensemble.glms[name]
    design, n_columns = ensemble.designs[of], explanation.X.shape[1]
    mean = mean_account(design, explanation.means["event"][of], design.profiles.usual(), n_columns)
    moves = membership_moves(design.profiles, explanation.X[:3])  # itself held against a fine sum below
    U, calibration = design.transform(explanation.X[:3]), ensemble.calibration
    for row in range(3):
        for k, action in enumerate((5, 9)):
            raw = U[row] @ model.weights
            advantage = raw[action] - raw @ ensemble.share
            of_action = calibration.advantage * calibration.bent(advantage) / advantage  # what the bend leaves
            expected = np.zeros(n_columns)
            for j, term in enumerate(design.terms):
                if term.kind == "one":
                    continue
                root = design.terms[term.other] if term.kind == "bend" else term
                column = root.other if root.kind == "rate" else root.source
                level = model.weights[j] @ ensemble.share
                weight = calibration.level * level + of_action * (model.weights[j, action] - level)
                if term.kind == "profile":
                    expected += moves[row, term.source - n_columns] / term.scale * weight
                else:
                    expected[column] += (U[row, j] - mean[j]) * weight
            assert split.contributions[row, k, : len(expected)] == pytest.approx(expected, abs=1e-9)
    assert split.error.max() < 1e-9


def test_nothing_is_left_over_of_trees_and_regressions(strategy, simulated):
    """Their split is exact: what is not attributed is rounding, the calibrated level included."""
    accounts = simulated.contacts.tail(6)
    explanation = explain(strategy, accounts)
    part = explanation.parts["event"]
    assert part.error.max() < 1e-9
    ensemble = explanation.served.parts["event"]
    if not ensemble.with_time:
        assert np.abs(part.contributions[:, :, explanation.features.index(NOT_ATTRIBUTED)]).max() < 1e-9


def naive_moves(profiles, x, steps=4_000):
    """Usual memberships, and what each column adds on the line to those of ``x``, by a fine sum in log-likelihoods."""
    usual, moves = [], []
    codes = codes_of(x[None], profiles.table)[0]
    for profile in profiles.profiles:
        share = np.exp(profile.log_share)
        means = np.stack([(np.exp(t) @ share) @ t for t in profile.log_tables])
        away = np.stack([t[codes[j]] for j, t in zip(profile.columns, profile.log_tables, strict=True)]) - means
        start = profile.log_share + means.sum(axis=0)
        at = start + (np.arange(steps) + 0.5)[:, None] / steps * away.sum(axis=0)
        p = np.exp(at) / np.exp(at).sum(axis=1, keepdims=True)
        by_column = np.zeros((len(share), len(x)))
        for j, one in zip(profile.columns, away, strict=True):
            column = profiles.columns[j].other if profiles.columns[j].kind == "rate" else profiles.columns[j].source
            by_column[:, column] += (p * (one - (p @ one)[:, None])).mean(axis=0)
        usual.append(np.exp(start) / np.exp(start).sum())
        moves.append(by_column)
    return np.concatenate(usual), np.concatenate(moves)


def mean_account(design, mean, usual, n_columns):
    """The mean account with the usual memberships."""
    start = mean.copy()
    for j, term in enumerate(design.terms):
        if term.kind == "profile":
            start[j] = (usual[term.source - n_columns] - term.centre) / term.scale
    return start


def test_memberships_move_by_their_signs(explanation):
    """The split of memberships adds up and is that of a fine sum along the line."""
    profiles = explanation.served.parts["event"].designs["linear"].profiles
    assert profiles.profiles
    found = membership_moves(profiles, explanation.X[:20])
    for x, split in zip(explanation.X[:20], found, strict=True):
        usual, moves = naive_moves(profiles, x)
        assert split == pytest.approx(moves, abs=1e-5)
        assert split.sum(axis=1) == pytest.approx(profiles.memberships(x[None])[0] - usual, abs=1e-12)


class Waves:
    """A member of an unknown kind: smooth in the columns, different by action."""

    def __init__(self, coefficients):
        self.coefficients = coefficients

    def scores(self, U):
        """Sines of straight lines."""
        return np.sin(U @ self.coefficients)


class Steps(Waves):
    """A member that has no slopes at all."""

    def scores(self, U):
        """Signs of straight lines."""
        return np.sign(U @ self.coefficients)


@pytest.fixture
def with_member(strategy):
    """Puts a member of another kind into the stack, whose calibration is straight then, and takes it out again."""
    ensemble = strategy.reward_model_.parts["event"]
    kept, calibration = (dict(ensemble.glms), dict(ensemble.weights)), ensemble.calibration
    ensemble.calibration = replace(calibration, bend=0.0)

    def put(kind):
        n_terms = len(ensemble.designs["linear"].terms)
        coefficients = np.random.default_rng(0).normal(0.0, 0.15, (n_terms, len(strategy.actions_)))
        ensemble.glms["unknown"] = ("linear", kind(coefficients))
        ensemble.weights["unknown"] = 0.4
        return ensemble

    yield put
    ensemble.glms, ensemble.weights = kept
    ensemble.calibration = calibration


def served_with(ensemble, explanation):
    """Margins of the known members by scores, of the unknown one by its own formula: a second way to serve."""
    entry = ensemble.glms.pop("unknown")
    plain = ensemble.scores(explanation.X)
    ensemble.glms["unknown"] = entry
    raw = 0.4 * entry[1].scores(ensemble.designs["linear"].transform(explanation.X))
    level = raw @ ensemble.share
    calibration = ensemble.calibration
    return plain + calibration.advantage * (raw - level[:, None]) + calibration.level * level[:, None]


@pytest.mark.parametrize("kind", [Waves, Steps])
def test_an_unknown_member_is_never_explained_wrongly(strategy, explanation, with_member, kind):
    """Sums stay exact; a smooth member is split to 1e-6, of one without slopes the missing part is stated."""
    pairs = np.array([[5, 9]] * 8)
    X = explanation.X[:8]
    before = attribute(
        strategy.reward_model_.parts["event"],
        explanation.actions,
        X,
        pairs,
        explanation.means["event"],
        strategy.reward_model_.parts["event"].scores(X),
    )
    ensemble = with_member(kind)
    margins = served_with(ensemble, explanation)[:8]
    split = attribute(ensemble, explanation.actions, X, pairs, explanation.means["event"], margins)
    sums = split.baseline + split.contributions.sum(axis=2)
    assert sums == pytest.approx(np.take_along_axis(margins, pairs, axis=1), abs=1e-9)
    if kind is Waves:
        assert split.error.max() < 1e-6
        n_columns = X.shape[1]
        own = (split.contributions - before.contributions)[0, 0, :n_columns]
        # Monte Carlo along the same line is the second opinion
        design = ensemble.designs["linear"]
        usual, moves = naive_moves(design.profiles, X[0])
        member = ensemble.glms["unknown"][1]
        start = mean_account(design, explanation.means["event"]["linear"], usual, n_columns)
        away = design.transform(X[:1])[0] - start
        at = start + (np.arange(4_000) + 0.5)[:, None] / 4_000 * away
        slopes = (np.cos(at @ member.coefficients)).mean(axis=0)
        calibration = ensemble.calibration
        gap = calibration.level - calibration.advantage
        wanted = np.zeros(n_columns)
        for j, term in enumerate(design.terms):
            by_action = member.coefficients[j] * slopes
            pulls = 0.4 * (calibration.advantage * by_action[5] + gap * (by_action @ ensemble.share))
            if term.kind == "profile":
                wanted += pulls * moves[term.source - n_columns] / term.scale
            elif term.kind != "one":
                wanted[term.other if term.kind == "rate" else term.source] += pulls * away[j]
        assert own == pytest.approx(wanted, abs=1e-5)
    else:
        assert split.error.max() > 1e-3
    contrast = attribute(
        ensemble, explanation.actions, X, pairs, explanation.means["event"], margins, with_level=False
    ).contributions
    assert (contrast[:, 0] - contrast[:, 1]).sum(axis=1) == pytest.approx(margins[:, 5] - margins[:, 9], abs=1e-9)


@pytest.mark.parametrize("bend", [-0.9, 0.6])
def test_a_bent_calibration_is_split_exactly(strategy, explanation, bend):
    """Nothing is left over of an action, nor of the difference between two, however much the line bends."""
    ensemble = strategy.reward_model_.parts["event"]
    kept, X = ensemble.calibration, explanation.X[:8]
    pairs = np.random.default_rng(0).integers(0, len(strategy.actions_), (8, 2))
    pairs[0, 1] = pairs[0, 0]
    try:
        ensemble.calibration = replace(kept, bend=bend, reach=0.4)
        margins = ensemble.scores(X)
        advantage = ensemble.calibration.advantages(margins, ensemble.share)
        assert np.abs(advantage).max() > 0.4  # beyond reach, too
        split, contrast = (
            attribute(
                ensemble, explanation.actions, X, pairs, explanation.means["event"], margins, with_level=with_level
            )
            for with_level in (True, False)
        )
    finally:
        ensemble.calibration = kept
    sums = split.baseline + split.contributions.sum(axis=2)
    assert sums == pytest.approx(np.take_along_axis(margins, pairs, axis=1), abs=1e-9)
    assert split.error.max() < 1e-9
    assert contrast.error.max() < 1e-9
    left = contrast.contributions[:, 0] - contrast.contributions[:, 1]
    at = np.arange(8)
    assert left.sum(axis=1) == pytest.approx(margins[at, pairs[:, 0]] - margins[at, pairs[:, 1]], abs=1e-9)


def test_training_means_are_those_of_the_training_rows(strategy, simulated, simulated_log):
    """The mean account recovered from the strategy is the mean of its design columns over the log."""
    from recommender.explanation.served import ServedModel

    served = ServedModel(strategy)
    X = served.encode(served.log_context(simulated_log))
    assert served.training_means()["event"]["linear"] == pytest.approx(
        served.background_means(X)["event"]["linear"], abs=0.05
    )


def test_a_background_moves_the_baseline_and_not_the_sum(strategy, simulated):
    """Contributions are held against whichever accounts are given."""
    accounts = simulated.contacts.tail(5)
    plain = explain(strategy, accounts, top_k=1)
    other = explain(strategy, accounts, top_k=1, background=simulated.contacts.head(50))
    assert plain.parts["event"].baseline != other.parts["event"].baseline
    assert margin_sums(plain, "event") == pytest.approx(margin_sums(other, "event"), abs=TOLERANCE)


def test_true_drivers_come_first_and_planted_noise_last(hurdle, known_drivers):
    """What drives event and amount leads its part; columns without any influence end it."""
    frame, _ = known_drivers
    explanation = explain(hurdle, frame, top_k=1, sample=300)
    table = explanation.global_frame().query("level == 'feature'")
    event = table[table["part"] == "event"].set_index("feature")["mean_abs_contribution"]
    amount = table[table["part"] == "amount"].set_index("feature")["mean_abs_contribution"]
    noise = ["noise_a", "noise_b", "noise_c", "language"]
    assert set(event.index[:2]) <= {"willing", "likes", "channel"}
    assert event.index[0] in {"willing", "likes"}
    assert amount.index[0] == "wealth"
    assert event[noise].max() < 0.2 * event[["willing", "likes"]].min()
    assert amount[noise].max() < 0.2 * amount["wealth"]
    assert (table["standard_error"] < 0.1).all()
    assert (table["n_accounts"] == 300).all()


@pytest.mark.proof
def test_on_the_simulation_habits_and_stage_lead_and_planted_columns_end():
    """On a long simulated log, ten planted columns move less than every concept that the truth is made of."""
    from recommender import ContactStrategy, LoggedFeedback

    world = simulate(30_000, seed=3)
    planted = [f"planted_{i}" for i in range(10)]
    rng = np.random.default_rng(0)
    contacts = world.contacts.assign(**{name: rng.normal(size=len(world.contacts)) for name in planted})
    log = LoggedFeedback.from_frame(
        contacts,
        actions=world.actions,
        context=[*world.context, *planted],
        categorical=world.categorical,
        reward="reward",
        propensity="propensity",
        account="account_id",
        time="sent_at",
        cluster="debtor_id",
    )
    strategy = ContactStrategy(n_jobs=2, random_state=0).fit(log)
    explanation = explain(strategy, contacts, top_k=1, sample=1_000)
    table = explanation.global_frame()
    groups = table.query("level == 'group'").set_index("group")["mean_abs_contribution"]
    single = table.query("level == 'feature'").set_index("feature")["mean_abs_contribution"]
    assert single[planted].max() < 0.2 * groups[["stage", "channel_habit"]].min()
    assert groups["other"] < groups[["stage", "channel_habit", "action"]].min()


def test_shap_gets_the_same_numbers(explanation):
    """The shap object holds values and base values that sum to the margin."""
    taken = explanation.to_shap()
    assert taken.values.sum(axis=1) + taken.base_values == pytest.approx(margin_sums(explanation, "event")[:, 0])
    assert taken.feature_names == list(explanation.features)
