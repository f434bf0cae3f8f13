"""Measures: what is kept of a run, as functions of what is to be seen after a round.

A measure takes a :class:`View` and returns a number for each member, a tensor ``[members, variants, replicates]``,
which becomes a column of the table ``rounds`` with the name of the function; or a pandas frame with columns ``variant``
and ``replicate`` (:meth:`View.frame` makes one), which becomes a table of the run with that name.
"""

from ecosystem.running.measures.contract import Exact, exact
from ecosystem.running.measures.kept import alignment, change, choices, demand, draws, sources, tastes
from ecosystem.running.measures.laws import data_distance, distances, effective_number, entropy, total_variance
from ecosystem.running.measures.survivors import survivors
from ecosystem.running.measures.view import View
from ecosystem.running.measures.watching import watching

__all__ = [
    "Exact",
    "View",
    "alignment",
    "change",
    "choices",
    "data_distance",
    "demand",
    "distances",
    "draws",
    "effective_number",
    "entropy",
    "exact",
    "sources",
    "survivors",
    "tastes",
    "total_variance",
    "watching",
]
