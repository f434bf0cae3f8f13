"""An ecosystem on another device: the same numbers, and nothing that leaves it inside a round but what is recorded.

The device is a pretended one (``tests/far.py``): its tensors do not mix with the CPU's, and what comes home is counted.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import ecosystem
from ecosystem import (
    BestOf,
    Ecosystem,
    Flow,
    GenerativeModel,
    Leave,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    ModelAgent,
    Quadratic,
    Record,
    Run,
    Scenario,
    Shift,
    Stream,
    Tilt,
    Training,
    every,
    poisson,
    shuffled,
)
from ecosystem.cli.program import app
from ecosystem.core.drawing import advancing
from ecosystem.core.streams import on_device
from ecosystem.engine.step import step
from ecosystem.influence import continuum, influence, linear_round, measure_influence, resolvent, spectra
from ecosystem.study import Study
from tests.far import Far, counted, far

FLOATS = {"rtol": 1e-12, "atol": 1e-12, "equal_nan": True}


def duo(samples: int | None = None, curator: object = None, **settings: object) -> Scenario:
    s = Scenario("duo", rounds=4, samples=samples, **settings)  # type: ignore[arg-type]
    curator = Shift([0.1, 0.2]) if curator is None else curator
    taste, data = Quadratic([1.0, 0.5], 0.2), Location([0.0, 0.0])
    s.add("a", Member(Location([0.0, 1.0], scale=0.3), reward=taste, curator=curator, real=data))  # type: ignore[arg-type]
    s.add("b", Member(Location([1.0, 1.0], scale=0.3), reward=Linear([1.0, 0.5]), curator=curator))  # type: ignore[arg-type]
    s.connect("a", "b", Flow(raw=0.6, curated=0.4, transform=LinearMap([[0.5, 0.1], [0.0, 0.5]])))
    s.connect("b", "a", Flow(raw=0.2, curated=0.3, chosen_by="consumer"))
    s.connect("a", "a", Flow(raw=0.1, curated=0.1))
    return s


def assert_same(one: Run, other: Run, **tolerance: object) -> None:
    """All tables alike, numbers up to rounding."""
    for name in ("rounds", "draws", "changes", "failures", "baseline", "choices"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert list(mine) == list(theirs) and len(mine) == len(theirs), name
        for column in mine:
            if mine[column].dtype.kind == "f":
                np.testing.assert_allclose(mine[column], theirs[column], **(tolerance or FLOATS))  # type: ignore[arg-type]
            else:
                assert (mine[column].astype(str) == theirs[column].astype(str)).all(), (name, column)


# -- streams -----------------------------------------------------------------------------------------------------------


def test_integers_and_uniforms_are_the_same_to_the_bit() -> None:
    here = Stream.root([(0, 0), (3, 1), (-5, 2)]).at("noise").at(torch.tensor([5, -7, 2**62]))
    there = on_device(here, torch.device(far()))
    rows, skipped = torch.tensor([5, 2, 900]), torch.tensor([1, 2**40, 3])
    pairs = [
        (here, there),
        (here.skip(7), there.skip(7)),
        (here.select(rows).skip(skipped), there.select(rows.to(far())).skip(skipped.to(far()))),
    ]
    for mine, theirs in pairs:
        assert torch.equal(mine.at("x").at(9).keys, theirs.at("x").at(9).keys.cpu())
        assert torch.equal(mine.uniform(3, 5), theirs.uniform(3, 5).cpu())
        torch.testing.assert_close(mine.normal(3, 5), theirs.normal(3, 5).cpu(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(mine.gumbel(3, 5), theirs.gumbel(3, 5).cpu(), rtol=1e-12, atol=1e-12)


def test_draws_of_a_users_part_advance_alike_and_the_first_one_asks_nobody() -> None:
    here = Stream.root([(0, 0), (3, 1)])
    mine, theirs = advancing(here), advancing(on_device(here, torch.device(far())))
    with counted() as trips:
        first = theirs.uniform(4)
        assert not trips
    assert torch.equal(mine.uniform(4), first.cpu())
    for n in (4, 6, 2):
        assert torch.equal(mine.uniform(n), theirs.uniform(n).cpu())


# -- runs --------------------------------------------------------------------------------------------------------------

CASES: dict[str, Callable[[], Scenario]] = {
    "population": duo,
    "population, tilted": lambda: duo(curator=Tilt(1.0)),
    "exact": lambda: duo(16),
    "choice": lambda: duo(16, Luce(3)),
    "best": lambda: duo(16, BestOf(2), ordering=shuffled),
    "tilt": lambda: duo(8, Tilt(1.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_has_the_tables_of_the_cpu(case: str) -> None:
    scenario = CASES[case]()
    replicates = 1 if scenario.samples is None else 3
    record = Record(draws=True, choices=scenario.samples is not None)
    runs = [scenario.run(seed=1, replicates=replicates, record=record, device=where) for where in (None, far())]
    assert_same(*runs)


@pytest.mark.parametrize("samples", [None, 16])
def test_nothing_leaves_the_device_inside_a_round_but_what_is_recorded(samples: int | None) -> None:
    """Before: there was no device; a round asked the CPU who was due, whether anybody exploded, which rows follow."""
    eco = Ecosystem(duo(samples), device=far())
    state = step(eco.program, eco.state)[0]  # the first one compiles its plan
    with counted() as trips:
        for _ in range(3):
            state, _ = step(eco.program, state)
        assert not trips


def test_of_samples_that_are_made_only_sizes_leave() -> None:
    """How many samples a flow got decides shapes: one number a flow comes back, and no sample."""
    eco = Ecosystem(duo(64), device=far(), build_samples=True)
    state = step(eco.program, eco.state)[0]
    with counted() as trips:
        step(eco.program, state)
        assert all(numbers == 1 for _, numbers in trips) and len(trips) < 20


class Meddler(ModelAgent):
    def decide(self) -> None:
        if self.model.steps == 1:
            self.set_flow("b", raw=0.2)
            self.set_curator(BestOf(2), reward=Linear([0.0, 1.0]))
        if self.model.steps == 2:
            self.set_schedule(every(2))


def test_agents_interventions_and_random_clocks_are_at_home_there() -> None:
    def built() -> Scenario:
        s = Scenario("meddling", rounds=5, samples=8)
        data = Location([0.0, 0.0])
        s.add("a", Member(Location([0.0, 1.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=data, agent=Meddler))
        s.add("b", Member(Location([1.0, 1.0]), real=data, schedule=poisson(1.0)))
        s.connect("a", "b", Flow(raw=0.3, curated=0.3))
        s.connect("b", "a", Flow(raw=0.3))
        s.at(4, Leave("b"))
        return s

    assert_same(*(built().run(seed=2, replicates=3, device=where) for where in (None, far())))


def test_who_diverges_is_found_there_and_told_at_home() -> None:
    def built() -> Scenario:
        s = Scenario("away", rounds=60)
        s.add("a", Member(Location([1.0])))
        s.connect("a", "a", Flow(raw=1.0, transform=LinearMap([[3.0]])))
        return s

    with pytest.warns(RuntimeWarning, match="diverged"):
        runs = [built().run(device=where) for where in (None, far())]
    assert len(runs[0].failures) == 1
    assert_same(*runs)


def test_float32_closed_forms_stay_float32() -> None:
    for samples in (None, 16):
        eco = Ecosystem(duo(samples), device=far(), dtype=torch.float32)
        eco.run()
        assert eco["a"].generator.mean.dtype == torch.float32
        run = duo(samples).run()
        assert_same(run, eco.result(), rtol=1e-4, atol=1e-5)


class Mean(GenerativeModel):
    """A user's own model that knows nothing of devices."""

    event_shape = (2,)
    training_plan = Training(3, 8)

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean + rng.normal(n, 2)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((batch - self.mean) ** 2).mean()


