"""Regressions of the reward on context x action: their columns, hidden traits, drift, and what the logger knew."""

from recommender.learning.regression.action_blocks import Crossing
from recommender.learning.regression.bilinear import BilinearModel, Family
from recommender.learning.regression.count_pairs import CountPair, count_pairs
from recommender.learning.regression.drift import Drift, find_drift
from recommender.learning.regression.facets import FacetMean, FacetModel
from recommender.learning.regression.latent_profiles import LatentProfiles
from recommender.learning.regression.linear_design import LinearDesign, LinearTerm
from recommender.learning.regression.logger_directions import logger_directions
from recommender.learning.regression.past_rows import PastRows, continued
from recommender.learning.regression.posterior import posterior_root

__all__ = [
    "BilinearModel",
    "CountPair",
    "Crossing",
    "Drift",
    "FacetMean",
    "FacetModel",
    "Family",
    "LatentProfiles",
    "LinearDesign",
    "LinearTerm",
    "PastRows",
    "continued",
    "count_pairs",
    "find_drift",
    "logger_directions",
    "posterior_root",
]
