"""Image models on a GPU: a round of the image experiment, mixed precision, and what comes back to the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ecosystem import Ecosystem, Pairs, Record, Stream, Training
from ecosystem.generators.diffusion import Diffusion
from ecosystem.generators.image_flow import ImageFlow
from ecosystem.generators.images import ImageModel
from scenarios import cifar
from tests.test_cifar import written

RNG = Stream.root([(0, 0)])[0]
SMALL = {
    "rounds": 1,
    "samples": 64,
    "steps": 5,
    "hold": 1,
    "pretraining": 2,
    "images": 400,
    "batch_size": 32,
    "channels": (32, 64),
    "layers_per_block": 1,
    "timesteps": 100,
    "sampling_steps": 5,
    "sampling_batch": 100,
}


def built(kind: str, device: str, precision: torch.dtype | None = None) -> ImageModel:
    plan = Training(3, 16, precision=precision)
    if kind == "flow":
        return ImageFlow((3, 8, 8), hidden=64, training_plan=plan, device=device)
    return Diffusion((3, 8, 8), channels=(16, 32), timesteps=50, sampling_steps=5, training_plan=plan, device=device)


def images(n: int) -> Pairs:
    return Pairs(torch.arange(n) % 10, RNG.at("images").uniform(n, 3, 8, 8).float())


@pytest.mark.usefixtures("deterministic")
def test_a_round_of_the_image_experiment_twice(tmp_path: Path) -> None:
    """On the GPU in bfloat16, which are the defaults where there is one."""
    s = cifar.scenario("A2", folder=written(tmp_path, images=200), **SMALL)
    model = s.member("theta").generator
    assert model.device.type == "cuda" and model.training_plan.precision == torch.bfloat16
    runs = []
    for _ in range(2):
        eco = Ecosystem(s, record=Record(judged=32))
        eco.run()
        assert all(eco[name].generator.device.type == "cuda" for name in eco.names)
        runs.append(eco.result())
    one, two = runs
    assert one.failures.empty and one.rounds["alignment"].notna().all()
    assert one.rounds.equals(two.rounds)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("precision", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["flow", "diffusion"])
def test_training_and_sampling_on_the_gpu(kind: str, precision: torch.dtype | None) -> None:
    """Two trainings give the same bits; what is drawn comes back to the CPU as float32."""
    drawn = []
    for _ in range(2):
        model = built(kind, "cuda", precision)
        loss = model.fit(images(40), RNG)
        assert loss is not None and 0 < loss < 10 and model.device.type == "cuda"
        x = model.sample(9, RNG)
        assert x.outputs.device.type == "cpu" and x.inputs.device.type == "cpu" and x.dtype == torch.float32
        drawn.append(x.outputs)
    assert torch.equal(*drawn)


@pytest.mark.parametrize("kind", ["flow", "diffusion"])
def test_the_gpu_draws_what_the_cpu_draws(kind: str) -> None:
    """The noise is the same; the numbers differ by rounding (TF32 in convolutions)."""
    here, there = built(kind, "cpu"), built(kind, "cuda")
    here.fit(images(40), RNG)
    there.load_state_dict(here.state_dict())
    labels = torch.arange(20) % 10
    difference = (here.respond(labels, RNG) - there.respond(labels, RNG)).abs()
    assert difference.mean() < 0.005 and difference.max() < 0.1
