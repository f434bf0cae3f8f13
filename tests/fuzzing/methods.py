"""Every method of a scenario and of a study, each argument with odd values; what is right is said here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

import ecosystem as eco
from ecosystem.study import Local, Study
from tests.fuzzing.results import built, sampled


def _member() -> eco.Member:
    home = eco.Location([0.0, 0.0])
    return eco.Member(home, reward=eco.Linear([1.0, 0.0]), curator=eco.Luce(2), real=home)


def _two() -> list[eco.Location]:
    return [eco.Location([0.0, 0.0]), eco.Location([1.0, 0.0])]


def study() -> Study:
    return Study("levels", built, grid={"level": [0.1, 0.2], "share": [0.1]})


MADE: dict[str, Callable[[], Any]] = {"Scenario": sampled, "Study": study}  # a new one for every call
# What arguments without a default are, where all is right: by method, "" for all others.
RIGHT: dict[str, dict[str, Callable[[], Any]]] = {
    "": {"name": lambda: "a", "u": lambda: "a", "v": lambda: "b", "level": lambda: 0.2},
    "add": {"name": lambda: "c", "member": _member},
    "add_many": {"names": lambda: ["c", "d"], "generators": _two},
    "at": {"round": lambda: 2},
    "connect": {"u": lambda: "b", "v": lambda: "a", "flow": lambda: eco.Flow(raw=0.1)},
    "connect_many": {"raw": lambda: np.array([[0.0, 0.2], [0.0, 0.0]])},
    "from_array": {"raw": lambda: np.array([[0.0, 0.2], [0.3, 0.0]]), "generators": _two, "rounds": lambda: 2},
    "from_edges": {
        "frame": lambda: pd.DataFrame({"source": ["a"], "target": ["b"], "raw": [0.2]}),
        "generators": _two,
        "rounds": lambda: 2,
    },
    "from_graph": {
        "digraph": lambda: nx.DiGraph([("a", "b")]),
        "member": lambda: lambda node: _member(),
        "flow": lambda: lambda u, v: eco.Flow(raw=0.2),
        "rounds": lambda: 2,
    },
    "run": {"folder": lambda: "study", "engine": lambda: Local(workers=0)},
    "sobol": {"name": lambda: "s", "build": lambda: built, "bounds": lambda: {"level": (0.1, 0.4)}},
}
RIGHT["morris"] = RIGHT["sobol"]
# Functions of the user's own, which may fail in their own words.
THEIRS = ("progress", "until", "stop", "member", "flow", "real", "weight", "merge", "build", "measures")
NAMES = ("name", "folder", "checkpoints")  # that a text may be, whatever it says


def right(name: str, names: set[str]) -> dict[str, Any]:
    """What the arguments of a method are, where all is right."""
    known = RIGHT[""] | RIGHT.get(name, {})
    return {key: make() for key, make in known.items() if key in names}
