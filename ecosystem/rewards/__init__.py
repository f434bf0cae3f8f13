"""Rewards: the taste by which users judge samples."""

from ecosystem.rewards.base import Custom, Features, OfPairs, Reward, aligned, as_numbers, as_reward
from ecosystem.rewards.features import Preference
from ecosystem.rewards.images import HueBand, Realism, cool, hue_saturation, warm
from ecosystem.rewards.neural import Neural
from ecosystem.rewards.numbers import Distance, Linear, OfInput, Quadratic, Tabular, negated
from ecosystem.rewards.sums import WeightedSum
from ecosystem.rewards.texts import TextReward, paraphrase_reward, summary_reward

__all__ = [
    "Custom",
    "Distance",
    "Features",
    "HueBand",
    "Linear",
    "Neural",
    "OfInput",
    "OfPairs",
    "Preference",
    "Quadratic",
    "Realism",
    "Reward",
    "Tabular",
    "TextReward",
    "WeightedSum",
    "aligned",
    "as_numbers",
    "as_reward",
    "cool",
    "hue_saturation",
    "negated",
    "paraphrase_reward",
    "summary_reward",
    "warm",
]
