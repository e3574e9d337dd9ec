"""Habits that no context column shows: what actions mean to personal factors, learnt from debtors' own answers."""

from recommender.learning.personal.fit import learn_memory

__all__ = ["learn_memory"]
