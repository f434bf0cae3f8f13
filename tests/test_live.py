"""Measures told while a run goes on, and the report of a run under way."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from ecosystem import Ecosystem, Flow, Leave, Member, Run, Scenario
from ecosystem.generators import Location
from ecosystem.rewards import Quadratic
from ecosystem.running.checkpoints import Checkpoints
from ecosystem.running.live import Csv, LiveError, TensorBoard
from ecosystem.running.measures import View
from ecosystem.running.recording import Record

PAIR = Path(__file__).parents[1] / "scenarios" / "pair.py"
COMMA = "b, the\nsecond"  # a name that a file of comma-separated values must quote


def loop(rounds: int = 6, raw: float = 0.5) -> Scenario:
    s = Scenario("loop", rounds=rounds, samples=8)
    s.add("a", Member(Location([1.0]), reward=Quadratic([1.0], 0.1), real=Location([0.0])))
    s.add(COMMA, Member(Location([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=raw))
    return s


def size(view: View) -> torch.Tensor:
    """A measure of one's own."""
    return torch.stack([view.law(name).mean.norm(dim=-1) for name in view.names])


def same(rows: pd.DataFrame, rounds: pd.DataFrame) -> None:
    """The same rows to the last bit, whatever their order and kinds of text."""
    order = ["seed", "replicate", "round", "member"]
    one, other = (
        table.assign(member=table["member"].astype(str)).sort_values(order, ignore_index=True)
        for table in (rows, rounds)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_dtype=False)


class Kept(list[tuple[int, pd.DataFrame]]):
    """A listener of one's own."""

    def __call__(self, round: int, rows: pd.DataFrame) -> None:
        self.append((round, rows))
        rows["alignment"] = 0  # what a listener does to its rows is its own affair


def test_listeners_are_told_what_the_tables_say_and_move_nothing(tmp_path: Path) -> None:
    record = Record(every=2, measures=[size])
    plain = loop(5).run(replicates=2, record=record)
    told: list[tuple[int, pd.DataFrame]] = []
    kept = Kept()
    run = loop(5).run(replicates=2, record=record, live=[kept, lambda *told_of: told.append(told_of)])
    assert [round for round, _ in told] == [0, 2, 4, 5] == [round for round, _ in kept]  # as the record says
    same(pd.concat([rows for _, rows in told]), run.rounds)
    pd.testing.assert_frame_equal(run.rounds, plain.rounds, check_exact=True)
    assert all(torch.equal(run.parameters[m][n], x) for m, many in plain.parameters.items() for n, x in many.items())


def test_steps_are_told_too_and_branches_are_not() -> None:
    told: list[int] = []
    eco = Ecosystem([loop(), loop(raw=0.25)], live=lambda round, rows: told.append((round, *rows["variant"].unique())))
    eco.step()
    other = eco.branch()
    other.step()
    assert told == [(0, 0, 1), (1, 0, 1)]
    eco.step()
    assert told[2:] == [(2, 0, 1)]


def test_who_joins_and_leaves_and_a_stopped_round_are_told(tmp_path: Path) -> None:
    scenario = loop()
    scenario.at(3, Leave("a"))
    run = scenario.run(record=Record(every=4), until=lambda view: view.round == 3, live=Csv(tmp_path / "x.csv"))
    rows = pd.read_csv(tmp_path / "x.csv")
    assert rows["round"].tolist() == [0, 0, 3]
    same(rows, run.rounds)


def test_a_file_holds_the_numbers_exactly(tmp_path: Path) -> None:
    file = tmp_path / "made" / "x.csv"
    seen: list[int] = []
    run = loop().run(replicates=2, live=[Csv(file), lambda round, rows: seen.append(len(pd.read_csv(file)))])
    same(pd.read_csv(file), run.rounds)
    assert seen == [4 * (round + 1) for round in range(7)]  # each round is there when it has been played
    whole = file.read_bytes()
    loop().run(replicates=2, live=Csv(file))
    assert file.read_bytes() == whole  # the same once more says the same once
    for cut in range(0, len(whole), 97):
        file.write_bytes(whole[:cut])
        loop().run(replicates=2, live=Csv(file))
        assert file.read_bytes() == whole, cut


