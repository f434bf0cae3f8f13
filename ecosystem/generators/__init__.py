"""Generators: what a member is made of."""

from ecosystem.generators.base import ClosedForm, GenerativeModel, Training
from ecosystem.generators.categorical import Categorical
from ecosystem.generators.flow_matching import FlowMatching
from ecosystem.generators.gaussian import Gaussian
from ecosystem.generators.location import Location
from ecosystem.generators.mixture import GaussianMixture
from ecosystem.generators.sources import Empirical

__all__ = [
    "Categorical",
    "ClosedForm",
    "Empirical",
    "FlowMatching",
    "Gaussian",
    "GaussianMixture",
    "GenerativeModel",
    "Location",
    "Training",
]
