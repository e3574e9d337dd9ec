"""What happened: contacts, outcomes and payments become rewards and a checked log."""

from recommender.history.build import (
    BuildReport,
    Built,
    build_feedback,
    context_as_of,
)
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
from recommender.history.instants import (
    read_instants,
)
from recommender.history.ladder import (
    RUNGS,
    Climbed,
)
from recommender.history.leakage import (
    leakage_suspects,
)
from recommender.history.prepared_log import (
    ContextOf,
    PreparedLog,
    as_instant,
    context_of_rows,
    prepare_log,
)
from recommender.history.protected import (
    protected_names,
)
from recommender.history.raw_tables import (
    RawTable,
)
from recommender.history.rewards import (
    Attribution,
)
from recommender.history.row_identity import (
    RowIdentity,
)

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
    "prepare_log",
    "protected_names",
    "read_instants",
]
