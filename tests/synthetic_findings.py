"""Findings made up for the tests of figures and report: a linear system with one number a member, solved by hand.

``Θ = BΘ + bλ + c`` has the influence ``M = diag(∇J) (I − B)⁻¹ diag(b)``; hops, traffic and welfare follow from it. The
isolated influence is chosen freely, so that every verdict can be had.
"""

from functools import cache

import numpy as np
import pandas as pd
import synthetic_runs as made

from ecosystem.influence.findings import Findings

NAN = float("nan")


def verdict(effect: float, isolated: float) -> tuple[float, str]:
    """Amplification and its name."""
    if abs(isolated) < 1e-9:
        return NAN, "undefined"
    ratio = effect / isolated
    if abs(ratio - 1) < 1e-9:
        return ratio, "unchanged"
    return ratio, "inverted" if ratio < 0 else "amplified" if ratio > 1 else "dampened"


def solve(
    names: list[str],
    blocks: np.ndarray,
    pushes: np.ndarray,
    gradients: np.ndarray,
    *,
    name: str = "made up",
    isolated: dict[str, float] | None = None,
    skipped: dict[str, str] | None = None,
    formal: str = "",
    longest: int = 8,
    stability: list[tuple] | None = None,
    knock_out: bool = False,
) -> Findings:
    """All tables of a system; ``isolated`` replaces what the blocks say about single members."""
    skipped = skipped or {}
    n, resolvent = len(names), np.linalg.inv(np.eye(len(names)) - blocks)
    matrix = gradients[:, None] * resolvent * pushes
    sources = [i for i in range(n) if names[i] not in skipped]
    judged = [j for j in range(n) if np.isfinite(gradients[j])]
    rows = []
    for k in sources:
        for j in judged:
            effect = float(matrix[j, k])
            row = [names[j], names[k], "cross", effect, NAN, NAN, "", False, effect < 0]
            if j == k:
                alone = (isolated or {}).get(names[k], float(gradients[k] * pushes[k] / (1 - blocks[k, k])))
                row[2:8] = ["self", effect, alone, *verdict(effect, alone), effect < 0]
            rows.append(row)
    columns = ["target", "source", "kind", "effect", "isolated", "amplification", "network", "backfires", "harms"]
    influence = pd.DataFrame(rows, columns=columns)
    members, flows = described(names, blocks, skipped, gradients)
    radius = float(np.abs(np.linalg.eigvals(blocks)).max())
    settings = {
        "scenario": name,
        "formal": formal,
        "seen": "diverges" if formal else "settles",
        "radius": radius,
        "certificate": float(np.abs(np.linalg.eigvals(np.abs(blocks))).max()),
        "tolerance": 1e-6,
        "residual": 3.1e-13,
        "skipped": skipped,
    }
    return Findings(
        influence,
        welfare(influence),
        hops([(names[j], names[k], j, k) for k in sources for j in judged], matrix, blocks, pushes, gradients, longest),
        edges(names, blocks, resolvent, pushes, gradients, sources, judged, knock_out),
        stable(radius, stability),
        members,
        flows,
        settings,
    )


