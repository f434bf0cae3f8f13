"""The ecosystem: a Mesa model in which every agent is a generative model."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, switch, warn, whole_number
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.progress import LOG, Meter, metered
from ecosystem.engine.diets import Change, Changed, intervene
from ecosystem.engine.placing import home_of
from ecosystem.engine.program import compiled
from ecosystem.engine.state import State
from ecosystem.engine.step import step
from ecosystem.running.agents import ModelAgent
from ecosystem.running.checkpoints import Checkpoints, keeping, restore, save
from ecosystem.running.costs import check_cost
from ecosystem.running.live import as_live
from ecosystem.running.model import RoundsModel
from ecosystem.running.origin import origin
from ecosystem.running.recording import Record, Recorder, checked_record
from ecosystem.running.result import run_of
from ecosystem.running.run import Run
from ecosystem.running.turns import Turns
from ecosystem.running.until import Condition, check_condition, is_over, why_stopped
from ecosystem.running.variants import as_seeds, check_variants
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known
from ecosystem.scenario.network import standing_for_all


@spelled
class Ecosystem(RoundsModel):
    """A scenario running; or several *variants* of one shape, whose numbers differ, as one tensor program.

    ``seeds`` are ints (replicate 0 of each) or pairs ``(seed, replicate)``; equal ones share every draw, in all
    variants. One agent for each member that is there (``agents.select(...)``, ``agent.generator``; by name,
    ``eco[name]``, all of them); ``step()`` plays a round; ``result()`` gives the tables at any time. ``live`` are
    functions that are told what is recorded, while it goes on (:mod:`ecosystem.running.live`). All that rounds change
    is one value, ``state``; all that they do not is another, ``program``. Both live on ``device`` (the CPU if None),
    closed forms with numbers of ``dtype`` (float64, or float32), neural models that are on the CPU too; what is drawn
    there has the same bits, normal numbers up to rounding, and what is recorded comes back
    (:mod:`ecosystem.engine.placing`).

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=2)
    >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> eco = Ecosystem(s, seeds=[0])
    >>> eco.step()
    >>> eco["a"].generator.mean
    tensor([0.5000], dtype=torch.float64)
    """

    _repr_html_: Any = Door("ecosystem.plots.shown", "ecosystem")

    def __init__(
        self,
        scenarios: Scenario | Sequence[Scenario],
        *,
        seeds: Sequence[int | tuple[int, int]] = (0,),
        record: Record | None = None,
        build_samples: bool = False,
        live: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.started = time.perf_counter()
        given: list[Any] = list(scenarios) if isinstance(scenarios, Sequence) else [scenarios]
        check_variants(given)
        self.scenarios = [scenario.replace() for scenario in given]  # nobody else's to change
        self.graph, self.rounds = self.scenarios[0].graph, self.scenarios[0].rounds  # of the first variant
        self.seeds = as_seeds(seeds, self.scenarios[0])
        chosen = checked_record(record)
        check_cost(self.scenarios, len(self.seeds), chosen)
        self.program = compiled(
            self.scenarios, self.seeds, switch(build_samples, "build_samples"), home_of(device, dtype)
        )
        self.state: State = self.program.first
        self.changes: list[Change] = []
        self.names = list(self.program.names)
        self.turns = Turns(self)
        self._by_name: dict[str, ModelAgent] = {}
        self.until: Condition | None = None
        self.condition = ""  # its digest, where checkpoints are kept
        self.stopped = ""  # why the run ended before its last round
        self.unmet = True
        if any(member.agent is not None for _, member, _ in standing_for_all(self.scenarios[0])):
            self.meet()  # they may refuse, and decide
        self._deciders = [a for a in self._by_name.values() if type(a).decide is not ModelAgent.decide]
        self.recorder = Recorder(self.program, self.seeds, chosen)
        self.recorder.keep(self.state)
        self.live = as_live(live)

    # -- reading -------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> ModelAgent:
        """The agent of a member; KeyError where there is none of that name."""
        check_known(name, self.graph, f"ecosystem {self.graph.name!r}")
        self.meet()
        return self._by_name[name]

    def meet(self) -> None:
        """Make the agents of all members, if nobody has asked for one before."""
        if self.unmet:
            self.unmet = False
            self._by_name = {name: agent_of(self, name) for name in self.names}
            enrol(self)

    @property
    def alive(self) -> Tensor:
        """The replicates that have not diverged, ``[variants, replicates]``."""
        return self.state.alive.clone()

    # -- running -------------------------------------------------------------------------------------------------

    def run(
        self,
        progress: bool | Meter | Callable[[int, int], object] | None = None,
        checkpoints: Checkpoints | None = None,
        until: Condition | None = None,
    ) -> None:
        """Play the rounds that are left; ``progress`` shows how far it is, or is a function told ``(done, all)``.

        With ``checkpoints`` the run goes on from the newest one there, if there is any, and is saved as they say. It
        ends before its last round when ``until(view)`` is true after one (see :class:`~ecosystem.running.until.settled`
        and :class:`~ecosystem.running.measures.View`) or an agent sets ``model.running = False``; ``run.settings`` then
        say so under ``stopped``, and that round is recorded (``draws``, ``sources`` and ``choices`` only where the
        record asks for it).
        """
        check_condition(until)
        self.until, self.stopped = until, ""
        name = self.scenarios[0].name
        with metered(progress, name, "rounds") as meter, keeping(self, checkpoints) as round_played:
            enrol(self)
            if self.steps:
                meter.phase(f"going on after round {self.steps}")
            ended = is_over(self.stopped, until)  # as a checkpoint says
            if self.live:
                self.live.tell(self.recorder)
            while self.running and not ended and self.steps < self.rounds:
                self.step()
                ended = bool(self.stopped)
                round_played()
                meter.now(self.steps, self.rounds)
            LOG.info("%s: %d of %d rounds are played", name, self.steps, self.rounds)
        lost = int((~self.alive).sum())
        if lost:
            warn(
                f"{lost} of {self.alive.numel()} replicates diverged and were stopped; the table `failures` says when",
                RuntimeWarning,
            )

    def step(self) -> None:
        """Play one round: interventions, decisions, then gather, curate, retrain wave by wave, and keep."""
        if self.live:  # of the start, before it is too late to refuse
            self.live.tell(self.recorder)
        before, number = self.state, self.state.round + 1
        if interventions := self.scenarios[0].interventions.get(number):
            self.change(intervene, interventions)
        for agent in self._deciders:
            if agent.name not in self.state.absent:
                agent.decide()
        watch = self.recorder.watch(self.state, number)
        self.state, played = self.turns.played(step, watch)
        self.recorder.keep(self.state, before, played)
        self.stopped = why_stopped(not self.halted, self.until, lambda: self.recorder.view(self.state, before, played))
        if self.stopped:
            self.recorder.keep_last(self.state, before, played)
        if self.live:
            self.live.tell(self.recorder)

    def change(self, verb: Callable[..., Changed], *arguments: Any) -> None:
        """Let one of the verbs of ``engine.diets`` or ``engine.minds`` change the state, and keep what it says."""
        before = self.state
        self.state, changes = verb(self.program, before, *arguments)
        self.changes += changes
        if self.state.absent is not before.absent:  # agents decide often, and hardly ever leave
            enrol(self, [who for who in self.state.absent ^ before.absent if isinstance(who, str)])

    def branch(self) -> Ecosystem:
        """A copy that goes its own way from here: what happens to it happens to it alone.

        Played on without a change it gives the same bits; an intervention in one of the two is an experiment in which
        they share every draw. Rounds until now are in the tables of both. (``copy.deepcopy`` does the same.)

        >>> from ecosystem import Flow, Location, Member, Scenario
        >>> s = Scenario("loop", rounds=20)
        >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
        >>> s.connect("a", "a", Flow(raw=0.5))
        >>> eco = Ecosystem(s)
        >>> for _ in range(10):
        ...     eco.step()
        >>> other = eco.branch()
        >>> other["a"].set_frozen(True)
        >>> eco.step(), other.step()
        (None, None)
        >>> float(eco["a"].generator.mean), float(other["a"].generator.mean)
        (0.00048828125, 0.0009765625)
        """
        return copy.deepcopy(self)

    # -- the result ----------------------------------------------------------------------------------------------

    @typed
    def result(self, variant: int = 0, **settings: Any) -> Run:
        """The tables of a variant, at any time; keywords go into ``run.settings``."""
        whole_number(variant, "result(variant)", 0, high=len(self.scenarios) - 1)
        seconds = round(time.perf_counter() - self.started, 3)
        # the thousands of a study are told apart by its own identity
        begun = dict if "point" in settings else partial(origin, self.scenarios[variant])
        now = {"seconds": seconds, "stopped": self.stopped, **self.program.home.told()}
        told = partial(_told, now, begun, settings)
        return run_of(self.program, self.state, self.recorder, self.changes, variant, told)

    @typed
    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all that has happened to a new folder; :meth:`restore` into a new ecosystem of the same goes on."""
        save(self, folder)

    @typed
    def restore(self, folder: str | os.PathLike[str]) -> None:
        """Take over what :meth:`save` wrote (or a run with checkpoints); refused where scenario or settings differ."""
        restore(self, folder)
        enrol(self)


