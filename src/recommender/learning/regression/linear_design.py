"""Encoded context as the columns of a linear model: numbers, frequent categories, shrunken rates, latent profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.encoding import ColumnCode, ContextEncoder
from recommender.learning.regression.count_pairs import CountPair
from recommender.learning.regression.latent_profiles import LatentProfiles
from recommender.learning.regression.shrunken_rates import beta_prior, shrunken_rate

__all__ = ["HARMONICS", "LinearDesign", "LinearTerm", "skewness"]

_CLIP = 4.0  # standard deviations: beyond, a number is an outlier of its export
_MOST_LEVELS = 40  # indicators a category
_BENDS = (0.15, 0.35, 0.5, 0.65, 0.85)  # quantiles where a number may bend
_MOST_TERMS = 400  # of a design: weights are terms x actions
_MOST_CELLS = 1.2e8  # rows x terms: 1 GB
_WORTH_MARKING = 0.002  # share of missing values from which they get an indicator
_MEMBERSHIP = 0.5  # a membership runs from 0 to 1, which is about two standard deviations of a number
HARMONICS = 2  # waves of the whole period and of half of it
_OF_COLUMNS = frozenset({"number", "log", "missing", "level", "rate"})  # kinds that are read from a context column


@dataclass(frozen=True)
class LinearTerm:
    """One column of the design.

    Attributes
    ----------
    kind : {"one", "number", "log", "missing", "level", "rate", "bend", "profile", "wave"}
        Constant, standardised number, standardised signed log, indicator of missing, indicator of a category code,
        shrunken log-odds of an account's own success rate, saturating function of an earlier term, membership of a
        latent class, wave round the clock.
    source : int
        Encoded column (for ``rate`` the trials); for ``profile`` the membership's place after all encoded columns.
    other : int
        For ``rate`` the successes; for ``level`` the category code; for ``bend`` the term that is bent;
        for ``wave`` how often it turns in a period, negative for the sine.
    group : int
        Terms of one group share their precisions.
    centre, scale : float
        For ``rate`` the prior rate and its strength in trials; for ``bend`` where it bends and its mean; for
        ``wave`` its mean and the period.
    crossed : bool
        Whether actions may differ in its effect.
    """

    kind: Literal["one", "number", "log", "missing", "level", "rate", "bend", "profile", "wave"]
    source: int = -1
    other: int = -1
    group: int = 0
    centre: float = 0.0
    scale: float = 1.0
    crossed: bool = True


class LinearDesign:
    """Columns of the linear model.

    Attributes
    ----------
    terms : tuple of LinearTerm
    matched : tuple of (factor position, tuple of (term, level code))
        Rate terms that speak of one level of one factor, by factor.
    profiles : LatentProfiles or None
        Where memberships come from.
    """

    def __init__(
        self,
        terms: tuple[LinearTerm, ...],
        matched: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = (),
        profiles: LatentProfiles | None = None,
    ) -> None:
        self.terms = terms
        self.matched = matched
        self.profiles = profiles

    @property
    def groups(self) -> NDArray[np.int64]:
        """Group of each term; group 0 is the constant."""
        return np.array([term.group for term in self.terms], dtype=np.int64)

    @classmethod
    def fit(
        cls,
        encoder: ContextEncoder,
        X: NDArray[np.float64],
        pairs: Sequence[CountPair],
        actions: ActionSpace,
        profiles: LatentProfiles | None = None,
        *,
        straight: frozenset[int] = frozenset(),
    ) -> LinearDesign:
        """Choose terms, scales and priors of rates from the training rows.

        Parameters
        ----------
        pairs : sequence of CountPair
            Columns of trials and successes, whose rate stands for the successes.
        profiles : LatentProfiles, optional
            Their memberships become terms, one group of precisions a profile.
        straight : frozenset of int
            Encoded columns that stay what they are, however skewed; they share their precisions.
        """
        terms = [LinearTerm("one")]
        matched: dict[int, list[tuple[int, int]]] = {}
        for group, (key, trials, successes) in enumerate(pairs, start=1):
            prior, strength = beta_prior(X[:, trials], X[:, successes])
            if (level := _level_of(key, actions)) is not None:
                matched.setdefault(level[0], []).append((len(terms), level[1]))
            terms.append(LinearTerm("rate", trials, successes, group, prior, strength))
        used = {successes for _, _, successes in pairs}
        for position, column in enumerate(encoder.columns):
            if position not in used and position not in straight:
                terms += _column_terms(X[:, position], position, column, group=terms[-1].group)
        terms += _straight_terms(X, sorted(straight), group=terms[-1].group)
        if profiles is not None and profiles.profiles:
            terms += _profile_terms(profiles, X, group=terms[-1].group)
        return cls(tuple(terms), tuple((k, tuple(v)) for k, v in sorted(matched.items())), profiles)

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Build the design, shape (n, n_terms); missing values stand at the mean, marked by their indicator."""
        U = np.empty((len(X), len(self.terms)), dtype=np.float64)
        if self.profiles is not None and any(term.kind == "profile" for term in self.terms):
            X = self.profiles.widen(X)
        for j, term in enumerate(self.terms):
            U[:, j] = (
                _bend(U[:, term.other], term.centre) - term.scale if term.kind == "bend" else self._column(term, X)
            )
        return U

    def by_profile(self) -> LinearDesign:
        """Same terms, but actions differ by profile only: what its signs say of an action goes through the profile."""
        signs = frozenset().union(*self.profiles.signs) if self.profiles is not None else frozenset()
        terms = []
        for term in self.terms:
            spoken_for = term.kind in _OF_COLUMNS and (
                term.source in signs or (term.kind == "rate" and term.other in signs)
            )
            terms.append(replace(term, crossed=not spoken_for))
        return LinearDesign(tuple(terms), self.matched, self.profiles)

    def curved(
        self,
        X: NDArray[np.float64],
        U: NDArray[np.float64],
        *,
        straight: frozenset[int] = frozenset(),
        dials: Mapping[int, float] = MappingProxyType({}),
    ) -> LinearDesign:
        """Add saturating functions of every number, so that effects may bend; each number's bends share precisions.

        Columns are added while the design stays within memory: fewer where there are very many rows. Terms of the
        encoded columns in ``straight`` are not bent. Those in ``dials`` get waves of the given period: crossed with
        the levels of an hour, a wave is a function of the time between the two.
        """
        most = min(_MOST_TERMS, max(len(self.terms), int(_MOST_CELLS / max(len(U), 1))))
        terms, group = list(self.terms), int(self.groups.max())
        for position, period in dials.items():
            group += 1
            terms += _waves(X[:, position], position, period, group)
        for j, term in enumerate(self.terms):
            if term.kind not in {"number", "log", "rate"} or term.source in straight:
                continue
            u = U[:, j]
            points = np.unique(np.quantile(u, _BENDS))
            if len(points) < 2 or len(terms) + len(points) > most:
                continue
            group += 1
            terms += [LinearTerm("bend", -1, j, group, float(p), float(_bend(u, p).mean())) for p in points]
        return LinearDesign(tuple(terms), self.matched, self.profiles)

    @staticmethod
    def _column(term: LinearTerm, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if term.kind == "one":
            return np.ones(len(X))
        values = X[:, term.source]
        if term.kind == "missing":
            return np.asarray(np.isnan(values) - term.centre, dtype=np.float64)
        if term.kind == "profile":
            return np.asarray((values - term.centre) / term.scale, dtype=np.float64)
        if term.kind == "level":
            return np.asarray(values == term.other, dtype=np.float64)
        if term.kind == "rate":
            rate = np.clip(shrunken_rate(values, X[:, term.other], term.centre, term.scale), 1e-6, 1 - 1e-6)
            return np.asarray(np.log(rate / (1 - rate)) - np.log(term.centre / (1 - term.centre)), dtype=np.float64)
        if term.kind == "wave":
            return np.asarray(np.nan_to_num(_wave(values, term.other, term.scale) - term.centre, nan=0.0))
        if term.kind == "log":
            values = np.sign(values) * np.log1p(np.abs(values))
        scaled = np.clip((values - term.centre) / term.scale, -_CLIP, _CLIP)
        return np.asarray(np.nan_to_num(scaled, nan=0.0), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description; :meth:`from_dict` is its inverse."""
        return {
            "terms": [[t.kind, t.source, t.other, t.group, t.centre, t.scale, t.crossed] for t in self.terms],
            "matched": [[factor, [list(pair) for pair in pairs]] for factor, pairs in self.matched],
        }

    @classmethod
    def from_dict(cls, described: dict[str, Any], profiles: LatentProfiles | None = None) -> LinearDesign:
        """Rebuild a design from :meth:`to_dict` and its profiles, which designs share."""
        return cls(
            tuple(LinearTerm(*term) for term in described["terms"]),
            tuple((factor, tuple((j, code) for j, code in pairs)) for factor, pairs in described["matched"]),
            profiles,
        )


def _level_of(key: tuple[str, object], actions: ActionSpace) -> tuple[int, int] | None:
    """Position of a factor and code of its level, where the action space has them."""
    factor, level = key
    if factor not in actions.factors or level not in actions.factors[factor]:
        return None
    return actions.factor_names.index(factor), actions.factors[factor].index(level)


def _column_terms(values: NDArray[np.float64], position: int, column: ColumnCode, *, group: int) -> list[LinearTerm]:
    """Terms of one encoded column, in groups after ``group``: a number or its frequent levels, and being missing."""
    missing = np.isnan(values)
    present = values[~missing]
    if present.size == 0:
        return []
    group += 1
    terms: list[LinearTerm] = []
    if column.kind == "number":
        finite = present[np.isfinite(present)]
        if finite.size and np.ptp(finite) > 0:
            terms.append(_number_term(finite, position, group))
    else:
        counts = np.bincount(present.astype(np.int64), minlength=len(column.categories) + 1)
        enough = max(10, len(values) // 2_000)
        frequent = [code for code in np.argsort(-counts, kind="stable") if counts[code] >= enough]
        if len(frequent) > 1 or missing.any():
            terms += [LinearTerm("level", position, int(c), group) for c in sorted(frequent[:_MOST_LEVELS])]
    if missing.mean() > _WORTH_MARKING:
        terms.append(LinearTerm("missing", position, -1, group + 1, float(missing.mean())))
    return terms


def _straight_terms(X: NDArray[np.float64], positions: Sequence[int], *, group: int) -> list[LinearTerm]:
    """Numbers that are not bent, in one group: what they mean for each action is known beforehand."""
    spread = {position: float(np.nanstd(X[:, position])) for position in positions}
    return [
        LinearTerm("number", one, -1, group + 1, 0.0, size, crossed=False) for one, size in spread.items() if size > 0.0
    ]


def _profile_terms(profiles: LatentProfiles, X: NDArray[np.float64], *, group: int) -> list[LinearTerm]:
    """Memberships of every class, one group a profile; they stand behind all encoded columns."""
    mean = profiles.memberships(X).mean(axis=0)
    profile_of = np.repeat(np.arange(len(profiles.n_classes)), profiles.n_classes)
    return [
        LinearTerm("profile", X.shape[1] + column, -1, group + 1 + int(profile), float(mean[column]), _MEMBERSHIP)
        for column, profile in enumerate(profile_of)
    ]


def _bend(values: NDArray[np.float64], point: float) -> NDArray[np.float64]:
    return np.asarray(np.tanh(2.0 * (values - point)), dtype=np.float64)


def _waves(values: NDArray[np.float64], position: int, period: float, group: int) -> list[LinearTerm]:
    """Cosine and sine of each harmonic, in one group."""
    turns = [sign * k for k in range(1, HARMONICS + 1) for sign in (1, -1)]
    return [
        LinearTerm("wave", position, turn, group, float(np.nanmean(_wave(values, turn, period))), period)
        for turn in turns
    ]


def _wave(values: NDArray[np.float64], turns: int, period: float) -> NDArray[np.float64]:
    """Of hours: what lies off the dial (a code such as -1 or 99) is unknown."""
    angle = 2.0 * np.pi * abs(turns) / period * np.where((values >= 0.0) & (values <= period), values, np.nan)
    return np.asarray(np.cos(angle) if turns > 0 else np.sin(angle), dtype=np.float64)


def _number_term(present: NDArray[np.float64], position: int, group: int) -> LinearTerm:
    """Standardise robustly; take the log first where that makes a long tail shorter."""
    logged = np.sign(present) * np.log1p(np.abs(present))
    kind: Literal["number", "log"] = (
        "log" if skewness(present) > 1.0 and skewness(logged) < skewness(present) else "number"
    )
    values = logged if kind == "log" else present
    low, high = np.quantile(values, [0.005, 0.995])
    core = np.clip(values, low, high)
    return LinearTerm(kind, position, -1, group, float(core.mean()), float(core.std() or values.std() or 1.0))


def skewness(values: NDArray[np.float64]) -> float:
    """Size of the third standardised moment; 0 of a constant."""
    spread = float(values.std())
    return float(abs(((values - values.mean()) ** 3).mean()) / spread**3) if spread > 0 else 0.0
