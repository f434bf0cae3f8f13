"""The named cases: each is computed from public names of the package alone and gives a dict of tables.

The package's inside may move as it likes: cases import ``ecosystem``, ``ecosystem.influence``, ``ecosystem.study``, the
files in ``scenarios/`` and ``tests/networks.py``, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from tests.golden import acting, analyses, folders, gallery
from tests.golden.tables import Tables, plain


@dataclass(frozen=True)
class Case:
    """A name, the function that computes its tables, and whether networks are trained in it."""

    name: str
    function: Callable[[], Tables]
    neural: bool = False

    def tables(self) -> Tables:
        """Computed now, in one thread, whatever the machine offers: bits depend on it."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with threadpool_limits(1):
                return {name: plain(table) for name, table in self.function().items()}
        finally:
            torch.set_num_threads(before)


_CLOSED = gallery.CLOSED | acting.CLOSED | analyses.CLOSED | folders.CLOSED
_NEURAL = gallery.NEURAL | acting.NEURAL | folders.NEURAL
CASES = {name: Case(name, function) for name, function in _CLOSED.items()} | {
    name: Case(name, function, neural=True) for name, function in _NEURAL.items()
}
