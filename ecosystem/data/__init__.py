"""Data: readers of real data that lie on this machine."""

from ecosystem.data.texts import read_pairs

__all__ = ["read_pairs"]
