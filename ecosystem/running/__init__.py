"""The Mesa face: ecosystems, their agents, what is recorded, runs and checkpoints."""
