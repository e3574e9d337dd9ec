"""The portfolio's explanation: sampled with its error, plain on disk, empty where there is too little."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError, InvalidInput
from recommender.explanation import GlobalExplanation, explain, explain_portfolio
from recommender.explanation.dependence import dependence_curves
from recommender.explanation.global_explanation import EVERYBODY, FEWEST_ACCOUNTS, _expected, _sizes
from recommender.store.files.explanations import read_global_explanation, write_global_explanation


@pytest.fixture(scope="module")
def portfolio(strategy, simulated):
    """A hundred and twenty of the simulated accounts stand for all."""
    return explain_portfolio(strategy, simulated.contacts, sample=120, random_state=3)


def test_concepts_are_those_of_the_local_explanations(strategy, simulated, portfolio):
    """Sizes are mean absolute signed sums of the sampled accounts' own contributions."""
    local = explain(strategy, simulated.contacts, top_k=1, sample=120, random_state=3)
    names, split = local.group_contributions()
    table = portfolio.concepts[portfolio.concepts["dimension"] == EVERYBODY].set_index("group")
    for position, name in enumerate(names):
        assert table.loc[name, "mean_abs"] == pytest.approx(np.abs(split[:, 0, position]).mean(), rel=1e-9)
        assert table.loc[name, "mean"] == pytest.approx(split[:, 0, position].mean(), abs=1e-12)
        # 1.96 errors of the sample, which shrink by the share of the portfolio that was looked at
        shrunk = np.sqrt(1 - 120 / len(simulated.contacts))
        half = 1.96 * shrunk * np.abs(split[:, 0, position]).std(ddof=1) / np.sqrt(120)
        assert table.loc[name, "hi"] - table.loc[name, "mean_abs"] == pytest.approx(half, rel=1e-9)
        assert table.loc[name, "lo"] == pytest.approx(max(0.0, table.loc[name, "mean_abs"] - half), abs=1e-12)
    assert portfolio.about["n_sampled"] == 120
    assert portfolio.about["n_accounts"] == len(simulated.contacts)
    assert table["rank"].tolist() == list(range(1, len(names) + 1))
    assert ((table["rank_lo"] <= table["rank"]) & (table["rank"] <= table["rank_hi"])).all()


def test_the_interval_covers_the_whole_portfolio(strategy, simulated):
    """Of the intervals of twelve samples, nearly all hold what explaining everybody gives, and that has none."""
    accounts = simulated.contacts.head(160)
    whole = explain_portfolio(strategy, accounts, sample=160, by=[]).concepts
    assert (whole["hi"] - whole["lo"]).abs().max() < 1e-12
    truth = whole.set_index("group")["mean_abs"]
    held = []
    for seed in range(12):
        part = explain_portfolio(strategy, accounts, sample=40, by=[], random_state=seed).concepts.set_index("group")
        held += ((part["lo"] <= truth[part.index]) & (truth[part.index] <= part["hi"])).tolist()
    assert np.mean(held) > 0.85


def test_it_survives_json_and_the_disk(portfolio, tmp_path):
    """What is read is what was written, without NaN; damaged or foreign files are refused."""
    path = write_global_explanation(portfolio, tmp_path / "site" / "global.json")
    again = read_global_explanation(path)
    assert again.to_dict() == portfolio.to_dict()
    assert GlobalExplanation.from_dict(json.loads(json.dumps(portfolio.to_dict(), allow_nan=False))).dimensions
    assert [entry.name for entry in path.parent.iterdir()] == ["global.json"]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ArtefactError, match="not JSON"):
        read_global_explanation(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ArtefactError, match="no global explanation"):
        read_global_explanation(path)
    with pytest.raises(ArtefactError, match="no global explanation"):
        read_global_explanation(tmp_path / "absent.json")
    with pytest.raises(ArtefactError, match="format 99"):
        GlobalExplanation.from_dict(portfolio.to_dict() | {"format": 99})
    with pytest.raises(ArtefactError, match="points"):
        GlobalExplanation.from_dict({key: value for key, value in portfolio.to_dict().items() if key != "points"})


