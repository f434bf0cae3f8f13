"""Long runs: memory that stays as it is, and checkpoints that add what is new and write nothing again."""

from __future__ import annotations

import gc
import shutil
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ecosystem import Checkpoints, Ecosystem, Flow, Linear, Location, Luce, Member, ModelAgent, Record, Run, Scenario
from ecosystem.running.checkpoints import CheckpointError, so_far

SEEDS = [(0, 0), (0, 1)]


def pair(rounds: int, samples: int | None = None, agent: type | None = None) -> Scenario:
    s, taste = Scenario("pair", rounds=rounds, samples=samples), Linear([1.0, 0.0])
    curator = None if samples is None else Luce(2)
    s.add("a", Member(Location([0.0, 1.0]), reward=taste, curator=curator, real=Location([1.0, 0.0]), agent=agent))
    s.add("b", Member(Location([1.0, 1.0]), reward=taste, real=Location([0.0, 0.0])))
    s.connect("a", "b", Flow(raw=0.5) if samples is None else Flow(raw=0.3, curated=0.3))
    s.connect("b", "a", Flow(raw=0.5))
    return s


def sampled(rounds: int, record: Record | None = None, agent: type | None = None) -> Ecosystem:
    """Everything that grows with the rounds is recorded: numbers, frames, samples, parameters."""
    everything = Record(draws=True, samples=2, sample_rounds=range(rounds + 1), parameters=lambda round, rng: True)
    return Ecosystem(pair(rounds, 8, agent), seeds=SEEDS, record=record or everything)


def broken_off(eco: Ecosystem, checkpoints: Checkpoints, after: int) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == after:
            raise Stop

    with pytest.raises(Stop):
        eco.run(stop, checkpoints)


def assert_same(one: Run, other: Run) -> None:
    for table in ("rounds", "draws", "changes", "failures", "members", "flows"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True, obj=table)
    for name, kept in other.samples.items():
        assert list(one.samples[name]) == list(kept)
        assert all(torch.equal(one.samples[name][round], x) for round, x in kept.items())
    for name, rounds in other.history.items():
        assert list(one.history[name]) == list(rounds)
        assert all(torch.equal(one.history[name][r][key], x) for r, many in rounds.items() for key, x in many.items())
    for name, many in other.parameters.items():
        assert all(torch.equal(one.parameters[name][key], x) for key, x in many.items())


def test_the_last_rounds_of_many_take_the_memory_of_few() -> None:
    """Nothing said so, and nothing looked."""
    eco = Ecosystem(pair(1_305), record=Record(last=5))
    ours = [tracemalloc.Filter(False, "*/scipy/*"), tracemalloc.Filter(False, tracemalloc.__file__)]
    for _ in range(100):
        eco.step()
    tracemalloc.start()
    try:
        held = []
        for _ in range(3):
            for _ in range(400):
                eco.step()
            gc.collect()  # small objects of SciPy's products go on taking room of their own for thousands of rounds
            held.append(sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(ours).traces))
    finally:
        tracemalloc.stop()
    # One object that every round leaves behind takes at least 24 bytes, so 400 of them more than this; a round that is
    # recorded takes three kilobytes. Torch's constructors keep a string of their own now and then (a bare loop of
    # `torch.zeros` grows as much), and what happens once is in one of the two.
    assert min(held[1] - held[0], held[2] - held[1]) < 400 * 24
    eco.run()
    assert eco.result().rounds["round"].unique().tolist() == list(range(1_301, 1_306))


