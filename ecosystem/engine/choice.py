"""Which component each sample comes from: two uniforms a sample.

The first says only whether the sample is curated, the second which component within that group. So a change of the
curation level moves no more samples than it must, and never from one producer to another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.kernels import compiled, plain
from ecosystem.core.streams import Stream

_MANY = 64  # variants that are faster counted by where each uniform stands among their levels


@dataclass
class Menu:
    """The diets of some members, ready to draw from.

    A member's curated components are ``first..split``, its others ``split..end``; ``cumulative [components, variants,
    replicates or 1]`` runs to 1 within each of the two groups.
    """

    first: Tensor
    split: Tensor
    end: Tensor
    cumulative: Tensor
    level: Tensor  # share of the curated group, [rows, variants, replicates or 1]
    bounds: np.ndarray  # first, split and end on the CPU, ``[3, rows]``

    @classmethod
    def of(cls, shares: Tensor, curated: np.ndarray, first: np.ndarray) -> Menu:
        """From the shares of a task's components, which of them are ``curated``, and where each row's begin."""
        ends = bounds(curated, first)
        chosen, chosen_sum = _running(shares, ends[0], ends[1])
        other, other_sum = _running(shares, ends[1], ends[2])
        whole = chosen_sum + other_sum
        level = chosen_sum / torch.where(whole > 0, whole, 1.0)
        return cls.within(ends, chosen + other, level)

    @classmethod
    def within(cls, ends: np.ndarray, cumulative: Tensor, level: Tensor) -> Menu:
        """From the bounds of each row, ``[3, rows]``."""
        begin, split, end = torch.from_numpy(ends).to(level.device)
        return cls(begin, split, end, cumulative, level, ends)

    def choose(self, rows: slice, replicates: slice, rng: Stream, n: int) -> Tensor:
        """The component of each of ``n`` samples, ``[rows, variants, replicates, n]``; ``rng [rows, 1, replicates]``"""
        first, split, end = (bound[rows].reshape(-1, 1, 1, 1) for bound in (self.first, self.split, self.end))
        if (self.bounds[2, rows] - self.bounds[0, rows] == 1).all():
            return first.expand(len(first), self.level.shape[1], rng.keys.shape[-1], n)
        longest = self.longest(rows)
        uniform = rng.uniform(n, 2 if longest > 1 else 1, dtype=torch.float64)
        level, cumulative = _part(self.level[rows], replicates), _part(self.cumulative, replicates)
        loops = compiled(uniform.numel()) if plain(level, cumulative, uniform) else None
        if loops is not None:
            chosen = torch.empty(
                len(first), self.level.shape[1], *uniform.shape[2:4], dtype=torch.int64, device=level.device
            )
            loops.search(
                *self.bounds[:, rows], level.numpy(), cumulative.numpy(), uniform[:, 0].numpy(), chosen.numpy()
            )
            return chosen
        curated = uniform[..., 0] < level.unsqueeze(-1)
        low, stop = torch.where(curated, first, split), torch.where(curated, split, end)
        if longest > 1:
            low = self._search(low, stop, uniform[..., 1], cumulative, longest)
        return torch.minimum(low, stop - 1)

    def count(self, rows: slice, rng: Stream, n: int, low: int, high: int) -> Tensor:
        """How many of ``n`` samples come from each of the components ``low..high`` of some rows.

        ``[high − low, variants, replicates]``; the same samples as ``choose`` would give.
        """
        variants, replicates = self.cumulative.shape[1], rng.keys.shape[-1]
        if self.longest(rows) == 1:  # at most one component in each group
            chosen = _below(rng.uniform(n, 1, dtype=torch.float64)[..., 0], self.level[rows])
            counts = chosen.new_zeros(high - low, variants, replicates)
            first, split, end = self.bounds[:, rows]
            for begin, there, many in ((split, end > split, n - chosen), (first, split > first, chosen)):
                place = torch.from_numpy(np.stack([np.flatnonzero(there), begin[there] - low])).to(counts.device)
                counts[place[1]] = many[place[0]]
            return counts
        slot = self.choose(rows, slice(None), rng, n)
        cell = torch.arange(variants * replicates, device=slot.device).reshape(variants, replicates, 1)
        place = (slot - low) * (variants * replicates) + cell
        counts = torch.bincount(place.reshape(-1), minlength=(high - low) * variants * replicates)
        return counts.reshape(high - low, variants, replicates)

    def longest(self, rows: slice) -> int:
        """The most components in one group of one row."""
        return int(np.diff(self.bounds[:, rows], axis=0).max())

    def _search(self, low: Tensor, high: Tensor, uniform: Tensor, cumulative: Tensor, longest: int) -> Tensor:
        """The first component in ``low..high`` whose cumulative share exceeds ``uniform``, by bisection."""
        count, variants, columns = cumulative.shape
        cell = torch.arange(variants * columns, device=low.device).reshape(variants, columns, 1)
        flat = cumulative.reshape(-1)
        for _ in range(math.ceil(math.log2(longest)) + 1):
            middle = ((low + high) // 2).clamp(max=count - 1)
            further = (low < high) & (flat[middle * (variants * columns) + cell] <= uniform)
            low, high = torch.where(further, middle + 1, low), torch.where(further, high, middle)
        return low


def _below(uniform: Tensor, level: Tensor) -> Tensor:
    """How many of ``uniform [rows, 1, replicates, n]`` are below each ``level [rows, variants, replicates or 1]``."""
    rows, _, replicates, _ = uniform.shape
    variants = level.shape[1]
    if variants < _MANY or level.shape[2] > 1 or not uniform.is_cpu:
        return (uniform < level.unsqueeze(-1)).sum(-1)
    ordered, place = level[..., 0].sort()
    above = torch.searchsorted(ordered, uniform.flatten(1), right=True)  # the first level above each uniform
    cell = torch.arange(rows * replicates, device=uniform.device).reshape(rows, replicates, 1) * (variants + 1)
    table = torch.bincount((cell + above.view(rows, replicates, -1)).view(-1), minlength=cell.numel() * (variants + 1))
    running = table.view(rows, replicates, variants + 1).cumsum(-1)
    return running.gather(2, place.argsort().unsqueeze(1).expand(-1, replicates, -1)).transpose(1, 2)


def bounds(curated: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Where each row's curated components begin, where they end, and where its others end, ``[3, rows]``."""
    rows = len(first) - 1
    row = np.repeat(np.arange(rows), np.diff(first))
    middle = first[:-1] + np.bincount(row, weights=curated, minlength=rows).astype(np.int64)
    return np.stack([first[:-1], middle, first[1:]]).astype(np.int64)


def _running(shares: Tensor, begin: np.ndarray, end: np.ndarray) -> tuple[Tensor, Tensor]:
    """Cumulative shares, normalised, within ``begin..end`` of each row (0 elsewhere), and the sums.

    Each row is added up on its own, so that no rounding leaks to a neighbour.
    """
    total = shares.new_zeros(len(begin), *shares.shape[1:])
    running = torch.zeros_like(shares)
    steps = []
    for step in range(int((end - begin).max())):
        some = np.flatnonzero(begin + step < end)
        here, place = torch.from_numpy(np.stack([some, begin[some] + step])).to(shares.device)
        total[here] += shares[place]
        running[place] = total[here]
        steps.append((here, place))
    for here, place in steps:
        running[place] = running[place] / torch.where(total[here] > 0, total[here], 1.0)
    return running, total


def _part(values: Tensor, replicates: slice) -> Tensor:
    return values if values.shape[2] == 1 else values[:, :, replicates]