@pytest.mark.parametrize("crash", [2, 5])
def test_going_on_from_a_checkpoint_loses_no_row_and_has_none_twice(tmp_path: Path, crash: int) -> None:
    """Rounds after the last checkpoint are played again; those before it are not, and a new listener hears of all."""
    run = loop().run(live=Csv(tmp_path / "whole.csv"))

    def crashes(round: int, rows: pd.DataFrame) -> None:
        if round == crash:
            raise KeyboardInterrupt

    file, plan = tmp_path / "x.csv", Checkpoints(tmp_path / "c", every=3)
    with pytest.raises(KeyboardInterrupt):
        loop().run(checkpoints=plan, live=[Csv(file), crashes])
    assert pd.read_csv(file)["round"].max() == crash
    told: list[int] = []
    board = TensorBoard(tmp_path / "board", members=["a"])
    again = loop().run(checkpoints=plan, live=[Csv(file), lambda round, rows: told.append(round), board])
    assert file.read_bytes() == (tmp_path / "whole.csv").read_bytes() and told == list(range(7))
    same(pd.read_csv(file), again.rounds)
    assert scalars(tmp_path / "board", "change/a") == rounds_of(run, "a", "change")
    longer = loop(8).run(checkpoints=plan, live=[Csv(file), TensorBoard(tmp_path / "board")])
    same(pd.read_csv(file), longer.rounds)
    assert scalars(tmp_path / "board", "change/a") == rounds_of(longer, "a", "change")


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def rounds_of(run: Run, member: str, column: str, replicate: int = 0) -> list[tuple[int, float]]:
    """The same of a table, as TensorBoard keeps numbers."""
    mine = run.rounds.query("member == @member and replicate == @replicate").dropna(subset=column)
    seen = zip(mine["round"], mine[column], strict=True)
    return [(round, float(torch.tensor(x, dtype=torch.float32))) for round, x in seen]


def test_tensorboard_has_a_run_for_each_replicate(tmp_path: Path) -> None:
    run = loop(3).run(replicates=2, live=TensorBoard(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-0-replicate-0", "seed-0-replicate-1"]
    for replicate in range(2):
        found = scalars(tmp_path / f"seed-0-replicate-{replicate}", "alignment/a")
        assert found == rounds_of(run, "a", "alignment", replicate) and len(found) == 4


def fails(round: int, rows: pd.DataFrame) -> None:
    if round >= 2:
        raise OSError("no room")


def test_a_listener_that_fails_later_is_named_and_the_run_is_whole() -> None:
    told: list[int] = []
    with pytest.warns(RuntimeWarning, match=r"live=fails failed in round 2 with OSError: no room; the run goes on"):
        run = loop(4).run(live=[fails, lambda round, rows: told.append(round)])
    assert run.settings["finished"] and told == [0, 1, 2, 3, 4]
    pd.testing.assert_frame_equal(run.rounds, loop(4).run().rounds)


def test_what_cannot_be_told_is_refused_before_a_round_is_played(tmp_path: Path) -> None:
    def broken(round: int, rows: pd.DataFrame) -> None:
        raise KeyError("accuracy")

    eco = Ecosystem(loop(), live=broken)
    with pytest.raises(LiveError, match=r"live=.*broken failed in round 0 with KeyError: 'accuracy'; mend it"):
        eco.step()
    assert eco.completed == 0
    for given, shown in ((3, "3"), (Csv, "the class Csv"), ([None], "None")):
        with pytest.raises(TypeError, match=f"live is a function .*, got {shown}"):
            loop().run(live=given)
    with pytest.raises(LiveError, match="there is no member 'c'"):
        loop().run(live=TensorBoard(tmp_path / "board", members=["c"]))
    (tmp_path / "x.csv").write_text("mine\n1\n")
    with pytest.raises(LiveError, match=r"x.csv has other columns than seed,replicate,.*another file"):
        loop().run(live=Csv(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_text() == "mine\n1\n"


def test_the_file_of_another_run_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    loop().run(live=Csv(file))
    before = file.read_bytes()
    with pytest.raises(LiveError, match="says something else of round 0"):
        loop().run(seed=1, live=Csv(file))
    with pytest.warns(RuntimeWarning, match=r"round 1 .*says something else of round 1"):
        loop(raw=0.25).run(live=Csv(file))  # the start was the same
    with pytest.warns(RuntimeWarning, match="says something else of round 1"):
        loop().run(record=Record(every=2), live=Csv(tmp_path / "y.csv"))
        loop().run(record=Record(every=1), live=Csv(tmp_path / "y.csv"))
    assert file.read_bytes() == before


def test_one_listener_of_several_runs_adds_no_row_twice(tmp_path: Path) -> None:
    """The last round of a second run was added once more, that of another run too, without a word."""
    for keep in (Record(last=1), Record()):
        file = tmp_path / f"{keep.last}.csv"
        listener = Csv(file)
        loop().run(record=keep, live=listener)
        before = file.read_bytes()
        loop().run(record=keep, live=listener)
        assert file.read_bytes() == before
        with pytest.raises(LiveError, match="says something else of round"):
            loop().run(seed=1, record=Record(), live=listener)
        assert file.read_bytes() == before


def test_a_file_that_was_taken_away_begins_with_its_columns_again(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    listener = Csv(file)
    loop().run(live=listener)
    before = file.read_bytes()
    file.unlink()
    loop().run(live=listener)
    assert file.read_bytes() == before


def test_places_that_a_command_cannot_stream_to_are_refused(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ecosystem.cli.program import app

    for given, why in (
        (("--live", tmp_path / "o/x.csv", "--out", tmp_path / "o"), "lies in the folder that the run is saved to"),
        (("--tensorboard", tmp_path / "c/b", "--checkpoints", tmp_path / "c"), "lies in the folder that its checkp"),
    ):
        result = CliRunner().invoke(app, ["run", str(PAIR), *map(str, given)])
        assert result.exit_code == 2 and why in result.output
