"""Parts with a state of their own live on a device as others do; the device is the pretended one of tests/far.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecosystem import Scenario
from scenarios import commons, fairness, market, text_image
from tests.far import far

NEW = {  # states of their own: weights of users, shelves, slots of groups, tables by input
    "demand": market.scenario(temperature=1.0, curation=0.3, spread=0.5, by_demand=True, rounds=5),
    "demand of samples": market.scenario(temperature=1.0, loyal=True, samples=20, spread=0.5, rounds=3),
    "archive": commons.scenario(rounds=5),
    "archive of samples": commons.scenario(rounds=3, samples=40),
    "quota": fairness.scenario(rounds=2, quota=0.2, samples=10),
    "text and image": text_image.scenario(rounds=3, samples=30),
}


@pytest.mark.parametrize("s", NEW.values(), ids=NEW)
def test_what_has_a_state_of_its_own_comes_out_the_same_there(s: Scenario) -> None:
    """A sampled archive kept its samples there, and drew their places here."""
    here, there = s.run(seed=1), s.run(seed=1, device=far())
    for name, parameters in here.parameters.items():
        for part, value in parameters.items():
            torch.testing.assert_close(there.parameters[name][part].cpu(), value, rtol=0, atol=1e-9)
    np.testing.assert_allclose(there.rounds["alignment"], here.rounds["alignment"], rtol=0, atol=1e-9)
