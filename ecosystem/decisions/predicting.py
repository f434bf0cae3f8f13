"""What a scenario predicts of its members, round by round, as a function of its free numbers, and how that moves.

The engine's own population rounds are played, with a replicate for each free number: forward mode (dual numbers)
carries the derivative by one number in each replicate, so one pass through the rounds gives the whole Jacobian. All
that happens in the scenario happens: interventions, schedules, orders, delays, users who move.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.autograd import forward_ad

from ecosystem.core.check import a_seed, brief, numbers, one_line
from ecosystem.core.products import any_bits
from ecosystem.decisions.alone import check_alone
from ecosystem.decisions.asked import check_played, checked_wanted, places
from ecosystem.decisions.columns import carried, columns, no_value
from ecosystem.decisions.differences import central
from ecosystem.decisions.free import Free
from ecosystem.decisions.parameters import Parameters
from ecosystem.engine.diets import intervene
from ecosystem.engine.looped import Looped
from ecosystem.engine.program import Program, compiled
from ecosystem.engine.state import State
from ecosystem.engine.step import step
from ecosystem.influence.leaving import own_parts
from ecosystem.scenario import Scenario

_SAME = 1e-6  # relative difference of rounds that are the same
_DOUBT = 1e-4  # of the largest derivative: what differences and derivatives may differ by


class Predictor:
    """Predictions ``[rows]`` of a scenario for the rows of a table (member, round, measure), and their Jacobian.

    ``free`` are the free numbers (:func:`~ecosystem.decisions.as_free`), in the order of ``names``; ``wanted`` a frame
    with the columns ``member``, ``round`` and ``measure``: ``alignment``, ``mean[0]`` (a number of a parameter of the
    generator), or an :class:`Exact` measure of ``measures`` by its name. Rounds are those of ``scenario.run().rounds``
    on the population (``samples=None``), with the random orders and clocks of ``seed``.

    The Jacobian is exact. Where derivatives do not pass through a part of the user's own it is by central differences:
    ``differenced`` says by which numbers, and why.

    Raises
    ------
    TypeError, KeyError, ValueError
        For a table without these columns, members, rounds and measures that there are none of, a scenario without
        population dynamics, agents of one's own, what :class:`Parameters` refuses; by name.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=2)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([2.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(curated=0.5))
    >>> asked = pd.DataFrame({"member": "a", "round": [1, 2], "measure": "alignment"})
    >>> p = Predictor(s, ["level(a)", "strength(a)"], asked)
    >>> p([0.5, 2.0])  # θ₁ = λa, θ₂ = λ(θ₁ + a)
    array([1. , 1.5])
    >>> p.jacobian([0.5, 2.0])[1]
    array([[2.  , 0.5 ],
           [4.  , 0.75]])
    """

    def __init__(
        self,
        scenario: Scenario,
        free: Sequence[Free | str] | Parameters,
        wanted: pd.DataFrame,
        *,
        measures: Sequence[Any] = (),
        seed: int = 0,
    ) -> None:
        self.parameters = free if isinstance(free, Parameters) else Parameters(scenario, free)
        self.scenario = self.parameters.scenario.replace(samples=None)
        check_played(self.scenario)
        self.wanted = checked_wanted(self.scenario, wanted)
        self.seed = a_seed(seed, "seed")
        self.columns = columns(list(dict.fromkeys(self.wanted["measure"])), measures)
        self._programs: dict[int, Program] = {}
        self._places = places(self.wanted, self._program(1).index)
        self.last = max(self._places, default=0)
        self.differenced: dict[str, str] = {}
        self._check_values()
        self._check_alone()
        self._check_derivatives()

    @property
    def names(self) -> list[str]:
        """The free numbers."""
        return self.parameters.names

    def __len__(self) -> int:
        return len(self.wanted)

    def freed(self, parameters: Parameters) -> Predictor:
        """The same predictions as a function of the same free numbers in another order, as ``parameters`` has them."""
        new = copy.copy(self)
        new.parameters, new.scenario = parameters, parameters.scenario.replace(samples=None)
        new._programs = {}
        return new

    # -- predictions -----------------------------------------------------------------------------------------------

    def __call__(self, values: Any) -> np.ndarray:
        """Predictions ``[rows]`` at ``values [P]``, or ``[n, rows]`` at ``values [n, P]``, side by side.

        NaN where the rounds diverge before.
        """
        given = self._given(values)
        with torch.no_grad():
            found = self._played(given.reshape(-1, len(self.parameters))).T.numpy()
        return found[0] if given.ndim == 1 else found

    def jacobian(self, values: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictions ``[rows]`` at ``values [P]``, and their derivatives ``[rows, P]``.

        Of many rows of values, ``[n, P]``, side by side: ``[n, rows]`` and ``[n, rows, P]``.
        """
        given = self._given(values)
        rows = given.reshape(-1, len(self.parameters))
        value, slope = self._slopes(rows)
        late = [i for i, name in enumerate(self.names) if name in self.differenced]
        if late:
            slope[:, :, late] = central(self._played, self.parameters, rows, late)
        return (value[0], slope[0]) if given.ndim == 1 else (value, slope)

    def _given(self, values: Any) -> Tensor:
        given = numbers(values, "values of free numbers")
        if given.ndim not in (1, 2) or given.shape[-1] != len(self.parameters):
            raise ValueError(
                f"there are {len(self.parameters)} free numbers, {', '.join(self.names)}; got {brief(values)}"
            )
        return given

    def _slopes(self, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Values ``[n, rows]`` and derivatives ``[n, rows, P]`` by dual numbers, a replicate for each of ``n · P``."""
        n, count = rows.shape
        wide = rows.repeat_interleave(count, 0)
        _load_rules()
        with torch.no_grad(), forward_ad.dual_level():
            played = self._played(forward_ad.make_dual(wide, torch.eye(count, dtype=rows.dtype).repeat(n, 1)))
            primal, tangent = forward_ad.unpack_dual(played)
            tangent = torch.zeros_like(primal) if tangent is None else tangent
            values, slopes = (part.reshape(-1, n, count).numpy() for part in (primal, tangent))
        return values[:, :, 0].T.copy(), slopes.transpose(1, 0, 2).copy()

    def _played(self, values: Tensor) -> Tensor:
        """Predictions ``[rows, replicates]`` at ``values [replicates, P]``."""
        return self._read(self._program(len(values)), self.states(values))

    def _read(self, program: Program, states: Iterable[State]) -> Tensor:
        """What is asked of these states, ``[rows, replicates]``."""
        parts: dict[int, Tensor] = {}
        for state in states:
            if state.round in self._places:
                order, members, measures = self._places[state.round]
                known = {name: self.columns[name](program, state) for name in dict.fromkeys(measures)}
                rows = torch.stack([known[name][i] for name, i in zip(measures, members, strict=True)])
                there = (state.active[members] & state.alive)[:, 0]
                parts |= dict(zip(order, torch.where(there, rows, torch.nan), strict=True))
        return torch.stack([parts[row] for row in range(len(self.wanted))])

    def states(self, values: Tensor) -> Iterator[State]:
        """The states before the first round and after each, up to the last that is asked about.

        ``values [replicates, P]``: a replicate for each row.
        """
        program = self._program(len(values))
        if forward_ad.unpack_dual(values).tangent is not None:
            known = (s if isinstance(s, Looped) else s.map(carried) for s in program.sources)
            program = replace(program, sources=tuple(known))
        with any_bits():
            yield from self._rounds(program, self.parameters.write(program, program.first, values))

    def _rounds(self, program: Program, state: State) -> Iterator[State]:
        """A first state, and those after each round."""
        yield state
        for number in range(1, self.last + 1):
            if interventions := self.scenario.interventions.get(number):
                state, _ = intervene(program, state, interventions)
            state, _ = step(program, state)
            yield state

    def _program(self, replicates: int) -> Program:
        if replicates not in self._programs:
            made = compiled([self.scenario], [(self.seed, 0)] * replicates)  # the same luck in all of them
            self._programs[replicates] = replace(made, differentiable=True)
        return self._programs[replicates]

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_values(self) -> None:
        """Refuse what has no value where the scenario stands."""
        wrong = np.flatnonzero(~np.isfinite(self(self.parameters.values)))
        if len(wrong):
            row = self.wanted.iloc[int(wrong[0])]
            raise ValueError(
                f"in round {row['round']} {no_value(row['member'], row['measure'])}"
                + (f"; so it is in {len(wrong)} rows" if len(wrong) > 1 else "")
            )

    def _check_alone(self) -> None:
        """Refuse parts that mix replicates: side by side they are as the changed scenarios alone."""
        many, alone = np.stack([self.parameters.values, self.parameters.away()]), []
        for values in many:
            changed = self.parameters.scenario_at(values).replace(samples=None)
            program = replace(compiled([changed], [(self.seed, 0)]), differentiable=True)
            with torch.no_grad(), any_bits():
                alone.append(self._read(program, self._rounds(program, program.first))[:, 0].numpy())
        check_alone(self.scenario, self.wanted, self(many).T, np.stack(alone, -1), _SAME)

    def _check_derivatives(self) -> None:
        """Find the numbers by which derivatives do not pass: differences tell, at the scenario's own values."""
        rows = torch.from_numpy(self.parameters.values).unsqueeze(0)
        every = list(range(len(self.parameters)))
        differences = central(self._played, self.parameters, rows, every)[0]
        try:
            _, slopes = self._slopes(rows)
        except (NotImplementedError, RuntimeError) as error:
            said = f"{own_parts(self.scenario)} cannot be differentiated ({one_line(error)[:120]})"
            self.differenced = dict.fromkeys(self.names, said)
            return
        for i, name in enumerate(self.names):
            gap, size = np.abs(slopes[0, :, i] - differences[:, i]).max(), np.abs(differences[:, i]).max()
            scale = max(abs(float(rows[0, i])), 1e-3)
            if not gap <= _DOUBT * size + 1e-8 / scale * max(1.0, float(np.abs(self(rows)[0]).max())):
                self.differenced[name] = (
                    f"derivatives by {name} do not pass through {own_parts(self.scenario)}: they are off by {gap:.3g}"
                )


@cache
def _load_rules() -> None:
    """Let torch load its rules of forward mode, by a compiler that it warns of itself."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
