"""Plans over a portfolio: in parts that survive an interruption, and of a day under limited capacity."""

from recommender.extras import needs

with needs("planning"):
    from recommender.planning.account_week import account_week
    from recommender.planning.appointments import Appointments
    from recommender.planning.campaign_adapters import (
        Adapter,
        packaged_adapters,
        read_adapter,
    )
    from recommender.planning.campaign_files import (
        not_of_campaigns,
        read_contact_points,
        write_campaigns,
    )
    from recommender.planning.capacity_file import (
        CapacityOrder,
        capacity_of,
        read_capacity,
        with_changes,
    )
    from recommender.planning.capacity_plan import (
        CapacityPlan,
        InfeasiblePlan,
        solve_capacity,
    )
    from recommender.planning.capacity_prices import (
        DualPart,
        collect,
        dual_bound,
        minimise_dual,
    )
    from recommender.planning.capacity_problem import (
        ArrayValues,
        CapacityRows,
        FileValues,
        PlanProblem,
    )
    from recommender.planning.certificate import (
        Certificate,
        certify,
        verify,
    )
    from recommender.planning.decision_table import (
        decisions_of,
    )
    from recommender.planning.kept_decisions import (
        DECISIONS_KEPT,
        LetOut,
        keep_tomorrow,
        let_out,
    )
    from recommender.planning.plan_check import (
        verify_folder,
    )
    from recommender.planning.plan_chunk import (
        PlannedChunk,
        PlanOrder,
        plan_chunk,
    )
    from recommender.planning.plan_day import (
        about_plan,
        plan_day,
    )
    from recommender.planning.plan_inputs import (
        ChunkInputs,
        PlanInputs,
    )
    from recommender.planning.plan_money import (
        PlanDifference,
        compare_plans,
        contacts_by_slot,
        priced_hours,
        priced_rules,
    )
    from recommender.planning.plan_objective import (
        check_plan_objective,
    )
    from recommender.planning.plan_offers import (
        budget_in_log,
        offers_of_plan,
        settle_offers,
    )
    from recommender.planning.plan_run import (
        CHUNK_ROWS,
        PlanFiles,
        Planner,
        make_plan,
        plan_here,
    )
    from recommender.planning.portfolio_read import (
        PortfolioValues,
        people_of_plan,
    )
    from recommender.planning.portfolio_values import (
        read_portfolio,
    )
    from recommender.planning.sent_today import (
        SentToday,
    )
    from recommender.planning.tomorrow import (
        Tomorrow,
        plan_tomorrow,
    )
    from recommender.planning.tomorrow_folder import (
        put_in_place,
        write_tomorrow,
    )
    from recommender.planning.tomorrow_log import (
        ask_log,
        log_tomorrow,
        logged_offers,
    )

__all__ = [
    "CHUNK_ROWS",
    "DECISIONS_KEPT",
    "Adapter",
    "Appointments",
    "ArrayValues",
    "CapacityOrder",
    "CapacityPlan",
    "CapacityRows",
    "Certificate",
    "ChunkInputs",
    "DualPart",
    "FileValues",
    "InfeasiblePlan",
    "LetOut",
    "PlanDifference",
    "PlanFiles",
    "PlanInputs",
    "PlanOrder",
    "PlanProblem",
    "PlannedChunk",
    "Planner",
    "PortfolioValues",
    "SentToday",
    "Tomorrow",
    "about_plan",
    "account_week",
    "ask_log",
    "budget_in_log",
    "capacity_of",
    "certify",
    "check_plan_objective",
    "collect",
    "compare_plans",
    "contacts_by_slot",
    "decisions_of",
    "dual_bound",
    "keep_tomorrow",
    "let_out",
    "log_tomorrow",
    "logged_offers",
    "make_plan",
    "minimise_dual",
    "not_of_campaigns",
    "offers_of_plan",
    "packaged_adapters",
    "people_of_plan",
    "plan_chunk",
    "plan_day",
    "plan_here",
    "plan_tomorrow",
    "priced_hours",
    "priced_rules",
    "put_in_place",
    "read_adapter",
    "read_capacity",
    "read_contact_points",
    "read_portfolio",
    "settle_offers",
    "solve_capacity",
    "verify",
    "verify_folder",
    "with_changes",
    "write_campaigns",
    "write_tomorrow",
]
