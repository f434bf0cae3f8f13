"""Two models, one curator: the Gaussian experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), Figure 3.

``theta`` trains on what ``phi`` generates; a fraction ``curation`` of it is chosen by theta's users, which shifts it by
a fixed vector. ``phi`` trains on ``theta`` through a linear map whose strength is ``coupling``. Curation pleases
theta's users, and up to a coupling of about 0.86 phi's too; past it, curating theta harms phi.

Everything is linear, so the stable point is known: ``theta* = λ (I − A)⁻¹ a``, ``phi* = A theta*``.

    ecosystem run scenarios/pair.py --set coupling=0.9
    ecosystem run scenarios/pair.py --samples 0          # the population: no sampling
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecosystem import Flow, LinearMap, Location, Member, Quadratic, Scenario, Shift, sequential

SYSTEM: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "figure3_system.json").read_text())


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
