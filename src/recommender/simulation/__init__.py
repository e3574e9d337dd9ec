"""A debtor population with known truth: logs, raw tables and a world that answers."""

from recommender.simulation.log import SimulatedLog, simulate

__all__ = ["SimulatedLog", "simulate"]
