"""The ecosystem: a Mesa model in which every agent is a generative model."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mesa
import networkx as nx
import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import Samples, TrainingSet
from ecosystem.core.streams import Stream, word
from ecosystem.engine.cohorts import member_cohorts
from ecosystem.engine.judging import expectation
from ecosystem.engine.looped import Looped, Stack, bounds
from ecosystem.engine.rounds import gather, play, retrain
from ecosystem.engine.waves import Plan, Task, compile_plan, make_tasks
from ecosystem.engine.wiring import CURATED, REAL, Wiring
from ecosystem.engine.world import World, merge, put, selected, written
from ecosystem.generators import ClosedForm, ConditionalModel, GenerativeModel
from ecosystem.running.agents import ModelAgent
from ecosystem.running.checkpoints import Checkpoints, keeping, restore, save
from ecosystem.running.controls import Controls
from ecosystem.running.recording import Failure, Record, Recorder
from ecosystem.running.result import run_of
from ecosystem.running.run import Run
from ecosystem.running.variants import as_seeds, check_variants
from ecosystem.scenario import Scenario

_PLANS = 32  # compiled plans that are kept
_EXPLODED = 1e12  # a parameter beyond which a replicate counts as diverged


class Ecosystem(mesa.Model):
    """A scenario running; or several *variants* of one shape, whose numbers differ, as one tensor program.

    ``seeds`` are ints (replicate 0 of each) or pairs ``(seed, replicate)``; equal ones share every draw, in all
    variants. One agent for each member (``agents.select(...)``, ``agent.generator``); ``step()`` plays a round;
    ``result()`` gives the tables at any time.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=2)
    >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> eco = Ecosystem(s, seeds=[0])
    >>> eco.step()
    >>> eco["a"].generator.mean
    tensor([0.5000], dtype=torch.float64)
    """

    def __init__(
        self,
        scenarios: Scenario | Sequence[Scenario],
        *,
        seeds: Sequence[int | tuple[int, int]] = (0,),
        record: Record | None = None,
        build_samples: bool = False,
    ) -> None:
        super().__init__(rng=0)  # Mesa's own generator; every draw of ours has an address instead
        self.started = time.perf_counter()
        given = [scenarios] if isinstance(scenarios, Scenario) else list(scenarios)
        check_variants(given)
        self.scenarios = [scenario.replace() for scenario in given]  # nobody else's to change
        self.seeds = as_seeds(seeds, self.scenarios[0])
        self.build_samples = build_samples
        self.cohorts = member_cohorts(self.scenarios, len(self.seeds))
        self.wiring = Wiring(self.scenarios, self.cohorts, len(self.seeds), build_samples)
        self.controls = Controls(self.scenarios, self.wiring, len(self.seeds))
        self.names = self.wiring.names
        self.questions = [[s.member(name).questions for s in self.scenarios] for name in self.names]
        self.words = torch.tensor([word(name) for name in self.names], dtype=torch.int64)
        self.rng_root = Stream.root(self.seeds)
        self.generators: list[Stack] = [cohort.start for cohort in self.cohorts]
        depth = int(self.wiring.delay.max()) if len(self.wiring.delay) else 0
        self._past: list[list[Stack]] = [list(self.generators)] * (depth + 1)
        self._roots: dict[str, Stream] = {}
        self._memories: list[dict[str, Any]] = [{} for _ in self.cohorts]
        self.completed = 0  # rounds played to the end (Mesa counts a step when it begins)
        self.alive = self.controls.alive
        self.recorder = Recorder(self, record or Record())
        self._plans: dict[tuple[int, bytes, bytes], Plan] = {}
        self._turn: tuple[World, Task, Tensor] | None = None
        self._by_name = {name: self._make_agent(name) for name in self.names}
        self._deciders = [a for a in self._by_name.values() if type(a).decide is not ModelAgent.decide]
        getattr(mesa.Agent, "_ids", {}).pop(self, None)  # else Mesa 3.3 keeps every model alive for ever
        self.recorder.keep(torch.zeros(len(self.names), *self.alive.shape, dtype=torch.bool))

    # -- reading -------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> ModelAgent:
        """The agent of a member."""
        return self._by_name[name]

    @property
    def graph(self) -> nx.DiGraph:
        """The coupling graph of the scenario (of the first variant)."""
        return self.scenarios[0].graph

    @property
    def rounds(self) -> int:
        return self.scenarios[0].rounds

    def taste(self, judge: str, of: str) -> Tensor:
        """The expected reward of a member's output under a judge's taste, ``[variants, replicates]``."""
        (c, row), (source, place) = self.wiring.place[judge], self.wiring.place[of]
        reward = self.cohorts[c].reward
        if reward is None:
            raise ValueError(f"{judge!r} has no reward to judge by; give it one: Member(..., reward=...)")
        judges = partial(self.judges, torch.tensor([self.wiring.index[of]]))
        stack = self.generators[source].take(torch.tensor([place]))
        questions = [self.questions[self.wiring.index[judge]]]
        return expectation(stack, reward.take(torch.tensor([row])), judges, self.recorder.record.judged, questions)[0]

    def diet(self, name: str) -> dict[str, tuple[Tensor, Tensor]]:
        """What a member takes: raw and curated shares by producer, ``[variants, replicates]`` each."""
        shares = {}
        for i in self.wiring.components_of(self.wiring.index[name]):
            part = self.wiring.components[i]
            if part.group != REAL and part.flow is not None:
                raw, curated = shares.setdefault(part.flow[0], (torch.zeros(self.alive.shape),) * 2)
                value = self.wiring.shares[i].expand(self.alive.shape)
                shares[part.flow[0]] = (raw, curated + value) if part.group == CURATED else (raw + value, curated)
        return shares

    def judges(self, members: Tensor) -> Stream:
        """The streams by which some members are judged now, ``[members, 1, replicates]``."""
        keys = self.rng_root.at("judge").at(int(self.steps)).keys.reshape(1, 1, -1)
        return Stream(keys).at(self.words[members].reshape(-1, 1, 1))

    # -- running -------------------------------------------------------------------------------------------------

    def run(self, progress: Callable[[int, int], None] | None = None, checkpoints: Checkpoints | None = None) -> None:
        """Play the rounds that are left; ``progress(done, all)`` is told after each.

        With ``checkpoints`` the run goes on from the newest one there, if there is any, and is saved as they say.
        """
        with keeping(self, checkpoints) as round_played:
            while self.steps < self.rounds:
                self.step()
                round_played()
                if progress is not None:
                    progress(self.steps, self.rounds)
        lost = int((~self.alive).sum())
        if lost:
            warnings.warn(
                f"{lost} of {self.alive.numel()} replicates diverged and were stopped; the table `failures` says when",
                RuntimeWarning,
                stacklevel=2,
            )

    def step(self) -> None:
        """Play one round: interventions and decisions, then gather and retrain, wave by wave."""
        round = self.controls.round = int(self.steps)  # Mesa has counted this step already
        for intervention in self.scenarios[0].interventions.get(round, ()):
            self.controls.intervene(intervention)
        for agent in self._deciders:
            agent.decide()
        due = self.controls.due(round, self.rng_root, self.words) & self.alive
        before = list(self.generators)
        world = self._world(round)
        losses = self._play(world, due)
        self.generators = world.generators
        self._stop_diverged(before, due, round)
        self._past = [list(self.generators), *self._past][: len(self._past)]
        self.recorder.keep(due & self.alive, before, losses)
        self.completed = round

    def _world(self, round: int) -> World:
        return World(
            round,
            self.scenarios[0].samples,
            self.cohorts,
            self.words,
            list(self.generators),
            self._past,
            self._memories,
            self.wiring.shares,
            self.rng_root,
            self.build_samples,
            roots=self._roots,
        )

    def _play(self, world: World, due: Tensor) -> Tensor:
        """Every group of replicates that share an order, in its waves."""
        ranks = self.scenarios[0].ordering.ranks(self.names, world.round, self.rng_root)
        everyone = torch.arange(len(self.seeds))
        if ranks.ndim == 1:
            world.count, world.ledger = self.recorder.watchers(world.round, everyone)
            return play(world, self.wiring, self._plan(ranks, due), due, self._own_turn)
        losses = torch.full(due.shape, torch.nan, dtype=torch.float64)
        orders, which = np.unique(ranks, axis=1, return_inverse=True)
        whole = selected(world, everyone)
        for number in range(orders.shape[1]):
            index = torch.from_numpy(np.flatnonzero(which.reshape(-1) == number))
            part = selected(whole, index)
            part.count, part.ledger = self.recorder.watchers(world.round, index)
            here = due[:, :, index]
            losses[:, :, index] = play(part, self.wiring, self._plan(orders[:, number], here), here, self._own_turn)
            merge(world, part, index)
        return losses

    def _plan(self, ranks: np.ndarray, due: Tensor) -> Plan:
        """The compiled plan of an order; the last few are kept."""
        anyone = due.flatten(1).any(1).numpy()
        key = (self.controls.version, ranks.tobytes(), anyone.tobytes())
        if key not in self._plans:
            if len(self._plans) >= _PLANS or any(k[0] != key[0] for k in self._plans):
                self._plans.clear()
            self._plans[key] = compile_plan(self.wiring, self.cohorts, ranks, anyone)
        return self._plans[key]

    def _stop_diverged(self, before: list[Stack], due: Tensor, round: int) -> None:
        """Take back the round in replicates where a parameter has become NaN or enormous, and stop them there."""
        bad = torch.zeros_like(due)
        for cohort, new, old in zip(self.cohorts, self.generators, before, strict=True):
            if not cohort.ids or new is old:
                continue
            low, high = bounds(new)
            if not bool((high < _EXPLODED) & (low > -_EXPLODED)):  # a NaN is neither
                bad[cohort.index] = ~(new.vector().abs().amax(-1) < _EXPLODED) & due[cohort.index]
        if not bool(bad.any()):
            return
        for i, variant, replicate in bad.nonzero().tolist():
            error = f"the parameters of {self.names[i]!r} became NaN or larger than {_EXPLODED:g} in round {round}"
            self.recorder.failures.append(Failure(round, i, variant, replicate, error))
        self.alive &= ~bad.any(0)
        for c, cohort in enumerate(self.cohorts):
            if cohort.ids:
                rows, alive = torch.arange(len(cohort.ids)), self.alive.expand(len(cohort.ids), -1, -1)
                self.generators[c] = written(before[c], rows, self.generators[c], alive)

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all that has happened to a new folder; :meth:`restore` into a new ecosystem of the same goes on."""
        save(self, folder)

    def restore(self, folder: str | os.PathLike[str]) -> None:
        """Take over what :meth:`save` wrote (or a run with checkpoints); refused where scenario or settings differ."""
        restore(self, folder)

    def state(self) -> dict[str, Any]:
        """All that rounds have changed; see :mod:`ecosystem.running.checkpoints`."""
        return {
            "rounds": self.completed,
            "past": self._past,
            "memories": self._memories,
            "controls": self.controls.state(),
            "recorder": self.recorder.state(),
            "mesa": (self.random.getstate(), self.rng.bit_generator.state),  # for agents that draw from it
            "seconds": time.perf_counter() - self.started,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` has given."""
        self.steps = self.completed = state["rounds"]
        self._past, self._memories = state["past"], state["memories"]
        self.generators = list(self._past[0])
        self.controls.load_state(state["controls"])
        self.recorder.load_state(state["recorder"])
        self.random.setstate(state["mesa"][0])
        self.rng.bit_generator.state = state["mesa"][1]
        self.started = time.perf_counter() - state["seconds"]

    # -- agents --------------------------------------------------------------------------------------------------

    def _make_agent(self, name: str) -> ModelAgent:
        member = self.scenarios[0].member(name)
        agent = (member.agent or ModelAgent)(self, name, member)
        if not isinstance(agent, ModelAgent):
            raise TypeError(f"Member(agent) of {name!r} must be a subclass of ModelAgent, got {member.agent!r}")
        return agent

    def _own_turn(self, world: World, task: Task, due: Tensor) -> Tensor:
        agent = self._by_name[self.names[int(task.members[0])]]
        self._turn = (world, task, due)
        try:
            losses = agent.retrain(agent.gather())
        finally:
            self._turn = None
        return torch.full(due.shape, torch.nan, dtype=torch.float64) if losses is None else losses

    def _turn_of(self, agent: ModelAgent) -> tuple[World, Task, Tensor]:
        """The world as an agent finds it: in its turn, or between rounds as if the next were its."""
        if self._turn is not None and int(self._turn[1].members[0]) == agent.index:
            return self._turn
        live = (self.wiring.shares != 0).flatten(1).any(1).numpy()
        rows = np.array([agent.row])
        task = make_tasks(self.wiring, self.cohorts[agent.cohort], agent.cohort, rows, np.zeros_like(live), live)[0]
        return self._world(int(self.steps) + 1), task, self.alive.unsqueeze(0)

    def gather_for(self, agent: ModelAgent) -> Tensor | TrainingSet:
        """See :meth:`ModelAgent.gather`."""
        world, task, _ = self._turn_of(agent)
        return gather(world, self.wiring, task)

    def retrain_for(self, agent: ModelAgent, gathered: Samples | TrainingSet) -> Tensor:
        """See :meth:`ModelAgent.retrain`."""
        world, task, due = self._turn_of(agent)
        losses = retrain(world, task, gathered, due)
        if self._turn is None:
            self.generators = world.generators
            self._past[0] = list(self.generators)
        return losses

    def write_generator(self, agent: ModelAgent, value: GenerativeModel) -> None:
        """See :attr:`ModelAgent.generator`."""
        in_turn = self._turn is not None
        generators = self._turn[0].generators if self._turn is not None else self.generators
        old = generators[agent.cohort]
        if isinstance(old, Looped):
            models = old.models.copy()
            if isinstance(value, ConditionalModel) and value.prompts is None:
                value.prompts = models[(agent.row, 0, 0)].prompts
            for cell in np.ndindex(models.shape[1:]):
                models[(agent.row, *cell)] = value
            generators[agent.cohort] = Looped(models)
        else:
            if not isinstance(value, ClosedForm) or type(value) is not type(old):
                raise TypeError(f"{agent.name!r} is a {type(old).__name__}, it cannot become {value!r}")
            size, row = old.batch_shape[1:], torch.tensor([agent.row])
            missing = 2 - len(value.batch_shape)
            tensors = {
                name: put(
                    tensor,
                    row,
                    fresh.reshape(*(1,) * (1 + missing), *fresh.shape).expand(1, *size, *tensor.shape[3:]),
                    None,
                )
                for (name, tensor), fresh in zip(old.tensors().items(), value.tensors().values(), strict=True)
            }
            generators[agent.cohort] = old.rebuild(tensors)
        if not in_turn:  # between rounds it is the state that everybody reads
            self._past[0] = list(generators)

    # -- the result ----------------------------------------------------------------------------------------------

    def result(self, variant: int = 0, **settings: Any) -> Run:
        """The tables of a variant, at any time; keywords go into ``run.settings``."""
        return run_of(self, variant, settings)
