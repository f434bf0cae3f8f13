"""Ecosystems that are broken off, saved and gone on with, and what is looked at in them: for tests of checkpoints."""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    BestOf,
    Checkpoints,
    ConditionalModel,
    Curate,
    Ecosystem,
    Flow,
    Freeze,
    GenerativeModel,
    HoldThenDecay,
    Join,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Pairs,
    Record,
    Run,
    Scenario,
    Stream,
    Thaw,
    Training,
    accumulate,
    every,
    poisson,
    sequential,
    shuffled,
    subsample,
    window,
)
from ecosystem.core.identity import digest
from tests.drawn import normals

ALL = {"draws": True, "samples": 3, "sources": True}
TABLES = ("members", "flows", "rounds", "draws", "changes", "failures", "tastes", "sources", "choices")


ADAM = partial(torch.optim.AdamW, lr=0.02)


class Answers(ConditionalModel):
    """``x W + b + noise``, trained by gradient descent with momenta that stay; it knows how often it was trained."""

    event_shape, input_shape = (2,), (3,)

    def __init__(self, optimizer: Any = ADAM) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(2))
        self.training_plan = Training(12, 16, optimizer, decay=HoldThenDecay(2), keep_optimizer=True)

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        return inputs @ self.weight + self.bias + 0.1 * rng.normal(len(inputs), 2, dtype=torch.float32)

    def loss(self, pairs: Pairs, rng: Stream) -> Tensor:
        return ((pairs.inputs @ self.weight + self.bias - pairs.outputs) ** 2).mean()


class Remember(GenerativeModel):
    """Keeps the data themselves, in a buffer that grows with them, and counts its days."""

    event_shape = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("data", torch.zeros(1, 2))
        self.days: list[int] = []

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.data[(rng.uniform(n) * len(self.data)).long()] + 0.01 * len(self.days)

    def fit(self, data: Tensor, rng: Stream) -> None:
        self.data = data.float()
        self.days.append(len(data))


def neural() -> Scenario:
    """Models that are trained: pairs, momenta, a decay, kept data, a buffer that grows, a delay."""
    s = Scenario("neural", rounds=5, samples=20, ordering=sequential("p", "q", "r", "s"))
    inputs = normals(1, 40, 3).float()
    real = Pairs(inputs, inputs[:, :2] + 1)
    taste = Linear([1.0, 0.5])
    s.add("p", Member(Answers(), reward=taste, curator=BestOf(3), real=real, retention=window(2)))
    s.add("q", Member(Answers(), reward=taste, curator=Luce(2), real=real, retention=subsample(30)))
    plain = {"reward": taste, "curator": BestOf(2), "real": normals(2, 30, 2).float(), "retention": accumulate()}
    s.add("r", Member(Remember(), **plain))
    s.add("s", Member(Remember(), **plain, schedule=every(2)))
    s.connect("p", "p", Flow(curated=0.4))
    s.connect("q", "p", Flow(raw=0.2, delay=2))
    s.connect("p", "q", Flow(raw=0.2, curated=0.3))
    s.connect("s", "r", Flow(raw=0.2, curated=0.2, delay=1))
    s.connect("r", "s", Flow(raw=0.2, curated=0.2))
    return s


def far(x: Tensor) -> Tensor:
    """What lies far out is read as infinitely far."""
    return torch.where(x > 1.1, x * 1e14, x)


def closed() -> Scenario:
    """Closed-form families: random orders and clocks, delays, memories, interventions, replicates that diverge."""
    s = Scenario("closed", rounds=9, samples=6, ordering=shuffled)
    likes = Linear([1.0, 0.0])
    for i, retention in enumerate((accumulate(), window(3), subsample(9))):
        real = Location([0.3 * i, 0.0], 0.5)
        clock = poisson(0.7) if i else every(1)
        s.add(
            f"m{i}",
            Member(
                Location([0.0, 0.1 * i], 0.5),
                reward=likes,
                curator=Luce(2),
                real=real,
                schedule=clock,
                retention=retention,
            ),
        )
    s.add("late", Member(Location([0.0, 0.0], 0.5), reward=likes, real=Location([0.0, 0.0], 0.5)), joins=4)
    for i in range(3):
        s.connect(f"m{i}", f"m{i}", Flow(curated=0.3, delay=i))
        s.connect(f"m{i}", f"m{(i + 1) % 3}", Flow(raw=0.2, transform=far if i == 2 else None))
    s.connect("late", "m1", Flow(raw=0.1))
    s.at(3, Freeze("m0"), Curate("m1", 0.4))
    s.at(5, Thaw("m0"))
    s.at(6, Leave("late"))
    s.at(7, Join("late"))
    s.at(8, Curate("m1", 0.3))
    return s


def bold(x: Tensor) -> Tensor:
    return x[..., 0] ** 2


