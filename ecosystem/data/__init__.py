"""Real data: readers of what lies on this machine, and images that come along."""

from ecosystem.data.digits import painted, tinted_digits
from ecosystem.data.texts import read_pairs

__all__ = ["painted", "read_pairs", "tinted_digits"]
