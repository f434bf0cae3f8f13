"""Influence after so many rounds: what more curation does to alignment by then, from the scenario's own start."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.rounds import Rounds

_STEP = 1e-3  # of a level, relative to how far it is from 0 or 1
_LEAST = 1e-5  # the smallest step: below it, rounding counts
_INSIDE = (np.arange(-2, 3), np.array([1, -8, 0, 8, -1]) / 12)  # five-point rules: places, weights
_BESIDE = (np.arange(5), np.array([-25, 48, -36, 16, -3]) / 12)
_KINK = 1e-3  # relative difference of the slopes on both sides
_NUMBERS = 1 << 22  # parameters of all columns that are played at a time
_MANY = 1 << 27  # parameters of all columns and rounds up to which a table is filled unasked
_LONG = 1000  # rounds up to which it is


def after(dynamics: Dynamics, sources: list[str], targets: list[str], rounds: int) -> pd.DataFrame:
    """``dJ_j/dλ_k`` after ``rounds`` rounds of the population, ``[targets, sources]``; see :meth:`Influence.after`.

    Rounds are played at five levels about ``λ_k``, ``h`` apart, and the rule of fourth order gives the derivative, up
    to ``O(h⁴)``: shares are linear in the level, so each column is the engine's own round. ValueError where the slopes
    on both sides differ.
    """
    whole_number(rounds, "after(rounds)", 0)
    most = max(1, _NUMBERS // (5 * len(dynamics.start[0])))
    parts = [_after(dynamics, sources[i : i + most], targets, rounds) for i in range(0, len(sources), most)]
    columns = pd.Index(sources, name="source")
    return pd.DataFrame(np.concatenate(parts, 1), index=pd.Index(targets, name="target"), columns=columns)


def of_pairs(dynamics: Dynamics, table: pd.DataFrame, sources: list[str], targets: list[str]) -> tuple[np.ndarray, str]:
    """What the scenario's own rounds make of each row's (target, source), and why they were not played, or ""."""
    rounds, nothing = dynamics.scenario.rounds, np.full(len(table), np.nan)
    if rounds > _LONG or 5 * len(sources) * len(dynamics.start[0]) * rounds > _MANY:
        return nothing, f"{rounds:,} rounds of {len(sources):,} sources are played when they are asked for: after()"
    try:
        matrix = after(dynamics, sources, targets, rounds)
    except ValueError as error:
        return nothing, str(error)
    rows, columns = matrix.index.get_indexer(table["target"]), matrix.columns.get_indexer(table["source"])
    return matrix.to_numpy()[rows, columns], ""


def _after(dynamics: Dynamics, sources: list[str], targets: list[str], rounds: int) -> np.ndarray:
    """The same for a few sources at a time: columns stand for their levels."""
    rules = [_rule(dynamics.scenario.curation(name)) for name in sources]
    shares = torch.cat(
        [_moved(dynamics, name, step, rule[0]) for name, (step, rule) in zip(sources, rules, strict=True)], -1
    )
    ended = _played(dynamics, shares, rounds).reshape(len(sources), 5, -1)  # [sources, levels, targets]
    rows = [dynamics.targets.index(name) for name in targets]
    own = torch.tensor([int(np.flatnonzero(places == 0)[0]) for _, (places, _) in rules])
    moved = ended - ended[torch.arange(len(sources)), own].unsqueeze(1)  # what a level does not reach stays 0.0
    values = moved[..., rows].numpy()
    slopes = [np.tensordot(w / step, v, 1) for v, (step, (_, w)) in zip(values, rules, strict=True)]
    for name, v, slope, (step, rule) in zip(sources, values, slopes, rules, strict=True):
        if rule is _INSIDE:
            _check_smooth(name, targets, v / step, slope)
    return np.stack(slopes, 1)


def _rule(level: float) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """The step and the rule for a level: on both sides of it, or on the one that there is."""
    step = max(_LEAST, _STEP * min(level, 1 - level))
    if level < 2 * step:
        return step, _BESIDE
    return (-step, _BESIDE) if level > 1 - 2 * step else (step, _INSIDE)


def _moved(dynamics: Dynamics, name: str, step: float, places: np.ndarray) -> Tensor:
    """The shares of everybody at some levels of one member, ``[components, 1, levels]``."""
    tangent = torch.zeros_like(dynamics.shares)
    dynamics.level_tangent(name, tangent)
    return dynamics.shares + tangent * torch.from_numpy(step * places)


def _played(dynamics: Dynamics, shares: Tensor, count: int) -> Tensor:
    """The alignment of everybody after rounds from the scenario's start with ``shares [components, 1, columns]``."""
    rounds = Rounds(dynamics)
    state = rounds.begin(dynamics.start.expand(shares.shape[-1], -1))
    for number in range(1, count + 1):
        state = rounds.played(state, rounds.turn(number), shares=shares)
    return dynamics.alignment(state.now)


def _check_smooth(name: str, targets: list[str], values: np.ndarray, slope: np.ndarray) -> None:
    """Refuse a level at which slopes on both sides differ, of ``values [levels, targets]`` in units of the step."""
    left, right = (np.array([1, -4, 3]) @ values[:3] / 2, np.array([-3, 4, -1]) @ values[2:] / 2)
    kinked = np.flatnonzero(np.abs(right - left) > _KINK * (1e-3 + np.abs(slope)))
    if len(kinked):
        i = int(kinked[0])
        raise ValueError(
            f"the alignment of {targets[i]!r} has a kink at the curation level of {name!r}: its slope is {left[i]:.4g} "
            f"below and {right[i]:.4g} above; {INSTEAD}"
        )