def test_a_users_measure_and_reward_follow() -> None:
    def first(view: object) -> Tensor:
        return torch.stack([view.law(name).mean[..., 0] for name in view.names])  # type: ignore[attr-defined]

    def built() -> Scenario:
        s = duo(8, Luce(2))
        s.add("c", Member(Location([0.0, 0.0]), reward=lambda x: -(x**2).sum(-1), real=lambda n, rng: rng.normal(n, 2)))
        return s

    record = Record(measures=[first])
    runs = [built().run(replicates=2, record=record, device=where) for where in (None, far())]
    assert_same(*runs)
    np.testing.assert_allclose(runs[0].rounds["first"], runs[1].rounds["first"], **FLOATS)


def test_models_follow_and_need_not_know_of_devices() -> None:
    def built() -> Scenario:
        s = Scenario("trained", rounds=2, samples=8)
        s.add("a", Member(Mean(), reward=Linear([1.0, 0.0]), curator=Luce(2), real=Location([1.0, 0.0])))
        s.connect("a", "a", Flow(raw=0.3, curated=0.3))
        return s

    runs = [built().run(replicates=2, device=where) for where in (None, far())]
    assert_same(*runs, rtol=1e-5, atol=1e-5)
    eco = Ecosystem(built(), device=far())
    assert eco.state.now[0].models[0, 0, 0].device.type == far()  # type: ignore[union-attr]


