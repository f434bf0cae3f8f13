"""Ecosystems on a GPU: the same draws, the tables of the CPU, the same bits each time, and what comes back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ecosystem import Ecosystem, Luce, Record, Scenario, Stream, Tilt
from ecosystem.core.products import mixing_tensor
from ecosystem.core.streams import on_device
from ecosystem.engine.step import step
from scenarios import pair
from tests.test_device import assert_same, duo

GPU = "cuda"


def close(scenario: Scenario, replicates: int, **tolerance: float) -> None:
    here, there = (scenario.run(seed=3, replicates=replicates, device=where) for where in (None, GPU))
    assert_same(here, there, **(tolerance or {"rtol": 1e-9, "atol": 1e-9}))


def test_integers_and_uniforms_are_the_same_to_the_bit_and_normals_within_rounding() -> None:
    here = Stream.root([(0, r) for r in range(100)]).at("noise").at(torch.tensor(7))
    there = on_device(here, torch.device(GPU))
    assert torch.equal(here.at("x").keys, there.at("x").keys.cpu())
    assert torch.equal(here.uniform(1000, 24), there.uniform(1000, 24).cpu())
    torch.testing.assert_close(here.normal(1000, 24), there.normal(1000, 24).cpu(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(here.gumbel(1000, 24), there.gumbel(1000, 24).cpu(), rtol=1e-11, atol=1e-12)


def test_a_sparse_product_mixes_as_the_cpu_does() -> None:
    owner = torch.arange(1000, device=GPU).repeat_interleave(8)
    origin = torch.randint(0, 1000, (8000,), device=GPU)
    shares, values = torch.rand(8000, dtype=torch.float64, device=GPU), torch.rand(1000, 24, device=GPU).double()
    matrix = mixing_tensor(shares, origin, owner, 1000, 1000)
    dense = matrix.to_dense()
    torch.testing.assert_close(matrix @ values, dense @ values)
    assert torch.equal(matrix @ values, matrix @ values)


def test_runs_have_the_tables_of_the_cpu() -> None:
    close(duo(), 1)
    close(duo(curator=Tilt(1.0)), 1)
    close(duo(16), 4)
    close(duo(16, Luce(3)), 4)
    close(pair.scenario().replace(rounds=20), 8)


def test_a_run_gives_the_same_bits_each_time() -> None:
    for scenario in (duo(), duo(16), duo(16, Luce(3))):
        first, again = (scenario.run(device=GPU).rounds for _ in range(2))
        pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_float32_is_close() -> None:
    here, there = duo(16).run(), duo(16).run(device=GPU, dtype=torch.float32)
    np.testing.assert_allclose(here.rounds["alignment"], there.rounds["alignment"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [None, 16])
def test_nothing_comes_back_inside_a_round_but_what_is_recorded(samples: int | None) -> None:
    eco = Ecosystem(duo(samples), record=Record(last=1), device=GPU)
    states = [eco.state]
    for _ in range(3):
        states[:] = [step(eco.program, states[0])[0]]
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in range(5):
            states[:] = [step(eco.program, states[0])[0]]
        torch.cuda.synchronize()
    back = [event for event in seen.events() if "DtoH" in event.name]
    assert not back, [event.name for event in back]
