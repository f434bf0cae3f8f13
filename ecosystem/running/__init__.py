"""The Mesa face: ecosystems, their agents, what is recorded, runs and checkpoints."""

from ecosystem.core.importing import import_mesa

import_mesa()
