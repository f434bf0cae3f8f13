"""Checkpoints: what is killed goes on bit for bit, disks stay small, and what would be lost is refused."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

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
    Shift,
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
from ecosystem.cli import app
from ecosystem.core import manifest
from ecosystem.core.identity import digest
from ecosystem.running.checkpoints import CheckpointError
from ecosystem.running.checkpoints import folder as folders
from ecosystem.running.checkpoints.codec import Reader, Unwritable, Writer
from tests.drawn import normals
from tests.studies import Nursery

pytestmark = pytest.mark.xdist_group("checkpoints")  # what is compared with is made once

ALL = {"draws": True, "samples": 3, "sources": True}
TABLES = ("members", "flows", "rounds", "draws", "changes", "failures", "tastes", "sources", "choices")


ADAM = partial(torch.optim.AdamW, lr=0.02)


# -- what is run -------------------------------------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def whole() -> dict[str, Run]:
    """The runs that others are compared with: in one go."""
    return {name: finished(ecosystem(name)) for name in ("neural", "closed", "deciding")}


# -- going on ----------------------------------------------------------------------------------------------------------


def test_the_scenarios_do_what_they_are_for(whole: dict[str, Run]) -> None:
    """Replicates diverge in some rounds but not all do; agents change everything; kept data reach back."""
    failures = whole["closed"].failures
    assert 0 < failures["replicate"].nunique() < 6 and failures["round"].nunique() > 1
    assert {"raw", "curator", "schedule", "frozen", "curation"} <= set(whole["deciding"].changes["what"])
    sources = whole["neural"].sources
    assert (sources["born"] < sources["round"] - 1).any() and whole["neural"].inputs["p"][0].shape == (3, 3)
    assert len(whole["neural"].parameters["r"]["data"][0]) == 5 * 20


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *(("neural", after) for after in (1, 2, 3, 5)),
        *(("closed", after) for after in (1, 4, 7, 8)),
        *(("deciding", after) for after in (1, 2, 3, 4, 5, 6, 8)),
    ],
)
def test_a_run_goes_on_where_it_was(name: str, after: int, whole: dict[str, Run], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "saved")
    lost = ecosystem(name)
    broken_off(lost, checkpoints, after)
    found = ecosystem(name)
    found.restore(checkpoints.path(after))
    assert same(everything(found), everything(lost)) and found.completed == found.steps == after
    assert_same(finished(ecosystem(name), checkpoints), whole[name])
    assert names(checkpoints.folder) == [f"round-{r:05d}" for r in (lost.rounds - 1, lost.rounds)][-after - 1 :]


def test_scenario_run_goes_on_too(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "saved", every=2, keep=1)
    eco = Ecosystem(neural(), seeds=[(0, 0), (0, 1)])
    broken_off(eco, checkpoints, 3)
    assert names(checkpoints.folder) == ["round-00002"]
    assert_same(neural().run(replicates=2, checkpoints=checkpoints), neural().run(replicates=2))
    assert names(checkpoints.folder) == ["round-00005"]


def test_a_finished_run_comes_back_at_once(
    whole: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    first = finished(ecosystem("closed"), checkpoints)
    monkeypatch.setattr(Ecosystem, "step", None)
    again = finished(ecosystem("closed"), checkpoints)
    assert_same(again, first)
    assert_same(again, whole["closed"])
    assert again.settings["seconds"] > 0.5 * first.settings["seconds"] > 0  # the time it has really taken


def test_a_longer_run_goes_on_after_the_end(tmp_path: Path) -> None:
    """What was recorded only because it was the end is dropped; the samples kept are those of the same rounds."""
    how: dict[str, Any] = {"every": 4, "sample_rounds": [0, 4, 12]}
    finished(ecosystem("closed", **how), Checkpoints(tmp_path))
    longer = finished(ecosystem("closed", rounds=14, **how), Checkpoints(tmp_path))
    assert_same(longer, finished(ecosystem("closed", rounds=14, **how)))
    assert longer.rounds["round"].unique().tolist() == [0, 4, 8, 12, 14]


def test_saved_and_restored_by_hand(whole: dict[str, Run], tmp_path: Path) -> None:
    eco = ecosystem("neural")
    eco.save(tmp_path / "start")
    eco.step()
    eco.save(tmp_path / "one")
    for place in ("start", "one"):
        other = ecosystem("neural")
        other.restore(tmp_path / place)
        assert_same(finished(other), whole["neural"])
    with pytest.raises(FileExistsError, match="exists already; choose another folder"):
        eco.save(tmp_path / "one")
    with pytest.raises(CheckpointError, match="into a new ecosystem only, this one has played 1"):
        eco.restore(tmp_path / "start")


def test_every_and_keep_bound_the_folder(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    eco = ecosystem("deciding")
    eco.run(lambda *_: seen.append(names(tmp_path)), Checkpoints(tmp_path, every=3, keep=1))
    third, sixth, last = ["round-00003"], ["round-00006"], ["round-00008"]
    assert seen == [[], [], third, third, third, sixth, sixth, last]
    for keep in (2, 5):
        folder = tmp_path / "inner" / str(keep)
        ecosystem("deciding").run(checkpoints=Checkpoints(folder, keep=keep))
        assert names(folder) == [f"round-{r:05d}" for r in range(9 - keep, 9)]
    assert {path.name for path in (tmp_path / "inner/2/round-00008").iterdir()} == {
        *("state.json", "tensors.safetensors", "manifest.jsonl")
    }


def test_what_is_unchanged_is_written_once(tmp_path: Path) -> None:
    """``s`` retrains every other round: what is read with a delay is often what is there now."""
    eco = ecosystem("neural")
    eco.run(lambda done, _: eco.save(tmp_path / str(done)))
    state = json.loads((tmp_path / "4" / "state.json").read_text())
    models, now = (state["state"]["generators"][what] for what in ("models", "stacks"))
    assert len(models) == 3 * 3 + 2 and len(now) == 3  # now, one and two rounds ago; s last retrained in round 3
    (pair,) = [c for c, cohort in enumerate(eco.program.cohorts) if cohort.names == ["r", "s"]]
    newest, before, _ = (then[pair][1] for then in now)
    assert newest == before


# -- killed ------------------------------------------------------------------------------------------------------------


def nurse() -> None:
    """What runs in the nursery: orders come as lines of JSON, and answers go."""
    for name in SCENARIOS:  # all is imported and pretrained before the first child is born
        ecosystem(name)
    with tempfile.TemporaryDirectory() as folder:
        finished(ecosystem("deciding", 2), Checkpoints(Path(folder, "saved"))).save(Path(folder, "run"))
    print('"ready"', flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            _child(**order)
        print(answer, flush=True)


def _child(
    name: str, folder: str, rounds: int | None = None, fatal: int | None = None, limit: int | None = None
) -> None:
    """A run that may kill itself at its ``fatal``-th step of writing, or find no room beyond ``limit`` bytes a file."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    if fatal is not None:
        _mortal(fatal)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    code = 1
    try:
        finished(ecosystem(name, rounds), Checkpoints(folder)).save(Path(folder).with_name("run"))
        code = 0
    except OSError as error:
        Path(folder, "error").symlink_to(str(error))  # a name needs no room
    finally:
        os._exit(code)


