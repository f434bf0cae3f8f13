"""Runs made up for the tests of figures and report: the same tables as a real run, without an engine."""

import numpy as np
import pandas as pd
import torch

from ecosystem.running.run import Run

EMPTY = {
    "draws": ["seed", "replicate", "round", "member", "component", "source", "curated", "count"],
    "changes": ["seed", "replicate", "round", "subject", "what", "before", "after"],
    "failures": ["seed", "replicate", "round", "member", "error"],
    "tastes": ["seed", "replicate", "round", "member", "judge", "reward"],
}


def put(run: Run, **tables: pd.DataFrame) -> None:
    """Other tables in a made-up run."""
    run._tables.update(tables)


def blank(name: str) -> pd.DataFrame:
    """A table without rows."""
    return pd.DataFrame({column: [] for column in EMPTY[name]})


def settings(name: str, rounds: int, replicates: int, **changed: object) -> dict:
    """Settings as a run keeps them."""
    return {
        "scenario": name,
        "file": f"scenarios/{name}.py",
        "description": f"A made-up run called {name}.\n\nNothing in it was simulated.",
        "parameters": {"curation": 0.4},
        "rounds": rounds,
        "completed": rounds,
        "finished": True,
        "samples": 64,
        "ordering": "synchronous",
        "seeds": [[0, replicate] for replicate in range(replicates)],
        "seconds": 12.3,
        "versions": {"python": "3.11.7", "torch": "2.13.0", "ecosystem": "0.1.0"},
        "command": f"ecosystem run scenarios/{name}.py --replicates {replicates} --seed 0",
        **changed,
    }


def members(names: list[str], event: str = "8x8", **changed: object) -> pd.DataFrame:
    """Members of one kind; a list as value gives one value a member."""
    columns = {
        "generator": "Mixture(10 classes)",
        "event": event,
        "parameters": 1300,
        "curation": 0.3,
        "real": 0.2,
        "reward": "Linear([64])",
        "curator": "Luce(4)",
        "schedule": "every(1)",
        "retention": "replace()",
        **changed,
    }
    return pd.DataFrame({"member": names, **columns})


