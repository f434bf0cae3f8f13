"""What a checkpoint belongs to: a run of another scenario is refused, whatever of it is another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    BestOf,
    Checkpoints,
    Curate,
    Flow,
    GenerativeModel,
    HoldThenDecay,
    Linear,
    LinearMap,
    Location,
    Member,
    ModelAgent,
    Record,
    Scenario,
    Stream,
    Training,
    Users,
    at,
    every,
    sequential,
)
from ecosystem.retention import Retention
from ecosystem.running.checkpoints import CheckpointError
from tests.checkpointed import Box, Odd


class Scale:
    """An object that is called; its words do not say by how much."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x: Tensor) -> Tensor:
        return self.by * x[..., 0]

    def judge(self, x: Tensor) -> Tensor:
        return self.by * x[..., 0]

    def stretch(self, x: Tensor) -> Tensor:
        return self.by * x

    def draw(self, n: int, rng: Stream) -> Tensor:
        return self.by * rng.normal(n, 1)

    def ranks(self, names: Any, round: int, rng: Stream) -> list[int]:
        return [int(self.by)] * len(names)


class Layer(nn.Module):
    """A module whose scale is a weight."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([by]), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight.to(x) * x


class Setting(nn.Module):
    """A module whose scale is no weight."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return self.by * x[..., 0]


class Judge(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.weight.to(x) * x[..., 0]


@dataclass(frozen=True)
class Order:
    by: float = field(repr=False)

    def __call__(self, names: Any, round: int, rng: Stream) -> list[int]:
        return [int(self.by)] * len(names)


class Trained(GenerativeModel):
    """A model that is trained by a plan, from a start."""

    event_shape = (1,)

    def __init__(self, start: float = 0.0, decay: int = 1) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full((1,), start))
        self.training_plan = Training(2, 4, torch.optim.SGD, decay=HoldThenDecay(decay))

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean.detach() + rng.normal(n, 1, dtype=torch.float32)

    def loss(self, data: Tensor, rng: Stream) -> Tensor:
        return ((data - self.mean) ** 2).mean()


