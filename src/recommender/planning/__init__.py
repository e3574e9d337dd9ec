"""Plans over a portfolio, in parts that survive an interruption."""

from recommender.planning.plan_chunk import (
    PlannedChunk,
    PlanOrder,
    plan_chunk,
)
from recommender.planning.plan_inputs import (
    ChunkInputs,
    PlanInputs,
)
from recommender.planning.plan_run import (
    CHUNK_ROWS,
    PlanFiles,
    Planner,
    make_plan,
    plan_here,
)

__all__ = [
    "CHUNK_ROWS",
    "ChunkInputs",
    "PlanFiles",
    "PlanInputs",
    "PlanOrder",
    "PlannedChunk",
    "Planner",
    "make_plan",
    "plan_chunk",
    "plan_here",
]
