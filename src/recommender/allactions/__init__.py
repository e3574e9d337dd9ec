"""Exact scores of all actions of an account, compiled from a gradient-boosted reward model."""

from recommender.allactions.additive import (
    combine_tables,
)
from recommender.allactions.blend import (
    ClassTable,
    TermTable,
    add_disagreement,
    class_scores,
    design_columns,
    fuse_designs,
    products_of_ranked,
    row_sums,
)
from recommender.allactions.boxes import (
    ActionGrid,
)
from recommender.allactions.memberships import (
    ProfileTable,
    codes_of,
    memberships,
)
from recommender.allactions.row_products import (
    row_products,
)
from recommender.allactions.scorer import (
    ActionScorer,
)
from recommender.allactions.tree_shapley import (
    TreeShapley,
)
from recommender.allactions.verification import (
    InexactScorer,
)

__all__ = [
    "ActionGrid",
    "ActionScorer",
    "ClassTable",
    "InexactScorer",
    "ProfileTable",
    "TermTable",
    "TreeShapley",
    "add_disagreement",
    "class_scores",
    "codes_of",
    "combine_tables",
    "design_columns",
    "fuse_designs",
    "memberships",
    "products_of_ranked",
    "row_products",
    "row_sums",
]
