"""Welfare: what somebody who decides wants of everybody's alignments, as smooth pieces the least of which counts.

``U(J) = min_i piece_i(J)``: one piece for sums and products, one for each member for the minimum. So an optimum can be
looked for in epigraph form, with ``t ≤ piece_i(J)``, and every piece is differentiated by torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any, cast

import torch
from torch import Tensor

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number, users_code
from ecosystem.core.words import listed
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.stable import find
from ecosystem.scenario import Scenario
from ecosystem.scenario.copies import put_flows

NAMES = ("sum", "weighted", "minimum", "nash")
_ROUNDING = 1e-11  # of a function's value, which its differences are no finer than
_STEP, _AGREE = 1e-6, 1e-4  # of a function of one's own: difference quotients, and how far torch may be from them


class Objective(ABC):
    """What is wanted of alignments ``[targets]``; a class of one's own says ``pieces`` (and ``before``)."""

    name: str = "welfare"

    @abstractmethod
    def pieces(self, alignment: Tensor) -> Tensor:
        """``[pieces]`` from ``[targets]``, the least of which is the welfare; torch must be able to differentiate."""

    def value(self, alignment: Tensor) -> float:
        """The welfare at alignments ``[targets]``."""
        return float(self.pieces(alignment).min())

    def before(self) -> Objective | None:
        """What must be made positive first, where this is defined only there; None: nothing."""
        return None

    def begun(self, value: float) -> Objective:
        """The same, once that has been brought to ``value``."""
        return self

    def slopes(self, alignment: Tensor) -> tuple[Tensor, Tensor]:
        """All pieces, and their derivatives ``[pieces, targets]``."""
        leaf = alignment.detach().clone().requires_grad_()
        pieces = self.pieces(leaf)
        rows = [_slope(piece, leaf) for piece in pieces]
        return pieces.detach(), torch.stack(rows)

    def check(self, alignment: Tensor, targets: Sequence[str]) -> None:
        """Refuse pieces that are no tensor ``[pieces]``, or that torch does not differentiate rightly at ``[targets]``.

        What is built in need not be asked.
        """
        with users_code(lambda: f"the objective {self.name}", passing=(ValueError,)):
            pieces = self.pieces(alignment.detach().clone())
        if not isinstance(pieces, Tensor) or pieces.ndim != 1 or not len(pieces) or pieces.dtype != torch.float64:
            raise ValueError(
                f"the objective {self.name}.pieces() must return a tensor [pieces] of float64, the least of which "
                f"counts; it returned {_returned(pieces)}"
            )
        with users_code(lambda: f"the objective {self.name}", passing=(ValueError,)):
            values, slopes = self.slopes(alignment)
        if not bool(values.isfinite().all() & slopes.isfinite().all()):
            raise ValueError(
                f"the objective {self.name} is {brief(values)} at the present alignments, with derivatives "
                f"{brief(slopes)}; it must be finite there"
            )
        size = float(alignment.abs().max()) or 1.0  # alignments may be in any unit
        for j in range(len(alignment)):
            step = torch.zeros_like(alignment)
            step[j] = _STEP * size
            ends = (self.pieces(alignment + side * step).detach() for side in (1, -1))
            found = (next(ends) - next(ends)) / (2 * step[j])
            most = found.abs() + slopes.abs().max(-1).values + _ROUNDING * values.abs() / step[j]
            wrong = ((found - slopes[:, j]).abs() > _AGREE * most).nonzero().flatten().tolist()
            if wrong:
                raise ValueError(
                    f"the objective {self.name} moves by {float(found[wrong[0]]):.6g} for each unit of the alignment "
                    f"of {targets[j]!r}, and torch says {float(slopes[wrong[0], j]):.6g}: it has a kink at the present "
                    "alignments, or leaves torch (numpy, float()); write it in torch, smooth"
                )

    def in_steps(self, alignments: Sequence[Tensor]) -> list[str]:
        """That it differs between alignments, and has no slope at any of them, as a sentence; none where it has one."""
        if len(alignments) < 2:
            return []
        every = [self.slopes(one) for one in alignments]
        values, steep = torch.stack([one[0] for one in every]), torch.stack([one[1] for one in every])
        if not bool(((steep == 0).all(0).all(-1) & (values != values[0]).any(0)).any()):
            return []
        return [
            f"The objective {self.name} moves in steps and has no slope where it was looked at: derivatives say "
            "nothing of it, and better levers may have been missed."
        ]


