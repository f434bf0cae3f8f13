"""The Mesa face: ecosystems, their agents, what is recorded, runs and checkpoints."""

from ecosystem.core.importing import mesa

__all__ = ["mesa"]  # before a file of this folder imports it
