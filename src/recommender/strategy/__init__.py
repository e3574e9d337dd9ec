"""The one object that is trained, saved and served: expected rewards to a policy to ranked actions."""

from recommender.strategy.cold_start import (
    SeedStrategy,
)
from recommender.strategy.contact_strategy import (
    ContactStrategy,
)
from recommender.strategy.inputs import (
    account_frame,
    checked_log,
)
from recommender.strategy.own_rows import (
    OwnRows,
)
from recommender.strategy.policy import (
    best_constant,
    check_eligible,
    epsilon_greedy,
    mask_and_normalise,
    softmax,
    temperature_for_cost,
    uniform,
)
from recommender.strategy.ranking import (
    dispatch_numbers,
    rank_actions,
)
from recommender.strategy.recommendation import (
    FEW,
    Belief,
    Moment,
    nothing_learnt,
)
from recommender.strategy.seed_rules import (
    STAGES,
    applies_to,
    scores_by_stage,
    seed_rule_scores,
    stage_of,
    stages_of,
)
from recommender.strategy.trained_on import (
    check_learnable,
)
from recommender.strategy.values import (
    is_value,
    money_of,
)

__all__ = [
    "FEW",
    "STAGES",
    "Belief",
    "ContactStrategy",
    "Moment",
    "OwnRows",
    "SeedStrategy",
    "account_frame",
    "applies_to",
    "best_constant",
    "check_eligible",
    "check_learnable",
    "checked_log",
    "dispatch_numbers",
    "epsilon_greedy",
    "is_value",
    "mask_and_normalise",
    "money_of",
    "nothing_learnt",
    "rank_actions",
    "scores_by_stage",
    "seed_rule_scores",
    "softmax",
    "stage_of",
    "stages_of",
    "temperature_for_cost",
    "uniform",
]