def _slope(piece: Tensor, leaf: Tensor) -> Tensor:
    if not piece.requires_grad:
        return torch.zeros_like(leaf)
    return torch.autograd.grad(piece, leaf, retain_graph=True, allow_unused=True, materialize_grads=True)[0]


@dataclass(frozen=True, eq=False)
class Weighted(Objective):
    """``Σ_j weights_j J_j``."""

    weights: Tensor
    name: str = "weighted"

    def pieces(self, alignment: Tensor) -> Tensor:
        return (self.weights * alignment).sum().unsqueeze(0)


@dataclass(frozen=True, eq=False)
class Minimum(Objective):
    """``min_j (J_j − base_j)``: of whoever is worst off, or gains least."""

    base: Tensor
    name: str = "minimum"

    def pieces(self, alignment: Tensor) -> Tensor:
        return alignment - self.base

    def slopes(self, alignment: Tensor) -> tuple[Tensor, Tensor]:  # known, and as many as there are members
        return self.pieces(alignment.detach()), torch.eye(len(alignment), dtype=alignment.dtype)


@dataclass(frozen=True, eq=False)
class Nash(Objective):
    """``Σ_j log(J_j − base_j)``: the product of what everybody gains over a disagreement point (Nash 1950).

    −∞ where somebody gains nothing. Solvers see it go on as a parabola below ``floor``.
    """

    base: Tensor
    floor: float = 0.0
    name: str = "nash"

    def pieces(self, alignment: Tensor) -> Tensor:
        gain = alignment - self.base
        if not self.floor:
            return torch.where(gain > 0, gain.clamp(min=1e-300).log(), -torch.inf).sum().unsqueeze(0)
        off = (gain - self.floor) / self.floor
        low = torch.log(torch.tensor(self.floor, dtype=gain.dtype)) + off - off**2 / 2
        return torch.where(gain > self.floor, gain.clamp(min=self.floor).log(), low).sum().unsqueeze(0)

    def value(self, alignment: Tensor) -> float:
        return float(Nash(self.base).pieces(alignment)[0])

    def before(self) -> Objective:
        return Minimum(self.base, "least gain")

    def begun(self, value: float) -> Objective:
        return changed(self, floor=value / (100 * len(self.base)))  # each gains at least value/n in a convex problem


@dataclass(frozen=True, eq=False)
class Own(Objective):
    """A function of one's own, of a tensor ``[targets]``."""

    function: Callable[[Tensor], Tensor]
    targets: tuple[str, ...]

    @property
    def name(self) -> str:  # type: ignore[override]
        return str(getattr(self.function, "__name__", "welfare"))

    def pieces(self, alignment: Tensor) -> Tensor:
        with users_code(lambda: f"the objective {self.name}"):
            found = self.function(alignment)
        if not isinstance(found, Tensor) or found.numel() != 1 or found.dtype != torch.float64:
            raise ValueError(
                f"the objective {self.name} must return a tensor of one number in float64, made of the alignments of "
                f"{listed(self.targets)} by torch; it returned {_returned(found)}"
            )
        return found.reshape(1)


def _returned(found: Any) -> str:
    if not isinstance(found, Tensor):
        return type(found).__name__
    return f"{tuple(found.shape)} of {str(found.dtype).removeprefix('torch.')}"


