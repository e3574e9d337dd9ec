"""Exact scores of all actions of a row at once, compiled from a gradient-boosted model, with its Shapley values.

A room of its own: it knows numbers, factors and levels, imports numpy and numba alone, and can be copied out and used
without the package around it. How loops are compiled (``compiled``) is said here for the whole house.
"""

from .blend import (
    ClassTable,
    TermTable,
    add_disagreement,
    class_scores,
    design_columns,
    fuse_designs,
    products_of_ranked,
    row_sums,
)
from .boxes import (
    ActionGrid,
)
from .errors import (
    InexactScorer,
    KernelError,
)
from .machine_code import (
    compiled,
)
from .memberships import (
    ProfileTable,
    codes_of,
    memberships,
)
from .row_products import (
    row_products,
)
from .scorer import (
    ActionScorer,
)
from .tree_shapley import (
    TreeShapley,
)

__all__ = [
    "ActionGrid",
    "ActionScorer",
    "ClassTable",
    "InexactScorer",
    "KernelError",
    "ProfileTable",
    "TermTable",
    "TreeShapley",
    "add_disagreement",
    "class_scores",
    "codes_of",
    "compiled",
    "design_columns",
    "fuse_designs",
    "memberships",
    "products_of_ranked",
    "row_products",
    "row_sums",
]