def test_small_segments_hold_no_figures(portfolio):
    """A segment below the least count is listed with its count, and every figure is null."""
    table = portfolio.concepts
    few = table["n_accounts"] < FEWEST_ACCOUNTS
    assert few.any()
    assert (~few).any()
    assert table.loc[few, ["mean_abs", "lo", "hi", "mean", "rank"]].isna().all(axis=None)
    assert table.loc[~few, ["mean_abs", "lo", "hi", "mean", "rank"]].notna().all(axis=None)
    for dimension in portfolio.dimensions:
        own = table[table["dimension"] == dimension].drop_duplicates("segment")
        assert own["n_accounts"].sum() == 120
        assert tuple(own["segment"]) == portfolio.segments(dimension)


def test_dependence_and_density_account_for_everybody(portfolio):
    """Bins of a feature hold every sampled account once; intervals hold their means."""
    assert len(portfolio.dependence)
    for _, curve in portfolio.dependence.groupby("feature"):
        assert curve["n_accounts"].sum() == 120
        assert curve["share"].sum() == pytest.approx(1.0)
        assert (curve["low"].dropna() <= curve["high"].dropna()).all()
        wide = curve[curve["n_accounts"] > 1]
        assert ((wide["lo"] <= wide["mean"]) & (wide["mean"] <= wide["hi"])).all()
    assert (portfolio.density.groupby("feature")["share"].sum() <= 1 + 1e-9).all()
    ranks = portfolio.points["value_rank"].dropna()
    assert ranks.between(0, 1).all()
    assert portfolio.points.groupby("feature").size().eq(120).all()


def test_expected_rewards_by_pairs_of_factors(strategy, simulated):
    """Cells are means over eligible actions of the accounts that may have them."""
    accounts = simulated.contacts.head(40)
    mask = np.ones((40, len(strategy.actions_)), dtype=bool)
    mask[:35, strategy.actions_.codes[:, 0] == 0] = False
    table = explain_portfolio(strategy, accounts, sample=40, eligible=mask, by=[]).expected
    channel = strategy.actions_.factors["channel"][0]
    first = table[(table["factor_a"] == "channel") & (table["level_a"] == channel)]
    assert (first["n_accounts"] == 5).all()
    assert first["mean"].isna().all()
    other = table[(table["factor_a"] == "channel") & (table["factor_b"] == "tone")].iloc[-1]
    wanted = (strategy.actions_.to_frame()[["channel", "tone"]] == [other["level_a"], other["level_b"]]).all(axis=1)
    assert other["mean"] == pytest.approx(strategy.expected_reward(accounts)[:, wanted.to_numpy()].mean())


def test_segments_of_ones_own(strategy, simulated):
    """A mapping brings segments; unknown names, wrong lengths and too many kinds are refused."""
    accounts = simulated.contacts.head(80)
    halves = explain_portfolio(strategy, accounts, by={"half": ["a", "b"] * 40}, sample=80)
    assert halves.segments("half") == ("a", "b")
    for by, told in (
        (["fur"], "fur"),
        ({"half": [1]}, "1 entries for 80"),
        ({"id": range(80)}, "at most"),
    ):
        with pytest.raises(InvalidInput, match=told):
            explain_portfolio(strategy, accounts, by=by, sample=80)
    with pytest.raises(InvalidInput, match="sample"):
        explain_portfolio(strategy, accounts, sample=1)


