"""The posterior where members are trained: against a law that is known, its ranks, its own chance, no information."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor, nn

from ecosystem import (
    Flow,
    GenerativeModel,
    Linear,
    Location,
    Luce,
    Member,
    Observations,
    Record,
    Scenario,
    Shift,
    Stream,
    Training,
    every,
    fit,
)
from ecosystem.decisions import Posterior, posterior
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.simulating import Simulator

SD, N, BATCH, RATE, ROUNDS, JUDGED = 0.3, 40, 30, 0.25, 5, 256


class Net(GenerativeModel):
    """``N(mean, SD²)``, its mean a weight that gradient descent trains."""

    event_shape = (1,)
    stackable = True

    def __init__(self, steps: int = 1) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))
        self.training_plan = Training(
            steps=steps, batch_size=BATCH, optimizer=partial(torch.optim.SGD, lr=RATE), stacked=True
        )

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean + SD * rng.normal(n, 1)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((batch - self.mean) ** 2).sum(-1).mean()


def walk() -> Scenario:
    """A net that reads itself, moved by its users: its weight walks."""
    s = Scenario("walk", rounds=ROUNDS, samples=N)
    s.add("a", Member(Net(), curator=Shift([1.0]), reward=Linear([1.0])))
    s.connect("a", "a", Flow(curated=1.0))
    return s


def pair() -> Scenario:
    """One net whose users choose, and one that reads it; a third reads nobody."""
    s = Scenario("pair", rounds=4, samples=N)
    for name in ("a", "b", "alone"):
        s.add(name, Member(Net(3), reward=Linear([1.0]), curator=Luce(4, 0.1), real=Location([0.0], SD)))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(raw=0.5))
    return s


def chance(rounds: np.ndarray, judged: int = JUDGED) -> np.ndarray:
    """The covariance of alignments of :func:`walk`, ``[rounds, rounds]``.

    A step is ``g (strength + e)``, ``g = 2 · rate``, with the mean of a batch that is drawn from ``N`` samples with
    replacement: ``var e = SD² (1/N + (1 − 1/N)/batch)``. Each alignment is then read off ``judged`` samples.
    """
    step = (2 * RATE * SD) ** 2 * (1 / N + (1 - 1 / N) / BATCH)
    return step * np.minimum.outer(rounds, rounds) + SD**2 / judged * np.eye(len(rounds))


@pytest.fixture(scope="module")
def seen() -> Observations:
    return Observations.of(walk().run(seed=1))


@pytest.fixture(scope="module")
def found(seen: Observations) -> Posterior:
    pytest.importorskip("sbi")
    return posterior(walk(), seen, ["strength(a):0.8:1.2"], simulations=1600, seed=1)


# -- simulations -------------------------------------------------------------------------------------------------------


def test_a_simulation_is_the_run_with_these_numbers() -> None:
    """To the bit, each with the draws of its own replicate, whatever stands beside it."""
    s = pair()
    free = Parameters(s, ["level(a)", "raw(a -> b)", "taste(a)"])
    seen = Observations.of(s.run(seed=4), ["alignment", "loss"])
    values = np.array([[0.3, 0.6, 1.0], [0.8, 0.1, 2.0], [0.8, 0.1, 2.0]])
    made = Simulator(s, free, seen, None)(values, 4)
    for i, row in enumerate(values):
        run = free.scenario_at(row).run(seed=4, replicates=3)
        there = Observations.wide(run.rounds[run.rounds["replicate"] == i], ["alignment", "loss"]).seen
        both = seen.seen.merge(there, on=["member", "round", "measure"], suffixes=("", " there"))
        np.testing.assert_allclose(made[i], both["value there"], rtol=1e-6)
    assert (made[1] != made[2]).any()


@pytest.mark.parametrize("judged", [JUDGED, 16])
def test_simulations_have_the_chance_of_the_run_and_of_who_judges_it(judged: int) -> None:
    """Training, sampling and judging: variances of 500 simulations are those of the law, within 99.9 %.

    How many samples judged is known of what was made of a run.
    """
    seen = Observations.of(walk().run(seed=1, record=Record(judged=judged)))
    made = Simulator(walk(), Parameters(walk(), ["strength(a)"]), seen, None)(np.ones((500, 1)), 2)
    rounds = seen.seen["round"].to_numpy(float)
    size = np.diag(chance(rounds, judged))
    ratio = made.var(0, ddof=1) / size
    assert (abs(ratio - 1) < 4 * np.sqrt(2 / 499)).all()  # of six numbers, two-sided: chi-square with 499 degrees
    assert (abs(made.mean(0) - 2 * RATE * rounds) < 4 * np.sqrt(size / 500)).all()


def test_simulations_are_of_other_chances_than_the_run_with_that_seed(
    seen: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sbi")
    made: list[np.ndarray] = []
    plain = Simulator.__call__

    def watched(self: Simulator, *given: int) -> np.ndarray:
        made.append(plain(self, np.ones_like(given[0]), *given[1:]))
        return made[-1]

    monkeypatch.setattr(Simulator, "__call__", watched)
    posterior(walk(), seen, ["strength(a):0.5:1.5"], simulations=100, samples=10, seed=1)
    gaps = abs(np.concatenate(made) - seen.seen["value"].to_numpy()).min(0)
    assert len(made[0]) == 100 and (gaps > 0).all()


def test_weights_of_nets_are_observed_by_their_names() -> None:
    """Also of a closed form beside a net, and not of members that have none."""
    pytest.importorskip("sbi")
    s = Scenario("mixed", rounds=3, samples=N)
    s.add("net", Member(Net(), curator=Shift([1.0]), reward=Linear([1.0]), real=Location([0.0], SD)))
    s.add("closed", Member(Location([0.0], SD), real=Location([0.0], SD)))
    s.connect("net", "net", Flow(curated=0.5))
    s.connect("net", "closed", Flow(raw=0.5))
    seen = Observations.of(s.run(seed=3, record=Record(parameters=every(1))), ["mean[0]"])
    assert set(seen.table["member"]) == {"net", "closed"}
    made = Simulator(s, Parameters(s, ["level(net)"]), seen, None)(np.full((2, 1), 0.5), 3)
    np.testing.assert_allclose(made[0], seen.seen["value"], rtol=1e-6)


# -- what is learned of them -------------------------------------------------------------------------------------------


def test_it_is_the_gaussian_that_is_known(seen: Observations, found: Posterior) -> None:
    """Alignments are ``g t · strength + noise`` of a known covariance: generalised least squares."""
    rounds, values = seen.seen["round"].to_numpy(float), seen.seen["value"].to_numpy()
    weights = np.linalg.solve(chance(rounds), slope := 2 * RATE * rounds)
    mean, sd = weights @ values / (weights @ slope), (weights @ slope) ** -0.5
    drawn = found.samples["strength(a)"]
    assert abs(drawn.mean() - mean) < 0.25 * sd
    assert 0.8 < drawn.std() / sd < 1.25
    assert kstest(drawn, norm(mean, sd).cdf).statistic < 0.1
    assert found.verdicts["verdict"].tolist() == ["fits"]


def test_ranks_of_simulated_truths_are_even(found: Posterior) -> None:
    """If intervals are right, 95 % of 200 hold the truth: 178 or more with 99.9 %."""
    told = found.calibration(200)
    assert told.even and (told.table["within 95 %"] >= 0.89).all()


def test_planted_shares_and_levels_are_found() -> None:
    pytest.importorskip("sbi")
    free = ["level(a):0.1:0.9", "raw(a -> b):0.1:0.9"]
    nature = Parameters(pair(), free).scenario_at([0.8, 0.7])
    told = posterior(pair(), nature.run(seed=7), free, simulations=800, seed=2)
    table = told.intervals().set_index("parameter")
    for name, planted in (("level(a)", 0.8), ("raw(a → b)", 0.7)):
        assert table.at[name, "low"] < planted < table.at[name, "high"]
    assert table.at["level(a)", "sd"] < 0.5 * 0.8 / np.sqrt(12)  # half as wide as before at least
    check = told.calibration(150)
    assert check.even and (check.table["within 95 %"] >= 0.88).all()  # 132 of 150 or more with 99.9 %


def test_what_says_nothing_gives_back_what_was_known_before() -> None:
    """Who reads nobody is not moved by a level elsewhere: the posterior is the uniform prior, and that is said."""
    pytest.importorskip("sbi")
    run = pair().run(seed=5).rounds
    told = posterior(
        pair(), run[run["member"] == "alone"].pipe(Observations.wide), ["level(a):0.2:0.8"], simulations=800
    )
    drawn = (told.samples["level(a)"] - 0.2) / 0.6
    assert kstest(drawn, "uniform").statistic < 0.1
    assert told.verdicts["verdict"].tolist() == ["fits", "blind"]


def test_a_fit_of_nets_is_refused_with_what_can_be_done(seen: Observations) -> None:
    with pytest.raises(ValueError, match=r"Net, the generator of 'a', has no population law.*posterior\(...\)"):
        fit(walk(), seen, ["strength(a)"])


def test_how_it_was_recorded_is_a_record() -> None:
    with pytest.raises(TypeError, match=r"Record\(judged=1000\)"):
        Observations(pd.DataFrame({"member": ["a"], "round": 1, "measure": "alignment", "value": 1.0}), record=9)  # type: ignore[arg-type]
