"""Networks of generative models that train on each other's output.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecosystem.agents import ModelAgent as ModelAgent
    from ecosystem.curation import Blind as Blind
    from ecosystem.curation import BestOf as BestOf
    from ecosystem.curation import Crowd as Crowd
    from ecosystem.curation import Curator as Curator
    from ecosystem.curation import Luce as Luce
    from ecosystem.curation import Shift as Shift
    from ecosystem.curation import Tilt as Tilt
    from ecosystem.curation import TopFraction as TopFraction
    from ecosystem.curation import Users as Users

_HOMES = {
    "ecosystem.agents": "ModelAgent",
    "ecosystem.curation": "BestOf Blind Crowd Curator Luce Shift Tilt TopFraction Users",
    "ecosystem.descriptions": "Connect Curate Disconnect Flow Freeze Join Leave Member Thaw",
    "ecosystem.ecosystem": "Ecosystem",
    "ecosystem.generators": "Categorical FlowMatching Gaussian GaussianMixture GenerativeModel Location Training",
    "ecosystem.laws": "NoPopulationLaw",
    "ecosystem.orderings": "sequential shuffled synchronous",
    "ecosystem.recording": "Record",
    "ecosystem.retention": "accumulate replace subsample window",
    "ecosystem.rewards": "Distance Linear Quadratic Tabular",
    "ecosystem.run": "Run",
    "ecosystem.scenario": "Scenario",
    "ecosystem.schedules": "at every never poisson",
    "ecosystem.streams": "Stream",
    "ecosystem.transforms": "LinearMap",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ecosystem' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