class Tuned(Odd):
    """A model with a setting that its state does not have."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self._box = Box(by)


@dataclass(frozen=True)
class Forget(Retention):
    """The newest data; its words do not say how it is set."""

    by: float = field(repr=False)

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [fresh]

    def pool(self, memory: Any, fresh: Tensor) -> Any:
        return fresh, {}


def agent(by: float) -> type[ModelAgent]:
    class Acting(ModelAgent):
        def decide(self) -> None:
            self.set_curation(0.1 * by)

    return Acting


def times(x: Tensor, by: float) -> Tensor:
    return by * x[..., 0]


def within(by: float) -> Callable[[Tensor], Tensor]:
    return lambda x: by * x[..., 0]


def build(
    rounds: int = 2,
    flow: dict | None = None,
    ordering: Any = None,
    when: Any = None,
    generator: Any = None,
    **member: Any,
) -> Scenario:
    s = Scenario("judged", rounds=rounds, samples=8, **({} if ordering is None else {"ordering": ordering}))
    how = {"reward": Linear([1.0]), "real": torch.ones(4, 1), "curator": BestOf(2), **member}
    s.add("a", Member(Location([0.0]) if generator is None else generator, **how))
    s.add("b", Member(Location([0.0]), real=torch.zeros(4, 1)))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(**{"raw": 0.5, **(flow or {})}))
    if when is not None:
        s.at(1, when)
    return s


KINDS: dict[str, Callable[[float], dict[str, Any]]] = {
    "another function as reward": lambda by: {"reward": (lambda x: x[..., 0]) if by == 1 else (lambda x: -x[..., 0])},
    "a closure as reward": lambda by: {"reward": within(by)},
    "a partial as reward": lambda by: {"reward": partial(times, by=by)},
    "an object as reward": lambda by: {"reward": Scale(by)},
    "a bound method as reward": lambda by: {"reward": Scale(by).judge},
    "a module as reward": lambda by: {"reward": Judge(by)},
    "a module with a setting as reward": lambda by: {"reward": Setting(by)},
    "a retention": lambda by: {"retention": Forget(by)},
    "a setting of a model": lambda by: {"generator": Tuned(by)},
    "real data": lambda by: {"real": torch.full((4, 1), by)},
    "real data of a function": lambda by: {"real": Scale(by).draw},
    "real data of a generator": lambda by: {"real": Location([by])},
    "a matrix as transform": lambda by: {"flow": {"transform": LinearMap([[by]])}},
    "an object as transform": lambda by: {"flow": {"transform": Scale(by).stretch}},
    "a module as transform": lambda by: {"flow": {"transform": Layer(by)}},
    "users of a flow": lambda by: {"flow": {"raw": 0.1, "curated": 0.2, "chosen_by": Users(Scale(by), BestOf(2))}},
    "a schedule": lambda by: {"schedule": (by > 1 and every(2)) or at(1)},
    "an ordering": lambda by: {"ordering": sequential(*("ab" if by > 1 else "ba"))},
    "a function as ordering": lambda by: {"ordering": lambda names, round, rng: [int(by)] * len(names)},
    "a bound method as ordering": lambda by: {"ordering": Scale(by).ranks},
    "an object as ordering": lambda by: {"ordering": Order(by)},
    "Training(decay=)": lambda by: {"generator": Trained(decay=int(by))},
    "the start weights": lambda by: {"generator": Trained(start=by)},
    "the start of a closed form": lambda by: {"generator": Location([by])},
    "an agent": lambda by: {"agent": agent(by)},
    "an intervention": lambda by: {"when": Curate("a", 0.1 * by)},
}


PLACES = {" as reward": "members a reward: ", "real data": "members a real: ", " as ordering": "ordering: "} | {
    "a retention": "members a retention: ",
    "a setting of a model": "members a generator _box",
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_scenario_is_refused(kind: str, tmp_path: Path) -> None:
    """13 of 20 kinds of change were let pass, and so were other start weights: half a run was of another scenario."""
    saved, how = Checkpoints(tmp_path), KINDS[kind]
    whole = build(3, **how(2.0)).run()
    build(2, **how(2.0)).run(checkpoints=saved)
    place = next((place for word, place in PLACES.items() if word in kind), "")
    with pytest.raises(CheckpointError, match=f"is a checkpoint of another run, what differs is scenario {place}.* → "):
        build(3, **how(1.0)).run(checkpoints=saved)
    again = build(3, **how(2.0)).run(checkpoints=saved)
    assert again.rounds.equals(whole.rounds)


def test_a_measure_is_another(tmp_path: Path) -> None:
    def record(by: float) -> Record:
        def spread(view: Any) -> Tensor:
            return by * view.alignment()

        return Record(measures=[spread])

    build().run(checkpoints=Checkpoints(tmp_path), record=record(1.0))
    with pytest.raises(CheckpointError, match="what differs is record measures spread"):
        build().run(checkpoints=Checkpoints(tmp_path), record=record(2.0))


def test_the_weights_of_a_base_are_others(tmp_path: Path) -> None:
    """A folder keeps its name when other weights are saved to it: the run went on, with the old numbers beside it."""
    pytest.importorskip("peft")
    from ecosystem.core.identity import digest
    from ecosystem.generators.language.base import Pretrained
    from ecosystem.generators.language.tiny import tiny_base

    first = tiny_base(["red", "rose"])
    with torch.no_grad():
        first.on("cpu").save_pretrained(tmp_path / "base")
        first.tokenizer.save_pretrained(tmp_path / "base")
        before = digest(Pretrained(str(tmp_path / "base"), torch.float32))
        assert digest(Pretrained(str(tmp_path / "base"), torch.float32)) == before
        network = Pretrained(str(tmp_path / "base"), torch.float32).on("cpu")
        next(network.parameters()).add_(1.0)
        network.save_pretrained(tmp_path / "base")
    assert digest(Pretrained(str(tmp_path / "base"), torch.float32)) != before
