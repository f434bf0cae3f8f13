"""The paper's quantities: what loops make of a push, how it arrives at another, and whether that is welcome there."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.arguments import meant_among
from ecosystem.core.words import listed
from ecosystem.influence.propagation import check_known
from ecosystem.influence.response import Response


def S(response: Response, target: str) -> Tensor:
    """``S_q = R_qq``, ``R = (I − B)⁻¹``: what the loops through ``q`` make of a push, ``[width, width]``."""
    return _resolved_rows(response, target)[:, _span(response, target)]


def C(response: Response, target: str, source: str) -> Tensor:
    """``C = R_qq⁻¹ R_qp``: a change of ``p`` as it first arrives at ``q``, ``[width of q, width of p]``.

    For two models ``B_qp (I − B_pp)⁻¹`` (Theorem 4.5 of Zhang, Wei, Zhang 2026): ``R_qp = S_q C``.
    """
    rows = _resolved_rows(response, target)
    return torch.linalg.solve(rows[:, _span(response, target)], rows[:, _span(response, source)])


def rho(response: Response, target: str, source: str) -> float:
    """The alignment proxy: ``cos(∇J_k, b_k)`` for a member itself, ``cos(∇J_j, C b_k)`` for another.

    Is curation at the source locally aligned with the target's users? What moves several members arrives from all.
    """
    check_known(response.sources, [source], "source")
    gradient = response.gradients[_span(response, target)]
    arriving = torch.zeros_like(gradient)
    for member, push in response.pushed(source).items():
        arriving = arriving + (push if target == member else C(response, target, member) @ push)
    return float(torch.nn.functional.cosine_similarity(gradient, arriving, dim=0, eps=1e-300))


def _resolved_rows(response: Response, target: str) -> Tensor:
    """The rows of ``(I − B)⁻¹`` that belong to a member, ``[width, size]``."""
    span, free = _span(response, target), response.resolvent.continuum
    eye = response.vector.new_zeros(span.stop - span.start, len(response.vector))
    eye[:, span] = torch.eye(len(eye), dtype=eye.dtype)
    if free is not None and bool(free.right[:, span].any()):
        ways = "; ".join(map(str, free.free(response.dynamics.layout, response.dynamics.names)))
        raise ValueError(f"{target!r} has neither S nor C, what arrives there has no end: {ways}")
    return response.resolvent.adjoint(eye)


def _span(response: Response, name: str) -> slice:
    dynamics = response.dynamics
    span = dynamics.layout.span(dynamics.index[name]) if name in dynamics.index else None
    if span is None:
        moving = [n for i, n in enumerate(dynamics.names) if dynamics.moves[i]]
        near = meant_among(name, moving, f"those are {listed(moving)}")
        raise KeyError(f"{name!r} is no member that retrains{near}")
    return span
