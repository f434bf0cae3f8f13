"""Checkpoints: a run that is saved while it goes on, and goes on where it was saved."""

from ecosystem.running.checkpoints.folder import CheckpointError, Checkpoints
from ecosystem.running.checkpoints.reading import so_far
from ecosystem.running.checkpoints.saving import keeping, restore, save

__all__ = ["CheckpointError", "Checkpoints", "keeping", "restore", "save", "so_far"]
