"""Studies made up for the tests of a study's report: small, odd, failing, hostile, and one of very many points."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecosystem import Flow, Linear, LinearMap, Location, Member, Record, Scenario, Shift
from ecosystem.study import Results, Study
from ecosystem.study.plan import Request
from ecosystem.study.store import Store
from ecosystem.study.work import Parcel, as_bytes, failures_table

HOSTILE = ("<script>alert(1)</script>", "$\\frac{a$ & b")


def duo(
    pull: float = 0.5,
    curation: float = 0.3,
    taste: str = "same",
    strong: bool = False,
    samples: int | None = 16,
    rounds: int = 3,
    names: tuple[str, str] = ("a", "b"),
    broken: bool = False,
) -> Scenario:
    """``a`` curates what it reads of ``b``; ``b`` reads a share ``pull`` of ``a``, and real data."""
    if broken and pull > 0.5 and curation > 0.3:
        raise RuntimeError("too <b>much</b> of $x$")
    a, b = names
    s = Scenario("duo", rounds=rounds, samples=samples)
    s.add(a, Member(Location([0.5], 1.0), reward=Linear([1.0]), curator=Shift([2.0 if strong else 1.0])))
    likes = {"same": Linear([1.0]), "other": Linear([-1.0]), "nothing": None}[taste.strip("<>$")]
    s.add(b, Member(Location([0.5], 1.0), reward=likes, real=Location([0.0])))
    s.connect(b, a, Flow(raw=1 - curation, curated=curation, chosen_by="consumer"))
    s.connect(a, b, Flow(raw=pull))
    return s


def blown(factor: float = 1e9, rounds: int = 3, taste: bool = True) -> Scenario:
    """Two members that multiply each other: they diverge, or some runs of them."""
    s = Scenario("blown", rounds=rounds, samples=8)
    for name in "ab":
        s.add(name, Member(Location([0.0], 1.0), reward=Linear([1.0]) if taste else None))
    s.connect("a", "b", Flow(raw=1.0, transform=LinearMap([[factor]])))
    s.connect("b", "a", Flow(raw=1.0, transform=LinearMap([[factor]])))
    return s


def ring(real: float = 0.2, members: int = 200) -> Scenario:
    """A ring of very many."""
    s = Scenario("ring", rounds=2, samples=8)
    for i in range(members):
        s.add(f"m{i}", Member(Location([0.0], 1.0), reward=Linear([1.0]), real=Location([1.0], 1.0)))
    for i in range(members):
        s.connect(f"m{i}", f"m{(i + 1) % members}", Flow(raw=1 - real))
    return s


def choosy(run: Any) -> pd.DataFrame:
    """A measure that fails where ``a`` does well; the runs are there all the same."""
    if run.rounds.query("member == 'a'")["alignment"].max() > 1.05:
        raise ValueError("too well")
    return pd.DataFrame({"value": [1.0]})


PLANE = {"pull": [0.0, 0.3, 0.6, 0.9], "curation": [0.1, 0.3, 0.5]}
SCATTERED = pd.DataFrame(np.random.default_rng(1).random((24, 2)) * 0.9, columns=["pull", "curation"])
STUDIES: dict[str, tuple[Callable[..., Scenario], Any, dict[str, Any]]] = {
    "plane": (duo, PLANE, {"seeds": 5, "measure": ["rounds", "influence"]}),
    "line": (duo, {"pull": [0.0, 0.2, 0.4, 0.6, 0.8], "taste": ["other"]}, {"seeds": 4}),
    "ends": (duo, PLANE, {"seeds": 3, "record": Record(last=1)}),
    "scattered": (duo, SCATTERED, {"seeds": 3}),
    "categories": (duo, {"taste": ["same", "other"]}, {"seeds": 4}),
    "mixed": (duo, {"samples": [None, 16, 64], "pull": [0.1, 0.2, 0.5, 0.8, 0.9]}, {"seeds": 4}),
    "four": (duo, {**PLANE, "taste": ["same", "other"], "strong": [True, False]}, {"seeds": 2}),
    "turns": (
        duo,
        {**PLANE, "taste": ["same", "other"], "samples": [None]},
        {"measure": ["rounds", choosy]},
    ),
    "one": (duo, {"pull": [0.3]}, {}),
    "population": (duo, {"pull": [0.1, 0.3, 0.5], "samples": None}, {}),
    "broken": (duo, {**PLANE, "broken": True}, {"seeds": 3, "measure": ["rounds", "stable_point", "influence"]}),
    "hostile": (duo, {"taste": ["<same>", "$other$"], "pull": [0.1, 0.5, 0.9], "names": HOSTILE}, {"seeds": 3}),
    "lost": (blown, {"factor": [1e9, 2e9]}, {"seeds": 2}),
    "partly": (blown, {"factor": [1.0, 2e6], "rounds": 2}, {"seeds": 12}),
    "tasteless": (blown, {"factor": [0.5, 1.0], "taste": False}, {"seeds": 2}),
    "members": (duo, {"pull": [0.1, 0.5]}, {"measure": "members"}),
    "effects": (duo, {"pull": [0.1, 0.5, 0.8], "taste": ["same", "other"]}, {"measure": "influence"}),
    "settled": (duo, {"pull": [0.1, 0.5, 0.9]}, {"measure": ["members", "stable_point"]}),
    "crowd": (ring, {"real": [0.1, 0.3, 0.5]}, {"seeds": 3}),
    "half": (duo, {"pull": [0.1, 0.5, 0.7, 0.9]}, {"seeds": 3, "block": 2}),
    "begun": (duo, {"pull": [0.1, 0.5]}, {}),
}


def made_up(folder: Path, points: int, seeds: int, members: int, rounds: int) -> Results:
    """A folder with as many rows as a long study has, without computing any: scattered points, ``a`` rises with x."""
    Study("made up", duo, grid={"pull": [0.1], "curation": [0.2]}, seeds=seeds).run(folder, workers=0)
    store, rng = Store(folder), np.random.default_rng(0)
    facts = store.facts()
    table = pd.DataFrame({"point": np.arange(points), "pull": rng.random(points), "curation": rng.random(points)})
    facts.keys = [str(i) for i in range(points)]
    facts.requests = [Request(0, tuple(range(points)), tuple((i, 0) for i in range(seeds)), points // 4, seeds)]
    store.save(facts, table)
    names = [f"m{i}" for i in range(members)]
    for block in facts.requests[0].blocks():
        point, seed, round, member = (
            part.ravel()
            for part in np.meshgrid(block.points, range(seeds), range(rounds + 1), range(members), indexing="ij")
        )
        alignment = table["pull"].to_numpy()[point] * round / rounds + 0.01 * rng.normal(size=len(point)) * (round > 0)
        frame = {"point": point, "seed": seed, "replicate": 0, "round": round, "alignment": alignment, "change": 0.1}
        rows = pd.DataFrame(frame).assign(member=pd.Categorical.from_codes(member, names))
        told = {"block": block.number, "points": len(block.points), "seeds": seeds, "failed": 0, "seconds": 1.0}
        tables = {"rounds": rows, "failures": failures_table([]), "blocks": pd.DataFrame([told])}
        store.keep(facts, block, Parcel({name: as_bytes(rows) for name, rows in tables.items()} | {"baseline": b""}))
    return Study.load(folder)