def _mortal(fatal: int) -> None:
    """Die before the ``fatal``-th step of writing or removing, with half of it done."""
    steps = iter(range(1, 1000))

    def deadly(function: Any) -> Any:
        def step(*given: Any, **how: Any) -> Any:
            if next(steps) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **how)

        return step

    def half(path: Path, data: bytes) -> None:
        whole(path, data[: len(data) // 2])
        whole(path, data)

    def gnaw(folder: Path, **how: Any) -> None:
        (folder / folders.STATE).unlink(missing_ok=True)
        rest(folder, **how)

    for module, name in ((os, "fsync"), (os, "replace"), (shutil, "rmtree"), (Path, "mkdir")):
        setattr(module, name, deadly(getattr(module, name)))
    whole = deadly(Path.write_bytes)
    Path.write_bytes = half  # type: ignore[method-assign]
    rest, shutil.rmtree = shutil.rmtree, gnaw


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("tests.test_checkpoints")
    yield nursery
    nursery.close()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")


@pytest.fixture(scope="module")
def unharmed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Run, float]]:
    """The runs of processes that nobody killed, and how many seconds they took."""
    runs = {}
    for name in SCENARIOS:
        folder, begin = tmp_path_factory.mktemp(name), time.monotonic()
        assert nursery.wait(nursery.ask(name=name, folder=str(folder / "saved"))) == 0
        runs[name] = Run.load(folder / "run"), time.monotonic() - begin
    return runs


