"""What is passed in a wrong kind is one message that names the argument and the mend, never a bare TypeError."""

# ruff: noqa: ARG005 - every call gets the same three
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, diagnose, evaluate_policy, experiment, explain
from recommender.errors import InvalidInput


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s, c, log: s.recommend(c, top_k="3"), "top_k must be a whole number"),
        (lambda s, c, log: s.recommend(c, top_k=2.5), "top_k must be a whole number"),
        (lambda s, c, log: s.recommend(c, top_k=True), "top_k must be a whole number"),
        (lambda s, c, log: s.recommend(c, top_k=0), "top_k must be at least 1"),
        (lambda s, c, log: s.recommend(c, as_of="tomorrow"), "'as_of' is no instant"),
        (lambda s, c, log: explain(s, c, top_k="3"), "top_k must be a whole number"),
        (lambda s, c, log: explain(s, None), "accounts must be a table"),
        (lambda s, c, log: explain(s, log), "accounts must be a table"),
        (lambda s, c, log: explain(s, c).contrast("sms", "call", row=0), "neither an index nor a mapping"),
        (lambda s, c, log: s.save(None), "path must name a folder"),
        (lambda s, c, log: ContactStrategy.load(None), "path must name a folder"),
        (lambda s, c, log: ContactStrategy(epsilon="a").fit(log), "epsilon must lie"),
        (lambda s, c, log: ContactStrategy(temperature="a").fit(log), "temperature must be positive"),
        (lambda s, c, log: ContactStrategy().fit(log, sample_weight="balanced"), "sample_weight must be numbers"),
        (lambda s, c, log: diagnose(c), "log must be a LoggedFeedback"),
        (lambda s, c, log: experiment(c), "log must be a LoggedFeedback"),
        (lambda s, c, log: log.split("foo"), "'at' is no instant"),
        (lambda s, c, log: log.take([10**6]), "The log has"),
        (lambda s, c, log: log.take(np.ones(3, dtype=bool)), "The log has"),
        (lambda s, c, log: ActionSpace("channel"), "factors must be a mapping"),
        (lambda s, c, log: ActionSpace(["a", "b"]), "factors must be a mapping"),
        (lambda s, c, log: LoggedFeedback.from_frame(c, actions={"hour": [1]}, context=[]), "must be an ActionSpace"),
        (
            lambda s, c, log: LoggedFeedback.from_frame(c, actions=log.actions, context=[], reward=pd.Series([1.0])),
            "reward is the name of a column",
        ),
    ],
)  # fmt: skip
def test_a_wrong_kind_is_one_message(call, says, strategy, simulated_log):
    with pytest.raises(InvalidInput, match=says):
        call(strategy, simulated_log.context.head(3), simulated_log)


def test_what_is_not_fitted_says_so(simulated_log):
    with pytest.raises(NotFittedError):
        evaluate_policy(simulated_log, ContactStrategy())


def test_what_people_write_is_taken(strategy, simulated, simulated_log):
    """Numbers of other libraries, positions in a list, one context column by its name, any frame to explain."""
    few = simulated_log.context.head(3)
    assert len(strategy.recommend(few, top_k=np.int64(1))) == 3
    assert len(simulated_log.take([0, 1])) == 2
    name = simulated.context[0]
    log = LoggedFeedback.from_frame(simulated.contacts, actions=simulated.actions, context=name)
    assert log.context.columns.tolist() == [name]
    one = explain(strategy, few.to_dict("records")).to_frame()
    pd.testing.assert_frame_equal(one, explain(strategy, few).to_frame())
    assert "ActionSpace of" in simulated.actions._repr_html_()
