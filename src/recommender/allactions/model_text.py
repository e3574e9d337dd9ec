"""LightGBM's text model, read into arrays that decide exactly as LightGBM does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import KernelError

__all__ = ["ZERO_THRESHOLD", "Tree", "TreeEnsemble", "goes_left", "parse_model"]

# LightGBM compares with the single-precision 1e-35: anything not larger counts as zero.
ZERO_THRESHOLD = float(np.float32(1e-35))

_CATEGORICAL = 1
_DEFAULT_LEFT = 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


@dataclass(frozen=True)
class Tree:
    """One decision tree; children >= 0 are nodes, ``~child`` is a leaf.

    Attributes
    ----------
    feature, left, right : ndarray of shape (n_nodes,), dtype int64
    threshold : ndarray of shape (n_nodes,)
        Upper end (inclusive) of the left side; unused where categorical.
    categorical, default_left : ndarray of shape (n_nodes,), dtype bool
    missing : ndarray of shape (n_nodes,), dtype int64
        0 none, 1 zero (and NaN) is missing, 2 NaN is missing.
    categories : tuple of ndarray
        Categories that go left, for each node; empty where numeric.
    leaf_value : ndarray of shape (n_leaves,)
    node_count, leaf_count : ndarray
        Training rows that came by; empty where the text does not say.
    """

    feature: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    threshold: NDArray[np.float64]
    categorical: NDArray[np.bool_]
    default_left: NDArray[np.bool_]
    missing: NDArray[np.int64]
    categories: tuple[NDArray[np.int64], ...]
    leaf_value: NDArray[np.float64]
    node_count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    leaf_count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class TreeEnsemble:
    """Trees whose leaf values add up to the raw score.

    Attributes
    ----------
    n_columns : int
        Width of the matrix that the booster predicts from.
    column_names : tuple of str
    trees : tuple of Tree
        Leaf values already hold the weight of the member. A random forest is a sum too: its raw score is not averaged.
    pandas_categories : tuple of tuple
        Categories of the frame that the booster was trained on, for each of its category columns: the booster reads
        their positions.
    """

    n_columns: int
    column_names: tuple[str, ...]
    trees: tuple[Tree, ...]
    pandas_categories: tuple[tuple[Any, ...], ...] = ()


def parse_model(text: str) -> TreeEnsemble:
    """Read what ``Booster.model_to_string()`` writes.

    Parameters
    ----------
    text : str

    Returns
    -------
    TreeEnsemble

    Raises
    ------
    KernelError
        When the text is no LightGBM model, has several outputs per row (multiclass) or linear leaves.
    """
    body, _, rest = text.partition("\nend of trees")
    header, *blocks = body.split("\nTree=")
    fields = _fields(header)
    if "max_feature_idx" not in fields:
        raise KernelError(
            "The text is not a LightGBM model: it has no max_feature_idx.",
            column="booster",
            mend="Pass the text of Booster.model_to_string().",
        )
    outputs = max(int(fields.get("num_class", "1")), int(fields.get("num_tree_per_iteration", "1")))
    if outputs > 1:
        raise KernelError(
            f"The booster has {outputs} scores a row (multiclass); ranking actions needs one.",
            column="booster",
            mend="Train a binary, regression, Poisson or Tweedie objective, or one booster a class.",
        )
    trees = tuple(_tree(block, index) for index, block in enumerate(blocks))
    n_columns = int(fields["max_feature_idx"]) + 1
    names = tuple(fields.get("feature_names", "").split(" "))
    return TreeEnsemble(n_columns, names if len(names) == n_columns else (), trees, _pandas_categories(rest))


def scaled(tree: Tree, weight: float) -> Tree:
    """Return the tree with its leaf values times ``weight``."""
    return Tree(**{**tree.__dict__, "leaf_value": tree.leaf_value * weight})


def goes_left(tree: Tree, node: int, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the given feature values go to the left child, as ``Booster.predict`` decides.

    Parameters
    ----------
    tree : Tree
    node : int
    values : ndarray of shape (n,)
        Raw values; NaN is missing.

    Returns
    -------
    ndarray of shape (n,), dtype bool
    """
    value = np.where(np.abs(values) <= ZERO_THRESHOLD, 0.0, values)
    nan = np.isnan(value)
    if tree.categorical[node]:
        # LightGBM casts to int32 (towards zero: -0.5 is category 0); what does not fit goes right.
        fits = ~nan & (value > -1.0) & (value < 2.0**31)
        category = np.where(fits, value, -1.0).astype(np.int64)
        return np.isin(category, tree.categories[node])
    missing = tree.missing[node]
    if missing == MISSING_NAN:
        absent = nan
    else:
        value = np.where(nan, 0.0, value)
        absent = (value == 0.0) if missing == MISSING_ZERO else np.zeros(value.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(absent, tree.default_left[node], value <= tree.threshold[node]), dtype=bool)


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _pandas_categories(rest: str) -> tuple[tuple[Any, ...], ...]:
    _, lists_text, after = rest.rpartition("\npandas_categorical:")
    lists = json.loads(after.splitlines()[0]) if lists_text else None
    return tuple(tuple(categories) for categories in lists or ())


def _tree(block: str, index: int) -> Tree:
    fields = _fields(block)
    if int(fields.get("is_linear", "0")):
        raise KernelError(
            f"Tree {index} has linear models in its leaves (linear_tree=true): its scores are not sums of leaf values.",
            column="booster",
            mend="Train with linear_tree=False.",
        )
    n_leaves = int(fields["num_leaves"])
    leaf_value = _floats(fields["leaf_value"])[:n_leaves]
    if not np.isfinite(leaf_value).all():
        raise KernelError(
            f"Tree {index} has a leaf value that is not finite.", column="booster", mend="Retrain the booster."
        )
    if n_leaves <= 1:
        none = np.zeros(0, dtype=np.int64)
        no = np.zeros(0, dtype=bool)
        return Tree(none, none, none, np.zeros(0), no, no, none, (), leaf_value)
    decision = _integers(fields["decision_type"])
    threshold = _floats(fields["threshold"])
    categorical = (decision & _CATEGORICAL) > 0
    return Tree(
        feature=_integers(fields["split_feature"]),
        left=_integers(fields["left_child"]),
        right=_integers(fields["right_child"]),
        threshold=threshold,
        categorical=categorical,
        default_left=(decision & _DEFAULT_LEFT) > 0,
        missing=(decision >> 2) & 3,
        categories=_categories(fields, threshold, categorical),
        leaf_value=leaf_value,
        node_count=_integers(fields.get("internal_count", "")),
        leaf_count=_integers(fields.get("leaf_count", "")),
    )


def _categories(
    fields: dict[str, str], threshold: NDArray[np.float64], categorical: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], ...]:
    """Expand the bit sets of categorical nodes; their ``threshold`` is the number of the set."""
    nothing = np.zeros(0, dtype=np.int64)
    if not categorical.any():
        return (nothing,) * len(categorical)
    boundaries = _integers(fields["cat_boundaries"])
    words = np.array(fields["cat_threshold"].split(), dtype=np.uint32)
    sets = []
    for node, is_categorical in enumerate(categorical.tolist()):
        if not is_categorical:
            sets.append(nothing)
            continue
        which = int(threshold[node])
        bits = words[boundaries[which] : boundaries[which + 1]].astype("<u4").view(np.uint8)
        sets.append(np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.int64))
    return tuple(sets)


def _floats(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), dtype=np.float64)


def _integers(text: str) -> NDArray[np.int64]:
    return np.array(text.split(), dtype=np.int64)
