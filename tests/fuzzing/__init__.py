"""Scenarios drawn at random with good and odd values everywhere: each runs, or is refused in one line.

``python -m tests.fuzzing N`` plays ``N`` of them and tells how they ended; ``make fuzz`` plays 10,000.
"""