def _told(known: dict[str, Any], begun: Callable[[], dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
    return {**known, **begun(), **settings}


def agent_of(eco: Ecosystem, name: str) -> ModelAgent:
    """A new agent for a member, of the class that it asks for."""
    member = eco.scenarios[0].member(name)
    agent = (member.agent or ModelAgent)(eco, name, member)
    if not isinstance(agent, ModelAgent):
        raise TypeError(f"Member(agent) of {name!r} must be a subclass of ModelAgent, got {brief(member.agent)}")
    kind = type(agent)
    if kind.step is not ModelAgent.step and kind.decide is ModelAgent.decide and type(eco).step is Ecosystem.step:
        raise TypeError(
            f"nobody would call step() of {kind.__name__}, the agent of {name!r}; name it decide(), which is called "
            "before each round, or call it in the step() of an Ecosystem of your own"
        )
    return agent


def enrol(eco: Ecosystem, names: Iterable[str] | None = None) -> None:
    """Let Mesa's ``agents`` be those whose members are there: who has left, or is still to join, is none of them.

    Only some members are looked at if ``names`` are given; agents that are still to be made are enrolled then.
    """
    if eco.unmet:
        return
    for agent in map(eco.__getitem__, eco.names if names is None else sorted(names, key=eco.program.index.__getitem__)):
        name = agent.name
        there, enrolled = name not in eco.state.absent, agent in eco.agents
        if there and not enrolled:
            eco.register_agent(agent)
        elif enrolled and not there:
            eco.deregister_agent(agent)