@pytest.mark.parametrize("real", [0.1, 1e-5])
def test_corrections_in_float32_are_as_exact(real: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where ``ρ = 1 − real`` is nearer to 1 than float32 could tell an effect: what is left is float64's."""
    s = Scenario("loop", rounds=1)
    for name, taste in (("a", [1.0, 0.5]), ("b", [0.3, 1.0])):
        start, data = Location([0.0, 1.0], scale=0.3), Location([0.0, 0.0])
        s.add(name, Member(start, reward=Linear(taste), curator=Shift([0.1, 0.2]), real=data))
    for u, v in (("a", "b"), ("b", "a")):
        s.connect(u, v, Flow(raw=0.6 * (1 - real), curated=0.4 * (1 - real)))
    exact = influence(s)
    for module in (resolvent, spectra, linear_round, continuum):
        monkeypatch.setattr(module, "DENSE", 0)
    monkeypatch.setattr(resolvent, "_SPARSE", -1)
    monkeypatch.setattr(resolvent, "terms_of", lambda flows: None)
    rough = influence(s, at=exact.point, dtype=torch.float32)
    assert rough.resolvent.operator.inner == torch.float32  # type: ignore[union-attr]
    np.testing.assert_allclose(rough.matrix, exact.matrix, rtol=1e-9)
    with pytest.raises(ValueError, match="dtype"):
        influence(s, dtype=torch.float16)


@pytest.mark.parametrize("curator", [Shift([0.1, 0.2]), Tilt(1.0)])
def test_influence_is_the_same_with_the_map_played_there(curator: object) -> None:
    here, there = influence(duo(curator=curator)), influence(duo(curator=curator), device=far())
    np.testing.assert_allclose(here.matrix, there.matrix, rtol=1e-8)
    played = there.dynamics.away
    assert played is not None and played.start.device.type == far()
    cut = [effect.knock_out("b", "a").matrix for effect in (here, there)]  # before: no knock-out knew of its device
    np.testing.assert_allclose(*cut, rtol=1e-7, atol=1e-12)


def test_measured_influence_is_the_same_there() -> None:
    def table(device: str | None) -> object:
        return measure_influence(duo(8).replace(rounds=8), seeds=2, burn_in=6, device=device).table["effect"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few rounds still drift
        np.testing.assert_allclose(table(None), table(far()), rtol=1e-9, atol=1e-12)


def test_a_run_that_is_saved_there_goes_on_and_what_it_keeps_is_at_home(tmp_path: Path) -> None:
    eco, again = (Ecosystem(duo(16, Luce(2)), record=Record(samples=4), device=far()) for _ in range(2))
    eco.step()
    eco.save(tmp_path / "saved")
    again.restore(tmp_path / "saved")
    eco.run(), again.run()
    assert again.state.shares.device.type == far()
    assert_same(eco.result(), again.result())
    with pytest.raises(ValueError, match="device"):
        Ecosystem(duo(16, Luce(2)), record=Record(samples=4)).restore(tmp_path / "saved")
    run = eco.result()
    run.save(tmp_path / "run")
    kept = Run.load(tmp_path / "run")
    assert_same(run, kept)
    assert run.parameters["a"]["mean"].is_cpu and run.samples["a"][4].is_cpu
    assert run.generator("a").mean.is_cpu  # type: ignore[union-attr]


def test_a_study_says_where_its_runs_live(tmp_path: Path) -> None:
    def build(share: float) -> Scenario:
        s = Scenario("loop", rounds=2)
        s.add("a", Member(Location([1.0]), real=Location([0.0])))
        s.connect("a", "a", Flow(raw=share))
        return s

    there = Study("s", build, grid={"share": [0.1, 0.5]}, device=far())
    results = there.run(tmp_path / "there", workers=0)
    here = Study("s", build, grid={"share": [0.1, 0.5]}).run(tmp_path / "here", workers=0)
    np.testing.assert_allclose(results.rounds["change"], here.rounds["change"], **FLOATS)
    with pytest.raises(Exception, match="where"):
        Study("s", build, grid={"share": [0.1, 0.5]}).run(tmp_path / "there", workers=0)


@pytest.mark.parametrize("device", ["cuda:99", "nowhere", "meta", 1.5, True])
def test_a_device_that_is_not_there_is_refused_by_name(device: object) -> None:
    with pytest.raises((ValueError, TypeError), match="device"):
        duo().run(device=device)


@pytest.mark.parametrize("dtype", [torch.float16, "double", 3])
def test_a_type_that_closed_forms_do_not_have_is_refused(dtype: object) -> None:
    with pytest.raises(ValueError, match=r"float64.*float32"):
        duo().run(dtype=dtype)


LOOP = """
from ecosystem import Flow, Linear, Location, Member, Scenario, Shift


def scenario() -> Scenario:
    s = Scenario("loop", rounds=2)
    s.add("a", Member(Location([1.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.2))
    return s
"""


@pytest.mark.parametrize("command", [["run"], ["influence"], ["study", "--grid", "x=[1]", "--out", "out"]])
def test_commands_take_a_device_and_refuse_one_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "loop.py"
    file.write_text(LOOP.replace("scenario()", "scenario(x=1)"))
    verb, *rest = (str(tmp_path / part) if part == "out" else part for part in command)
    refused = CliRunner().invoke(app, [verb, str(file), *rest, "--device", "nowhere"])
    assert refused.exit_code and "nowhere" in refused.output
    if verb != "study":
        assert CliRunner().invoke(app, [verb, str(file), *rest, "--device", far()]).exit_code == 0


# -- the source --------------------------------------------------------------------------------------------------------

MAKERS = {"zeros", "ones", "arange", "full", "empty", "eye", "linspace", "rand", "randn", "randperm"}
ROOMS = ("engine", "curation", "rewards", "running/measures")
AT_HOME = {  # decided, or compiled, on the CPU
    "engine/duty.py": 2,  # nobody's stream; who is due
    "engine/looped.py": 2,  # bounds and parameters of models, gathered on the CPU
    "engine/pools.py": 1,  # the weights that users begin with, sent when the state is made
    "engine/program.py": 1,  # sent when the state is made
    "engine/receiving.py": 1,  # the stream of curators who do not draw
    "engine/stacks.py": 1,  # whether rows follow, asked of rows on the CPU
    "curation/bradley_terry.py": 3,  # learned before anything is played
    "curation/choices.py": 1,  # an integral, two floats
    "curation/comparisons.py": 2,  # tables that people have
    "curation/flips.py": 1,  # a table that people have, sent as part of the program
    "curation/demand.py": 1,  # how a group is described
}


def test_what_is_made_in_a_round_is_made_where_it_is_needed() -> None:
    """Before: none of the 53 constructors of the engine said on which device."""
    root = Path(ecosystem.__file__).parent
    found: dict[str, int] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            bare = [c for c in calls if _makes(c) and not any(k.arg in ("device", None) for k in c.keywords)]
            if bare:
                found[path.relative_to(root).as_posix()] = len(bare)
    assert found == AT_HOME


def _makes(call: ast.Call) -> bool:
    name = call.func
    of_torch = isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "torch"
    return of_torch and name.attr in MAKERS


def test_the_pretended_device_refuses_what_cuda_refuses() -> None:
    there = torch.ones(3, device=far())
    assert isinstance(there, Far)
    with pytest.raises(RuntimeError, match="two devices"):
        there + torch.ones(3)
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()
    with counted() as trips:
        assert float(there.sum()) == 3.0 and there.cpu().tolist() == [1.0, 1.0, 1.0]
    assert [numbers for _, numbers in trips] == [1, 3]
