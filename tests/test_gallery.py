"""Every scenario of the gallery runs, and shows what its docstring says."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from ecosystem import Categorical, Ecosystem, Flow, Member, Scenario, Tabular, Tilt, sequential, shuffled, synchronous
from ecosystem.loading import load_scenario
from scenarios import adaptive, digits, loop, moons, pair, ring, scale_free

FOLDER = Path(pair.__file__).parent
SMALL = {
    "adaptive": {"rounds": 3},
    "digits": {"rounds": 2, "samples": 60},
    "moons": {"rounds": 1, "samples": 20, "steps": 2, "warm_up": 2},
    "scale_free": {"members": 60, "hubs": 3, "rounds": 3},
}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("[a-z]*.py")), ids=lambda file: file.stem)
def test_every_scenario_runs(file: Path) -> None:
    small = SMALL.get(file.stem, {"rounds": 3})
    scenario, description = load_scenario(file, small)
    run = scenario.run(seed=1, replicates=2 if scenario.samples else 1)
    assert run.rounds["round"].max() == small["rounds"] and run.failures.empty
    assert run.rounds["alignment"].notna().any() and "ecosystem run scenarios/" + file.name in description


@pytest.mark.parametrize(
    "ordering", [synchronous, sequential("theta", "phi"), sequential("phi", "theta"), shuffled], ids=repr
)
@pytest.mark.parametrize("coupling", [0.5, 0.9])
def test_pair_reaches_its_stable_point_in_every_order(ordering, coupling: float) -> None:
    theta, phi = pair.stable_point(coupling, 0.4)
    s = pair.scenario(coupling, rounds=400, samples=None, ordering=ordering)
    ends = s.run().parameters
    assert (ends["theta"]["mean"][0] - theta).abs().max() < 1e-10
    assert (ends["phi"]["mean"][0] - phi).abs().max() < 1e-10


@pytest.mark.parametrize(
    ("coupling", "j_p", "j_q"), [(0.5, 1.55444976654, 1.1890942863), (0.9, 1.29321363697, -0.0436055856256)]
)
def test_pair_has_the_published_alignments(coupling: float, j_p: float, j_q: float) -> None:
    """The authors leave out the constant ``η d σ²/2``: .0864 for theta, .1056 for phi."""
    end = pair.scenario(coupling, rounds=600, samples=None).run().rounds.iloc[-2:]["alignment"].tolist()
    assert end == pytest.approx([j_p - 0.0864, j_q - 0.1056], abs=1e-9)


@pytest.mark.parametrize(
    ("k", "expected"),
    [(2, (0.3545230108, 0.3415905442, 0.3038864450)), (4, (0.2615581926, 0.3378515018, 0.4005903055))],
)
def test_loop_has_the_golden_values(k: int, expected: tuple[float, ...]) -> None:
    end = loop.scenario(k=k, rounds=1).run().parameters["model"]["probabilities"][0]
    assert end.tolist() == pytest.approx(expected, abs=1e-10)


def test_loop_never_pleases_less_and_grows_by_at_least_the_variance() -> None:
    """``E_{t+1} e^r ≥ E_t e^r + (K−1)/K · Var_t e^r / e^{r_max}`` [Ferbach et al. 2024]."""
    odds = torch.tensor([0.0, 1.0, 2.0]).double().exp()
    eco = Ecosystem(loop.scenario(k=4, rounds=15))
    for _ in range(15):
        p = eco["model"].generator.probabilities
        mean, variance = p @ odds, p @ odds**2 - (p @ odds) ** 2
        eco.step()
        assert eco["model"].generator.probabilities @ odds >= mean + 3 / 4 * variance / odds[-1] - 1e-12


def test_two_points() -> None:
    """``p = (.5, .5)``, ``e^r = (1, 3)``: the better one has mass 0.625 after one round at K = 2."""
    s = loop.scenario(k=2, rewards=[0.0, float(np.log(3))], data=[0.5, 0.5], rounds=1)
    assert float(s.run().parameters["model"]["probabilities"][0, 1]) == pytest.approx(0.625, abs=1e-12)


def test_infinitely_many_candidates_tilt() -> None:
    """``K = ∞``, no real data: ``p_t ∝ p_0 e^{t r}`` exactly."""
    p, r = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.0, 1.0, 2.0]).double()
    s = Scenario("tilt", rounds=5)
    s.add("a", Member(Categorical(p), reward=Tabular(r), curator=Tilt()))
    s.connect("a", "a", Flow(curated=1.0))
    expected = torch.softmax(p.log() + 5 * r, -1)
    assert (s.run().parameters["a"]["probabilities"][0] - expected).abs().max() < 1e-12


def test_real_data_bound_the_loop() -> None:
    """``p_t ≤ p_data (1−s)/(1−Ks)`` for a curated share ``s < 1/K``."""
    share, k, data = 0.2, 4, [0.5, 0.3, 0.2]
    end = loop.scenario(k=k, share=share, data=data, rounds=200).run().parameters["model"]["probabilities"][0]
    bound = torch.tensor(data).double() * (1 - share) / (1 - k * share)
    assert (end <= bound).all() and float(end[2]) > 0.25


def test_taste_fades_round_the_ring() -> None:
    table = ring.scenario(rounds=200, real=0.25).run().rounds
    end = table[table["round"] == 200]["alignment"].to_numpy()
    assert end[1:] / end[:-1] == pytest.approx([0.75] * 7, abs=1e-9) and end[0] > 0
    first = table[table["alignment"] > 0].groupby("member", observed=True)["round"].min()
    assert first.tolist() == list(range(1, 9))  # one hop a round


def test_hubs_spread_their_users_taste() -> None:
    run = scale_free.scenario(members=200, hubs=8, rounds=20).run()
    end = run.rounds[run.rounds["round"] == 20]["alignment"]
    none = scale_free.scenario(members=200, hubs=0, rounds=20).run().rounds
    assert end.mean() > 0.1 and abs(none[none["round"] == 20]["alignment"]).max() < 1e-12


def test_adaptive_readers_drop_what_hurts_and_one_enters_late() -> None:
    run = adaptive.scenario(rounds=14, entry=8).run(replicates=6)
    dropped = run.changes[run.changes["what"] == "raw"]
    assert len(dropped) and dropped["subject"].str.startswith("noise→").any()
    for _, row in dropped.iterrows():  # decided in the replicate, and by what was seen, before that round
        assert row["before"] in ("0.2", "0.3") and row["after"] == "0"
    star = run.rounds[run.rounds["member"] == "star"]
    assert star["round"].min() == 8
    before = run.rounds.query("member == 'ada' and round == 7")["alignment"].mean()
    after = run.rounds.query("member == 'ada' and round == 14")["alignment"].mean()
    assert after > before + 0.2


def test_digits_start_as_digits() -> None:
    """A nearest-neighbour classifier trained on the real images knows the samples of every laboratory's start."""
    from sklearn.neighbors import KNeighborsClassifier

    images, labels = digits.real_digits()
    judge = KNeighborsClassifier(3).fit(images.flatten(1).numpy(), labels.numpy())
    model = digits.scenario(samples=10).member("Amber").generator
    rng = Ecosystem(digits.scenario(samples=10)).rng_root[0]
    x = model.sample(500, rng).clamp(0, 1).flatten(1)
    component = model.responsibilities(x).argmax(-1)
    assert np.mean(judge.predict(x.numpy()) == component.numpy()) > 0.9


def test_digits_tell_the_story_of_their_docstring() -> None:
    """A short run: both bold laboratories get bolder, Coral loses and Dune does not follow it."""
    run = digits.scenario(rounds=6, samples=300).run(replicates=2)
    table = run.rounds.pivot_table(index="round", columns="member", values="alignment", observed=True)
    change = table.loc[6] - table.loc[0]
    assert (
        change["Amber"] > 0.3 and change["Birch"] > 0.3 and change["Coral"] < -0.3 and change["Dune"] > change["Coral"]
    )


def test_moons_learn_their_shapes() -> None:
    """A short warm-up already puts most points near the real ones."""
    model = moons.scenario(samples=10, warm_up=400).member("ring").generator
    rng = Ecosystem(ring.scenario()).rng_root[0]
    radius = model.sample(400, rng).norm(dim=-1)
    assert 0.9 < float(radius.median()) < 1.4


def test_scenarios_have_keywords_only_of_their_own() -> None:
    for module in (adaptive, digits, loop, moons, pair, ring, scale_free):
        parameters = inspect.signature(module.scenario).parameters.values()
        assert all(p.default is not inspect.Parameter.empty for p in parameters), module.__name__