class Fickle(ModelAgent):
    """Changes everything an agent may change, by what it has counted and by Mesa's own luck."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.patience = torch.zeros(1, 2)
        self.luck: list[float] = []

    def decide(self) -> None:
        round = int(self.model.steps)
        self.patience = self.patience + (self.alignment > 0.3)
        self.luck.append(self.model.random.random() + float(self.model.rng.random()))
        self.set_frozen(self.luck[-1] < 0.6, where=torch.tensor([[True, False]]))
        self.set_flow("a", raw=0.1 + 0.02 * self.luck[-1], where=self.patience > 1)
        if round in (2, 5):
            self.set_curator(Luce(round), where=self.patience < 2)
        if round == 3:
            self.set_curator(BestOf(2), reward=self.model["a"].member.reward)  # a function: it is the scenario's
        if round == 4:
            self.set_schedule(every(2, start=3), where=self.patience >= 1)
        if round == 6:
            self.set_curator(BestOf(3), reward=Linear([2.0, -1.0]).named("contrary"))
            self.set_curation(0.4)

    def state(self) -> dict[str, Any]:
        return {"patience": self.patience, "luck": self.luck}

    def load_state(self, state: dict[str, Any]) -> None:
        self.patience, self.luck = state["patience"], state["luck"]


def deciding() -> Scenario:
    """An agent with a will and a memory of its own."""
    s = Scenario("deciding", rounds=8, samples=8)
    real = Location([0.2, 0.0], 0.5)
    s.add("a", Member(Location([0.5, 0.0], 0.5), reward=bold, curator=Luce(2), real=real))
    b = Member(Location([0.0, 0.0], 0.5), reward=Linear([1.0, 1.0]), curator=BestOf(2), real=real, agent=Fickle)
    s.add("b", b)
    s.connect("b", "b", Flow(curated=0.3))
    s.connect("b", "a", Flow(raw=0.2, curated=0.2))
    s.connect("a", "b", Flow(raw=0.1, curated=0.2, chosen_by="consumer"))
    return s


def moons() -> Scenario:
    sys.path.append(str(Path(__file__).parents[1] / "scenarios"))
    from moons import scenario

    return scenario(rounds=3, samples=60, steps=10, warm_up=5)


SCENARIOS = {"neural": neural, "closed": closed, "deciding": deciding, "moons": moons}
REPLICATES = {"neural": 1, "closed": 6, "deciding": 2, "moons": 1}


def ecosystem(name: str, rounds: int | None = None, **record: Any) -> Ecosystem:
    scenario = SCENARIOS[name]()
    scenario = scenario if rounds is None else scenario.replace(rounds=rounds)
    trained = name in ("neural", "moons")  # there judging takes long, here comparing what was shown and kept
    record = {**ALL, "tastes": not trained, "choices": trained, **record}
    return Ecosystem(scenario, seeds=[(3, r) for r in range(REPLICATES[name])], record=Record(**record))


def finished(eco: Ecosystem, checkpoints: Checkpoints | None = None) -> Run:
    """Play what is left; that replicates diverge is no warning here."""
    with pytest.warns(RuntimeWarning, match="diverged") if eco.graph.name == "closed" else nullcontext():
        eco.run(checkpoints=checkpoints)
    return eco.result()


def same(one: Any, other: Any) -> bool:
    return digest(one) == digest(other)


class Killed(BaseException):
    """Ends a run at an unlucky moment, as if the process had gone."""


def broken_off(eco: Ecosystem, checkpoints: Checkpoints, after: int) -> None:
    """Play until so many rounds are done and saved as they should be, then lose the process."""

    def killed(done: int, _: int) -> None:
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        eco.run(killed, checkpoints)


def assert_same(one: Run, other: Run) -> None:
    """Equal to the last bit, but for the time it took."""
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True, obj=table)
    for what in ("samples", "inputs", "parameters"):
        assert same(getattr(one, what), getattr(other, what)), what
    settings = ({**run.settings, "seconds": 0} for run in (one, other))
    assert next(settings) == next(settings)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in (".lock", "recorded.bin"))


def everything(eco: Ecosystem) -> dict[str, Any]:
    """All that an ecosystem has, its models taken apart."""
    stacks = [stack for then in eco.state.past for stack in then]
    models = [getattr(stack, "models", np.array(stack)) for stack in stacks]
    recorder = eco.recorder.state()
    kept = [[(m.state(), vars(m)) for m in grid.flat] for grid in models]
    luck = eco.random.getstate(), eco.rng.bit_generator.state
    rest = {"recorder": recorder, "changes": eco.changes, "luck": luck, "models": kept}
    return {**vars(eco.state), "past": None, **rest}


class Silent(ModelAgent):
    """An agent to derive from."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)


def acting(decide: Any = None, generator: GenerativeModel | None = None, **more: Any) -> Scenario:
    """A loop whose agent class is made up."""
    generator = Location([0.0]) if generator is None else generator
    kind = type("Made", (Silent,), ({} if decide is None else {"decide": decide}) | more)
    s = Scenario("acting", rounds=4, samples=5)
    member = Member(generator, reward=Linear([1.0]), curator=Luce(2), real=torch.ones(3, 1), agent=kind)
    s.add("a", member)
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    return s


class Odd(GenerativeModel):
    """Keeps what no state dict has, in every way."""

    event_shape = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.fixed = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.ones(1))
        self.register_buffer("passing", torch.zeros(1), persistent=False)
        self.register_buffer("empty", None)
        self.register_buffer("full", torch.zeros(2))
        self.dropout = nn.Dropout(0.5)
        self.gone = 3

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.dropout(self.mean + self.passing + rng.normal(n, 1, dtype=torch.float32))

    def fit(self, data: Tensor, rng: Stream) -> float:
        with torch.no_grad():
            self.mean.copy_(data.float().mean(0))
            self.passing += 1
            self.history = {"means": [(float(self.mean), math.inf)], 3: {"a", "b"}, "rate": np.float32(0.1)}
        self.empty, self.full = data[:3].float(), None
        self.register_buffer("new", torch.tensor([[1, 2]], dtype=torch.int16))
        self.fixed.requires_grad_(False)
        self.eval()
        if hasattr(self, "gone"):
            del self.gone
        return 0.0


class Box:
    def __init__(self, value: float) -> None:
        self.value = value
