"""Decisions: what somebody who looks at a network would do, as an attacker of what its users' taste is learned from."""

from ecosystem.decisions.attack import Attack, attack
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Lever, Levers
from ecosystem.decisions.movable import as_levers
from ecosystem.decisions.observed import Observations, as_observations
from ecosystem.decisions.steer import steer
from ecosystem.decisions.steering import Steering
from ecosystem.decisions.taught import reward_influence, taught

__all__ = [
    "Attack",
    "Landscape",
    "Lever",
    "Levers",
    "Observations",
    "Settled",
    "Steering",
    "as_levers",
    "as_observations",
    "attack",
    "reward_influence",
    "steer",
    "taught",
]
