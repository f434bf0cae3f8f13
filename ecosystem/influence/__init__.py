"""Influence: what more curation at one model does to the alignment of every other."""

from ecosystem.influence.certificates import Certificates, certificates
from ecosystem.influence.exact import Influence, influence
from ecosystem.influence.findings import Findings
from ecosystem.influence.knockout import KnockOut
from ecosystem.influence.measured import Measured, measure_influence
from ecosystem.influence.room import Needs, needs
from ecosystem.influence.stability import Stability, stability
from ecosystem.influence.stable import StablePoint, stable_point

__all__ = [
    "Certificates",
    "Findings",
    "Influence",
    "KnockOut",
    "Measured",
    "Needs",
    "Stability",
    "StablePoint",
    "certificates",
    "influence",
    "measure_influence",
    "needs",
    "stability",
    "stable_point",
]
