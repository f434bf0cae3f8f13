"""Fits and posteriors of networks with parts of the user's own: what was planted is found, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_own_parts_decided import Drawn, Numb, Outside, Own, hidden, outside, stairs, two
from torch import Tensor

from ecosystem import Flow, Location, Observations, Scenario, fit, sequential
from ecosystem.curation import Curator
from ecosystem.decisions import Predictor, allocate
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.simulating import Simulator
from ecosystem.orderings import Ordering
from ecosystem.running.measures import Exact


@dataclass(frozen=True, eq=False)
class Kick(Curator):
    """Moves samples by its boldness, which is free; ``how`` is how it treats many values at once."""

    boldness: Tensor
    how: str = "each"
    needs_reward = False
    chooses = False

    def law(self, law: Any, reward: Any = None, memo: Any = None) -> Any:
        return law.shift(self.boldness.unsqueeze(-1).expand(law.mean.shape))

    def curate(self, slate: Any, reward: Any, rng: Any) -> Tensor:
        return slate.candidate(0) + self.boldness.unsqueeze(-1)

    def free(self) -> dict[str, Tensor]:
        return {"boldness": self.boldness}

    def freed(self, name: str, value: Tensor) -> Any:
        ways = {"each": value, "mean": value.mean() + 0 * value, "first": torch.tensor(float(value.reshape(-1)[0]))}
        return self.rebuild({"boldness": ways[self.how]})


class Mixed(Location):
    """Its statistic is a mean over all that stand side by side."""

    def statistic_of(self, law: Any) -> Tensor:
        return 0.5 * (law.mean + law.mean.mean())


class Turn(Ordering):
    """By name; says nothing of itself."""

    def ranks(self, names: Any, round: int, rng: Any) -> np.ndarray:
        return np.arange(len(names))


class Swing(Ordering):
    """By name in odd rounds, the other way in even ones."""

    def ranks(self, names: Any, round: int, rng: Any) -> np.ndarray:
        return np.arange(len(names)) * (1 if round % 2 else -1)


def bold(how: str) -> Kick:
    return Kick(torch.tensor(0.5, dtype=torch.float64), how)


def observed(s: Scenario) -> pd.DataFrame:
    rounds = s.run().rounds
    rounds = rounds[rounds["round"] > 0]
    return rounds[["member", "round"]].assign(measure="alignment", value=rounds["alignment"])


@pytest.mark.parametrize(
    "given",
    [
        {"reward": Own(hidden)},
        {"reward": Own(outside)},
        {"curator": Drawn("numpy")},
        {"family": Numb},
        {"transform": Outside()},
    ],
)
def test_a_fit_finds_what_was_planted_where_torch_does_not_see(given: dict[str, Any]) -> None:
    found = fit(two(**given), observed(two(**given).with_curation("a", 0.35)), ["level(a)"], noise=0.01, starts=2)
    assert found.values == pytest.approx([0.35], abs=1e-6)
    assert "differences" in found.verdicts["verdict"].tolist()


@pytest.mark.parametrize(
    ("given", "free", "words"),
    [
        (
            {"curator": bold("mean")},
            "boldness(a)",
            "side by side, and alignment of a after round 1 is .* Kick must treat",
        ),
        (
            {"curator": bold("first")},
            "boldness(a)",
            r"Kick is given a value of shape \[1, 1, .* makes 'boldness' of shape",
        ),
        ({"family": Mixed}, "level(a)", "side by side, and alignment of a after round 2 is .* Mixed must treat each"),
    ],
)
def test_parts_that_mix_what_stands_side_by_side_are_refused(given: dict[str, Any], free: str, words: str) -> None:
    """They gave a fit of other numbers than those of a run."""
    with pytest.raises(ValueError, match=words):
        fit(two(**given), observed(two()), [free], noise=0.01)
    if "curator" in given:
        s = two(**given).replace(samples=30)
        with pytest.raises(ValueError, match=words):
            Simulator(s, Parameters(s, [free]), Observations.of(s.run(seed=1)), None)


@pytest.mark.parametrize(
    ("given", "free"),
    [
        ({"curator": bold("each")}, "boldness(a)"),
        ({"reward": Own(stairs)}, "level(a)"),
        ({"reward": Own(outside)}, "level(a)"),
        ({"family": Numb}, "level(a)"),
        ({"transform": Outside()}, "level(a)"),
    ],
)
def test_simulations_for_a_posterior_are_runs(given: dict[str, Any], free: str) -> None:
    """It needs no derivative, so it takes whatever can be run: each simulation is the run with its numbers."""
    s = two(**given).replace(samples=30, rounds=4, ordering=Swing())
    parameters, values = Parameters(s, [free]), np.array([[0.3], [0.5]])
    made = Simulator(s, parameters, Observations.of(s.run(seed=1)), None)(values, 1)
    for i, row in enumerate(values):
        run = parameters.scenario_at(row).run(seed=1, replicates=2).rounds
        assert made[i] == pytest.approx(run[run["replicate"] == i]["alignment"].to_numpy(), abs=1e-12)


def test_own_orderings_are_followed_in_fits_and_change_no_stable_point() -> None:
    """One that says nothing of itself is as the built-in one with the same ranks; one that swings has other rounds."""
    s = two().with_flow("a", "b", raw=0.3)
    s.connect("b", "a", Flow(raw=0.3))
    orders: dict[str, Any] = {"mine": Turn(), "built in": sequential("a", "b"), "swings": Swing()}
    seen = {name: observed(s.replace(ordering=order).with_curation("a", 0.35)) for name, order in orders.items()}
    assert seen["mine"]["value"].to_numpy() == pytest.approx(seen["built in"]["value"].to_numpy(), abs=1e-14)
    assert abs(seen["swings"]["value"] - seen["mine"]["value"]).max() > 0.01
    for name, order in orders.items():
        mine = s.replace(ordering=order)
        found = fit(mine, seen[name], ["level(a)", "real(b)"], noise=0.01, starts=1)
        assert found.values == pytest.approx([0.35, mine.real_share("b")], abs=1e-7)
        best = allocate(mine, 0.6, starts=1)
        assert best.levels["after"].to_numpy() == pytest.approx([0.0, 0.6], abs=1e-6)
    wrong = fit(s.replace(ordering=orders["mine"]), seen["swings"], ["level(a)", "real(b)"], noise=0.01, starts=1)
    assert wrong.p < 1e-3


def test_own_measures_of_a_fit_are_differentiated_or_refused() -> None:
    """In torch, cut, of NumPy: derivatives are right. One that mixes who stands side by side is refused by name."""

    def asked(function: Callable[[Any, Any], Tensor], name: str) -> Predictor:
        function.__name__ = name
        wanted = pd.DataFrame([(m, r, name) for m in "ab" for r in (1, 5)], columns=["member", "round", "measure"])
        return Predictor(two(), ["level(a)"], wanted, measures=[Exact(function)])

    ways: dict[str, Callable[[Any, Any], Tensor]] = {
        "seen": lambda stack, real: torch.sin(stack.law().mean[..., 0]),
        "cut": lambda stack, real: torch.sin(stack.law().mean[..., 0].detach()),
        "outside": lambda stack, real: torch.from_numpy(np.sin(stack.law().mean[..., 0].detach().numpy())),
    }
    slopes = {name: asked(function, name).jacobian([0.3])[1] for name, function in ways.items()}
    assert slopes["seen"].any()
    for name in ("cut", "outside"):
        assert slopes[name] == pytest.approx(slopes["seen"], abs=1e-7)
        assert asked(ways[name], name).differenced
    with pytest.raises(ValueError, match=r"mix of a after round 1 is .* the measure mix, or "):
        asked(lambda stack, real: stack.law().mean[..., 0] + stack.law().mean.mean(), "mix")
