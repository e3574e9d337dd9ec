"""The entry: explain the ranked actions of accounts by the served model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import checked_count
from recommender.errors import InvalidInput
from recommender.explanation.attribution import PartAttribution, attribute, feature_names
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.explanation import Explanation
from recommender.explanation.served import ServedModel
from recommender.explanation.wording import Wording
from recommender.history import LoggedFeedback
from recommender.strategy import ContactStrategy, account_frame, check_eligible, rank_actions

__all__ = ["explain", "explain_decisions"]

_CHUNK_PAIRS = 2_000


def explain(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    actions: Any | None = None,
    top_k: int = 3,
    language: str = "es",
    eligible: Any | None = None,
    as_of: Any | None = None,
    history: pd.DataFrame | None = None,
    background: pd.DataFrame | None = None,
    groups: ConceptGroups | None = None,
    sample: int | None = None,
    random_state: int = 0,
) -> Explanation:
    """Explain what the served model makes of accounts and actions.

    Parameters
    ----------
    strategy : ContactStrategy
        A trained one.
    accounts : DataFrame
        As for :meth:`ContactStrategy.recommend`.
    actions : None, "recommended", sequence or DataFrame
        What to explain: None or ``"recommended"`` = the ``top_k`` best eligible actions of each account; a sequence of
        indices or of mappings factor -> level = these for every account; an array of shape (n_accounts, k) = indices
        for each; a frame of factors = one action an account.
    top_k : int, default=3
    language : str, default="es"
        Of sentences and charts: ``"es"``, ``"en"`` or a region such as ``"es-MX"``.
    eligible : array-like of bool of shape (n_accounts, n_actions) or None
    as_of : instant or None
    history : DataFrame or None
        See :meth:`ContactStrategy.expected_reward`.
    background : DataFrame or None
        Accounts whose mean regression members are held against; None = the training rows.
    groups : ConceptGroups or None
        Concepts that columns are gathered under; None = those of ``groups.toml``.
    sample : int or None
        Explain a random sample of that many accounts, for portfolio views; the frame's standard errors say what that
        costs.
    random_state : int
        Of the sample.

    Returns
    -------
    Explanation

    Raises
    ------
    InvalidInput
        On missing columns, unknown actions, an empty frame or a language without texts.

    Examples
    --------
    >>> explanation = explain(strategy, accounts, top_k=3, language="en")
    >>> len(explanation.reasons(row=0)) > 0
    True
    """
    Wording.of(language)
    top_k = checked_count(top_k, "top_k")
    served = ServedModel(strategy)
    frame = account_frame(accounts)
    allowed = check_eligible(eligible, len(frame), served.actions)
    chosen = _given_actions(served, actions, len(frame))
    rows = np.arange(len(frame), dtype=np.int64)
    if sample is not None and sample < len(frame):
        rows = np.sort(np.random.default_rng(random_state).permutation(len(frame))[:sample]).astype(np.int64)
        frame, allowed = frame.iloc[rows].reset_index(drop=True), allowed[rows]
        chosen = None if chosen is None else chosen[rows]
    context = served.context(frame, history, as_of)
    X = served.encode(context)
    margins = served.margins(X)
    rewards = served.rewards(margins)
    if chosen is None:
        probabilities = served.probabilities(rewards, allowed, context)
        chosen = rank_actions(probabilities, rewards, allowed, top_k=top_k, numbers=None)
    notes: list[str] = []
    if (idle := served.idle_without_data) is not None and (chosen == idle).any():
        notes.append(
            f"NO_CONTACT was left out in {int((chosen == idle).any(axis=1).sum())} rows: the log never shows it, so "
            "its reward is 0 by definition and no feature moves it."
        )
        chosen = np.where(chosen == idle, -1, chosen)
    means = (
        served.training_means()
        if background is None
        else served.background_means(served.encode(served.context(background, history, as_of)))
    )
    account = strategy.names_.get("account")
    known = account is not None and account in frame.columns
    return _explanation(
        served,
        context,
        chosen,
        allowed,
        means,
        rows=rows,
        account=frame[account].to_numpy(dtype=object) if known else rows.astype(object),
        groups=groups,
        language=language,
        notes=notes,
        scored=(X, margins, rewards),
    )


def explain_decisions(
    strategy: ContactStrategy,
    log: LoggedFeedback,
    rows: NDArray[np.int64],
    *,
    language: str = "en",
    groups: ConceptGroups | None = None,
) -> Explanation:
    """Explain logged decisions, each from what was known then.

    Parameters
    ----------
    strategy : ContactStrategy
    log : LoggedFeedback
        Over the actions of the strategy.
    rows : ndarray of int of shape (k,)
        Decisions of the log to explain.
    language : str, default="en"
    groups : ConceptGroups or None

    Returns
    -------
    Explanation
        Its ``rows`` are positions in ``rows``. Decisions not to contact are left out where the model learnt nothing
        about them.
    """
    Wording.of(language)
    served = ServedModel(strategy)
    chosen = np.asarray(log.action, dtype=np.int64)[rows]
    kept = np.flatnonzero(chosen != served.idle_without_data) if served.idle_without_data is not None else None
    position = np.arange(len(rows)) if kept is None else kept
    context = served.log_context(log).iloc[rows[position]].reset_index(drop=True)
    allowed = np.ones((len(position), len(served.actions)), dtype=bool)
    return _explanation(
        served,
        context,
        chosen[position][:, None],
        allowed,
        served.training_means(),
        rows=position.astype(np.int64),
        account=position.astype(object),
        groups=groups,
        language=language,
    )


def _explanation(
    served: ServedModel,
    context: pd.DataFrame,
    chosen: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    means: dict[str, dict[str, NDArray[np.float64]]],
    *,
    rows: NDArray[np.int64],
    account: NDArray[np.object_],
    groups: ConceptGroups | None,
    language: str,
    notes: Sequence[str] = (),
    scored: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> Explanation:
    """Attribute given actions; ``scored`` is encoded context, margins and rewards where they are made already."""
    if scored is None:
        X = served.encode(context)
        margins = served.margins(X)
        scored = X, margins, served.rewards(margins)
    X, margins, rewards = scored
    features = feature_names(served.encoder, served.actions)
    concepts = groups or ConceptGroups.default()
    return Explanation(
        served=served,
        groups=concepts,
        features=features,
        feature_groups=concepts.of_features(features, X.shape[1]),
        rows=rows,
        account=account,
        context=context,
        X=X,
        action=chosen,
        parts={name: _by_chunks(served, name, X, chosen, means[name], margins[name]) for name in served.parts},
        margins=margins,
        rewards=rewards,
        eligible=allowed,
        means=means,
        language=language,
        notes=tuple(notes),
    )


def _by_chunks(
    served: ServedModel,
    name: str,
    X: NDArray[np.float64],
    action: NDArray[np.int64],
    means: dict[str, NDArray[np.float64]],
    margins: NDArray[np.float64],
) -> PartAttribution:
    """Attributions with memory that does not grow with the number of accounts."""
    size = max(1, _CHUNK_PAIRS // action.shape[1])
    parts = [
        attribute(
            served.parts[name],
            served.actions,
            X[start : start + size],
            np.maximum(action[start : start + size], 0),
            means,
            margins[start : start + size],
        )
        for start in range(0, len(X), size)
    ]
    return PartAttribution(
        parts[0].baseline,
        np.concatenate([part.contributions for part in parts]),
        np.concatenate([part.error for part in parts]),
    )


def _given_actions(served: ServedModel, actions: Any | None, n: int) -> NDArray[np.int64] | None:
    """Indices of shape (n, k), or None for the recommended ones."""
    if actions is None or (isinstance(actions, str) and actions == "recommended"):
        return None
    space = served.actions
    if isinstance(actions, str):
        raise InvalidInput(
            f"actions must be 'recommended' or name actions; got {actions!r}.",
            column="actions",
            mend="Pass indices, mappings of factors, or a frame of factors.",
        )
    if isinstance(actions, pd.DataFrame):
        index = space.index_of(actions)[:, None]
    elif isinstance(actions, Sequence) and len(actions) and all(isinstance(action, Mapping) for action in actions):
        index = space.index_of(pd.DataFrame(list(actions)))[None, :].repeat(n, axis=0)
    else:
        index = np.asarray(actions)
        if index.dtype.kind not in "iu":
            raise InvalidInput(
                f"actions must be whole numbers; got {index.dtype}.", column="actions", mend="See actions.to_frame()."
            )
        index = np.broadcast_to(index, (n, index.size)) if index.ndim == 1 else index
    if index.ndim != 2 or len(index) != n or index.shape[1] == 0:
        raise InvalidInput(
            f"actions has shape {index.shape} for {n} accounts.",
            column="actions",
            mend="Give k actions for all accounts, or an array of shape (n_accounts, k).",
        )
    wrong = np.flatnonzero(((index < 0) | (index >= len(space))).any(axis=1))
    if wrong.size:
        raise InvalidInput.in_column(
            "actions",
            f"must lie in 0..{len(space) - 1}",
            values=np.unique(index[wrong]).tolist(),
            rows=wrong.tolist(),
            mend="See actions.to_frame().",
        )
    return np.array(index, dtype=np.int64)
