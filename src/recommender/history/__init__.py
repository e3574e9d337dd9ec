"""What happened: contacts, outcomes and payments become rewards and a checked log."""

from typing import TYPE_CHECKING

from recommender.history.context import (
    accounts_context,
    log_context,
)
from recommender.history.eligible_sets import (
    EligibleSets,
)
from recommender.history.feedback import (
    LoggedFeedback,
    ProtectedAttributeWarning,
)
from recommender.history.ladder import (
    RUNGS,
    Climbed,
)
from recommender.history.leakage import (
    leakage_suspects,
    named_after_the_fact,
)
from recommender.history.protected import (
    protected_names,
)
from recommender.history.row_identity import (
    RowIdentity,
)
from recommender.late_names import late_names

if TYPE_CHECKING:
    from recommender.history.build import BuildReport, Built, build_feedback, context_as_of
    from recommender.history.instants import read_instants
    from recommender.history.prepared_log import ContextOf, PreparedLog, as_instant, context_of_rows, prepare_log
    from recommender.history.raw_tables import RawTable
    from recommender.history.rewards import Attribution

__all__ = [
    "RUNGS",
    "Attribution",
    "BuildReport",
    "Built",
    "Climbed",
    "ContextOf",
    "EligibleSets",
    "LoggedFeedback",
    "PreparedLog",
    "ProtectedAttributeWarning",
    "RawTable",
    "RowIdentity",
    "accounts_context",
    "as_instant",
    "build_feedback",
    "context_as_of",
    "context_of_rows",
    "leakage_suspects",
    "log_context",
    "named_after_the_fact",
    "prepare_log",
    "protected_names",
    "read_instants",
]

# Raw tables are read with all of intake: who learns from a log, or opens a strategy, does not pay for that.
_LATE = {
    "build": ("BuildReport", "Built", "build_feedback", "context_as_of"),
    "instants": ("read_instants",),
    "prepared_log": ("ContextOf", "PreparedLog", "as_instant", "context_of_rows", "prepare_log"),
    "raw_tables": ("RawTable",),
    "rewards": ("Attribution",),
}
__getattr__ = late_names(__name__, {name: f"{__name__}.{module}" for module, names in _LATE.items() for name in names})


def __dir__() -> list[str]:
    return sorted(__all__)
