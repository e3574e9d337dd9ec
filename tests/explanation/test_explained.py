"""What an explanation is asked for and how it is handed on: actions, tables, samples, plots, concepts, errors."""

import numpy as np
import pandas as pd
import pytest

from recommender import explain
from recommender.errors import InvalidInput
from recommender.explanation import ConceptGroups


def test_the_frame_says_what_each_row_is(explanation):
    """Long frame: actions, concepts and values, one baseline an action; concepts of known columns."""
    frame = explanation.to_frame()
    assert list(frame.columns) == [
        "row", "account", "rank", "channel", "hour", "tone", "part", "group", "feature", "value", "contribution",
        "contribution_reward",
    ]  # fmt: skip
    assert len(frame) == 40 * 3 * (len(explanation.features) + 1)
    first = frame[(frame["row"] == 0) & (frame["rank"] == 1)].set_index("feature")
    assert first.loc["stage", "group"] == "stage"
    assert first.loc["balance_minor", "value"] == explanation.context["balance_minor"].iloc[0]
    assert first.loc["hour", "group"] == "action"
    assert first.loc["history.channel=sms.contacts", "group"] == "channel_habit"


def test_the_explained_actions_are_the_recommended_ones(strategy, simulated, explanation):
    """Ranks are those of recommend without exploration, under the same mask."""
    accounts = simulated.contacts.tail(40)
    ranked = strategy.recommend(accounts, top_k=3, explore=False)
    index = strategy.actions_.index_of(ranked).reshape(40, 3)
    assert (index == explanation.action).all()
    mask = np.zeros((40, len(strategy.actions_)), dtype=bool)
    mask[:, [3, 7]] = True
    masked = explain(strategy, accounts, eligible=mask)
    allowed = {3, 7, -1, strategy.actions_.no_contact_index}
    assert set(np.unique(masked.action)) <= allowed


def test_no_contact_that_was_never_logged_is_left_out_and_said(hurdle, known_drivers):
    """Its reward is 0 by definition: no contribution is made up for it."""
    explanation = explain(hurdle, known_drivers[0].head(4), actions=[0, 6])
    assert (explanation.action[:, 1] == -1).all()
    assert "NO_CONTACT" in explanation.notes[0]
    assert explanation.to_frame()["channel"].notna().all()
    contrast = explanation.contrast(0, 6, row=2)
    assert contrast.by_group["contribution_reward"].sum() == pytest.approx(contrast.reward_difference)
    assert contrast.by_factor["contribution_reward"].iloc[-1] == pytest.approx(contrast.reward_difference)


def test_segments_and_samples(strategy, simulated, explanation):
    """Global tables by segment; a sample keeps the positions of the given frame."""
    by = explanation.context["stage"].to_numpy()
    table = explanation.global_frame(by=by)
    assert set(table["segment"]) == set(by)
    sampled = explain(strategy, simulated.contacts.head(30), top_k=1, sample=5, random_state=1)
    assert len(sampled) == 5
    assert sampled.account.tolist() == simulated.contacts["account_id"].iloc[sampled.rows].tolist()
    with pytest.raises(InvalidInput, match="40 explained accounts"):
        explanation.global_frame(by=[1, 2])


@pytest.mark.filterwarnings("ignore")  # shap's own plots use what matplotlib and pandas are about to retire
@pytest.mark.parametrize("plot", ["bar", "beeswarm", "heatmap", "scatter", "violin", "waterfall"])
def test_shap_draws_what_it_gets(explanation, plot):
    """The object goes into each of shap's plots as it is."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    import shap

    taken = explanation.to_shap()
    given = {"scatter": taken[:, 0], "waterfall": taken[0]}.get(plot, taken)
    getattr(shap.plots, plot)(given, show=False)
    assert plt.gcf().axes
    plt.close("all")


def test_a_team_brings_its_own_concepts(strategy, simulated):
    """Concepts come from a TOML text; what matches nothing is other."""
    groups = ConceptGroups.from_toml('[[group]]\nname = "money"\npatterns = ["balance"]\n')
    explanation = explain(strategy, simulated.contacts.head(1), groups=groups)
    assert set(explanation.feature_groups) == {"money", "other", "action"}
    for text in ("[[group]]\nname = 'x'", "group = [", "[[group]]\nname = 'x'\npatterns = ['(']"):
        with pytest.raises(InvalidInput):
            ConceptGroups.from_toml(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"actions": [999]}, "must lie in"),
        ({"actions": "best"}, "recommended"),
        ({"actions": [0.5]}, "whole numbers"),
        ({"actions": pd.DataFrame({"channel": ["fax"], "hour": [9], "tone": ["firm"]})}, "fax"),
        ({"language": "xx"}, "xx"),
        ({"top_k": 0}, "top_k"),
    ],
)
def test_errors_name_what_is_wrong(strategy, simulated, wrong, told):
    """Unknown actions, languages and sizes are refused with their value."""
    with pytest.raises(InvalidInput, match=told):
        explain(strategy, simulated.contacts.head(1), **wrong)
