"""What drives results over a whole portfolio: computed once on a sample, kept as JSON, read in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import ArtefactError, InvalidInput
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.dependence import beeswarm_points, dependence_curves
from recommender.explanation.explain_accounts import explain
from recommender.explanation.explanation import Explanation
from recommender.strategy import ContactStrategy

__all__ = ["EVERYBODY", "FEWEST_ACCOUNTS", "GlobalExplanation", "explain_portfolio"]

Floats = NDArray[np.float64]

EVERYBODY = "all"
FEWEST_ACCOUNTS = 30
"""A segment with fewer sampled accounts is listed with its count and no figures."""

_FORMAT = 1
_DEVIATIONS = 1.96
_RESAMPLES = 400
_USUAL_SEGMENTS = ("stage", "product", "country")
_MOST_SEGMENTS = 20
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class GlobalExplanation:
    """What moves the recommended actions of a portfolio, with the error of the sample it rests on.

    Every figure is in units of reward (a probability for binary rewards). Intervals are 95 % and speak of sampling
    alone: they shrink to nothing when the whole portfolio is explained.

    Attributes
    ----------
    about : dict
        ``policy_version``, ``reward_kind`` ("binary" or "amount"), ``n_accounts``, ``n_sampled``, ``random_state``,
        ``top_k``, ``baseline_reward``, ``mean_reward`` (of the explained actions) with ``mean_reward_lo`` and
        ``mean_reward_hi``, ``relative_error`` (largest half width of the five largest concepts over their size) and
        ``not_attributed`` (mean size of what could not be given to any feature).
    concepts : DataFrame
        ``dimension`` ("all", "stage", "channel" ...), ``segment``, ``n_accounts``, ``group``, ``mean_abs``, ``lo``,
        ``hi`` (size of the signed sum within the concept), ``mean`` (signed), ``rank``, ``rank_lo``, ``rank_hi``
        (95 % of resamples). Figures are null where a segment has fewer than ``FEWEST_ACCOUNTS``.
    features : DataFrame
        As ``concepts`` by ``feature``, without ranks; ``protected`` marks columns that no text may name.
    dependence : DataFrame
        One row a bin of a feature: ``feature``, ``kind`` ("number" or "category"), ``position``, ``low``, ``high``,
        ``level``, ``n_accounts``, ``share``, ``mean``, ``lo``, ``hi``, ``p10``, ``p90``.
    density : DataFrame
        Histogram of each number over equal steps: ``feature``, ``low``, ``high``, ``share``.
    points : DataFrame
        Sample of accounts for a beeswarm: ``feature``, ``value`` (text), ``value_rank`` (0 to 1, null for categories
        and missing values), ``contribution``.
    expected : DataFrame
        Expected reward of eligible actions by pairs of factors: ``factor_a``, ``level_a``, ``factor_b``, ``level_b``,
        ``n_accounts``, ``mean``, ``lo``, ``hi``; with one factor ``factor_b`` and ``level_b`` are null.
    """

    about: Mapping[str, Any]
    concepts: pd.DataFrame
    features: pd.DataFrame
    dependence: pd.DataFrame
    density: pd.DataFrame
    points: pd.DataFrame
    expected: pd.DataFrame

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the portfolio was split by; the first is everybody."""
        return tuple(dict.fromkeys(self.concepts["dimension"]))

    def segments(self, dimension: str) -> tuple[str, ...]:
        """Segments of a dimension, largest first."""
        return tuple(dict.fromkeys(self.concepts.loc[self.concepts["dimension"] == dimension, "segment"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers, texts and null: what ``json.dumps`` takes with ``allow_nan=False``."""
        answer: dict[str, Any] = {"format": _FORMAT, "about": {key: _plain(value) for key, value in self.about.items()}}
        for name in _TABLES:
            table = getattr(self, name)
            answer[name] = {column: [_plain(value) for value in table[column].tolist()] for column in table.columns}
        return answer

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`.

        Raises
        ------
        ArtefactError
            When it is of another format or a table is missing.
        """
        if content.get("format") != _FORMAT:
            raise ArtefactError(
                f"Unknown format {content.get('format')!r} of a global explanation; this version reads {_FORMAT}. "
                "Write it again with explain_portfolio."
            )
        if missing := [name for name in ("about", *_TABLES) if name not in content]:
            raise ArtefactError(f"The global explanation is incomplete: {missing} missing.")
        tables = {name: pd.DataFrame(content[name]) for name in _TABLES}
        return cls(about=dict(content["about"]), **tables)


_TABLES = tuple(field.name for field in fields(GlobalExplanation) if field.name != "about")


def explain_portfolio(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    by: Sequence[str] | Mapping[str, Any] | None = None,
    sample: int = 1_000,
    random_state: int = 0,
    top_k: int = 1,
    eligible: Any | None = None,
    as_of: Any | None = None,
    history: pd.DataFrame | None = None,
    groups: ConceptGroups | None = None,
    n_features: int = 20,
    n_points: int = 300,
) -> GlobalExplanation:
    """Explain what drives the recommended actions of a portfolio, on a random sample of its accounts.

    Parameters
    ----------
    strategy : ContactStrategy
    accounts : DataFrame
        The whole portfolio, as for :func:`explain`.
    by : sequence of str, mapping or None
        What to split by: columns of ``accounts``, factors of the recommended action (a factor wins over a column of
        the same name), or a mapping of name to one value an account. None = stage, product and country where they are
        known, and every factor.
    sample : int, default=1000
        Accounts that are explained; the whole portfolio where it has fewer.
    random_state : int
    top_k : int, default=1
        Actions of each account; contributions are averaged over them.
    eligible, as_of, history, groups
        As for :func:`explain`.
    n_features : int, default=20
        Features with a dependence curve and beeswarm points: those that move most.
    n_points : int, default=300
        Accounts in the beeswarm.

    Returns
    -------
    GlobalExplanation
    """
    if sample < 2:
        raise InvalidInput(f"sample must be at least 2; got {sample}.", column="sample", mend="Take 1,000 or more.")
    explanation = explain(
        strategy,
        accounts,
        top_k=top_k,
        eligible=eligible,
        as_of=as_of,
        history=history,
        groups=groups,
        sample=sample,
        random_state=random_state,
        language="en",
    )
    shown = explanation.action >= 0
    total = np.sum(list(explanation.reward_contributions.values()), axis=0)
    split = (total * shown[:, :, None]).sum(axis=1) / np.maximum(shown.sum(axis=1), 1)[:, None]
    # of a portfolio that is explained whole nothing is left to sampling
    shrink = math.sqrt(max(0.0, 1.0 - len(explanation) / len(accounts)))
    segments = _segments(explanation, accounts, by)
    rng = np.random.default_rng(random_state)
    names, member = _membership(explanation.feature_groups)
    concepts = _sizes(split @ member, segments, shrink, {"group": list(names)}, rng)
    protected = [explanation.groups.is_protected(name) for name in explanation.features]
    labels: dict[str, list[Any]] = {
        "group": list(explanation.feature_groups),
        "feature": list(explanation.features),
        "protected": protected,
    }
    features = _sizes(split, segments, shrink, labels, None)
    everybody = features[features["dimension"] == EVERYBODY]
    largest = [
        explanation.features.index(name)
        for name in everybody.sort_values("mean_abs", ascending=False, kind="stable")["feature"].head(n_features)
        if name in explanation.served.encoder.names
    ]
    dependence, density = dependence_curves(explanation, split, largest, shrink)
    reward = np.take_along_axis(explanation.rewards, np.maximum(explanation.action[:, :1], 0), axis=1)[:, 0]
    mean, half = _mean_and_half(reward[:, None], shrink)
    main = concepts[concepts["dimension"] == EVERYBODY].nlargest(5, "mean_abs")
    relative = ((main["hi"] - main["lo"]) / 2 / main["mean_abs"].where(main["mean_abs"] > 0)).max()
    about = {
        "policy_version": strategy.version_,
        "reward_kind": strategy.reward_kind_,
        "n_accounts": len(accounts),
        "n_sampled": len(explanation),
        "random_state": random_state,
        "top_k": top_k,
        "baseline_reward": explanation.baseline_reward,
        "mean_reward": float(mean[0]),
        "mean_reward_lo": float(mean[0] - half[0]),
        "mean_reward_hi": float(mean[0] + half[0]),
        "relative_error": float(relative),
        "not_attributed": float(np.abs(split[:, -1]).mean()),
    }
    return GlobalExplanation(
        about=about,
        concepts=concepts,
        features=features,
        dependence=dependence,
        density=density,
        points=beeswarm_points(explanation, split, largest, n_points, rng),
        expected=_expected(explanation, shrink),
    )


def _membership(groups: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    names = tuple(dict.fromkeys(groups))
    return names, np.array([[group == name for name in names] for group in groups], dtype=np.float64)


def _segments(
    explanation: Explanation, accounts: pd.DataFrame, by: Sequence[str] | Mapping[str, Any] | None
) -> dict[str, NDArray[np.object_]]:
    """Segment of each explained account, by dimension."""
    actions, best = explanation.actions, explanation.action[:, 0]
    described = actions.describe(np.maximum(best, 0)).astype(object)
    described[best < 0] = None
    sampled = accounts.reset_index(drop=True).iloc[explanation.rows]
    given: dict[str, Any] = {}
    if isinstance(by, Mapping):
        for name, values in by.items():
            if len(values) != len(accounts):
                raise InvalidInput(
                    f"by[{name!r}] has {len(values)} entries for {len(accounts)} accounts.",
                    column="by",
                    mend="Give one segment an account.",
                )
            given[name] = np.asarray(values, dtype=object)[explanation.rows]
    else:
        usual = [name for name in _USUAL_SEGMENTS if name in sampled.columns]
        for name in by if by is not None else [*usual, *actions.factor_names]:
            if name in actions.factor_names:
                given[name] = described[name].to_numpy()
            elif name in sampled.columns or name in explanation.context.columns:
                source = sampled if name in sampled.columns else explanation.context
                given[name] = source[name].to_numpy(dtype=object)
            else:
                raise InvalidInput.missing_columns([name], accounts.columns.tolist(), role="by")
    answer = {EVERYBODY: np.full(len(explanation), EVERYBODY, dtype=object)}
    for name, values in given.items():
        texts = np.array(["unknown" if pd.isna(value) else str(value) for value in values], dtype=object)
        if len(np.unique(texts)) > _MOST_SEGMENTS:
            if by is None:
                continue
            raise InvalidInput(
                f"by={name!r} has {len(np.unique(texts))} segments; at most {_MOST_SEGMENTS} can be shown.",
                column="by",
                mend="Join the small ones, or cut numbers into classes.",
            )
        answer[name] = texts
    return answer


def _sizes(
    values: Floats,
    segments: Mapping[str, NDArray[np.object_]],
    shrink: float,
    labels: Mapping[str, list[Any]],
    rng: np.random.Generator | None,
) -> pd.DataFrame:
    """Mean size and mean of each column of values by segment; ranks with their resampling interval where asked."""
    pieces = []
    size = np.abs(values)
    for dimension, segment_of_row in segments.items():
        kinds, counts = np.unique(segment_of_row, return_counts=True)
        for segment, count in sorted(zip(kinds.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
            rows = segment_of_row == segment
            mean, half = _mean_and_half(size[rows], shrink)
            piece = pd.DataFrame({"dimension": dimension, "segment": segment, "n_accounts": count, **labels})
            piece["mean_abs"], piece["lo"], piece["hi"] = mean, np.maximum(mean - half, 0.0), mean + half
            piece["mean"] = values[rows].mean(axis=0)
            figures = ["mean_abs", "lo", "hi", "mean"]
            if rng is not None:
                piece["rank"] = _ranks(mean[None])[0]
                drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=_RESAMPLES) @ size[rows] / count
                low, high = np.quantile(_ranks(mean + shrink * (drawn - mean)), [0.025, 0.975], axis=0)
                piece["rank_lo"], piece["rank_hi"] = np.floor(low), np.ceil(high)
                figures += ["rank", "rank_lo", "rank_hi"]
            if count < FEWEST_ACCOUNTS:
                piece[figures] = np.nan
            pieces.append(piece.iloc[np.argsort(-mean, kind="stable")])
    return pd.concat(pieces, ignore_index=True)


def _ranks(sizes: Floats) -> Floats:
    """Rank of each column in each row, 1 = largest."""
    return np.asarray(np.argsort(np.argsort(-sizes, axis=1, kind="stable"), axis=1) + 1.0)


def _mean_and_half(values: Floats, shrink: float) -> tuple[Floats, Floats]:
    """Mean of each column and half of its 95 % interval."""
    n = len(values)
    spread = values.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.full(values.shape[1], np.nan)
    return np.asarray(values.mean(axis=0)), np.asarray(_DEVIATIONS * shrink * spread)


def _expected(explanation: Explanation, shrink: float) -> pd.DataFrame:
    """Mean expected reward of eligible actions by pairs of factors, each account counting once."""
    actions = explanation.actions
    contact = actions.n_contact_actions
    rewards, allowed = explanation.rewards[:, :contact], explanation.eligible[:, :contact]
    names = actions.factor_names
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[int, ...]] = [*combinations(range(len(names)), 2)]
    for pair in pairs or [(0,)]:
        codes = actions.codes[:contact][:, list(pair)]
        cells, cell = np.unique(codes, axis=0, return_inverse=True)
        member = (cell.reshape(-1)[:, None] == np.arange(len(cells))).astype(np.float64)
        n_eligible = allowed @ member
        mean = (rewards * allowed) @ member / np.where(n_eligible > 0, n_eligible, 1.0)
        for position, levels in enumerate(cells.tolist()):
            known = n_eligible[:, position] > 0
            levels_of_pair = [
                (names[p], str(actions.factors[names[p]][level])) for p, level in zip(pair, levels, strict=True)
            ]
            levels_of_pair += [(None, None)] * (2 - len(levels_of_pair))  # type: ignore[list-item]
            count = int(known.sum())
            value, half = _mean_and_half(mean[known][:, [position]], shrink) if count else (np.zeros(1), np.zeros(1))
            few = count < FEWEST_ACCOUNTS
            rows.append(
                {
                    "factor_a": levels_of_pair[0][0],
                    "level_a": levels_of_pair[0][1],
                    "factor_b": levels_of_pair[1][0],
                    "level_b": levels_of_pair[1][1],
                    "n_accounts": count,
                    "mean": np.nan if few else value[0],
                    "lo": np.nan if few else value[0] - half[0],
                    "hi": np.nan if few else value[0] + half[0],
                }
            )
    return pd.DataFrame(rows)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
