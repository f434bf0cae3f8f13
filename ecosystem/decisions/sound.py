"""Whether derivatives by levers mean anything: where torch does not see what a part does, they mislead a search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from ecosystem.core.words import called, joined, number
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.influence.smoothness import check_moved, check_smooth

_ROOM = 0.1  # of a lever's bounds: how far in levers move to be tried
_SAME = 1e-9  # relative difference of two alignments that are one
_FEW = 3  # names in a sentence


def check_sound(settled: Settled, what: str) -> None:
    """Refuse rewards and retraining whose derivatives are not those of torch, where a network is settled.

    Raises
    ------
    ValueError
        With the member, and what to do.
    """
    land, dynamics = settled.landscape, settled.dynamics
    goal, push = land.goal_of(dynamics), settled.resolvent.push
    try:
        check_smooth(dynamics, settled.vector, push, goal, settled.targets, "give that member none")
        moved = land.directions @ _inward(land, settled.x)
        check_moved(dynamics, settled.vector, torch.from_numpy(moved).reshape(dynamics.shares.shape))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def check_first(settled: Iterable[Settled], what: str) -> None:
    """The same at the first of several that is settled at all."""
    for one in settled:
        if one.found:
            check_sound(one, what)
            return


def doubts(settled: Sequence[Settled]) -> list[str]:
    """What makes derivatives doubtful at these places of one network, a sentence each; a search ended at the last.

    Some alignment moves in steps, or there is a kink.
    """
    said = in_steps(settled)
    if settled and settled[-1].found:
        try:
            check_sound(settled[-1], "")
        except ValueError as error:
            said.append(f"Derivatives mean nothing where the search ended, at a kink: {str(error).lstrip(': ')}.")
    return said


def in_steps(settled: Sequence[Settled]) -> list[str]:
    """A sentence on alignments that differ between places, and have no slope at any of them; none if there are none."""
    found = [one for one in settled if one.found]
    if len(found) < 2:
        return []
    values = np.stack([one.alignment.numpy() for one in found])
    every = 1.5 + np.sin(np.arange(len(found[0].x)))  # all levers, no two alike
    flat = (np.stack([one.along(every).numpy() for one in found]) == 0).all(0)
    wrong = np.flatnonzero(flat & (np.ptp(values, 0) > _SAME * (1 + np.abs(values).max(0))))
    if not len(wrong):
        return []
    names = [called(found[0].targets[j]) for j in wrong]
    some = joined(names[:_FEW]) if len(names) <= _FEW else f"{', '.join(names[:_FEW])} and others"
    low, high = values[:, wrong[0]].min(), values[:, wrong[0]].max()
    return [
        f"The alignment of {some} moves in steps (from {number(low)} to {number(high)}) and has no slope where it was "
        "looked at: derivatives say nothing of it, and better levers may have been missed."
    ]


def _inward(land: Landscape, x: np.ndarray) -> np.ndarray:
    """A direction of levers from ``x`` into their bounds and diets, ``[levers]``, that moves each of them."""
    levers = land.levers
    many = np.array([levers.readers.count(reader) for reader in levers.readers])
    place = _ROOM * (1.5 + np.sin(np.arange(len(levers)))) / many
    return levers.lower + place * (levers.upper - levers.lower) - x