def flows(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Flows from (source, target, raw, curated)."""
    table = pd.DataFrame(rows, columns=["source", "target", "raw", "curated"])
    return table.assign(chosen_by="consumer", transform="identity", delay=0)


def rounds(drifts: dict[str, float], last: int, replicates: int, noise: float = 0.02) -> pd.DataFrame:
    """Alignment that drifts by so much in all, each replicate with noise of its own; NaN: no reward."""
    rng = np.random.default_rng(0)
    tables = []
    for place, (name, drift) in enumerate(drifts.items()):
        for replicate in range(replicates):
            t = np.arange(last + 1)
            wander = np.concatenate([[0], rng.normal(size=last).cumsum()]) * noise
            level = 0.2 * (place % 6) + drift * (1 - np.exp(-4 * t / max(last, 1))) + wander
            change = 0.3 * np.exp(-t / 8) * (1 + 0.1 * (place % 6)) + 0.01 * rng.random(last + 1)
            change[0] = np.nan
            tables.append(
                pd.DataFrame(
                    {
                        "seed": 0,
                        "replicate": replicate,
                        "round": t,
                        "member": name,
                        "updated": t > 0,
                        "alignment": level,
                        "change": change,
                        "loss": np.nan,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def digits(replicates: int = 6, last: int = 40) -> Run:
    """Four members with 8x8 images, two tastes, mixed diets."""
    from sklearn.datasets import load_digits

    names = ["bold-a", "bold-b", "thin-a", "thin-b"]
    pictures = torch.tensor(load_digits().images)
    rng = torch.Generator().manual_seed(0)
    ink = {"bold-a": 0.5, "bold-b": 0.1, "thin-a": -0.25, "thin-b": 0.01}
    samples = {
        name: {
            at: (
                pictures[20 * k : 20 * k + 16] * (1 + ink[name] * at / last)
                + torch.randn(16, 8, 8, generator=rng) * at / 20
            ).clip(0)
            for at in (0, last // 4, last // 2, 3 * last // 4, last)
        }
        for k, name in enumerate(names)
    }
    edges = [
        ("bold-a", "bold-b", 0.2, 0.3),
        ("bold-b", "bold-a", 0.3, 0.3),
        ("bold-a", "thin-a", 0.4, 0.1),
        ("thin-b", "thin-a", 0.1, 0.2),
        ("thin-a", "thin-b", 0.2, 0.3),
        ("bold-b", "thin-b", 0.3, 0.0),
        ("bold-a", "bold-a", 0.2, 0.0),
        ("thin-a", "bold-b", 0.1, 0.0),
    ]
    tastes = ["Linear(ink)", "Linear(ink)", "Linear(-ink)", "Linear(-ink)"]
    real = [0.2, 0.4, 0.2, 0.2]
    return make(
        settings("digits", last, replicates),
        members(names, reward=tastes, real=real, curation=[0.3, 0.3, 0.3, 0.3]),
        flows(edges),
        rounds({"bold-a": 0.5, "bold-b": 0.1, "thin-a": -0.25, "thin-b": 0.0}, last, replicates),
        samples=samples,
    )


def pair(replicates: int = 1, **changed: object) -> Run:
    """Two members with vectors of 24 numbers, which have no picture."""
    names = ["theta", "phi"]
    return make(
        settings("pair", 100, replicates, **changed),
        members(names, "24", real=0.0, curation=[0.4, 0.0], reward=["Quadratic(η=0.18)", "Quadratic(η=0.22)"]),
        flows([("phi", "theta", 0.6, 0.4), ("theta", "phi", 1.0, 0.0)]),
        rounds({"theta": 1.2, "phi": -0.4}, 100, replicates, noise=0.0),
        samples={name: {0: torch.zeros(16, 24), 100: torch.ones(16, 24)} for name in names},
    )


def moons() -> Run:
    """One member with points in the plane that reads itself, and no reward."""
    points = torch.randn(128, 2, generator=torch.Generator().manual_seed(0))
    return make(
        settings("moons", 10, 3),
        members(["moon"], "2", reward="none", curator="none", curation=0.0, real=0.5),
        flows([("moon", "moon", 0.5, 0.0)]),
        rounds({"moon": float("nan")}, 10, 3),
        samples={"moon": {at: points * (1 - at / 20) for at in (0, 5, 10)}},
    )


def web(count: int = 200, replicates: int = 3) -> Run:
    """Many members on a scale-free graph."""
    rng = np.random.default_rng(1)
    names = [f"m{i}" for i in range(count)]
    edges = [(names[int(i * rng.random() ** 2)], names[i], 0.3, 0.1) for i in range(1, count) for _ in range(2)]
    drifts = {name: float(rng.normal(0.1, 0.3)) for name in names}
    return make(
        settings("web", 20, replicates),
        members(names, "24", curation=list(rng.choice([0.0, 0.2, 0.4], count)), real=list(rng.random(count) * 0.3)),
        flows(edges),
        rounds(drifts, 20, replicates),
    )


def alphabet() -> Run:
    """Three members that write symbols."""
    names, rng = ["a", "b", "c"], torch.Generator().manual_seed(0)
    symbols = {name: {at: torch.randint(0, 3 + at, (64,), generator=rng) for at in (0, 2, 5)} for name in names}
    return make(
        settings("alphabet", 5, 2),
        members(names, "symbol"),
        flows([("a", "b", 0.5, 0.3), ("b", "c", 0.5, 0.3), ("c", "a", 0.5, 0.3)]),
        rounds({"a": 0.3, "b": 0.0, "c": -0.2}, 5, 2),
        samples=symbols,
    )


def ring(count: int, replicates: int = 4, every_pair: bool = False) -> Run:
    """Members in a ring (or all with all) with self-loops, raw and curated flows and real data everywhere."""
    names = [f"laboratory {i + 1}" for i in range(count)]
    edges = [(names[i], names[(i + 1) % count], 0.25, 0.3) for i in range(count)]
    edges += [(name, name, 0.1, 0.15) for name in names]
    if every_pair:
        edges = [(u, v, 0.4 / count, 0.4 / count) for u in names for v in names]
    drifts = {name: (i % 3 - 1) * 0.3 for i, name in enumerate(names)}
    table = flows(edges).drop_duplicates(["source", "target"])
    return make(settings("ring", 30, replicates), members(names, "24"), table, rounds(drifts, 30, replicates))


def odd() -> Run:
    """All that is unusual at once: hostile names, changes, failures, interruption, no alignment."""
    names = [
        "<script>alert(1)</script>",
        "$\\frac{a$ & b",
        "_日本 “x”",
        "a very long name that never seems to end, number 1",
    ]
    run = digits(5)
    mapping = dict(zip([str(name) for name in run.members["member"]], names, strict=True))
    for table, columns in (
        (run.members, ["member"]),
        (run.flows, ["source", "target"]),
        (run.rounds, ["member"]),
    ):
        for column in columns:
            table[column] = pd.Categorical(table[column].map(mapping))
    late = (run.rounds["member"] == names[3]) & (run.rounds["round"] < 12)
    gone = (run.rounds["replicate"] == 2) & (run.rounds["round"] > 6)
    put(run, rounds=run.rounds[~late & ~gone & (run.rounds["round"] <= 23)].reset_index(drop=True))
    run.rounds.loc[run.rounds["member"] == names[2], "alignment"] = np.nan
    run.rounds.loc[(run.rounds["replicate"] == 2) & (run.rounds["round"] == 6), "alignment"] = np.inf
    run.members["reward"] = [
        "<b>bold</b>",
        "Quadratic(" + ", ".join(["0.123"] * 64) + ")",
        "none",
        "Linear(ink)",
    ]
    samples = run.samples
    run.samples = {mapping[name]: {at: x for at, x in rounds.items() if at <= 23} for name, rounds in samples.items()}
    run.samples[names[3]] = {20: samples["thin-b"][20]}
    changes = [(0, r, 12, names[3], "joins", "–", "<i>member</i>") for r in (0, 1, 3, 4)]
    changes += [(0, 1, 15, f"{names[0]}→{names[1]}", "raw share", "0.2", "0.0")]
    put(run, changes=pd.DataFrame(changes, columns=EMPTY["changes"]))
    error = "FloatingPointError: parameters of <member> are not finite"
    put(run, failures=pd.DataFrame([(0, 2, 7, names[0], error)], columns=EMPTY["failures"]))
    run.settings.update(
        finished=False, completed=23, scenario="odd & <ends>", seeds=[[0, 0], [0, 1], [0, 2], [3, 0], [3, 4]]
    )
    run.settings.update(command="ecosystem run 'odd <file>.py'", parameters={"x": "<y>"})
    return run


def silent() -> Run:
    """A run without rewards whose models never moved, interrupted before its first round."""
    run = pair(2, finished=False, completed=0)
    put(run, rounds=run.rounds[run.rounds["round"] == 0].assign(alignment=np.nan))
    run.members["reward"] = "none"
    run.samples.clear()
    return run


def diverged() -> Run:
    """A run of which no replicate is left."""
    run = digits(3, 8)
    rows = [(0, replicate, 9, "bold-a", "FloatingPointError: nan") for replicate in range(3)]
    put(run, failures=pd.DataFrame(rows, columns=EMPTY["failures"]))
    return run


def make(settings: dict, members: pd.DataFrame, flows: pd.DataFrame, rounds: pd.DataFrame, **rest: dict) -> Run:
    """A run of these tables; the others are empty."""
    tables = {"members": members, "flows": flows, "rounds": rounds, **{name: blank(name) for name in EMPTY}}
    return Run(settings, **tables | rest)