@forks
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_moment(
    name: str, nursery: Nursery, unharmed: dict[str, tuple[Run, float]], tmp_path: Path
) -> None:
    """Five times at most, at moments of its own time: a busy machine neither waits nor computes for more of them."""
    (whole, seconds), moments, ends = unharmed[name], random.Random(name), []
    for latest in (0.0, *[0.6 * seconds] * 4):
        process = nursery.ask(name=name, folder=str(tmp_path / "saved"))
        time.sleep(moments.uniform(0.0, latest))
        os.kill(process, signal.SIGKILL)  # one that has ended is still there until it is waited for
        ends.append(nursery.wait(process))
        if ends[-1] == 0:
            break
    else:
        assert nursery.wait(nursery.ask(name=name, folder=str(tmp_path / "saved"))) == 0
    assert ends[0] == -signal.SIGKILL and set(ends) <= {0, -signal.SIGKILL}
    assert_same(Run.load(tmp_path / "run"), whole)


@forks
def test_killed_at_every_step_of_a_write(nursery: Nursery, tmp_path: Path) -> None:
    """What stands under a final name is always whole, nothing else stays, and the run goes on from it."""
    short = {"name": "deciding", "rounds": 4}
    assert nursery.wait(nursery.ask(folder=str(tmp_path / "saved"), **short)) == 0
    newest, unharmed = [], Run.load(tmp_path / "run")
    for fatal in range(1, 49):
        folder = tmp_path / str(fatal) / "saved"
        folder.parent.mkdir()
        assert nursery.wait(nursery.ask(folder=str(folder), fatal=fatal, **short)) == -signal.SIGKILL
        there = names(folder) if folder.exists() else []
        found = [name for name in there if name.startswith("round")]
        assert [folders.read(folder / name)[0]["round"] for name in found] == [int(name[-5:]) for name in found]
        assert len(found) <= 3 and len(there) <= 4
        newest.append(max(map(int, (name[-5:] for name in found)), default=0))
        if fatal % 5 == 0:  # a write has twelve steps or so: at each of them once or more
            assert nursery.wait(nursery.ask(folder=str(folder), **short)) == 0
            assert names(folder) == ["round-00003", "round-00004"]
            assert_same(Run.load(folder.with_name("run")), unharmed)
    assert newest == sorted(newest) and set(newest) == {0, 1, 2, 3}  # the third is the first to push one out


@forks
def test_a_disk_without_room(nursery: Nursery, unharmed: dict[str, tuple[Run, float]], tmp_path: Path) -> None:
    """The kept data grow until their file is too large: older checkpoints stay, and with room it goes on."""
    folder = tmp_path / "saved"
    process = nursery.ask(name="neural", folder=str(folder), limit=32_000)
    assert nursery.wait(process) == 1
    told = os.readlink(folder / "error")
    (folder / "error").unlink()
    before = names(folder)
    last = int(before[-1][-5:])
    assert before == [f"round-{r:05d}" for r in (last - 1, last)] and 2 <= last < 5
    assert "could not write this checkpoint; make room and run again, older ones are whole" in told
    assert f"round-{last + 1:05d}" in told
    assert nursery.wait(nursery.ask(name="neural", folder=str(folder))) == 0
    assert_same(Run.load(tmp_path / "run"), unharmed["neural"][0])


