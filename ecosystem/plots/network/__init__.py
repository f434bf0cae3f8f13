"""The network as one drawing: who learns from whom, how much raw, how much curated, and real data."""

from ecosystem.plots.network.draw import Drawing, network

__all__ = ["Drawing", "network"]
