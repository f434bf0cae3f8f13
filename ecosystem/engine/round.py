"""A round being played: what its members find, and what has become of them so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.streams import Stream, word
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.choice import Menu
from ecosystem.engine.looped import Stack
from ecosystem.engine.program import Program
from ecosystem.engine.stacks import all_of, joined, put, written
from ecosystem.engine.state import Memory, State
from ecosystem.engine.waves import Task


@dataclass
class Round:
    """The scratch of one round, for some of the replicates.

    ``state`` is what it began with; ``generators`` and ``memories`` are what has become of them up to now. Both are
    thrown away when the round is over: what is left is the next state.
    """

    program: Program
    state: State
    number: int
    rng: Stream  # keys [replicates]
    count: Callable[[Any, Tensor], None] | None = None  # told how many samples came from each component
    ledger: Any = None  # told what users chose and what members trained on, where somebody asked for it
    generators: list[Stack] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    index: Tensor | None = None  # which replicates of the ecosystem these are; None is all
    spoilt: dict[tuple[int, int, int], str] = field(default_factory=dict)  # why a member's replicate must be stopped
    streams: dict[str, Stream] = field(default_factory=dict)  # of all members in this round, by decision

    laws: dict[int, tuple[Any, Any, Any]] = field(default_factory=dict)  # of what users keep, by bundle and stack

    def __post_init__(self) -> None:
        self.generators = list(self.state.now)
        self.memories = [dict(memory) for memory in self.state.memories]

    @property
    def shares(self) -> Tensor:
        return self.state.shares

    @property
    def samples(self) -> int | None:
        return self.program.samples

    def stream(self, decision: str, members: Tensor) -> Stream:
        """The stream of a decision of some members in this round, keys ``[members, 1, replicates]``."""
        if decision not in self.streams:
            root = self.program.root(decision) if self.rng is self.program.rng else self.rng.at(decision)
            keys = root.at(self.number).keys.reshape(1, 1, -1)
            self.streams[decision] = Stream(keys).at(self.program.words.reshape(-1, 1, 1))
        return self.streams[decision][members]

    def addresses(self, producers: np.ndarray) -> Tensor:
        """The addresses of producers, members or NONE for real data."""
        index = torch.from_numpy(producers).to(self.program.home.device)
        return torch.where(index < 0, word("real data"), self.program.words[index])

    def read(self, bundle: Bundle) -> Stack:
        """The source cohort of a bundle as its consumers see it."""
        members = len(self.generators)
        if bundle.cohort >= members:  # real data never change
            return self.program.sources[bundle.cohort - members]
        now = self.generators[bundle.cohort]
        if bundle.fresh:
            return now
        old = self.state.past[min(bundle.delay, len(self.state.past) - 1)][bundle.cohort]
        return old if bundle.fresh is False else joined(old, now)

    def names(self, cohort: int) -> Sequence[str]:
        """Who stands in a cohort; nobody among the sources of real data."""
        return self.program.cohorts[cohort].names if cohort < len(self.generators) else []

    def menu(self, task: Task) -> Menu:
        """The diets to draw from; kept with the plan where all replicates have the same shares."""
        shares = self.shares
        if shares.shape[2] > 1:
            return Menu.of(shares[task.components], task.curated, task.first)
        if "menu" not in task.memo or task.memo["menu"][0] is not shares:
            task.memo["menu"] = shares, Menu.of(shares[task.components], task.curated, task.first)
        return task.memo["menu"][1]

    def drawn(self, task: Task) -> Any:
        """The draws of a task whose statistics are drawn directly, where they were made before: lanes do so."""
        return None

    # -- what has become of members ----------------------------------------------------------------------------------

    def write(self, cohort: int, rows: Tensor, new: Stack, due: Tensor) -> None:
        """Generators ``new [rows, variants, replicates]`` of some rows of a cohort, where ``due``."""
        self.generators[cohort] = written(self.generators[cohort], rows, new, due)

    def remember(self, cohort: int, name: str, rows: Tensor, value: Tensor, due: Tensor) -> None:
        """What the retention of some rows has kept, ``value [rows, variants, replicates, ...]``, where ``due``."""
        memory = self.memories[cohort]
        old = memory.get(name)
        if old is None:
            old = value.new_zeros(*self.generators[cohort].batch_shape, *value.shape[3:])
        memory[name] = put(old, rows, value, None if all_of(due) else due)

    # -- whose it is -------------------------------------------------------------------------------------------------

    def whose(self, places: Any) -> tuple[Any, Any]:
        """Of places that tasks speak of: the members (or rows of the cohort), and replicates beside those of the task.

        Members for members and NONE for NONE, one row of a cohort for another; one number, or an array.
        """
        return places, 0 * places

    def key(self, task: Task, cell: tuple[int, int, int]) -> tuple[int, int, int]:
        """By what the data of a ``cell`` (task row, variant, replicate) are remembered.

        The replicate by its address: the round may be one of some of them.
        """
        return int(task.rows[cell[0]]), cell[1], int(self.rng.keys[cell[2]])