@pytest.mark.parametrize("step", ["fsync", "replace", "mkdir"])
def test_a_full_disk_leaves_nothing_half_done(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path / "saved")
    broken_off(ecosystem("deciding"), checkpoints, 2)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*((Path, "mkdir") if step == "mkdir" else (os, step)), full)
        if step == "mkdir":
            patch.setattr(Checkpoints, "locked", lambda _: nullcontext())
        with pytest.raises(OSError, match="No space left on device: could not write this checkpoint") as caught:
            ecosystem("deciding").run(checkpoints=checkpoints)
    assert caught.value.errno == errno.ENOSPC and str(checkpoints.path(3)) in str(caught.value)
    assert names(checkpoints.folder) == ["round-00001", "round-00002"]
    assert_same(finished(ecosystem("deciding"), checkpoints), finished(ecosystem("deciding")))


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"every": 0}, {"keep": 0}, {"every": 1.5}, {"keep": True}])
def test_checkpoints_are_checked(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"Checkpoints.{next(iter(given))}. must be a whole number, at least 1"):
        Checkpoints("x", **given)


def couple(shape: int = 2, share: float = 0.3, taste: float = 1.0, data: int = 0, k: int = 2, **how: Any) -> Scenario:
    s = Scenario(how.pop("name", "couple"), rounds=3, samples=how.pop("samples", 5))
    a = Member(Location([0.0] * shape), reward=Linear([taste] * shape), curator=Luce(k), real=normals(data, 9, shape))
    s.add("a", a)
    b = Member(Answers(**how), real=Pairs(torch.zeros(4, 3), normals(data, 4, 2).float()))
    s.add("b", b)
    s.connect("a", "a", Flow(raw=share, curated=0.2))
    return s


