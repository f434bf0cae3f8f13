"""Which settings matter, when something happens, and how many seeds are enough: questions to the results of a study."""

from ecosystem.study.sensitivity.boxes import Box
from ecosystem.study.sensitivity.discovery import Discovery, discover
from ecosystem.study.sensitivity.indices import sensitivity
from ecosystem.study.sensitivity.precision import Precision, precision
from ecosystem.study.sensitivity.told import Sensitivity

__all__ = ["Box", "Discovery", "Precision", "Sensitivity", "discover", "precision", "sensitivity"]
