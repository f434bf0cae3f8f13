"""The ledger: where training data came from, and what users' choices did to the rewards of what they saw.

It is kept only where a record asks for it (``Record(sources=True, choices=True)``), and gives two tables.

``sources`` has a row for each part of a training set: its ``source`` (a member or real data), whether it was
``curated``, the round in which it was drawn (``born``), how many samples (``count``), and mean and standard deviation
of the consumer's reward over them. ``choices`` compares, flow by flow, what users were shown with what they kept:
quantiles of their reward ``before`` and ``after`` the choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.samples import OWN, REAL, Samples, TrainingSet
from ecosystem.curation.base import judged
from ecosystem.engine.judging import taste_of
from ecosystem.engine.program import Program
from ecosystem.engine.slates import Positions
from ecosystem.engine.state import State
from ecosystem.engine.waves import Task
from ecosystem.rewards import Reward

SOURCES = ["seed", "replicate", "round", "member", "source", "curated", "born", "count", "reward", "deviation"]
CHOICES = ["seed", "replicate", "round", "source", "target", "quantile", "before", "after"]
_QUANTILES = np.linspace(0, 1, 21)
_PLACE = ["source", "target", "variant", "replicate"]


@dataclass
class Ledger:
    """Rows of finished rounds, with numbers for names: member, source, target, variant, replicate."""

    sources: list[pd.DataFrame] = field(default_factory=list)
    choices: list[pd.DataFrame] = field(default_factory=list)

    def close(self, witnesses: list[Witness], updated: np.ndarray) -> None:
        """Take over a round; what was for members that did not retrain ``[members, variants, replicates]`` goes."""
        for witness in witnesses:
            if witness.sources:
                rows = pd.DataFrame(witness.sources)
                self.sources.append(rows[updated[rows["member"], rows["variant"], rows["replicate"]]])
            if not witness.choices:
                continue
            table = pd.concat(witness.choices)
            table = table[updated[table["target"], table["variant"], table["replicate"]]]
            spread = table.groupby(_PLACE, sort=True)[["before", "after"]].quantile(_QUANTILES)
            self.choices.append(spread.rename_axis([*_PLACE, "quantile"]).reset_index().assign(round=witness.round))

    def state(self) -> dict[str, pd.DataFrame]:
        """All rows, for a checkpoint."""
        return {name: pd.concat(parts, ignore_index=True) for name, parts in vars(self).items() if parts}

    def load_state(self, state: dict[str, pd.DataFrame], rounds: list[int]) -> None:
        """Take back the rows of some rounds."""
        for name, table in state.items():
            getattr(self, name)[:] = [table[table["round"].isin(rounds)]]


class Witness:
    """Sees what some of the replicates do in one round."""

    def __init__(
        self, program: Program, state: State, round: int, replicates: Tensor, sources: bool, choices: bool
    ) -> None:
        self.program, self.state, self.round, self.replicates = program, state, round, replicates
        self.asked_sources, self.asked_choices = sources, choices
        self.sources: list[dict[str, float]] = []
        self.choices: list[pd.DataFrame] = []

    def chosen(self, task: Task, where: Positions, reward: Reward | None, shown: Samples, kept: Samples) -> None:
        """Users with this taste, batch ``[m]``, kept ``kept [m, *event]`` of slates that began with ``shown``."""
        if not self.asked_choices or reward is None:
            return
        self.choices.append(
            pd.DataFrame(
                {
                    "source": task.producer[where.slot.numpy()],
                    "target": task.members[task.owner[where.slot.numpy()]],
                    "variant": where.variant.numpy(),
                    "replicate": self.replicates[where.replicate].numpy(),
                    "before": judged(reward, shown).numpy(),
                    "after": judged(reward, kept).numpy(),
                }
            )
        )

    def trained(self, task: Task, cell: tuple[int, int, int], given: TrainingSet) -> None:
        """The member in ``cell`` (task row, variant, replicate) retrains on ``given``."""
        if not self.asked_sources:
            return
        replicate = int(self.replicates[cell[2]])
        taste = taste_of(self.program, self.state, int(task.members[cell[0]]), cell[1], replicate)
        reward = torch.full((len(given),), torch.nan, dtype=torch.float64)
        if taste is not None:
            reward = taste.judge(given.data).detach().double()
        parts, which = torch.unique(torch.stack([given.origin, given.round]), dim=1, return_inverse=True)
        for number, (origin, born) in enumerate(parts.T.tolist()):
            values = reward[which == number]
            self.sources.append(
                {
                    "round": self.round,
                    "member": int(task.members[cell[0]]),
                    "origin": origin,
                    "born": born,
                    "variant": cell[1],
                    "replicate": replicate,
                    "count": len(values),
                    "reward": float(values.mean()),
                    "deviation": float(values.std(correction=0)),
                }
            )


def sources_table(ledger: Ledger, variant: int, names: list[str], seeds: list[tuple[int, int]]) -> pd.DataFrame:
    """The table ``sources`` of a variant."""
    table = _of_variant(ledger.sources, variant, seeds)
    if table is None:
        return pd.DataFrame(columns=SOURCES)
    table["member"] = [names[i] for i in table["member"]]
    table["source"] = [{REAL: "real", OWN: "own"}.get(i) or names[i // 2] for i in table["origin"]]
    table["curated"] = [i >= 0 and i % 2 == 1 for i in table["origin"]]
    return table[SOURCES].sort_values(["seed", "replicate", "round"], kind="stable", ignore_index=True)


def choices_table(ledger: Ledger, variant: int, names: list[str], seeds: list[tuple[int, int]]) -> pd.DataFrame:
    """The table ``choices`` of a variant."""
    table = _of_variant(ledger.choices, variant, seeds)
    if table is None:
        return pd.DataFrame(columns=CHOICES)
    for side in ("source", "target"):
        table[side] = [names[i] for i in table[side]]
    return table[CHOICES].sort_values(["seed", "replicate", "round"], kind="stable", ignore_index=True)


def _of_variant(parts: list[pd.DataFrame], variant: int, seeds: list[tuple[int, int]]) -> pd.DataFrame | None:
    if not parts:
        return None
    table = pd.concat(parts, ignore_index=True)
    table = table[table["variant"] == variant].copy()
    pairs = np.array(seeds)[table["replicate"]].reshape(-1, 2)
    return table.assign(seed=pairs[:, 0], replicate=pairs[:, 1])
