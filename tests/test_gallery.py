"""Every scenario of the gallery runs, and shows what its docstring says."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from ecosystem import (
    Categorical,
    Ecosystem,
    Flow,
    Member,
    Record,
    Scenario,
    Tabular,
    Tilt,
    sequential,
    shuffled,
    synchronous,
)
from ecosystem.cli.loading import load_scenario
from scenarios import adaptive, digits, ferbach, moons, pair, ring, scale_free

FOLDER = Path(pair.__file__).parent
SMALL = {
    "adaptive": {"rounds": 3, "entry": 2},
    "digits": {"rounds": 2, "samples": 60},
    "moons": {"rounds": 1, "samples": 20, "steps": 2, "warm_up": 2},
    "scale_free": {"members": 60, "hubs": 3, "rounds": 3},
    "tinted_networks": {"rounds": 1, "samples": 12, "steps": 2, "warm_up": 2, "candidates": 2},
    "tinted_digits": {"rounds": 2, "samples": 20, "steps": 2, "warm_up": 2, "candidates": 2},
}
# they need files or a base model: tests of their own
ELSEWHERE = {"cifar", "language_tiny", "preferences_tiny", "summarise_paraphrase"}
FILES = sorted(file for file in FOLDER.glob("[a-z]*.py") if file.stem not in ELSEWHERE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
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
def test_a_single_loop_has_the_golden_values(k: int, expected: tuple[float, ...]) -> None:
    end = ferbach.scenario(k=k, rounds=1).run().parameters["model"]["probabilities"][0]
    assert end.tolist() == pytest.approx(expected, abs=1e-10)


def test_a_single_loop_never_pleases_less_and_grows_by_at_least_the_variance() -> None:
    """``E_{t+1} e^r ≥ E_t e^r + (K−1)/K · Var_t e^r / e^{r_max}`` [Ferbach et al. 2024]."""
    odds = torch.tensor([0.0, 1.0, 2.0]).double().exp()
    eco = Ecosystem(ferbach.scenario(k=4, rounds=15))
    for _ in range(15):
        p = eco["model"].generator.probabilities
        mean, variance = p @ odds, p @ odds**2 - (p @ odds) ** 2
        eco.step()
        assert eco["model"].generator.probabilities @ odds >= mean + 3 / 4 * variance / odds[-1] - 1e-12


def test_two_points() -> None:
    """``p = (.5, .5)``, ``e^r = (1, 3)``: the better one has mass 0.625 after one round at K = 2."""
    s = ferbach.scenario(k=2, rewards=[0.0, float(np.log(3))], data=[0.5, 0.5], rounds=1)
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
    end = ferbach.scenario(k=k, share=share, data=data, rounds=200).run().parameters["model"]["probabilities"][0]
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


def test_scenarios_have_keywords_only_of_their_own() -> None:
    for module in (adaptive, digits, ferbach, moons, pair, ring, scale_free):
        parameters = inspect.signature(module.scenario).parameters.values()
        assert all(p.default is not inspect.Parameter.empty for p in parameters), module.__name__


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_reading_a_scenario_file_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    before = set(FOLDER.rglob("*.[!p]*")), torch.get_default_dtype(), torch.get_num_threads()
    runpy.run_path(str(file))
    assert (set(FOLDER.rglob("*.[!p]*")), torch.get_default_dtype(), torch.get_num_threads()) == before
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]
    assert capsys.readouterr() == ("", "")


def test_adaptive_decides_in_each_replicate_by_what_it_saw() -> None:
    """A source is dropped where, and only where, the table of tastes said, a round before, that it hurts."""
    run = adaptive.scenario(rounds=14, entry=8).run(replicates=6, record=Record(tastes=True))
    taste = run.tastes.set_index(["replicate", "round", "member", "judge"])["reward"]
    drops = run.changes[run.changes["what"] == "raw"].set_index(["replicate", "subject"])["round"]
    assert drops.index.is_unique and drops.groupby("subject").nunique().max() > 1  # replicates differ
    for u, v in run.flows[["source", "target"]].itertuples(index=False):
        for replicate in range(6):
            last = drops.get((replicate, f"{u}→{v}"), 15)
            for before in range(8 if u == "star" else 0, min(last, 14)):
                gap = taste[replicate, before, u, v] - taste[replicate, before, v, v]
                assert (gap < -0.5) == (before + 1 == last), (u, v, replicate, before)
    assert run.rounds.query("member == 'star'")["round"].min() == 8


def recognised(x: torch.Tensor) -> float:
    """On how many images two different judges, trained on the real ones, agree: digits between digits divide them."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    images, labels = digits.real_digits()
    flat, x = images.flatten(1).numpy(), x.clamp(0, 1).flatten(1)
    near, far = KNeighborsClassifier(3).fit(flat, labels), SVC(gamma=0.25).fit(flat, labels)
    return float(np.mean(near.predict(x.numpy()) == far.predict(x.numpy())))


def test_digits_tell_the_story_of_their_docstring() -> None:
    """A short run: who gets its users' taste and who loses it, and what is drawn are digits from start to end."""
    eco = Ecosystem(digits.scenario(rounds=8, samples=400), seeds=[0, 1])
    rng = eco.program.rng.at("test")
    assert all(recognised(eco[name].generator.sample(300, rng)[0]) > 0.95 for name in eco.names)
    eco.run()
    table = eco.result().rounds.pivot_table(index="round", columns="member", values="alignment", observed=True)
    change = table.loc[8] - table.loc[0]
    assert change["Poster"] > 15 and change["Hairline"] > 15 and change["Pencil"] > 8 and change["Marker"] < -8
    assert all(recognised(eco[name].generator.sample(300, rng)[0]) > 0.9 for name in eco.names)


def test_without_choice_the_ink_of_digits_stays() -> None:
    run = digits.scenario(rounds=8, samples=400, candidates=1).run(replicates=2)
    table = run.rounds.pivot_table(index="round", columns="member", values="alignment", observed=True)
    assert (table.loc[8] - table.loc[0]).abs().max() < 6


def test_the_taste_for_ink_knows_its_expectation() -> None:
    scenario = digits.scenario(samples=10)
    model, taste = scenario.member("Poster").generator, scenario.member("Poster").reward
    values = taste(model.sample(20_000, Ecosystem(scenario).program.rng[0]))
    assert abs(float(values.mean() - model.expect(taste))) < 5 * float(values.std()) / 20_000**0.5


def test_moons_learn_their_shapes() -> None:
    """After the warm-up of the gallery's own length few points stray from the real ones."""
    for name, real in (("moons", moons.two_moons(2000)), ("ring", moons.eight_gaussians(2000))):
        model = moons.scenario().member(name).generator
        x = model.sample(500, Ecosystem(pair.scenario()).program.rng[0])
        assert float((torch.cdist(x, real).min(1).values > 0.1).float().mean()) < 0.15