@pytest.mark.parametrize("shrink", [1.0, 0.4])
def test_a_curve_is_the_mean_of_each_bin_with_its_interval(shrink):
    """In plain loops over numbers, frequent and rare categories, and what is missing; 1.96 errors to either side."""
    rng = np.random.default_rng(1)
    n = 400
    number = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.normal(size=n), 2))
    letter = np.array(list("abcdefghijklmnop"))[np.minimum(rng.geometric(0.2, n) - 1, 15)]
    split = np.column_stack([np.nan_to_num(number) + rng.normal(size=n), rng.normal(size=n)])
    explained = SimpleNamespace(
        served=SimpleNamespace(encoder=SimpleNamespace(categorical_positions=[1])), features=["number", "letter"],
        X=np.column_stack([number, rng.integers(1, 5, n)]), context=pd.DataFrame({"number": number, "letter": letter}),
    )  # fmt: skip
    curves, density = dependence_curves(explained, split, [0, 1], shrink)
    common = pd.Series(letter).value_counts().index[:12].tolist()
    for position, (_, curve) in enumerate(curves.groupby("feature", sort=False)):
        assert curve["n_accounts"].sum() == n and curve["share"].sum() == pytest.approx(1.0)
        for row in curve.itertuples():
            if position == 0 and pd.isna(row.low):
                here = np.isnan(number)
            elif position == 0:
                here = (number >= row.low) & (number <= row.high)
            else:
                here = ~np.isin(letter, common) if row.level == "(others)" else letter == row.level
            values = split[here, position].tolist()
            mean = sum(values) / len(values)
            error = (sum((one - mean) ** 2 for one in values) / (len(values) - 1) / len(values)) ** 0.5
            assert (row.n_accounts, row.mean) == (len(values), pytest.approx(mean))
            assert [row.lo, row.hi] == pytest.approx([mean - 1.96 * shrink * error, mean + 1.96 * shrink * error])
    assert density["share"].sum() == pytest.approx((~np.isnan(number)).mean())


@pytest.mark.parametrize(("apart", "is_told"), [(1.7, False), (2.3, True), (5.0, True)])
@pytest.mark.parametrize("shrink", [1.0, 0.5])
def test_a_rank_is_told_alone_where_another_has_less_than_a_fortieth(apart, is_told, shrink):
    """Two concepts whose sizes lie so many errors of their difference apart, and a third far below both."""
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=400)
    pattern = (pattern - pattern.mean()) / pattern.std()
    gap = apart * shrink * 2.0 * 0.3 / np.sqrt(400)
    values = np.column_stack([3.0 + gap + 0.3 * pattern, 3.0 - 0.3 * pattern, np.full(400, 0.1)])
    table = _sizes(
        values, {EVERYBODY: np.full(400, EVERYBODY, dtype=object)}, shrink, {"group": list("abc")}, rng
    ).set_index("group")
    assert table["rank"].tolist() == [1.0, 2.0, 3.0]
    told = [(row.rank_lo, row.rank_hi) for row in table.itertuples()]
    assert told == ([(1, 1), (2, 2), (3, 3)] if is_told else [(1, 2), (1, 2), (3, 3)])


def test_a_cell_of_two_factors_is_the_mean_over_accounts_with_its_interval():
    """Each account counts once, by what is open to it; 1.96 errors of accounts, in plain loops."""
    rng = np.random.default_rng(3)
    actions = ActionSpace({"channel": ["a", "b"], "hour": [9, 12, 18], "tone": ["x", "y"]}, no_contact=True)
    rewards, allowed = rng.normal(size=(60, 13)), rng.random((60, 13)) < 0.4
    table = _expected(SimpleNamespace(actions=actions, rewards=rewards, eligible=allowed), 0.5)
    levels = actions.to_frame().iloc[:12]
    assert len(table) == 2 * 3 + 2 * 2 + 3 * 2
    for row in table.itertuples():
        of_pair = (levels[row.factor_a].astype(str) == row.level_a) & (levels[row.factor_b].astype(str) == row.level_b)
        means = []
        for account in range(60):
            own = [rewards[account, one] for one in np.flatnonzero(of_pair) if allowed[account, one]]
            means += [sum(own) / len(own)] if own else []
        half = 1.96 * 0.5 * np.std(means, ddof=1) / np.sqrt(len(means))
        assert row.n_accounts == len(means)
        expected = [np.mean(means), np.mean(means) - half, np.mean(means) + half]
        if len(means) < FEWEST_ACCOUNTS:
            expected = [np.nan] * 3
        assert [row.mean, row.lo, row.hi] == pytest.approx(expected, nan_ok=True)