def test_each_checkpoint_adds_what_is_new(tmp_path: Path) -> None:
    """The k-th wrote all k rounds again."""
    sizes: list[tuple[int, int]] = []
    checkpoints = Checkpoints(tmp_path / "saved")

    def look(done: int, _: int) -> None:
        whole = sum(file.stat().st_size for file in checkpoints.path(done).iterdir())
        sizes.append((whole, (checkpoints.folder / "recorded.bin").stat().st_size))

    eco = sampled(24)
    eco.run(look, checkpoints)
    folders, logs = zip(*sizes, strict=True)
    added = [after - before for before, after in pairwise(logs)]
    assert max(added) - min(added) < 400 and max(folders) - min(folders[1:]) < 400  # numbers have more or fewer digits
    plain = sampled(24)
    plain.run()
    assert_same(eco.result(), plain.result())
    again = sampled(24)
    again.restore(checkpoints.path(24))
    assert_same(again.result(), eco.result())
    far = so_far(checkpoints.folder)
    pd.testing.assert_frame_equal(far.rounds, eco.result().rounds, check_exact=True)
    pd.testing.assert_frame_equal(far.draws, eco.result().draws, check_exact=True)


def test_what_a_dead_process_left_behind_does_not_count(tmp_path: Path) -> None:
    whole = sampled(9)
    whole.run()
    for name, junk in (("half", b"\x10"), ("much", bytes(10_000))):
        checkpoints = Checkpoints(tmp_path / name)
        broken_off(sampled(9), checkpoints, 5)
        with open(checkpoints.folder / "recorded.bin", "ab") as file:
            file.write(junk)
        assert so_far(checkpoints.folder).rounds["round"].max() == 5
        for _ in range(2):
            eco = sampled(9)
            eco.run(checkpoints=checkpoints)
            assert_same(eco.result(), whole.result())


def test_one_goes_on_from_the_checkpoint_before(tmp_path: Path) -> None:
    whole, checkpoints = sampled(9), Checkpoints(tmp_path / "saved")
    whole.run()
    broken_off(sampled(9), checkpoints, 6)
    shutil.rmtree(checkpoints.path(6))
    for _ in range(2):
        eco = sampled(9)
        eco.run(checkpoints=checkpoints)
        assert_same(eco.result(), whole.result())


@pytest.mark.parametrize("harm", ["missing", "short", "changed"])
def test_what_was_recorded_is_checked(harm: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "saved")
    broken_off(sampled(9), checkpoints, 3)
    file = checkpoints.folder / "recorded.bin"
    data = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-7] if harm == "short" else data[:-7] + b"#" + data[-6:])
    for ask in (lambda: sampled(9).run(checkpoints=checkpoints), lambda: so_far(checkpoints.folder)):
        with pytest.raises(CheckpointError, match=r"recorded\.bin is .*; it belongs to .*round-00003: bring it back"):
            ask()


class Halting(ModelAgent):
    """Ends the run in its third round."""

    def decide(self) -> None:
        if self.model.steps == 3:
            self.model.running = False


@pytest.mark.parametrize("apart", [False, True])
def test_the_round_in_which_a_run_was_stopped_goes_when_it_goes_on(apart: bool, tmp_path: Path) -> None:
    """It was written when the run was stopped, and is none of those that the record asks for."""
    record, checkpoints = Record(every=4), Checkpoints(tmp_path / "saved")
    eco = sampled(9, record, Halting)
    eco.run(checkpoints=checkpoints)
    assert so_far(checkpoints.folder).rounds["round"].unique().tolist() == [0, 3]
    if apart:
        eco = sampled(9, record, Halting)
        eco.restore(checkpoints.path(3))
    eco.running = True
    eco.run(checkpoints=checkpoints)
    assert eco.result().rounds["round"].unique().tolist() == [0, 4, 8, 9]
    pd.testing.assert_frame_equal(so_far(checkpoints.folder).rounds, eco.result().rounds, check_exact=True)


def test_a_played_ecosystem_writes_what_is_its_own(tmp_path: Path) -> None:
    """One that was led another way by hand has another past than the file of its checkpoints."""
    checkpoints, eco = Checkpoints(tmp_path / "saved"), sampled(6)
    broken_off(eco, checkpoints, 2)
    other: Any = sampled(6)
    for _ in range(3):
        other.step()
    other["a"].set_frozen(True)
    other.run(checkpoints=checkpoints)
    pd.testing.assert_frame_equal(so_far(checkpoints.folder).changes, other.result().changes)
    pd.testing.assert_frame_equal(so_far(checkpoints.folder).rounds, other.result().rounds, check_exact=True)
