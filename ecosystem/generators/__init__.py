"""Generators: what a member is made of."""

from ecosystem.generators.archive import Archive
from ecosystem.generators.asking import Asking, InputOf
from ecosystem.generators.base import ConditionalModel, GenerativeModel
from ecosystem.generators.categorical import Categorical
from ecosystem.generators.closed_form import ClosedForm
from ecosystem.generators.conditional import ConditionalCategorical, ConditionalGaussian
from ecosystem.generators.flow_matching import FlowMatching
from ecosystem.generators.gaussian import Gaussian
from ecosystem.generators.image_flow import ImageFlow
from ecosystem.generators.location import Location
from ecosystem.generators.mixture import GaussianMixture
from ecosystem.generators.rates import HoldThenDecay, WarmUpCosine
from ecosystem.generators.ridge import Ridge
from ecosystem.generators.sources import Empirical
from ecosystem.generators.training import Training

__all__ = [
    "Archive",
    "Asking",
    "Categorical",
    "ClosedForm",
    "ConditionalCategorical",
    "ConditionalGaussian",
    "ConditionalModel",
    "Empirical",
    "FlowMatching",
    "Gaussian",
    "GaussianMixture",
    "GenerativeModel",
    "HoldThenDecay",
    "ImageFlow",
    "InputOf",
    "Location",
    "Ridge",
    "Training",
    "WarmUpCosine",
]
