"""Rewards: the taste by which users judge samples."""

from ecosystem.rewards.base import Custom, OfPairs, Reward, aligned, as_numbers, as_reward
from ecosystem.rewards.numbers import Distance, Linear, Quadratic, Tabular, negated

__all__ = [
    "Custom",
    "Distance",
    "Linear",
    "OfPairs",
    "Quadratic",
    "Reward",
    "Tabular",
    "aligned",
    "as_numbers",
    "as_reward",
    "negated",
]
