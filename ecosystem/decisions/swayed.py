"""A taste with flips of the labels that it is learned from beside it, so that flips are a part of what moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ecosystem.core.laws import Finite
from ecosystem.core.samples import Samples
from ecosystem.curation import Learner, Relearned, Seen
from ecosystem.curation.bradley_terry import Labels
from ecosystem.curation.flips import turned
from ecosystem.curation.relearning import pairs_of
from ecosystem.rewards import Reward
from ecosystem.rewards.base import Features

_STEPS, _EXACT, _HALVINGS = 100, 1e-15, 30


@dataclass(frozen=True, eq=False, repr=False)
class Swayed(Reward):
    """A taste with the flips of the labels that it is learned from beside it, which it does not judge by."""

    form: Reward
    flips: Tensor  # [*batch, directed]

    def __call__(self, x: Tensor) -> Tensor:
        return self.form(x)

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        return self.form.judge(x, batch)

    def on_symbols(self, law: Finite) -> Tensor:
        return self.form.on_symbols(law)

    def symbols(self) -> int | None:
        return self.form.symbols()

    def features(self) -> Features:
        raise TypeError(f"{self} is not linear in features")

    def state(self) -> Tensor:
        return torch.cat([cast(Tensor, self.form.state()), self.flips], -1)

    def with_state(self, state: Tensor) -> Swayed:
        weights = state.shape[-1] - self.flips.shape[-1]
        return replace(self, form=self.form.with_state(state[..., :weights]), flips=state[..., weights:])

    def __repr__(self) -> str:
        return f"{self.form}"


@dataclass(frozen=True, eq=False, repr=False)
class Swaying(Learner):
    """Relearned from labels of which those are flipped that stand beside the taste; these come back to ``held``."""

    learner: Relearned
    labels: Tensor
    held: Tensor  # [*batch, directed]
    batched = True

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        assert isinstance(reward, Swayed)
        n = _symbols_of(reward)
        first, second, weight = pairs_of(seen, n, reward.flips.device)
        plain = self.learner.take((0,) * (self.learner.ridge.ndim))
        wins = plain.wins(torch.arange(n, device=first.device), first, second).expand(weight.shape)
        off = ~torch.eye(n, dtype=torch.bool, device=first.device).flatten()
        square = torch.eye(n * n, dtype=torch.float64, device=first.device)[off]
        flips = (reward.flips @ square).unflatten(-1, (n, n))
        wins = turned(flips, self.labels, weight, wins, first, second)
        weights = _learned(reward.form, plain, first, second, weight, wins)
        return torch.cat([weights, self.held.expand(reward.flips.shape)], -1)

    def __repr__(self) -> str:
        return f"{self.learner}"


def _symbols_of(reward: Swayed) -> int:
    """``n`` of ``n (n − 1)`` directed pairs."""
    return round((1 + (1 + 4 * reward.flips.shape[-1]) ** 0.5) / 2)


def _learned(form: Reward, learn: Relearned, first: Tensor, second: Tensor, weight: Tensor, wins: Tensor) -> Tensor:
    """The optimum ``[*batch, p]`` of as many fits: at once where the form is linear in features, else one by one.

    By one more step of Newton's it has its derivative by weights and labels.
    """
    start = cast(Tensor, form.state())
    batch, ridge = start.shape[:-1], learn.ridge.detach()
    cell = form.take((0,) * len(batch))
    items = torch.arange(int(second.max()) + 1, device=first.device)
    weight, wins = weight.expand(*batch, -1).reshape(-1, len(first)), wins.expand(*batch, -1).reshape(-1, len(first))
    slopes = Labels(cell, items, first, second, weight[0], wins[0], ridge).linear
    if slopes is None:
        states = start.reshape(-1, start.shape[-1])
        rows = [
            _one(Labels(cell, items, first, second, heavy, won, ridge), w.detach())
            for w, heavy, won in zip(states, weight, wins, strict=True)
        ]
        return torch.stack(rows).reshape(*batch, -1)
    with torch.no_grad():
        begin = start.detach().reshape(-1, start.shape[-1])
        w = _minimum(slopes, weight.detach(), wins.detach(), ridge, begin)
    gradient = (weight * (torch.sigmoid(w @ slopes.mT) - wins)) @ slopes + ridge * w
    step = torch.linalg.solve(_curvature(slopes, weight.detach(), ridge, w), gradient.unsqueeze(-1)).squeeze(-1)
    return (w - step).reshape(*batch, -1)


def _one(labels: Labels, start: Tensor) -> Tensor:
    still = replace(labels, weight=labels.weight.detach(), wins=labels.wins.detach())
    w = still.learned(start)
    gradient = (labels.weight * (torch.sigmoid(still.gaps(w)) - labels.wins)) @ still.slopes(w) + labels.ridge * w
    return w - torch.linalg.solve(still.curvature(w), gradient)


def _minimum(slopes: Tensor, weight: Tensor, wins: Tensor, ridge: Tensor, w: Tensor) -> Tensor:
    """Newton's method with halved steps for many strictly convex losses, ``w [rows, p]``."""

    def loss(w: Tensor) -> Tensor:
        z = w @ slopes.mT
        lost = torch.nn.functional.softplus(z) - wins * z
        return (weight * lost).sum(-1) + ridge / 2 * (w**2).sum(-1)

    best = loss(w)
    for _ in range(_STEPS):
        gradient = (weight * (torch.sigmoid(w @ slopes.mT) - wins)) @ slopes + ridge * w
        step = torch.linalg.solve(_curvature(slopes, weight, ridge, w), gradient.unsqueeze(-1)).squeeze(-1)
        if float((step * gradient).sum(-1).max()) <= _EXACT**2 or float(gradient.abs().max()) <= _EXACT:
            break
        size = torch.ones(len(w), 1, dtype=w.dtype, device=w.device)
        for _ in range(_HALVINGS):
            there = loss(w - size * step)
            worse = there > best + _EXACT * (1 + best.abs())
            if not bool(worse.any()):
                break
            size = torch.where(worse.unsqueeze(-1), size / 2, size)
        w, best = w - size * step, there
        if float((size * step).abs().max()) <= _EXACT:
            break
    return w


def _curvature(slopes: Tensor, weight: Tensor, ridge: Tensor, w: Tensor) -> Tensor:
    odds = torch.sigmoid(w @ slopes.mT)
    scaled = slopes * (weight * odds * (1 - odds)).unsqueeze(-1)
    return scaled.mT @ slopes + ridge * torch.eye(w.shape[-1], dtype=w.dtype, device=w.device)
