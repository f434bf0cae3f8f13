"""When does curation by one model's users harm the other's? The Gaussian experiment of arXiv 2605.29267, Figure 3.

Two models, one curator, after Zhang, Wei, Zhang 2026: ``theta`` trains on what ``phi`` generates; a fraction
``curation`` of it is chosen by theta's users, which shifts it by a fixed vector. ``phi`` trains on ``theta`` through a
linear map whose strength is ``coupling``. Curation pleases theta's users, and up to a coupling of about 0.86 phi's too;
past it, curating theta harms phi.

Everything is linear, so the stable point is known: ``theta* = λ (I − A)⁻¹ a``, ``phi* = A theta*``.

    ecosystem run scenarios/pair.py --set coupling=0.9
    ecosystem run scenarios/pair.py --samples 0          # the population: no sampling

``study()`` is the whole plane of coupling and curation, ``sobol()`` the same plane with scattered points;
``analysis/plane.py`` reads the first and says where curation helps whom.

    ecosystem study scenarios/pair.py --out runs/plane

Takes seconds; needs nothing more.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem import Flow, LinearMap, Location, Member, Quadratic, Record, Scenario, Shift, Study, sequential

COUPLING, CURATION = (0.02, 0.98), (0.05, 0.95)  # the plane: every point of it has a stable point
NUMBERS = Path(__file__).parent / "data" / "figure3_system.json"
SYSTEM: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))


def scenario(
    coupling: float = 0.9,
    curation: float = 0.4,
    rounds: int = 100,
    samples: int | None = 64,
    ordering: Any = sequential("theta", "phi"),  # noqa: B008 - never changed
) -> Scenario:
    """theta reads phi and curates; phi reads theta through the coupling."""
    start, noise = torch.zeros(SYSTEM["dim"]), SYSTEM["sigma"]
    likes_p, likes_q = (Quadratic(SYSTEM[f"g_{m}"], SYSTEM[f"eta_{m}"]) for m in "pq")
    s = Scenario("pair", rounds=rounds, samples=samples, ordering=ordering)
    s.add("theta", Member(Location(start, noise), reward=likes_p, curator=Shift(SYSTEM["a"])))
    s.add("phi", Member(Location(start, noise), reward=likes_q))
    s.connect("phi", "theta", Flow(raw=1 - curation, curated=curation, chosen_by="consumer"))
    s.connect("theta", "phi", Flow(raw=1.0, transform=LinearMap(coupling_matrix(coupling))))
    return s


def coupling_matrix(coupling: float) -> Tensor:
    """``A(t) = blkdiag(t · β_m · Rot(angle_m))``, ``[24, 24]``."""
    blocks = []
    for strength, degrees in zip(SYSTEM["block_strength"], SYSTEM["rotation_degrees"], strict=True):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        blocks.append(coupling * strength * torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64))
    return torch.block_diag(*blocks)


def stable_point(coupling: float, curation: float) -> tuple[Tensor, Tensor]:
    """The closed form ``(theta*, phi*)``."""
    matrix = coupling_matrix(coupling)
    shift = torch.tensor(SYSTEM["a"], dtype=torch.float64)
    theta = curation * torch.linalg.solve(torch.eye(len(shift), dtype=torch.float64) - matrix, shift)
    return theta, matrix @ theta


def study(points: int = 21, seeds: int = 40, rounds: int = 100, samples: int | None = 64, last: int = 20) -> Study:
    """``points × points`` choices of coupling and curation; start and ``last`` rounds of each run, the exact influence.

    On the command line::

        ecosystem study scenarios/pair.py --out runs/plane                              # 441 points, half a minute
        ecosystem study scenarios/pair.py --out runs/quick --set points=5 --set seeds=4
    """
    axes = {
        "coupling": np.linspace(*COUPLING, points).round(6),
        "curation": np.linspace(*CURATION, points).round(6),
    }
    return _study("plane", {**axes, "rounds": rounds, "samples": samples}, seeds, last)


def sobol(points: int = 64, seeds: int = 40, rounds: int = 100, samples: int | None = 64, last: int = 20) -> Study:
    """The same plane at ``points`` places of a scrambled Sobol sequence: a design is also a table, a row a point.

    For more parameters than two a grid grows out of hand, scattered points do not. The first 64 of 128 are the 64 of
    before, so a folder grows with the number: what it holds stays, and only the new points are computed.
    ``scipy.stats.qmc.LatinHypercube(2).random(100)`` in place of the sequence would do for any number.

        python -c "from scenarios import pair; pair.sobol(128).run('runs/sobol', progress=print)"

    Raises
    ------
    ValueError
        If ``points`` is no power of two: the sequence covers the plane evenly at those.
    """
    from scipy.stats import qmc

    power = int(points).bit_length() - 1
    if points < 1 or points != 2**power:
        raise ValueError(
            f"sobol(points) must be a power of two, got {points!r}; give it {2 ** max(power, 0)} or the next"
        )
    unit = qmc.Sobol(2, seed=0).random_base2(power)
    low, high = zip(COUPLING, CURATION, strict=True)
    rows = pd.DataFrame(qmc.scale(unit, low, high), columns=["coupling", "curation"])
    return _study("plane, scattered", rows.assign(rounds=rounds, samples=samples), seeds, last)


def _study(name: str, grid: Any, seeds: int, last: int) -> Study:
    """The alignments at the start and in the last rounds, and the exact influence of each point."""
    return Study(
        name, scenario, grid=grid, seeds=seeds, measure=["rounds", "influence"], record=Record(last=last, start=True)
    )
