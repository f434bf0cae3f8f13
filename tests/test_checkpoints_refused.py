"""Checkpoints: of another run, in foreign folders, and of agents that would lose something."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Pairs,
    Record,
    Scenario,
)
from ecosystem.core import manifest
from ecosystem.running.checkpoints import CheckpointError
from tests.checkpointed import (
    Answers,
    acting,
    assert_same,
    broken_off,
    names,
)
from tests.drawn import normals


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