def described(
    names: list[str], blocks: np.ndarray, skipped: dict[str, str], gradients: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Members and flows as a scenario describes them."""
    edges = [(names[u], names[v], 0.2, 0.1) for v in range(len(names)) for u in range(len(names)) if blocks[v, u]]
    levels = [0.0 if name in skipped else 0.3 for name in names]
    rewards = ["Linear([2])" if np.isfinite(g) else "none" for g in gradients]
    members = made.members(names, "2", curation=levels, generator="Location", reward=rewards)
    return members.assign(alignment=np.where(np.isfinite(gradients), 0.1 * np.arange(len(names)), NAN)), made.flows(
        edges
    )


def welfare(influence: pd.DataFrame) -> pd.DataFrame:
    """Private, external and social value of every source."""
    own = influence["kind"] == "self"
    rows = [
        (source, rows.loc[own[rows.index], "effect"].sum(), rows.loc[~own[rows.index], "effect"].sum())
        for source, rows in influence.groupby("source", sort=False)
    ]
    table = pd.DataFrame(rows, columns=["source", "private", "externality"])
    return table.assign(social=table["private"] + table["externality"])


def hops(pairs: list, matrix: np.ndarray, blocks: np.ndarray, pushes: np.ndarray, gradients: np.ndarray, longest: int):
    """Walks of each length, and what is left of the whole."""
    powers = [np.linalg.matrix_power(blocks, h) for h in range(longest + 1)]
    rows = []
    for target, source, j, k in pairs:
        total = 0.0
        for h, power in enumerate(powers):
            effect = float(gradients[j] * power[j, k] * pushes[k])
            total += effect
            rows.append((target, source, h, effect, total, float(matrix[j, k]) - total))
    return pd.DataFrame(rows, columns=["target", "source", "hop", "effect", "cumulative", "left"])


def edges(names, blocks, resolvent, pushes, gradients, sources, judged, knock_out) -> pd.DataFrame:
    """Traffic of every edge, summed over targets and sources, and its parts of either sign."""
    rows = []
    for v, u in zip(*np.nonzero(blocks), strict=True):
        into = np.array([gradients[j] * resolvent[j, v] for j in judged])
        out = np.array([resolvent[u, k] * pushes[k] for k in sources])
        each = np.outer(into, out) * blocks[v, u]
        rows.append((names[u], names[v], each.sum(), each.clip(min=0).sum(), each.clip(max=0).sum()))
    table = pd.DataFrame(rows, columns=["source", "target", "traffic", "gains", "harms"])
    if knock_out:
        for i, name in enumerate(names):
            table[f"J[{name}]"] = [NAN if row % 3 == 2 else 0.01 * (row - i) for row in range(len(table))]
    return table


def stable(radius: float, rows: list[tuple] | None) -> pd.DataFrame:
    """Rates by ordering."""
    rows = rows or [
        ("synchronous", radius, radius < 1, 230.0, 221.0),
        ("sequential", radius**2, radius < 1, 115.0, NAN),
    ]
    return pd.DataFrame(rows, columns=["ordering", "rate", "settles", "predicted", "measured"])


def pair() -> Findings:
    """theta curates and gains 1.4848, dampened to 0.6212 of what it would be alone; phi loses."""
    loop = 1 - 1 / 0.6212
    blocks = np.array([[0.0, 0.8], [loop / 0.8, 0.0]])
    reason = "it has no curated flow; say which would be curated"
    return solve(
        ["theta", "phi"], blocks, np.array([2.3902, 0.0]), np.array([1.0, 0.14]), name="pair", skipped={"phi": reason}
    )


def five() -> Findings:
    """Amplified, rescued, turned to harm, undefined, and a backfire that the network leaves as it is."""
    names = ["Poster", "Hairline", "Marker", "Pencil", "Brush"]
    blocks = np.array(
        [
            [0.0, 0.4, 0.0, 0.0, 0.0],
            [-0.7, 0.0, 0.2, 0.0, 0.0],
            [0.0, 0.5, 0.1, 0.0, 0.0],
            [0.3, 0.0, 0.3, 0.2, 0.0],
            [0.0, 0.0, 0.0, 0.3, 0.0],
        ]
    )
    pushes, gradients = np.array([1.2, 0.8, -0.7, 0.6, -0.4]), np.array([1.0, 1.3, 1.1, 0.8, 1.0])
    isolated = {"Poster": 0.7, "Hairline": -0.35, "Marker": 0.25, "Pencil": 0.0}
    return solve(names, blocks, pushes, gradients, name="studios", isolated=isolated, knock_out=True)


def many(count: int = 60, seed: int = 3, silent: int = 0) -> Findings:
    """A scale-free web whose influences are of all sizes; the last ``silent`` have no column."""
    rng = np.random.default_rng(seed)
    blocks = np.zeros((count, count))
    for v in range(1, count):
        for u in {int(v * rng.random() ** 2), int(v * rng.random())}:
            blocks[v, u], blocks[u, v] = 0.5 * rng.normal(), 0.3 * rng.normal()
    blocks *= 0.85 / np.abs(np.linalg.eigvals(blocks)).max()
    names = [f"m{i}" for i in range(count)]
    skipped = {name: f"it has no curated flow; say which for {name}" for name in names[count - silent :]}
    gradients = rng.normal(0.5, 1.0, count)
    return solve(names, blocks, rng.normal(0.6, 0.6, count), gradients, name="web", skipped=skipped)


def formal() -> Findings:
    """A stable point that no dynamics reaches, in a network where it depends on the order whether any would."""
    blocks = np.array([[0.2, 1.1], [-1.3, 0.1]])
    rows = [("synchronous", 1.204, False, NAN, NAN), ("sequential('a', 'b')", 1.43, False, NAN, NAN)]
    reason = (
        "the stable point repels synchronous rounds (spectral radius 1.21): the point moves, but no dynamics lead there"
    )
    return solve(
        ["a", "b"], blocks, np.array([1.0, 0.5]), np.array([1.0, -0.6]), name="runaway", formal=reason, stability=rows
    )


def silent() -> Findings:
    """Nobody's curation has a derivative."""
    return solve(
        ["model"], np.array([[0.5]]), np.array([0.0]), np.array([1.0]), skipped={"model": "its curation level is 1"}
    )


def odd() -> Findings:
    """Hostile names, one of them without end, and a member that nobody judges."""
    names = [
        "<script>alert(1)</script>",
        "$\\frac{a$ & b",
        "a very long name that never seems to end, number 1",
        "_日本 “x”",
    ]
    blocks = np.array([[0.1, 0.2, 0, 0.1], [0.3, 0, 0.2, 0], [0.2, -0.6, 0, 0.1], [0, 0.2, 0.1, 0.3]])
    gradients = np.array([1.0, 0.7, 1.2, NAN])
    reason = "<b>nothing</b> is curated"
    return solve(
        names, blocks, np.array([1.0, -0.5, 0.8, 0.0]), gradients, name="odd & <ends>", skipped={names[3]: reason}
    )


EXAMPLES = {
    "pair": pair,
    "five": five,
    "twelve": lambda: many(12),
    "thirty": lambda: many(30, silent=4),
    "sixty": many,
    "crowd": lambda: many(200, silent=20),
    "formal": formal,
    "silent": silent,
    "odd": odd,
}


@cache
def found(name: str) -> Findings:
    """An example, made once."""
    return EXAMPLES[name]()
