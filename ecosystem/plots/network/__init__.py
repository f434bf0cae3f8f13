"""The network as one drawing: who learns from whom, how much raw, how much curated, and real data."""

from ecosystem.plots.network.draw import network
from ecosystem.plots.network.drawing import Drawing

__all__ = ["Drawing", "network"]
