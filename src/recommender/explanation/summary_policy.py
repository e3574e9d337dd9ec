"""A readable summary of a policy: a shallow tree distilled from it, how faithful it is, and a policy of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from recommender.errors import IncompatibleLog, InvalidInput
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.served import ServedModel
from recommender.history import LoggedFeedback
from recommender.strategy import ContactStrategy, check_eligible

__all__ = ["SummaryPolicy", "distil"]

Floats = NDArray[np.float64]

_MOST_CATEGORIES = 12
_HELD_OUT = 0.3


@dataclass(frozen=True)
class _Question:
    """One column of the tree: a number (missing as its median), missing or not, or one category or not."""

    name: str
    source: int
    kind: str
    code: float = 0.0
    category: str = ""

    def column(self, X: Floats) -> Floats:
        values = X[:, self.source]
        if self.kind == "number":
            return np.where(np.isnan(values), self.code, values)
        if self.kind == "missing":
            return np.isnan(values).astype(np.float64)
        return np.asarray(values == self.code, dtype=np.float64)

    def answer(self, threshold: float, *, above: bool) -> str:
        if self.kind == "number":
            return f"{self.name} {'>' if above else '<='} {threshold:,.6g}"
        if self.kind == "missing":
            return f"{self.name} is {'' if above else 'not '}missing"
        return f"{self.name} is {'' if above else 'not '}{self.category}"


@dataclass(frozen=True, eq=False)
class SummaryPolicy:
    """At most ``2 ** max_depth`` segments with one order of the actions each.

    Attributes
    ----------
    tree : DecisionTreeClassifier
    leaf_rewards : dict of int to ndarray of shape (n_actions,)
        Mean expected reward of every action in each leaf; its best eligible action is taken.
    fidelity : float
        Share of held-out accounts that get the very action the policy recommends.
    fidelity_by_factor : dict of str to float
        The same for one factor of the action.
    value_kept : float
        Modelled reward of the summary on held-out accounts over that of the policy's recommended actions.
    n_held_out : int
    """

    served: ServedModel
    questions: tuple[_Question, ...]
    tree: DecisionTreeClassifier
    leaf_rewards: dict[int, Floats]
    leaf_sizes: dict[int, int]
    fidelity: float
    fidelity_by_factor: dict[str, float]
    value_kept: float
    n_held_out: int

    def action_probabilities(
        self,
        accounts: pd.DataFrame,
        eligible: Any | None = None,
        history: pd.DataFrame | None = None,
        *,
        as_of: Any | None = None,
    ) -> Floats:
        """One action an account, shape (n, n_actions): the best eligible one of its segment."""
        X = self.served.encode(self.served.context(accounts, history, as_of))
        return self._probabilities(X, check_eligible(eligible, len(X), self.served.actions))

    def log_probabilities(self, log: LoggedFeedback) -> Floats:
        """The same for the decisions of a log, each with what was known then: what ``evaluate_policy`` takes.

        Raises
        ------
        IncompatibleLog
            When the log has other actions.
        """
        if log.actions != self.served.actions:
            raise IncompatibleLog(
                f"The log has {log.actions!r}, the summary {self.served.actions!r}.",
                column="actions",
                mend="Build both with the same ActionSpace.",
            )
        X = self.served.encode(self.served.log_context(log))
        return self._probabilities(X, check_eligible(log.eligible, len(X), self.served.actions))

    def _probabilities(self, X: Floats, allowed: NDArray[np.bool_]) -> Floats:
        chosen = _choices(self.tree.apply(_design(self.questions, X)), self.leaf_rewards, allowed)
        answer = np.zeros(allowed.shape)
        answer[np.arange(len(X)), chosen] = 1.0
        return answer

    def to_frame(self) -> pd.DataFrame:
        """One row a segment: ``rule``, ``share`` of the accounts, the factors of its action, ``expected_reward``."""
        structure = self.tree.tree_
        rules: dict[int, list[str]] = {0: []}
        for node in range(structure.node_count):
            left, right = int(structure.children_left[node]), int(structure.children_right[node])
            if left < 0:
                continue
            question = self.questions[int(structure.feature[node])]
            threshold = float(structure.threshold[node])
            rules[left] = [*rules[node], question.answer(threshold, above=False)]
            rules[right] = [*rules[node], question.answer(threshold, above=True)]
        leaves = list(self.leaf_rewards)
        best = np.array([int(self.leaf_rewards[leaf].argmax()) for leaf in leaves])
        total = sum(self.leaf_sizes.values())
        head = pd.DataFrame(
            {
                "rule": [" and ".join(rules[leaf]) or "every account" for leaf in leaves],
                "share": [self.leaf_sizes[leaf] / total for leaf in leaves],
            }
        )
        frame = pd.concat([head, self.served.actions.describe(best)], axis=1)
        frame["expected_reward"] = [float(self.leaf_rewards[leaf].max()) for leaf in leaves]
        return frame


def distil(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    factor: str | None = None,
    max_depth: int = 3,
    eligible: Any | None = None,
    history: pd.DataFrame | None = None,
    as_of: Any | None = None,
    min_share: float = 0.02,
    random_state: int = 0,
) -> SummaryPolicy:
    """Distil a strategy into a few segments.

    The tree learns which action (or which level of one factor) is recommended; each segment then takes the action with
    the largest mean expected reward in it. Protected columns are never asked for.

    Parameters
    ----------
    strategy : ContactStrategy
    accounts : DataFrame
        At least 20; three in ten are held out to measure the fidelity.
    factor : str or None
        Split by this factor of the recommended action only; None = the whole action.
    max_depth : int, default=3
    eligible, history, as_of
        As for :meth:`ContactStrategy.recommend`.
    min_share : float, default=0.02
        Smallest share of the accounts in a segment.
    random_state : int

    Returns
    -------
    SummaryPolicy
    """
    served = ServedModel(strategy)
    if len(accounts) < 20:
        raise InvalidInput(
            f"A summary needs at least 20 accounts; got {len(accounts)}.", column="accounts", mend="Pass more accounts."
        )
    if factor is not None and factor not in served.actions.factors:
        raise InvalidInput.in_column(
            "factor", "is unknown", values=[factor], mend=f"Use one of {list(served.actions.factor_names)}."
        )
    context = served.context(accounts, history, as_of)
    X = served.encode(context)
    rewards = served.rewards(served.margins(X))
    allowed = check_eligible(eligible, len(X), served.actions)
    recommended = np.where(allowed, rewards, -np.inf).argmax(axis=1)
    target = recommended
    if factor is not None:
        target = served.actions.codes[recommended, served.actions.factor_names.index(factor)]
    shuffled = np.random.default_rng(random_state).permutation(len(X))
    held_out, training = np.split(shuffled, [max(1, int(_HELD_OUT * len(X)))])
    questions = _questions(served, X[training])
    tree = DecisionTreeClassifier(
        max_depth=max_depth, min_samples_leaf=max(1, int(min_share * len(training))), random_state=random_state
    ).fit(_design(questions, X[training]), target[training])
    leaf = tree.apply(_design(questions, X[training]))
    leaf_rewards = {int(node): rewards[training][leaf == node].mean(axis=0) for node in np.unique(leaf)}
    chosen = _choices(tree.apply(_design(questions, X[held_out])), leaf_rewards, allowed[held_out])
    wanted = recommended[held_out]
    codes = served.actions.codes
    rows = np.arange(len(held_out))
    best = float(rewards[held_out][rows, wanted].mean())
    return SummaryPolicy(
        served=served,
        questions=questions,
        tree=tree,
        leaf_rewards=leaf_rewards,
        leaf_sizes={int(node): int((leaf == node).sum()) for node in np.unique(leaf)},
        fidelity=float((chosen == wanted).mean()),
        fidelity_by_factor={
            name: float((codes[chosen, position] == codes[wanted, position]).mean())
            for position, name in enumerate(served.actions.factor_names)
        },
        value_kept=float(rewards[held_out][rows, chosen].mean()) / best if best != 0.0 else float("nan"),
        n_held_out=len(held_out),
    )


def _choices(leaf: NDArray[np.int64], rewards: dict[int, Floats], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    nodes, leaf_index = np.unique(leaf, return_inverse=True)
    table = np.stack([rewards[int(node)] for node in nodes])
    return np.asarray(np.where(allowed, table[leaf_index], -np.inf).argmax(axis=1), dtype=np.int64)


def _questions(served: ServedModel, X: Floats) -> tuple[_Question, ...]:
    concepts = ConceptGroups.default()
    questions: list[_Question] = []
    for position, column in enumerate(served.encoder.columns):
        if concepts.is_protected(column.name):
            continue
        values = X[:, position]
        missing = np.isnan(values)
        if missing.all():
            continue
        if column.kind == "number":
            questions.append(_Question(column.name, position, "number", float(np.nanmedian(values))))
        else:
            questions += [
                _Question(column.name, position, "category", float(code), category)
                for code, category in enumerate(column.categories[:_MOST_CATEGORIES], start=1)
            ]
        if missing.any():
            questions.append(_Question(column.name, position, "missing"))
    return tuple(questions)


def _design(questions: tuple[_Question, ...], X: Floats) -> Floats:
    return np.column_stack([question.column(X) for question in questions])
