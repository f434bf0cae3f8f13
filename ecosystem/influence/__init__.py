"""Influence: what more curation at one model does to the alignment of every other."""

from ecosystem.influence.exact import Influence, influence
from ecosystem.influence.knockout import KnockOut
from ecosystem.influence.stability import Stability, stability
from ecosystem.influence.stable import StablePoint, stable_point

__all__ = ["Influence", "KnockOut", "Stability", "StablePoint", "influence", "stability", "stable_point"]
