"""Decisions: what somebody who looks at a network would do, as an attacker of what its users' taste is learned from."""

from ecosystem.decisions.attack import Attack, attack
from ecosystem.decisions.observed import Observations, as_observations
from ecosystem.decisions.taught import reward_influence, taught

__all__ = ["Attack", "Observations", "as_observations", "attack", "reward_influence", "taught"]
