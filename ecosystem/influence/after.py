"""Influence after so many rounds: what moving a number does by then, from the scenario's own start."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import warn, whole_number
from ecosystem.influence.dynamics import INSTEAD
from ecosystem.influence.response import Response
from ecosystem.influence.rounds import Rounds

_STEP = 1e-3  # of a number, relative to how far it is from where a share would be negative
_LEAST = 1e-5  # the smallest step: below it, rounding counts
_FINEST = 1e-8  # where shares have no room for it
_INSIDE = (np.arange(-2, 3), np.array([1, -8, 0, 8, -1]) / 12)  # five-point rules: places, weights
_BESIDE = (np.arange(5), np.array([-25, 48, -36, 16, -3]) / 12)
_KINK = 1e-3  # relative difference of the slopes on both sides
_NUMBERS = 1 << 22  # parameters of all columns that are played at a time
_MANY = 1 << 27  # parameters of all columns and rounds up to which a table is filled unasked
_PLAYED = 100_000  # rounds that nobody is warned of
_LONG = 1000  # rounds up to which it is


def after(response: Response, rounds: int) -> pd.DataFrame:
    """``dJ_j/dλ_k`` after ``rounds`` rounds of the population, ``[targets, sources]``; see :meth:`Influence.after`.

    Rounds are played at five levels about ``λ_k``, ``h`` apart, and the rule of fourth order gives the derivative, up
    to ``O(h⁴)``: shares are linear in the level (and in every other number that is asked about), so each column is the
    engine's own round. ValueError where the slopes on both sides differ.
    """
    whole_number(rounds, "after(rounds)", 0)
    if rounds > max(_PLAYED, response.dynamics.scenario.rounds):
        warn(f"after({rounds}) plays so many rounds of the population, at five levels; for less give it fewer rounds")
    sources, most = response.sources, max(1, _NUMBERS // (5 * len(response.vector)))
    parts = [_after(response, sources[i : i + most], rounds) for i in range(0, len(sources), most)]
    columns = pd.Index(sources, name="source")
    return pd.DataFrame(np.concatenate(parts, 1), index=pd.Index(response.targets, name="target"), columns=columns)


def of_pairs(response: Response, table: pd.DataFrame) -> tuple[np.ndarray, str]:
    """What the scenario's own rounds make of each row's (target, source), and why they were not played, or ""."""
    dynamics, sources = response.dynamics, response.sources
    rounds, nothing = dynamics.scenario.rounds, np.full(len(table), np.nan)
    if rounds > _LONG or 5 * len(sources) * len(dynamics.start[0]) * rounds > _MANY:
        return nothing, f"{rounds:,} rounds of {len(sources):,} sources are played when they are asked for: after()"
    try:
        matrix = after(response, rounds)
    except ValueError as error:
        return nothing, str(error)
    rows, columns = matrix.index.get_indexer(table["target"]), matrix.columns.get_indexer(table["source"])
    return matrix.to_numpy()[rows, columns], ""


def _after(response: Response, sources: list[str], rounds: int) -> np.ndarray:
    """The same for a few sources at a time: columns stand for their levels."""
    dynamics, targets = response.dynamics, response.targets
    tangents = [_tangent(response, name) for name in sources]
    rooms = zip(sources, tangents, strict=True)
    rules = [_rule(_called(response, name), *_room(dynamics.shares, tangent)) for name, tangent in rooms]
    places = zip(tangents, rules, strict=True)
    shares = torch.cat([dynamics.shares + t * torch.from_numpy(step * rule[0]) for t, (step, rule) in places], -1)
    ended = _played(response, shares, rounds).reshape(len(sources), 5, -1)  # [sources, levels, targets]
    rows = [response.goal.targets.index(name) for name in targets]
    own = torch.tensor([int(np.flatnonzero(places == 0)[0]) for _, (places, _) in rules])
    moved = ended - ended[torch.arange(len(sources)), own].unsqueeze(1)  # what a level does not reach stays 0.0
    values = moved[..., rows].numpy()
    slopes = [np.tensordot(w / step, v, 1) for v, (step, (_, w)) in zip(values, rules, strict=True)]
    for name, v, slope, (step, rule) in zip(sources, values, slopes, rules, strict=True):
        if rule is _INSIDE:
            _check_smooth(response, name, v / step, slope)
    return np.stack(slopes, 1)


def _tangent(response: Response, name: str) -> Tensor:
    """How shares move with the number of a source, ``[components, 1, 1]``."""
    tangent = torch.zeros_like(response.dynamics.shares)
    response.numbers.write(response.dynamics, name, tangent)
    return tangent


def _room(shares: Tensor, tangent: Tensor) -> tuple[float, float]:
    """By how much a number can fall and rise until some share is 0; of a curation level ``λ`` and ``1 − λ``."""
    falls, rises = ((shares[some] / tangent[some].abs()).tolist() for some in (tangent > 0, tangent < 0))
    return min(falls, default=0.0), min(rises, default=0.0)


def _rule(number: str, falls: float, rises: float) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """The step and the rule for a number: on both sides of it, or on the one with more room; no share is negative."""
    step = max(_LEAST, _STEP * min(falls, rises))
    if min(falls, rises) >= 2 * step:
        return step, _INSIDE
    if (room := max(falls, rises)) < 4 * _FINEST:
        raise ValueError(
            f"the {number} has no room: a share is 0 once it falls by {falls:.3g} or rises by {rises:.3g}; leave its "
            "reader some real data, or ask for the long run alone"
        )
    return math.copysign(min(step, room / 4), rises - falls), _BESIDE


def _played(response: Response, shares: Tensor, count: int) -> Tensor:
    """What is looked at, of everybody, after rounds from the scenario's start with ``shares [components, 1,
    columns]``.
    """
    dynamics = response.dynamics
    rounds = Rounds(dynamics)
    state = rounds.begin(dynamics.start.expand(shares.shape[-1], -1))
    for number in range(1, count + 1):
        state = rounds.played(state, rounds.turn(number), shares=shares)
    return response.goal.values(state.now)


def _check_smooth(response: Response, name: str, values: np.ndarray, slope: np.ndarray) -> None:
    """Refuse a level at which slopes on both sides differ, of ``values [levels, targets]`` in units of the step."""
    left, right = (np.array([1, -4, 3]) @ values[:3] / 2, np.array([-3, 4, -1]) @ values[2:] / 2)
    kinked = np.flatnonzero(np.abs(right - left) > _KINK * (1e-3 + np.abs(slope)))
    if len(kinked):
        i, number = int(kinked[0]), _called(response, name)
        raise ValueError(
            f"the {response.goal.name} of {response.targets[i]!r} has a kink at the {number}: its slope is "
            f"{left[i]:.4g} below and {right[i]:.4g} above; {INSTEAD}"
        )


def _called(response: Response, name: str) -> str:
    """The number of a source, in words."""
    of = response.numbers.of
    return f"curation level of {name!r}" if of == "curation" else f"number of={of!r} of {name!r}"
