"""Decisions: what somebody who looks at a network would do: attack it, allocate in it, fit it to observations."""

from ecosystem.decisions.allocation import Allocation, allocate
from ecosystem.decisions.attack import Attack, attack
from ecosystem.decisions.attack_relearned import RelearnedAttack, attack_relearned
from ecosystem.decisions.calibrated import Calibration
from ecosystem.decisions.candidates import Candidate
from ecosystem.decisions.coalition import Coalition, coalition
from ecosystem.decisions.diets import Level, Real, Share
from ecosystem.decisions.ensemble import Ensemble
from ecosystem.decisions.equilibria import Equilibrium
from ecosystem.decisions.equilibrium import equilibrium
from ecosystem.decisions.experiments import NextExperiment, next_experiment
from ecosystem.decisions.fitted import Fit
from ecosystem.decisions.fitting import fit
from ecosystem.decisions.free import Free
from ecosystem.decisions.identifiability import Direction
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Lever, Levers
from ecosystem.decisions.movable import as_levers
from ecosystem.decisions.objectives import Objective
from ecosystem.decisions.observed import Observations, as_observations
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.posterior import Posterior, posterior
from ecosystem.decisions.predicting import Predictor
from ecosystem.decisions.profiling import Profile
from ecosystem.decisions.replicated import PredictiveCheck
from ecosystem.decisions.spelling import as_free
from ecosystem.decisions.steer import steer
from ecosystem.decisions.steering import Steering
from ecosystem.decisions.taught import reward_influence, taught
from ecosystem.decisions.users import Number, Strength, Taste, Temperature

__all__ = [
    "Allocation",
    "Attack",
    "Calibration",
    "Candidate",
    "Coalition",
    "Direction",
    "Ensemble",
    "Equilibrium",
    "Fit",
    "Free",
    "Landscape",
    "Level",
    "Lever",
    "Levers",
    "NextExperiment",
    "Number",
    "Objective",
    "Observations",
    "Parameters",
    "Posterior",
    "PredictiveCheck",
    "Predictor",
    "Profile",
    "Real",
    "RelearnedAttack",
    "Settled",
    "Share",
    "Steering",
    "Strength",
    "Taste",
    "Temperature",
    "allocate",
    "as_free",
    "as_levers",
    "as_observations",
    "attack",
    "attack_relearned",
    "coalition",
    "equilibrium",
    "fit",
    "next_experiment",
    "posterior",
    "reward_influence",
    "steer",
    "taught",
]
