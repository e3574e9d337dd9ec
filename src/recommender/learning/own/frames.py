"""Encoded context as a frame of numbers and frozen categories, and checks of what a learner answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.learning.encoding import ContextEncoder
from recommender.learning.training_set import TrainingSet

__all__ = ["OTHER", "checked_answer", "decoded_frame", "decoded_training"]

Floats = NDArray[np.float64]

OTHER = "(other)"  # every value that training saw rarely or never


def decoded_frame(encoder: ContextEncoder, X: Floats) -> pd.DataFrame:
    """Columns as a learner of one's own sees them, from encoded context of shape (n, n_columns)."""
    columns: dict[str, pd.Categorical | Floats] = {}
    for position, column in enumerate(encoder.columns):
        values = X[:, position]
        if column.kind == "number":
            columns[column.name] = values
        else:
            codes = np.where(np.isnan(values), -1, values).astype(np.int64)
            other = OTHER if OTHER not in column.categories else f"{OTHER} "
            columns[column.name] = pd.Categorical.from_codes(codes, categories=[other, *column.categories])
    return pd.DataFrame(columns, index=range(len(X)))


def decoded_training(encoder: ContextEncoder, training: TrainingSet) -> TrainingSet:
    """The same decisions with their context as a learner of one's own sees it."""
    frame = decoded_frame(encoder, encoder.transform(training.context))
    categorical = tuple(column.name for column in encoder.columns if column.kind == "category")
    return replace(training, context=frame, categorical=categorical)


def checked_answer(answer: object, shape: tuple[int, int], learner: object, method: str) -> Floats:
    """What a learner answered, of the right shape and finite.

    Raises
    ------
    InvalidInput
        Names the learner, its method, and the shape or the rows.
    """
    name = f"{type(learner).__name__}.{method}"
    values = np.asarray(answer, dtype=np.float64)
    if values.shape != shape:
        raise InvalidInput(
            f"{name} must return shape {shape} (rows x actions); got {values.shape}.",
            column="reward_model" if method == "expected_reward" else "propensity_model",
            mend="Give one column for each row of training.actions.to_frame().",
        )
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        raise InvalidInput.in_column(
            name, "must return finite numbers", rows=wrong.tolist(), mend="Check how it treats missing values."
        )
    return values
