"""Measured comparisons: how long the library takes, as ratios to a yardstick run beside it.

``python -m tests.benchmarks [name ...]`` (or ``make bench``) runs all or some and prints a table. A benchmark is never
a timed test: it asserts nothing about time, so a busy machine cannot fail it.
"""
