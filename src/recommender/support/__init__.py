"""Where the log shows an action and where it never does: regions of the context, counted honestly, named in words."""

from recommender.support.least_likely import find_least_likely
from recommender.support.never_tried import (
    NeverTried,
    Region,
    find_never_tried,
)

__all__ = [
    "NeverTried",
    "Region",
    "find_least_likely",
    "find_never_tried",
]
