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

from ecosystem.streams import Stream


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

    @classmethod
    def of(cls, shares: Tensor, curated: np.ndarray, first: np.ndarray) -> Menu:
        """From the shares of a task's components, which of them are ``curated``, and where each row's begin."""
        rows = len(first) - 1
        row = np.repeat(np.arange(rows), np.diff(first))
        split = torch.from_numpy(first[:-1] + np.bincount(row, weights=curated, minlength=rows).astype(np.int64))
        begin, end = torch.from_numpy(first[:-1]), torch.from_numpy(first[1:])
        chosen, chosen_sum = _running(shares, begin, split)
        other, other_sum = _running(shares, split, end)
        whole = chosen_sum + other_sum
        level = chosen_sum / torch.where(whole > 0, whole, 1.0)
        return cls(begin, split, end, chosen + other, level)

    def choose(self, rows: slice, replicates: slice, rng: Stream, n: int) -> Tensor:
        """The component of each of ``n`` samples, ``[rows, variants, replicates, n]``; ``rng [rows, 1, replicates]``"""
        uniform = rng.uniform(n, 2)
        curated = uniform[..., 0] < _part(self.level[rows], replicates).unsqueeze(-1)
        first, split, end = (bound[rows].reshape(-1, 1, 1, 1) for bound in (self.first, self.split, self.end))
        low, stop = torch.where(curated, first, split), torch.where(curated, split, end)
        longest = int(torch.maximum(split - first, end - split).max())
        if longest > 1:
            low = self._search(low, stop, uniform[..., 1], replicates, longest)
        return torch.minimum(low, stop - 1)

    def _search(self, low: Tensor, high: Tensor, uniform: Tensor, replicates: slice, longest: int) -> Tensor:
        """The first component in ``low..high`` whose cumulative share exceeds ``uniform``, by bisection."""
        cumulative = _part(self.cumulative, replicates)
        count, variants, columns = cumulative.shape
        cell = torch.arange(variants).reshape(-1, 1, 1) * columns + torch.arange(columns).reshape(-1, 1)
        flat = cumulative.reshape(-1)
        for _ in range(math.ceil(math.log2(longest)) + 1):
            middle = ((low + high) // 2).clamp(max=count - 1)
            further = (low < high) & (flat[middle * (variants * columns) + cell] <= uniform)
            low, high = torch.where(further, middle + 1, low), torch.where(further, high, middle)
        return low


def _running(shares: Tensor, begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Cumulative shares, normalised, within ``begin..end`` of each row (0 elsewhere), and the sums.

    Each row is added up on its own, so that no rounding leaks to a neighbour.
    """
    total = shares.new_zeros(len(begin), *shares.shape[1:])
    running = torch.zeros_like(shares)
    steps = []
    for step in range(int((end - begin).max())):
        here = (begin + step < end).nonzero().squeeze(-1)
        total[here] += shares[begin[here] + step]
        running[begin[here] + step] = total[here]
        steps.append(here)
    for step, here in enumerate(steps):
        place = begin[here] + step
        running[place] = running[place] / torch.where(total[here] > 0, total[here], 1.0)
    return running, total


def _part(values: Tensor, replicates: slice) -> Tensor:
    return values if values.shape[2] == 1 else values[:, :, replicates]
