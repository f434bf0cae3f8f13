"""What somebody who decides can move in a scenario: curation levels, real shares, flows; within bounds, at costs.

All shares are affine in all levers at once, ``shares(x) = shares + Σ_k (x_k − now_k) · ∂shares/∂x_k`` (curated shares
go as ``λ``, the others as ``1 − λ``), so a changed network is the same compiled map with other shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number
from ecosystem.core.words import listed
from ecosystem.influence.arising import Like
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.numbers import Numbers
from ecosystem.scenario import Scenario
from ecosystem.scenario.copies import put_flows
from ecosystem.scenario.shares import move_flows

LEVEL, REAL = "level", "real"


@dataclass(frozen=True)
class Lever:
    """One number that can be moved: its ``name`` in tables, ``what`` it is, whose diet it changes, and its ``bounds``.

    ``what``: ``"level"``, ``"real"``, ``"raw"`` or ``"curated"``; of the last two ``source`` is whom ``reader`` reads.
    """

    name: str
    what: str
    reader: str
    source: str | None
    now: float
    lower: float
    upper: float
    cost: float
    numbers: Numbers
    key: str  # its name among its ``numbers``


class Levers(Sequence[Lever]):
    """The levers of a scenario, in one order; vectors ``x [levers]`` are their values.

    Made by :func:`ecosystem.decisions.as_levers`.

    ``names``, ``costs``, ``lower``, ``upper`` and ``now`` (what the scenario has) are by lever; ``diets`` are linear
    constraints ``matrix x ≤ most`` of levers on one diet: what its flows may take together.
    """

    def __init__(self, scenario: Scenario, levers: Sequence[Lever], like: Like) -> None:
        self.scenario, self.like, self._levers = scenario, dict(like), tuple(levers)
        self.names = [lever.name for lever in levers]
        self.readers = [lever.reader for lever in levers]
        for part in ("cost", "lower", "upper", "now"):
            setattr(self, part if part != "cost" else "costs", np.array([getattr(lever, part) for lever in levers]))

    costs: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    now: np.ndarray

    def __getitem__(self, index: Any) -> Any:
        return self._levers[index]

    def __len__(self) -> int:
        return len(self._levers)

    @cached_property
    def diets(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Readers, ``matrix [diets, levers]`` and ``most [diets]`` with ``matrix x ≤ most``; empty for levels alone."""
        flows = [(k, lever) for k, lever in enumerate(self) if lever.source is not None]
        readers = list(dict.fromkeys(lever.reader for _, lever in flows))
        matrix = np.zeros((len(readers), len(self)))
        for k, lever in flows:
            matrix[readers.index(lever.reader), k] = 1.0
        spare = np.array([self.scenario.real_share(reader) for reader in readers])
        return readers, matrix, matrix @ self.now + spare

    def dynamics(self) -> Dynamics:
        """The scenario's map with every component that some lever could give a share."""
        arising = {part for lever in self for part in lever.numbers.parts(self.scenario, lever.key)}
        return Dynamics(self.scenario, self.like, arising)

    def directions(self, dynamics: Dynamics) -> sparse.csr_array:
        """``∂shares/∂x [components, levers]``, the same everywhere."""
        tangent, rows, columns, values = torch.zeros_like(dynamics.shares), [], [], []
        for k, lever in enumerate(self):
            lever.numbers.write(dynamics, lever.key, tangent)
            own = np.array(dynamics.wiring.components_of(dynamics.index[lever.reader]))
            rows.append(own)
            columns.append(np.full(len(own), k))
            values.append(tangent[own].reshape(-1).numpy().copy())
            tangent[own] = 0.0
        shape = (len(dynamics.shares), len(self))
        found = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.csr_array(sparse.coo_array(found, shape=shape))

    def moved(self, x: np.ndarray) -> Scenario:
        """The scenario with its levers at ``x [levers]``: a copy, changed as ``with_curation`` changes it."""
        new, flows = self.scenario.replace(), {}
        for lever, value in zip(self, np.clip(x, self.lower, self.upper).tolist(), strict=True):
            if value == lever.now:
                continue
            into = flows.setdefault(lever.reader, self.scenario.incoming(lever.reader, dormant=True))
            flows[lever.reader] = self._moved(lever, value, into)
        for reader, many in flows.items():
            put_flows(new, reader, many)
        return new.replace(name=f"{self.scenario.name} ({'moved' if flows else 'as it is'})")

    def _moved(self, lever: Lever, value: float, flows: dict[str, Any]) -> dict[str, Any]:
        """The flows of a lever's reader, by producer, once it is moved."""
        if lever.source is not None:
            return {**flows, lever.source: replace(flows[lever.source], **{lever.what: value})}
        if lever.what == REAL:
            kept = (1 - value) / (1 - lever.now)
            return {u: replace(flow, raw=flow.raw * kept, curated=flow.curated * kept) for u, flow in flows.items()}
        arises = self.like[lever.key][0] if lever.now == 0 else None
        return move_flows(flows, value, arises)

    def checked(self, x: Mapping[str, float], what: str) -> np.ndarray:
        """``x [levers]`` from values by name, the others as they are; refused outside the bounds.

        Raises
        ------
        KeyError
            For unknown names.
        ValueError
            For values that are no numbers within the bounds.
        """
        values = self.now.copy()
        for name, value in x.items():
            k = self.place(name, what)
            values[k] = real_number(value)
            if not self.lower[k] <= values[k] <= self.upper[k]:
                raise ValueError(
                    f"{what}: {name!r} must lie between {self.lower[k]:.6g} and {self.upper[k]:.6g}, got {brief(value)}"
                )
        return values

    def place(self, name: Any, what: str) -> int:
        """Where a lever stands; KeyError, with those that there are, for a name of none."""
        if not isinstance(name, str) or name not in self.names:
            question = meant(name, self.names) if isinstance(name, str) else ""
            raise KeyError(f"{what}: there is no lever {brief(name)}{question}; the levers are {listed(self.names)}")
        return self.names.index(name)


def shares_at(base: Tensor, directions: sparse.csr_array, step: np.ndarray) -> Tensor:
    """``shares + directions · step``, a remainder of rounding below 0 taken as 0."""
    moved = base.reshape(-1).numpy() + directions @ step
    return torch.from_numpy(np.where(moved > -1e-9, np.maximum(moved, 0.0), moved)).reshape(base.shape)