@pytest.mark.parametrize(
    ("scenario", "how", "message"),
    [
        (couple(share=0.4), {}, "scenario flows a → a raw: 0.3 → 0.4; run the same again, or choose another folder"),
        (couple(taste=2.0), {}, "scenario members a reward: Linear.* → Linear"),
        (couple(k=3), {}, r"scenario members a curator: Luce\(2.* → Luce\(3"),
        (couple(data=1), {}, r"members a real: float64 \[9, 2\] #.* → .*; scenario members b real: pairs: "),
        (couple(shape=3), {}, r"members a generator mean shape: float64 \[2\] → float64 \[3\]"),
        (couple(optimizer=torch.optim.SGD), {}, "members b generator training_plan: Training.*AdamW.* → .*SGD"),
        (couple(name="other"), {}, "scenario name: couple → other"),
        (couple(samples=6), {}, "scenario samples: 5 → 6"),
        (couple(), {"seeds": [1]}, r"what differs is seeds: \[0, 0\] → \[1, 0\]; run"),
        (couple(), {"record": Record(judged=5)}, "record judged: 256 → 5"),
        (couple().replace(rounds=2), {}, "rounds: 3 → 2, which may only grow"),
        (couple().without("a", "a"), {}, "flows a → a: there → None"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(scenario: Scenario, how: dict, message: str, tmp_path: Path) -> None:
    broken_off(Ecosystem(couple()), Checkpoints(tmp_path), 1)
    before = names(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        Ecosystem(scenario, **how).run(checkpoints=Checkpoints(tmp_path))
    assert names(tmp_path) == before


def test_other_versions_are_a_warning(tmp_path: Path) -> None:
    broken_off(Ecosystem(couple()), Checkpoints(tmp_path), 1)
    path = tmp_path / "round-00001" / "state.json"
    state = json.loads(path.read_text())
    state["description"]["made with"]["torch"] = "1.0"
    path.write_text(json.dumps(state))
    (path.parent / manifest.FILE).unlink()
    manifest.seal(path.parent)
    with pytest.warns(UserWarning, match=r"other versions \(torch: 1\.0 → .*\): the run goes on, its last bits"):
        Ecosystem(couple()).run(checkpoints=Checkpoints(tmp_path))


def test_folders_that_are_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="file is a file; give a folder"):
        couple().run(checkpoints=Checkpoints(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="holds file, which are no checkpoints; choose another folder"):
        couple().run(checkpoints=Checkpoints(tmp_path))
    with pytest.raises(CheckpointError, match=r"holds no checkpoint: there is no state\.json in it"):
        Ecosystem(couple()).restore(tmp_path)
    saved = Checkpoints(tmp_path / "saved")
    broken_off(Ecosystem(couple()), saved, 2)
    with saved.locked(), pytest.raises(CheckpointError, match="another run is saving its checkpoints in"):
        couple().run(checkpoints=saved)
    for name, data, why in (
        (
            "tensors.safetensors",
            b"",
            "tensors.safetensors is damaged.*; delete .*, and the run goes on from the one bef",
        ),
        ("state.json", b'{"format": 9}', "state.json is damaged.*"),
        ("manifest.jsonl", None, "has format 9; this version reads format 4"),
    ):
        (saved.path(2) / name).unlink() if data is None else (saved.path(2) / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=why):
            couple().run(checkpoints=saved)
    shutil.rmtree(saved.path(2))
    assert_same(couple().run(checkpoints=saved), couple().run())


def test_an_ecosystem_that_has_been_played(tmp_path: Path) -> None:
    ahead, eco = Checkpoints(tmp_path / "saved"), Ecosystem(couple())
    broken_off(Ecosystem(couple()), ahead, 2)
    eco.step()
    with pytest.raises(CheckpointError, match="is ahead of this ecosystem, which has played 1 rounds"):
        eco.run(checkpoints=ahead)
    eco.step()
    eco.run(checkpoints=ahead)  # it is as far
    assert_same(eco.result(), couple().run())
    eco.run(checkpoints=ahead)


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


def _counting(agent: Any) -> None:
    agent.count = getattr(agent, "count", 0) + 1


def _secretly(agent: Any) -> None:
    vars(agent)["count"] = 1


def _with(name: str, made: Any) -> Any:
    """An ``__init__`` that sets an attribute."""

    def init(agent: Any, *given: Any) -> None:
        ModelAgent.__init__(agent, *given)
        setattr(agent, name, made())

    return init


def _counter() -> Any:
    count = [0]
    return lambda: count.append(0)


SEEN: list[int] = []


def _globally(agent: Any) -> None:
    SEEN.append(1)


def _deep() -> dict[str, Any]:
    return {"weights": {"a": torch.zeros(2)}}


def _deeper(agent: Any) -> None:
    agent.kept["weights"]["a"] += 1


@pytest.mark.parametrize(
    ("scenario", "after", "message"),
    [
        (acting(_counting), 1, "agent of 'a' keeps count, which a checkpoint would lose; give Made a method state"),
        (acting(_secretly), 1, "agent of 'a' keeps count, which"),
        (acting(lambda agent: agent.seen.append(1), seen=[]), 1, "agent of 'a' keeps seen, which"),
        (acting(lambda agent: agent.kept.append(1), __init__=_with("kept", list)), 1, "'a' keeps kept, which"),
        (acting(_deeper, __init__=_with("kept", _deep)), 1, "'a' keeps kept, which"),
        (acting(lambda agent: agent.luck.random(), __init__=_with("luck", lambda: random.Random(1))), 1, "keeps luck"),
        (acting(lambda agent: agent.count(), __init__=_with("count", _counter)), 1, "'a' keeps count, which"),
        (acting(lambda agent: setattr(type(agent), "mood", 2), mood=1), 1, "'a' keeps mood, which"),
        (acting(_globally), 1, r"'a' keeps what decide\(\) reads, which"),
        (acting(__init__=_with("plan", lambda: (i for i in range(9)))), 0, "'a' keeps plan, which"),
        (acting(state=lambda agent: {}), 0, r"agent of 'a' needs both state\(\) and load_state"),
        (acting(state=lambda agent: {"f": len}, load_state=len), 0, r"cannot hold <built-in.*agents/a/f.; let its"),
        (acting(lambda agent: agent.set_curator(Luce(3), reward=lambda x: x[..., 0])), 1,
         r"cannot hold <function.*users/new/0/reward/.*; let agents set curators, rewards and schedules of the lib"),
        (acting(lambda agent: agent.set_schedule(lambda round, rng: True)), 1, "cannot hold <function.*clocks/0/"),
    ],
)  # fmt: skip
def test_agents_that_would_lose_something(scenario: Scenario, after: int, message: str, tmp_path: Path) -> None:
    """Refused before the first round where it can be known, else after it, however seldom the run is saved.

    Only attributes that code of the class sets by their names were seen: what was changed inside them, or in closures
    and globals, was lost without a word.
    """
    eco = Ecosystem(scenario)
    with pytest.raises((ValueError, TypeError), match=message):
        eco.run(checkpoints=Checkpoints(tmp_path, every=3))
    assert eco.steps == after and names(tmp_path) == []


def test_agents_that_lose_nothing(tmp_path: Path) -> None:
    def decide(agent: Any) -> None:
        if agent.model.steps == agent.habits[0]:
            agent.generator = Location([agent.habits[1]])

    one, other = Checkpoints(tmp_path / "one"), acting(decide, habits=[2, 7.0])
    broken_off(Ecosystem(other), one, 2)
    assert_same(other.run(checkpoints=one), other.run())


def test_agents_that_change_nothing_are_built_again(tmp_path: Path) -> None:
    """Attributes that are set once, and others' that rounds change; any attribute that is set was refused."""

    def init(agent: Any, *given: Any) -> None:
        ModelAgent.__init__(agent, *given)
        agent.limit, agent.home, agent.me = torch.tensor([0.2]), agent.model, {"self": agent, "taste": agent.member}

    def decide(agent: Any) -> None:
        agent.set_curation(0.2 + 0.01 * agent.home.steps, where=agent.alignment > agent.limit)

    s = acting(decide, __init__=init)
    broken_off(Ecosystem(s), Checkpoints(tmp_path), 2)
    assert_same(s.run(checkpoints=Checkpoints(tmp_path)), s.run())


def test_agents_saved_by_hand(tmp_path: Path) -> None:
    """In the middle of a run nobody knows how they began: attributes of their own are refused, and no others."""
    for number, (more, kept) in enumerate(
        [({"__init__": _with("limit", float)}, "limit"), ({"seen": []}, "seen"), ({"mood": 1}, None)]
    ):
        eco = Ecosystem(acting(lambda agent: None, **more))
        eco.save(tmp_path / f"start {number}")
        eco.step()
        with nullcontext() if kept is None else pytest.raises(ValueError, match=f"agent of 'a' keeps {kept}, which"):
            eco.save(tmp_path / f"later {number}")


def test_a_round_in_progress_cannot_be_saved(tmp_path: Path) -> None:
    s = acting(lambda agent: agent.model.save(tmp_path / "x"))
    with pytest.raises(CheckpointError, match="a round is being played; save the ecosystem before or after it"):
        s.run()


# -- models ------------------------------------------------------------------------------------------------------------


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


class Boxed(Odd):
    """Keeps an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Box(0.0)

    def fit(self, data: Tensor, rng: Stream) -> float:
        self.box.value += 1.5
        return super().fit(data + self.box.value, rng)


class Rebuilt(Odd):
    """Is another network after its first training."""

    def fit(self, data: Tensor, rng: Stream) -> float:
        self.dropout = nn.Identity()
        return super().fit(data, rng)


class Telling(Boxed):
    """And tells what is in it."""

    def state(self) -> dict[str, Any]:
        return super().state() | {"box": self.box.value}

    def load_state(self, state: dict[str, Any]) -> None:
        self.box = Box(state.pop("box"))
        super().load_state(state)


def alone(model: GenerativeModel) -> Scenario:
    s = Scenario("alone", rounds=4, samples=6)
    s.add("a", Member(model, reward=Linear([1.0]), real=torch.tensor([[1.0], [2.0]])))
    s.connect("a", "a", Flow(raw=0.5))
    return s


@pytest.mark.parametrize("kind", [Odd, Telling])
def test_models_keep_what_they_keep(kind: type[GenerativeModel], tmp_path: Path) -> None:
    lost = Ecosystem(alone(kind()))
    broken_off(lost, Checkpoints(tmp_path), 2)
    found = Ecosystem(alone(kind()))
    found.restore(tmp_path / "round-00002")
    one, other = lost["a"].generator, found["a"].generator
    assert same(vars(one), vars(other)) and not other.fixed.requires_grad and not other.dropout.training
    assert not hasattr(other, "gone") and other.history[3] == {"a", "b"} and other.full is None
    assert_same(alone(kind()).run(checkpoints=Checkpoints(tmp_path)), alone(kind()).run())


def test_a_model_that_keeps_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=r"cannot hold .*Box.*models/0/a/box.; give Boxed methods state"):
        alone(Boxed()).run(checkpoints=Checkpoints(tmp_path, every=4))
    with pytest.raises(Unwritable, match=r"cannot hold Identity.*models/0/a/dropout.; give Rebuilt methods state"):
        alone(Rebuilt()).run(checkpoints=Checkpoints(tmp_path, every=4))
    other = acting(lambda agent: setattr(agent, "generator", Telling()), generator=Odd())
    with pytest.raises(Unwritable, match=r"can hold a Odd, in its place is a Telling .models/0/a.; let agents write"):
        other.run(checkpoints=Checkpoints(tmp_path, every=4))


def grown(optimizer: Any) -> dict[str, Any]:
    """The state of an optimizer after a few steps."""
    model = Answers(optimizer)
    model.fit(Pairs(normals(0, 20, 3).float(), normals(1, 20, 2).float()), Stream.root([(0, 0)])[0])
    assert model.optimizer_state is not None
    return model.optimizer_state


OPTIMIZERS = [
    partial(torch.optim.Adam, lr=0.1),
    partial(torch.optim.Adam, lr=torch.tensor(0.1), amsgrad=True, capturable=False),
    partial(torch.optim.AdamW, lr=0.1, betas=(0.8, 0.9), fused=True),
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    partial(torch.optim.SGD, lr=0.1),
    partial(torch.optim.RMSprop, centered=True),
    partial(torch.optim.Adagrad, lr=0.1),
]


def through(value: Any, **known: Any) -> Any:
    """Written, and read again."""
    writer = Writer(known)
    written = json.loads(json.dumps(writer.write(value, "x"), allow_nan=False))
    from safetensors.torch import load, save

    return Reader(load(save(writer.tensors())), known).read(written)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_states_of_optimizers(optimizer: Any) -> None:
    state = grown(optimizer)
    assert same(through(state), state)


def test_values() -> None:
    taste = Linear([1.0, 2.0]).named("mine")
    shift, clock = Shift([1.0]), every(2, start=1)
    values = [
        *(
            None,
            True,
            0,
            -(2**70),
            0.1,
            -0.0,
            math.inf,
            -math.inf,
            "λ\n\ud800",
            (),
            [],
            {},
            set(),
            {1: (2.5,), "1": []},
        ),
        *(frozenset({"a"}), {(0, "a"): [torch.Size([2, 3])]}, np.float64(0.1), np.int8(3), np.arange(6.0)[::-2]),
        *(torch.zeros(0, 3), torch.tensor(math.nan), torch.arange(300) > 7, torch.arange(200).to(torch.bfloat16)),
        *(torch.randn(3, 4, dtype=torch.complex64).conj(), torch.randn(90, dtype=torch.complex128)),
        *(Pairs(torch.arange(3), torch.rand(3, 2)), Pairs(torch.zeros(2, 2, 1), torch.zeros(2, 2), 2)),
        *(pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan]}), torch.ones(2, requires_grad=True)),
    ]
    back = through(values)
    assert same(back[:-2], values[:-2]) and back[-2].equals(values[-2]) and back[-1].requires_grad
    assert [type(a) for a in back] == [type(a) for a in values] and str(back[5]) == "-0.0"
    for item in (taste, shift, clock):
        new = through(item)
        assert type(new) is type(item) and new.kind() == item.kind() and str(new) == str(item) and new is not item
        assert same(new.tensors(), item.tensors()) and through([item], it=item)[0] is item
    for wrong in (
        lambda x: x,
        object(),
        Box(1.0),
        nn.Linear(1, 1),
        {"a": [open]},
        torch.eye(2).to_sparse(),
        np.array("a"),
    ):
        with pytest.raises(Unwritable, match=r"a checkpoint cannot hold .*x"):
            through(wrong)


def test_tensors_keep_their_layout_and_are_written_once() -> None:
    """Sums of differently laid out numbers have other last bits."""
    big = torch.rand(40, 30, 7)
    images = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    many = [
        big,
        big.mT,
        big[:, ::2, 1:3],
        images,
        torch.rand(5, 1).expand(5, 90),
        big[3],
        big,
        big.detach().view(40, -1),
    ]
    writer = Writer()
    written = writer.write(many, "x")
    back = Reader(writer.tensors()).read(written)
    assert same(back, many) and [x.stride() for x in back] == [x.stride() for x in many]
    assert back[0] is back[6] and len(writer.tensors()) == 7
    back[0].zero_()
    assert big.any() and back[1].any()  # memory of their own


# -- from the command line ---------------------------------------------------------------------------------------------


FILE = """
from ecosystem import Flow, Linear, Location, Luce, Member, Scenario

def scenario(rounds=4, fails=0):
    def taste(x):
        if fails and len(x) == 7:
            raise ValueError("no taste today")
        return x[..., 0]

    s = Scenario("pair", rounds=rounds, samples=5)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    return s
"""


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, saved = tmp_path / "pair.py", tmp_path / "saved"
    file.write_text(FILE)

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["run", *map(str, (file, "--no-report", *arguments))])

    step, options = Ecosystem.step, ("--checkpoints", saved, "--checkpoint-every", 2, "--keep", 1)

    def interrupted(eco: Ecosystem) -> None:
        step(eco)
        if eco.steps == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Ecosystem, "step", interrupted)
    result = invoke(*options, "--out", tmp_path / "first")
    assert result.exit_code == 130 and "interrupted after 3 of 4 rounds" in result.stderr
    assert names(saved) == ["round-00003"]  # Ctrl-C between two rounds loses nothing
    monkeypatch.setattr(Ecosystem, "step", step)
    assert invoke(*options, "--out", tmp_path / "again").exit_code == 0
    assert invoke("--out", tmp_path / "whole").exit_code == 0 and names(saved) == ["round-00004"]
    one, other = Run.load(tmp_path / "again"), Run.load(tmp_path / "whole")
    other.settings["command"] = one.settings["command"]
    assert_same(one, other)
    monkeypatch.setattr(Ecosystem, "step", None)
    assert invoke(*options, "--out", tmp_path / "at once").exit_code == 0
    for arguments, words in (
        (("--keep", 2), "add --checkpoints FOLDER"),
        (("--checkpoints", tmp_path / "x/y", "--out", tmp_path / "x"), "lies in the folder that the run is saved to"),
        ((*options, "--seed", 1, "--out", tmp_path / "other"), "is a checkpoint of another run, what differs is seeds"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2 and words in " ".join(result.stderr.split()), result.stderr
        assert "pair.py" not in result.stderr  # it is not the scenario that is wrong
