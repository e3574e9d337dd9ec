"""From a file that nobody has described to a report: ``recommender quickstart your.csv``."""

from recommender.quickstart.first_look import (
    FirstLook,
    account_lines,
    first_look,
    policy_lines,
    value_map,
)
from recommender.quickstart.log_of_file import (
    log_of_file,
)
from recommender.quickstart.roles import (
    Roles,
    guess_roles,
)
from recommender.quickstart.typed_cells import (
    TypedFrame,
    type_cells,
)

__all__ = [
    "FirstLook",
    "Roles",
    "TypedFrame",
    "account_lines",
    "first_look",
    "guess_roles",
    "log_of_file",
    "policy_lines",
    "type_cells",
    "value_map",
]
