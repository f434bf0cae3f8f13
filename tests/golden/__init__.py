"""Golden numbers: what the simulator computes today, frozen; ``python -m tests.golden`` freezes it anew."""
