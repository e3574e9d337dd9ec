"""A debtor population with known truth: logs, raw tables and a world that answers."""

from recommender.simulation.ceiling import BayesCeiling, bayes_ceiling, persona_posterior
from recommender.simulation.closed_loop import DebtorWorld
from recommender.simulation.draw_log import simulate
from recommender.simulation.faults import FAULT_KINDS, FaultyTables, plant_faults
from recommender.simulation.habits import HabitLog, simulate_habits
from recommender.simulation.log import SimulatedLog
from recommender.simulation.pending_events import Answer
from recommender.simulation.personas import contact_actions
from recommender.simulation.policy_value import Rollout, value_one_step, value_rollout
from recommender.simulation.portfolio import simulate_portfolio
from recommender.simulation.raw_tables import SimulatedTables, simulate_tables
from recommender.simulation.surfaces import SurfaceLog, simulate_surfaces
from recommender.simulation.trials import CUTS, CutLog, Trial, cut_trial, read_hillstrom, simulated_trial

__all__ = [
    "CUTS",
    "FAULT_KINDS",
    "Answer",
    "BayesCeiling",
    "CutLog",
    "DebtorWorld",
    "FaultyTables",
    "HabitLog",
    "Rollout",
    "SimulatedLog",
    "SimulatedTables",
    "SurfaceLog",
    "Trial",
    "bayes_ceiling",
    "contact_actions",
    "cut_trial",
    "persona_posterior",
    "plant_faults",
    "read_hillstrom",
    "simulate",
    "simulate_habits",
    "simulate_portfolio",
    "simulate_surfaces",
    "simulate_tables",
    "simulated_trial",
    "value_one_step",
    "value_rollout",
]
