"""Models-from-code file of the MLflow export: strings and numbers in, ranked actions out.

For other shops only (``mlflow.pyfunc.load_model``, ``mlflow.pyfunc.spark_udf``): loading it runs this code. The API,
the batch and the workers of this project load the native files instead.
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd

ELIGIBLE = "eligible"
"""Input column with the guardrails' mask: one character an action, ``1`` where it may be done, in action order."""

_NUMBERS = ("expected_reward", "lo", "hi", "propensity")


class RankedActions(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
    """``ContactStrategy.recommend`` behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Read the native files of the strategy, checking their digests."""
        from recommender.strategy import ContactStrategy

        self._strategy = ContactStrategy.load(context.artifacts["strategy"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Rank actions.

        Parameters
        ----------
        context : object
            MLflow's; unused.
        model_input : DataFrame
            The context columns (numbers as numbers, categories as text), the account column if the log had one, and
            ``eligible``: the guardrails' mask as text, e.g. ``"0110..."``.
        params : dict, optional
            ``top_k``, ``as_of`` (ISO instant; empty = last instant of the log), ``explore``, ``seed``, ``layout``
            (``"wide"``: one row an account, for ``spark_udf``; ``"long"``: one row a rank) and
            ``without_guardrails`` (rank without a mask; for analysis, never for sending).

        Returns
        -------
        DataFrame
            Factors as text; in the wide layout each column carries its rank, e.g. ``channel_1``.
        """
        asked: dict[str, Any] = {
            "top_k": 3,
            "as_of": "",
            "explore": True,
            "seed": 0,
            "layout": "wide",
            "without_guardrails": False,
        }
        asked |= params or {}
        ranked = self._strategy.recommend(
            model_input.drop(columns=ELIGIBLE, errors="ignore"),
            top_k=int(asked["top_k"]),
            eligible=self._mask(model_input, without=bool(asked["without_guardrails"])),
            as_of=pd.Timestamp(asked["as_of"]).to_pydatetime() if asked["as_of"] else None,
            explore=bool(asked["explore"]),
            seed=int(asked["seed"]),
        )
        factors = list(self._strategy.actions_.factor_names)
        frame = pd.DataFrame({"row": ranked["row"].astype("int64"), "rank": ranked["rank"].astype("int64")})
        for name in factors:
            frame[name] = _text(ranked[name])
        for name in _NUMBERS:
            frame[name] = ranked[name].astype("float64")
        contact_at = pd.to_datetime(ranked["contact_at"], utc=True)
        frame["contact_at"] = _text(contact_at.map(lambda at: None if pd.isna(at) else at.isoformat()))
        if asked["layout"] == "long":
            return frame
        return _one_row_an_account(frame, len(model_input), int(asked["top_k"]))

    def _mask(self, model_input: pd.DataFrame, *, without: bool) -> Any:
        from recommender.errors import InvalidInput

        if without:
            return None
        if ELIGIBLE not in model_input.columns or model_input[ELIGIBLE].isna().any():
            raise InvalidInput.in_column(
                ELIGIBLE,
                "is missing: nothing may be recommended without the guardrails' mask",
                mend="Add the mask as text of 0 and 1, one character an action; for analysis only, pass the parameter "
                "without_guardrails=True.",
            )
        n_actions = len(self._strategy.actions_)
        texts = model_input[ELIGIBLE].astype(str).tolist()
        wrong = [row for row, text in enumerate(texts) if len(text) != n_actions or set(text) - {"0", "1"}]
        if wrong:
            raise InvalidInput.in_column(
                ELIGIBLE,
                f"must be {n_actions} characters of 0 and 1",
                values=[texts[row] for row in wrong],
                rows=wrong,
                mend="Write one character an action, in the order of ActionSpace.to_frame().",
            )
        return np.array([[character == "1" for character in text] for text in texts], dtype=bool)


def _one_row_an_account(ranked: pd.DataFrame, n_accounts: int, top_k: int) -> pd.DataFrame:
    """Columns ``<name>_<rank>``; ranks beyond the eligible actions are empty."""
    names = [name for name in ranked.columns if name not in ("row", "rank")]
    parts = []
    for rank in range(1, top_k + 1):
        part = ranked[ranked["rank"] == rank].set_index("row")[names].reindex(range(n_accounts))
        parts.append(part.rename(columns={name: f"{name}_{rank}" for name in names}))
    return pd.concat(parts, axis=1)


def _text(values: pd.Series) -> pd.Series:
    return values.map(lambda value: None if pd.isna(value) else str(value)).astype(object)


mlflow.models.set_model(RankedActions())
