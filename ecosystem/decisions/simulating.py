"""Simulated observations: what a table would have been, had the free numbers of a scenario been others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from ecosystem.core.check import brief, real_number
from ecosystem.core.streams import Stream
from ecosystem.decisions.alone import check_alone
from ecosystem.decisions.columns import Column, columns
from ecosystem.decisions.observed import WHICH, Observations
from ecosystem.decisions.parameters import Parameters
from ecosystem.engine.diets import intervene
from ecosystem.engine.program import Program, compiled
from ecosystem.engine.step import step
from ecosystem.running.agents import ModelAgent
from ecosystem.running.recording import Record, Recorder
from ecosystem.running.snapshots import ARRAYS
from ecosystem.running.variants import randomly_timed
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import parameter_count
from ecosystem.scenario.network import standing_for_all

_AT_ONCE = 256  # replicates in one program
_SAME = 1e-3  # relative difference of rounds that are the same: weights of stacked models differ in their last bits
_HELD = 2**25  # numbers of models that are gone through one by one, in all of them
Seeds = Sequence[tuple[int, int]]


class Simulator:
    """Observations ``[n, rows]`` of sampled runs, one for each row of ``values [n, P]`` of free numbers.

    A row is that of a table of observations that has a value. Rows of another ``seed`` or ``replicate`` are other runs
    with the same numbers. Each simulation has draws of its own, those of (seed, replicate); many are played side by
    side in one program; models that are trained start from the scenario's weights, each copy on its own. Alignments
    that have no closed form are judged as the observations' ``record`` says. To each number an error of the standard
    deviation ``noise [rows]`` is added.

    Raises
    ------
    ValueError
        If there is no chance in any of it, and what the parts of it refuse.
    """

    def __init__(
        self,
        scenario: Scenario,
        parameters: Parameters,
        observed: Observations,
        noise: Any,
        measures: Sequence[Any] = (),
    ) -> None:
        self.scenario, self.parameters = parameters.scenario, parameters
        _refuse_agents(self.scenario)
        observed.refuse_unknown(scenario)
        self.wanted = observed.seen
        self.noise = noise_of(scenario, self.wanted, noise)
        pairs = list(dict.fromkeys(self.wanted[list(WHICH)].itertuples(index=False, name=None)))
        self.runs = len(pairs)
        self._run = np.array(
            [pairs.index(pair) for pair in self.wanted[list(WHICH)].itertuples(index=False, name=None)]
        )
        self._last = int(self.wanted["round"].max())
        told = observed.record or Record()
        own = tuple(dict.fromkeys((*told.measures, *measures)))
        self._record = Record(judged=told.judged, same_noise=told.same_noise, measures=own)
        size = sum(parameter_count(member.generator) * count for _, member, count in standing_for_all(self.scenario))
        self._at_once = max(min(_AT_ONCE, _HELD // max(size, 1)) // self.runs, 1)
        self._columns: dict[str, Column] | None = None
        self._check_alone()

    def __len__(self) -> int:
        return len(self.wanted)

    def __call__(self, values: np.ndarray, seed: int, first: int = 0) -> np.ndarray:
        """``[n, rows]`` at ``values [n, P]``, with the replicates from ``first · runs`` on of a seed; NaN: diverged."""
        n, found = len(values), []
        for start in range(0, n, self._at_once):
            some = values[start : start + self._at_once]
            begin = (first + start) * self.runs
            seeds = [(seed, begin + i) for i in range(len(some) * self.runs)]
            found.append(self._block(np.repeat(some, self.runs, axis=0), seeds))
        return np.concatenate(found)

    def _block(self, values: np.ndarray, seeds: Seeds) -> np.ndarray:
        """``[n, rows]`` of ``n · runs`` replicates."""
        played = self._played(values, seeds)  # [measured rows, replicates]
        count = len(values) // self.runs
        chosen = played.reshape(len(self), count, self.runs)[np.arange(len(self)), :, self._run].T
        if not self.noise.any():
            return chosen
        rng = Stream.root(list(seeds)[:: self.runs]).at("observation")
        return chosen + self.noise * rng.normal(len(self)).reshape(count, len(self)).numpy()

    def _check_alone(self) -> None:
        """Refuse parts that mix replicates: side by side they are as changed scenarios alone, with the same draws."""
        many, seeds = np.stack([self.parameters.values, self.parameters.away()]), [(0, 0), (0, 1)]
        alone = [
            self._rounds(compiled([self.parameters.scenario_at(row)], [seed]), None, [seed])
            for row, seed in zip(many, seeds, strict=True)
        ]
        check_alone(self.scenario, self.wanted, self._played(many, seeds), np.concatenate(alone, 1), _SAME)

    def _played(self, values: np.ndarray, seeds: Seeds) -> np.ndarray:
        """``[rows, replicates]`` of a sampled run with ``values [replicates, P]``, without errors of reading."""
        return self._rounds(compiled([self.scenario], list(seeds)), values, seeds)

    def _rounds(self, program: Program, values: np.ndarray | None, seeds: Seeds) -> np.ndarray:
        """The same of a program, as it is or with other ``values``."""
        recorder = Recorder(program, list(seeds), self._record)
        names = list(dict.fromkeys(self.wanted["measure"]))
        with torch.no_grad():
            state = program.first
            if values is not None:
                state = self.parameters.write(program, state, torch.from_numpy(np.ascontiguousarray(values)))
            recorder.keep(state)
            known = self._laws(recorder, names)
            found = {(name, 0): column(program, state) for name, column in known.items()}
            for number in range(1, self._last + 1):
                before = state
                if interventions := self.scenario.interventions.get(number):
                    state, _ = intervene(program, state, interventions)
                state, played = step(program, state, watch=recorder.watch(state, number))
                recorder.keep(state, before, played)
                found |= {(name, number): column(program, state) for name, column in known.items()}
        place = {name: i for i, name in enumerate(program.names)}
        rows = []
        for member, number, name in self.wanted[["member", "round", "measure"]].itertuples(index=False, name=None):
            if name in known:
                rows.append(found[name, number][place[member]].numpy())
            else:
                rows.append(np.broadcast_to(recorder.snapshots[number].array(name)[place[member], 0], len(seeds)))
        return np.where(state.alive[0].numpy(), np.stack(rows).astype(float), np.nan)

    def _laws(self, recorder: Recorder, names: Sequence[str]) -> dict[str, Column]:
        """The measures that are not recorded: parts of laws, by name."""
        if self._columns is None:
            recorded = (*recorder.snapshots[0].numbers, *ARRAYS)
            self._columns = columns([name for name in names if name not in recorded])
        return self._columns


def noise_of(scenario: Scenario, wanted: pd.DataFrame, noise: Any) -> np.ndarray:
    """The standard deviation of the errors of reading ``[rows]``: a number, one by measure, ``"column"``, or None.

    ValueError where it is none of these, or nothing is left to chance.
    """
    chance = scenario.samples is not None or randomly_timed(scenario)
    if isinstance(noise, str) and noise != "column":
        raise ValueError(f"noise is a number, a dict by measure, 'column' or None, got {brief(noise)}")
    if isinstance(noise, str) or (noise is None and not chance):
        if wanted["sd"].isna().any():
            row = int(np.flatnonzero(wanted["sd"].isna())[0])
            raise ValueError(
                f"scenario {scenario.name!r} leaves nothing to chance, and row {row} of the observations has no sd: "
                "run it on samples, scenario.replace(samples=n), or say what errors there are, noise=0.1"
                if noise is None
                else f"noise='column', and row {row} of the observations has no sd; fill it in, or give noise=0.1"
            )
        return wanted["sd"].to_numpy(float)
    if noise is None:
        return np.zeros(len(wanted))
    by = noise if isinstance(noise, dict) else dict.fromkeys(wanted["measure"], noise)
    for name in dict.fromkeys(wanted["measure"]):
        size = real_number(by.get(name))
        if not 0 <= size < np.inf or (not chance and size == 0):
            raise ValueError(f"noise of {name!r} is a number above 0, got {brief(by.get(name))}")
    return wanted["measure"].map(by).to_numpy(float)


def _refuse_agents(scenario: Scenario) -> None:
    for name, member, _ in standing_for_all(scenario):
        if member.agent is not None and member.agent is not ModelAgent:
            raise ValueError(
                f"{name!r} has an agent of its own, {member.agent.__name__}, and simulations of many numbers side by "
                "side have none; say what it does by interventions instead"
            )
