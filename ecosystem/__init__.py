"""Networks of generative models that train on each other's output.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ecosystem.core.version import VERSION as __version__  # noqa: F401

if TYPE_CHECKING:
    from ecosystem.core.laws import NoPopulationLaw as NoPopulationLaw
    from ecosystem.core.samples import Pairs as Pairs
    from ecosystem.core.streams import Stream as Stream
    from ecosystem.curation import BestOf as BestOf
    from ecosystem.curation import BestResponse as BestResponse
    from ecosystem.curation import Blind as Blind
    from ecosystem.curation import BradleyTerry as BradleyTerry
    from ecosystem.curation import Capacity as Capacity
    from ecosystem.curation import Community as Community
    from ecosystem.curation import Comparisons as Comparisons
    from ecosystem.curation import Crowd as Crowd
    from ecosystem.curation import Curator as Curator
    from ecosystem.curation import Demand as Demand
    from ecosystem.curation import Drift as Drift
    from ecosystem.curation import Flips as Flips
    from ecosystem.curation import Habit as Habit
    from ecosystem.curation import Intake as Intake
    from ecosystem.curation import Learner as Learner
    from ecosystem.curation import Luce as Luce
    from ecosystem.curation import Preferences as Preferences
    from ecosystem.curation import Quota as Quota
    from ecosystem.curation import Relearned as Relearned
    from ecosystem.curation import Replicator as Replicator
    from ecosystem.curation import Shift as Shift
    from ecosystem.curation import Softmax as Softmax
    from ecosystem.curation import Threshold as Threshold
    from ecosystem.curation import Tilt as Tilt
    from ecosystem.curation import TopFraction as TopFraction
    from ecosystem.curation import Users as Users
    from ecosystem.curation import Within as Within
    from ecosystem.curation import Writing as Writing
    from ecosystem.curation import learned as learned
    from ecosystem.decisions import Candidate as Candidate
    from ecosystem.decisions import Ensemble as Ensemble
    from ecosystem.decisions import Level as Level
    from ecosystem.decisions import Observations as Observations
    from ecosystem.decisions import Real as Real
    from ecosystem.decisions import RelearnedAttack as RelearnedAttack
    from ecosystem.decisions import Share as Share
    from ecosystem.decisions import Strength as Strength
    from ecosystem.decisions import Taste as Taste
    from ecosystem.decisions import Temperature as Temperature
    from ecosystem.decisions import allocate as allocate
    from ecosystem.decisions import attack as attack
    from ecosystem.decisions import attack_relearned as attack_relearned
    from ecosystem.decisions import coalition as coalition
    from ecosystem.decisions import equilibrium as equilibrium
    from ecosystem.decisions import fit as fit
    from ecosystem.decisions import next_experiment as next_experiment
    from ecosystem.decisions import posterior as posterior
    from ecosystem.decisions import reward_influence as reward_influence
    from ecosystem.decisions import steer as steer
    from ecosystem.decisions import taught as taught
    from ecosystem.generators import Archive as Archive
    from ecosystem.generators import Asking as Asking
    from ecosystem.generators import Categorical as Categorical
    from ecosystem.generators import ConditionalCategorical as ConditionalCategorical
    from ecosystem.generators import ConditionalGaussian as ConditionalGaussian
    from ecosystem.generators import ConditionalModel as ConditionalModel
    from ecosystem.generators import FlowMatching as FlowMatching
    from ecosystem.generators import Gaussian as Gaussian
    from ecosystem.generators import GaussianMixture as GaussianMixture
    from ecosystem.generators import GenerativeModel as GenerativeModel
    from ecosystem.generators import HoldThenDecay as HoldThenDecay
    from ecosystem.generators import ImageFlow as ImageFlow
    from ecosystem.generators import InputOf as InputOf
    from ecosystem.generators import Location as Location
    from ecosystem.generators import Ridge as Ridge
    from ecosystem.generators import Training as Training
    from ecosystem.generators import WarmUpCosine as WarmUpCosine
    from ecosystem.generators.diffusion import Diffusion as Diffusion
    from ecosystem.generators.language import LanguageModel as LanguageModel
    from ecosystem.generators.language import load_base as load_base
    from ecosystem.orderings import sequential as sequential
    from ecosystem.orderings import shuffled as shuffled
    from ecosystem.orderings import synchronous as synchronous
    from ecosystem.retention import accumulate as accumulate
    from ecosystem.retention import fade as fade
    from ecosystem.retention import refresh as refresh
    from ecosystem.retention import replace as replace
    from ecosystem.retention import resample as resample
    from ecosystem.retention import subsample as subsample
    from ecosystem.retention import window as window
    from ecosystem.rewards import Distance as Distance
    from ecosystem.rewards import HueBand as HueBand
    from ecosystem.rewards import Linear as Linear
    from ecosystem.rewards import Neural as Neural
    from ecosystem.rewards import OfInput as OfInput
    from ecosystem.rewards import OfPairs as OfPairs
    from ecosystem.rewards import Preference as Preference
    from ecosystem.rewards import Quadratic as Quadratic
    from ecosystem.rewards import Realism as Realism
    from ecosystem.rewards import Tabular as Tabular
    from ecosystem.rewards import TextReward as TextReward
    from ecosystem.rewards import WeightedSum as WeightedSum
    from ecosystem.running.agents import ModelAgent as ModelAgent
    from ecosystem.running.checkpoints import Checkpoints as Checkpoints
    from ecosystem.running.comparing import compare as compare
    from ecosystem.running.ecosystem import Ecosystem as Ecosystem
    from ecosystem.running.recording import Record as Record
    from ecosystem.running.run import Run as Run
    from ecosystem.running.until import settled as settled
    from ecosystem.scenario import Scenario as Scenario
    from ecosystem.scenario.descriptions import Flow as Flow
    from ecosystem.scenario.descriptions import Member as Member
    from ecosystem.scenario.graphs import shares_of as shares_of
    from ecosystem.scenario.interventions import Connect as Connect
    from ecosystem.scenario.interventions import Curate as Curate
    from ecosystem.scenario.interventions import Disconnect as Disconnect
    from ecosystem.scenario.interventions import Freeze as Freeze
    from ecosystem.scenario.interventions import Intervention as Intervention
    from ecosystem.scenario.interventions import Join as Join
    from ecosystem.scenario.interventions import Leave as Leave
    from ecosystem.scenario.interventions import Thaw as Thaw
    from ecosystem.scenario.provenance import Provenance as Provenance
    from ecosystem.schedules import at as at
    from ecosystem.schedules import every as every
    from ecosystem.schedules import never as never
    from ecosystem.schedules import poisson as poisson
    from ecosystem.study import Study as Study
    from ecosystem.transforms import LinearMap as LinearMap

_HOMES = {
    "ecosystem.running.agents": "ModelAgent",
    "ecosystem.running.checkpoints": "Checkpoints",
    "ecosystem.running.comparing": "compare",
    "ecosystem.curation": "BestOf BestResponse Blind BradleyTerry Capacity Community Comparisons Crowd Curator "
    "Demand Drift Flips Habit Intake Learner Luce Preferences Quota Relearned Replicator Shift Softmax Threshold Tilt "
    "TopFraction Users Within Writing learned",
    "ecosystem.decisions": "Candidate Ensemble Level Observations Real RelearnedAttack Share Strength Taste "
    "Temperature allocate attack attack_relearned coalition equilibrium fit next_experiment posterior reward_influence "
    "steer taught",
    "ecosystem.scenario.descriptions": "Flow Member",
    "ecosystem.scenario.graphs": "shares_of",
    "ecosystem.scenario.interventions": "Connect Curate Disconnect Freeze Intervention Join Leave Thaw",
    "ecosystem.running.ecosystem": "Ecosystem",
    "ecosystem.generators": "Archive Asking Categorical ConditionalCategorical ConditionalGaussian ConditionalModel "
    "FlowMatching Gaussian GaussianMixture GenerativeModel HoldThenDecay ImageFlow InputOf Location Ridge Training "
    "WarmUpCosine",
    "ecosystem.generators.diffusion": "Diffusion",
    "ecosystem.generators.language": "LanguageModel load_base",
    "ecosystem.core.laws": "NoPopulationLaw",
    "ecosystem.orderings": "sequential shuffled synchronous",
    "ecosystem.running.recording": "Record",
    "ecosystem.running.until": "settled",
    "ecosystem.retention": "accumulate fade refresh replace resample subsample window",
    "ecosystem.rewards": "Distance HueBand Linear Neural OfInput OfPairs Preference Quadratic Realism Tabular "
    "TextReward WeightedSum",
    "ecosystem.running.run": "Run",
    "ecosystem.core.samples": "Pairs",
    "ecosystem.scenario": "Scenario",
    "ecosystem.scenario.provenance": "Provenance",
    "ecosystem.schedules": "at every never poisson",
    "ecosystem.core.streams": "Stream",
    "ecosystem.study": "Study",
    "ecosystem.transforms": "LinearMap",
}
__all__ = [name for names in _HOMES.values() for name in names.split()]  # pyright: ignore
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ecosystem' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