def as_objective(
    objective: Any,
    scenario: Scenario,
    targets: Sequence[str],
    present: Tensor,
    weights: Mapping[str, float] | None = None,
    disagreement: Mapping[str, float] | None = None,
    what: str = "allocate",
) -> Objective:
    """``objective`` for the alignments of ``targets``: one of the names, a function of a tensor, or an Objective.

    Raises
    ------
    KeyError, ValueError
        For unknown names, and arguments that the objective does not take or cannot do without.
    """
    if not isinstance(objective, str | Objective) and not callable(objective):  # before texts: arrays compare by entry
        raise _none(objective, targets, what)
    if weights is not None and objective != "weighted":
        raise ValueError(f"{what}(weights) belongs to objective='weighted'; leave it out, or ask for that")
    if disagreement is not None and objective != "nash":
        raise ValueError(f"{what}(disagreement) belongs to objective='nash'; leave it out, or ask for that")
    if isinstance(objective, Objective):
        if bool(present.isfinite().all()):
            objective.check(present, targets)
        return objective
    if objective == "sum":
        return Weighted(torch.ones_like(present), "sum")
    if objective == "minimum":
        return Minimum(torch.zeros_like(present))
    if objective == "weighted":
        return Weighted(_by_name(weights, targets, f"{what}(weights)"))
    if objective == "nash":
        if disagreement is None:
            return Nash(alone(scenario, targets, what))
        return Nash(_by_name(disagreement, targets, f"{what}(disagreement)", whole=True))
    if isinstance(objective, str):
        raise _none(objective, targets, what)
    own = Own(cast(Callable[[Tensor], Tensor], objective), tuple(targets))
    if bool(present.isfinite().all()):
        own.check(present, targets)
    return own


def _none(objective: Any, targets: Sequence[str], what: str) -> ValueError:
    return ValueError(
        f"{what}(objective) is one of {listed(map(repr, NAMES))}, or a function of a tensor of the alignments of "
        f"{listed(targets)}; got {brief(objective)}"
    )


def _by_name(given: Any, targets: Sequence[str], what: str, whole: bool = False) -> Tensor:
    """Numbers by member as a tensor ``[targets]``; 0 for members not named, who must not be left out of a ``whole``."""
    if given is None or not hasattr(given, "items"):
        raise ValueError(f"{what} are numbers by member, {{{targets[0]!r}: 1.0, ...}}; got {brief(given)}")
    values = dict.fromkeys(targets, 0.0)
    for name, value in given.items():
        if name not in values:
            raise KeyError(
                f"{what}: nobody called {name!r} has an alignment that is known{meant(str(name), targets)}; those "
                f"who have are {listed(targets)}"
            )
        values[name] = real_number(value)
    found = torch.tensor(list(values.values()), dtype=torch.float64)
    if not bool(found.isfinite().all()) or not bool(found.any() or whole):
        raise ValueError(f"{what} are finite numbers by member, not all 0; got {brief(dict(given))}")
    if whole and (left := [name for name in targets if name not in dict(given)]):
        raise ValueError(f"{what} leaves out {listed(map(repr, left))}; say it for everybody who has an alignment")
    return found


def alone(scenario: Scenario, targets: Sequence[str], what: str = "allocate") -> Tensor:
    """The alignment ``[targets]`` of everybody where nobody reads anybody: on real data alone.

    Raises
    ------
    ValueError
        If somebody who retrains has no real data.
    """
    new = scenario.replace()
    for v in scenario.names:
        flows = scenario.incoming(v, dormant=True)
        if not flows or scenario.member(v).schedule.is_never:
            continue
        if scenario.member(v).real is None:
            raise ValueError(
                f"{what}: {v!r} has no real data, so nothing says where it would be if nobody read anybody; give it "
                "some (Member(..., real=...)), or say disagreement={name: alignment, ...}"
            )
        put_flows(new, v, {u: changed(flow, raw=0.0, curated=0.0) for u, flow in flows.items()})
    dynamics = Dynamics(new)
    goal, point = Alignment(dynamics), find(dynamics)
    values = goal.values(point.vector.unsqueeze(0))[0]
    return values[[goal.targets.index(name) for name in targets]]
