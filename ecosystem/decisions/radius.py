"""How ``ρ(B)``, which says whether small disturbances fade, moves with shares and with where the network is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigs
from torch import Tensor

from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import DENSE, Map, dense
from ecosystem.influence.resolvent import Resolvent

_NEARLY, _MOST = 1e-3, 8  # how near to the largest eigenvalue others are looked at, relative, and how many at most
_APART = 1e10  # condition of eigenvectors above which their inverse says nothing


@dataclass(frozen=True)
class Edge:
    """An eigenvalue that is as large as any, or nearly: its ``modulus``, and that's derivatives.

    ``by_theta`` is ``∂|λ|/∂Θ [1, size]``, ``by_shares`` ``∂|λ|/∂shares [components]``.
    """

    modulus: float
    by_theta: Tensor
    by_shares: np.ndarray


def edges(dynamics: Dynamics, point: Tensor, resolvent: Resolvent) -> list[Edge]:
    """The largest eigenvalues of ``B`` at ``point [size]``, those within a thousandth of the first, at most eight.

    ``∂|λ| = Re(conj(λ)/|λ| · lᴴ dB r / lᴴ r)``, with the left and right eigenvectors ``l`` and ``r``. The radius is the
    largest of them all, with a kink where two are equally large; each of them alone has none there, so ``ρ(B) ≤ 1``
    is best asked as ``|λ_k| ≤ 1`` of each. One of each conjugate pair; of networks too large to be written out only
    the first.
    """
    found = _largest(dynamics, point, resolvent)
    return [_edge(dynamics, point, *one) for one in found]


def _edge(dynamics: Dynamics, point: Tensor, value: complex, left: np.ndarray, right: np.ndarray) -> Edge:
    if value == 0:
        return Edge(0.0, torch.zeros_like(point).unsqueeze(0), np.zeros(len(dynamics.shares)))
    turned = np.conj(left) * (np.conj(value) / abs(value) / (np.conj(left) @ right))  # Re(turned · dB r) is the slope
    along = torch.from_numpy(np.stack([np.real(right), np.imag(right)]))
    weights = torch.from_numpy(np.stack([np.real(turned), -np.imag(turned)]))
    theta = point.unsqueeze(0).clone().requires_grad_()
    shares = dynamics.shares.clone().requires_grad_()
    moved = _pushed(_map(dynamics.with_shares(shares)), theta, along)
    by_theta, by_shares = torch.autograd.grad(
        (moved * weights).sum(), [theta, shares], allow_unused=True, materialize_grads=True
    )
    return Edge(abs(value), by_theta, by_shares.reshape(-1).numpy())


def _largest(dynamics: Dynamics, point: Tensor, resolvent: Resolvent) -> list[tuple[complex, np.ndarray, np.ndarray]]:
    """The largest eigenvalues of ``B`` (of a round, where users move), with their left and right eigenvectors."""
    size = len(point)
    if size <= DENSE:
        return _written(dense(_map(dynamics), point, 256).numpy())
    ends = []
    for transposed in (False, True):
        product = partial(_times, resolvent, transposed)
        operator = LinearOperator((size, size), matvec=product, dtype=np.float64)  # type: ignore[call-arg]
        ends.append(eigs(operator, k=1, which="LM", v0=np.ones(size)))
    (values, right), (others, left) = ends
    vector = left[:, 0] if np.isclose(others[0], values[0], rtol=1e-6) else np.conj(left[:, 0])
    return [(complex(values[0]), np.conj(vector), right[:, 0])]


def _written(matrix: np.ndarray) -> list[tuple[complex, np.ndarray, np.ndarray]]:
    """The same of a matrix that is written out."""
    values, right = np.linalg.eig(matrix)
    sizes = np.abs(values)
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= (1 - _NEARLY) * sizes.max()]
    order = [k for k in order if np.imag(values[k]) >= 0] or order  # one of each pair of conjugates
    with suppress(np.linalg.LinAlgError):  # where there are too few eigenvectors
        inverse = np.linalg.inv(right)  # left eigenvectors that fit the right ones, also in a tie
        if len(order) > 1 and np.linalg.norm(inverse) * np.linalg.norm(right) < _APART * len(right):
            return [(complex(values[k]), np.conj(inverse[k]), right[:, k]) for k in order[:_MOST]]
    k = order[0]
    others, left = np.linalg.eig(matrix.T)
    return [(complex(values[k]), np.conj(left[:, int(np.abs(others - values[k]).argmin())]), right[:, k])]


def _times(resolvent: Resolvent, transposed: bool, v: np.ndarray) -> np.ndarray:
    rows = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64).reshape(1, -1))
    return resolvent.operator.times(rows, transposed)[0].numpy()


def _map(dynamics: Dynamics) -> Map:
    """The map whose radius says whether small disturbances fade."""
    return dynamics.played if dynamics.layout.minds else dynamics.retrained


def _pushed(function: Map, theta: Tensor, along: Tensor) -> Tensor:
    """``B v`` for rows ``v`` of ``along [n, size]``, differentiable by ``theta [1, size]`` and by shares."""
    wide = theta.expand(len(along), -1).clone()
    out = function(wide)
    weights = torch.zeros_like(out, requires_grad=True)
    (pulled,) = torch.autograd.grad(out, wide, weights, create_graph=True)
    return torch.autograd.grad(pulled, weights, along, create_graph=True)[0]
